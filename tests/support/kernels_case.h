/* kernels_case.h: plans of one op made by hand, and memory that nothing may leave.
 *
 *     mico_case *c = mico_case_new(MICO_OP_CONV);
 *     mico_case_tensor(c, 0, 3, (size_t[]){16, 8, 8}, 8, true);      input 0
 *     mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){4, 8, 8}, 8, true);
 *     int8_t *w = mico_case_weights(c, 4, 9 * 16);  ... fill ...  mico_case_sums(c);
 *     uint8_t *out = mico_case_run(c, kernel, n_images);
 *     ...
 *     mico_case_free(c); */
#ifndef MICO_TESTS_KERNELS_CASE_H
#define MICO_TESTS_KERNELS_CASE_H

#include "core/mem.h"
#include "core/rng.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- guarded memory ------------------------------------------------------------ */

/* bytes that end where an inaccessible page begins; what lies before them in the page
 * holds a pattern. Reading or writing behind the end kills the test. */
typedef struct mico_guarded {
    uint8_t *map, *data;
    size_t map_bytes, bytes;
} mico_guarded;

#define MICO_GUARD_BYTE 0xa5

static inline mico_guarded mico_guarded_new(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mico_guarded g = {.bytes = bytes};

    g.map_bytes = (bytes + 64 + page - 1) / page * page;
    g.map = mmap(NULL, g.map_bytes + page, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map + g.map_bytes, page, PROT_NONE) != 0)
        abort();
    memset(g.map, MICO_GUARD_BYTE, g.map_bytes);
    g.data = g.map + g.map_bytes - bytes;
    return g;
}

/* True if nothing was written before the data. */
static inline bool mico_guarded_intact(const mico_guarded *g)
{
    for (const uint8_t *p = g->map; p < g->data; p++)
        if (*p != MICO_GUARD_BYTE)
            return false;
    return true;
}

static inline void mico_guarded_free(mico_guarded *g)
{
    munmap(g->map, g->map_bytes + (size_t)sysconf(_SC_PAGESIZE));
}

/* ---- formats ------------------------------------------------------------------- */

/* Smallest and largest integer of a format, written here again on purpose. */
static inline int mico_case_min(uint8_t width, bool is_signed)
{
    if (!is_signed)
        return 0;
    return width == 1 || width == MICO_TERNARY ? -1 : -(1 << (width - 1));
}

static inline int mico_case_max(uint8_t width, bool is_signed)
{
    if (width == MICO_TERNARY)
        return is_signed ? 1 : 2;
    if (width == 1)
        return 1;
    return is_signed ? (1 << (width - 1)) - 1 : (1 << width) - 1;
}

/* Any integer of the format; extremes are frequent. One bit signed is -1 or +1. */
static inline int mico_case_value(mico_rng *rng, uint8_t width, bool is_signed)
{
    const int lo = mico_case_min(width, is_signed),
              hi = mico_case_max(width, is_signed);
    const size_t dice = mico_rng_below(rng, 8);

    if (width == 1 && is_signed)
        return dice < 4 ? -1 : 1;
    if (dice < 2)
        return dice == 0 ? lo : hi;
    return lo + (int)mico_rng_below(rng, (size_t)(hi - lo + 1));
}

/* Epilogue to a format: relu cuts below 0 (signed only). */
static inline mico_epilogue mico_case_epilogue(uint8_t width, bool is_signed, bool relu)
{
    if (width == 32)
        return (mico_epilogue){INT32_MIN, INT32_MAX, 0, 1};
    if (width == 1 && is_signed)
        return (mico_epilogue){0, 1, 127, 2};
    return (mico_epilogue){relu ? 0 : mico_case_min(width, is_signed),
                           mico_case_max(width, is_signed), is_signed ? 128 : 0, 1};
}

/* ---- the case ------------------------------------------------------------------ */

#define MICO_CASE_OUT MICO_MAX_INPUTS

typedef struct mico_case {
    mico_plan plan;
    mico_plan_tensor tensor[MICO_MAX_INPUTS + 1];
    mico_op op;
    mico_node node;
    mico_qweights weights;
    int8_t *q;
    int32_t *sum, *abs_sum;
    int32_t *bias, *mult; /* op.bias, op.mult, op.shift, writable */
    uint8_t *shift;
    const mico_op *add; /* fused, or NULL, and its other input */
    const uint8_t *other;
    uint8_t *in[MICO_MAX_INPUTS];
    mico_guarded guard[MICO_MAX_INPUTS];
    mico_arena arena;
} mico_case;

static inline mico_case *mico_case_new(mico_op_kind kind)
{
    mico_case *c = mico_xcalloc(1, sizeof *c);

    c->plan.n_tensors = MICO_MAX_INPUTS + 1;
    c->plan.tensor = c->tensor;
    c->plan.n_ops = 1;
    c->plan.op = &c->op;
    c->plan.output = MICO_CASE_OUT;
    c->op.kind = kind;
    c->op.node = &c->node;
    c->op.layer = SIZE_MAX;
    c->op.n_in = 1;
    for (size_t i = 0; i < MICO_MAX_INPUTS; i++)
        c->op.in[i] = i;
    c->op.out = MICO_CASE_OUT;
    c->op.epilogue = mico_case_epilogue(8, true, false);
    c->node.groups = 1;
    c->node.window = (mico_window){1, 1, 1, 1, 1, 1, 0, 0, 0, 0};
    return c;
}

static inline void mico_case_free(mico_case *c)
{
    for (size_t i = 0; i < MICO_MAX_INPUTS; i++)
        if (c->guard[i].map != NULL)
            mico_guarded_free(&c->guard[i]);
    mico_arena_free(&c->arena);
    free(c);
}

static inline void mico_case_tensor(mico_case *c, size_t t, size_t rank,
                                    const size_t *dim, uint8_t width, bool is_signed)
{
    mico_plan_tensor *x = &c->tensor[t];

    x->shape.rank = rank;
    x->bytes = width == 32 ? 4 : 1;
    for (size_t a = 0; a < rank; a++) {
        x->shape.dim[a] = dim[a];
        x->bytes *= dim[a];
    }
    x->format = (mico_format){width, false, is_signed, 1.0};
    x->zero = is_signed && width != 32 ? 128 : 0;
}

/* Multipliers: n of mult and shift (all mult 1, shift 1). */
static inline void mico_case_mults(mico_case *c, size_t n)
{
    c->mult = mico_arena_alloc(&c->arena, n * sizeof *c->mult);
    c->shift = mico_arena_alloc(&c->arena, n);
    for (size_t i = 0; i < n; i++)
        c->mult[i] = c->shift[i] = 1;
    c->op.mult = c->mult;
    c->op.shift = c->shift;
}

/* Zeroed weights, bias, multipliers of a conv or linear op; returns the weights. */
static inline int8_t *mico_case_weights(mico_case *c, size_t c_out, size_t taps)
{
    c->q = mico_arena_alloc(&c->arena, c_out * taps);
    c->sum = mico_arena_alloc(&c->arena, c_out * sizeof *c->sum);
    c->abs_sum = mico_arena_alloc(&c->arena, c_out * sizeof *c->abs_sum);
    c->bias = mico_arena_alloc(&c->arena, c_out * sizeof *c->bias);
    c->weights = (mico_qweights){0, 8, c_out, taps, c->q, NULL, c->sum, c->abs_sum};
    c->op.weights = &c->weights;
    c->op.bias = c->bias;
    mico_case_mults(c, c_out);
    return c->q;
}

/* Sums of the weights as they are now. */
static inline void mico_case_sums(mico_case *c)
{
    for (size_t o = 0; o < c->weights.c_out; o++) {
        c->sum[o] = c->abs_sum[o] = 0;
        for (size_t k = 0; k < c->weights.taps; k++) {
            const int q = c->q[o * c->weights.taps + k];

            c->sum[o] += q;
            c->abs_sum[o] += q < 0 ? -q : q;
        }
    }
}

/* Guarded memory for n images of input i. */
static inline uint8_t *mico_case_input(mico_case *c, size_t i, size_t n_images)
{
    c->guard[i] = mico_guarded_new(n_images * c->tensor[i].bytes);
    c->in[i] = c->guard[i].data;
    return c->in[i];
}

/* Random codes for n images of input i in its format. */
static inline void mico_case_random(mico_case *c, size_t i, size_t n_images,
                                    mico_rng *rng)
{
    const mico_plan_tensor *x = &c->tensor[i];
    uint8_t *to = mico_case_input(c, i, n_images);

    for (size_t k = 0; k < n_images * x->bytes; k++)
        to[k] = (uint8_t)(mico_case_value(rng, x->format.width, x->format.is_signed) +
                          (int)x->zero);
}

/* Runs a kernel in guarded memory; the caller frees the output. *clean is false where
 * something was written outside output, scratch or packed weights, or into inputs. */
static inline uint8_t *mico_case_run(mico_case *c, const mico_kernel *k,
                                     size_t n_images, bool *clean)
{
    const size_t out_bytes = n_images * c->tensor[MICO_CASE_OUT].bytes;
    const size_t packed_bytes = k->packed_bytes != NULL ? k->packed_bytes(&c->op) : 0;
    const size_t scratch_bytes =
        k->scratch_bytes != NULL ? k->scratch_bytes(&c->plan, &c->op) : 0;
    const size_t consts_bytes =
        k->consts_bytes != NULL ? k->consts_bytes(&c->plan, &c->op) : 0;
    mico_guarded out = mico_guarded_new(out_bytes);
    /* sizes are rounded up so that the start is aligned as the header promises */
    mico_guarded packed = mico_guarded_new((packed_bytes + 63) / 64 * 64);
    mico_guarded consts = mico_guarded_new((consts_bytes + 63) / 64 * 64);
    mico_guarded scratch = mico_guarded_new((scratch_bytes + 63) / 64 * 64);
    uint8_t *copy = mico_xcalloc(out_bytes + 1, 1), *before[MICO_MAX_INPUTS];

    for (size_t i = 0; i < c->op.n_in; i++) {
        before[i] = mico_xcalloc(c->guard[i].bytes + 1, 1);
        memcpy(before[i], c->in[i], c->guard[i].bytes);
    }
    if (packed_bytes > 0)
        k->pack(&c->op, packed.data);
    if (consts_bytes > 0)
        k->prepare(&c->plan, &c->op, consts.data);
    k->run(&(mico_call){.plan = &c->plan,
                        .op = &c->op,
                        .packed = packed.data,
                        .consts = consts.data,
                        .in = (const uint8_t *const *)c->in,
                        .out = out.data,
                        .n_images = n_images,
                        .scratch = scratch.data,
                        .add = c->add,
                        .other = c->other});
    memcpy(copy, out.data, out_bytes);
    *clean = mico_guarded_intact(&out) && mico_guarded_intact(&packed) &&
             mico_guarded_intact(&consts) && mico_guarded_intact(&scratch);
    for (size_t i = 0; i < c->op.n_in; i++) {
        *clean = *clean && mico_guarded_intact(&c->guard[i]) &&
                 memcmp(before[i], c->in[i], c->guard[i].bytes) == 0;
        free(before[i]);
    }
    mico_guarded_free(&out);
    mico_guarded_free(&packed);
    mico_guarded_free(&consts);
    mico_guarded_free(&scratch);
    return copy;
}

/* The portable entry for the op. */
static inline const mico_kernel *mico_case_reference(const mico_case *c)
{
    return mico_kernel_find(&c->plan, &c->op, "c");
}

#endif
