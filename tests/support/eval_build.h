/* eval_build.h: small networks and data with random contents, for the tests of eval. */
#ifndef MICO_TESTS_EVAL_BUILD_H
#define MICO_TESTS_EVAL_BUILD_H

#include "core/mem.h"
#include "core/rng.h"
#include "data/data.h"
#include "net/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct eval_build {
    mico_net *net;
    mico_rng *rng;
} eval_build;

static inline float eval_real(mico_rng *rng, double lo, double hi)
{
    return (float)(lo + (hi - lo) * mico_rng_uniform(rng));
}

/* An open network with its input tensor ({n} where h is 0); returns the input. */
static inline size_t eval_begin(eval_build *b, uint64_t seed, size_t c, size_t h,
                                size_t w)
{
    mico_shape shape = {h > 0 ? 3 : 1, {c, h, w}};

    b->net = mico_net_new("built");
    b->rng = mico_rng_new(seed, "eval_build", 0);
    b->net->input = mico_net_tensor(b->net, "input");
    b->net->tensor[b->net->input].shape = shape;
    return b->net->input;
}

/* Closes it; returns the network (NULL with a message where it is refused). */
static inline mico_net *eval_end(eval_build *b, size_t output)
{
    mico_err err;

    b->net->output = output;
    mico_rng_free(b->rng);
    if (mico_net_finish(b->net, &err) == MICO_OK)
        return b->net;
    printf("\n    network refused: %s\n", err.text);
    mico_net_free(b->net);
    return NULL;
}

/* A new node with its own output tensor. */
static inline mico_node *eval_node(eval_build *b, mico_node_kind kind, size_t n_in,
                                   const size_t *in)
{
    char name[32];
    size_t out;

    snprintf(name, sizeof name, "t%zu", b->net->n_tensors);
    out = mico_net_tensor(b->net, name);
    snprintf(name, sizeof name, "n%zu", b->net->n_nodes);
    return mico_net_node(b->net, kind, name, n_in, in, out);
}

static inline const float *eval_floats(eval_build *b, size_t n, double size)
{
    float *values = mico_xcalloc(n, sizeof *values);
    const float *kept;

    for (size_t i = 0; i < n; i++)
        values[i] = eval_real(b->rng, -size, size);
    kept = mico_net_floats(b->net, values, n);
    free(values);
    return kept;
}

static inline mico_window eval_window(size_t k, size_t stride, size_t pad)
{
    return (mico_window){k, k, stride, stride, 1, 1, pad, pad, pad, pad};
}

static inline size_t eval_conv(eval_build *b, size_t in, size_t c_in, size_t c_out,
                               size_t groups, mico_window window, bool bias)
{
    size_t taps = c_in / groups * window.kh * window.kw;
    const float *w = eval_floats(b, c_out * taps, sqrt(6.0 / (double)taps));
    const float *add = bias ? eval_floats(b, c_out, 0.3) : NULL;
    mico_node *node = eval_node(b, MICO_NODE_CONV, 1, &in);

    node->c_in = c_in;
    node->c_out = c_out;
    node->groups = groups;
    node->window = window;
    node->weight = w;
    node->bias = add;
    return node->out;
}

static inline size_t eval_linear(eval_build *b, size_t in, size_t n_in, size_t n_out,
                                 bool bias)
{
    const float *w = eval_floats(b, n_out * n_in, sqrt(6.0 / (double)n_in));
    const float *add = bias ? eval_floats(b, n_out, 0.3) : NULL;
    mico_node *node = eval_node(b, MICO_NODE_LINEAR, 1, &in);

    node->c_in = n_in;
    node->c_out = n_out;
    node->weight = w;
    node->bias = add;
    return node->out;
}

static inline size_t eval_clip(eval_build *b, size_t in, float lo, float hi)
{
    mico_node *node = eval_node(b, MICO_NODE_CLIP, 1, &in);

    node->lo = lo;
    node->hi = hi;
    return node->out;
}

static inline size_t eval_relu(eval_build *b, size_t in)
{
    return eval_clip(b, in, 0, INFINITY);
}

static inline size_t eval_pool(eval_build *b, mico_node_kind kind, size_t in,
                               mico_window window, bool count_include_pad)
{
    mico_node *node = eval_node(b, kind, 1, &in);

    node->window = window;
    node->count_include_pad = count_include_pad;
    return node->out;
}

static inline size_t eval_add(eval_build *b, size_t in0, size_t in1)
{
    size_t in[2] = {in0, in1};

    return eval_node(b, MICO_NODE_ADD, 2, in)->out;
}

static inline size_t eval_flatten(eval_build *b, size_t in)
{
    return eval_node(b, MICO_NODE_FLATTEN, 1, &in)->out;
}

/* Random images of the network's input and random labels; classes: the network's
 * outputs. */
static inline mico_data eval_data(const mico_net *net, size_t n, mico_raw_type type,
                                  uint64_t seed)
{
    mico_data data = {.n = n, .shape = net->tensor[net->input].shape, .type = type};
    size_t count = n * mico_shape_count(&data.shape);
    size_t classes = mico_shape_count(&net->tensor[net->output].shape);
    mico_rng *rng = mico_rng_new(seed, "eval_data", 0);

    data.raw = mico_xcalloc(count + 1, type == MICO_RAW_F32 ? sizeof(float) : 1);
    data.label = mico_xcalloc(n + 1, sizeof *data.label);
    data.n_classes = classes;
    for (size_t i = 0; i < count; i++)
        if (type == MICO_RAW_F32)
            ((float *)data.raw)[i] = eval_real(rng, -1, 1);
        else
            ((uint8_t *)data.raw)[i] = (uint8_t)mico_rng_below(rng, 256);
    for (size_t i = 0; i < n; i++)
        data.label[i] = (uint16_t)mico_rng_below(rng, classes);
    mico_rng_free(rng);
    return data;
}

static inline void eval_data_free(mico_data *data)
{
    free(data->raw);
    free(data->label);
}

#endif
