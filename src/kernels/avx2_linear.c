/* avx2_linear.c: linear layers with AVX2: the images of the batch are the pixels. */
#include "kernels/avx2_internal.h"

#if MICO_KERNELS_X86

/* Rows that are widened, or not whole quads, are copied, this many at once. */
#define COPY_ROWS ((size_t)32)

static mico_avx2_weights weights_of(const mico_op *op)
{
    return (mico_avx2_weights){op->weights->q, op->weights->c_out, 1,
                               op->weights->taps};
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_LINEAR && mico_avx2_mac_ok(plan, op);
}

static uint64_t depth_of(const mico_op *op)
{
    const mico_avx2_weights w = weights_of(op);

    return mico_avx2_depth(&w, 2 * mico_avx2_steps(w.run, 1));
}

static size_t bytes_at(const mico_op *op, uint64_t depth)
{
    const mico_avx2_weights w = weights_of(op);

    return MICO_AVX2_HEADER + mico_avx2_packed_bytes(&w, depth);
}

static void pack_at(const mico_op *op, uint64_t depth, void *packed)
{
    const mico_avx2_weights w = weights_of(op);
    const mico_avx2_header header = {depth};

    memset(packed, 0, MICO_AVX2_HEADER);
    memcpy(packed, &header, sizeof header);
    mico_avx2_pack(&w, header.depth, (int8_t *)packed + MICO_AVX2_HEADER);
}

MICO_AVX2_PACKERS

/* As much as widened codes need (only the packed weights know), then accumulators that
 * another rounding finishes. */
static size_t rows_bytes(const mico_op *op)
{
    return mico_round_up(COPY_ROWS * 4 * mico_avx2_steps(op->weights->taps, 0), 64);
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return rows_bytes(op) +
           (op->rounding == MICO_ROUND_HALF_UP
                ? 0
                : mico_round_up(COPY_ROWS * op->weights->c_out * 4, 64));
}

static void copy_rows(mico_avx2_line *line, const uint8_t *from, size_t taps,
                      uint8_t *rows)
{
    for (size_t i = 0; i < line->n; i++, from += taps) {
        uint8_t *to = rows + i * line->in_step;

        if (line->depth > 0)
            memcpy(to, from, taps);
        else
            mico_avx2_widen(from, taps, (uint16_t *)(void *)to);
    }
    line->in = rows;
}

/* COPY_ROWS images at a time, copied and finished where it is necessary. */
static void run_lines(const mico_call *call, mico_avx2_line line)
{
    const mico_op *op = call->op;
    const size_t taps = op->weights->taps,
                 bytes = mico_op_output(call->plan, op)->bytes;
    const mico_finish finish = mico_finish_of(op->rounding);
    const bool copy = line.depth == 0 || taps % 4 != 0;
    int32_t *acc = (int32_t *)(void *)((uint8_t *)call->scratch + rows_bytes(op));

    if (copy) {
        line.in_step = 4 * line.steps;
        memset(call->scratch, 0, COPY_ROWS * line.in_step);
    }
    for (size_t n = 0; n < call->n_images; n += line.n) {
        const size_t left = call->n_images - n;

        line.n = left < COPY_ROWS ? left : COPY_ROWS;
        line.in = call->in[0] + n * taps;
        line.out = finish != NULL ? (uint8_t *)acc : call->out + n * bytes;
        if (copy)
            copy_rows(&line, line.in, taps, call->scratch);
        mico_avx2_run(line, 1, 0, 0);
        if (finish != NULL)
            finish(call, acc, line.n, call->out + n * bytes);
    }
}

static void run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const bool raw = y->format.width == 32 || op->rounding != MICO_ROUND_HALF_UP;
    const double *scale = call->consts;
    mico_avx2_header header;

    memcpy(&header, call->packed, sizeof header);
    run_lines(call, (mico_avx2_line){
                        .in_step = op->weights->taps,
                        .n_rows = 1,
                        .n_columns = 1,
                        .steps = mico_avx2_steps(op->weights->taps, header.depth),
                        .packed = (const int8_t *)call->packed + MICO_AVX2_HEADER,
                        .depth = header.depth,
                        .scale = scale,
                        .bias = (const int32_t *)(scale +
                                                  mico_avx2_lanes(op->weights->c_out)),
                        .epilogue = &op->epilogue,
                        .out_step = op->weights->c_out * (raw ? 4 : 1),
                        .c_out = op->weights->c_out,
                        .raw = raw});
    mico_avx2_finish_wide(call->plan, op, call->out, call->n_images);
}

MICO_AVX2_ENTRIES(linear, mico_avx2_consts_bytes, mico_avx2_prepare)

#endif
