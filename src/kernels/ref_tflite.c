/* ref_tflite.c: portable add and average pool of profile tflite. */
#include "kernels/round_internal.h"

#define ADD_LEFT_SHIFT 20

/* One input of the add, in units of twice the larger scale / 2^20. */
static int32_t addend(const mico_op *op, int32_t q, size_t k)
{
    return mico_tflite_scale(q * (1 << ADD_LEFT_SHIFT), op->mult[k], op->shift[k]);
}

/* An input is one of 256 codes, so it is looked up. */
static void add_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    int32_t table[2][256];

    for (size_t k = 0; k < 2; k++)
        for (int32_t code = 0; code < 256; code++)
            table[k][code] =
                addend(op, code - (int32_t)mico_op_input(call->plan, op, k)->zero, k);
    for (size_t i = 0; i < call->n_images * y->bytes; i++) {
        const int32_t sum = table[0][call->in[0][i]] + table[1][call->in[1][i]];

        mico_value_put(y, &op->epilogue,
                       mico_tflite_scale(sum, op->mult[2], op->shift[2]), call->out, i);
    }
}

/* The mean of the int8 values themselves, zero point included, so that halves go away
 * from the int8 zero. */
static void avgpool_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_extent e = mico_extent_of(y);
    const int64_t area = (int64_t)(op->node->window.kh * op->node->window.kw);
    const int64_t zero = (int64_t)x->zero - 128;
    int32_t *sum = call->scratch;
    uint8_t *out = call->out;

    for (size_t n = 0; n < call->n_images; n++)
        for (size_t p = 0; p < e.h * e.w; p++) {
            const int64_t taps = (int64_t)mico_pool_sums(x, &op->node->window,
                                                         call->in[0] + n * x->bytes,
                                                         p / e.w, p % e.w, sum);
            /* padding that counts is real 0 */
            const int64_t more = op->node->count_include_pad ? area - taps : 0;

            for (size_t c = 0; c < e.c; c++)
                *out++ =
                    (uint8_t)(128 + mico_divide_away(sum[c] - 128 * taps + more * zero,
                                                     taps + more));
        }
}

#define TFLITE_KERNEL(stem, KIND, ...)                                                 \
    static bool stem##_supports(const mico_plan *plan, const mico_op *op)              \
    {                                                                                  \
        (void)plan;                                                                    \
        return op->kind == MICO_OP_##KIND && op->rounding == MICO_ROUND_TFLITE;        \
    }                                                                                  \
    const mico_kernel mico_kernel_##stem##_tflite_c = {.name = #stem "_tflite_c",      \
                                                       .isa = "c",                     \
                                                       .supports = stem##_supports,    \
                                                       .run = stem##_run,              \
                                                       __VA_ARGS__};
TFLITE_KERNEL(add, ADD, .scratch_bytes = NULL)
TFLITE_KERNEL(avgpool, AVGPOOL, .scratch_bytes = mico_pool_scratch_bytes)
