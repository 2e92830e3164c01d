/* eval_ares_naive.h: profile ares once more, from the formats of a plan and the float
 * network alone: scales, biases, multipliers and integers of weights are derived here.
 */
#ifndef MICO_TESTS_EVAL_ARES_NAIVE_H
#define MICO_TESTS_EVAL_ARES_NAIVE_H

#include "support/eval_int_naive.h"

static inline float ares_scale(const mico_plan *plan, size_t tensor)
{
    return (float)plan->tensor[tensor].format.scale;
}

static inline bool ares_sign(const mico_plan *plan, const mico_op *op)
{
    const mico_format *f = &plan->tensor[op->out].format;

    return f->width == 1 && f->is_signed;
}

/* What the result's format makes of a real number of integers; signs: +1 above 0. */
static inline int64_t ares_result(const mico_plan *plan, const mico_op *op, double v)
{
    double y = nearbyint(v);

    if (ares_sign(plan, op))
        return v > 0 && op->epilogue.hi > 0 ? 1 : -1;
    return (int64_t)fmax(op->epilogue.lo, fmin(op->epilogue.hi, y));
}

/* acc times a float32 number, rounded once. */
static inline double ares_times(int64_t acc, float scale)
{
    volatile float v = (float)acc;

    v *= scale;
    return (double)v;
}

/* True if the plan's integers are clip(rne(w/s), -qmax, qmax) of the float weights. */
static inline bool ares_weights_ok(const mico_op *op, uint8_t width)
{
    const mico_node *n = op->node;
    const size_t area = n->window.kh * n->window.kw, depth = n->c_in / n->groups;
    const double qmax =
        width == 1 || width == MICO_TERNARY ? 1 : ldexp(1, width - 1) - 1;
    const double s = op->weights->scale[0];

    if ((double)(float)s != s)
        return false;
    for (size_t i = 0; i < n->c_out * area * depth; i++) {
        const size_t c = i / (area * depth), d = i / area % depth, p = i % area;
        double q = fmax(-qmax, fmin(qmax, nearbyint((double)n->weight[i] / s)));

        if (width == 1)
            q = n->weight[i] >= 0 ? 1 : -1;
        if (op->weights->scale[c] != s ||
            op->weights->q[c * area * depth + p * depth + d] != (int)q)
            return false;
    }
    return true;
}

static inline int64_t ares_layer(const mico_plan *plan, const mico_op *op,
                                 const int64_t *in, long c, long y, long x)
{
    const int64_t theirs = op->kind == MICO_OP_CONV ? plain_conv(plan, op, in, c, y, x)
                                                    : plain_linear(op, in, c);
    const float b = op->node->bias != NULL ? op->node->bias[c] : 0;
    int64_t acc = theirs - op->bias[c]; /* the sum of products */
    volatile float unit = ares_scale(plan, op->in[0]) * (float)op->weights->scale[0];
    volatile float v = b / unit;

    if (plan->tensor[op->out].format.width == 32) {
        const float logit =
            (float)(ares_times(acc, unit) + (double)b); /* one rounding */
        int32_t bits;

        memcpy(&bits, &logit, sizeof bits);
        return bits;
    }
    acc += (int64_t)nearbyint((double)v);
    if (ares_sign(plan, op))
        return ares_result(plan, op, (double)acc);
    v = unit / ares_scale(plan, op->out);
    return ares_result(plan, op, ares_times(acc, v));
}

/* ratio * 2^24 as an integer. */
static inline int64_t ares_fixed(float ratio)
{
    volatile float v = ratio;

    v *= 0x1p24F;
    return (int64_t)nearbyint((double)v);
}

static inline int64_t ares_add(const mico_plan *plan, const mico_op *op, int64_t a,
                               int64_t b)
{
    const float s[] = {ares_scale(plan, op->in[0]), ares_scale(plan, op->in[1])};
    const float to = ares_scale(plan, op->out);
    volatile float inverse = 1 / (ares_sign(plan, op) ? fmaxf(s[0], s[1]) : to);
    int64_t sum = 0;

    for (int k = 0; k < 2; k++) {
        volatile float ratio = s[k] * inverse;
        bool same = s[k] == (ares_sign(plan, op) ? fmaxf(s[0], s[1]) : to);

        sum += (k == 0 ? a : b) * (same ? 1 << 24 : ares_fixed(ratio));
    }
    /* a double holds the quotient exactly, and its halves */
    return ares_result(plan, op, ldexp((double)sum, -24));
}

/* The sum under the window, with how many elements it has. */
static inline int64_t ares_window(const mico_plan *plan, const mico_op *op,
                                  const int64_t *in, long c, long y, long x,
                                  int64_t *count)
{
    const mico_window *w = &op->node->window;
    int64_t sum = 0;

    *count = 0;
    for (long i = 0; i < (long)(w->kh * w->kw); i++) {
        int inside;

        sum += plain_at(&plan->tensor[op->in[0]].shape, in, c,
                        y * (long)w->stride_h + i / (long)w->kw - (long)w->pad_top,
                        x * (long)w->stride_w + i % (long)w->kw - (long)w->pad_left,
                        &inside);
        *count += inside;
    }
    if (op->node->count_include_pad)
        *count = (int64_t)(w->kh * w->kw);
    return sum;
}

static inline int64_t ares_pool(const mico_plan *plan, const mico_op *op,
                                const int64_t *in, long c, long y, long x)
{
    const mico_window *w = &op->node->window;
    const mico_shape *s = &plan->tensor[op->in[0]].shape;
    const bool padded = w->pad_top + w->pad_left + w->pad_bottom + w->pad_right > 0;
    const bool global = w->kh == s->dim[1] && w->kw == s->dim[2] && !padded;
    volatile float ratio = ares_scale(plan, op->in[0]) / ares_scale(plan, op->out);
    int64_t count, sum = ares_window(plan, op, in, c, y, x, &count);
    double v;

    if (ares_sign(plan, op))
        return ares_result(plan, op, (double)sum);
    if (ratio == 1) {
        v = (double)sum / (double)count;
    } else if (padded) {
        v = (double)(sum * ares_fixed(ratio)) / (double)(count << 24);
    } else {
        ratio = ratio / (float)(w->kh * w->kw);
        v = ldexp((double)(sum * ares_fixed(ratio)), -24);
    }
    return ares_result(plan, op, global ? round(v) : v);
}

static inline int64_t ares_rescale(const mico_plan *plan, const mico_op *op,
                                   size_t from, int64_t q)
{
    volatile float ratio = ares_scale(plan, from) / ares_scale(plan, op->out);

    if (ares_sign(plan, op))
        return ares_result(plan, op, (double)q);
    return ares_result(plan, op, ares_times(q, ratio));
}

static inline int64_t ares_element(const mico_plan *plan, const mico_op *op,
                                   int64_t *const *value, size_t i)
{
    const mico_shape *s = &plan->tensor[op->out].shape;
    long w = (long)s->dim[s->rank - 1], h = s->rank > 1 ? (long)s->dim[s->rank - 2] : 1;
    long x = (long)i % w, y = (long)i / w % h, c = (long)i / w / h;
    const int64_t *in = value[op->in[0]];
    size_t k = 0, n;

    switch (op->kind) {
    case MICO_OP_CONV:
    case MICO_OP_LINEAR:
        return ares_layer(plan, op, in, op->kind == MICO_OP_CONV ? c : (long)i, y, x);
    case MICO_OP_ADD:
        return ares_add(plan, op, in[i], value[op->in[1]][i]);
    case MICO_OP_AVGPOOL:
        return ares_pool(plan, op, in, c, y, x);
    case MICO_OP_REQUANT:
        return ares_rescale(plan, op, op->in[0], in[i]);
    case MICO_OP_CONCAT:
        while (i >= (n = mico_shape_count(&plan->tensor[op->in[k]].shape))) {
            i -= n;
            k++;
        }
        return ares_rescale(plan, op, op->in[k], value[op->in[k]][i]);
    default: /* moves and selects */
        return plain_element(plan, op, value, i);
    }
}

/* The input: x in double, then float32. */
static inline int64_t ares_input(const mico_plan *plan, const uint8_t *raw, bool is_s8,
                                 size_t i)
{
    const mico_net *net = plan->net;
    const mico_plan_tensor *t = &plan->tensor[plan->op[0].out];
    double v = is_s8 && raw[i] > 127 ? raw[i] - 256.0 : raw[i];
    volatile float x;

    if (net->n_preprocess > 0) {
        size_t c = i / (mico_shape_count(&t->shape) / net->n_preprocess);

        v = v * (double)net->mul[c] + (double)net->add[c];
    }
    x = (float)v;
    x = x / (float)t->format.scale;
    return plain_quantize((double)x, &(mico_format){t->format.width, false, true, 1});
}

/* q of all tensors (the bits of float32 logits) for one raw image; plain_free. */
static inline int64_t **ares_run(const mico_plan *plan, const uint8_t *raw, bool is_s8)
{
    int64_t **value = mico_xcalloc(plan->n_tensors, sizeof *value);

    for (size_t k = 0; k < plan->n_ops; k++) {
        const mico_op *op = &plan->op[k];
        size_t n = mico_shape_count(&plan->tensor[op->out].shape);

        value[op->out] = mico_xcalloc(n, sizeof **value);
        for (size_t i = 0; i < n; i++)
            value[op->out][i] = op->kind == MICO_OP_INPUT
                                    ? ares_input(plan, raw, is_s8, i)
                                    : ares_element(plan, op, value, i);
    }
    return value;
}

#endif
