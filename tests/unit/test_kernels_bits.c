/* Kernels that count bits: exact for every width that they accept, and which they do.
 */
#include "support/kernels_case.h"
#include "support/suite.h"

#define ISA "avx512vpopcnt"

static const uint8_t few[] = {1, MICO_TERNARY, 2};
static size_t compared; /* with the portable kernels */

static size_t between(mico_rng *rng, size_t lo, size_t hi)
{
    return lo + mico_rng_below(rng, hi - lo + 1);
}

/* The entry of this isa for the op, whether or not this CPU runs it. */
static const mico_kernel *counting(const mico_case *c)
{
    for (size_t k = 0; k < mico_n_kernels; k++)
        if (strcmp(mico_kernels[k]->isa, ISA) == 0 &&
            mico_kernels[k]->supports(&c->plan, &c->op))
            return mico_kernels[k];
    return NULL;
}

static void compare(mico_case *c, size_t n_images)
{
    const mico_kernel *kernel = counting(c);
    bool clean;
    uint8_t *expected, *got;

    CU_ASSERT_PTR_NOT_NULL_FATAL(kernel);
    if (!mico_isa_here(ISA))
        return;
    expected = mico_case_run(c, mico_case_reference(c), n_images, &clean);
    got = mico_case_run(c, kernel, n_images, &clean);
    CU_ASSERT_TRUE(clean);
    CU_ASSERT_EQUAL(memcmp(expected, got, n_images * c->tensor[MICO_CASE_OUT].bytes),
                    0);
    compared++;
    free(expected);
    free(got);
}

/* Weights of the width; multipliers that spread the accumulators over the codes. */
static void random_layer(mico_case *c, mico_rng *rng, size_t c_out, size_t taps,
                         uint8_t width)
{
    int8_t *q = mico_case_weights(c, c_out, taps);

    c->weights.width = width;
    for (size_t k = 0; k < c_out * taps; k++)
        q[k] = (int8_t)mico_case_value(rng, width, true);
    mico_case_sums(c);
    for (size_t o = 0; o < c_out; o++) {
        const unsigned shift = (unsigned)between(rng, 16, 24);

        c->bias[o] = (int32_t)between(rng, 0, 4 * taps) - (int32_t)(2 * taps);
        c->mult[o] = (int32_t)between(rng, (size_t)1 << 21, ((size_t)1 << 22) - 1);
        c->shift[o] = (uint8_t)shift;
        if (mico_rng_below(rng, 8) == 0) { /* halves and whole numbers: ties */
            c->mult[o] = 1 << 21;
            c->shift[o] = 22;
        }
    }
}

static void random_output(mico_case *c, mico_rng *rng, size_t rank, const size_t *dim)
{
    static const uint8_t widths[] = {1, MICO_TERNARY, 2, 4, 8, 8, 32, 32};
    const uint8_t width = widths[mico_rng_below(rng, sizeof widths)];
    const bool is_signed = width == 32 || mico_rng_below(rng, 2) == 0;

    mico_case_tensor(c, MICO_CASE_OUT, rank, dim, width, is_signed);
    c->op.epilogue = mico_case_epilogue(width, is_signed, mico_rng_below(rng, 2) == 0);
    if (width == 32 && mico_rng_below(rng, 2) == 0)
        c->op.mult = NULL;
}

static mico_case *conv_case(mico_rng *rng, size_t c_in, size_t c_out, size_t h,
                            size_t w, mico_window win, uint8_t weight_width,
                            uint8_t act_width, bool act_signed)
{
    mico_case *c = mico_case_new(MICO_OP_CONV);
    const size_t out_h = (h + win.pad_top + win.pad_bottom - win.kh) / win.stride_h + 1;
    const size_t out_w = (w + win.pad_left + win.pad_right - win.kw) / win.stride_w + 1;

    c->node.window = win;
    c->node.c_in = c_in;
    c->node.c_out = c_out;
    mico_case_tensor(c, 0, 3, (size_t[]){c_in, h, w}, act_width, act_signed);
    random_layer(c, rng, c_out, win.kh * win.kw * c_in, weight_width);
    random_output(c, rng, 3, (size_t[]){c_out, out_h, out_w});
    return c;
}

static void run_conv(mico_rng *rng, size_t c_in, size_t c_out, size_t h, size_t w,
                     mico_window win, uint8_t weight_width, uint8_t act_width,
                     bool act_signed)
{
    const size_t n = between(rng, 1, 3);
    mico_case *c =
        conv_case(rng, c_in, c_out, h, w, win, weight_width, act_width, act_signed);

    mico_case_random(c, 0, n, rng);
    compare(c, n);
    mico_case_free(c);
}

/* Every pair of few widths, signed and unsigned: over shapes of all kinds. */
static void t_conv_widths(void)
{
    mico_rng *rng = mico_rng_new(1, "bits", 0);

    for (size_t i = 0; i < 20; i++)
        for (size_t pair = 0; pair < 18; pair++) {
            const size_t k = i % 3 == 0 ? 1 : between(rng, 1, 4);
            const size_t pad = mico_rng_below(rng, k);
            const size_t h = between(rng, k, 8), w = between(rng, k, 20);

            run_conv(rng, between(rng, 1, i % 2 == 0 ? 40 : 130), between(rng, 1, 70),
                     h, w,
                     (mico_window){k, k, between(rng, 1, 2), between(rng, 1, 2), 1, 1,
                                   pad, pad, pad, pad},
                     few[pair % 3], few[pair / 3 % 3], pair / 9 == 0);
        }
    mico_rng_free(rng);
}

/* The wider of both, as far as they are counted in four passes. */
static void t_wider(void)
{
    static const uint8_t pairs[][2] = {
        {1, 3}, {1, 4}, {MICO_TERNARY, 3}, {MICO_TERNARY, 4}, {3, 1}, {4, 1}};
    mico_rng *rng = mico_rng_new(8, "bits", 0);

    for (size_t i = 0; i < 120; i++) {
        const size_t k = 1 + i % 3, pad = mico_rng_below(rng, k);

        run_conv(rng, between(rng, 1, 70), between(rng, 1, 40), between(rng, k, 6),
                 between(rng, k, 12),
                 (mico_window){k, k, 1, 1, 1, 1, pad, pad, pad, pad}, pairs[i % 6][0],
                 pairs[i % 6][1], i % 4 < 2);
    }
    mico_rng_free(rng);
}

/* Pixels of 9 to 16 channels, which are woven in some windows: of any height and
 * width, strides and paddings. */
static void t_woven(void)
{
    mico_rng *rng = mico_rng_new(9, "bits", 0);

    for (size_t i = 0; i < 8 * 5 * 5; i++) {
        const size_t kh = 1 + i / 8 % 5, kw = 1 + i / 40;

        run_conv(rng, 9 + i % 8, between(rng, 1, 40), between(rng, kh, 9),
                 between(rng, kw, 30),
                 (mico_window){kh, kw, 1 + i % 2, 1 + i % 3, 1, 1, i % kh, i % kw,
                               i / 2 % kh, i / 3 % kw},
                 few[i % 4 == 3 ? 1 + i % 2 : 0], few[i % 3], i % 5 > 1);
    }
    mico_rng_free(rng);
}

/* All paddings of a 3x3 window, and windows larger than the map. */
static void t_paddings(void)
{
    mico_rng *rng = mico_rng_new(2, "bits", 0);

    for (size_t p = 0; p < 81; p++)
        for (int is_signed = 0; is_signed < 2; is_signed++)
            run_conv(rng, 1 + p % 17, 5, 3, 4,
                     (mico_window){3, 3, 1 + p % 2, 1, 1, 1, p % 3, p / 3 % 3,
                                   p / 9 % 3, p / 27},
                     few[p % 3], few[p / 2 % 3], is_signed != 0);
    for (size_t k = 2; k < 10; k++)
        for (size_t size = 1; size < 5; size++)
            run_conv(rng, 8 * size, 17, size, size,
                     (mico_window){k, k, 1, 1, 1, 1, k - 1, k - 1, k - 1, k - 1},
                     few[k % 3], few[size % 3], true);
    mico_rng_free(rng);
}

/* Each number of channels around the words and vectors: 1x1 and 3x3. */
static void t_channels(void)
{
    mico_rng *rng = mico_rng_new(3, "bits", 0);

    for (size_t channels = 1; channels <= 140; channels++)
        for (size_t k = 1; k <= 3; k += 2)
            run_conv(rng, channels, channels % 50 + 1, 4, 9,
                     (mico_window){k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2},
                     few[channels % 3], few[channels / 3 % 3], channels % 2 == 0);
    mico_rng_free(rng);
}

static void t_linear(void)
{
    mico_rng *rng = mico_rng_new(4, "bits", 0);

    for (size_t i = 0; i < 400; i++) {
        mico_case *c = mico_case_new(MICO_OP_LINEAR);
        const size_t taps = i < 140 ? i + 1 : between(rng, 1, 900);
        const size_t c_out = between(rng, 1, 100), n = between(rng, 1, i % 8 ? 9 : 70);

        mico_case_tensor(c, 0, 1, &taps, few[i % 3], i % 2 == 0);
        random_layer(c, rng, c_out, taps, few[i / 3 % 3]);
        random_output(c, rng, 1, &c_out);
        mico_case_random(c, 0, n, rng);
        compare(c, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

/* Accumulators near 2^24, up to which floats hold integers; larger ones are refused. */
static void t_bound(void)
{
    enum { TAPS = 100, LIMIT = 1 << 24 };
    mico_rng *rng = mico_rng_new(5, "bits", 0);

    for (int sign = -1; sign <= 1; sign += 2)
        for (unsigned shift = 16; shift <= 45; shift++) {
            mico_case *c = mico_case_new(MICO_OP_LINEAR);
            const size_t taps = TAPS, c_out = 40;

            mico_case_tensor(c, 0, 1, &taps, 1, true);
            random_layer(c, rng, c_out, taps, 1);
            mico_case_tensor(c, MICO_CASE_OUT, 1, &c_out, 8, shift % 2 == 0);
            c->op.epilogue = mico_case_epilogue(8, shift % 2 == 0, shift % 3 == 0);
            for (size_t o = 0; o < c_out; o++) {
                c->bias[o] =
                    sign * (LIMIT - 32 * TAPS - (int32_t)(o < 20 ? o : 5000 * o));
                c->shift[o] = (uint8_t)shift;
                c->mult[o] = (1 << 22) - 1 - (int32_t)o;
            }
            mico_case_random(c, 0, 3, rng);
            compare(c, 3);
            c->bias[3] = sign * (LIMIT - 32 * TAPS + 1);
            CU_ASSERT_PTR_NULL(counting(c));
            mico_case_free(c);
        }
    mico_rng_free(rng);
}

/* A pad puts q = 0 into 1-bit signed tensors, also through operations that move it. */
static void t_zeros_of_a_pad(void)
{
    mico_rng *rng = mico_rng_new(6, "bits", 0);

    for (size_t i = 0; i < 40; i++) {
        const mico_window win = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
        mico_case *c = conv_case(rng, 20, 20, 6, 6, win, few[i % 3], 1, true);
        mico_op ops[3] = {{.kind = MICO_OP_PAD, .n_in = 1, .in = {2}, .out = 1},
                          {.kind = i % 2 == 0 ? MICO_OP_MAXPOOL : MICO_OP_SLICE,
                           .n_in = 1,
                           .in = {1},
                           .out = 0}};

        ops[2] = c->op;
        c->plan.op = ops;
        c->plan.n_ops = 3;
        mico_case_random(c, 0, 2, rng);
        for (size_t k = 0; k < 2 * c->tensor[0].bytes; k += between(rng, 1, 4))
            c->in[0][k] = 128;
        compare(c, 2);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

/* What cannot be counted is left to others. */
static void t_not_supported(void)
{
    mico_rng *rng = mico_rng_new(7, "bits", 0);
    const mico_window win = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
    mico_case *c = conv_case(rng, 16, 16, 4, 4, win, 1, 1, true);

    CU_ASSERT_PTR_NOT_NULL(counting(c));
    for (size_t w = 0; w < MICO_N_WIDTHS; w++)
        for (size_t a = 0; a < MICO_N_WIDTHS; a++) {
            /* passes over the window: planes times planes */
            const size_t planes[MICO_N_WIDTHS] = {1, 2, 2, 3, 4, 5, 6, 7, 8};
            const bool fits = w < 5 && planes[a] * (w == 1 ? 1 : planes[w]) <= 4;

            c->weights.width = mico_width_at(w);
            c->tensor[0].format.width = mico_width_at(a);
            CU_ASSERT_EQUAL(counting(c) != NULL, fits);
        }
    c->weights.width = 1;
    c->tensor[0].format.width = 32;
    CU_ASSERT_PTR_NULL(counting(c));
    c->tensor[0].format.width = 2;
    CU_ASSERT_PTR_NOT_NULL(counting(c));
    c->op.rounding = MICO_ROUND_ARES;
    CU_ASSERT_PTR_NULL(counting(c));
    c->op.rounding = MICO_ROUND_HALF_UP;
    c->node.groups = 2;
    CU_ASSERT_PTR_NULL(counting(c));
    c->node.groups = 1;
    c->node.window.dilation_w = 2;
    CU_ASSERT_PTR_NULL(counting(c));
    mico_case_free(c);
    mico_rng_free(rng);
}

/* Last: none of the above was a comparison of nothing. */
static void t_compared(void)
{
    if (mico_isa_here(ISA)) {
        CU_ASSERT_TRUE(compared > 1000);
        return;
    }
    printf("\n    skipped: this CPU lacks %s\n", ISA);
}

MICO_SUITE("kernels_bits", {"not supported", t_not_supported},
           {"conv widths", t_conv_widths}, {"wider", t_wider}, {"woven", t_woven},
           {"paddings", t_paddings}, {"channels", t_channels}, {"linear", t_linear},
           {"bound", t_bound}, {"zeros of a pad", t_zeros_of_a_pad},
           {"compared", t_compared})
