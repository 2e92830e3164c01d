/* finish.c: from raw accumulators to values where the rounding is not half up. */
#include "kernels/round_internal.h"

void mico_finish_tflite_c(const mico_call *call, const int32_t *acc, size_t n_pixels,
                          uint8_t *out)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const size_t c_out = op->weights->c_out;

    for (size_t p = 0; p < n_pixels; p++, acc += c_out, out += c_out)
        for (size_t c = 0; c < c_out; c++)
            mico_value_put(y, &op->epilogue,
                           mico_tflite_scale(acc[c], op->mult[c], op->shift[c]), out,
                           c);
}

/* Codes, or float32 logits. */
void mico_finish_ares_c(const mico_call *call, const int32_t *acc, size_t n_pixels,
                        uint8_t *out)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_epilogue *e = &op->epilogue;
    const size_t c_out = op->weights->c_out;
    const bool logits = y->format.width == 32;

    for (size_t p = 0; p < n_pixels; p++, acc += c_out)
        for (size_t c = 0; c < c_out; c++, out += logits ? sizeof(float) : 1) {
            const float product = (float)acc[c] * op->scale_f32[c];

            if (logits) {
                const float v = product + op->bias_f32[c];

                memcpy(out, &v, sizeof v);
            } else {
                *out = (uint8_t)(e->base +
                                 e->step * mico_ares_round(product, e->lo, e->hi));
            }
        }
}

mico_finish mico_finish_of(mico_rounding rounding)
{
#if MICO_KERNELS_X86
    if (rounding == MICO_ROUND_TFLITE && mico_isa_here("avx512vnni"))
        return mico_finish_tflite_avx512;
    if (rounding == MICO_ROUND_ARES && mico_isa_here("avx512vnni"))
        return mico_finish_ares_avx512;
#endif
    if (rounding == MICO_ROUND_TFLITE)
        return mico_finish_tflite_c;
    if (rounding == MICO_ROUND_ARES)
        return mico_finish_ares_c;
    return NULL;
}
