/* ONNX integer arithmetic on shapes: exporters spell x.view(x.size(0), -1) as a chain
 * of Shape, Gather, Unsqueeze and Concat, all of which is known when a file is read. A
 * symbolic batch is the number 0, which Reshape takes as "keep this dimension". */
#include "net/onnx_internal.h"

#include <string.h>

static mico_status set_ints(const onnx_op *op, const int64_t *v, size_t n, bool scalar)
{
    Onnx__TensorProto *t = mico_arena_alloc(&op->im->scratch, sizeof *t);
    onnx_const c;
    mico_status rc;

    onnx__tensor_proto__init(t);
    t->has_data_type = 1;
    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    t->n_int64_data = n;
    t->int64_data = mico_arena_alloc(&op->im->scratch, (n + 1) * sizeof *t->int64_data);
    memcpy(t->int64_data, v, n * sizeof *v);
    t->n_dims = scalar ? 0 : 1;
    t->dims = mico_arena_alloc(&op->im->scratch, sizeof *t->dims);
    t->dims[0] = (int64_t)n;
    if ((rc = mico_onnx_const_open(t, &c, op->err)) == MICO_OK)
        mico_onnx_set_constant(op, &c);
    return rc;
}

/* Integers of input i if it is a constant vector or number of them. */
static bool get_ints(const onnx_op *op, size_t i, onnx_ints *out)
{
    const onnx_value *v = mico_onnx_input(op, i);

    if (v == NULL || v->state != ONNX_CONST || v->constant.rank > 1 ||
        v->constant.count > ONNX_MAX_AXES || mico_onnx_const_is_float(&v->constant))
        return false;
    out->n = v->constant.count;
    for (size_t k = 0; k < out->n; k++)
        out->v[k] = mico_onnx_const_int(&v->constant, k);
    return true;
}

static bool is_scalar(const onnx_op *op, size_t i)
{
    return mico_onnx_input(op, i)->constant.rank == 0;
}

/* Clips a bound of Shape or Slice (negative: from the end) to 0..n. */
static size_t bound(int64_t v, size_t n)
{
    if (v < 0)
        v += (int64_t)n;
    return v < 0 ? 0 : (uint64_t)v > n ? n : (size_t)v;
}

mico_status mico_onnx_shape(const onnx_op *op)
{
    int64_t v[MICO_MAX_RANK + 1];
    size_t dim[MICO_MAX_RANK], n, first, last;
    const onnx_value *x;
    mico_status rc = mico_onnx_data(op, 0, &x);

    if (rc != MICO_OK)
        return rc;
    n = mico_onnx_dims(op->im, x, dim) + 1;
    v[0] = op->im->batch > 0 ? op->im->batch : 0;
    for (size_t a = 1; a < n; a++)
        v[a] = (int64_t)dim[a - 1];
    first = bound(mico_onnx_attr_int(op->node, "start", 0), n);
    last = bound(mico_onnx_attr_int(op->node, "end", (int64_t)n), n);
    return set_ints(op, v + first, last > first ? last - first : 0, false);
}

mico_status mico_onnx_gather(const onnx_op *op)
{
    onnx_ints from, index, out = {0};

    if (!get_ints(op, 0, &from) || !get_ints(op, 1, &index) || is_scalar(op, 0) ||
        mico_onnx_attr_int(op->node, "axis", 0) != 0)
        return mico_onnx_refuse(op, "of anything but constant integers");
    for (size_t k = 0; k < index.n; k++) {
        int64_t i = index.v[k] < 0 ? index.v[k] + (int64_t)from.n : index.v[k];

        if (i < 0 || i >= (int64_t)from.n)
            return mico_onnx_refuse(op, "index %lld of %zu", (long long)index.v[k],
                                    from.n);
        out.v[k] = from.v[i];
    }
    return set_ints(op, out.v, index.n, is_scalar(op, 1));
}

/* To integers of integers, or to float of what is float: nothing changes. */
mico_status mico_onnx_cast(const onnx_op *op)
{
    int64_t to = mico_onnx_attr_int(op->node, "to", 0);
    const onnx_value *x;
    onnx_ints v;
    mico_status rc;

    if (get_ints(op, 0, &v) && (to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
                                to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32))
        return set_ints(op, v.v, v.n, is_scalar(op, 0));
    if ((rc = mico_onnx_data(op, 0, &x)) != MICO_OK)
        return rc;
    if (to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        return mico_onnx_refuse(op, "to data type %lld", (long long)to);
    return mico_onnx_alias(op, x, x->rank);
}

static mico_status concat_ints(const onnx_op *op)
{
    onnx_ints out = {0}, part;

    for (size_t i = 0; i < op->node->n_input; i++) {
        if (!get_ints(op, i, &part) || is_scalar(op, i) ||
            out.n + part.n > ONNX_MAX_AXES)
            return mico_onnx_refuse(op, "of constants that are no short vectors");
        memcpy(out.v + out.n, part.v, part.n * sizeof *part.v);
        out.n += part.n;
    }
    return set_ints(op, out.v, out.n, false);
}

static mico_status slice_ints(const onnx_op *op)
{
    onnx_ints from, start, end, axes, steps;
    bool found;
    size_t first, last;
    mico_status rc;

    if (!get_ints(op, 0, &from) || is_scalar(op, 0))
        return mico_onnx_refuse(op, "of a constant that is no short vector");
    if ((rc = mico_onnx_ints(op, "starts", 1, &start, &found)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "ends", 2, &end, &found)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "axes", 3, &axes, &found)) != MICO_OK ||
        (rc = mico_onnx_ints(op, "steps", 4, &steps, &found)) != MICO_OK)
        return rc;
    if (start.n != 1 || end.n != 1 || (axes.n > 0 && axes.v[0] != 0) ||
        (steps.n > 0 && steps.v[0] != 1))
        return mico_onnx_refuse(op, "of a constant with a step or another axis");
    first = bound(start.v[0], from.n);
    last = bound(end.v[0], from.n);
    return set_ints(op, from.v + first, last > first ? last - first : 0, false);
}

/* Of sizes only: far from overflow, and never of a symbolic batch. */
static mico_status compute_ints(const onnx_op *op)
{
    const int64_t most = (int64_t)1 << 31;
    const char *type = op->node->op_type;
    onnx_ints a, b, out = {0};

    if (!get_ints(op, 0, &a) || !get_ints(op, 1, &b) ||
        (a.n != b.n && a.n != 1 && b.n != 1))
        return mico_onnx_refuse(op, "of constants that are no short vectors");
    out.n = a.n > b.n ? a.n : b.n;
    for (size_t k = 0; k < out.n; k++) {
        int64_t x = a.v[a.n == 1 ? 0 : k], y = b.v[b.n == 1 ? 0 : k];

        if (x < 1 || y < 1 || x > most || y > most)
            return mico_onnx_refuse(op, "of sizes that are not known");
        out.v[k] = type[0] == 'M'   ? x * y
                   : type[0] == 'D' ? x / y
                   : type[0] == 'A' ? x + y
                                    : x - y;
    }
    return set_ints(op, out.v, out.n, is_scalar(op, 0) && is_scalar(op, 1));
}

mico_status mico_onnx_fold_ints(const onnx_op *op, bool *done)
{
    static const char *const computed[] = {"Add", "Sub", "Mul", "Div"};
    const char *type = op->node->op_type;

    *done = true;
    for (size_t i = 0; i < op->node->n_input; i++) {
        const onnx_value *v = mico_onnx_input(op, i);

        *done = *done && (v == NULL || (v->state == ONNX_CONST &&
                                        !mico_onnx_const_is_float(&v->constant)));
    }
    *done = *done && op->node->n_input > 0;
    if (!*done)
        return MICO_OK;
    if (strcmp(type, "Concat") == 0)
        return concat_ints(op);
    if (strcmp(type, "Slice") == 0)
        return slice_ints(op);
    for (size_t i = 0; i < sizeof computed / sizeof computed[0]; i++)
        if (strcmp(type, computed[i]) == 0 && op->node->n_input == 2)
            return compute_ints(op);
    *done = false;
    return MICO_OK;
}
