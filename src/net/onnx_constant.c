/* ONNX nodes that make constants, or see constants in another shape. */
#include "net/onnx_internal.h"

#include <string.h>

void mico_onnx_set_constant(const onnx_op *op, const onnx_const *c)
{
    onnx_value *out = mico_onnx_find(op->im, op->node->output[0]);

    out->state = ONNX_CONST;
    out->constant = *c;
}

/* Numbers given as attributes (opset 12) in the form of a tensor that borrows them. */
static Onnx__TensorProto *borrow_numbers(const onnx_op *op)
{
    Onnx__TensorProto *t = mico_arena_alloc(&op->im->scratch, sizeof *t);
    Onnx__AttributeProto *a = NULL;

    onnx__tensor_proto__init(t);
    t->has_data_type = 1;
    for (size_t i = 0; i < op->node->n_attribute && a == NULL; i++)
        a = op->node->attribute[i];
    if (a == NULL || a->name == NULL)
        return NULL;
    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    if (strcmp(a->name, "value_int") == 0) {
        t->n_int64_data = 1;
        t->int64_data = &a->i;
        return t;
    }
    if (strcmp(a->name, "value_float") == 0) {
        t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        t->n_float_data = 1;
        t->float_data = &a->f;
        return t;
    }
    if (strcmp(a->name, "value_ints") == 0) {
        t->n_int64_data = a->n_ints;
        t->int64_data = a->ints;
    } else if (strcmp(a->name, "value_floats") == 0) {
        t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        t->n_float_data = a->n_floats;
        t->float_data = a->floats;
    } else {
        return NULL;
    }
    t->n_dims = 1;
    t->dims = mico_arena_alloc(&op->im->scratch, sizeof *t->dims);
    t->dims[0] = (int64_t)(t->n_int64_data + t->n_float_data);
    return t;
}

mico_status mico_onnx_constant(const onnx_op *op)
{
    const Onnx__AttributeProto *value = mico_onnx_attr(op->node, "value");
    const Onnx__TensorProto *t = value != NULL ? value->t : borrow_numbers(op);
    onnx_const c;
    mico_status rc;

    if (t == NULL)
        return mico_onnx_refuse(op, "without a value");
    if (t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return mico_onnx_refuse(op, "kept in another file");
    if ((rc = mico_onnx_const_open(t, &c, op->err)) == MICO_OK)
        mico_onnx_set_constant(op, &c);
    return rc;
}

/* The dimensions that a Reshape of a constant asks for. */
static mico_status reshape_constant(const onnx_op *op, const onnx_const *old,
                                    onnx_const *c)
{
    size_t known = 1, rest = SIZE_MAX;
    onnx_ints shape;
    bool found;
    mico_status rc = mico_onnx_ints(op, "shape", 1, &shape, &found);

    if (rc != MICO_OK)
        return rc;
    c->rank = shape.n;
    for (size_t a = 0; a < shape.n; a++) {
        int64_t v = shape.v[a];

        if (v == 0 && a < old->rank)
            v = (int64_t)old->dim[a];
        if (v == -1 && rest == SIZE_MAX) {
            rest = a;
            continue;
        }
        if (v < 1 || (size_t)v > old->count / known)
            return mico_onnx_refuse(op, "the shape does not fit the constant");
        c->dim[a] = (size_t)v;
        known *= (size_t)v;
    }
    if (rest != SIZE_MAX && old->count % known == 0)
        c->dim[rest] = old->count / known;
    else if (known != old->count)
        return mico_onnx_refuse(op, "the shape does not fit the constant");
    return MICO_OK;
}

/* Drops the named dimensions of 1 (all of them if none is named), or adds them. */
static mico_status squeeze_constant(const onnx_op *op, const onnx_const *old,
                                    onnx_const *c)
{
    bool squeeze = op->node->op_type[0] == 'S', found, marked[ONNX_MAX_AXES] = {false};
    size_t rank, from = 0;
    onnx_ints axes;
    mico_status rc = mico_onnx_ints(op, "axes", 1, &axes, &found);

    if (rc != MICO_OK)
        return rc;
    rank = squeeze ? old->rank : old->rank + axes.n;
    if (rank > ONNX_MAX_AXES)
        return mico_onnx_refuse(op, "to %zu dimensions", rank);
    for (size_t k = 0; k < axes.n; k++) {
        int64_t a = axes.v[k] < 0 ? axes.v[k] + (int64_t)rank : axes.v[k];

        if (a < 0 || a >= (int64_t)rank || marked[a] || (squeeze && old->dim[a] != 1))
            return mico_onnx_refuse(op, "of axis %lld", (long long)axes.v[k]);
        marked[a] = true;
    }
    c->rank = 0;
    for (size_t a = 0; a < rank; a++) {
        if (!squeeze)
            c->dim[c->rank++] = marked[a] ? 1 : old->dim[from++];
        else if (found ? !marked[a] : old->dim[a] != 1)
            c->dim[c->rank++] = old->dim[a];
    }
    return MICO_OK;
}

/* Old exporters keep the weights of a MatMul behind a Transpose. */
static mico_status transpose_constant(const onnx_op *op, const onnx_const *old,
                                      onnx_const *c)
{
    onnx_ints perm;
    bool found;
    mico_status rc = mico_onnx_ints(op, "perm", SIZE_MAX, &perm, &found);

    if (rc != MICO_OK)
        return rc;
    if (old->rank != 2 || (found && (perm.n != 2 || perm.v[0] != 1 || perm.v[1] != 0)))
        return mico_onnx_refuse(op, "of a constant that is not a matrix");
    c->dim[0] = old->dim[1];
    c->dim[1] = old->dim[0];
    c->transposed = !old->transposed;
    return MICO_OK;
}

mico_status mico_onnx_const_view(const onnx_op *op, bool *done)
{
    const onnx_value *v = mico_onnx_input(op, 0);
    const char *type = op->node->op_type;
    mico_status rc = MICO_OK;
    onnx_const c;

    *done = false;
    if (v == NULL || v->state != ONNX_CONST)
        return MICO_OK;
    c = v->constant;
    if (strcmp(type, "Transpose") == 0)
        rc = transpose_constant(op, &v->constant, &c);
    else if (strcmp(type, "Identity") != 0 && c.transposed)
        return MICO_OK;
    else if (strcmp(type, "Reshape") == 0)
        rc = reshape_constant(op, &v->constant, &c);
    else if (strcmp(type, "Squeeze") == 0 || strcmp(type, "Unsqueeze") == 0)
        rc = squeeze_constant(op, &v->constant, &c);
    else if (strcmp(type, "Identity") != 0)
        return MICO_OK;
    if (rc == MICO_OK)
        mico_onnx_set_constant(op, &c);
    *done = true;
    return rc;
}
