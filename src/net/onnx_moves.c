/* ONNX operators that clip, join or move elements. */
#include "net/onnx_internal.h"

#include <math.h>
#include <string.h>

mico_status mico_onnx_relu(const onnx_op *op)
{
    const onnx_value *x;
    mico_status rc = mico_onnx_data(op, 0, &x);

    if (rc != MICO_OK)
        return rc;
    mico_onnx_emit(op, MICO_NODE_CLIP, x)->lo = 0;
    return mico_onnx_done(op, x->rank);
}

/* A limit of Clip: an attribute until opset 10, an optional input since. */
static mico_status clip_limit(const onnx_op *op, const char *attribute, size_t i,
                              float *limit)
{
    const onnx_const *c;
    mico_status rc;

    if (mico_onnx_attr(op->node, attribute) != NULL) {
        *limit = (float)mico_onnx_attr_float(op->node, attribute, (double)*limit);
        return MICO_OK;
    }
    if (mico_onnx_input(op, i) == NULL)
        return MICO_OK;
    if ((rc = mico_onnx_floats(op, i, "limits", &c)) != MICO_OK)
        return rc;
    if (c->count != 1)
        return mico_onnx_refuse(op, "limits that are not single numbers");
    *limit = (float)mico_onnx_const_float(c, 0);
    return MICO_OK;
}

mico_status mico_onnx_clip(const onnx_op *op)
{
    float lo = -INFINITY, hi = INFINITY;
    const onnx_value *x;
    mico_node *n;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = clip_limit(op, "min", 1, &lo)) != MICO_OK ||
        (rc = clip_limit(op, "max", 2, &hi)) != MICO_OK)
        return rc;
    if (isinf(lo) && lo < 0 && isinf(hi) && hi > 0)
        return mico_onnx_alias(op, x, x->rank);
    n = mico_onnx_emit(op, MICO_NODE_CLIP, x);
    n->lo = lo;
    n->hi = hi;
    return mico_onnx_done(op, x->rank);
}

mico_status mico_onnx_concat(const onnx_op *op)
{
    const onnx_value *x, *more;
    size_t axis, in[MICO_MAX_INPUTS];
    mico_node *n;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_axis(op, x, mico_onnx_attr_int(op->node, "axis", 1), &axis)) !=
            MICO_OK)
        return rc;
    if (axis != 0)
        return mico_onnx_refuse(op, "along another axis than the channels");
    if (op->node->n_input > MICO_MAX_INPUTS)
        return mico_onnx_refuse(op, "more than %d inputs", MICO_MAX_INPUTS);
    for (size_t i = 0; i < op->node->n_input; i++) {
        if ((rc = mico_onnx_data(op, i, &more)) != MICO_OK)
            return rc;
        if (more->rank != x->rank)
            return mico_onnx_refuse(op, "inputs of different ranks");
        in[i] = more->tensor;
    }
    n = mico_onnx_emit(op, MICO_NODE_CONCAT, x);
    n->n_in = op->node->n_input;
    memcpy(n->in, in, n->n_in * sizeof in[0]);
    return mico_onnx_done(op, x->rank);
}

/* Dropout and Identity at inference. */
mico_status mico_onnx_pass(const onnx_op *op)
{
    const onnx_value *x, *mode = mico_onnx_input(op, 2);
    mico_status rc = mico_onnx_data(op, 0, &x);

    if (rc != MICO_OK)
        return rc;
    if (strcmp(op->node->op_type, "Dropout") == 0 && mode != NULL)
        return mico_onnx_refuse(op, "with a training mode");
    return mico_onnx_alias(op, x, x->rank);
}

/* The largest logit is the largest probability, so a Softmax at the end is left out. */
mico_status mico_onnx_softmax(const onnx_op *op)
{
    const onnx_value *x;
    mico_status rc = mico_onnx_data(op, 0, &x);

    if (rc != MICO_OK)
        return rc;
    if (strcmp(op->node->output[0], op->im->output->name) != 0)
        return mico_onnx_refuse(op, "only as the last node it is left out");
    return mico_onnx_alias(op, x, x->rank);
}

mico_status mico_onnx_pad(const onnx_op *op)
{
    const onnx_value *x,
        *fill = mico_onnx_input(op, 1) != NULL ? mico_onnx_input(op, 2) : NULL;
    onnx_ints pads, axes;
    const onnx_const *c;
    mico_node *n;
    mico_status rc;
    bool found, some;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "pads", 1, &pads, &found)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "axes", 3, &axes, &some)) != MICO_OK ||
        (fill != NULL && (rc = mico_onnx_floats(op, 2, "fill values", &c)) != MICO_OK))
        return rc;
    for (size_t a = 0; !some && a < x->rank; a++)
        axes.v[axes.n++] = (int64_t)a;
    if (!found || pads.n != 2 * axes.n)
        return mico_fail(op->err, MICO_ENET, "Pad '%s': has %zu pads for %zu axes",
                         mico_onnx_node_name(op->node), pads.n, axes.n);
    if (!mico_onnx_attr_is(op->node, "mode", "constant", "constant"))
        return mico_onnx_refuse(op, "only constant padding is");
    if (mico_onnx_attr_float(op->node, "value", 0) != 0 ||
        (fill != NULL && (c->count != 1 || mico_onnx_const_float(c, 0) != 0)))
        return mico_onnx_refuse(op, "with something else than zeros");
    n = mico_onnx_emit(op, MICO_NODE_PAD, x);
    for (size_t k = 0; k < axes.n; k++) {
        int64_t before = pads.v[k], after = pads.v[k + axes.n];
        size_t axis;

        if ((rc = mico_onnx_axis(op, x, axes.v[k], &axis)) != MICO_OK)
            return rc;
        if (axis == MICO_NO_TENSOR && before == 0 && after == 0)
            continue;
        if (axis == MICO_NO_TENSOR || before < 0 || after < 0 ||
            before > (int64_t)NET_MAX_ELEMENTS || after > (int64_t)NET_MAX_ELEMENTS)
            return mico_onnx_refuse(op, "of the batch, or by less than 0");
        n->pad_before[axis] = (size_t)before;
        n->pad_after[axis] = (size_t)after;
    }
    return mico_onnx_done(op, x->rank);
}

/* A position counted from the end where negative, cut to 0..dim. */
static size_t slice_position(int64_t at, size_t dim)
{
    if (at < 0)
        at = at < -(int64_t)dim ? 0 : at + (int64_t)dim;
    return at > (int64_t)dim ? dim : (size_t)at;
}

mico_status mico_onnx_slice(const onnx_op *op)
{
    onnx_ints starts, ends, axes, steps;
    bool found, found_axes, found_steps;
    const onnx_value *x;
    const mico_shape *in;
    mico_node *n;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "starts", 1, &starts, &found)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "ends", 2, &ends, &found)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "axes", 3, &axes, &found_axes)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "steps", 4, &steps, &found_steps)) != MICO_OK)
        return rc;
    if (starts.n != ends.n || (found_axes && axes.n != starts.n) ||
        (found_steps && steps.n != starts.n))
        return mico_fail(op->err, MICO_ENET,
                         "Slice '%s': starts, ends, axes and steps differ in number",
                         mico_onnx_node_name(op->node));
    n = mico_onnx_emit(op, MICO_NODE_SLICE, x);
    in = &op->im->net->tensor[x->tensor].shape;
    memcpy(n->stop, in->dim, sizeof n->stop);
    for (size_t k = 0; k < starts.n; k++) {
        int64_t step = found_steps ? steps.v[k] : 1;
        size_t axis;

        rc = mico_onnx_axis(op, x, found_axes ? axes.v[k] : (int64_t)k, &axis);
        if (rc != MICO_OK)
            return rc;
        if (axis == MICO_NO_TENSOR && starts.v[k] == 0 && ends.v[k] >= INT32_MAX &&
            step == 1)
            continue; /* all of the batch */
        if (axis == MICO_NO_TENSOR || step < 1)
            return mico_onnx_refuse(op, "of the batch, or backwards");
        n->start[axis] = slice_position(starts.v[k], in->dim[axis]);
        n->stop[axis] = slice_position(ends.v[k], in->dim[axis]);
        n->step[axis] = step < (int64_t)in->dim[axis] ? (size_t)step : in->dim[axis];
    }
    return mico_onnx_done(op, x->rank);
}

mico_status mico_onnx_transpose(const onnx_op *op)
{
    const onnx_value *x;
    onnx_ints perm;
    mico_node *n;
    mico_status rc;
    bool found;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "perm", SIZE_MAX, &perm, &found)) != MICO_OK)
        return rc;
    if (!found || perm.n == 0 || perm.v[0] != 0)
        return mico_onnx_refuse(op, "moves the batch");
    if (perm.n != x->rank)
        return mico_fail(op->err, MICO_ENET,
                         "Transpose '%s': permutes %zu axes of an input that has %zu",
                         mico_onnx_node_name(op->node), perm.n, x->rank);
    n = mico_onnx_emit(op, MICO_NODE_TRANSPOSE, x);
    for (size_t a = 1; a < perm.n; a++) {
        size_t to, from;

        if ((rc = mico_onnx_axis(op, x, (int64_t)a, &to)) != MICO_OK ||
            (rc = mico_onnx_axis(op, x, perm.v[a], &from)) != MICO_OK)
            return rc;
        n->perm[to] = from;
    }
    return mico_onnx_done(op, x->rank);
}

/* ---- other shapes of the same elements ---------------------------------------------
 */

mico_status mico_onnx_flatten(const onnx_op *op)
{
    const onnx_value *x;
    size_t axis, count;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_axis(op, x, mico_onnx_attr_int(op->node, "axis", 1), &axis)) !=
            MICO_OK)
        return rc;
    if (axis != 0)
        return mico_onnx_refuse(op, "only axis 1 is");
    count = mico_shape_count(&op->im->net->tensor[x->tensor].shape);
    return mico_onnx_redim(op, x, 1, &count);
}

/* Resolves 0 (as before) and -1 (the rest) of a Reshape whose first entry is the batch.
 */
static mico_status reshape_dims(const onnx_op *op, const onnx_value *x,
                                const onnx_ints *shape, size_t *dim)
{
    size_t old[MICO_MAX_RANK], n_old = mico_onnx_dims(op->im, x, old), known = 1;
    size_t count = mico_shape_count(&op->im->net->tensor[x->tensor].shape);
    size_t rest = SIZE_MAX;

    for (size_t a = 1; a < shape->n; a++) {
        int64_t v = shape->v[a];

        if (v == 0 && (a > n_old || mico_onnx_attr_int(op->node, "allowzero", 0) != 0))
            return mico_onnx_refuse(op, "a dimension of 0");
        if (v < -1 || v > (int64_t)count || (v == -1 && rest != SIZE_MAX))
            return mico_onnx_refuse(op, "mixes images, or its shape does not fit");
        if (v == -1) {
            rest = a - 1;
            continue;
        }
        dim[a - 1] = v == 0 ? old[a - 1] : (size_t)v;
        known *= dim[a - 1];
        if (known > count)
            return mico_onnx_refuse(op, "mixes images, or its shape does not fit");
    }
    if (rest != SIZE_MAX)
        dim[rest] = count / known;
    if (rest != SIZE_MAX ? count % known != 0 : known != count)
        return mico_onnx_refuse(op, "mixes images, or its shape does not fit");
    return MICO_OK;
}

mico_status mico_onnx_reshape(const onnx_op *op)
{
    size_t dim[MICO_MAX_RANK] = {0};
    const onnx_value *x;
    onnx_ints shape;
    mico_status rc;
    bool found, keeps_batch;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "shape", 1, &shape, &found)) != MICO_OK)
        return rc;
    if (shape.n < 2 || shape.n > MICO_MAX_RANK + 1)
        return mico_onnx_refuse(op, "to %zu dimensions", shape.n);
    keeps_batch =
        shape.v[0] == -1 || shape.v[0] == 1 || shape.v[0] == op->im->batch ||
        (shape.v[0] == 0 && mico_onnx_attr_int(op->node, "allowzero", 0) == 0);
    if (!keeps_batch)
        return mico_onnx_refuse(op, "changes the batch");
    for (size_t a = 1; shape.v[0] == -1 && a < shape.n; a++)
        if (shape.v[a] == -1)
            return mico_onnx_refuse(op, "two dimensions of -1");
    if ((rc = reshape_dims(op, x, &shape, dim)) != MICO_OK)
        return rc;
    return mico_onnx_redim(op, x, shape.n - 1, dim);
}

/* Squeeze drops dimensions of 1, Unsqueeze adds them; neither moves an element. */
mico_status mico_onnx_squeeze(const onnx_op *op)
{
    bool squeeze = op->node->op_type[0] == 'S', found, marked[ONNX_MAX_AXES] = {false};
    size_t old[MICO_MAX_RANK], dim[ONNX_MAX_AXES], n_old, n_new = 0, rank;
    const onnx_value *x;
    onnx_ints axes;
    mico_status rc;

    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "axes", 1, &axes, &found)) != MICO_OK)
        return rc;
    n_old = mico_onnx_dims(op->im, x, old);
    rank = squeeze ? x->rank : x->rank + axes.n;
    if (rank > MICO_MAX_RANK + 1 || (!squeeze && axes.n == 0))
        return mico_onnx_refuse(op, "to %zu dimensions", rank);
    for (size_t k = 0; k < axes.n; k++) {
        int64_t a = axes.v[k] < 0 ? axes.v[k] + (int64_t)rank : axes.v[k];

        if (a < 1 || a >= (int64_t)rank || marked[a] || (squeeze && old[a - 1] != 1))
            return mico_onnx_refuse(op, "of axis %lld", (long long)axes.v[k]);
        marked[a] = true;
    }
    for (size_t a = 0, from = 0; a + 1 < rank; a++) {
        if (squeeze ? (found ? !marked[a + 1] : old[a] != 1) : true)
            dim[n_new++] = !squeeze && marked[a + 1] ? 1 : old[from];
        if (squeeze || !marked[a + 1])
            from++;
    }
    if (n_new == 0 || n_old == 0)
        return mico_onnx_refuse(op, "to the batch alone");
    return mico_onnx_redim(op, x, n_new, dim);
}
