/* kernels_random.h: random operations for the tests of the kernels. */
#ifndef MICO_TESTS_KERNELS_RANDOM_H
#define MICO_TESTS_KERNELS_RANDOM_H

#include "support/kernels_case.h"

static const uint8_t widths[MICO_N_WIDTHS] = {1, MICO_TERNARY, 2, 3, 4, 5, 6, 7, 8};

/* Random cases of a test: the number in MICO_TEST_SHAPES, for a long run, or n. */
static inline size_t shapes(size_t n)
{
    const char *text = getenv("MICO_TEST_SHAPES");

    return text != NULL ? (size_t)strtoull(text, NULL, 10) : n;
}

static inline size_t between(mico_rng *rng, size_t lo, size_t hi)
{
    return lo + mico_rng_below(rng, hi - lo + 1);
}

/* Multiplier and shift: saturating, vanishing, anything, or about 1/bound * 2^bits. */
static inline void random_mult(mico_rng *rng, double bound, int32_t *mult,
                               uint8_t *shift)
{
    int target = 0;

    *mult = (int32_t)between(rng, 0, (1 << 22) - 1);
    *shift = (uint8_t)between(rng, 1, 45);
    switch (mico_rng_below(rng, 8)) {
    case 0:
        *mult = (1 << 22) - 1;
        *shift = 1;
        break;
    case 1:
        *mult = 1;
        *shift = 45;
        break;
    case 2:
        break;
    default: /* acc * mult / 2^shift about as large as codes */
        *mult |= 1 << 21;
        while (target < 31 && bound > (double)(1u << target))
            target++;
        target += 22 - (int)between(rng, 3, 9);
        *shift = (uint8_t)(target < 1 ? 1 : target > 45 ? 45 : target);
    }
}

static inline uint8_t random_width(mico_rng *rng)
{
    return mico_rng_below(rng, 2) == 0 ? 8 : widths[mico_rng_below(rng, MICO_N_WIDTHS)];
}

/* Random weights, bias and multipliers within the accumulator bound. */
static inline void random_layer(mico_case *c, mico_rng *rng, size_t c_out, size_t taps,
                                uint8_t width)
{
    int8_t *q = mico_case_weights(c, c_out, taps);
    double bound = 0;

    c->weights.width = width;
    for (size_t k = 0; k < c_out * taps; k++)
        q[k] = (int8_t)mico_case_value(rng, width, true);
    mico_case_sums(c);
    for (size_t o = 0; o < c_out; o++) {
        const int64_t room = 255 * (int64_t)c->abs_sum[o] + 1;

        c->bias[o] = (int32_t)((int64_t)between(rng, 0, (size_t)(2 * room)) - room);
        bound = 2.0 * (double)room;
        random_mult(rng, bound / 4, &c->mult[o], &c->shift[o]);
    }
}

/* Output tensor and epilogue: bytes of any format, or int32 with and without mults. */
static inline void random_output(mico_case *c, mico_rng *rng, size_t rank,
                                 const size_t *dim)
{
    const bool is_signed = mico_rng_below(rng, 2) == 0;
    uint8_t width = random_width(rng);

    if (mico_rng_below(rng, 8) == 0)
        width = 32;
    mico_case_tensor(c, MICO_CASE_OUT, rank, dim, width, is_signed);
    c->op.epilogue = mico_case_epilogue(width, is_signed, mico_rng_below(rng, 2) == 0);
    if (width == 32 && mico_rng_below(rng, 2) == 0)
        c->op.mult = NULL;
}

/* A window with at least one output from h x w; sometimes larger than the map. */
static inline void random_window(mico_window *win, mico_rng *rng, size_t h, size_t w,
                                 size_t *out_h, size_t *out_w)
{
    do {
        win->kh = between(rng, 1, mico_rng_below(rng, 4) == 0 ? 9 : 3);
        win->kw = between(rng, 1, mico_rng_below(rng, 4) == 0 ? 9 : 3);
        if (mico_rng_below(rng, 3) == 0)
            win->kh = win->kw = 3;
        win->stride_h = between(rng, 1, 3);
        win->stride_w = mico_rng_below(rng, 2) == 0 ? between(rng, 1, 3) : 1;
        win->pad_top = mico_rng_below(rng, win->kh);
        win->pad_bottom = mico_rng_below(rng, win->kh);
        win->pad_left = mico_rng_below(rng, win->kw);
        win->pad_right = mico_rng_below(rng, win->kw);
        if (mico_rng_below(rng, 3) == 0)
            win->pad_top = win->pad_bottom = win->pad_left = win->pad_right = 0;
    } while (win->kh > h + win->pad_top + win->pad_bottom ||
             win->kw > w + win->pad_left + win->pad_right);
    *out_h = (h + win->pad_top + win->pad_bottom - win->kh) / win->stride_h + 1;
    *out_w = (w + win->pad_left + win->pad_right - win->kw) / win->stride_w + 1;
}

/* Makes dilations of a window without stride that fits, where they fit. */
static inline void random_dilation(mico_window *win, mico_rng *rng, size_t h, size_t w,
                                   size_t *out_h, size_t *out_w)
{
    const size_t room_h = h + win->pad_top + win->pad_bottom;
    const size_t room_w = w + win->pad_left + win->pad_right;
    const size_t dh = between(rng, 1, 3), dw = between(rng, 1, 3);

    if ((win->kh - 1) * dh < room_h)
        win->dilation_h = dh;
    if ((win->kw - 1) * dw < room_w)
        win->dilation_w = dw;
    *out_h = (room_h - (win->kh - 1) * win->dilation_h - 1) / win->stride_h + 1;
    *out_w = (room_w - (win->kw - 1) * win->dilation_w - 1) / win->stride_w + 1;
}

typedef enum taste { PLAIN, DILATED, FITTING } taste;

/* A convolution of random size; FITTING: maps as networks have them. */
static inline mico_case *conv_new(mico_rng *rng, size_t c_in, size_t c_out,
                                  size_t groups, taste t, uint8_t weight_width,
                                  uint8_t act_width, bool act_signed)
{
    static const uint8_t sides[] = {4, 8, 16, 32}, kernels[] = {1, 3, 3, 5};
    mico_case *c = mico_case_new(MICO_OP_CONV);
    size_t h = between(rng, 1, 9), w = between(rng, 1, 20), out_h, out_w;
    mico_window *win = &c->node.window;

    if (t == FITTING) {
        const size_t k = kernels[mico_rng_below(rng, 4)];

        w = sides[mico_rng_below(rng, 4)];
        h = between(rng, 2, 6);
        out_h = h;
        out_w = w;
        win->kh = win->kw = k;
        win->pad_top = win->pad_bottom = win->pad_left = win->pad_right = k / 2;
    } else {
        random_window(win, rng, h, w, &out_h, &out_w);
    }
    if (t == DILATED)
        random_dilation(win, rng, h, w, &out_h, &out_w);
    c->node.groups = groups;
    c->node.c_in = c_in;
    c->node.c_out = c_out;
    mico_case_tensor(c, 0, 3, (size_t[]){c_in, h, w}, act_width, act_signed);
    random_layer(c, rng, c_out, win->kh * win->kw * (c_in / groups), weight_width);
    random_output(c, rng, 3, (size_t[]){c_out, out_h, out_w});
    return c;
}

#endif
