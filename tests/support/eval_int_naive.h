/* eval_int_naive.h: a plain interpreter of integer plans, for comparisons:
 * docs/INTEGER.md in 64-bit integers, tensors in (c, h, w) order, one element at a
 * time. */
#ifndef MICO_TESTS_EVAL_INT_NAIVE_H
#define MICO_TESTS_EVAL_INT_NAIVE_H

#include "core/mem.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* floor(v / 2^shift + 1/2), by division */
static inline int64_t plain_round(int64_t v, unsigned shift)
{
    int64_t d = (int64_t)1 << (shift + 1), n = 2 * v + ((int64_t)1 << shift);

    return n / d - (n % d < 0);
}

/* q that the epilogue makes of y */
static inline int64_t plain_epilogue(const mico_plan *plan, const mico_op *op,
                                     int64_t y)
{
    const mico_epilogue *e = &op->epilogue;

    y = y < e->lo ? e->lo : y > e->hi ? e->hi : y;
    return e->base + e->step * y - (int64_t)plan->tensor[op->out].zero;
}

static inline int64_t plain_at(const mico_shape *s, const int64_t *v, long c, long y,
                               long x, int *inside)
{
    long w = (long)s->dim[s->rank - 1], h = s->rank > 1 ? (long)s->dim[s->rank - 2] : 1;
    long n = s->rank > 2 ? (long)s->dim[0] : 1;

    *inside = c >= 0 && c < n && y >= 0 && y < h && x >= 0 && x < w;
    return *inside ? v[(c * h + y) * w + x] : 0;
}

static inline int64_t plain_layer(const mico_op *op, long c, int64_t acc)
{
    int64_t size = acc < 0 ? -acc : acc;

    if (size > op->acc_bound || size > INT32_MAX)
        return INT64_MIN; /* a broken proof: differs from everything */
    return op->mult == NULL ? acc : plain_round(acc * op->mult[c], op->shift[c]);
}

static inline int64_t plain_conv(const mico_plan *plan, const mico_op *op,
                                 const int64_t *in, long c, long y, long x)
{
    const mico_shape *s = &plan->tensor[op->in[0]].shape;
    const mico_window *w = &op->node->window;
    long depth = (long)(op->node->c_in / op->node->groups);
    long first = c / (long)(op->node->c_out / op->node->groups) * depth;
    const int8_t *q = op->weights->q + c * (long)op->weights->taps;
    int64_t acc = op->bias[c];
    int inside;

    for (long i = 0; i < (long)w->kh; i++)
        for (long j = 0; j < (long)w->kw; j++)
            for (long d = 0; d < depth; d++)
                acc += *q++ * plain_at(s, in, first + d,
                                       y * (long)w->stride_h + i * (long)w->dilation_h -
                                           (long)w->pad_top,
                                       x * (long)w->stride_w + j * (long)w->dilation_w -
                                           (long)w->pad_left,
                                       &inside);
    return plain_layer(op, c, acc);
}

static inline int64_t plain_linear(const mico_op *op, const int64_t *in, long c)
{
    int64_t acc = op->bias[c];

    for (size_t k = 0; k < op->weights->taps; k++)
        acc += op->weights->q[(size_t)c * op->weights->taps + k] * in[k];
    return plain_layer(op, c, acc);
}

static inline int64_t plain_pool(const mico_plan *plan, const mico_op *op,
                                 const int64_t *in, long c, long y, long x)
{
    const mico_shape *s = &plan->tensor[op->in[0]].shape;
    const mico_window *w = &op->node->window;
    int64_t sum = 0, max = INT64_MIN;
    long count = 0;

    for (long i = 0; i < (long)w->kh; i++)
        for (long j = 0; j < (long)w->kw; j++) {
            int inside;
            int64_t q = plain_at(
                s, in, c,
                y * (long)w->stride_h + i * (long)w->dilation_h - (long)w->pad_top,
                x * (long)w->stride_w + j * (long)w->dilation_w - (long)w->pad_left,
                &inside);

            sum += q;
            max = inside && q > max ? q : max;
            count += inside;
        }
    if (op->kind == MICO_OP_MAXPOOL)
        return max;
    if (op->node->count_include_pad)
        count = (long)(w->kh * w->kw);
    return plain_round(sum * op->mult[count], op->shift[count]);
}

/* Input element that output element (c, y, x) of pad, slice or transpose comes from. */
static inline int64_t plain_move(const mico_plan *plan, const mico_op *op,
                                 const int64_t *in, long c, long y, long x)
{
    const mico_shape *s = &plan->tensor[op->in[0]].shape;
    const mico_node *node = op->node;
    size_t r = s->rank;
    long at[3] = {x, y, c}, from[3] = {0, 0, 0}; /* axes count from the last */
    int inside;

    for (size_t a = 0; a < r; a++) {
        size_t axis = r - 1 - a;

        if (op->kind == MICO_OP_PAD)
            from[a] = at[a] - (long)node->pad_before[axis];
        else if (op->kind == MICO_OP_SLICE)
            from[a] = at[a] * (long)node->step[axis] + (long)node->start[axis];
        else
            from[r - 1 - node->perm[axis]] = at[a];
    }
    return plain_at(s, in, from[2], from[1], from[0], &inside);
}

static inline int64_t plain_concat(const mico_plan *plan, const mico_op *op,
                                   int64_t *const *value, size_t i)
{
    size_t k = 0, n;

    while (i >= (n = mico_shape_count(&plan->tensor[op->in[k]].shape))) {
        i -= n; /* axis 0 is the slowest: the inputs lie one after the other */
        k++;
    }
    return plain_round(value[op->in[k]][i] * op->mult[k], op->shift[k]);
}

/* Element i of an operation's output as q. */
static inline int64_t plain_element(const mico_plan *plan, const mico_op *op,
                                    int64_t *const *value, size_t i)
{
    const mico_shape *s = &plan->tensor[op->out].shape;
    long w = (long)s->dim[s->rank - 1], h = s->rank > 1 ? (long)s->dim[s->rank - 2] : 1;
    long x = (long)i % w, y = (long)i / w % h, c = (long)i / w / h;
    const int64_t *in = value[op->in[0]];

    switch (op->kind) {
    case MICO_OP_CONV:
        return plain_epilogue(plan, op, plain_conv(plan, op, in, c, y, x));
    case MICO_OP_LINEAR:
        return plain_epilogue(plan, op, plain_linear(op, in, (long)i));
    case MICO_OP_ADD:
        return plain_epilogue(
            plan, op,
            plain_round(in[i] * op->mult[0] + value[op->in[1]][i] * op->mult[1],
                        op->shift[0]));
    case MICO_OP_CONCAT:
        return plain_epilogue(plan, op, plain_concat(plan, op, value, i));
    case MICO_OP_AVGPOOL:
        return plain_epilogue(plan, op, plain_pool(plan, op, in, c, y, x));
    case MICO_OP_REQUANT:
        return plain_epilogue(plan, op, plain_round(in[i] * op->mult[0], op->shift[0]));
    case MICO_OP_MAXPOOL:
        return plain_pool(plan, op, in, c, y, x);
    case MICO_OP_CLAMP:
        return in[i] < op->epilogue.lo   ? op->epilogue.lo
               : in[i] > op->epilogue.hi ? op->epilogue.hi
                                         : in[i];
    case MICO_OP_FLATTEN:
    case MICO_OP_RESHAPE:
        return in[i];
    default:
        return plain_move(plan, op, in, c, y, x);
    }
}

/* rne(x/scale) within the format; 1 bit signed: the sign, +1 only above 0 */
static inline int64_t plain_quantize(double x, const mico_format *f)
{
    double lo = f->is_signed ? -ldexp(1, f->width - 1) : 0;
    double hi = f->is_signed ? ldexp(1, f->width - 1) - 1 : ldexp(1, f->width) - 1;

    if (f->width == 1 && f->is_signed)
        return x > 0 ? 1 : -1;
    if (f->width == MICO_TERNARY) {
        hi = f->is_signed ? 1 : 2;
        lo = f->is_signed ? -1 : 0;
    }
    return (int64_t)fmax(lo, fmin(hi, rint(x / f->scale)));
}

/* q of element i of the input: v*mul + add of its channel, quantised. */
static inline int64_t plain_input(const mico_plan *plan, const uint8_t *raw, bool is_s8,
                                  size_t i)
{
    const mico_net *net = plan->net;
    const mico_plan_tensor *t = &plan->tensor[plan->op[0].out];
    double v = is_s8 && raw[i] > 127 ? raw[i] - 256.0 : raw[i];

    if (net->n_preprocess > 0) {
        size_t c = i / (mico_shape_count(&t->shape) / net->n_preprocess);

        v = v * (double)net->mul[c] + (double)net->add[c];
    }
    return plain_quantize(v, &t->format);
}

/* q of all tensors for one raw image of u8 (or s8) values; release with plain_free. */
static inline int64_t **plain_run(const mico_plan *plan, const uint8_t *raw, bool is_s8)
{
    int64_t **value = mico_xcalloc(plan->n_tensors, sizeof *value);

    for (size_t k = 0; k < plan->n_ops; k++) {
        const mico_op *op = &plan->op[k];
        size_t n = mico_shape_count(&plan->tensor[op->out].shape);

        value[op->out] = mico_xcalloc(n, sizeof **value);
        for (size_t i = 0; i < n; i++)
            value[op->out][i] = op->kind == MICO_OP_INPUT
                                    ? plain_input(plan, raw, is_s8, i)
                                    : plain_element(plan, op, value, i);
    }
    return value;
}

static inline void plain_free(const mico_plan *plan, int64_t **value)
{
    for (size_t t = 0; t < plan->n_tensors; t++)
        free(value[t]);
    free(value);
}

/* Elements of one traced tensor that differ from the plain values. */
static inline size_t plain_differences(const mico_plan_tensor *t, const uint8_t *codes,
                                       const int64_t *want)
{
    size_t n = mico_shape_count(&t->shape), wrong = 0;
    size_t channels = t->shape.rank == 3 ? t->shape.dim[0] : 1, pixels = n / channels;

    for (size_t i = 0; i < n; i++) {
        size_t at = i % pixels * channels + i / pixels; /* [h][w][c] */
        int32_t q = (int32_t)codes[at] - (int32_t)t->zero;

        if (t->format.width == 32)
            memcpy(&q, codes + at * sizeof q, sizeof q);
        wrong += q != want[i];
    }
    return wrong;
}

#endif
