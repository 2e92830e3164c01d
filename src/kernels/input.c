/* input.c: raw images to codes: the input op, and the only place that sees (C,H,W). */
#include "kernels/avx512_table.h"
#include "kernels/float_internal.h"

static bool is_float(const mico_plan *plan)
{
    return plan->op[0].rounding == MICO_ROUND_FLOAT;
}

/* True if all channels have the same preprocessing, and so the same table. */
static bool all_alike(const mico_op *op, size_t channels)
{
    if (op->mul == NULL || op->add == NULL)
        return false;
    for (size_t c = 1; c < channels; c++)
        if (op->mul[c] != op->mul[0] || op->add[c] != op->add[0])
            return false;
    return true;
}

/* Codes of n images by the table lut[c*256 + (raw byte ^ flip)]; flip 128 turns the
 * byte of a signed value v into v + 128. */
static void input_bytes(const mico_plan *plan, const uint8_t *lut, uint8_t flip,
                        const uint8_t *raw, uint8_t *out, size_t n)
{
    const mico_plan_tensor *y = &plan->tensor[plan->op[0].out];
    mico_extent e = mico_extent_of(y);

    if (e.h * e.w == 1 && all_alike(&plan->op[0], e.c))
        e = (mico_extent){1, 1, e.c};
    const size_t map = e.h * e.w;

#if MICO_KERNELS_X86
    if (mico_input_vbmi(&e, lut, flip, raw, out, n))
        return;
#endif
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
    if (is_float(plan))
        mico_float_input_u8(plan, raw, out, n);
    else
        input_bytes(plan, plan->op[0].lut_u8, 0, raw, out, n);
}

void mico_input_s8(const mico_plan *plan, const int8_t *raw, uint8_t *out, size_t n)
{
    if (is_float(plan))
        mico_float_input_s8(plan, raw, out, n);
    else
        input_bytes(plan, plan->op[0].lut_s8, 128, (const uint8_t *)raw, out, n);
}

void mico_input_f32(const mico_plan *plan, const float *raw, uint8_t *out, size_t n)
{
    const mico_op *op = &plan->op[0];
    const mico_plan_tensor *y = &plan->tensor[op->out];
    const mico_extent e = mico_extent_of(y);
    const size_t map = e.h * e.w;

    if (is_float(plan)) {
        mico_float_input_f32(plan, raw, out, n);
        return;
    }
#if MICO_KERNELS_X86
    if (mico_input_wide(op, y, raw, out, n))
        return;
#endif
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < e.c; c++) {
            uint8_t *to = out + i * y->bytes + c;

            for (size_t p = 0; p < map; p++) {
                double x = (double)*raw++ * (double)op->mul[c] + (double)op->add[c];

                to[p * e.c] = mico_input_code(y, op->rounding, x);
            }
        }
}
