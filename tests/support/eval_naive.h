/* eval_naive.h: one node of a float network by plain loops in double, for comparisons.
 */
#ifndef MICO_TESTS_EVAL_NAIVE_H
#define MICO_TESTS_EVAL_NAIVE_H

#include "net/net.h"

#include <math.h>

/* Element (c, y, x) of a tensor; zero outside, *inside says so. Axes count from the
 * last, so that a vector is x only. */
static inline double naive_at(const mico_shape *s, const float *v, long c, long y,
                              long x, int *inside)
{
    long w = (long)s->dim[s->rank - 1], h = s->rank > 1 ? (long)s->dim[s->rank - 2] : 1;
    long n = s->rank > 2 ? (long)s->dim[0] : 1;

    *inside = c >= 0 && c < n && y >= 0 && y < h && x >= 0 && x < w;
    return *inside ? (double)v[(c * h + y) * w + x] : 0;
}

/* Sum (or maximum) over the window of output (c, y, x) of node. size gets the sum of
 * the terms' magnitudes. */
static inline double naive_window(const mico_net *net, const mico_node *node,
                                  const float *in, long c, long y, long x, double *size)
{
    const mico_shape *s = &net->tensor[node->in[0]].shape;
    const mico_window *w = &node->window;
    bool conv = node->kind == MICO_NODE_CONV;
    long depth = conv ? (long)(node->c_in / node->groups) : 1;
    long group = conv ? c / (long)(node->c_out / node->groups) : 0;
    double sum = conv && node->bias != NULL ? (double)node->bias[c] : 0,
           max = -INFINITY;
    long count = 0;

    *size = fabs(sum);
    for (long d = 0; d < depth; d++)
        for (long i = 0; i < (long)w->kh; i++)
            for (long j = 0; j < (long)w->kw; j++) {
                long yy =
                    y * (long)w->stride_h + i * (long)w->dilation_h - (long)w->pad_top;
                long xx =
                    x * (long)w->stride_w + j * (long)w->dilation_w - (long)w->pad_left;
                int inside;
                double v =
                    naive_at(s, in, conv ? group * depth + d : c, yy, xx, &inside);

                if (conv)
                    v *=
                        (double)node
                            ->weight[((c * depth + d) * (long)w->kh + i) * (long)w->kw +
                                     j];
                if (inside && v > max)
                    max = v;
                sum += v;
                *size += fabs(v);
                count += inside;
            }
    if (node->kind == MICO_NODE_MAXPOOL) {
        *size = 0;
        return max;
    }
    if (node->kind == MICO_NODE_AVGPOOL)
        return sum / (double)(node->count_include_pad ? (long)(w->kh * w->kw) : count);
    return sum;
}

static inline double naive_linear(const mico_node *node, const float *in, long i,
                                  double *size)
{
    double sum = node->bias != NULL ? (double)node->bias[i] : 0;

    *size = fabs(sum);
    for (size_t k = 0; k < node->c_in; k++) {
        double v = (double)node->weight[(size_t)i * node->c_in + k] * (double)in[k];

        sum += v;
        *size += fabs(v);
    }
    return sum;
}

/* A parameter of the axis that counts from the last: axis 0 is x. */
static inline long naive_axis(const size_t *values, size_t rank, size_t from_last,
                              long none)
{
    return from_last < rank ? (long)values[rank - 1 - from_last] : none;
}

/* Output element (c, y, x) of a node that only moves data. */
static inline double naive_move(const mico_net *net, const mico_node *node,
                                const float *const *in, long c, long y, long x)
{
    const mico_shape *s = &net->tensor[node->in[0]].shape;
    long at[3] = {x, y, c}, from[3] = {0, 0, 0};
    int inside;

    if (node->kind == MICO_NODE_CONCAT) {
        size_t rank = s->rank, k = 0;
        long *axis = rank == 1 ? &x : rank == 2 ? &y : &c;

        while (*axis >= (long)net->tensor[node->in[k]].shape.dim[0])
            *axis -= (long)net->tensor[node->in[k++]].shape.dim[0];
        return naive_at(&net->tensor[node->in[k]].shape, in[k], c, y, x, &inside);
    }
    for (size_t a = 0; a < 3; a++)
        if (node->kind == MICO_NODE_PAD)
            from[a] = at[a] - naive_axis(node->pad_before, s->rank, a, 0);
        else if (node->kind == MICO_NODE_SLICE)
            from[a] = at[a] * naive_axis(node->step, s->rank, a, 1) +
                      naive_axis(node->start, s->rank, a, 0);
        else if (a < s->rank) /* transpose: output axis i is input axis perm[i] */
            from[s->rank - 1 - node->perm[s->rank - 1 - a]] = at[a];
    return naive_at(s, in[0], from[2], from[1], from[0], &inside);
}

/* Output element i of a node; *size is 0 where the value must be exact. */
static inline double naive_element(const mico_net *net, const mico_node *node,
                                   const float *const *in, size_t i, double *size)
{
    const mico_shape *s = &net->tensor[node->out].shape;
    long w = (long)s->dim[s->rank - 1], h = s->rank > 1 ? (long)s->dim[s->rank - 2] : 1;
    long x = (long)i % w, y = (long)i / w % h, c = (long)i / w / h;

    *size = 0;
    switch (node->kind) {
    case MICO_NODE_CONV:
    case MICO_NODE_MAXPOOL:
    case MICO_NODE_AVGPOOL:
        return naive_window(net, node, in[0], c, y, x, size);
    case MICO_NODE_LINEAR:
        return naive_linear(node, in[0], (long)i, size);
    case MICO_NODE_ADD:
        *size = fabs((double)in[0][i]) + fabs((double)in[1][i]);
        return (double)in[0][i] + (double)in[1][i];
    case MICO_NODE_CLIP:
        return fmin(fmax((double)in[0][i], (double)node->lo), (double)node->hi);
    case MICO_NODE_FLATTEN:
    case MICO_NODE_RESHAPE:
        return (double)in[0][i];
    default:
        return naive_move(net, node, in, c, y, x);
    }
}

#endif
