/* avx512_linear.c: linear layers with VNNI: the images of the batch are the pixels. */
#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

/* Rows that are not whole quads are copied, this many at once, with a cleared tail. */
#define COPY_ROWS ((size_t)16)

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_LINEAR && mico_avx512_mac_ok(plan, op);
}

static size_t packed_bytes(const mico_op *op)
{
    return mico_mac_packed_bytes(op->weights->c_out, 1, op->weights->taps);
}

static void pack(const mico_op *op, void *packed)
{
    mico_mac_pack(op->weights->q, op->weights->c_out, 1, op->weights->taps, packed);
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const size_t taps = op->weights->taps;

    (void)plan;
    return taps % 4 != 0 ? mico_round_up(COPY_ROWS * mico_round_up(taps, 4), 64) : 0;
}

static void run_line(mico_mac_line line)
{
    const size_t groups = mico_mac_groups(line.c_out);

    for (size_t first = 0; first < groups; first += mico_mac_block(groups - first))
        mico_mac_run(&line, first);
}

static void run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const void *packed = call->packed;
    void *scratch = call->scratch;
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t taps = op->weights->taps, copied = mico_round_up(taps, 4);
    const mico_mac_consts consts = mico_mac_consts_of(call);
    uint8_t *rows = scratch;
    mico_mac_line line = {.in = in[0],
                          .in_step = taps,
                          .n_rows = 1,
                          .quads = copied / 4,
                          .n = n_images,
                          .packed = packed,
                          .consts = &consts,
                          .epilogue = &op->epilogue,
                          .out = out,
                          .out_step = y->bytes,
                          .c_out = op->weights->c_out,
                          .raw = y->format.width == 32};

    if (taps == copied) {
        run_line(line);
    } else {
        memset(rows, 0, COPY_ROWS * copied);
        line.in = rows;
        line.in_step = copied;
        for (size_t n = 0; n < n_images; n += COPY_ROWS) {
            line.n = n_images - n < COPY_ROWS ? n_images - n : COPY_ROWS;
            line.out = out + n * y->bytes;
            for (size_t i = 0; i < line.n; i++)
                memcpy(rows + i * copied, in[0] + (n + i) * taps, taps);
            run_line(line);
        }
    }
    mico_mac_finish_wide(plan, op, out, n_images);
}

const mico_kernel mico_kernel_linear_avx512vnni = {.name = "linear_avx512vnni",
                                                   .isa = "avx512vnni",
                                                   .supports = supports,
                                                   .packed_bytes = packed_bytes,
                                                   .pack = pack,
                                                   .consts_bytes =
                                                       mico_mac_consts_bytes,
                                                   .prepare = mico_mac_prepare,
                                                   .scratch_bytes = scratch_bytes,
                                                   .run = run};

#endif
