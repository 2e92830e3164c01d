/* nnf1.h: the lines of an NNF1 graph, as the parser leaves them for the importer.
 *
 * NNF1 is a text: "nnf 1", then one item a line (name, kind, input, preprocess, tensor,
 * op, output; '#' begins a comment), with the values of tensors in a second file. All
 * activations are [h][w][c]. Nothing in either file is trusted. */
#ifndef MICO_NET_NNF1_H
#define MICO_NET_NNF1_H

#include "net/net_internal.h"

#include <string.h>

#define NNF1_MAGIC       "nnf 1"
#define NNF1_TEXT_BYTES  ((size_t)4 << 20)
#define NNF1_MAX_WORDS   64
#define NNF1_MAX_TENSORS ((size_t)4096)
#define NNF1_NAME        40 /* room for endings within MICO_NET_NAME */

typedef enum nnf1_type { NNF1_F32, NNF1_I8, NNF1_I32 } nnf1_type;

/* A "tensor" line: count values at bytes. */
typedef struct nnf1_tensor {
    char name[NNF1_NAME];
    nnf1_type type;
    size_t rank, dim[4], count;
    const uint8_t *bytes;
} nnf1_tensor;

typedef enum nnf1_act {
    NNF1_ACT_NONE,
    NNF1_ACT_RELU,
    NNF1_ACT_RELU6,
    NNF1_ACT_CLAMP01
} nnf1_act;

/* An "op" line; what its keys leave open is 1 (stride) or 0. */
typedef struct nnf1_op {
    const char *kind, *out, *in[MICO_MAX_INPUTS];
    size_t n_in;
    const nnf1_tensor *w, *b, *ws;
    size_t stride[2], pad[4], k[2], cpad;
    nnf1_act act;
    bool has_scale, has_zero;
    float scale;
    int32_t zero;
} nnf1_op;

typedef struct nnf1 {
    mico_net *net; /* the values of the graph are its tensors, by name */
    const uint8_t *weights;
    size_t n_weights;
    size_t n_tensors, tensor_capacity;
    nnf1_tensor *tensor;
    bool has_kind;
    size_t n_weights_used; /* of all layers so far */
    mico_err *err;
} nnf1;

/* True if a file of these bytes is the text of an NNF1 graph. */
static inline bool nnf1_begins(const uint8_t *bytes, size_t n)
{
    return n > 5 && memcmp(bytes, NNF1_MAGIC, 5) == 0 &&
           (bytes[5] == '\n' || bytes[5] == '\r');
}

/* The value (a tensor of the network) of this name, or MICO_NO_TENSOR. */
size_t nnf1_value(const nnf1 *x, const char *name);

/* nnf1_op.c: appends the nodes of one op line. */
mico_status nnf1_add_op(nnf1 *x, const nnf1_op *op);

#endif
