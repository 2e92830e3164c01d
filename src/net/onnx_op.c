/* The vocabulary of the ONNX converters: inputs, constants, axes, emitted nodes. */
#include "net/onnx_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mico_onnx_node_name(const Onnx__NodeProto *node)
{
    if (node->name != NULL && node->name[0] != '\0')
        return node->name;
    return node->n_output > 0 ? node->output[0] : "";
}

static int compare_name(const void *key, const void *value)
{
    return strcmp(key, ((const onnx_value *)value)->name);
}

onnx_value *mico_onnx_find(const onnx_import *im, const char *name)
{
    return bsearch(name, im->value, im->n_values, sizeof *im->value, compare_name);
}

onnx_value *mico_onnx_input(const onnx_op *op, size_t i)
{
    if (i >= op->node->n_input || op->node->input[i][0] == '\0')
        return NULL;
    return mico_onnx_find(op->im, op->node->input[i]);
}

mico_status mico_onnx_refuse(const onnx_op *op, const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return mico_fail(op->err, MICO_EUNSUP, "%s", text);
}

mico_status mico_onnx_data(const onnx_op *op, size_t i, const onnx_value **out)
{
    const onnx_value *v = mico_onnx_input(op, i);

    if (v == NULL)
        return mico_fail(op->err, MICO_ENET, "%s '%s': its input %zu is missing",
                         op->node->op_type, mico_onnx_node_name(op->node), i + 1);
    if (v->state == ONNX_CONST)
        return mico_onnx_refuse(op, "input %zu is a constant", i + 1);
    if (v->state != ONNX_DATA)
        return mico_onnx_refuse(op, "input %zu is a further graph input", i + 1);
    *out = v;
    return MICO_OK;
}

mico_status mico_onnx_floats(const onnx_op *op, size_t i, const char *what,
                             const onnx_const **out)
{
    const onnx_value *v = mico_onnx_input(op, i);

    if (v == NULL)
        return mico_fail(op->err, MICO_ENET, "%s '%s': its %s are missing",
                         op->node->op_type, mico_onnx_node_name(op->node), what);
    if (v->state != ONNX_CONST)
        return mico_onnx_refuse(op, "%s are not constant", what);
    if (!mico_onnx_const_is_float(&v->constant))
        return mico_onnx_refuse(op, "%s are not floating point numbers", what);
    *out = &v->constant;
    return MICO_OK;
}

mico_status mico_onnx_ints(const onnx_op *op, const char *attribute, size_t i,
                           onnx_ints *out, bool *found)
{
    const Onnx__AttributeProto *a = mico_onnx_attr(op->node, attribute);
    const onnx_value *v = i != SIZE_MAX ? mico_onnx_input(op, i) : NULL;

    *out = (onnx_ints){0};
    *found = a != NULL || v != NULL;
    if (!*found)
        return MICO_OK;
    if (a == NULL && (v->state != ONNX_CONST || mico_onnx_const_is_float(&v->constant)))
        return mico_onnx_refuse(op, "%s: not constant integers", attribute);
    out->n = a != NULL ? a->n_ints : v->constant.count;
    if (out->n > ONNX_MAX_AXES)
        return mico_onnx_refuse(op, "%zu numbers in %s", out->n, attribute);
    for (size_t k = 0; k < out->n; k++)
        out->v[k] = a != NULL ? a->ints[k] : mico_onnx_const_int(&v->constant, k);
    return MICO_OK;
}

size_t mico_onnx_dims(const onnx_import *im, const onnx_value *v,
                      size_t dim[MICO_MAX_RANK])
{
    const mico_shape *s = &im->net->tensor[v->tensor].shape;

    dim[0] = s->dim[0];
    if (v->rank == 3) {
        dim[1] = s->dim[2];
    } else if (v->rank == 4) {
        dim[1] = s->dim[1];
        dim[2] = s->dim[2];
    }
    return v->rank - 1;
}

mico_status mico_onnx_axis(const onnx_op *op, const onnx_value *v, int64_t axis,
                           size_t *out)
{
    int64_t rank = (int64_t)v->rank;

    if (axis < -rank || axis >= rank)
        return mico_fail(
            op->err, MICO_ENET, "%s '%s': axis %lld of an input with %zu dimensions",
            op->node->op_type, mico_onnx_node_name(op->node), (long long)axis, v->rank);
    if (axis < 0)
        axis += rank;
    if (axis == 0)
        *out = MICO_NO_TENSOR;
    else
        *out = v->rank == 3 && axis == 2 ? 2 : (size_t)axis - 1;
    return MICO_OK;
}

mico_node *mico_onnx_emit(const onnx_op *op, mico_node_kind kind, const onnx_value *v)
{
    size_t out = mico_net_tensor(op->im->net, op->node->output[0]);

    return mico_net_node(op->im->net, kind, mico_onnx_node_name(op->node), 1,
                         &v->tensor, out);
}

/* The value that the op's first output names. */
static onnx_value *output_value(const onnx_op *op)
{
    return mico_onnx_find(op->im, op->node->output[0]);
}

mico_status mico_onnx_done(const onnx_op *op, size_t rank)
{
    mico_net *net = op->im->net;
    const mico_node *n = &net->node[net->n_nodes - 1];
    onnx_value *out = output_value(op);

    out->state = ONNX_DATA;
    out->tensor = n->out;
    out->rank = rank;
    return mico_net_infer_node(net, n, op->err);
}

mico_status mico_onnx_alias(const onnx_op *op, const onnx_value *v, size_t rank)
{
    onnx_value *out = output_value(op);

    out->state = ONNX_DATA;
    out->tensor = v->tensor;
    out->rank = rank;
    out->shared = v->shared || v->uses > 1;
    return MICO_OK;
}

mico_status mico_onnx_redim(const onnx_op *op, const onnx_value *v, size_t n_dims,
                            const size_t *dim)
{
    const mico_shape *old = &op->im->net->tensor[v->tensor].shape;
    mico_shape s = {.rank = n_dims == 1 ? 1 : 3, .dim = {dim[0], 1, 1}};
    mico_node *n;

    if (n_dims == 2) {
        s.dim[2] = dim[1];
    } else if (n_dims == 3) {
        s.dim[1] = dim[1];
        s.dim[2] = dim[2];
    }
    if (s.rank == old->rank && memcmp(s.dim, old->dim, s.rank * sizeof s.dim[0]) == 0)
        return mico_onnx_alias(op, v, n_dims + 1);
    n = mico_onnx_emit(op, s.rank == 1 ? MICO_NODE_FLATTEN : MICO_NODE_RESHAPE, v);
    n->shape = s;
    return mico_onnx_done(op, n_dims + 1);
}
