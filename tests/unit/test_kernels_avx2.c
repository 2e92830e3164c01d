/* The AVX2 (and AVX-VNNI) kernels where they are delicate: int16 sums at their limits,
 * groups, dilation, other roundings. Shapes and widths at large: test_kernels_exact.c.
 */
#include "support/kernels_case.h"
#include "support/suite.h"

static bool here(const char *what)
{
    if (mico_isa_here("avx2"))
        return true;
    printf("\n    skipped: %s needs avx2, which this CPU lacks\n", what);
    return false;
}

static const mico_kernel *entry(const char *stem, const char *isa)
{
    const size_t n = strlen(stem);

    for (size_t k = 0; k < mico_n_kernels; k++)
        if (strncmp(mico_kernels[k]->name, stem, n) == 0 &&
            mico_kernels[k]->name[n] == '_' &&
            strcmp(mico_kernels[k]->name + n + 1, isa) == 0)
            return mico_kernels[k];
    return NULL;
}

/* The AVX2 entry, and the AVX-VNNI one where this CPU has it, support the op and give
 * the bytes of the portable one. */
static void compare(mico_case *c, const char *stem, size_t n_images)
{
    static const char *const isas[] = {"avx2", "avxvnni"};
    const size_t bytes = n_images * c->tensor[MICO_CASE_OUT].bytes;
    bool clean;
    uint8_t *expected = mico_case_run(c, mico_case_reference(c), n_images, &clean);

    CU_ASSERT_TRUE(clean);
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        const mico_kernel *fast = entry(stem, isas[i]);
        uint8_t *got;

        if (!mico_isa_here(isas[i]))
            continue;
        CU_ASSERT_PTR_NOT_NULL_FATAL(fast);
        CU_ASSERT_TRUE_FATAL(fast->supports(&c->plan, &c->op));
        got = mico_case_run(c, fast, n_images, &clean);
        CU_ASSERT_TRUE(clean);
        CU_ASSERT_EQUAL(memcmp(expected, got, bytes), 0);
        free(got);
    }
    free(expected);
}

static size_t between(mico_rng *rng, size_t lo, size_t hi)
{
    return lo + mico_rng_below(rng, hi - lo + 1);
}

/* ---- the choice ---------------------------------------------------------------- */

/* A linear op of one tap. */
static mico_case *tiny_linear(void)
{
    mico_case *c = mico_case_new(MICO_OP_LINEAR);

    mico_case_tensor(c, 0, 1, (size_t[]){1}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){1}, 8, true);
    mico_case_weights(c, 1, 1);
    return c;
}

static const char *found_isa(const mico_case *c, const char *only_isa)
{
    const mico_kernel *k = mico_kernel_find(&c->plan, &c->op, only_isa);

    return k != NULL ? k->isa : "none";
}

static void t_choice(void)
{
    static const mico_op_kind kinds[] = {
        MICO_OP_CONV,    MICO_OP_LINEAR,  MICO_OP_ADD,   MICO_OP_CONCAT,
        MICO_OP_MAXPOOL, MICO_OP_AVGPOOL, MICO_OP_CLAMP, MICO_OP_REQUANT};
    mico_case *c = tiny_linear();

    CU_ASSERT_FALSE(mico_isa_here("avx3"));
    CU_ASSERT_FALSE(mico_isa_here(""));
    if (!here("the choice"))
        goto out;
    /* what it cannot do goes to portable C */
    mico_case_tensor(c, 0, 1, (size_t[]){1}, 32, true);
    CU_ASSERT_STRING_EQUAL(found_isa(c, "avx2"), "c");
    mico_case_tensor(c, 0, 1, (size_t[]){1}, 8, true);
    c->op.epilogue = (mico_epilogue){-1000, 1000, 128, 1};
    CU_ASSERT_STRING_EQUAL(found_isa(c, "avx2"), "c");
    c->op.epilogue = mico_case_epilogue(8, true, false);
    c->op.kind = MICO_OP_FLATTEN;
    CU_ASSERT_STRING_EQUAL(found_isa(c, "avx2"), "c");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        c->op.kind = kinds[i];
        c->op.n_in = kinds[i] == MICO_OP_ADD ? 2 : 1;
        mico_case_tensor(c, 1, 1, (size_t[]){1}, 8, true);
        mico_case_mults(c, 2);
        CU_ASSERT_STRING_EQUAL(found_isa(c, "avx2"), "avx2");
        CU_ASSERT_STRING_EQUAL(found_isa(c, "c"), "c");
    }
out:
    mico_case_free(c);
}

/* ---- sums at the limits of int16 ------------------------------------------------ */

/* Bias 0 and about the whole accumulator in the code. */
static void plain_layer(mico_case *c, double largest)
{
    mico_case_sums(c);
    for (size_t o = 0; o < c->weights.c_out; o++) {
        unsigned shift = 14;

        while (shift < 45 && largest > (double)(1u << (shift - 14)) * 127)
            shift++;
        c->mult[o] = (1 << 14) - (int32_t)o;
        c->shift[o] = (uint8_t)shift;
        c->bias[o] = (int32_t)o;
    }
}

/* Every code the same: 0 and 255 are the ends of all sums. */
static void fill_and_compare(mico_case *c, const char *name)
{
    static const uint8_t codes[] = {255, 0, 254, 128};
    const size_t n = 5;

    for (size_t k = 0; k < sizeof codes; k++) {
        for (size_t i = 0; i < MICO_MAX_INPUTS; i++)
            if (c->guard[i].map != NULL)
                mico_guarded_free(&c->guard[i]), c->guard[i].map = NULL;
        memset(mico_case_input(c, 0, n), codes[k], n * c->tensor[0].bytes);
        compare(c, name, n);
    }
}

/* The accumulators themselves. */
static void exact_output(mico_case *c, size_t c_out)
{
    mico_case_tensor(c, MICO_CASE_OUT, 1, &c_out, 32, true);
    c->op.epilogue = mico_case_epilogue(32, true, false);
    c->op.mult = NULL;
}

/* Pairs (a, b) of one sign around |a| + |b| = 128, which must not be taken for exact,
 * among weights that are. */
static void pair_case(int a, int b, size_t at, size_t taps)
{
    mico_case *c = mico_case_new(MICO_OP_LINEAR);
    const size_t c_out = 21;
    int8_t *q = mico_case_weights(c, c_out, taps);

    for (size_t k = 0; k < c_out * taps; k++)
        q[k] = (int8_t)(k % 3);
    q[17 * taps + at] = (int8_t)a;
    q[17 * taps + at + 1] = (int8_t)b;
    plain_layer(c, 300.0 * 255);
    mico_case_tensor(c, 0, 1, &taps, 8, false);
    exact_output(c, c_out);
    fill_and_compare(c, "linear");
    mico_case_free(c);
}

static void t_pairs(void)
{
    if (!here("pairs"))
        return;
    for (int sum = 125; sum <= 131; sum++)
        for (size_t at = 0; at < 8; at += 2) {
            pair_case(sum / 2, sum - sum / 2, at, 16);
            pair_case(-(sum / 2), sum / 2 - sum, at, 16);
            pair_case(127, sum - 127, at, 13);
            pair_case(-128, 128 - sum, at, 13);
        }
    pair_case(127, 127, 0, 16);
    pair_case(-128, -128, 0, 16);
    pair_case(-128, 127, 0, 16);
}

/* All weights alike: the most quads that int16 holds, and runs that end in each place.
 */
static void t_depths(void)
{
    if (!here("depths"))
        return;
    for (int w = -128; w <= 127; w += w < -16 || w > 15 ? 7 : 1)
        for (size_t taps = 1; taps <= 600; taps = taps * 2 + 3) {
            mico_case *c = mico_case_new(MICO_OP_LINEAR);
            const size_t c_out = 9;

            memset(mico_case_weights(c, c_out, taps), w, c_out * taps);
            plain_layer(c, 255.0 * (double)taps * (w < 0 ? -w : w));
            mico_case_tensor(c, 0, 1, &taps, 8, false);
            exact_output(c, c_out);
            fill_and_compare(c, "linear");
            mico_case_free(c);
        }
}

/* Depthwise kernels add pairs of rows. */
static void depthwise_case(int a, int b, size_t kh, size_t row)
{
    mico_case *c = mico_case_new(MICO_OP_CONV);
    const size_t channels = 35, kw = 3;
    int8_t *q = mico_case_weights(c, channels, kh * kw);

    memset(q, 1, channels * kh * kw);
    q[(33 * kh + row) * kw + 1] = (int8_t)a;
    q[(33 * kh + row + 1) * kw + 1] = (int8_t)b;
    plain_layer(c, 300.0 * 255);
    c->node.window = (mico_window){kh, kw, 1, 1, 1, 1, 1, 1, 1, 1};
    c->node.groups = c->node.c_in = c->node.c_out = channels;
    mico_case_tensor(c, 0, 3, (size_t[]){channels, kh, 5}, 8, false);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){channels, 3, 5}, 8, true);
    fill_and_compare(c, "conv_depthwise");
    mico_case_free(c);
}

static void t_depthwise_pairs(void)
{
    if (!here("depthwise pairs"))
        return;
    for (int sum = 126; sum <= 130; sum++)
        for (size_t row = 0; row < 4; row++) {
            depthwise_case(sum / 2, sum - sum / 2, 5, row);
            depthwise_case(-128, 128 - sum, 5, row);
        }
    depthwise_case(127, 127, 3, 0);
    depthwise_case(-128, -128, 3, 1);
}

/* ---- groups, dilation, roundings ------------------------------------------------ */

/* Random weights, bias and multipliers; 31-bit multipliers or floats for roundings. */
static void random_layer(mico_case *c, mico_rng *rng, size_t c_out, size_t taps,
                         uint8_t width, mico_rounding rounding)
{
    int8_t *q = mico_case_weights(c, c_out, taps);
    float *scale = mico_arena_alloc(&c->arena, c_out * sizeof *scale);
    float *bias = mico_arena_alloc(&c->arena, c_out * sizeof *bias);

    for (size_t k = 0; k < c_out * taps; k++)
        q[k] = (int8_t)mico_case_value(rng, width, true);
    mico_case_sums(c);
    for (size_t o = 0; o < c_out; o++) {
        const double room = 255.0 * (double)c->abs_sum[o] + 1;

        c->bias[o] =
            (int32_t)(room * 0.001 * ((double)mico_rng_below(rng, 2001) - 1000));
        scale[o] = (float)(300 / room);
        bias[o] = (float)o;
        c->mult[o] = (int32_t)between(rng, 1 << 20, (1 << 22) - 1);
        c->shift[o] = (uint8_t)between(rng, 20, 38);
        if (rounding == MICO_ROUND_TFLITE) {
            c->mult[o] = (int32_t)between(rng, (size_t)1 << 30, INT32_MAX);
            c->shift[o] = (uint8_t)between(rng, 31, 45);
        }
    }
    c->op.rounding = rounding;
    c->op.scale_f32 = scale;
    c->op.bias_f32 = bias;
}

/* Codes of 8 bits, or 32-bit logits where the rounding has them. */
static void random_output(mico_case *c, mico_rng *rng, size_t rank, const size_t *dim)
{
    const mico_rounding rounding = c->op.rounding;
    const bool wide = rounding != MICO_ROUND_TFLITE && mico_rng_below(rng, 6) == 0;

    mico_case_tensor(c, MICO_CASE_OUT, rank, dim, wide ? 32 : 8, true);
    c->op.epilogue = mico_case_epilogue(wide ? 32 : 8, true, false);
    if (wide && rounding == MICO_ROUND_ARES)
        c->tensor[MICO_CASE_OUT].format.is_float = true;
    if (wide && rounding == MICO_ROUND_HALF_UP && mico_rng_below(rng, 2) == 0)
        c->op.mult = NULL;
}

static void conv_case(mico_rng *rng, mico_rounding rounding, bool depthwise)
{
    mico_case *c = mico_case_new(MICO_OP_CONV);
    mico_window *win = &c->node.window;
    const size_t groups = between(rng, depthwise ? 2 : 1, depthwise ? 70 : 5);
    const size_t per_group = depthwise ? 1 : between(rng, 1, 11);
    const size_t c_out = depthwise ? groups : groups * between(rng, 1, 20);
    const size_t h = between(rng, 5, 9), w = between(rng, 5, 12);
    const size_t n = between(rng, 1, 3);
    size_t span_h, span_w, out_h, out_w;

    *win = (mico_window){.kh = between(rng, 1, 3),
                         .kw = between(rng, 1, 3),
                         .stride_h = between(rng, 1, 2),
                         .stride_w = between(rng, 1, 2),
                         .dilation_h = between(rng, 1, 3),
                         .dilation_w = between(rng, 1, 3),
                         .pad_top = between(rng, 1, 3),
                         .pad_bottom = between(rng, 1, 3),
                         .pad_left = between(rng, 1, 3),
                         .pad_right = between(rng, 1, 3)};
    span_h = (win->kh - 1) * win->dilation_h + 1;
    span_w = (win->kw - 1) * win->dilation_w + 1;
    out_h = (h + win->pad_top + win->pad_bottom - span_h) / win->stride_h + 1;
    out_w = (w + win->pad_left + win->pad_right - span_w) / win->stride_w + 1;
    c->node.groups = groups;
    c->node.c_in = groups * per_group;
    c->node.c_out = c_out;
    mico_case_tensor(c, 0, 3, (size_t[]){groups * per_group, h, w}, 8,
                     mico_rng_below(rng, 2) == 0);
    random_layer(c, rng, c_out, win->kh * win->kw * per_group,
                 (uint8_t)between(rng, 2, 8), rounding);
    random_output(c, rng, 3, (size_t[]){c_out, out_h, out_w});
    mico_case_random(c, 0, n, rng);
    compare(c, "conv_direct", n);
    if (depthwise && rounding == MICO_ROUND_HALF_UP &&
        c->tensor[MICO_CASE_OUT].format.width != 32)
        compare(c, "conv_depthwise", n);
    mico_case_free(c);
}

static void t_groups_and_dilation(void)
{
    mico_rng *rng = mico_rng_new(21, "test", 0);

    for (size_t i = 0; i < 150 && here("groups"); i++)
        conv_case(rng, MICO_ROUND_HALF_UP, i % 3 == 0);
    mico_rng_free(rng);
}

static void linear_case(mico_rng *rng, mico_rounding rounding)
{
    mico_case *c = mico_case_new(MICO_OP_LINEAR);
    const size_t taps = between(rng, 1, 90), c_out = between(rng, 1, 40);
    const size_t n = between(rng, 1, 70);

    mico_case_tensor(c, 0, 1, &taps, 8, mico_rng_below(rng, 2) == 0);
    random_layer(c, rng, c_out, taps, (uint8_t)between(rng, 2, 8), rounding);
    random_output(c, rng, 1, &c_out);
    mico_case_random(c, 0, n, rng);
    compare(c, "linear", n);
    mico_case_free(c);
}

/* Pointwise convolutions are one long line only where they round half up. */
static void pointwise_case(mico_rng *rng, mico_rounding rounding)
{
    mico_case *c = mico_case_new(MICO_OP_CONV);
    const size_t c_in = between(rng, 1, 40), c_out = between(rng, 1, 40);
    const size_t h = between(rng, 1, 7), w = between(rng, 1, 7);

    c->node.c_in = c_in;
    c->node.c_out = c_out;
    mico_case_tensor(c, 0, 3, (size_t[]){c_in, h, w}, 8, true);
    random_layer(c, rng, c_out, c_in, (uint8_t)between(rng, 2, 8), rounding);
    random_output(c, rng, 3, (size_t[]){c_out, h, w});
    mico_case_random(c, 0, 3, rng);
    compare(c, "conv_direct", 3);
    mico_case_free(c);
}

static void t_roundings(void)
{
    static const mico_rounding roundings[] = {MICO_ROUND_ARES, MICO_ROUND_TFLITE};
    mico_rng *rng = mico_rng_new(22, "test", 0);

    for (size_t i = 0; i < 60 && here("roundings"); i++) {
        conv_case(rng, roundings[i % 2], i % 5 == 0);
        linear_case(rng, roundings[i % 2]);
        pointwise_case(rng, i % 3 == 0 ? MICO_ROUND_HALF_UP : roundings[i % 2]);
    }
    mico_rng_free(rng);
}

MICO_SUITE("kernels_avx2", {"choice", t_choice}, {"pairs", t_pairs},
           {"depths", t_depths}, {"depthwise pairs", t_depthwise_pairs},
           {"groups and dilation", t_groups_and_dilation}, {"roundings", t_roundings})
