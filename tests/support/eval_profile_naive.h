/* eval_profile_naive.h: the profiles dynamic and mico written down a second time, from
 * the network and not from a plan: tensors in (c, h, w) order, whole im2col matrices,
 * one image. docs/INTEGER.md sections 10.1 and 10.2. */
#ifndef MICO_TESTS_EVAL_PROFILE_NAIVE_H
#define MICO_TESTS_EVAL_PROFILE_NAIVE_H

#include "core/mem.h"
#include "plan/plan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct plain_run {
    const mico_net *net;
    const mico_calib *calib;
    mico_quant quant;
    const mico_scheme *scheme;
    float **value; /* [net tensor], (c, h, w) order */
} plain_run;

static inline bool plain_is_mico(const plain_run *r)
{
    return r->quant.profile == MICO_PROFILE_MICO;
}

/* ---- scales and integers -----------------------------------------------------------
 */

typedef struct plain_scale {
    float k, s;
    int lo, hi;
    bool sign, away;
} plain_scale;

/* Of n values, padding included. The mean is exact to far more than a float. */
static inline plain_scale plain_scale_of(const plain_run *r, const float *x, size_t n,
                                         uint8_t width, bool is_signed)
{
    const bool mico = plain_is_mico(r);
    const int bits = width == MICO_TERNARY ? 0 : width;
    plain_scale p = {.away = mico};
    long double sum = 0;
    float m = 0;

    for (size_t i = 0; i < n; i++) {
        sum += fabsl((long double)x[i]);
        m = fabsf(x[i]) > m ? fabsf(x[i]) : m;
    }
    if (bits == 1) {
        p.lo = is_signed ? -1 : 0;
        p.hi = 1;
    } else if (bits == 0) {
        p.lo = is_signed ? -1 : 0;
        p.hi = is_signed ? 1 : 2;
    } else {
        p.lo = is_signed ? -(1 << (bits - 1)) : 0;
        p.hi = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
    }
    p.sign = bits == 1 && is_signed;
    if (mico ? p.sign : is_signed && bits <= 2)
        m = (float)(sum / (long double)n);
    if (mico && p.sign) {
        p.s = m;
        return p;
    }
    m = fmaxf(m, mico ? ldexpf(1, -100) : 1e-5f);
    p.k = (float)((double)p.hi / (double)m);
    p.s = p.sign ? m : (float)(1.0 / (double)p.k);
    return p;
}

static inline int plain_q(const plain_scale *p, float x)
{
    const float v = x * p->k;

    if (p->sign)
        return x > 0 ? 1 : -1;
    if (v <= (float)p->lo)
        return p->lo;
    if (v >= (float)p->hi)
        return p->hi;
    return (int)(p->away ? roundf(v) : rintf(v));
}

/* Integers of output channel c in the network's order, and their scale. */
static inline float plain_weights(const plain_run *r, const mico_node *node,
                                  size_t layer, size_t c, size_t taps, int8_t *q)
{
    const bool mico = plain_is_mico(r);
    const uint8_t width = r->scheme->bits[layer];
    const mico_weight_rule rule = mico ? MICO_WEIGHT_MICO : r->quant.weight_rule;
    const float *w = node->weight + c * taps;
    double scale;

    if (mico || r->quant.granularity == MICO_PER_TENSOR) {
        scale = mico_weight_scale(node->weight, node->c_out * taps, width, rule);
    } else {
        scale = fmax(mico_weight_scale(w, taps, width, rule),
                     mico_weight_scale(node->weight, node->c_out * taps, width,
                                       MICO_WEIGHT_MICO) /
                         1024);
    }
    mico_weight_quantize(w, taps, width, scale, q);
    return (float)scale;
}

/* ---- layers ------------------------------------------------------------------------
 */

/* Results of one channel for n rows of a matrix of `taps` columns. In profile dynamic
 * padding is no value but 0: pad marks it (NULL: there is none). */
static inline void plain_rows(const float *matrix, const bool *pad, size_t n,
                              size_t taps, const plain_scale *p, const int8_t *w,
                              float s_w, float b, float *y, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        int64_t acc = 0;
        volatile float product;

        for (size_t t = 0; t < taps; t++) {
            const size_t at = i * taps + t;

            if (pad == NULL || !pad[at] || (p->sign && p->away))
                acc += (int64_t)plain_q(p, matrix[at]) * w[t];
        }
        product = s_w * p->s;
        product = (float)acc * product;
        y[i * step] = b + product;
    }
}

static inline uint8_t plain_width(const plain_run *r, size_t layer)
{
    return r->scheme->bits[r->net->n_layers + layer];
}

static inline bool plain_signed(const plain_run *r, const mico_node *node)
{
    return plain_is_mico(r) || !r->quant.unsigned_acts ||
           r->calib->tensor[node->in[0]].min < 0;
}

static inline void plain_linear(const plain_run *r, const mico_node *node, size_t layer)
{
    const float *x = r->value[node->in[0]];
    const plain_scale p =
        plain_scale_of(r, x, node->c_in, plain_width(r, layer), plain_signed(r, node));
    int8_t *w = mico_xcalloc(node->c_in, 1);

    for (size_t c = 0; c < node->c_out; c++) {
        const float s_w = plain_weights(r, node, layer, c, node->c_in, w);

        plain_rows(x, NULL, 1, node->c_in, &p, w, s_w,
                   node->bias != NULL ? node->bias[c] : 0, r->value[node->out] + c, 1);
    }
    free(w);
}

/* Rows [first, first + n) of the im2col matrix of group g. */
static inline void plain_im2col(const plain_run *r, const mico_node *node, size_t g,
                                size_t first, size_t n, float *matrix, bool *pad)
{
    const size_t *in = r->net->tensor[node->in[0]].shape.dim;
    const size_t *out = r->net->tensor[node->out].shape.dim;
    const size_t depth = node->c_in / node->groups;
    const mico_window *win = &node->window;

    for (size_t i = first; i < first + n; i++)
        for (size_t c = 0; c < depth; c++)
            for (size_t ky = 0; ky < win->kh; ky++)
                for (size_t kx = 0; kx < win->kw; kx++) {
                    const size_t y = i / out[2] * win->stride_h + ky * win->dilation_h;
                    const size_t x = i % out[2] * win->stride_w + kx * win->dilation_w;
                    const size_t row = y - win->pad_top, column = x - win->pad_left;

                    *pad = row >= in[1] || column >= in[2]; /* wraps below 0 */
                    *matrix++ = *pad++
                                    ? 0
                                    : r->value[node->in[0]]
                                              [((g * depth + c) * in[1] + row) * in[2] +
                                               column];
                }
}

static inline void plain_conv(const plain_run *r, const mico_node *node, size_t layer)
{
    const mico_shape *in = &r->net->tensor[node->in[0]].shape;
    const size_t *out = r->net->tensor[node->out].shape.dim, map = out[1] * out[2];
    const size_t taps = node->c_in / node->groups * node->window.kh * node->window.kw;
    const bool mico = plain_is_mico(r);
    const bool one_d = in->dim[1] == 1 && out[1] == 1 && node->window.kh == 1;
    const size_t block = mico ? one_d ? 4 : 2 * out[2] : map;
    float *matrix = mico_xcalloc(map * taps, sizeof *matrix);
    bool *pad = mico_xcalloc(map * taps, sizeof *pad);
    int8_t *w = mico_xcalloc(taps, 1);

    for (size_t g = 0; g < node->groups; g++)
        for (size_t at = 0; at < map; at += block) {
            const size_t n = map - at < block ? map - at : block;
            plain_scale p;

            plain_im2col(r, node, g, at, n, matrix, pad);
            p = mico ? plain_scale_of(r, matrix, n * taps, plain_width(r, layer), true)
                     : plain_scale_of(r, r->value[node->in[0]], mico_shape_count(in),
                                      plain_width(r, layer), plain_signed(r, node));
            for (size_t i = 0; i < node->c_out / node->groups; i++) {
                const size_t c = g * (node->c_out / node->groups) + i;
                const float s_w = plain_weights(r, node, layer, c, taps, w);

                plain_rows(matrix, pad, n, taps, &p, w, s_w,
                           node->bias != NULL ? node->bias[c] : 0,
                           r->value[node->out] + c * map + at, 1);
            }
        }
    free(matrix);
    free(pad);
    free(w);
}

/* ---- the others --------------------------------------------------------------------
 */

static inline float plain_pool(const plain_run *r, const mico_node *node, size_t c,
                               size_t oy, size_t ox)
{
    const size_t *in = r->net->tensor[node->in[0]].shape.dim;
    const mico_window *win = &node->window;
    float max = -FLT_MAX, sum = 0;
    int n = 0;

    for (size_t ky = 0; ky < win->kh; ky++)
        for (size_t kx = 0; kx < win->kw; kx++) {
            const size_t y = oy * win->stride_h + ky * win->dilation_h - win->pad_top;
            const size_t x = ox * win->stride_w + kx * win->dilation_w - win->pad_left;

            if (y >= in[1] || x >= in[2])
                continue;
            max = fmaxf(max, r->value[node->in[0]][(c * in[1] + y) * in[2] + x]);
            sum += r->value[node->in[0]][(c * in[1] + y) * in[2] + x];
            n++;
        }
    if (node->kind == MICO_NODE_MAXPOOL)
        return max;
    if (node->count_include_pad && !plain_is_mico(r))
        n = (int)(win->kh * win->kw);
    return sum / (float)n;
}

/* Element (c, y, x) of pad, slice and transpose. */
static inline float plain_move(const plain_run *r, const mico_node *node,
                               const size_t *at)
{
    const mico_shape *in = &r->net->tensor[node->in[0]].shape;
    size_t from[MICO_MAX_RANK] = {0}, index = 0;

    for (size_t a = 0; a < in->rank; a++) {
        if (node->kind == MICO_NODE_PAD)
            from[a] = at[a] - node->pad_before[a];
        else if (node->kind == MICO_NODE_SLICE)
            from[a] = node->start[a] + at[a] * node->step[a];
        else
            from[node->perm[a]] = at[a];
    }
    for (size_t a = 0; a < in->rank; a++) {
        if (from[a] >= in->dim[a])
            return 0;
        index = index * in->dim[a] + from[a];
    }
    return r->value[node->in[0]][index];
}

static inline float plain_element(const plain_run *r, const mico_node *node, size_t i)
{
    const mico_shape *out = &r->net->tensor[node->out].shape;
    const float *x = r->value[node->in[0]];
    size_t at[MICO_MAX_RANK] = {0}, k = 0, rest = i;

    for (size_t a = out->rank; a-- > 0;) {
        at[a] = rest % out->dim[a];
        rest /= out->dim[a];
    }
    switch (node->kind) {
    case MICO_NODE_ADD:
        return x[i] + r->value[node->in[1]][i];
    case MICO_NODE_CONCAT:
        while (i >= mico_shape_count(&r->net->tensor[node->in[k]].shape))
            i -= mico_shape_count(&r->net->tensor[node->in[k++]].shape);
        return r->value[node->in[k]][i];
    case MICO_NODE_CLIP:
        return fminf(fmaxf(x[i], node->lo), node->hi);
    case MICO_NODE_MAXPOOL:
    case MICO_NODE_AVGPOOL:
        return plain_pool(r, node, at[0], at[1], at[2]);
    case MICO_NODE_FLATTEN:
    case MICO_NODE_RESHAPE:
        return x[i];
    default:
        return plain_move(r, node, at);
    }
}

/* All tensors of one image; x: the preprocessed input. Free with plain_run_free. */
static inline void plain_profile_run(plain_run *r, const float *x)
{
    const mico_net *net = r->net;

    r->value = mico_xcalloc(net->n_tensors, sizeof *r->value);
    for (size_t t = 0; t < net->n_tensors; t++)
        r->value[t] = mico_xcalloc(mico_shape_count(&net->tensor[t].shape) + 1,
                                   sizeof **r->value);
    memcpy(r->value[net->input], x,
           mico_shape_count(&net->tensor[net->input].shape) * sizeof *x);
    for (size_t i = 0, layer = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];
        const size_t n = mico_shape_count(&net->tensor[node->out].shape);

        for (layer = 0; layer < net->n_layers && net->layer[layer] != i;)
            layer++;
        if (node->kind == MICO_NODE_CONV)
            plain_conv(r, node, layer);
        else if (node->kind == MICO_NODE_LINEAR)
            plain_linear(r, node, layer);
        else
            for (size_t k = 0; k < n; k++)
                r->value[node->out][k] = plain_element(r, node, k);
    }
}

static inline void plain_run_free(plain_run *r)
{
    for (size_t t = 0; t < r->net->n_tensors; t++)
        free(r->value[t]);
    free(r->value);
}

#endif
