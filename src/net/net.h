/* net.h: the fp32 network: a graph of nodes over tensors, its files and its importers.
 *
 * Tensors are per image (no batch dimension): shape {features} or {C, H, W}. Nodes
 * stand in execution order. Batch norms are folded when a network is imported, so the
 * only nodes with parameters are convolutions and linear layers: the *quantizable
 * layers*, in execution order, whose widths a scheme gives.
 *
 *     mico_net *net;
 *     if (mico_net_load(&net, "resnet8.onnx", &err) != MICO_OK) ...
 *     for (size_t l = 0; l < net->n_layers; l++)
 *         puts(net->node[net->layer[l]].name);
 *     mico_net_free(net);
 *
 * A network is built by mico_net_new, _tensor, _node and then mico_net_finish, which
 * checks everything, sorts the nodes and infers the shapes. Read-only afterwards. */
#ifndef MICO_NET_NET_H
#define MICO_NET_NET_H

#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICO_NET_NAME        64
#define MICO_MAX_INPUTS      16
#define MICO_MAX_RANK        3
#define MICO_NO_TENSOR       SIZE_MAX
#define MICO_NET_LIMIT_BYTES ((size_t)1 << 31) /* of any one network file */

/* X(suffix, text) */
#define MICO_NODE_LIST(X)                                                              \
    X(CONV, "conv")     /* 2-D, any groups; weight [Cout][Cin/groups][kh][kw] */       \
    X(LINEAR, "linear") /* weight [out][in]; input of rank 1 */                        \
    X(ADD, "add")       /* two tensors of one shape */                                 \
    X(CONCAT, "concat") /* along the channels (axis 0) */                              \
    X(MAXPOOL, "maxpool")                                                              \
    X(AVGPOOL, "avgpool") /* global pooling is one over the whole map */               \
    X(CLIP, "clip")       /* relu: lo 0, hi +inf; relu6: 0, 6 */                       \
    X(FLATTEN, "flatten") /* {C,H,W} -> {C*H*W}, C slowest */                          \
    X(RESHAPE, "reshape") /* same elements in the same (C,H,W) order */                \
    X(PAD, "pad")         /* with zeros */                                             \
    X(SLICE, "slice")                                                                  \
    X(TRANSPOSE, "transpose")

typedef enum mico_node_kind {
#define MICO_NODE_ENUM(suffix, text) MICO_NODE_##suffix,
    MICO_NODE_LIST(MICO_NODE_ENUM)
#undef MICO_NODE_ENUM
        MICO_N_NODE_KINDS
} mico_node_kind;

typedef struct mico_shape {
    size_t rank; /* 1 or 3 (2 only between reshapes) */
    size_t dim[MICO_MAX_RANK];
} mico_shape;

typedef struct mico_window { /* of convolutions and pools */
    size_t kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left, pad_bottom, pad_right;
} mico_window;

/* Integers that a layer of an int8 network brings along, weight = scale * weight[..].
 */
typedef struct mico_fixed {
    const int8_t *weight; /* in the order of node->weight */
    const int32_t *bias;  /* [c_out] in units of (scale of the input) * scale[c] */
    const float *scale;   /* [c_out], > 0 */
} mico_fixed;

typedef struct mico_node {
    mico_node_kind kind;
    char name[MICO_NET_NAME];
    size_t n_in, in[MICO_MAX_INPUTS], out; /* tensor indices */

    /* conv, linear */
    size_t c_in, c_out, groups; /* linear: inputs, outputs, 1 */
    const float *weight;        /* [c_out][c_in/groups][kh][kw] */
    const float *bias;          /* [c_out] or NULL */
    const mico_fixed *fixed;    /* NULL unless the network has fixed integers */
    /* conv, pools */
    mico_window window;
    bool count_include_pad; /* avgpool: divide by kh*kw even at the border */
    /* clip */
    float lo, hi; /* -inf and +inf where open */
    /* pad: elements before and after; slice: start, step (output shape gives the end);
     * all per axis of the input shape */
    size_t pad_before[MICO_MAX_RANK], pad_after[MICO_MAX_RANK];
    size_t start[MICO_MAX_RANK], stop[MICO_MAX_RANK], step[MICO_MAX_RANK];
    /* transpose: output axis i is input axis perm[i] */
    size_t perm[MICO_MAX_RANK];
    /* reshape */
    mico_shape shape;
} mico_node;

typedef struct mico_tensor {
    char name[MICO_NET_NAME];
    mico_shape shape;
    /* of a network with fixed integers: x = fixed_scale * (q - fixed_zero), q int8 */
    float fixed_scale;
    int32_t fixed_zero;
} mico_tensor;

typedef struct mico_net {
    char name[MICO_NET_NAME];
    size_t n_tensors, n_nodes;
    mico_tensor *tensor;
    mico_node *node; /* in execution order after finish */
    size_t input, output;
    /* preprocessing x = raw*mul + add per input channel; n_preprocess is 0 (none
     * given), 1 (the same for all) or the number of channels */
    size_t n_preprocess;
    float *mul, *add;
    char raw[32]; /* what raw values are: free text from the file, may be empty */
    /* An int8 network: every tensor and layer has fixed integers, which profile tflite
     * uses; everything else sees the float weights that they stand for. */
    bool has_fixed;
    /* quantizable layers: indices into node[] */
    size_t n_layers, *layer;
    uint64_t hash; /* of structure and parameters; set by finish */
    mico_arena arena;
    size_t tensor_capacity, node_capacity;
} mico_net;

/* ---- files -------------------------------------------------------------------------
 */

/* Loads a network file of ours (HDF5), an ONNX file or an NNF1 graph (graph.txt with
 * weights.bin beside it, or their folder), by content. Every unsupported node of an
 * ONNX file is named in the one message (MICO_EUNSUP). */
mico_status mico_net_load(mico_net **out, const char *path, mico_err *err);

/* Writes the network file of docs/FORMAT.md. */
mico_status mico_net_save(const mico_net *net, const char *path, mico_err *err);

/* ONNX from memory; name is used where the model has none. (The fuzz target's entry.)
 */
mico_status mico_net_from_onnx(mico_net **out, const uint8_t *bytes, size_t n,
                               const char *name, mico_err *err);

/* NNF1 from memory: the text of the graph and the bytes of weights.bin. */
mico_status mico_net_from_nnf1(mico_net **out, const char *text, size_t n_text,
                               const uint8_t *weights, size_t n_weights,
                               const char *name, mico_err *err);
void mico_net_free(mico_net *net);

/* Replaces the preprocessing (n = 1 or the number of input channels). */
mico_status mico_net_set_preprocess(mico_net *net, const float *mul, const float *add,
                                    size_t n, mico_err *err);

/* ---- building ----------------------------------------------------------------------
 */

mico_net *mico_net_new(const char *name);
size_t mico_net_tensor(mico_net *net, const char *name);

/* Appends a zeroed node (window of 1x1, stride and dilation 1, groups 1, open clip);
 * the pointer is valid until the next call. */
mico_node *mico_net_node(mico_net *net, mico_node_kind kind, const char *name,
                         size_t n_in, const size_t *in, size_t out);

/* Copies parameters into the network's arena. */
const float *mico_net_floats(mico_net *net, const float *values, size_t n);

/* Checks the graph, sorts nodes into execution order, infers shapes, lists the layers,
 * hashes. net->input, net->output and the input tensor's shape must be set. */
mico_status mico_net_finish(mico_net *net, mico_err *err);

/* ---- questions ---------------------------------------------------------------------
 */

size_t mico_shape_count(const mico_shape *shape);
void mico_shape_print(const mico_shape *shape, char out[48]); /* "16x32x32" */

/* "relu" and "relu6" for those clips, else the kind's text. */
const char *mico_node_text(const mico_node *node);

/* Of quantizable layer l: weights (without biases), multiply-accumulates per input
 * (output elements times taps; taps on padding count), consumers of a tensor. */
size_t mico_layer_weights(const mico_net *net, size_t l);
double mico_layer_macs(const mico_net *net, size_t l);
const mico_node *mico_layer_node(const mico_net *net, size_t l);
size_t mico_net_params(const mico_net *net); /* weights and biases */

#endif
