/* The roundings of profiles ares and tflite: every kernel against definitions written
 * here again, from the published formulas and in other arithmetic. */
#include "support/kernels_case.h"
#include "support/suite.h"

#include <math.h>

static size_t compared[2]; /* [portable, fast]: whole runs */

static size_t between(mico_rng *rng, size_t lo, size_t hi)
{
    return lo + mico_rng_below(rng, hi - lo + 1);
}

/* ---- definitions ------------------------------------------------------------------
 */

/* gemmlowp's formula: a nudge away from zero, a division that cuts. */
static int64_t doubling_high(int64_t a, int64_t b)
{
    const int64_t ab = a * b,
                  nudge = ab >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30);

    return (ab + nudge) / ((int64_t)1 << 31);
}

/* exponent: to the left where positive. */
static int64_t tflite_multiply(int64_t v, int32_t mult, int exponent)
{
    if (exponent > 0)
        return doubling_high(v * ((int64_t)1 << exponent), mult);
    /* half away from zero: round() of a number that a double holds */
    return (int64_t)round(ldexp((double)doubling_high(v, mult), exponent));
}

/* num/den to nearest: halves to even, or away from zero. */
static int64_t divide(int64_t num, int64_t den, bool away)
{
    int64_t low = (int64_t)floor((double)num / (double)den), twice;

    while (low * den > num)
        low--;
    while ((low + 1) * den <= num)
        low++;
    twice = 2 * (num - low * den);
    if (twice != den)
        return low + (twice > den);
    return away ? (num < 0 ? low : low + 1) : low + (low % 2 != 0);
}

/* rne of a float32 product. */
static double ares_product(int32_t acc, float scale)
{
    volatile float v = (float)acc;

    v *= scale;
    return nearbyint((double)v);
}

static uint8_t code_of(const mico_op *op, double y)
{
    const mico_epilogue *e = &op->epilogue;

    y = y < e->lo ? e->lo : y > e->hi ? e->hi : y;
    return (uint8_t)(e->base + e->step * (int)y);
}

/* ---- comparing --------------------------------------------------------------------
 */

/* Runs all entries that support the op. */
static void check(mico_case *c, size_t n_images, const uint8_t *want)
{
    const size_t bytes = n_images * c->tensor[MICO_CASE_OUT].bytes;
    size_t found = 0;

    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *kernel = mico_kernels[k];
        bool clean;

        if (!mico_isa_here(kernel->isa) || !kernel->supports(&c->plan, &c->op))
            continue;
        uint8_t *got = mico_case_run(c, kernel, n_images, &clean);

        if (memcmp(got, want, bytes) != 0)
            printf("\n    %s differs", kernel->name);
        CU_ASSERT_EQUAL(memcmp(got, want, bytes), 0);
        CU_ASSERT_TRUE(clean);
        compared[strcmp(kernel->isa, "c") != 0]++;
        found++;
        free(got);
    }
    CU_ASSERT(found > 0);
}

/* An epilogue of tflite for a zero of 0..255, sometimes with a clip. */
static void tflite_result(mico_case *c, mico_rng *rng)
{
    mico_plan_tensor *y = &c->tensor[MICO_CASE_OUT];
    const int zero = (int)mico_rng_below(rng, 256);

    y->zero = (size_t)zero;
    c->op.epilogue = (mico_epilogue){-zero, 255 - zero, zero, 1};
    if (mico_rng_below(rng, 3) == 0)
        c->op.epilogue.lo = 0;
    if (mico_rng_below(rng, 3) == 0)
        c->op.epilogue.hi = (int)mico_rng_below(rng, (size_t)(256 - zero));
}

static void tflite_input(mico_case *c, size_t i, mico_rng *rng)
{
    c->tensor[i].zero = mico_rng_below(rng, 256);
}

/* Multipliers whose products are about as large as codes; and any others. */
static void tflite_mults(mico_case *c, size_t n, double bound, mico_rng *rng)
{
    mico_case_mults(c, n);
    for (size_t i = 0; i < n; i++) {
        c->mult[i] =
            (int32_t)(((size_t)1 << 30) + mico_rng_below(rng, (size_t)1 << 30));
        c->shift[i] = (uint8_t)(31 + between(rng, 0, 20));
        if (mico_rng_below(rng, 6) == 0)
            c->shift[i] = (uint8_t)between(rng, 31, 62);
        if (bound < 1 << 20 && mico_rng_below(rng, 6) == 0)
            c->shift[i] = (uint8_t)between(rng, 21, 31); /* to the left */
        if (mico_rng_below(rng, 6) == 0)
            c->mult[i] = (int32_t)1 << 30; /* ties */
    }
}

static float random_scale(mico_rng *rng)
{
    if (mico_rng_below(rng, 2) == 0)
        return ldexpf(1, -(int)between(rng, 0, 14)); /* ties */
    return (float)pow(10, -6 + 7 * mico_rng_uniform(rng));
}

static void ares_scales(mico_case *c, size_t n, mico_rng *rng)
{
    float *scale = mico_arena_alloc(&c->arena, n * sizeof *scale);
    float *bias = mico_arena_alloc(&c->arena, n * sizeof *bias);

    for (size_t i = 0; i < n; i++) {
        scale[i] = random_scale(rng);
        bias[i] = (float)(mico_rng_uniform(rng) - 0.5);
    }
    c->op.scale_f32 = scale;
    c->op.bias_f32 = bias;
    c->op.mult = NULL;
    c->op.shift = NULL;
}

/* ---- layers -----------------------------------------------------------------------
 */

/* One value of a conv or linear op with that accumulator. */
static void put_result(const mico_case *c, size_t channel, int32_t acc, uint8_t *out,
                       size_t i)
{
    const mico_op *op = &c->op;

    if (c->tensor[MICO_CASE_OUT].format.is_float) {
        volatile float v = (float)acc;

        v *= op->scale_f32[channel];
        v += op->bias_f32[channel];
        const float stored = v;
        memcpy(out + 4 * i, &stored, sizeof stored);
    } else if (op->rounding == MICO_ROUND_ARES) {
        out[i] = code_of(op, ares_product(acc, op->scale_f32[channel]));
    } else {
        out[i] = code_of(op, (double)tflite_multiply(acc, op->mult[channel],
                                                     31 - op->shift[channel]));
    }
}

static int32_t sum_at(const mico_case *c, const uint8_t *image, size_t oy, size_t ox,
                      size_t oc)
{
    const mico_window *w = &c->node.window;
    const size_t *d = c->tensor[0].shape.dim, rank = c->tensor[0].shape.rank;
    const size_t h = rank == 3 ? d[1] : 1, width = rank == 3 ? d[2] : 1;
    const size_t depth = d[0] / c->node.groups;
    const size_t first = oc / (c->weights.c_out / c->node.groups) * depth;
    int32_t acc = c->bias[oc];

    for (size_t ky = 0; ky < w->kh; ky++)
        for (size_t kx = 0; kx < w->kw; kx++)
            for (size_t i = 0; i < depth; i++) {
                const long y = (long)(oy * w->stride_h + ky) - (long)w->pad_top;
                const long x = (long)(ox * w->stride_w + kx) - (long)w->pad_left;

                if (y >= 0 && y < (long)h && x >= 0 && x < (long)width)
                    acc += (image[((size_t)y * width + (size_t)x) * d[0] + first + i] -
                            (int)c->tensor[0].zero) *
                           c->q[oc * c->weights.taps + (ky * w->kw + kx) * depth + i];
            }
    return acc;
}

static void check_layer(mico_case *c, size_t n_images, size_t oh, size_t ow)
{
    const size_t c_out = c->weights.c_out;
    uint8_t *want = mico_xcalloc(n_images, c->tensor[MICO_CASE_OUT].bytes);

    for (size_t n = 0; n < n_images; n++)
        for (size_t p = 0; p < oh * ow; p++)
            for (size_t oc = 0; oc < c_out; oc++)
                put_result(
                    c, oc,
                    sum_at(c, c->in[0] + n * c->tensor[0].bytes, p / ow, p % ow, oc),
                    want, (n * oh * ow + p) * c_out + oc);
    check(c, n_images, want);
    free(want);
}

/* Random weights and biases, multipliers and a result of that rounding. */
static void fill_layer(mico_case *c, size_t c_out, size_t taps, mico_rounding rounding,
                       bool logits, bool only_bias, mico_rng *rng)
{
    int8_t *q = mico_case_weights(c, c_out, taps);
    double bound = only_bias ? 0x1p30 : 1000 + 255.0 * 128 * (double)taps;

    for (size_t i = 0; i < c_out * taps && !only_bias; i++)
        q[i] = (int8_t)((int)between(rng, 0, 255) - 128);
    for (size_t i = 0; i < c_out; i++) /* bit lengths of all kinds */
        c->bias[i] = (int32_t)((int64_t)mico_rng_below(rng, (size_t)1 << 31) -
                               ((int64_t)1 << 30)) >>
                     (only_bias ? mico_rng_below(rng, 31) : 20);
    mico_case_sums(c);
    c->op.rounding = rounding;
    if (rounding == MICO_ROUND_TFLITE) {
        tflite_mults(c, c_out, bound, rng);
        tflite_input(c, 0, rng);
        tflite_result(c, rng);
        return;
    }
    ares_scales(c, c_out, rng);
    if (logits) {
        c->tensor[MICO_CASE_OUT].format = (mico_format){32, true, true, 1};
        c->tensor[MICO_CASE_OUT].bytes *= 4;
        c->tensor[MICO_CASE_OUT].zero = 0;
    }
}

static void linear_case(mico_rounding rounding, bool logits, bool only_bias,
                        mico_rng *rng)
{
    const size_t taps = between(rng, 1, 90), c_out = between(rng, 1, 70);
    const size_t n_images = between(rng, 1, 5);
    const uint8_t width =
        rounding == MICO_ROUND_ARES && !logits ? (uint8_t)between(rng, 1, 8) : 8;
    mico_case *c = mico_case_new(MICO_OP_LINEAR);

    mico_case_tensor(c, 0, 1, &taps, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 1, &c_out, width, true);
    c->op.epilogue = mico_case_epilogue(width, true, mico_rng_below(rng, 2) == 0);
    mico_case_random(c, 0, n_images, rng);
    fill_layer(c, c_out, taps, rounding, logits, only_bias, rng);
    check_layer(c, n_images, 1, 1);
    mico_case_free(c);
}

static void conv_case(mico_rounding rounding, bool logits, mico_rng *rng)
{
    const size_t groups = mico_rng_below(rng, 3) == 0 ? between(rng, 1, 20) : 1;
    const size_t depth = groups > 1 ? between(rng, 1, 2) : between(rng, 1, 20);
    const size_t in[] = {groups * depth, between(rng, 1, 9), between(rng, 1, 9)};
    const size_t kh = between(rng, 1, 3), kw = between(rng, 1, 3);
    const size_t stride = between(rng, 1, 2), n_images = between(rng, 1, 3);
    const size_t top = mico_rng_below(rng, kh), bottom = kh - 1;
    const size_t left = mico_rng_below(rng, kw), right = kw - 1;
    const size_t out[] = {groups * between(rng, 1, groups > 1 ? 2 : 40),
                          (in[1] + top + bottom - kh) / stride + 1,
                          (in[2] + left + right - kw) / stride + 1};
    mico_case *c = mico_case_new(MICO_OP_CONV);

    c->node.groups = groups;
    c->node.window =
        (mico_window){kh, kw, stride, stride, 1, 1, top, left, bottom, right};
    mico_case_tensor(c, 0, 3, in, 8, true);
    mico_case_tensor(c, MICO_CASE_OUT, 3, out, 8, true);
    mico_case_random(c, 0, n_images, rng);
    fill_layer(c, out[0], kh * kw * depth, rounding, logits, false, rng);
    check_layer(c, n_images, out[1], out[2]);
    mico_case_free(c);
}

static void t_layers(void)
{
    mico_rng *rng = mico_rng_new(1, "round", 0);

    for (size_t i = 0; i < 300; i++) {
        linear_case(MICO_ROUND_TFLITE, false, i % 2 == 0, rng);
        linear_case(MICO_ROUND_ARES, i % 4 == 0, i % 2 == 0, rng);
        conv_case(MICO_ROUND_TFLITE, false, rng);
        conv_case(MICO_ROUND_ARES, i % 5 == 0, rng);
    }
    mico_rng_free(rng);
    printf("\n    %zu runs of portable and %zu of fast kernels", compared[0],
           compared[1]);
#if defined(__x86_64__)
    if (mico_isa_here("avx512vnni"))
        CU_ASSERT(compared[1] > 600);
#endif
}

/* ---- add, concat, requant, average pool -------------------------------------------
 */

static void add_case(mico_rounding rounding, mico_rng *rng)
{
    const size_t n = between(rng, 1, 200);
    mico_case *c = mico_case_new(MICO_OP_ADD);
    uint8_t *want = mico_xcalloc(n, 1);

    c->op.n_in = 2;
    c->op.rounding = rounding;
    for (size_t k = 0; k < 2; k++) {
        mico_case_tensor(c, k, 1, &n, 8, true);
        mico_case_random(c, k, 1, rng);
    }
    mico_case_tensor(c, MICO_CASE_OUT, 1, &n, 8, true);
    if (rounding == MICO_ROUND_TFLITE) {
        tflite_mults(c, 3, 0x1p30, rng);
        c->shift[0] = (uint8_t)between(rng, 31, 34);
        c->shift[1] = 32;
        c->shift[2] = (uint8_t)between(rng, 48, 53);
        tflite_input(c, 0, rng);
        tflite_input(c, 1, rng);
        tflite_result(c, rng);
    } else {
        mico_case_mults(c, 2);
        c->shift[0] = 24;
        for (size_t k = 0; k < 2; k++)
            c->mult[k] = mico_rng_below(rng, 3) == 0
                             ? (int32_t)1 << between(rng, 20, 24)
                             : (int32_t)mico_rng_below(rng, (size_t)1 << 26);
    }
    for (size_t i = 0; i < n; i++) {
        const int64_t a = c->in[0][i] - (int64_t)c->tensor[0].zero,
                      b = c->in[1][i] - (int64_t)c->tensor[1].zero;
        int64_t y;

        if (rounding == MICO_ROUND_TFLITE)
            y = tflite_multiply(
                tflite_multiply(a * (1 << 20), c->mult[0], 31 - c->shift[0]) +
                    tflite_multiply(b * (1 << 20), c->mult[1], 31 - c->shift[1]),
                c->mult[2], 31 - c->shift[2]);
        else
            y = divide(a * c->mult[0] + b * c->mult[1], (int64_t)1 << 24, false);
        want[i] = code_of(&c->op, (double)y);
    }
    check(c, 1, want);
    free(want);
    mico_case_free(c);
}

static void rescale_case(mico_op_kind kind, mico_rng *rng)
{
    const size_t n_in = kind == MICO_OP_CONCAT ? between(rng, 1, 4) : 1;
    const uint8_t width = (uint8_t)between(rng, 1, 8);
    mico_case *c = mico_case_new(kind);
    size_t shape[3] = {0, between(rng, 1, 4), between(rng, 1, 4)}, total = 0, first = 0;
    uint8_t *want;

    c->op.n_in = n_in;
    c->op.rounding = MICO_ROUND_ARES;
    ares_scales(c, n_in, rng);
    for (size_t k = 0; k < n_in; k++) {
        shape[0] = between(rng, 1, 9);
        total += shape[0];
        mico_case_tensor(c, k, 3, shape, 8, true);
        mico_case_random(c, k, 1, rng);
    }
    shape[0] = total;
    mico_case_tensor(c, MICO_CASE_OUT, 3, shape, width, true);
    c->op.epilogue = mico_case_epilogue(width, true, false);
    want = mico_xcalloc(c->tensor[MICO_CASE_OUT].bytes, 1);
    for (size_t k = 0; k < n_in; first += c->tensor[k++].shape.dim[0])
        for (size_t i = 0; i < c->tensor[k].bytes; i++) {
            const size_t depth = c->tensor[k].shape.dim[0];

            want[i / depth * total + first + i % depth] =
                code_of(&c->op, ares_product(c->in[k][i] - 128, c->op.scale_f32[k]));
        }
    check(c, 1, want);
    free(want);
    mico_case_free(c);
}

/* The sum and number of elements under a window. */
static size_t window_sum(const mico_case *c, size_t oy, size_t ox, size_t ch,
                         int64_t *sum)
{
    const mico_window *w = &c->node.window;
    const size_t *d = c->tensor[0].shape.dim;
    size_t count = 0;

    *sum = 0;
    for (size_t ky = 0; ky < w->kh; ky++)
        for (size_t kx = 0; kx < w->kw; kx++) {
            const size_t y = oy * w->stride_h + ky, x = ox * w->stride_w + kx;

            if (y < w->pad_top || y >= w->pad_top + d[1] || x < w->pad_left ||
                x >= w->pad_left + d[2])
                continue;
            *sum += c->in[0][((y - w->pad_top) * d[2] + x - w->pad_left) * d[0] + ch];
            count++;
        }
    return count;
}

static void avgpool_case(mico_rounding rounding, mico_rng *rng)
{
    const size_t in[] = {between(rng, 1, 20), between(rng, 2, 6), between(rng, 2, 6)};
    const bool global = mico_rng_below(rng, 3) == 0;
    const size_t kh = global ? in[1] : 2, kw = global ? in[2] : 2;
    const size_t pad = global ? 0 : mico_rng_below(rng, 2);
    const size_t out[] = {in[0], (in[1] + 2 * pad - kh) / 2 + 1,
                          (in[2] + 2 * pad - kw) / 2 + 1};
    const bool away =
        rounding == MICO_ROUND_TFLITE || (kh == in[1] && kw == in[2] && pad == 0);
    const size_t area = kh * kw, kind = mico_rng_below(rng, 3);
    mico_case *c = mico_case_new(MICO_OP_AVGPOOL);
    uint8_t *want = mico_xcalloc(out[0] * out[1] * out[2], 1);

    c->op.rounding = rounding;
    c->node.window = (mico_window){kh, kw, 2, 2, 1, 1, pad, pad, pad, pad};
    mico_case_tensor(c, 0, 3, in, 8, true);
    mico_case_random(c, 0, 1, rng);
    mico_case_tensor(c, MICO_CASE_OUT, 3, out, 8, true);
    if (rounding == MICO_ROUND_TFLITE) {
        tflite_result(c, rng);
        c->tensor[0].zero = c->tensor[MICO_CASE_OUT].zero;
    } else {
        mico_case_mults(c, area + 1);
        c->mult[0] = kind != 0; /* 0: 1/count is in the multiplier */
        for (size_t n = 1; n <= area; n++) {
            c->shift[n] = kind == 1 ? 0 : 24; /* 1: equal scales */
            c->mult[n] = kind == 1 ? 1 : (int32_t)between(rng, 1 << 20, 1 << 25);
        }
    }
    for (size_t i = 0; i < out[0] * out[1] * out[2]; i++) {
        int64_t sum;
        const size_t count =
            window_sum(c, i / out[0] / out[2], i / out[0] % out[2], i % out[0], &sum);

        sum -= 128 * (int64_t)count; /* of int8 values */
        if (rounding == MICO_ROUND_TFLITE)
            want[i] = (uint8_t)(128 + divide(sum, (int64_t)count, true));
        else
            want[i] = code_of(&c->op,
                              (double)divide(sum * c->mult[count],
                                             ((int64_t)1 << c->shift[count]) *
                                                 (c->mult[0] != 0 ? (int64_t)count : 1),
                                             away));
    }
    check(c, 1, want);
    free(want);
    mico_case_free(c);
}

static void t_others(void)
{
    mico_rng *rng = mico_rng_new(2, "round", 0);

    for (size_t i = 0; i < 400; i++) {
        add_case(MICO_ROUND_TFLITE, rng);
        add_case(MICO_ROUND_ARES, rng);
        rescale_case(MICO_OP_CONCAT, rng);
        rescale_case(MICO_OP_REQUANT, rng);
        avgpool_case(MICO_ROUND_TFLITE, rng);
        avgpool_case(MICO_ROUND_ARES, rng);
    }
    mico_rng_free(rng);
}

/* Halves go to even: of the 256 codes times the ratio, so many differ from
 * floor(x + 1/2): a published table. */
static void t_halves(void)
{
    static const struct {
        float ratio;
        size_t differ;
    } table[] = {{0.5F, 64}, {0.25F, 32}, {0.75F, 32}, {1.5F, 43}, {0.37F, 1}};
    const size_t n = 256;

    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        mico_case *c = mico_case_new(MICO_OP_REQUANT);
        float ratio = table[t].ratio;
        size_t differ = 0;
        bool clean;
        uint8_t *out;

        c->op.rounding = MICO_ROUND_ARES;
        c->op.scale_f32 = &ratio;
        mico_case_tensor(c, 0, 1, &n, 8, true);
        mico_case_tensor(c, MICO_CASE_OUT, 1, &n, 8, true);
        mico_case_input(c, 0, 1);
        for (size_t i = 0; i < n; i++)
            c->in[0][i] = (uint8_t)i;
        out = mico_case_run(c, mico_case_reference(c), 1, &clean);
        for (size_t i = 0; i < n; i++) {
            double up = floor((double)(((float)i - 128) * ratio) + 0.5);

            up = up < -128 ? -128 : up > 127 ? 127 : up;
            differ += out[i] - 128 != (int)up;
        }
        CU_ASSERT_EQUAL(differ, table[t].differ);
        free(out);
        mico_case_free(c);
    }
}

MICO_SUITE("kernels", {"halves", t_halves}, {"others", t_others}, {"layers", t_layers})
