/* Every fast kernel gives the bytes of the portable one and touches nothing else. */
#include "support/kernels_compare.h"
#include "support/kernels_random.h"

static size_t compared[64]; /* comparisons per entry of mico_kernels */

static void compare(mico_case *c, size_t n_images)
{
    mico_compare(c, n_images, compared);
}

static void conv_case(mico_rng *rng, size_t c_in, size_t c_out, size_t groups, taste t,
                      uint8_t weight_width, uint8_t act_width, bool act_signed)
{
    mico_case *c =
        conv_new(rng, c_in, c_out, groups, t, weight_width, act_width, act_signed);
    const size_t n = between(rng, 1, t == FITTING ? 6 : 3);

    mico_case_random(c, 0, n, rng);
    compare(c, n);
    mico_case_free(c);
}

static void t_conv_shapes(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);

    for (size_t i = 0; i < shapes(250); i++)
        conv_case(rng, between(rng, 1, i % 4 == 0 ? 70 : 20), between(rng, 1, 70), 1,
                  i % 4 == 1 ? DILATED : PLAIN, random_width(rng), random_width(rng),
                  mico_rng_below(rng, 2) == 0);
    mico_rng_free(rng);
}

static void t_conv_fitting(void)
{
    static const uint8_t channels[] = {1, 3, 4, 8, 16, 32},
                         outputs[] = {6, 10, 16, 24, 32, 64, 80, 112};
    mico_rng *rng = mico_rng_new(9, "test", 0);

    for (size_t i = 0; i < shapes(120); i++)
        conv_case(rng, channels[mico_rng_below(rng, 6)],
                  outputs[mico_rng_below(rng, 8)], 1, FITTING, random_width(rng),
                  random_width(rng), mico_rng_below(rng, 2) == 0);
    mico_rng_free(rng);
}

/* Weights that are used for several images at once. */
static void t_big_weights(void)
{
    static const uint8_t sides[3][2] = {{4, 17}, {4, 4}, {1, 3}};
    mico_rng *rng = mico_rng_new(14, "test", 0);

    for (size_t i = 0; i < 3; i++) {
        mico_case *c = mico_case_new(MICO_OP_CONV);
        const size_t h = sides[i][0], w = sides[i][1], n = 9;

        c->node.window = (mico_window){3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
        c->node.c_in = 64;
        c->node.c_out = 480;
        mico_case_tensor(c, 0, 3, (size_t[]){64, h, w}, 8, true);
        random_layer(c, rng, 480, 9 * 64, 8);
        mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){480, h, w}, 8, true);
        mico_case_random(c, 0, n, rng);
        compare(c, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

static void t_grouped_shapes(void)
{
    mico_rng *rng = mico_rng_new(10, "test", 0);

    for (size_t i = 0; i < shapes(150); i++) {
        const size_t groups = between(rng, 2, 6);

        conv_case(rng, groups * between(rng, 1, 10), groups * between(rng, 1, 20),
                  groups, (taste)mico_rng_below(rng, 3), random_width(rng),
                  random_width(rng), mico_rng_below(rng, 2) == 0);
    }
    mico_rng_free(rng);
}

static void t_depthwise_shapes(void)
{
    mico_rng *rng = mico_rng_new(2, "test", 0);

    for (size_t i = 0; i < shapes(250); i++) {
        const size_t channels = between(rng, 2, i % 8 == 0 ? 200 : 70);

        conv_case(rng, channels, channels, channels, i % 4 == 1 ? DILATED : PLAIN,
                  random_width(rng), random_width(rng), mico_rng_below(rng, 2) == 0);
    }
    mico_rng_free(rng);
}

/* Depthwise layers with several outputs a channel, dilations, whole blocks of 16, 32
 * and 64 channels, wide maps and accumulators beyond single precision. */
static void depthwise_more(mico_rng *rng, size_t channels, size_t times)
{
    static const size_t odd[] = {1, 3, 5, 7, 9, 4};
    mico_case *c = mico_case_new(MICO_OP_CONV);
    const size_t h = between(rng, 1, 12), n = between(rng, 1, 4);
    const size_t w =
        mico_rng_below(rng, 4) == 0 ? between(rng, 60, 130) : between(rng, 1, 20);
    const size_t d = between(rng, 1, 3), s = between(rng, 1, 2);
    const size_t k = odd[mico_rng_below(rng, 6)];
    const size_t kh = mico_rng_below(rng, 4) == 0 ? 1 : k, kw = k;
    const size_t ph = d * kh / 2, pw = d * kw / 2;
    const uint8_t width = random_width(rng);

    c->node.window = (mico_window){kh, kw, s, s, d, d, ph, pw, ph, pw};
    c->node.groups = c->node.c_in = channels;
    c->node.c_out = channels * times;
    mico_case_tensor(c, 0, 3, (size_t[]){channels, h, w}, random_width(rng),
                     mico_rng_below(rng, 2) == 0);
    random_layer(c, rng, channels * times, kh * kw, width);
    if (mico_rng_below(rng, 4) == 0) { /* as long as int32 holds it */
        c->bias[0] = 2000000000;
        c->shift[0] = 40;
    }
    mico_case_tensor(c, MICO_CASE_OUT, 3,
                     (size_t[]){channels * times,
                                (h + 2 * ph - d * (kh - 1) - 1) / s + 1,
                                (w + 2 * pw - d * (kw - 1) - 1) / s + 1},
                     random_width(rng), mico_rng_below(rng, 2) == 0);
    c->op.epilogue = mico_case_epilogue(c->tensor[MICO_CASE_OUT].format.width,
                                        c->tensor[MICO_CASE_OUT].format.is_signed,
                                        mico_rng_below(rng, 2) == 0);
    mico_case_random(c, 0, n, rng);
    compare(c, n);
    mico_case_free(c);
}

static void t_depthwise_more(void)
{
    static const size_t whole[] = {16, 32, 64, 48, 80, 96, 144};
    mico_rng *rng = mico_rng_new(11, "test", 0);

    for (size_t i = 0; i < 150; i++)
        depthwise_more(rng, i % 2 == 0 ? whole[i / 2 % 7] : between(rng, 2, 70),
                       i % 3 == 0 ? between(rng, 2, 3) : 1);
    mico_rng_free(rng);
}

static void linear_case(mico_rng *rng, size_t taps, size_t c_out, size_t n,
                        uint8_t weight_width, uint8_t act_width, bool act_signed)
{
    mico_case *c = mico_case_new(MICO_OP_LINEAR);

    mico_case_tensor(c, 0, 1, &taps, act_width, act_signed);
    random_layer(c, rng, c_out, taps, weight_width);
    random_output(c, rng, 1, &c_out);
    mico_case_random(c, 0, n, rng);
    compare(c, n);
    mico_case_free(c);
}

static void t_linear_shapes(void)
{
    mico_rng *rng = mico_rng_new(3, "test", 0);

    for (size_t i = 0; i < shapes(200); i++)
        linear_case(rng, between(rng, 1, 200), between(rng, 1, 150),
                    between(rng, 1, i % 8 == 0 ? 40 : 9), random_width(rng),
                    random_width(rng), mico_rng_below(rng, 2) == 0);
    mico_rng_free(rng);
}

/* Every weight width with every activation width, signed and unsigned. */
static void t_width_pairs(void)
{
    mico_rng *rng = mico_rng_new(4, "test", 0);

    for (size_t iw = 0; iw < MICO_N_WIDTHS; iw++)
        for (size_t ia = 0; ia < MICO_N_WIDTHS; ia++)
            for (int is_signed = 0; is_signed < 2; is_signed++) {
                const size_t channels = between(rng, 2, 40);

                conv_case(rng, channels, between(rng, 1, 40), 1, PLAIN, widths[iw],
                          widths[ia], is_signed);
                conv_case(rng, channels, channels, channels, PLAIN, widths[iw],
                          widths[ia], is_signed);
                linear_case(rng, channels, between(rng, 1, 40), between(rng, 1, 9),
                            widths[iw], widths[ia], is_signed);
            }
    mico_rng_free(rng);
}

/* The widths that bit-serial entries take. */
static void t_narrow_shapes(void)
{
    mico_rng *rng = mico_rng_new(13, "test", 0);

    for (size_t i = 0; i < shapes(150); i++) {
        const uint8_t weight_width = widths[mico_rng_below(rng, 3)];
        const uint8_t act_width = widths[mico_rng_below(rng, 3)];
        const bool is_signed = mico_rng_below(rng, 2) == 0;

        conv_case(rng, between(rng, 1, 70), between(rng, 1, 40), 1, PLAIN, weight_width,
                  act_width, is_signed);
        linear_case(rng, between(rng, 1, 300), between(rng, 1, 40), between(rng, 1, 9),
                    weight_width, act_width, is_signed);
    }
    mico_rng_free(rng);
}

/* All products alike: the largest accumulators that lowering lets through. */
static void extreme_case(mico_op_kind kind, size_t taps, int weight, int q,
                         bool is_signed, uint8_t shift)
{
    mico_case *c = mico_case_new(kind);
    const size_t c_out = 5, n = 3;
    const int64_t products = (int64_t)taps * weight * q;
    int8_t *w = mico_case_weights(c, c_out, taps);

    memset(w, weight, c_out * taps);
    mico_case_sums(c);
    for (size_t o = 0; o < c_out; o++) {
        /* the last channels reach +-(2^31 - 1) exactly */
        const int64_t edge = products < 0 ? -INT32_MAX : INT32_MAX;
        const int64_t bias = edge - products;

        c->bias[o] = o < 3 ? (int32_t)o : (int32_t)(o == 3 ? bias : bias / 2);
        c->mult[o] = (1 << 22) - 1 - (int32_t)o;
        c->shift[o] = shift;
    }
    c->op.acc_bound = INT32_MAX;
    if (kind == MICO_OP_LINEAR) {
        mico_case_tensor(c, 0, 1, &taps, 8, is_signed);
        mico_case_tensor(c, MICO_CASE_OUT, 1, &c_out, 8, true);
    } else {
        c->node.window = (mico_window){10, 10, 1, 1, 1, 1, 0, 0, 0, 0};
        c->node.c_in = taps / 100;
        c->node.c_out = c_out;
        mico_case_tensor(c, 0, 3, (size_t[]){taps / 100, 10, 10}, 8, is_signed);
        mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){c_out, 1, 1}, 8, true);
    }
    memset(mico_case_input(c, 0, n), q + (is_signed ? 128 : 0), n * taps);
    compare(c, n);
    mico_case_tensor(c, MICO_CASE_OUT, kind == MICO_OP_LINEAR ? 1 : 3,
                     (size_t[]){c_out, 1, 1}, 32, true);
    c->op.epilogue = mico_case_epilogue(32, true, false);
    compare(c, n);
    c->op.mult = NULL;
    compare(c, n);
    mico_case_free(c);
}

static void t_extreme_accumulators(void)
{
    static const uint8_t shifts[] = {1, 22, 31, 38, 43, 44, 45};

    for (size_t s = 0; s < sizeof shifts; s++) {
        extreme_case(MICO_OP_LINEAR, 65700, -128, 255, false, shifts[s]);
        extreme_case(MICO_OP_CONV, 65700, 127, 255, false, shifts[s]);
        extreme_case(MICO_OP_LINEAR, 131001, -128, -128, true, shifts[s]);
        extreme_case(MICO_OP_CONV, 131000, 127, -128, true, shifts[s]);
    }
}

/* The epilogue alone: the bias is the accumulator. Any value, ties and their
 * neighbours, at every shift; in two rounds of three all of a size for float32. */
static void t_epilogue(void)
{
    enum { C_OUT = 64 };
    mico_rng *rng = mico_rng_new(5, "test", 0);

    for (unsigned shift = 1; shift <= 45; shift++)
        for (size_t round = 0; round < 30; round++) {
            mico_case *c = mico_case_new(MICO_OP_LINEAR);
            const uint8_t width = random_width(rng);
            const bool is_signed = mico_rng_below(rng, 2) == 0;
            const int64_t most = round % 3 == 0 ? INT32_MAX : 1 << 24;

            mico_case_tensor(c, 0, 1, (size_t[]){4}, 8, false);
            mico_case_weights(c, C_OUT, 4);
            for (size_t o = 0; o < C_OUT; o++) {
                const unsigned bits = (unsigned)between(rng, 0, 21);
                int64_t acc = (int64_t)mico_rng_below(rng, UINT32_MAX) - INT32_MAX;

                c->shift[o] = (uint8_t)shift;
                c->mult[o] = (int32_t)mico_rng_below(rng, 1u << 22);
                if (o % 4 == 1 && shift > bits + 1 && shift - bits <= 31) {
                    /* (2k+1) * 2^(shift-bits-1) * 2^bits / 2^shift = k + 1/2 */
                    c->mult[o] = 1 << bits;
                    acc = (2 * (int64_t)mico_rng_below(rng, 512) - 511) *
                              ((int64_t)1 << (shift - bits - 1)) +
                          (int64_t)mico_rng_below(rng, 3) - 1;
                } else if (o % 4 == 2) {
                    acc >>= mico_rng_below(rng, 32);
                } else if (o % 4 == 3) {
                    acc = acc < 0 ? -most : most;
                }
                if (acc > most || acc < -most)
                    acc %= most;
                while (round % 3 != 0 && (int64_t)c->mult[o] >> shift >= 32)
                    c->mult[o] >>= 1; /* results below 2^29 */
                c->bias[o] = (int32_t)acc;
            }
            mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){C_OUT}, width, is_signed);
            c->op.epilogue = mico_case_epilogue(width, is_signed, round % 2 == 0);
            mico_case_random(c, 0, 1, rng);
            compare(c, 1);
            mico_case_free(c);
        }
    mico_rng_free(rng);
}

/* add, concat, requant, clamp: values one by one. */
static void t_elementwise(void)
{
    static const mico_op_kind kinds[] = {MICO_OP_ADD, MICO_OP_REQUANT, MICO_OP_CLAMP};
    mico_rng *rng = mico_rng_new(6, "test", 0);

    for (size_t i = 0; i < shapes(600); i++) {
        mico_case *c = mico_case_new(kinds[i % 3]);
        const size_t dim[3] = {between(rng, 1, 70), between(rng, 1, 4),
                               between(rng, 1, 4)};
        const size_t n = between(rng, 1, 9);
        const bool out_signed = mico_rng_below(rng, 2) == 0;
        const uint8_t out_width = random_width(rng);

        c->op.n_in = i % 3 == 0 ? 2 : 1;
        for (size_t k = 0; k < c->op.n_in; k++) {
            mico_case_tensor(c, k, 3, dim, random_width(rng),
                             mico_rng_below(rng, 2) == 0);
            mico_case_random(c, k, n, rng);
        }
        mico_case_tensor(c, MICO_CASE_OUT, 3, dim, out_width, out_signed);
        c->op.epilogue =
            mico_case_epilogue(out_width, out_signed, mico_rng_below(rng, 2) == 0);
        mico_case_mults(c, 2);
        random_mult(rng, 128, &c->mult[0], &c->shift[0]);
        random_mult(rng, 128, &c->mult[1], &c->shift[1]);
        if (kinds[i % 3] == MICO_OP_ADD) {
            c->mult[0] &= (1 << 20) - 1;
            c->mult[1] &= (1 << 20) - 1;
            if (mico_rng_below(rng, 4) == 0)
                c->mult[0] = c->mult[1] = (1 << 20) - 1;
        } else if (kinds[i % 3] == MICO_OP_CLAMP) {
            /* bounds may lie outside the codes, but some code is between them */
            const int zero = (int)c->tensor[0].zero;
            const int lo = (int)between(rng, 0, 355) - 100 - zero;
            const int hi = (int)between(rng, 0, 355) - zero;

            c->tensor[MICO_CASE_OUT].format = c->tensor[0].format;
            c->tensor[MICO_CASE_OUT].zero = c->tensor[0].zero;
            c->op.epilogue.lo = mico_rng_below(rng, 4) == 0 ? INT32_MIN : lo;
            c->op.epilogue.hi =
                mico_rng_below(rng, 4) == 0 ? INT32_MAX : (hi < lo ? lo : hi);
        }
        compare(c, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

/* Every code requantised, by multipliers of every size: saturation, ties. */
static void t_requant_codes(void)
{
    mico_rng *rng = mico_rng_new(12, "test", 0);

    for (unsigned shift = 1; shift <= 45; shift++)
        for (size_t i = 0; i < 16; i++) {
            mico_case *c = mico_case_new(MICO_OP_REQUANT);
            const size_t dim = 256 + i;
            const uint8_t width = random_width(rng);
            const bool is_signed = mico_rng_below(rng, 2) == 0;

            mico_case_mults(c, 1);
            c->mult[0] = i == 0   ? 1 << (shift > 22 ? 21 : shift - 1)
                         : i == 1 ? (1 << 22) - 1
                                  : (int32_t)mico_rng_below(rng, 1u << 22);
            c->shift[0] = (uint8_t)shift;
            mico_case_tensor(c, 0, 1, &dim, 8, i % 2 == 0);
            mico_case_input(c, 0, 1);
            for (size_t k = 0; k < dim; k++)
                c->in[0][k] = (uint8_t)k;
            mico_case_tensor(c, MICO_CASE_OUT, 1, &dim, width, is_signed);
            c->op.epilogue = mico_case_epilogue(width, is_signed, i % 4 == 0);
            compare(c, 1);
            mico_case_free(c);
        }
    mico_rng_free(rng);
}

/* An add of every code to every 17th, multipliers m0 and m1. */
static void add_pairs(int32_t m0, int32_t m1, unsigned shift, bool is_signed)
{
    mico_case *c = mico_case_new(MICO_OP_ADD);
    const size_t dim = 256 * 16 + 37; /* not whole vectors */

    c->op.n_in = 2;
    mico_case_mults(c, 2);
    c->mult[0] = m0;
    c->mult[1] = m1;
    c->shift[0] = (uint8_t)shift;
    for (size_t k = 0; k < 2; k++) {
        mico_case_tensor(c, k, 1, &dim, 8, is_signed);
        mico_case_input(c, k, 1);
        for (size_t i = 0; i < dim; i++)
            c->in[k][i] = (uint8_t)(k == 0 ? i : i / 256 * 17);
    }
    mico_case_tensor(c, MICO_CASE_OUT, 1, &dim, 8, true);
    compare(c, 1);
    mico_case_free(c);
}

/* The largest sums and exact ties of an add at every shift, both signs. */
static void t_add_extremes(void)
{
    for (unsigned shift = 1; shift <= 45; shift++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            const int32_t tie = (int32_t)1 << (shift > 20 ? 20 : shift - 1);

            add_pairs((1 << 20) - 1, (1 << 20) - 1, shift, is_signed);
            add_pairs(1 << 20, 1 << 20, shift, is_signed);
            add_pairs(tie, tie, shift, is_signed);
            add_pairs(tie, 0, shift, is_signed);
            add_pairs(tie / 2, tie, shift, is_signed);
        }
}

static void t_concat(void)
{
    mico_rng *rng = mico_rng_new(7, "test", 0);

    for (size_t i = 0; i < shapes(120); i++) {
        mico_case *c = mico_case_new(MICO_OP_CONCAT);
        const size_t rank = i % 3 == 0 ? 1 : 3, h = between(rng, 1, 5);
        const size_t w = between(rng, 1, 5), n = between(rng, 1, 5);
        const uint8_t width = random_width(rng);
        const bool is_signed = mico_rng_below(rng, 2) == 0;
        size_t total = 0;

        c->op.n_in = between(rng, 1, 5);
        mico_case_mults(c, c->op.n_in);
        for (size_t k = 0; k < c->op.n_in; k++) {
            const size_t channels = between(rng, 1, 40);

            mico_case_tensor(c, k, rank, (size_t[]){channels, h, w}, random_width(rng),
                             mico_rng_below(rng, 2) == 0);
            mico_case_random(c, k, n, rng);
            random_mult(rng, 128, &c->mult[k], &c->shift[k]);
            total += channels;
        }
        mico_case_tensor(c, MICO_CASE_OUT, rank, (size_t[]){total, h, w}, width,
                         is_signed);
        c->op.epilogue = mico_case_epilogue(width, is_signed, false);
        compare(c, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

static void t_pools(void)
{
    mico_rng *rng = mico_rng_new(8, "test", 0);

    for (size_t i = 0; i < shapes(400); i++) {
        const bool average = i % 2 == 0;
        mico_case *c = mico_case_new(average ? MICO_OP_AVGPOOL : MICO_OP_MAXPOOL);
        const size_t channels = between(rng, 1, i % 8 < 2 ? 150 : 40);
        const size_t h = between(rng, 1, 9), w = between(rng, 1, 9);
        const size_t n = between(rng, 1, 4);
        const uint8_t width = random_width(rng);
        const bool is_signed = mico_rng_below(rng, 2) == 0;
        mico_window *win = &c->node.window;
        size_t out_h, out_w;

        random_window(win, rng, h, w, &out_h, &out_w);
        if (i % 5 == 0) { /* global */
            *win = (mico_window){h, w, 1, 1, 1, 1, 0, 0, 0, 0};
            out_h = out_w = 1;
        } else if (i % 5 == 1 && win->kh * 2 - 1 <= h && win->kw * 2 - 1 <= w) {
            win->dilation_h = win->dilation_w = 2;
            out_h =
                (h + win->pad_top + win->pad_bottom - 2 * win->kh + 1) / win->stride_h +
                1;
            out_w =
                (w + win->pad_left + win->pad_right - 2 * win->kw + 1) / win->stride_w +
                1;
        }
        c->node.count_include_pad = mico_rng_below(rng, 2) == 0;
        mico_case_tensor(c, 0, 3, (size_t[]){channels, h, w}, width, is_signed);
        mico_case_random(c, 0, n, rng);
        mico_case_mults(c, win->kh * win->kw + 1);
        for (size_t k = 0; k <= win->kh * win->kw; k++)
            random_mult(rng, 128 * (double)k, &c->mult[k], &c->shift[k]);
        mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){channels, out_h, out_w}, width,
                         is_signed);
        if (average) {
            mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){channels, out_h, out_w},
                             random_width(rng), mico_rng_below(rng, 2) == 0);
            c->op.epilogue = mico_case_epilogue(
                c->tensor[MICO_CASE_OUT].format.width,
                c->tensor[MICO_CASE_OUT].format.is_signed, mico_rng_below(rng, 2) == 0);
        }
        compare(c, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

/* Last: none of the above was a comparison of nothing. */
static void t_every_entry_was_compared(void)
{
    bool skipped = false;

    for (size_t k = 0; k < mico_n_kernels; k++) {
        const char *name = mico_kernels[k]->name;

        /* other roundings have their own tests */
        if (strcmp(mico_kernels[k]->isa, "c") == 0 || strstr(name, "_float_") ||
            strstr(name, "_tflite_") || strstr(name, "_ares_"))
            continue;
        if (mico_isa_here(mico_kernels[k]->isa)) {
            if (compared[k] < 30)
                printf("\n    %s was compared %zu times only", name, compared[k]);
            CU_ASSERT_TRUE(compared[k] >= 30);
        } else {
            skipped = true;
            printf("\n    skipped: %s needs %s, which this CPU lacks",
                   mico_kernels[k]->name, mico_kernels[k]->isa);
        }
    }
    if (skipped)
        printf("\n");
}

MICO_SUITE("kernels_exact", {"conv shapes", t_conv_shapes},
           {"conv fitting", t_conv_fitting}, {"big weights", t_big_weights},
           {"grouped shapes", t_grouped_shapes},
           {"depthwise shapes", t_depthwise_shapes},
           {"more depthwise", t_depthwise_more}, {"linear shapes", t_linear_shapes},
           {"width pairs", t_width_pairs}, {"narrow shapes", t_narrow_shapes},
           {"extreme accumulators", t_extreme_accumulators}, {"epilogue", t_epilogue},
           {"elementwise", t_elementwise}, {"add extremes", t_add_extremes},
           {"requant codes", t_requant_codes}, {"concat", t_concat}, {"pools", t_pools},
           {"every entry was compared", t_every_entry_was_compared})
