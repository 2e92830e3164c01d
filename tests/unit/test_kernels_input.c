/* Raw images to codes: layout, tables, float images. */
#include "support/kernels_case.h"
#include "support/suite.h"

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

MICO_SUITE("kernels_input", {"bytes", t_bytes}, {"rank 1", t_rank_1},
           {"floats", t_floats}, {"floats in double", t_floats_in_double})
