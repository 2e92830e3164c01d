/* Every fast kernel of the profiles dynamic and mico gives the bytes of the portable
 * one and touches nothing else. */
#include "support/kernels_compare.h"

#include <math.h>

static size_t compared[128], fused[128]; /* comparisons per entry of mico_kernels */

static void compare(mico_case *c, size_t n_images)
{
    mico_compare(c, n_images, compared);
}

/* ---- cases -------------------------------------------------------------------------
 */

static size_t between(mico_rng *rng, size_t lo, size_t hi)
{
    return lo + mico_rng_below(rng, hi - lo + 1);
}

static float real(mico_rng *rng)
{
    return (float)(2 * mico_rng_uniform(rng) - 1);
}

static void tensor(mico_case *c, size_t t, size_t rank, const size_t *dim)
{
    mico_case_tensor(c, t, rank, dim, 32, true);
    c->tensor[t].format.is_float = true;
}

/* Values of n images: any sizes; halves under a maximum of 127, so that 8-bit codes are
 * ties; all zero; tiny; now and then an infinity. */
static void values(mico_case *c, size_t i, size_t n_images, mico_rng *rng)
{
    const size_t n = n_images * c->tensor[i].bytes / sizeof(float);
    float *x = (float *)(void *)mico_case_input(c, i, n_images);
    const size_t dice = mico_rng_below(rng, 10);
    const float size = ldexpf(1, (int)between(rng, 0, 16) - 8);

    for (size_t k = 0; k < n; k++) {
        x[k] = size * real(rng);
        if (dice < 3)
            x[k] = (float)((int)between(rng, 0, 508) - 254) / 2;
        if (dice == 3)
            x[k] = 0;
        if (dice == 4)
            x[k] *= 1e-38f;
        if (dice == 5 && mico_rng_below(rng, 50) == 0)
            x[k] = INFINITY;
        if (dice >= 6 && x[k] < 0 && dice % 2 == 0)
            x[k] = 0; /* as behind a ReLU */
    }
}

static void bounds(mico_case *c, mico_rng *rng)
{
    const size_t dice = mico_rng_below(rng, 3);

    c->op.rounding = MICO_ROUND_FLOAT;
    c->op.lo_f32 = dice > 0 ? 0 : -INFINITY;
    c->op.hi_f32 = dice > 1 ? 0.6f : INFINITY;
}

/* Random weights, scales and biases, and how the input becomes integers. */
static void layer(mico_case *c, mico_rng *rng, size_t c_out, size_t taps)
{
    const uint8_t width = mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
    int8_t *q = mico_case_weights(c, c_out, taps);
    float *scale = mico_arena_alloc(&c->arena, c_out * sizeof *scale);
    float *bias = mico_arena_alloc(&c->arena, c_out * sizeof *bias);

    for (size_t k = 0; k < c_out * taps; k++)
        q[k] = (int8_t)mico_case_value(rng, width, true);
    mico_case_sums(c);
    for (size_t k = 0; k < c_out; k++) {
        scale[k] = 0.01f + 0.01f * real(rng);
        bias[k] = real(rng);
    }
    c->op.scale_f32 = scale;
    c->op.bias_f32 = bias;
    bounds(c, rng);
    c->op.act_blocks = mico_rng_below(rng, 2) == 0;
    c->op.act_width = mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
    c->op.act_signed = c->op.act_blocks || mico_rng_below(rng, 3) > 0;
}

/* A window and the shapes that go with it; false: no output. */
static bool geometry(mico_case *c, mico_rng *rng, size_t c_in, size_t c_out,
                     bool dilate)
{
    mico_window *w = &c->node.window;
    const bool line = mico_rng_below(rng, 4) == 0;
    const size_t h = line ? 1 : between(rng, 1, 9), width = between(rng, 1, 12);

    w->kh = line ? 1 : between(rng, 1, 5);
    w->kw = between(rng, 1, 5);
    w->stride_h = between(rng, 1, 3);
    w->stride_w = between(rng, 1, 3);
    w->dilation_h = dilate ? between(rng, 1, 2) : 1;
    w->dilation_w = dilate ? between(rng, 1, 2) : 1;
    w->pad_top = line ? 0 : mico_rng_below(rng, w->kh);
    w->pad_bottom = line ? 0 : mico_rng_below(rng, w->kh);
    w->pad_left = mico_rng_below(rng, w->kw);
    w->pad_right = mico_rng_below(rng, w->kw);
    const size_t span_h = (w->kh - 1) * w->dilation_h + 1;
    const size_t span_w = (w->kw - 1) * w->dilation_w + 1;

    if (h + w->pad_top + w->pad_bottom < span_h ||
        width + w->pad_left + w->pad_right < span_w)
        return false;
    tensor(c, 0, 3, (size_t[]){c_in, h, width});
    tensor(c, MICO_CASE_OUT, 3,
           (size_t[]){c_out,
                      (h + w->pad_top + w->pad_bottom - span_h) / w->stride_h + 1,
                      (width + w->pad_left + w->pad_right - span_w) / w->stride_w + 1});
    return true;
}

/* ---- fused adds --------------------------------------------------------------------
 */

enum { OTHER = 1, SUM = 2 }; /* tensors of a fused add, beside the case's own */

static void compare_fused(mico_case *c, mico_rng *rng, size_t n_images)
{
    const mico_plan_tensor *y = &c->tensor[MICO_CASE_OUT];
    const size_t turn = mico_rng_below(rng, 2);
    mico_op add = {.kind = MICO_OP_ADD,
                   .rounding = MICO_ROUND_FLOAT,
                   .layer = SIZE_MAX,
                   .n_in = 2,
                   .out = SUM,
                   .lo_f32 = turn > 0 ? 0 : -INFINITY,
                   .hi_f32 = 0.5f};

    tensor(c, OTHER, y->shape.rank, y->shape.dim);
    tensor(c, SUM, y->shape.rank, y->shape.dim);
    values(c, OTHER, n_images, rng);
    add.in[turn] = MICO_CASE_OUT;
    add.in[1 - turn] = OTHER;
    mico_compare_fused(c, &add, OTHER, n_images, fused);
}

/* ---- operations --------------------------------------------------------------------
 */

static void t_conv(void)
{
    mico_rng *rng = mico_rng_new(1, "float", 0);

    for (size_t i = 0; i < 1500; i++) {
        mico_case *c = mico_case_new(MICO_OP_CONV);
        const bool depthwise = mico_rng_below(rng, 2) == 0;
        const size_t c_in = between(rng, depthwise ? 2 : 1, 40), n = between(rng, 1, 3);
        const size_t c_out = depthwise ? c_in : between(rng, 1, 90);

        c->node.groups = depthwise ? c_in : 1;
        c->node.c_in = c_in;
        c->node.c_out = c_out;
        if (geometry(c, rng, c_in, c_out, depthwise)) {
            layer(c, rng, c_out,
                  c->node.window.kh * c->node.window.kw * c_in / c->node.groups);
            values(c, 0, n, rng);
            compare(c, n);
            compare_fused(c, rng, n);
        }
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

static void t_linear(void)
{
    mico_rng *rng = mico_rng_new(2, "float", 0);

    for (size_t i = 0; i < 600; i++) {
        mico_case *c = mico_case_new(MICO_OP_LINEAR);
        const size_t n_in = between(rng, 1, 300), n = between(rng, 1, 35);
        const size_t n_out = between(rng, 1, 80);

        c->node.c_in = n_in;
        c->node.c_out = n_out;
        tensor(c, 0, 1, &n_in);
        tensor(c, MICO_CASE_OUT, 1, &n_out);
        layer(c, rng, n_out, n_in);
        values(c, 0, n, rng);
        compare(c, n);
        compare_fused(c, rng, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

static void t_elements(void)
{
    mico_rng *rng = mico_rng_new(3, "float", 0);

    for (size_t i = 0; i < 200; i++) {
        mico_case *c = mico_case_new(i % 2 ? MICO_OP_ADD : MICO_OP_CLAMP);
        const size_t count = between(rng, 1, 200), n = between(rng, 1, 3);

        c->op.n_in = i % 2 ? 2 : 1;
        bounds(c, rng);
        for (size_t k = 0; k < c->op.n_in; k++) {
            tensor(c, k, 1, &count);
            values(c, k, n, rng);
        }
        tensor(c, MICO_CASE_OUT, 1, &count);
        compare(c, n);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

static void t_pools(void)
{
    mico_rng *rng = mico_rng_new(4, "float", 0);

    for (size_t i = 0; i < 400; i++) {
        mico_case *c = mico_case_new(i % 2 ? MICO_OP_MAXPOOL : MICO_OP_AVGPOOL);
        const size_t channels = between(rng, 1, 40), n = between(rng, 1, 3);

        if (geometry(c, rng, channels, channels, true)) {
            bounds(c, rng);
            c->op.act_blocks = mico_rng_below(rng, 2) == 0;
            c->node.count_include_pad = mico_rng_below(rng, 2) == 0;
            values(c, 0, n, rng);
            compare(c, n);
        }
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

/* Last: none of the above was a comparison of nothing. */
static void t_every_entry_was_compared(void)
{
    CU_ASSERT_FATAL(mico_n_kernels <= sizeof compared / sizeof *compared);
    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *kernel = mico_kernels[k];

        if (strcmp(kernel->isa, "c") == 0 || strstr(kernel->name, "_float_") == NULL)
            continue;
        if (mico_isa_here(kernel->isa))
            CU_ASSERT_TRUE(compared[k] >= 100 &&
                           (kernel->fuses == NULL || fused[k] >= 100));
    }
}

MICO_SUITE("kernels_float", {"conv", t_conv}, {"linear", t_linear},
           {"add and clamp", t_elements}, {"pools", t_pools},
           {"every entry was compared", t_every_entry_was_compared})
