/* Raw images to codes: layout, tables, float images. */
#include "support/kernels_case.h"
#include "support/suite.h"

#include <math.h>

/* Two images of {C=2,H=1,W=3}, raw in (C,H,W) order. */
static void t_bytes(void)
{
    mico_case *c = mico_case_new(MICO_OP_INPUT);
    const uint8_t raw[12] = {0, 1, 2, 255, 254, 253, 10, 11, 12, 20, 21, 22};
    const int8_t raw_s8[12] = {-128, -127, 0, 127, 1, -1, 10, 11, 12, 20, 21, 22};
    uint8_t lut_u8[512], lut_s8[512], out[12];

    for (size_t v = 0; v < 256; v++) {
        lut_u8[v] = (uint8_t)(v ^ 3); /* channel 0 */
        lut_u8[256 + v] = (uint8_t)(255 - v);
        lut_s8[v] = (uint8_t)v; /* v is the value + 128 */
        lut_s8[256 + v] = (uint8_t)(v + 1);
    }
    c->op.lut_u8 = lut_u8;
    c->op.lut_s8 = lut_s8;
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){2, 1, 3}, 8, false);
    mico_input_u8(&c->plan, raw, out, 2);
    CU_ASSERT_EQUAL(
        memcmp(out, (uint8_t[]){3, 0, 2, 1, 1, 2, 9, 235, 8, 234, 15, 233}, 12), 0);
    mico_input_s8(&c->plan, raw_s8, out, 2);
    CU_ASSERT_EQUAL(
        memcmp(out, (uint8_t[]){0, 0, 1, 130, 128, 128, 138, 149, 139, 150, 140, 151},
               12),
        0);
    mico_case_free(c);
}

/* A plain array: every element is a channel with its own table. */
static void t_rank_1(void)
{
    mico_case *c = mico_case_new(MICO_OP_INPUT);
    uint8_t lut[3 * 256], out[6];

    for (size_t i = 0; i < sizeof lut; i++)
        lut[i] = (uint8_t)(i % 256 + i / 256 * 10);
    c->op.lut_u8 = lut;
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){3}, 8, false);
    mico_input_u8(&c->plan, (uint8_t[]){1, 1, 1, 2, 3, 4}, out, 2);
    CU_ASSERT_EQUAL(memcmp(out, (uint8_t[]){1, 11, 21, 2, 13, 24}, 6), 0);
    mico_case_free(c);
}

/* x = raw*mul + add, then round half to even of x/scale, clamped. */
static void t_floats(void)
{
    mico_case *c = mico_case_new(MICO_OP_INPUT);
    const float raw[4] = {1.25f, -1.75f, 100.0f, -3.0f};
    uint8_t out[4];

    c->op.mul = (const float[]){2.0f, 1.0f};
    c->op.add = (const float[]){0.0f, -0.5f};
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){2, 2, 1}, 8, true);
    c->tensor[MICO_CASE_OUT].format.scale = 1.0;
    mico_input_f32(&c->plan, raw, out, 1);
    /* channel 0: 2.5 -> 2, -3.5 -> -4; channel 1: 99.5 -> 100, -3.5 -> -4 */
    CU_ASSERT_EQUAL(memcmp(out, (uint8_t[]){130, 228, 124, 124}, 4), 0);
    c->tensor[MICO_CASE_OUT].format.scale = 0.5; /* 5, 199 -> 127, -7, -7 */
    mico_input_f32(&c->plan, raw, out, 1);
    CU_ASSERT_EQUAL(memcmp(out, (uint8_t[]){133, 255, 121, 121}, 4), 0);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){2, 2, 1}, 1, true);
    mico_input_f32(&c->plan, (const float[]){0.0f, 0.1f, 0.5f, 0.6f}, out, 1);
    CU_ASSERT_EQUAL(memcmp(out, (uint8_t[]){127, 127, 129, 129}, 4), 0);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){2, 2, 1}, 4, false);
    mico_input_f32(&c->plan, (const float[]){8.0f, -1.0f, 4.0f, 0.4f}, out, 1);
    CU_ASSERT_EQUAL(memcmp(out, (uint8_t[]){15, 4, 0, 0}, 4), 0); /* 3.5 -> 4 */
    mico_case_free(c);
}

/* The product is made in double: 4097 * 4097 = 16785409 is odd and above 2^24, so no
 * float holds it. */
static void t_floats_in_double(void)
{
    mico_case *c = mico_case_new(MICO_OP_INPUT);
    uint8_t out[1];

    c->op.mul = (const float[]){4097.0f};
    c->op.add = (const float[]){-16785408.0f};
    mico_case_tensor(c, MICO_CASE_OUT, 1, (size_t[]){1}, 8, true);
    mico_input_f32(&c->plan, (const float[]){4097.0f}, out, 1);
    CU_ASSERT_EQUAL(out[0], 129);
    mico_case_free(c);
}

/* Runs the op on n images of u8 (kind 0), s8 (1) or float (2) and compares each code.
 */
static void compare_images(const mico_case *k, int kind, const uint8_t *raw,
                           const uint8_t *wide, uint8_t *out, size_t n)
{
    const mico_plan_tensor *y = &k->tensor[MICO_CASE_OUT];
    const mico_format *f = &y->format;
    const size_t c = y->shape.dim[0], map = y->bytes / c, count = n * y->bytes;
    size_t wrong = 0;

    if (kind == 0)
        mico_input_u8(&k->plan, raw, out, n);
    else if (kind == 1)
        mico_input_s8(&k->plan, (const int8_t *)raw, out, n);
    else
        mico_input_f32(&k->plan, (const float *)(const void *)wide, out, n);
    for (size_t i = 0; i < count; i++) {
        const size_t channel = i / map % c, image = i / map / c;
        const size_t at = (image * map + i % map) * c + channel;
        float v;

        memcpy(&v, wide + 4 * i, 4);
        const double x =
            (double)v * (double)k->op.mul[channel] + (double)k->op.add[channel];
        const int expected =
            kind == 2
                ? mico_act_quantize(x, f->width, f->is_signed, f->scale) + (int)y->zero
                : k->op.lut_u8[256 * channel + (raw[i] ^ (kind == 1 ? 128 : 0))];

        wrong += out[at] != expected;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Images of many sizes, at the end of their memory, against the rule value by value:
 * bytes of both kinds, floats among them infinite ones and what is not a number. */
static void against_rule(mico_rng *rng, size_t c, size_t h, size_t w, bool alike)
{
    static const uint8_t widths[] = {1, MICO_TERNARY, 2, 4, 8, 8};
    const size_t map = h * w, n = 2, count = n * c * map;
    mico_case *k = mico_case_new(MICO_OP_INPUT);
    mico_guarded raw = mico_guarded_new(count), wide = mico_guarded_new(4 * count);
    mico_guarded out = mico_guarded_new(count);
    uint8_t *lut = mico_xcalloc(c, 256);
    float *mul = mico_xcalloc(c, sizeof *mul), *add = mico_xcalloc(c, sizeof *add);
    const uint8_t width = widths[mico_rng_below(rng, 6)];
    const bool is_signed = mico_rng_below(rng, 2) == 0;
    mico_format *f = &k->tensor[MICO_CASE_OUT].format;

    mico_case_tensor(k, MICO_CASE_OUT, map == 1 ? 1 : 3, (size_t[]){c, h, w}, width,
                     is_signed);
    f->scale = 0.25 + 0.125 * (double)mico_rng_below(rng, 5);
    for (size_t i = 0; i < c; i++) {
        mul[i] = alike ? 0.5f : 0.5f + (float)mico_rng_below(rng, 3) / 7;
        add[i] = alike ? -1.0f : (float)mico_rng_below(rng, 9) / 2 - 2;
        for (size_t v = 0; v < 256; v++)
            lut[256 * i + v] = (uint8_t)(alike ? v * 3 : v * 5 + i * 7);
    }
    for (size_t i = 0; i < count; i++) {
        const float x = (float)mico_rng_below(rng, 1000) / 8 - 60;

        raw.data[i] = (uint8_t)mico_rng_below(rng, 256);
        memcpy(wide.data + 4 * i,
               i % 50 == 0   ? &(float){NAN}
               : i % 50 == 1 ? &(float){INFINITY}
                             : &x,
               4);
    }
    k->op.lut_u8 = k->op.lut_s8 = lut;
    k->op.mul = mul;
    k->op.add = add;
    for (int kind = 0; kind < 3; kind++)
        compare_images(k, kind, raw.data, wide.data, out.data, n);
    CU_ASSERT_TRUE(mico_guarded_intact(&out));
    mico_guarded_free(&raw);
    mico_guarded_free(&wide);
    mico_guarded_free(&out);
    free(lut);
    free(mul);
    free(add);
    mico_case_free(k);
}

static void t_against_rule(void)
{
    mico_rng *rng = mico_rng_new(3, "test", 0);

    for (size_t i = 0; i < 150; i++) {
        const size_t c = (size_t[]){1, 3, 2, 5}[i % 4];

        against_rule(rng, c, 1 + mico_rng_below(rng, 20), 1 + mico_rng_below(rng, 20),
                     i % 3 == 0);
        against_rule(rng, 1 + mico_rng_below(rng, 300), 1, 1, i % 2 == 0);
    }
    mico_rng_free(rng);
}

MICO_SUITE("kernels_input", {"bytes", t_bytes}, {"rank 1", t_rank_1},
           {"floats", t_floats}, {"floats in double", t_floats_in_double},
           {"against the rule", t_against_rule})
