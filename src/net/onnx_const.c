/* Constants and attributes of an ONNX file, checked and read. */
#include "net/onnx_internal.h"

#include <math.h>
#include <string.h>

/* Bytes of one element in raw_data and the number of elements in the typed field. */
static bool type_layout(const Onnx__TensorProto *t, size_t *bytes, size_t *n_typed)
{
    switch (t->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        *bytes = 4;
        *n_typed = t->n_float_data;
        return true;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        *bytes = 8;
        *n_typed = t->n_double_data;
        return true;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
        *bytes = 2;
        *n_typed = t->n_int32_data;
        return true;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        *bytes = 8;
        *n_typed = t->n_int64_data;
        return true;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        *bytes = 4;
        *n_typed = t->n_int32_data;
        return true;
    default:
        return false;
    }
}

mico_status mico_onnx_const_open(const Onnx__TensorProto *proto, onnx_const *out,
                                 mico_err *err)
{
    const char *name =
        proto->name != NULL && proto->name[0] != '\0' ? proto->name : "?";
    onnx_const c = {.proto = proto, .rank = proto->n_dims, .count = 1};
    size_t bytes, n_typed, got;

    if (c.rank > ONNX_MAX_AXES)
        return mico_fail(err, MICO_EUNSUP, "constant '%.80s' has %zu dimensions", name,
                         c.rank);
    for (size_t a = 0; a < c.rank; a++) {
        if (proto->dims[a] < 0)
            return mico_fail(err, MICO_ENET,
                             "constant '%.80s': dimension %zu is negative", name, a);
        c.dim[a] = (size_t)proto->dims[a];
        if (c.count > 0 && c.dim[a] > NET_MAX_ELEMENTS / c.count)
            return mico_fail(err, MICO_ELIMIT,
                             "constant '%.80s': more than %zu elements", name,
                             NET_MAX_ELEMENTS);
        c.count *= c.dim[a];
    }
    if (proto->segment != NULL || !type_layout(proto, &bytes, &n_typed))
        return mico_fail(err, MICO_EUNSUP, "constant '%.80s' is of data type %d", name,
                         (int)proto->data_type);
    got = proto->has_raw_data ? proto->raw_data.len / bytes : n_typed;
    if (got != c.count || (proto->has_raw_data && proto->raw_data.len % bytes != 0))
        return mico_fail(
            err, MICO_ENET,
            "constant '%.80s': has data for %zu elements, its shape says %zu", name,
            got, c.count);
    *out = c;
    return MICO_OK;
}

bool mico_onnx_const_is_float(const onnx_const *c)
{
    return c->proto->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT64 &&
           c->proto->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
}

/* Element i of raw_data, little-endian. */
static uint64_t raw_bits(const onnx_const *c, size_t i, size_t bytes)
{
    const uint8_t *p = c->proto->raw_data.data + i * bytes;
    uint64_t bits = 0;

    for (size_t b = 0; b < bytes; b++)
        bits |= (uint64_t)p[b] << (8 * b);
    return bits;
}

/* IEEE 754 binary16. */
static double half_value(unsigned bits)
{
    unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
    double v;

    if (exponent == 31)
        v = fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        v = ldexp(fraction, -24);
    else
        v = ldexp(fraction + 1024, (int)exponent - 25);
    return bits >> 15 & 1 ? -v : v;
}

/* Where element i of the seen matrix is stored. */
static size_t stored_index(const onnx_const *c, size_t i)
{
    return c->transposed ? i % c->dim[1] * c->dim[0] + i / c->dim[1] : i;
}

double mico_onnx_const_float(const onnx_const *c, size_t i)
{
    const Onnx__TensorProto *t = c->proto;
    float f;
    double d;
    uint64_t bits;

    i = stored_index(c, i);
    switch (t->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        if (!t->has_raw_data)
            return (double)t->float_data[i];
        bits = raw_bits(c, i, 4);
        memcpy(&f, &(uint32_t){(uint32_t)bits}, sizeof f);
        return (double)f;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        if (!t->has_raw_data)
            return t->double_data[i];
        bits = raw_bits(c, i, 8);
        memcpy(&d, &bits, sizeof d);
        return d;
    default: /* FLOAT16 */
        return half_value(t->has_raw_data ? (unsigned)raw_bits(c, i, 2)
                                          : (unsigned)t->int32_data[i] & 0xffffU);
    }
}

int64_t mico_onnx_const_int(const onnx_const *c, size_t i)
{
    const Onnx__TensorProto *t = c->proto;

    i = stored_index(c, i);
    if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64)
        return t->has_raw_data ? (int64_t)raw_bits(c, i, 8) : t->int64_data[i];
    return t->has_raw_data ? (int32_t)(uint32_t)raw_bits(c, i, 4) : t->int32_data[i];
}

/* ---- attributes --------------------------------------------------------------------
 */

const Onnx__AttributeProto *mico_onnx_attr(const Onnx__NodeProto *node,
                                           const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name != NULL &&
            strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

int64_t mico_onnx_attr_int(const Onnx__NodeProto *node, const char *name,
                           int64_t missing)
{
    const Onnx__AttributeProto *a = mico_onnx_attr(node, name);

    return a != NULL && a->has_i ? a->i : missing;
}

double mico_onnx_attr_float(const Onnx__NodeProto *node, const char *name,
                            double missing)
{
    const Onnx__AttributeProto *a = mico_onnx_attr(node, name);

    return a != NULL && a->has_f ? (double)a->f : missing;
}

bool mico_onnx_attr_is(const Onnx__NodeProto *node, const char *name,
                       const char *missing, const char *text)
{
    const Onnx__AttributeProto *a = mico_onnx_attr(node, name);

    if (a == NULL || !a->has_s)
        return strcmp(missing, text) == 0;
    return a->s.len == strlen(text) && memcmp(a->s.data, text, a->s.len) == 0;
}
