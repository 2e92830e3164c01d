/* input.c: raw images to codes: the input op, and the only place that sees (C,H,W). */
#include "kernels/kernels_internal.h"

/* Codes of n images by the table lut[c*256 + (raw byte ^ flip)]; flip 128 turns the
 * byte of a signed value v into v + 128. */
static void input_bytes(const mico_plan *plan, const uint8_t *lut, uint8_t flip,
                        const uint8_t *raw, uint8_t *out, size_t n)
{
    const mico_plan_tensor *y = &plan->tensor[plan->op[0].out];
    const mico_extent e = mico_extent_of(y);
    const size_t map = e.h * e.w;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < e.c; c++) {
            const uint8_t *row = lut + c * 256;
            uint8_t *to = out + i * y->bytes + c;

            for (size_t p = 0; p < map; p++)
                to[p * e.c] = row[*raw++ ^ flip];
        }
}

void mico_input_u8(const mico_plan *plan, const uint8_t *raw, uint8_t *out, size_t n)
{
    input_bytes(plan, plan->op[0].lut_u8, 0, raw, out, n);
}

void mico_input_s8(const mico_plan *plan, const int8_t *raw, uint8_t *out, size_t n)
{
    input_bytes(plan, plan->op[0].lut_s8, 128, (const uint8_t *)raw, out, n);
}

void mico_input_f32(const mico_plan *plan, const float *raw, uint8_t *out, size_t n)
{
    const mico_op *op = &plan->op[0];
    const mico_plan_tensor *y = &plan->tensor[op->out];
    const mico_format *f = &y->format;
    const mico_extent e = mico_extent_of(y);
    const size_t map = e.h * e.w;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < e.c; c++) {
            uint8_t *to = out + i * y->bytes + c;

            for (size_t p = 0; p < map; p++) {
                double x = (double)*raw++ * (double)op->mul[c] + (double)op->add[c];
                int q = mico_act_quantize(x, f->width, f->is_signed, f->scale);

                to[p * e.c] = (uint8_t)(q + (int)y->zero);
            }
        }
}
