/* float_internal.h: the arithmetic that all kernels of the profiles dynamic and mico
 * share: docs/INTEGER.md section 10. The build forbids contraction to fused
 * multiply-adds, so what is written as two operations rounds twice, everywhere. */
#ifndef MICO_KERNELS_FLOAT_INTERNAL_H
#define MICO_KERNELS_FLOAT_INTERNAL_H

#include "kernels/kernels_internal.h"

#include <float.h>
#include <math.h>

/* x becomes q = round(x * k), which stands for s * q. */
typedef struct mico_float_scale {
    float k, s;
} mico_float_scale;

/* 1-bit signed: the sign of x. */
static inline bool mico_float_sign(const mico_op *op)
{
    return op->act_width == 1 && op->act_signed;
}

/* True if the scale comes from mean|x|, not from max|x|. */
static inline bool mico_float_mean(const mico_op *op)
{
    if (op->act_blocks || !op->act_signed)
        return mico_float_sign(op);
    return op->act_width <= 2 || op->act_width == MICO_TERNARY;
}

/* The range of q, and the largest q that a scale from max|x| uses. */
static inline float mico_float_lo(const mico_op *op)
{
    return (float)mico_q_min(op->act_width, op->act_signed);
}

static inline float mico_float_hi(const mico_op *op)
{
    return (float)mico_q_max(op->act_width, op->act_signed);
}

/* Least statistic: upstream's epsilon, or what keeps 127 / statistic finite. */
static inline float mico_float_least(const mico_op *op)
{
    return op->act_blocks ? 0x1p-100f : 1e-5f;
}

/* The scale from the statistic: max|x| or mean|x|. */
static inline mico_float_scale mico_float_scale_of(const mico_op *op, float statistic)
{
    const float least = mico_float_least(op);
    mico_float_scale a;

    if (mico_float_sign(op) && op->act_blocks) { /* a mean of 0 is harmless */
        a.k = 1;
        a.s = statistic;
        return a;
    }
    statistic = statistic > least ? statistic : least;
    statistic = statistic < FLT_MAX ? statistic : FLT_MAX;
    a.k = mico_float_hi(op) / statistic;
    a.s = mico_float_sign(op) ? statistic : 1 / a.k;
    return a;
}

/* What padding is: 0, which the 1-bit codes of profile mico make -1. */
static inline int mico_float_pad(const mico_op *op)
{
    return mico_float_sign(op) && op->act_blocks ? -1 : 0;
}

/* q of x; not-a-number becomes the least q. Half to even, or away from zero (mico). */
static inline int mico_float_q(const mico_op *op, float x, float k)
{
    const float lo = mico_float_lo(op), hi = mico_float_hi(op), big = 0x1.8p23f;
    float v = x * k;

    if (mico_float_sign(op))
        return x > 0 ? 1 : -1;
    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    return (int)(op->act_blocks ? roundf(v) : (v + big) - big);
}

/* acc as a real number, between the op's bounds; not-a-number passes. */
static inline float mico_float_clip(const mico_op *op, float y)
{
    y = op->lo_f32 > y ? op->lo_f32 : y;
    return op->hi_f32 < y ? op->hi_f32 : y;
}

static inline float mico_float_result(const mico_op *op, int32_t acc, float scale,
                                      float bias)
{
    const float y = (float)acc * scale;

    return mico_float_clip(op, y + bias);
}

/* Sixteen partial sums become one: the order that vector code needs, everywhere. */
#define MICO_PARTIALS 16

static inline double mico_float_total(double *partial)
{
    for (size_t n = MICO_PARTIALS / 2; n > 0; n /= 2)
        for (size_t i = 0; i < n; i++)
            partial[i] += partial[i + n];
    return partial[0];
}

/* The input op where the network's tensors are float32. */
void mico_float_input_u8(const mico_plan *plan, const uint8_t *raw, uint8_t *out,
                         size_t n);
void mico_float_input_s8(const mico_plan *plan, const int8_t *raw, uint8_t *out,
                         size_t n);
void mico_float_input_f32(const mico_plan *plan, const float *raw, uint8_t *out,
                          size_t n);

/* ---- blocks of outputs ---------------------------------------------------------- */

/* Outputs of a convolution that share a scale: all of them, or (mico) two rows; four
 * of a 1-D convolution. */
typedef struct mico_float_blocks {
    mico_extent in, out;
    size_t h, w;           /* outputs of a whole block */
    size_t span_h, span_w; /* inputs under a whole block, padding included */
    size_t group_in;       /* input channels of a group */
} mico_float_blocks;

/* Number of inputs from the first to the last that n outputs see. */
static inline size_t mico_float_span(size_t n, size_t taps, size_t stride,
                                     size_t dilation)
{
    return (n - 1) * stride + (taps - 1) * dilation + 1;
}

static inline mico_float_blocks mico_float_blocks_of(const mico_plan *plan,
                                                     const mico_op *op)
{
    const mico_window *win = &op->node->window;
    mico_float_blocks b;

    b.in = mico_extent_of(mico_op_input(plan, op, 0));
    b.out = mico_extent_of(mico_op_output(plan, op));
    b.h = b.out.h;
    b.w = b.out.w;
    if (op->act_blocks && b.in.h == 1 && b.out.h == 1 && win->kh == 1)
        b.w = b.w < 4 ? b.w : 4;
    else if (op->act_blocks)
        b.h = b.h < 2 ? b.h : 2;
    b.span_h = mico_float_span(b.h, win->kh, win->stride_h, win->dilation_h);
    b.span_w = mico_float_span(b.w, win->kw, win->stride_w, win->dilation_w);
    b.group_in = b.in.c / op->node->groups;
    return b;
}

/* One block: its outputs, and the inputs under it as a box of the padded map. */
typedef struct mico_float_block {
    size_t oy, ox, h, w;     /* outputs */
    size_t y, x, rows, cols; /* of the padded map */
    size_t y0, y1, x0, x1;   /* rows and columns of the box that are in the map */
} mico_float_block;

/* The part [*first, *last) of the box [at, at + n) that lies in [pad, pad + size). */
static inline void mico_float_inside(size_t at, size_t n, size_t pad, size_t size,
                                     size_t *first, size_t *last)
{
    const size_t end = pad + size > at ? pad + size - at : 0;

    *first = pad > at ? pad - at : 0;
    *first = *first < n ? *first : n;
    *last = end < n ? end : n;
    *last = *last > *first ? *last : *first;
}

static inline mico_float_block mico_float_block_at(const mico_float_blocks *b,
                                                   const mico_window *win, size_t oy,
                                                   size_t ox)
{
    mico_float_block k = {.oy = oy, .ox = ox};

    k.h = b->out.h - oy < b->h ? b->out.h - oy : b->h;
    k.w = b->out.w - ox < b->w ? b->out.w - ox : b->w;
    k.y = oy * win->stride_h;
    k.x = ox * win->stride_w;
    k.rows = mico_float_span(k.h, win->kh, win->stride_h, win->dilation_h);
    k.cols = mico_float_span(k.w, win->kw, win->stride_w, win->dilation_w);
    mico_float_inside(k.y, k.rows, win->pad_top, b->in.h, &k.y0, &k.y1);
    mico_float_inside(k.x, k.cols, win->pad_left, b->in.w, &k.x0, &k.x1);
    return k;
}

/* Index of the pixel in row r, column c of the box (both in the map). */
static inline size_t mico_float_pixel(const mico_float_blocks *b,
                                      const mico_window *win, const mico_float_block *k,
                                      size_t r, size_t c)
{
    return (k->y + r - win->pad_top) * b->in.w + (k->x + c - win->pad_left);
}

/* How often the windows of n outputs see each of `span` inputs in a row. */
static inline void mico_float_count(size_t n, size_t taps, size_t stride,
                                    size_t dilation, uint32_t *count, size_t span)
{
    memset(count, 0, span * sizeof *count);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < taps; k++)
            count[i * stride + k * dilation]++;
}

#endif
