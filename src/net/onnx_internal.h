/* onnx_internal.h: what the files of the ONNX importer share.
 *
 * An ONNX graph is names: nodes read and write *values*. A value is data (one of our
 * tensors, or an ONNX view of it), a constant, or unknown (behind a node that is not
 * supported). Our tensors have no batch dimension; ONNX rank 2 {N,K} is {K}, rank 4
 * {N,C,H,W} is {C,H,W}, and rank 3 {N,C,L} is {C,1,L}. */
#ifndef MICO_NET_ONNX_INTERNAL_H
#define MICO_NET_ONNX_INTERNAL_H

#include "net/net_internal.h"

#include "onnx.pb-c.h"

#define ONNX_MAX_AXES 8 /* of constants, and of lists of axes */

/* A constant tensor: data of proto, seen with these dimensions; a transposed matrix is
 * stored column by column. */
typedef struct onnx_const {
    const Onnx__TensorProto *proto;
    size_t rank, dim[ONNX_MAX_AXES], count;
    bool transposed;
} onnx_const;

typedef enum onnx_state {
    ONNX_UNKNOWN, /* made by a node that is not supported */
    ONNX_DATA,
    ONNX_CONST,
    ONNX_FOREIGN,  /* a further graph input: neither constant nor the image */
    ONNX_UNOPENED, /* an initializer that no node has looked at yet */
} onnx_state;

typedef struct onnx_value {
    const char *name;
    onnx_state state;
    size_t producer; /* ONNX node, MICO_NO_TENSOR for initializers and graph inputs */
    size_t uses;     /* inputs of needed nodes and graph outputs that name it */
    size_t tensor, rank; /* data: ours, and the rank ONNX sees (with the batch) */
    bool shared;         /* data: the tensor has readers under another name */
    onnx_const constant;
} onnx_value;

/* What will be done to a layer's parameters at the end, once and in double: channel c's
 * weights times scale[c], its bias shift[c]. */
typedef struct onnx_layer {
    size_t node, tensor; /* ours */
    float *weight;
    double *scale, *shift;
    bool has_bias;
} onnx_layer;

typedef struct onnx_import {
    const Onnx__GraphProto *graph;
    int64_t opset, batch; /* batch 0: symbolic */
    mico_net *net;
    onnx_value *value; /* sorted by name */
    size_t n_values;
    const onnx_value *output;
    onnx_layer *layer;
    size_t n_layers, layer_capacity, n_weights;
    mico_arena scratch;
    mico_str unsupported;
    size_t n_unsupported, n_listed;
} onnx_import;

/* One ONNX node being converted. */
typedef struct onnx_op {
    onnx_import *im;
    const Onnx__NodeProto *node;
    mico_err *err;
} onnx_op;

/* Up to ONNX_MAX_AXES integers from an attribute or a constant input. */
typedef struct onnx_ints {
    size_t n;
    int64_t v[ONNX_MAX_AXES];
} onnx_ints;

/* ---- onnx_scan.c -------------------------------------------------------------------
 */

/* Walks the wire format before anything is unpacked: protobuf-c recurses without a
 * limit and spends hundreds of bytes on a message of two. */
mico_status mico_onnx_scan(const uint8_t *bytes, size_t n, mico_err *err);

/* ---- onnx_const.c ------------------------------------------------------------------
 */

/* Checks dimensions, type and amount of data, so that the getters need not. */
mico_status mico_onnx_const_open(const Onnx__TensorProto *proto, onnx_const *out,
                                 mico_err *err);
bool mico_onnx_const_is_float(const onnx_const *c);
double mico_onnx_const_float(const onnx_const *c, size_t i);
int64_t mico_onnx_const_int(const onnx_const *c, size_t i);

const Onnx__AttributeProto *mico_onnx_attr(const Onnx__NodeProto *node,
                                           const char *name);
int64_t mico_onnx_attr_int(const Onnx__NodeProto *node, const char *name,
                           int64_t missing);
double mico_onnx_attr_float(const Onnx__NodeProto *node, const char *name,
                            double missing);

/* Whether the text attribute (or `missing` where there is none) equals `text`. */
bool mico_onnx_attr_is(const Onnx__NodeProto *node, const char *name,
                       const char *missing, const char *text);

/* ---- onnx_op.c: what the converters are made of ------------------------------------
 */

const char *mico_onnx_node_name(const Onnx__NodeProto *node);

/* Value of the node's input i; NULL where it is absent. */
onnx_value *mico_onnx_input(const onnx_op *op, size_t i);
onnx_value *mico_onnx_find(const onnx_import *im, const char *name);

/* The reason why the node is not supported; the list of all such nodes shows it. */
mico_status mico_onnx_refuse(const onnx_op *op, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Input i as data or as a float constant, refusing anything else. */
mico_status mico_onnx_data(const onnx_op *op, size_t i, const onnx_value **out);
mico_status mico_onnx_floats(const onnx_op *op, size_t i, const char *what,
                             const onnx_const **out);

/* Integers from the attribute or, where that is missing, from constant input i
 * (SIZE_MAX: none). *found says whether either is there. */
mico_status mico_onnx_ints(const onnx_op *op, const char *attribute, size_t i,
                           onnx_ints *out, bool *found);

/* ONNX dimensions of a data value without the batch; returns how many (rank - 1). */
size_t mico_onnx_dims(const onnx_import *im, const onnx_value *v,
                      size_t dim[MICO_MAX_RANK]);

/* Our axis of a data value's ONNX axis; refuses axes out of range. Axis 0, the batch,
 * is MICO_NO_TENSOR. */
mico_status mico_onnx_axis(const onnx_op *op, const onnx_value *v, int64_t axis,
                           size_t *out);

/* Appends a node of ours that reads v, named after the ONNX node. */
mico_node *mico_onnx_emit(const onnx_op *op, mico_node_kind kind, const onnx_value *v);

/* Infers the shape of the last node appended; the op's output stands for its output. */
mico_status mico_onnx_done(const onnx_op *op, size_t rank);

/* The op's output is v, seen with another rank. */
mico_status mico_onnx_alias(const onnx_op *op, const onnx_value *v, size_t rank);

/* The op's output is v with these ONNX dimensions (without the batch). */
mico_status mico_onnx_redim(const onnx_op *op, const onnx_value *v, size_t n_dims,
                            const size_t *dim);

/* ---- converters --------------------------------------------------------------------
 */

/* Reads strides, dilations, pads and auto_pad behind a kernel size (kw of 1-D). */
mico_status mico_onnx_window(const onnx_op *op, const onnx_value *v, mico_window *w);

/* onnx_layers.c */
mico_status mico_onnx_conv(const onnx_op *op);
mico_status mico_onnx_gemm(const onnx_op *op);
mico_status mico_onnx_matmul(const onnx_op *op);
mico_status mico_onnx_batch_norm(const onnx_op *op);
mico_status mico_onnx_arithmetic(const onnx_op *op);
void mico_onnx_apply_folds(onnx_import *im);

/* onnx_constant.c. A view of a constant input 0 (Reshape, Squeeze, ...) is a constant.
 */
mico_status mico_onnx_constant(const onnx_op *op);

/* The op's output is the constant. */
void mico_onnx_set_constant(const onnx_op *op, const onnx_const *c);
mico_status mico_onnx_const_view(const onnx_op *op, bool *done);

/* onnx_ints.c. Arithmetic, Concat and Slice of constant integers is a constant. */
mico_status mico_onnx_shape(const onnx_op *op);
mico_status mico_onnx_gather(const onnx_op *op);
mico_status mico_onnx_cast(const onnx_op *op);
mico_status mico_onnx_fold_ints(const onnx_op *op, bool *done);

/* onnx_pools.c */
mico_status mico_onnx_pool(const onnx_op *op);
mico_status mico_onnx_global_pool(const onnx_op *op);
mico_status mico_onnx_reduce_mean(const onnx_op *op);

/* onnx_moves.c */
mico_status mico_onnx_relu(const onnx_op *op);
mico_status mico_onnx_clip(const onnx_op *op);
mico_status mico_onnx_concat(const onnx_op *op);
mico_status mico_onnx_pass(const onnx_op *op);
mico_status mico_onnx_softmax(const onnx_op *op);
mico_status mico_onnx_pad(const onnx_op *op);
mico_status mico_onnx_slice(const onnx_op *op);
mico_status mico_onnx_transpose(const onnx_op *op);
mico_status mico_onnx_flatten(const onnx_op *op);
mico_status mico_onnx_reshape(const onnx_op *op);
mico_status mico_onnx_squeeze(const onnx_op *op);

#endif
