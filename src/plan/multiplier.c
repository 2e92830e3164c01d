/* Normalised integer multipliers of real ratios: docs/INTEGER.md section 5. */
#include "plan/plan_internal.h"

#include <math.h>

mico_status mico_multiplier(double ratio, unsigned bits, int32_t *mult, uint8_t *shift,
                            mico_err *err)
{
    int exponent, s;
    double m;

    if (!(ratio > 0) || isinf(ratio))
        return mico_fail(err, MICO_ESCHEME,
                         "multiplier: %g is not a positive ratio of scales", ratio);
    if (ratio > ldexp(1, (int)bits - 2))
        return mico_fail(
            err, MICO_ESCHEME,
            "multiplier: ratio %g of scales is above 2^%u; the calibration saw "
            "almost nothing in the output",
            ratio, bits - 2);
    m = nearbyint(ldexp(frexp(ratio, &exponent), (int)bits));
    s = (int)bits - exponent;
    if (m == ldexp(1, (int)bits)) { /* rounded up to the next power of two */
        m /= 2;
        s--;
    }
    if (s > MAX_SHIFT) {
        s = MAX_SHIFT;
        m = nearbyint(ldexp(ratio, s));
    }
    *mult = (int32_t)m;
    *shift = (uint8_t)s;
    return MICO_OK;
}
