/* The portable kernels against examples worked out by hand and a second formulation. */
#include "support/kernels_case.h"
#include "support/suite.h"

/* ---- rounding and choice ------------------------------------------------------- */

static void t_requantize(void)
{
    /* floor(acc * mult / 2^shift + 1/2): ties go up, also below zero */
    CU_ASSERT_EQUAL(mico_requantize(3, 1, 1), 2);    /* 1.5 -> 2 */
    CU_ASSERT_EQUAL(mico_requantize(-3, 1, 1), -1);  /* -1.5 -> -1 */
    CU_ASSERT_EQUAL(mico_requantize(-5, 1, 2), -1);  /* -1.25 -> -1 */
    CU_ASSERT_EQUAL(mico_requantize(-7, 1, 2), -2);  /* -1.75 -> -2 */
    CU_ASSERT_EQUAL(mico_requantize(100, 5, 3), 63); /* 62.5 -> 63 */
    CU_ASSERT_EQUAL(mico_requantize(INT32_MAX, (1 << 22) - 1, 45), 256);
    CU_ASSERT_EQUAL(mico_requantize(-INT32_MAX, (1 << 22) - 1, 45), -256);
    CU_ASSERT_EQUAL(mico_requantize(INT32_MAX, (1 << 22) - 1, 1),
                    ((int64_t)1 << 52) - (1 << 30) - (1 << 21) + 1);
    CU_ASSERT_EQUAL(mico_requantize(0, (1 << 22) - 1, 45), 0);
}

static void t_table(void)
{
    mico_case *c = mico_case_new(MICO_OP_INPUT);
    size_t first_c = 0;

    CU_ASSERT_TRUE(mico_isa_here("c"));
    CU_ASSERT_FALSE(mico_isa_here("avx1024"));
    CU_ASSERT_FALSE(mico_isa_here(""));
    CU_ASSERT_PTR_NULL(mico_kernel_find(&c->plan, &c->op, NULL)); /* not an operator */
    while (strcmp(mico_kernels[first_c]->isa, "c") != 0)
        first_c++;
    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *kernel = mico_kernels[k];

        CU_ASSERT_EQUAL(strcmp(kernel->isa, "c") == 0, k >= first_c);
        CU_ASSERT_PTR_NOT_NULL(strstr(kernel->name, kernel->isa));
        CU_ASSERT_EQUAL(kernel->packed_bytes == NULL, kernel->pack == NULL);
    }
    /* those of other roundings follow */
    CU_ASSERT_FATAL(mico_n_kernels - first_c >= MICO_N_OP_KINDS - 1);
    for (int kind = MICO_OP_INPUT + 1; kind < MICO_N_OP_KINDS; kind++) {
        c->op.kind = (mico_op_kind)kind; /* the table follows the order of the kinds */
        CU_ASSERT_PTR_EQUAL(mico_kernel_find(&c->plan, &c->op, "c"),
                            mico_kernels[first_c + (size_t)kind - 1]);
    }
    /* an isa that is nowhere leaves the portable entry */
    c->op.kind = MICO_OP_FLATTEN;
    CU_ASSERT_STRING_EQUAL(mico_kernel_find(&c->plan, &c->op, "avx1024")->name,
                           "flatten_c");
    mico_case_free(c);
}

/* ---- by hand ------------------------------------------------------------------- */

/* Runs the portable entry on n images of codes given for each input. */
static uint8_t *run(mico_case *c, size_t n, const uint8_t *in0, const uint8_t *in1)
{
    bool clean;
    uint8_t *out;

    memcpy(mico_case_input(c, 0, n), in0, n * c->tensor[0].bytes);
    if (in1 != NULL)
        memcpy(mico_case_input(c, 1, n), in1, n * c->tensor[1].bytes);
    out = mico_case_run(c, mico_case_reference(c), n, &clean);
    CU_ASSERT_TRUE(clean);
    return out;
}

#define ASSERT_BYTES(got, ...)                                                         \
    do {                                                                               \
        const uint8_t want_[] = {__VA_ARGS__};                                         \
        CU_ASSERT_EQUAL(memcmp(got, want_, sizeof want_), 0);                          \
    } while (0)

/* 2 channels, 2x2 map, kernel 2x1, padding one row on top; signed in, relu, out u8. */
static void t_conv_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_CONV);
    /* q: (y0,x0) = {1,2}, (y0,x1) = {-3,4}, (y1,x0) = {5,-6}, (y1,x1) = {7,8} */
    const uint8_t in[8] = {129, 130, 125, 132, 133, 122, 135, 136};
    const int8_t w[4] = {1, -1, 2, 3}; /* [ky][kx][c] */
    uint8_t *out;

    c->node.window = (mico_window){2, 1, 1, 1, 1, 1, 1, 0, 0, 0};
    c->node.c_in = 2;
    c->node.c_out = 1;
    mico_case_tensor(c, 0, 3, (size_t[]){2, 2, 2}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){1, 2, 2}, 8, false);
    memcpy(mico_case_weights(c, 1, 4), w, 4);
    mico_case_sums(c);
    c->bias[0] = 10;
    c->mult[0] = 3;
    c->shift[0] = 2;
    c->op.epilogue = (mico_epilogue){0, 255, 0, 1};
    out = run(c, 1, in, NULL);
    /* acc: row 0 sees padding above: 10 + 2*1+3*2 = 18; 10 - 6 + 12 = 16.
     * row 1: 10 + (1-2) + (10-18) = 1; 10 + (-3-4) + (14+24) = 41.
     * times 3/4, rounded: 13.5 -> 14, 12, 0.75 -> 1, 30.75 -> 31 */
    ASSERT_BYTES(out, 14, 12, 1, 31);
    free(out);
    /* 1-bit signed out: y in {0,1} -> codes 127, 129; bias -17 leaves -9,-11,-26,14 */
    c->bias[0] = -17;
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){1, 2, 2}, 1, true);
    c->op.epilogue = (mico_epilogue){0, 1, 127, 2};
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 127, 127, 127, 129);
    free(out);
    mico_case_free(c);
}

static void t_linear_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_LINEAR);
    const uint8_t in[6] = {0, 10, 255, 1, 2, 3}; /* two images, unsigned */
    const int8_t w[6] = {1, 2, 3, -128, 127, 0};
    int32_t logits[4];
    uint8_t *out;

    mico_case_tensor(c, 0, 1, (size_t[]){3}, 8, false);
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){2}, 32, true);
    memcpy(mico_case_weights(c, 2, 3), w, 6);
    mico_case_sums(c);
    c->bias[1] = -1;
    c->op.epilogue = mico_case_epilogue(32, true, false);
    c->op.mult = NULL;
    out = run(c, 2, in, NULL);
    memcpy(logits, out, sizeof logits);
    CU_ASSERT_EQUAL(logits[0], 785);
    CU_ASSERT_EQUAL(logits[1], 1269);
    CU_ASSERT_EQUAL(logits[2], 14);
    CU_ASSERT_EQUAL(logits[3], 125);
    free(out);
    /* requantised logits saturate at int32 */
    c->op.mult = c->mult;
    c->mult[0] = (1 << 22) - 1;
    c->shift[0] = 1;
    c->mult[1] = 1;
    c->shift[1] = 3;
    c->bias[0] = 1 << 20;
    out = run(c, 2, in, NULL);
    memcpy(logits, out, sizeof logits);
    CU_ASSERT_EQUAL(logits[0], INT32_MAX);
    CU_ASSERT_EQUAL(logits[1], 159); /* 158.625 */
    CU_ASSERT_EQUAL(logits[2], INT32_MAX);
    CU_ASSERT_EQUAL(logits[3], 16); /* 15.625 */
    free(out);
    mico_case_free(c);
}

static void t_add_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_ADD);
    uint8_t *out;

    c->op.n_in = 2;
    mico_case_tensor(c, 0, 1, (size_t[]){4}, 8, true);
    mico_case_tensor(c, 1, 1, (size_t[]){4}, 8, false);
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){4}, 8, true);
    mico_case_mults(c, 2);
    c->mult[0] = 3;
    c->mult[1] = 2;
    c->shift[0] = 2;
    /* q0 {-128,-1,0,127}, q1 {0,1,255,200}: (3*q0 + 2*q1)/4 = -96, -0.25, 127.5 -> 128
     * clamped to 127, 195.25 clamped */
    out = run(c, 1, (uint8_t[]){0, 127, 128, 255}, (uint8_t[]){0, 1, 255, 200});
    ASSERT_BYTES(out, 32, 128, 255, 255);
    free(out);
    mico_case_free(c);
}

static void t_concat_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_CONCAT);
    uint8_t *out;

    c->op.n_in = 2;
    mico_case_tensor(c, 0, 3, (size_t[]){1, 1, 2}, 8, false);
    mico_case_tensor(c, 1, 3, (size_t[]){2, 1, 2}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){3, 1, 2}, 8, true);
    mico_case_mults(c, 2);
    c->mult[1] = 2; /* first halved, second kept */
    out = run(c, 1, (uint8_t[]){9, 255}, (uint8_t[]){1, 2, 3, 4});
    ASSERT_BYTES(out, 133, 1, 2, 255, 3, 4);
    free(out);
    mico_case_free(c);
}

static void t_pools_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_MAXPOOL);
    const uint8_t in[6] = {0, 1, 2, 3, 255, 128}; /* one channel, 2x3, signed */
    uint8_t *out;

    c->node.window = (mico_window){2, 2, 1, 2, 1, 1, 1, 1, 0, 0};
    mico_case_tensor(c, 0, 3, (size_t[]){1, 2, 3}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){1, 2, 2}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 0, 2, 3, 255); /* padding (code 128) never wins */
    free(out);
    mico_case_free(c);

    c = mico_case_new(MICO_OP_AVGPOOL);
    c->node.window = (mico_window){2, 2, 1, 2, 1, 1, 1, 1, 0, 0};
    mico_case_tensor(c, 0, 3, (size_t[]){1, 2, 3}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){1, 2, 2}, 8, true);
    mico_case_mults(c, 5); /* mult/2^shift = 1/count for 1, 2, 4 taps */
    c->mult[1] = 2, c->mult[2] = 1, c->mult[4] = 1, c->shift[4] = 2;
    out = run(c, 1, in, NULL);
    /* {-128}; {-127,-126} -> -126.5 -> -126; {-128,-125} -> -126.5 -> -126;
     * {-127,-126,127,0} -> -31.5 -> -31 */
    ASSERT_BYTES(out, 0, 2, 2, 97);
    free(out);
    c->node.count_include_pad = true; /* always 1/4: -32, -63.25, -63.25, -31.5 */
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 96, 65, 65, 97);
    free(out);
    mico_case_free(c);
}

static void t_clamp_and_requant_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_CLAMP);
    const uint8_t in[4] = {0, 127, 130, 255};
    uint8_t *out;

    mico_case_tensor(c, 0, 1, (size_t[]){4}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){4}, 8, true);
    c->op.epilogue = (mico_epilogue){0, 100, -1, -1}; /* base and step play no part */
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 128, 128, 130, 228);
    free(out);
    c->op.kind = MICO_OP_REQUANT;
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){4}, 4, true);
    mico_case_mults(c, 1);
    c->shift[0] = 3;
    c->op.epilogue = mico_case_epilogue(4, true, false);
    out = run(c, 1, in, NULL); /* -16 -> -8; -0.125; 0.25; 15.9 -> 7 */
    ASSERT_BYTES(out, 120, 128, 128, 135);
    free(out);
    mico_case_free(c);
}

static void t_moves_by_hand(void)
{
    mico_case *c = mico_case_new(MICO_OP_FLATTEN);
    /* {C=2,H=1,W=3} stored [h][w][c]: channel 0 is 1,2,3 and channel 1 is 11,12,13 */
    const uint8_t in[6] = {1, 11, 2, 12, 3, 13};
    uint8_t *out;

    mico_case_tensor(c, 0, 3, (size_t[]){2, 1, 3}, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){6}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 1, 2, 3, 11, 12, 13);
    free(out);
    c->op.kind = MICO_OP_RESHAPE; /* to {3,1,2}: channels (1,2) (3,11) (12,13) */
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){3, 1, 2}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 1, 3, 12, 2, 11, 13);
    free(out);
    mico_case_tensor(c, MICO_CASE_OUT, 2, (size_t[]){3, 2}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 1, 2, 3, 11, 12, 13);
    free(out);
    c->op.kind = MICO_OP_PAD; /* one channel before, one row after, one column before */
    c->node.pad_before[0] = c->node.pad_after[1] = c->node.pad_before[2] = 1;
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){3, 2, 4}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 128, 128, 128, 128, 1, 11, 128, 2, 12, 128, 3, 13, 128, 128, 128,
                 128, 128, 128, 128, 128, 128, 128, 128, 128);
    free(out);
    c->op.kind = MICO_OP_SLICE; /* channel 1, every second column */
    c->node.start[0] = 1;
    c->node.step[0] = c->node.step[1] = 1;
    c->node.step[2] = 2;
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){1, 1, 2}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 11, 13);
    free(out);
    c->op.kind = MICO_OP_TRANSPOSE; /* {C,H,W} -> {W,C,H}: [c][h][w] becomes as below */
    c->node.perm[0] = 2, c->node.perm[1] = 0, c->node.perm[2] = 1;
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){3, 2, 1}, 8, true);
    out = run(c, 1, in, NULL);
    ASSERT_BYTES(out, 1, 2, 3, 11, 12, 13);
    free(out);
    mico_case_free(c);
}

/* int32 values move whole. */
static void t_moves_of_logits(void)
{
    mico_case *c = mico_case_new(MICO_OP_FLATTEN);
    const int32_t in[4] = {1, 1 << 20, -2, INT32_MIN}; /* {2,1,2} stored [h][w][c] */
    int32_t got[4];
    uint8_t *out;

    mico_case_tensor(c, 0, 3, (size_t[]){2, 1, 2}, 32, true);
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){4}, 32, true);
    out = run(c, 1, (const uint8_t *)in, NULL);
    memcpy(got, out, sizeof got);
    CU_ASSERT_TRUE(got[0] == 1 && got[1] == -2 && got[2] == 1 << 20 &&
                   got[3] == INT32_MIN);
    free(out);
    c->op.kind = MICO_OP_CLAMP;
    c->op.epilogue = (mico_epilogue){0, 1000, 0, 1};
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){2, 1, 2}, 32, true);
    out = run(c, 1, (const uint8_t *)in, NULL);
    memcpy(got, out, sizeof got);
    CU_ASSERT_TRUE(got[0] == 1 && got[1] == 1000 && got[2] == 0 && got[3] == 0);
    free(out);
    mico_case_free(c);
}

/* ---- a second formulation of the convolution ----------------------------------- */

/* floor(acc*mult/2^shift + 1/2) by division with remainder instead of a shift. */
static int64_t round_by_division(int64_t acc, int64_t mult, unsigned shift)
{
    const int64_t d = (int64_t)1 << shift, n = 2 * acc * mult + d;
    const int64_t whole = n / (2 * d);

    return n % (2 * d) < 0 ? whole - 1 : whole;
}

/* Scatter form in (C,H,W): every input value adds to the outputs that it reaches; the
 * zero point is subtracted at the end. Grouped, dilated, strided, padded. */
static void scatter_conv(const mico_case *c, const uint8_t *in, uint8_t *out)
{
    const size_t *di = c->tensor[0].shape.dim, *dy = c->tensor[MICO_CASE_OUT].shape.dim;
    const mico_window *w = &c->node.window;
    const size_t cg = di[0] / c->node.groups, og = dy[0] / c->node.groups;
    int64_t *acc = mico_xcalloc(dy[0] * dy[1] * dy[2], sizeof *acc);

    for (size_t k = 0; k < dy[0] * cg * w->kh * w->kw; k++) {
        const size_t oc = k / (cg * w->kh * w->kw), t = k % (cg * w->kh * w->kw);
        const size_t ci = t % cg, kx = t / cg % w->kw, ky = t / cg / w->kw;
        const size_t channel = oc / og * cg + ci;

        for (size_t y = 0; y < di[1]; y++)
            for (size_t x = 0; x < di[2]; x++) {
                const size_t py = y + w->pad_top, px = x + w->pad_left;
                const size_t ty = ky * w->dilation_h, tx = kx * w->dilation_w;

                if (py < ty || px < tx || (py - ty) % w->stride_h != 0 ||
                    (px - tx) % w->stride_w != 0)
                    continue;
                const size_t oy = (py - ty) / w->stride_h, ox = (px - tx) / w->stride_w;
                if (oy >= dy[1] || ox >= dy[2])
                    continue;
                acc[(oc * dy[1] + oy) * dy[2] + ox] +=
                    ((int64_t)in[(y * di[2] + x) * di[0] + channel] -
                     (int64_t)c->tensor[0].zero) *
                    c->q[k];
            }
    }
    for (size_t oc = 0; oc < dy[0]; oc++)
        for (size_t p = 0; p < dy[1] * dy[2]; p++) {
            int64_t v = round_by_division(acc[oc * dy[1] * dy[2] + p] + c->bias[oc],
                                          c->mult[oc], c->shift[oc]);

            v = v < c->op.epilogue.lo ? c->op.epilogue.lo : v;
            v = v > c->op.epilogue.hi ? c->op.epilogue.hi : v;
            out[p * dy[0] + oc] =
                (uint8_t)(c->op.epilogue.base + c->op.epilogue.step * v);
        }
    free(acc);
}

static void t_conv_against_scatter(void)
{
    mico_rng *rng = mico_rng_new(11, "test", 0);

    for (size_t i = 0; i < 200; i++) {
        mico_case *c = mico_case_new(MICO_OP_CONV);
        mico_window *w = &c->node.window;
        const size_t groups = 1 + mico_rng_below(rng, 3);
        const size_t c_in = groups * (1 + mico_rng_below(rng, 4));
        const size_t c_out = groups * (1 + mico_rng_below(rng, 4));
        const size_t h = 4 + mico_rng_below(rng, 5), wd = 4 + mico_rng_below(rng, 5);
        const bool is_signed = mico_rng_below(rng, 2) == 0;
        bool clean;

        *w = (mico_window){1 + mico_rng_below(rng, 3), 1 + mico_rng_below(rng, 3),
                           1 + mico_rng_below(rng, 3), 1 + mico_rng_below(rng, 3),
                           1 + mico_rng_below(rng, 2), 1 + mico_rng_below(rng, 2),
                           mico_rng_below(rng, 3),     mico_rng_below(rng, 3),
                           mico_rng_below(rng, 3),     mico_rng_below(rng, 3)};
        if (w->dilation_h * (w->kh - 1) >= h || w->dilation_w * (w->kw - 1) >= wd)
            w->dilation_h = w->dilation_w = 1;
        const size_t oh =
            (h + w->pad_top + w->pad_bottom - w->dilation_h * (w->kh - 1) - 1) /
                w->stride_h +
            1;
        const size_t ow =
            (wd + w->pad_left + w->pad_right - w->dilation_w * (w->kw - 1) - 1) /
                w->stride_w +
            1;

        c->node.groups = groups;
        c->node.c_in = c_in;
        c->node.c_out = c_out;
        mico_case_tensor(c, 0, 3, (size_t[]){c_in, h, wd}, 8, is_signed);
        mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){c_out, oh, ow}, 8, true);
        mico_case_weights(c, c_out, w->kh * w->kw * c_in / groups);
        for (size_t k = 0; k < c_out * c->weights.taps; k++)
            c->q[k] = (int8_t)mico_case_value(rng, 8, true);
        mico_case_sums(c);
        for (size_t o = 0; o < c_out; o++) {
            c->bias[o] = (int32_t)mico_rng_below(rng, 20001) - 10000;
            c->mult[o] = (int32_t)mico_rng_below(rng, 1 << 22);
            c->shift[o] = (uint8_t)(22 + mico_rng_below(rng, 12));
        }
        mico_case_random(c, 0, 2, rng);
        uint8_t *got = mico_case_run(c, mico_case_reference(c), 2, &clean);
        const size_t bytes = c->tensor[MICO_CASE_OUT].bytes;
        uint8_t *want = mico_xcalloc(2 * bytes, 1);

        CU_ASSERT_TRUE(clean);
        for (size_t n = 0; n < 2; n++)
            scatter_conv(c, c->in[0] + n * c->tensor[0].bytes, want + n * bytes);
        CU_ASSERT_EQUAL(memcmp(got, want, 2 * bytes), 0);
        free(got);
        free(want);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

MICO_SUITE("kernels_ref", {"requantize", t_requantize}, {"table", t_table},
           {"conv by hand", t_conv_by_hand}, {"linear by hand", t_linear_by_hand},
           {"add by hand", t_add_by_hand}, {"concat by hand", t_concat_by_hand},
           {"pools by hand", t_pools_by_hand},
           {"clamp and requant by hand", t_clamp_and_requant_by_hand},
           {"moves by hand", t_moves_by_hand}, {"moves of logits", t_moves_of_logits},
           {"conv against scatter", t_conv_against_scatter})
