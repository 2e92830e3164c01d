/* ONNX windows and pools. */
#include "net/onnx_internal.h"

#include <string.h>

/* Reads `count` integers of an attribute into v, where it is there; least is the
 * smallest allowed. */
static mico_status read_sizes(const onnx_op *op, const char *attribute, size_t count,
                              int64_t least, size_t *v)
{
    onnx_ints got;
    bool found;
    mico_status rc = mico_onnx_ints(op, attribute, SIZE_MAX, &got, &found);

    if (rc != MICO_OK || !found || got.n == 0)
        return rc;
    if (got.n != count)
        return mico_fail(
            op->err, MICO_ENET, "%s '%s': %s has %zu numbers instead of %zu",
            op->node->op_type, mico_onnx_node_name(op->node), attribute, got.n, count);
    for (size_t i = 0; i < count; i++) {
        if (got.v[i] < least || got.v[i] > (int64_t)NET_MAX_ELEMENTS)
            return mico_onnx_refuse(op, "%s of %lld", attribute, (long long)got.v[i]);
        v[i] = (size_t)got.v[i];
    }
    return MICO_OK;
}

/* Padding of auto_pad SAME: the output has ceil(in / stride) positions; an odd element
 * goes to the end (UPPER) or the beginning (LOWER). */
static void pad_same(size_t in, size_t reach, size_t stride, bool upper, size_t *before,
                     size_t *after)
{
    size_t need = (in + stride - 1) / stride * stride - stride + reach;
    size_t total = need > in ? need - in : 0;

    *before = upper ? total / 2 : total - total / 2;
    *after = total - *before;
}

mico_status mico_onnx_window(const onnx_op *op, const onnx_value *v, mico_window *w)
{
    const mico_shape *in = &op->im->net->tensor[v->tensor].shape;
    size_t n = v->rank - 2; /* 1 or 2 spatial axes */
    size_t stride[2] = {1, 1}, dilation[2] = {1, 1}, pads[4] = {0};
    size_t kernel[2] = {w->kh, w->kw}, before[2] = {0}, after[2] = {0};
    bool upper = mico_onnx_attr_is(op->node, "auto_pad", "NOTSET", "SAME_UPPER");
    bool lower = mico_onnx_attr_is(op->node, "auto_pad", "NOTSET", "SAME_LOWER");
    bool none = mico_onnx_attr_is(op->node, "auto_pad", "NOTSET", "VALID");
    mico_status rc;

    if ((rc = read_sizes(op, "strides", n, 1, &stride[2 - n])) != MICO_OK ||
        (rc = read_sizes(op, "dilations", n, 1, &dilation[2 - n])) != MICO_OK ||
        (rc = read_sizes(op, "pads", 2 * n, 0, pads)) != MICO_OK)
        return rc;
    if (!upper && !lower && !none &&
        !mico_onnx_attr_is(op->node, "auto_pad", "NOTSET", "NOTSET") &&
        !mico_onnx_attr_is(op->node, "auto_pad", "NOTSET", ""))
        return mico_onnx_refuse(op, "unknown auto_pad");
    for (size_t a = 2 - n; a < 2; a++) {
        size_t reach = (kernel[a] - 1) * dilation[a] + 1;

        if (upper || lower) {
            pad_same(in->dim[a + 1], reach, stride[a], upper, &before[a], &after[a]);
        } else if (!none) {
            before[a] = pads[a - (2 - n)];
            after[a] = pads[n + a - (2 - n)];
        }
    }
    *w = (mico_window){kernel[0],   kernel[1], stride[0], stride[1], dilation[0],
                       dilation[1], before[0], before[1], after[0],  after[1]};
    return MICO_OK;
}

/* ceil_mode is the floor rule where the last window ends at the border. */
static bool ends_at_border(const mico_window *w, const mico_shape *in)
{
    size_t reach_h = (w->kh - 1) * w->dilation_h + 1;
    size_t reach_w = (w->kw - 1) * w->dilation_w + 1;
    size_t size_h = in->dim[1] + w->pad_top + w->pad_bottom;
    size_t size_w = in->dim[2] + w->pad_left + w->pad_right;

    return size_h >= reach_h && size_w >= reach_w &&
           (size_h - reach_h) % w->stride_h == 0 &&
           (size_w - reach_w) % w->stride_w == 0;
}

mico_status mico_onnx_pool(const onnx_op *op)
{
    bool average = strcmp(op->node->op_type, "AveragePool") == 0;
    size_t kernel[2] = {1, 0};
    const onnx_value *x;
    mico_window w = {0};
    mico_node *n;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK)
        return rc;
    if (x->rank < 3)
        return mico_onnx_refuse(op, "input without spatial axes");
    if ((rc = read_sizes(op, "kernel_shape", x->rank - 2, 1, &kernel[4 - x->rank])) !=
        MICO_OK)
        return rc;
    if (kernel[1] == 0)
        return mico_fail(op->err, MICO_ENET, "%s '%s': has no kernel_shape",
                         op->node->op_type, mico_onnx_node_name(op->node));
    w.kh = kernel[0];
    w.kw = kernel[1];
    if ((rc = mico_onnx_window(op, x, &w)) != MICO_OK)
        return rc;
    if (average && (w.dilation_h != 1 || w.dilation_w != 1))
        return mico_onnx_refuse(op, "dilations");
    if (mico_onnx_attr_int(op->node, "ceil_mode", 0) != 0 &&
        !ends_at_border(&w, &op->im->net->tensor[x->tensor].shape))
        return mico_onnx_refuse(op, "ceil_mode");
    n = mico_onnx_emit(op, average ? MICO_NODE_AVGPOOL : MICO_NODE_MAXPOOL, x);
    n->window = w;
    n->count_include_pad =
        average && mico_onnx_attr_int(op->node, "count_include_pad", 0) != 0;
    return mico_onnx_done(op, x->rank);
}

mico_status mico_onnx_global_pool(const onnx_op *op)
{
    bool average = strcmp(op->node->op_type, "GlobalAveragePool") == 0;
    const onnx_value *x;
    mico_node *n;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK)
        return rc;
    if (x->rank < 3)
        return mico_onnx_refuse(op, "input without spatial axes");
    n = mico_onnx_emit(op, average ? MICO_NODE_AVGPOOL : MICO_NODE_MAXPOOL, x);
    n->window.kh = op->im->net->tensor[x->tensor].shape.dim[1];
    n->window.kw = op->im->net->tensor[x->tensor].shape.dim[2];
    return mico_onnx_done(op, x->rank);
}

/* Means over spatial axes are average pools; without keepdims the axes then go. */
mico_status mico_onnx_reduce_mean(const onnx_op *op)
{
    bool keep = mico_onnx_attr_int(op->node, "keepdims", 1) != 0, found,
         gone[4] = {false};
    size_t dim[MICO_MAX_RANK], n_dims, kept = 0, axis;
    const onnx_value *x;
    onnx_value pooled;
    onnx_ints axes;
    mico_node *n;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "axes", 1, &axes, &found)) != MICO_OK)
        return rc;
    if (!found || axes.n == 0)
        return mico_onnx_refuse(op, "over all axes");
    n = mico_onnx_emit(op, MICO_NODE_AVGPOOL, x);
    for (size_t i = 0; i < axes.n; i++) {
        int64_t a = axes.v[i] < 0 ? axes.v[i] + (int64_t)x->rank : axes.v[i];

        if ((rc = mico_onnx_axis(op, x, axes.v[i], &axis)) != MICO_OK)
            return rc;
        if (axis == MICO_NO_TENSOR || axis == 0)
            return mico_onnx_refuse(op, "over other axes than height and width");
        gone[a] = true;
        if (axis == 1)
            n->window.kh = op->im->net->tensor[x->tensor].shape.dim[1];
        else
            n->window.kw = op->im->net->tensor[x->tensor].shape.dim[2];
    }
    if ((rc = mico_onnx_done(op, x->rank)) != MICO_OK || keep)
        return rc;
    pooled = *mico_onnx_find(op->im, op->node->output[0]);
    n_dims = mico_onnx_dims(op->im, &pooled, dim);
    for (size_t a = 0; a < n_dims; a++)
        if (!gone[a + 1])
            dim[kept++] = dim[a];
    return mico_onnx_redim(op, &pooled, kept, dim);
}
