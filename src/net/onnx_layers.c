/* ONNX layers with parameters, and what is folded into them. */
#include "net/onnx_internal.h"

#include <math.h>
#include <string.h>

/* ---- layers ------------------------------------------------------------------------
 */

/* Registers the node just emitted as a layer of c_out channels: scale 1, shift 0. Many
 * layers may share one constant, so the file's size alone bounds nothing. */
static mico_status new_layer(const onnx_op *op, size_t n_weights, onnx_layer **out)
{
    onnx_import *im = op->im;
    mico_net *net = im->net;
    mico_node *n = &net->node[net->n_nodes - 1];
    onnx_layer *layer;

    im->n_weights += n_weights;
    if (im->n_layers == NET_MAX_LAYERS ||
        im->n_weights > MICO_NET_LIMIT_BYTES / sizeof *layer->weight)
        return mico_fail(op->err, MICO_ELIMIT,
                         "%s '%s': more than %zu quantizable layers, or %zu bytes of "
                         "weights",
                         op->node->op_type, mico_onnx_node_name(op->node),
                         NET_MAX_LAYERS, MICO_NET_LIMIT_BYTES);
    im->layer =
        mico_grow(im->layer, im->n_layers, &im->layer_capacity, sizeof *im->layer);
    layer = &im->layer[im->n_layers++];
    *layer = (onnx_layer){.node = net->n_nodes - 1, .tensor = n->out};
    layer->weight = mico_arena_alloc(&net->arena, n_weights * sizeof *layer->weight);
    layer->scale = mico_arena_alloc(&im->scratch, n->c_out * sizeof *layer->scale);
    layer->shift = mico_arena_alloc(&im->scratch, n->c_out * sizeof *layer->shift);
    for (size_t c = 0; c < n->c_out; c++)
        layer->scale[c] = 1;
    n->weight = layer->weight;
    *out = layer;
    return MICO_OK;
}

mico_status mico_onnx_conv(const onnx_op *op)
{
    int64_t groups = mico_onnx_attr_int(op->node, "group", 1);
    const onnx_const *w, *b = NULL;
    const onnx_value *x;
    onnx_ints kernel;
    onnx_layer *layer;
    mico_node *n;
    mico_status rc;
    bool found;

    if ((rc = mico_onnx_floats(op, 1, "weights", &w)) != MICO_OK ||
        (mico_onnx_input(op, 2) != NULL &&
         (rc = mico_onnx_floats(op, 2, "biases", &b)) != MICO_OK) ||
        (rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "kernel_shape", SIZE_MAX, &kernel, &found)) != MICO_OK)
        return rc;
    if (x->rank < 3 || w->rank > 4)
        return mico_onnx_refuse(op, "only 1-D and 2-D convolutions are");
    if (w->rank != x->rank || w->count == 0 || (b != NULL && b->count != w->dim[0]) ||
        groups < 1 || groups > (int64_t)NET_MAX_ELEMENTS)
        return mico_fail(
            op->err, MICO_ENET,
            "Conv '%s': its weights, biases and groups do not fit together",
            mico_onnx_node_name(op->node));
    for (size_t k = 0; found && k < w->rank - 2; k++)
        if (kernel.n != w->rank - 2 || kernel.v[k] != (int64_t)w->dim[k + 2])
            return mico_fail(op->err, MICO_ENET,
                             "Conv '%s': kernel_shape differs from its weights' shape",
                             mico_onnx_node_name(op->node));
    n = mico_onnx_emit(op, MICO_NODE_CONV, x);
    n->groups = (size_t)groups;
    n->c_in = w->dim[1] * n->groups;
    n->c_out = w->dim[0];
    n->window.kh = w->rank == 4 ? w->dim[2] : 1;
    n->window.kw = w->dim[w->rank - 1];
    if ((rc = mico_onnx_window(op, x, &n->window)) != MICO_OK ||
        (rc = new_layer(op, w->count, &layer)) != MICO_OK)
        return rc;
    for (size_t i = 0; i < w->count; i++)
        layer->weight[i] = (float)mico_onnx_const_float(w, i);
    layer->has_bias = b != NULL;
    for (size_t c = 0; b != NULL && c < b->count; c++)
        layer->shift[c] = mico_onnx_const_float(b, c);
    return mico_onnx_done(op, x->rank);
}

/* A linear layer of matrix w: [out][in] if `transposed`, else [in][out]. */
static mico_status emit_linear(const onnx_op *op, const onnx_value *x,
                               const onnx_const *w, bool transposed, onnx_layer **out)
{
    mico_node *n;
    size_t c_in, c_out;
    mico_status rc;

    if (x->rank != 2)
        return mico_onnx_refuse(op, "input of %zu dimensions, only 2 are", x->rank);
    if (w->rank != 2 || w->count == 0)
        return mico_onnx_refuse(op, "weights of %zu dimensions, only 2 are", w->rank);
    n = mico_onnx_emit(op, MICO_NODE_LINEAR, x);
    n->c_in = c_in = w->dim[transposed ? 1 : 0];
    n->c_out = c_out = w->dim[transposed ? 0 : 1];
    if ((rc = new_layer(op, w->count, out)) != MICO_OK)
        return rc;
    for (size_t o = 0; o < c_out; o++)
        for (size_t i = 0; i < c_in; i++)
            (*out)->weight[o * c_in + i] = (float)mico_onnx_const_float(
                w, transposed ? o * c_in + i : i * c_out + o);
    return MICO_OK;
}

/* Y = alpha A B + beta C */
mico_status mico_onnx_gemm(const onnx_op *op)
{
    double alpha = mico_onnx_attr_float(op->node, "alpha", 1);
    double beta = mico_onnx_attr_float(op->node, "beta", 1);
    bool transposed = mico_onnx_attr_int(op->node, "transB", 0) != 0;
    const onnx_const *w, *b = NULL;
    const onnx_value *x;
    onnx_layer *layer;
    size_t c_out;
    mico_status rc;

    if ((rc = mico_onnx_floats(op, 1, "weights", &w)) != MICO_OK ||
        (mico_onnx_input(op, 2) != NULL &&
         (rc = mico_onnx_floats(op, 2, "biases", &b)) != MICO_OK) ||
        (rc = mico_onnx_data(op, 0, &x)) != MICO_OK)
        return rc;
    if (mico_onnx_attr_int(op->node, "transA", 0) != 0)
        return mico_onnx_refuse(op, "transA");
    c_out = w->rank == 2 ? w->dim[transposed ? 0 : 1] : 0;
    if (b != NULL && b->count != 1 &&
        (b->count != c_out || b->rank == 0 || b->dim[b->rank - 1] != c_out))
        return mico_onnx_refuse(op, "biases that are not one for each output");
    if ((rc = emit_linear(op, x, w, transposed, &layer)) != MICO_OK)
        return rc;
    layer->has_bias = b != NULL;
    for (size_t c = 0; c < c_out; c++) {
        layer->scale[c] = alpha;
        if (b != NULL)
            layer->shift[c] = beta * mico_onnx_const_float(b, b->count == 1 ? 0 : c);
    }
    return mico_onnx_done(op, 2);
}

mico_status mico_onnx_matmul(const onnx_op *op)
{
    const onnx_const *w;
    const onnx_value *x;
    onnx_layer *layer;
    mico_status rc;

    if ((rc = mico_onnx_floats(op, 1, "weights", &w)) != MICO_OK ||
        (rc = mico_onnx_data(op, 0, &x)) != MICO_OK ||
        (rc = emit_linear(op, x, w, false, &layer)) != MICO_OK)
        return rc;
    return mico_onnx_done(op, 2);
}

/* ---- folding -----------------------------------------------------------------------
 */

/* The layer whose output is v and nothing else's input; NULL if there is none. */
static onnx_layer *layer_before(const onnx_import *im, const onnx_value *v)
{
    if (v->shared || v->uses > 1)
        return NULL;
    for (size_t l = im->n_layers; l-- > 0;)
        if (im->layer[l].tensor == v->tensor)
            return &im->layer[l];
    return NULL;
}

/* y = gamma (x - mean) / sqrt(var + epsilon) + beta, per channel */
mico_status mico_onnx_batch_norm(const onnx_op *op)
{
    static const char *const what[] = {"", "scales", "shifts", "means", "variances"};
    double epsilon = mico_onnx_attr_float(op->node, "epsilon", 1e-5);
    const onnx_const *p[5] = {NULL};
    const onnx_value *x;
    onnx_layer *layer;
    size_t c_out;
    mico_status rc;

    for (size_t i = 1; i < 5; i++)
        if ((rc = mico_onnx_floats(op, i, what[i], &p[i])) != MICO_OK)
            return rc;
    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK)
        return rc;
    if (mico_onnx_attr_int(op->node, "training_mode", 0) != 0 ||
        mico_onnx_attr_int(op->node, "spatial", 1) != 1 ||
        (op->im->opset < 7 && mico_onnx_attr_int(op->node, "is_test", 0) == 0))
        return mico_onnx_refuse(op, "training mode, or not spatial");
    layer = layer_before(op->im, x);
    if (layer == NULL)
        return mico_onnx_refuse(op, "not right behind a Conv, Gemm or MatMul");
    c_out = op->im->net->node[layer->node].c_out;
    for (size_t i = 1; i < 5; i++)
        if (p[i]->count != c_out)
            return mico_fail(op->err, MICO_ENET,
                             "BatchNormalization '%s': has %zu %s for %zu channels",
                             mico_onnx_node_name(op->node), p[i]->count, what[i],
                             c_out);
    for (size_t c = 0; c < c_out; c++) {
        double variance = mico_onnx_const_float(p[4], c) + epsilon, gain;

        if (!(variance > 0))
            return mico_fail(op->err, MICO_ENET,
                             "BatchNormalization '%s': variance %zu is not positive",
                             mico_onnx_node_name(op->node), c);
        gain = mico_onnx_const_float(p[1], c) / sqrt(variance);
        layer->scale[c] *= gain;
        layer->shift[c] = gain * (layer->shift[c] - mico_onnx_const_float(p[3], c)) +
                          mico_onnx_const_float(p[2], c);
    }
    layer->has_bias = true;
    return mico_onnx_alias(op, x, x->rank);
}

/* True if c, broadcast against v (numpy's rule), is one number or one per channel. */
static bool is_per_channel(const onnx_import *im, const onnx_const *c,
                           const onnx_value *v)
{
    size_t channels = im->net->tensor[v->tensor].shape.dim[0];

    if (c->rank > v->rank || c->count == 0)
        return false;
    for (size_t a = 0; a < c->rank; a++) {
        size_t axis = v->rank - c->rank + a;

        if (c->dim[a] != 1 && !(axis == 1 && c->dim[a] == channels))
            return false;
    }
    return true;
}

/* Opset 6 names the axis where the constant's dimensions begin: the same as numpy's
 * rule with dimensions of 1 behind them. */
static void align_constant(const onnx_op *op, const onnx_value *v, onnx_const *k)
{
    int64_t axis = mico_onnx_attr_int(op->node, "axis", -1);

    while (op->im->opset < 7 && axis >= 0 && k->rank < ONNX_MAX_AXES &&
           k->rank + (size_t)axis < v->rank)
        k->dim[k->rank++] = 1;
}

/* Add, Sub, Mul, Div of data and a constant: into the layer that made the data. */
static mico_status fold_constant(const onnx_op *op, const onnx_value *v,
                                 const onnx_const *constant)
{
    onnx_const aligned = *constant;
    const onnx_const *k = &aligned;
    char what = op->node->op_type[0]; /* A, S, M, D */
    onnx_layer *layer = layer_before(op->im, v);

    align_constant(op, v, &aligned);
    if (!mico_onnx_const_is_float(k) || !is_per_channel(op->im, k, v))
        return mico_onnx_refuse(op, "the constant is not one number for each channel");
    if (layer == NULL)
        return mico_onnx_refuse(op,
                                "a constant not right behind a Conv, Gemm or MatMul");
    for (size_t c = 0; c < op->im->net->node[layer->node].c_out; c++) {
        double value = mico_onnx_const_float(k, k->count == 1 ? 0 : c);

        if (what == 'A' || what == 'S') {
            layer->shift[c] += what == 'A' ? value : -value;
            layer->has_bias = true;
        } else {
            value = what == 'M' ? value : 1 / value;
            layer->scale[c] *= value;
            layer->shift[c] *= value;
        }
    }
    return mico_onnx_alias(op, v, v->rank);
}

mico_status mico_onnx_arithmetic(const onnx_op *op)
{
    const onnx_value *a = mico_onnx_input(op, 0), *b = mico_onnx_input(op, 1);
    bool commutes = op->node->op_type[0] == 'A' || op->node->op_type[0] == 'M';
    mico_node *n;
    mico_status rc;

    if (a == NULL || b == NULL || op->node->n_input != 2)
        return mico_onnx_refuse(op, "not of two inputs");
    if (a->state == ONNX_DATA && b->state == ONNX_CONST)
        return fold_constant(op, a, &b->constant);
    if (b->state == ONNX_DATA && a->state == ONNX_CONST && commutes)
        return fold_constant(op, b, &a->constant);
    if ((rc = mico_onnx_data(op, 0, &a)) != MICO_OK ||
        (rc = mico_onnx_data(op, 1, &b)) != MICO_OK)
        return rc;
    if (op->node->op_type[0] != 'A')
        return mico_onnx_refuse(op, "of two feature maps");
    if (a->rank != b->rank || memcmp(op->im->net->tensor[a->tensor].shape.dim,
                                     op->im->net->tensor[b->tensor].shape.dim,
                                     sizeof(size_t[MICO_MAX_RANK])) != 0)
        return mico_onnx_refuse(op, "inputs of different shapes");
    n = mico_onnx_emit(op, MICO_NODE_ADD, a);
    n->n_in = 2;
    n->in[1] = b->tensor;
    return mico_onnx_done(op, a->rank);
}

void mico_onnx_apply_folds(onnx_import *im)
{
    for (size_t l = 0; l < im->n_layers; l++) {
        onnx_layer *layer = &im->layer[l];
        mico_node *n = &im->net->node[layer->node];
        size_t taps = n->c_in / n->groups * n->window.kh * n->window.kw;

        for (size_t c = 0; c < n->c_out; c++)
            for (size_t i = 0; layer->scale[c] != 1 && i < taps; i++)
                layer->weight[c * taps + i] =
                    (float)((double)layer->weight[c * taps + i] * layer->scale[c]);
        if (layer->has_bias) {
            float *bias = mico_arena_alloc(&im->net->arena, n->c_out * sizeof *bias);

            for (size_t c = 0; c < n->c_out; c++)
                bias[c] = (float)layer->shift[c];
            n->bias = bias;
        }
    }
}
