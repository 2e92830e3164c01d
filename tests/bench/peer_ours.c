/* peer_ours.c: the kernel that the engine chooses for a shape. */
#include "bench/peers.h"
#include "support/kernels_case.h"

typedef struct ours {
    mico_case *c;
    const mico_kernel *kernel;
    void *packed, *consts, *scratch;
    uint8_t *out;
    size_t batch;
} ours;

static mico_case *make_case(const bench_shape *s, size_t batch, uint8_t weight_bits,
                            uint8_t act_bits)
{
    const bool linear = strcmp(s->kind, "fc") == 0;
    mico_case *c = mico_case_new(linear ? MICO_OP_LINEAR : MICO_OP_CONV);
    mico_rng *rng = mico_rng_new(1, "bench", 0);

    c->node.window =
        (mico_window){s->kh, s->kw,      s->stride_h, s->stride_w,   1,
                      1,     s->pad_top, s->pad_left, s->pad_bottom, s->pad_right};
    c->node.groups = s->groups;
    c->node.c_in = s->c_in;
    c->node.c_out = s->c_out;
    mico_case_tensor(c, 0, linear ? 1 : 3, (size_t[]){s->c_in, s->h, s->w}, act_bits,
                     true);
    mico_case_random(c, 0, batch, rng);
    mico_case_tensor(c, MICO_CASE_OUT, linear ? 1 : 3,
                     (size_t[]){s->c_out, s->oh, s->ow}, act_bits, true);
    c->op.epilogue = mico_case_epilogue(act_bits, true, true);
    mico_case_weights(c, s->c_out, s->taps);
    c->weights.width = weight_bits;
    for (size_t k = 0; k < s->c_out * s->taps; k++)
        c->q[k] = (int8_t)mico_case_value(rng, weight_bits, true);
    mico_case_sums(c);
    for (size_t o = 0; o < s->c_out; o++) {
        c->mult[o] = (1 << 21) + (int32_t)o * 1000;
        c->shift[o] = 34;
    }
    c->op.acc_bound = (int64_t)s->taps * 128 * 128;
    mico_rng_free(rng);
    return c;
}

static size_t part_bytes(size_t bytes)
{
    return (bytes + 127) / 64 * 64;
}

void *bench_ours_open(const bench_shape *s, size_t batch, unsigned weight_bits,
                      unsigned act_bits, const char *isa)
{
    ours *o = mico_xcalloc(1, sizeof *o);
    mico_tuner *tuner = mico_tuner_new(NULL, isa, true);
    const mico_kernel *k;

    o->c = make_case(s, batch, (uint8_t)weight_bits, (uint8_t)act_bits);
    o->batch = batch;
    o->kernel = k = mico_tuner_choose(tuner, &o->c->plan, &o->c->op);
    o->packed =
        mico_xaligned(part_bytes(k->packed_bytes ? k->packed_bytes(&o->c->op) : 0));
    o->consts = mico_xaligned(
        part_bytes(k->consts_bytes ? k->consts_bytes(&o->c->plan, &o->c->op) : 0));
    o->scratch = mico_xaligned(
        part_bytes(k->scratch_bytes ? k->scratch_bytes(&o->c->plan, &o->c->op) : 0));
    o->out = mico_xaligned(part_bytes(batch * o->c->tensor[MICO_CASE_OUT].bytes));
    if (k->pack != NULL)
        k->pack(&o->c->op, o->packed);
    if (k->prepare != NULL)
        k->prepare(&o->c->plan, &o->c->op, o->consts);
    mico_tuner_free(tuner);
    return o;
}

void bench_ours_run(void *ctx)
{
    ours *o = ctx;

    o->kernel->run(&(mico_call){.plan = &o->c->plan,
                                .op = &o->c->op,
                                .packed = o->packed,
                                .consts = o->consts,
                                .in = (const uint8_t *const *)o->c->in,
                                .out = o->out,
                                .n_images = o->batch,
                                .scratch = o->scratch});
}

const char *bench_ours_kernel(void *ctx)
{
    return ((ours *)ctx)->kernel->name;
}

void bench_ours_close(void *ctx)
{
    ours *o = ctx;

    free(o->packed);
    free(o->consts);
    free(o->scratch);
    free(o->out);
    mico_case_free(o->c);
    free(o);
}
