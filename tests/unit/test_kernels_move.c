/* Flatten, reshape, pad, slice and transpose of random shapes against their definition:
 * element by element, in the logical order (c, h, w). */
#include "support/kernels_case.h"
#include "support/suite.h"

static size_t between(mico_rng *rng, size_t lo, size_t hi)
{
    return lo + mico_rng_below(rng, hi - lo + 1);
}

/* Storage index of logical index k: written anew on purpose. */
static size_t stored(const mico_plan_tensor *t, size_t k)
{
    const size_t *d = t->shape.dim;

    if (t->shape.rank != 3)
        return k;
    const size_t w = k % d[2], h = k / d[2] % d[1], c = k / d[2] / d[1];

    return (h * d[2] + w) * d[0] + c;
}

/* Where output element k (logical) comes from, or SIZE_MAX for padding. */
static size_t origin(const mico_case *c, size_t k)
{
    const mico_plan_tensor *x = &c->tensor[0], *y = &c->tensor[MICO_CASE_OUT];
    size_t at[3] = {0, 0, 0}, from[3] = {0, 0, 0}, logical = 0;

    if (c->op.kind == MICO_OP_FLATTEN || c->op.kind == MICO_OP_RESHAPE)
        return k;
    for (size_t a = y->shape.rank; a-- > 0; k /= y->shape.dim[a])
        at[a] = k % y->shape.dim[a];
    for (size_t a = 0; a < x->shape.rank; a++) {
        if (c->op.kind == MICO_OP_TRANSPOSE) {
            from[c->node.perm[a]] = at[a];
        } else if (c->op.kind == MICO_OP_SLICE) {
            from[a] = c->node.start[a] + at[a] * c->node.step[a];
        } else {
            from[a] = at[a] - c->node.pad_before[a];
            if (from[a] >= x->shape.dim[a])
                return SIZE_MAX;
        }
    }
    for (size_t a = 0; a < x->shape.rank; a++)
        logical = logical * x->shape.dim[a] + from[a];
    return logical;
}

static void check(mico_case *c, size_t n, mico_rng *rng)
{
    const mico_plan_tensor *x = &c->tensor[0], *y = &c->tensor[MICO_CASE_OUT];
    const size_t size = x->format.width == 32 ? 4 : 1, count = y->bytes / size;
    uint8_t *in = mico_case_input(c, 0, n), *out;
    size_t wrong = 0;
    bool clean;

    for (size_t i = 0; i < n * x->bytes; i++)
        in[i] = (uint8_t)mico_rng_below(rng, 256);
    out = mico_case_run(c, mico_kernel_find(&c->plan, &c->op, NULL), n, &clean);
    CU_ASSERT_TRUE(clean);
    for (size_t i = 0; i < n * count; i++) {
        const uint8_t *got = out + i / count * y->bytes + stored(y, i % count) * size;
        const size_t k = origin(c, i % count);
        const uint8_t zero[4] = {(uint8_t)y->zero};

        wrong += memcmp(got,
                        k == SIZE_MAX ? zero
                                      : in + i / count * x->bytes + stored(x, k) * size,
                        size) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(out);
}

/* Output dimensions and the node's fields from the input's. */
static void make_shape(mico_case *c, mico_rng *rng, size_t rank, const size_t *in,
                       size_t *out)
{
    size_t perm[3] = {0, 1, 2};

    for (size_t a = rank; a-- > 1;) {
        const size_t b = mico_rng_below(rng, a + 1), kept = perm[a];

        perm[a] = perm[b];
        perm[b] = kept;
    }
    for (size_t a = 0; a < rank; a++) {
        c->node.pad_before[a] = mico_rng_below(rng, 3);
        c->node.start[a] = mico_rng_below(rng, in[a]);
        c->node.step[a] = between(rng, 1, 2);
        c->node.perm[a] = perm[a];
        if (c->op.kind == MICO_OP_PAD)
            out[a] = c->node.pad_before[a] + in[a] + mico_rng_below(rng, 3);
        else if (c->op.kind == MICO_OP_SLICE)
            out[a] = 1 + mico_rng_below(
                             rng, (in[a] - 1 - c->node.start[a]) / c->node.step[a] + 1);
        else
            out[a] = in[perm[a]];
    }
}

/* Another shape of as many elements: often one that shares no axes with the first. */
static size_t make_reshape(mico_rng *rng, size_t count, size_t *out)
{
    const size_t rank = between(rng, 1, 3);

    for (size_t a = 0; a + 1 < rank; a++) {
        size_t d = between(rng, 1, count);

        while (count % d != 0)
            d--;
        out[a] = d;
        count /= d;
    }
    out[rank - 1] = count;
    return rank;
}

static void t_moves(void)
{
    static const mico_op_kind kinds[] = {MICO_OP_FLATTEN, MICO_OP_RESHAPE, MICO_OP_PAD,
                                         MICO_OP_SLICE, MICO_OP_TRANSPOSE};
    mico_rng *rng = mico_rng_new(1, "move", 0);

    for (size_t i = 0; i < 1500; i++) {
        mico_case *c = mico_case_new(kinds[i % 5]);
        const size_t rank = between(rng, 1, 3), most = i % 7 == 0 ? 70 : 18;
        const uint8_t width = mico_rng_below(rng, 5) == 0 ? 32 : 8;
        size_t in[3] = {1, 1, 1}, out[3], out_rank = rank;

        for (size_t a = 0; a < rank; a++)
            in[a] = between(rng, 1, a == 0 ? most : 18);
        if (i % 5 == 0) {
            out_rank = 1;
            out[0] = in[0] * in[1] * in[2];
        } else if (i % 5 == 1) {
            out_rank = make_reshape(rng, in[0] * in[1] * in[2], out);
        } else {
            make_shape(c, rng, rank, in, out);
        }
        mico_case_tensor(c, 0, rank, in, width, i % 2 == 0);
        mico_case_tensor(c, MICO_CASE_OUT, out_rank, out, width, i % 2 == 0);
        check(c, between(rng, 1, 3), rng);
        mico_case_free(c);
    }
    mico_rng_free(rng);
}

MICO_SUITE("kernels_move", {"moves", t_moves})
