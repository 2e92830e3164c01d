/* plan_build.h: small networks with given numbers and made-up calibrations, for tests
 * of plans. Nodes are named after their kind and number; each makes a tensor of its
 * own. */
#ifndef MICO_TESTS_PLAN_BUILD_H
#define MICO_TESTS_PLAN_BUILD_H

#include "core/rng.h"
#include "plan/plan.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct plan_build {
    mico_net *net;
    mico_rng *rng;
} plan_build;

/* An input of {c,h,w}, or {c} where h is 0. */
static inline size_t plan_begin(plan_build *b, size_t c, size_t h, size_t w)
{
    b->net = mico_net_new("built");
    b->rng = mico_rng_new(5, "plan_build", 0);
    b->net->input = mico_net_tensor(b->net, "input");
    b->net->tensor[b->net->input].shape = (mico_shape){h > 0 ? 3 : 1, {c, h, w}};
    return b->net->input;
}

static inline mico_node *plan_node(plan_build *b, mico_node_kind kind, size_t n_in,
                                   const size_t *in)
{
    char name[32];
    size_t out;

    snprintf(name, sizeof name, "t%zu", b->net->n_tensors);
    out = mico_net_tensor(b->net, name);
    snprintf(name, sizeof name, "n%zu", b->net->n_nodes);
    return mico_net_node(b->net, kind, name, n_in, in, out);
}

/* n values in (-size, size). */
static inline const float *plan_floats(plan_build *b, size_t n, double size)
{
    float *v = mico_xcalloc(n, sizeof *v);
    const float *kept;

    for (size_t i = 0; i < n; i++)
        v[i] = (float)(size * (2 * mico_rng_uniform(b->rng) - 1));
    kept = mico_net_floats(b->net, v, n);
    free(v);
    return kept;
}

static inline size_t plan_linear(plan_build *b, size_t in, size_t c_in, size_t c_out)
{
    mico_node *n = plan_node(b, MICO_NODE_LINEAR, 1, &in);

    n->c_in = c_in;
    n->c_out = c_out;
    n->weight = plan_floats(b, c_in * c_out, 0.5);
    n->bias = plan_floats(b, c_out, 1);
    return n->out;
}

/* k x k, stride 1, same padding. */
static inline size_t plan_conv(plan_build *b, size_t in, size_t c_in, size_t c_out,
                               size_t k, size_t groups)
{
    mico_node *n = plan_node(b, MICO_NODE_CONV, 1, &in);

    n->c_in = c_in;
    n->c_out = c_out;
    n->groups = groups;
    n->window = (mico_window){k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2};
    n->weight = plan_floats(b, c_out * c_in / groups * k * k, 0.5);
    n->bias = plan_floats(b, c_out, 1);
    return n->out;
}

static inline size_t plan_clip(plan_build *b, size_t in, float lo, float hi)
{
    mico_node *n = plan_node(b, MICO_NODE_CLIP, 1, &in);

    n->lo = lo;
    n->hi = hi;
    return n->out;
}

static inline size_t plan_relu(plan_build *b, size_t in)
{
    return plan_clip(b, in, 0, INFINITY);
}

static inline size_t plan_two(plan_build *b, mico_node_kind kind, size_t x, size_t y)
{
    return plan_node(b, kind, 2, (size_t[]){x, y})->out;
}

static inline size_t plan_pool(plan_build *b, mico_node_kind kind, size_t in, size_t k,
                               size_t stride, size_t pad)
{
    mico_node *n = plan_node(b, kind, 1, &in);

    n->window = (mico_window){k, k, stride, stride, 1, 1, pad, pad, pad, pad};
    return n->out;
}

static inline size_t plan_flatten(plan_build *b, size_t in)
{
    return plan_node(b, MICO_NODE_FLATTEN, 1, &in)->out;
}

static inline mico_net *plan_end(plan_build *b, size_t output)
{
    mico_err err;

    b->net->output = output;
    mico_rng_free(b->rng);
    if (mico_net_finish(b->net, &err) != MICO_OK) {
        printf("\n    network refused: %s\n", err.text);
        CU_FAIL_FATAL("network refused");
    }
    return b->net;
}

/* Made-up scales that tell tensor, sign and width apart; ranges from 0 up after clips
 * at 0 (and in what only moves such values), from -1 elsewhere. */
static inline mico_calib *plan_calibration(const mico_net *net)
{
    mico_calib *calib = mico_xcalloc(1, sizeof *calib);

    calib->n_tensors = net->n_tensors;
    calib->tensor = mico_xcalloc(net->n_tensors, sizeof *calib->tensor);
    for (size_t t = 0; t < net->n_tensors; t++) {
        calib->tensor[t].min = -1;
        calib->tensor[t].max = 1 + (double)t;
        for (int s = 0; s < 2; s++)
            for (size_t i = 0; i < MICO_N_WIDTHS; i++)
                calib->tensor[t].scale[s][i] =
                    (1 + 0.1 * (double)t) /
                    (mico_q_max(mico_width_at(i), s == 1) + 0.25 * s);
    }
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *n = &net->node[i];

        if (n->kind == MICO_NODE_CLIP && n->lo >= 0)
            calib->tensor[n->out].min = 0;
        else if (n->kind == MICO_NODE_MAXPOOL || n->kind == MICO_NODE_FLATTEN)
            calib->tensor[n->out].min = calib->tensor[n->in[0]].min;
    }
    return calib;
}

#endif
