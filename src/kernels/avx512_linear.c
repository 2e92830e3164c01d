/* avx512_linear.c: linear layers with VNNI: the images of the batch are the pixels. */
#include "kernels/avx512_mac.h"

#if MICO_KERNELS_X86

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_LINEAR && mico_mac_ok(plan, op);
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
    (void)plan;
    return mico_mac_run_line_scratch(op, op->weights->taps);
}

static void run(const mico_call *call)
{
    const mico_mac mac = mico_mac_new(call);

    mico_mac_run_line(call, &mac, call->op->weights->taps, call->n_images);
}

const mico_kernel mico_kernel_linear_avx512vnni = {.name = "linear_avx512vnni",
                                                   .isa = "avx512vnni",
                                                   .supports = supports,
                                                   .fuses = mico_mac_fuses,
                                                   .packed_bytes = packed_bytes,
                                                   .pack = pack,
                                                   .consts_bytes =
                                                       mico_mac_consts_bytes,
                                                   .prepare = mico_mac_prepare,
                                                   .scratch_bytes = scratch_bytes,
                                                   .run = run};

#endif
