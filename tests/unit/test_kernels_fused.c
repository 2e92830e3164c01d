/* Kernels that do the add behind their operation give what the two give alone. */
#include "support/kernels_compare.h"
#include "support/kernels_random.h"

static size_t fused[64]; /* comparisons per entry of mico_kernels */

enum { OTHER = 1, SUM = 2 }; /* tensors of a fused add, beside the case's own */

/* An add of the case's result and a tensor of the same shape. */
static void random_add(mico_case *c, mico_rng *rng, mico_op *add, int32_t mult[2],
                       uint8_t shift[2])
{
    const mico_plan_tensor *y = &c->tensor[MICO_CASE_OUT];
    const size_t turn = mico_rng_below(rng, 2);
    const uint8_t width = random_width(rng);
    const bool is_signed = mico_rng_below(rng, 2) == 0;

    mico_case_tensor(c, OTHER, y->shape.rank, y->shape.dim, random_width(rng),
                     mico_rng_below(rng, 2) == 0);
    mico_case_tensor(c, SUM, y->shape.rank, y->shape.dim, width, is_signed);
    *add = (mico_op){
        .kind = MICO_OP_ADD,
        .layer = SIZE_MAX,
        .n_in = 2,
        .out = SUM,
        .mult = mult,
        .shift = shift,
        .epilogue = mico_case_epilogue(width, is_signed, mico_rng_below(rng, 2) == 0)};
    add->in[turn] = MICO_CASE_OUT;
    add->in[1 - turn] = OTHER;
    random_mult(rng, 128, &mult[0], &shift[0]);
    random_mult(rng, 128, &mult[1], &shift[1]);
    mult[0] &= (1 << 20) - 1;
    mult[1] &= (1 << 20) - 1;
    shift[0] = (uint8_t)between(rng, 6, 31);
}

static void compare_fused(mico_case *c, mico_rng *rng, size_t n_images)
{
    mico_op add;
    int32_t mult[2];
    uint8_t shift[2];

    if (c->tensor[MICO_CASE_OUT].format.width == 32)
        return;
    random_add(c, rng, &add, mult, shift);
    mico_case_random(c, OTHER, n_images, rng);
    mico_compare_fused(c, &add, OTHER, n_images, fused);
}

static void fused_conv(mico_rng *rng, size_t c_in, size_t c_out, size_t groups)
{
    const size_t n = between(rng, 1, 3);
    mico_case *c =
        conv_new(rng, c_in, c_out, groups, (taste)mico_rng_below(rng, 3),
                 random_width(rng), random_width(rng), mico_rng_below(rng, 2) == 0);

    mico_case_random(c, 0, n, rng);
    compare_fused(c, rng, n);
    mico_case_free(c);
}

static void t_fused_convs(void)
{
    mico_rng *rng = mico_rng_new(11, "test", 0);

    for (size_t i = 0; i < shapes(150); i++) {
        const size_t groups = i % 8 == 0 ? 3 : 1;

        fused_conv(rng, groups * between(rng, 1, 20), groups * between(rng, 1, 40),
                   groups);
    }
    for (size_t i = 0; i < shapes(150); i++) { /* depthwise */
        const size_t channels = between(rng, 2, 150);

        fused_conv(rng, channels, channels, channels);
    }
    mico_rng_free(rng);
}

static void t_fused_linears(void)
{
    mico_rng *rng = mico_rng_new(12, "test", 0);

    for (size_t i = 0; i < shapes(50); i++) {
        mico_case *c = mico_case_new(MICO_OP_LINEAR);
        const size_t taps = between(rng, 1, 100), c_out = between(rng, 1, 100);

        mico_case_tensor(c, 0, 1, &taps, random_width(rng),
                         mico_rng_below(rng, 2) == 0);
        random_layer(c, rng, c_out, taps, random_width(rng));
        random_output(c, rng, 1, &c_out);
        mico_case_random(c, 0, 9, rng);
        compare_fused(c, rng, 9);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

/* What no entry may fuse. */
static void t_fuses_nothing_else(void)
{
    mico_rng *rng = mico_rng_new(12, "test", 0);
    mico_case *c = conv_new(rng, 8, 8, 1, FITTING, 8, 8, true);
    mico_op add;
    int32_t mult[2];
    uint8_t shift[2];

    mico_case_tensor(c, MICO_CASE_OUT, 3, c->tensor[MICO_CASE_OUT].shape.dim, 8, true);
    c->op.epilogue = mico_case_epilogue(8, true, false);
    random_add(c, rng, &add, mult, shift);
    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *fast = mico_kernels[k];
        const mico_op good = add;

        if (fast->fuses == NULL || !fast->supports(&c->plan, &c->op))
            continue;
        CU_ASSERT_TRUE(fast->fuses(&c->plan, &c->op, &add));
        add.in[0] = add.in[1] = MICO_CASE_OUT;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        add.in[0] = add.in[1] = OTHER;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        add = good;
        add.rounding = MICO_ROUND_ARES;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        add = good;
        add.kind = MICO_OP_CONCAT;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        add = good;
        c->tensor[OTHER].bytes++;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        c->tensor[OTHER].bytes--;
        c->tensor[SUM].format.width = 32;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        c->tensor[SUM].format.width = 8;
        c->op.rounding = MICO_ROUND_ARES;
        CU_ASSERT_FALSE(fast->fuses(&c->plan, &c->op, &add));
        c->op.rounding = MICO_ROUND_HALF_UP;
    }
    mico_case_free(c);
    mico_rng_free(rng);
}

/* Last: none of the above was a comparison of nothing. */
static void t_every_entry_was_compared(void)
{
    for (size_t k = 0; k < mico_n_kernels; k++)
        /* other roundings have their own tests */
        if (mico_kernels[k]->fuses != NULL && mico_isa_here(mico_kernels[k]->isa) &&
            strstr(mico_kernels[k]->name, "_float_") == NULL) {
            if (fused[k] < 15)
                printf("\n    %s was compared %zu times only", mico_kernels[k]->name,
                       fused[k]);
            CU_ASSERT_TRUE(fused[k] >= 15);
        }
}

MICO_SUITE("kernels_fused", {"fused convs", t_fused_convs},
           {"fused linears", t_fused_linears},
           {"fuses nothing else", t_fuses_nothing_else},
           {"every entry was compared", t_every_entry_was_compared})
