/* avx512_mac.c: packing, constants and the last steps of conv and linear with VNNI. */
#include "kernels/avx512_mac.h"

#include "kernels/avx512_add.h"

#if MICO_KERNELS_X86

size_t mico_mac_groups(size_t c_out)
{
    return (c_out + 15) / 16;
}

size_t mico_mac_block(size_t groups_left)
{
    return groups_left >= 4 ? 4 : groups_left >= 2 ? 2 : 1;
}

size_t mico_mac_packed_bytes(size_t c_out, size_t n_rows, size_t run)
{
    return mico_mac_groups(c_out) * n_rows * ((run + 3) / 4) * 64;
}

void mico_mac_pack_channel(const int8_t *q, size_t channel, size_t c_out, size_t n_rows,
                           size_t run, void *packed)
{
    const size_t groups = mico_mac_groups(c_out), quads = (run + 3) / 4;
    const size_t group = channel / 16;
    size_t first = 0, block;

    for (; block = mico_mac_block(groups - first), group >= first + block;)
        first += block;
    for (size_t row = 0; row < n_rows; row++)
        for (size_t k = 0; k < run; k++) {
            const size_t quad =
                (first * n_rows + row * block) * quads + k / 4 * block + group - first;

            ((int8_t *)packed)[64 * quad + channel % 16 * 4 + k % 4] = *q++;
        }
}

void mico_mac_pack(const int8_t *q, size_t c_out, size_t n_rows, size_t run,
                   void *packed)
{
    memset(packed, 0, mico_mac_packed_bytes(c_out, n_rows, run));
    for (size_t c = 0; c < c_out; c++)
        mico_mac_pack_channel(q + c * n_rows * run, c, c_out, n_rows, run, packed);
}

/* ---- what is supported --------------------------------------------------------- */

bool mico_avx512_mac_ok(const mico_plan *plan, const mico_op *op)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);

    if (mico_op_input(plan, op, 0)->format.width == 32 ||
        op->rounding != MICO_ROUND_HALF_UP)
        return false;
    return y->format.width == 32 || mico_epilogue_narrow(y, &op->epilogue);
}

bool mico_mac_ok(const mico_plan *plan, const mico_op *op)
{
    if (op->rounding == MICO_ROUND_HALF_UP)
        return mico_avx512_mac_ok(plan, op);
    return mico_op_input(plan, op, 0)->format.width != 32 &&
           mico_finish_of(op->rounding) != NULL;
}

bool mico_mac_fuses(const mico_plan *plan, const mico_op *op, const mico_op *add)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);

    return mico_avx512_mac_ok(plan, op) && y->format.width != 32 &&
           mico_vec_add_ok(plan, add) && add->n_in == 2 &&
           (add->in[0] == op->out) != (add->in[1] == op->out) &&
           mico_op_input(plan, add, 0)->bytes == y->bytes &&
           mico_op_input(plan, add, 1)->bytes == y->bytes &&
           mico_op_output(plan, add)->bytes == y->bytes;
}

/* ---- constants ----------------------------------------------------------------- */

#define HEADER_BYTES 64 /* the store */

static size_t lanes_of(const mico_op *op)
{
    const size_t groups = op->node != NULL ? op->node->groups : 1;

    return groups * mico_mac_groups(op->weights->c_out / groups) * 16;
}

size_t mico_mac_consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return HEADER_BYTES +
           lanes_of(op) * (sizeof(double) + sizeof(float) + sizeof(int32_t));
}

static mico_mac_consts consts_at(const mico_op *op, const void *consts)
{
    const size_t lanes = lanes_of(op);
    const double *scale = (const double *)((const char *)consts + HEADER_BYTES);
    const float *scale_f = (const float *)(scale + lanes);

    return (mico_mac_consts){scale, scale_f, (const int32_t *)(scale_f + lanes)};
}

/* True if the proof for float32 in avx512_mac.h holds for channel c. */
static bool float_holds(const mico_op *op, size_t zero, size_t c)
{
    const int64_t q_max = (int64_t)(zero > 255 - zero ? zero : 255 - zero);
    const int64_t bias = op->bias[c] < 0 ? -(int64_t)op->bias[c] : op->bias[c];
    const int64_t bound = bias + q_max * op->weights->abs_sum[c];

    return bound <= 1 << 24 && op->mult[c] < 1 << 24 &&
           (double)bound * mico_scale_of(op->mult[c], op->shift[c]) < (1 << 30) - 512;
}

static mico_mac_store store_of(const mico_plan *plan, const mico_op *op)
{
    const size_t zero = mico_op_input(plan, op, 0)->zero;

    if (op->rounding != MICO_ROUND_HALF_UP ||
        mico_op_output(plan, op)->format.width == 32)
        return MICO_STORE_RAW;
    for (size_t c = 0; c < op->weights->c_out; c++)
        if (!float_holds(op, zero, c))
            return MICO_STORE_DOUBLE;
    return MICO_STORE_FLOAT;
}

void mico_mac_prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const mico_qweights *w = op->weights;
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    const mico_mac_store store = store_of(plan, op);
    const size_t groups = op->node != NULL ? op->node->groups : 1;
    const size_t per_group = w->c_out / groups;
    const mico_mac_consts at = consts_at(op, consts);
    double *scale = (double *)(uintptr_t)at.scale;
    float *scale_f = (float *)(uintptr_t)at.scale_f;
    int32_t *bias = (int32_t *)(uintptr_t)at.bias;

    memset(consts, 0, mico_mac_consts_bytes(plan, op));
    memcpy(consts, &store, sizeof store);
    for (size_t c = 0; c < w->c_out; c++) {
        const size_t lane =
            c / per_group * mico_mac_groups(per_group) * 16 + c % per_group;

        /* Modulo 2^32, as the accumulation is: only the final sum must fit. */
        bias[lane] = (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)w->sum[c]);
        if (store == MICO_STORE_RAW)
            continue;
        scale[lane] = mico_scale_of(op->mult[c], op->shift[c]);
        scale_f[lane] = (float)scale[lane];
    }
}

/* ---- a call -------------------------------------------------------------------- */

MICO_AVX512 mico_mac mico_mac_new(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_epilogue *e = &op->epilogue;
    const int low = e->lo + 128;
    mico_mac m;

    memset(&m, 0, sizeof m);
    memcpy(&m.store, call->consts, sizeof m.store);
    m.packed = call->packed;
    m.consts = consts_at(op, call->consts);
    m.c_out = op->weights->c_out;
    m.out_step = m.c_out * (m.store == MICO_STORE_RAW ? 4 : 1);
    if (m.store == MICO_STORE_RAW)
        return m;
    m.narrow = mico_vec_epilogue_of(e);
    m.addend = _mm512_set1_ps(0.5F - (float)low);
    m.top = _mm512_set1_epi8((char)(e->hi - low));
    m.twice = _mm512_set1_epi8((char)(e->step == 2 ? -1 : 0));
    m.offset = _mm512_set1_epi8((char)(uint8_t)(e->base + e->step * low));
    return m;
}

mico_mac mico_mac_of_group(const mico_mac *mac, const mico_op *op, size_t group,
                           size_t packed_bytes)
{
    const size_t groups = op->node->groups, c_out = op->weights->c_out / groups;
    const size_t lanes = mico_mac_groups(c_out) * 16;
    mico_mac m = *mac;

    m.c_out = c_out;
    m.packed += group * packed_bytes;
    m.consts.scale += group * lanes;
    m.consts.scale_f += group * lanes;
    m.consts.bias += group * lanes;
    return m;
}

/* int32 outputs with multipliers: requantises stored accumulators in place. */
static void finish_wide(const mico_op *op, const mico_plan_tensor *y, uint8_t *out,
                        size_t n)
{
    const size_t c_out = op->weights->c_out;

    for (size_t i = 0; i < n * c_out; i++) {
        const size_t c = i % c_out;

        mico_value_put(
            y, &op->epilogue,
            mico_requantize(mico_value_get(y, out, i), op->mult[c], op->shift[c]), out,
            i);
    }
}

void mico_mac_after(const mico_call *call, size_t first, size_t n)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const size_t c_out = op->weights->c_out, from = first * c_out;

    if (op->rounding != MICO_ROUND_HALF_UP)
        return;
    if (y->format.width == 32 && op->mult != NULL)
        finish_wide(op, y, call->out + 4 * from, n);
    if (call->add != NULL) {
        const mico_vec_add k = mico_vec_add_of(call->plan, call->add);
        const bool left = call->add->in[0] == op->out;
        const uint8_t *ours = call->out + from, *other = call->other + from;

        mico_vec_add_run(&k, left ? ours : other, left ? other : ours, call->out + from,
                         n * c_out);
    }
}

size_t mico_mac_line_bytes(const mico_op *op, size_t pixels)
{
    if (op->rounding == MICO_ROUND_HALF_UP)
        return 0;
    return mico_round_up(pixels * op->weights->c_out * sizeof(int32_t), 64);
}

/* ---- pixels in one line -------------------------------------------------------- */

#define LINE        ((size_t)192) /* pixels at once */
#define FINISH_LINE ((size_t)48)  /* where they wait for a finish */

size_t mico_mac_run_line_scratch(const mico_op *op, size_t run)
{
    return mico_mac_line_bytes(op, FINISH_LINE) + mico_round_up(run + 8, 64);
}

static void run_pixels(const mico_call *call, const mico_mac *m, const uint8_t *in,
                       const uint32_t *from, const uint32_t *to, size_t first, size_t n)
{
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    const mico_finish finish = mico_finish_of(call->op->rounding);
    const size_t value_bytes = mico_value_bytes(y);
    uint8_t *out = call->out + first * m->c_out * value_bytes;

    if (call->op->rounding == MICO_ROUND_HALF_UP) {
        mico_mac_pixels(m, in, from, to, n, out);
        mico_mac_after(call, first, n);
    } else {
        mico_mac_pixels(m, in, from, to, n, call->scratch);
        finish(call, call->scratch, n, out);
    }
}

void mico_mac_run_line(const mico_call *call, const mico_mac *mac, size_t run, size_t n)
{
    const size_t waits = mico_mac_line_bytes(call->op, FINISH_LINE);
    const size_t most = waits > 0 ? FINISH_LINE : LINE;
    const size_t over = (4 - run % 4) % 4; /* bytes that the last quad sticks out */
    const size_t copied = (over + run - 1) / run, alone = copied < n ? copied : n;
    const uint8_t *in = call->in[0];
    uint32_t from[LINE], to[LINE];
    mico_mac m = *mac;

    m.all_quads = m.quads = (run + 3) / 4;
    m.all_rows = m.n_rows = 1;
    m.line = LINE;
    m.in_step = run;
    for (size_t i = 0; i < LINE && i < n; i++) {
        from[i] = (uint32_t)(i * run);
        to[i] = (uint32_t)(i * m.out_step);
    }
    for (size_t x = 0, count; x + alone < n; x += count) {
        count = n - alone - x < most ? n - alone - x : most;
        run_pixels(call, &m, in + x * run, from, to, x, count);
    }
    if (alone > 0) {
        uint8_t *copy = (uint8_t *)call->scratch + waits;

        memset(copy, 0, mico_round_up(run + 8, 64));
        memcpy(copy, in + (n - alone) * run, alone * run);
        run_pixels(call, &m, copy, from, to, n - alone, alone);
    }
}

#endif
