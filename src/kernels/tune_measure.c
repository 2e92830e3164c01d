/* tune_measure.c: times the candidates for an operation on codes made up for it. */
#include "core/clock.h"
#include "core/rng.h"
#include "kernels/tune_internal.h"

#include <stdlib.h>

/* The tensors of all images stay in the L2 cache; kernels may load behind them. */
#define IMAGES_MOST  ((size_t)32)
#define TENSOR_BYTES ((size_t)256 << 10)
#define MARGIN       ((size_t)256)

/* Rounds of each candidate and their time; fewer do where one call is long. */
#define ROUNDS      7
#define ROUND_S     2e-4
#define LONG_CALL_S 1e-2

/* One candidate, ready to run. */
typedef struct contender {
    const mico_kernel *kernel;
    void *packed, *consts, *scratch;
    size_t repeats;
    double call_s[ROUNDS];
} contender;

static void *memory_of(size_t bytes)
{
    return mico_xaligned(bytes + MARGIN);
}

static contender contender_new(const mico_plan *plan, const mico_op *op,
                               const mico_kernel *k)
{
    contender c = {.kernel = k, .repeats = 1};

    c.packed = memory_of(k->packed_bytes != NULL ? k->packed_bytes(op) : 0);
    c.consts = memory_of(k->consts_bytes != NULL ? k->consts_bytes(plan, op) : 0);
    c.scratch = memory_of(k->scratch_bytes != NULL ? k->scratch_bytes(plan, op) : 0);
    if (k->pack != NULL)
        k->pack(op, c.packed);
    if (k->prepare != NULL)
        k->prepare(plan, op, c.consts);
    return c;
}

static void contender_free(contender *c)
{
    free(c->packed);
    free(c->consts);
    free(c->scratch);
}

/* Seconds of one call, the mean of c->repeats. */
static double time_calls(const contender *c, mico_call call)
{
    const double start_s = mico_cpu_s();

    call.packed = c->packed;
    call.consts = c->consts;
    call.scratch = c->scratch;
    for (size_t i = 0; i < c->repeats; i++)
        c->kernel->run(&call);
    return (mico_cpu_s() - start_s) / (double)c->repeats;
}

/* Any codes of the format. */
static void make_codes(const mico_plan_tensor *x, size_t n, mico_rng *rng, uint8_t *out)
{
    const int lo = mico_q_min(x->format.width, x->format.is_signed);
    const int hi = mico_q_max(x->format.width, x->format.is_signed);
    const int step = x->format.width == 1 && x->format.is_signed ? 2 : 1;

    for (size_t i = 0; i < n; i++)
        out[i] =
            (uint8_t)((int)x->zero + lo +
                      step * (int)mico_rng_below(rng, (size_t)((hi - lo) / step + 1)));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Rounds of all candidates in turn: what disturbs one round disturbs them alike. */
static void compete(contender *c, mico_call call, mico_timing *t)
{
    size_t rounds = ROUNDS;

    for (size_t i = 0; i < t->n; i++) {
        time_calls(&c[i], call); /* fills the caches */
        double s = time_calls(&c[i], call);

        while (s * (double)c[i].repeats < ROUND_S / 2) {
            c[i].repeats *= 2;
            s = time_calls(&c[i], call);
        }
        if (s > LONG_CALL_S)
            rounds = 3;
    }
    for (size_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < t->n; i++)
            c[i].call_s[r] = time_calls(&c[i], call);
    for (size_t i = 0; i < t->n; i++) {
        qsort(c[i].call_s, rounds, sizeof c[i].call_s[0], ascending);
        t->image_s[i] = c[i].call_s[rounds / 2] / (double)call.n_images;
    }
}

void mico_tune_measure(const mico_plan *plan, const mico_op *op, mico_timing *t)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const uint8_t *in[MICO_MAX_INPUTS] = {NULL};
    uint8_t *codes[MICO_MAX_INPUTS] = {NULL}, *out;
    contender c[MICO_TUNE_MOST];
    mico_rng *rng = mico_rng_new(1, "tune", 0);
    size_t bytes = y->bytes, n;

    for (size_t i = 0; i < op->n_in; i++)
        bytes += mico_op_input(plan, op, i)->bytes;
    n = TENSOR_BYTES / (bytes + 1);
    n = n < 1 ? 1 : n > IMAGES_MOST ? IMAGES_MOST : n;
    for (size_t i = 0; i < op->n_in; i++) {
        const mico_plan_tensor *x = mico_op_input(plan, op, i);

        in[i] = codes[i] = memory_of(n * x->bytes);
        if (x->format.width != 32) /* int32 and float32 may well be 0 */
            make_codes(x, n * x->bytes, rng, codes[i]);
    }
    out = memory_of(n * y->bytes);
    for (size_t i = 0; i < t->n; i++)
        c[i] = contender_new(plan, op, t->kernel[i]);
    compete(c, (mico_call){.plan = plan, .op = op, .in = in, .out = out, .n_images = n},
            t);
    for (size_t i = 0; i < t->n; i++)
        contender_free(&c[i]);
    for (size_t i = 0; i < op->n_in; i++)
        free(codes[i]);
    free(out);
    mico_rng_free(rng);
}
