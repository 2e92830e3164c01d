/* kernels_compare.h: every fast kernel against the portable one: the same bytes,
 * nothing else touched. `count` has room for mico_n_kernels entries: comparisons made.
 */
#ifndef MICO_TESTS_KERNELS_COMPARE_H
#define MICO_TESTS_KERNELS_COMPARE_H

#include "support/kernels_case.h"
#include "support/suite.h"

/* All entries of this CPU that support the case's op. */
static inline void mico_compare(mico_case *c, size_t n_images, size_t *count)
{
    const size_t bytes = n_images * c->tensor[MICO_CASE_OUT].bytes;
    bool clean;
    uint8_t *expected = mico_case_run(c, mico_case_reference(c), n_images, &clean);

    CU_ASSERT_TRUE(clean);
    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *fast = mico_kernels[k];
        uint8_t *got;

        if (strcmp(fast->isa, "c") == 0 || !mico_isa_here(fast->isa) ||
            !fast->supports(&c->plan, &c->op))
            continue;
        got = mico_case_run(c, fast, n_images, &clean);
        CU_ASSERT_TRUE(clean);
        CU_ASSERT_EQUAL(memcmp(expected, got, bytes), 0);
        count[k]++;
        free(got);
    }
    free(expected);
}

/* All that do the op and this add of its result and input `other` at once, against the
 * op and then the add in C. */
static inline void mico_compare_fused(mico_case *c, const mico_op *add, size_t other,
                                      size_t n_images, size_t *count)
{
    const size_t bytes = n_images * c->tensor[MICO_CASE_OUT].bytes;
    const uint8_t *in[2];
    bool clean;
    uint8_t *expected = mico_case_run(c, mico_case_reference(c), n_images, &clean);

    for (size_t k = 0; k < 2; k++)
        in[k] = add->in[k] == other ? c->in[other] : expected;
    mico_kernel_find(&c->plan, add, "c")
        ->run(&(mico_call){.plan = &c->plan,
                           .op = add,
                           .in = in,
                           .out = expected,
                           .n_images = n_images});
    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *fast = mico_kernels[k];
        uint8_t *got;

        if (fast->fuses == NULL || !mico_isa_here(fast->isa) ||
            !fast->supports(&c->plan, &c->op) || !fast->fuses(&c->plan, &c->op, add))
            continue;
        c->add = add;
        c->other = c->in[other];
        got = mico_case_run(c, fast, n_images, &clean);
        c->add = NULL;
        CU_ASSERT_TRUE(clean);
        CU_ASSERT_EQUAL(memcmp(expected, got, bytes), 0);
        count[k]++;
        free(got);
    }
    free(expected);
}

#endif
