/* input_code.c: the code of one preprocessed input value, by the rounding's rule. */
#include "plan/plan_internal.h"

#include <math.h>

/* rne(x/s), all in float32, as the study's framework quantises. */
static int ares_quantize(double x, const mico_format *f)
{
    const float ratio = (float)x / (float)f->scale;

    if (f->width == 1 && f->is_signed)
        return ratio > 0 ? 1 : -1;
    if (isnan(ratio))
        return 0;
    return (int)round_clip((double)ratio, mico_q_min(f->width, f->is_signed),
                           mico_q_max(f->width, f->is_signed));
}

uint8_t mico_input_code(const mico_plan_tensor *t, mico_rounding rounding, double x)
{
    const mico_format *f = &t->format;
    const int zero = (int)t->zero;

    if (rounding == MICO_ROUND_TFLITE) /* the code of 0 is not in the middle */
        return (
            uint8_t)(zero +
                     (isnan(x) ? 0 : (int)round_clip(x / f->scale, -zero, 255 - zero)));
    if (rounding == MICO_ROUND_ARES)
        return (uint8_t)(zero + ares_quantize(x, f));
    return (uint8_t)(zero + mico_act_quantize(x, f->width, f->is_signed, f->scale));
}
