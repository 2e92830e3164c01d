/* round_internal.h: the roundings of profiles ares and tflite, as scalars.
 *
 * docs/INTEGER.md sections 10.3 and 10.4. What the portable kernels are made of; the
 * vector code of avx512_round.c computes the same numbers. */
#ifndef MICO_ROUND_INTERNAL_H
#define MICO_ROUND_INTERNAL_H

#include "kernels/kernels_internal.h"

/* ---- tflite ---------------------------------------------------------------------- */

/* floor(v * mult / 2^31 + 1/2), what gemmlowp's saturating rounding doubling high
 * multiplication computes where mult >= 0. */
static inline int32_t mico_tflite_high(int32_t v, int32_t mult)
{
    return (int32_t)(((int64_t)v * mult + ((int64_t)1 << 30)) >> 31);
}

/* v / 2^n rounded to nearest, halves away from zero; 0 <= n <= 31. */
static inline int32_t mico_tflite_divide(int32_t v, unsigned n)
{
    const int32_t mask = (int32_t)(((int64_t)1 << n) - 1);
    const int32_t rest = v & mask, half = (mask >> 1) + (v < 0);

    return (v >> n) + (rest > half);
}

/* v * mult / 2^shift with both roundings; lowering proved that the left shift fits. */
static inline int32_t mico_tflite_scale(int32_t v, int32_t mult, unsigned shift)
{
    if (shift < 31)
        return mico_tflite_high((int32_t)((int64_t)v * ((int64_t)1 << (31 - shift))),
                                mult);
    return mico_tflite_divide(mico_tflite_high(v, mult), shift - 31);
}

/* a/n rounded to nearest, halves away from zero; n > 0. */
static inline int64_t mico_divide_away(int64_t a, int64_t n)
{
    return a < 0 ? -((n / 2 - a) / n) : (a + n / 2) / n;
}

/* ---- ares ------------------------------------------------------------------------ */

/* rne(v) between lo and hi: clipping first gives the same, lo and hi being integers.
 * Adding and subtracting 1.5 * 2^23 leaves no bit below the units of |v| < 2^22. */
static inline int32_t mico_ares_round(float v, int32_t lo, int32_t hi)
{
    const float big = 0x1.8p23F;

    v = v > (float)lo ? v : (float)lo;
    v = v < (float)hi ? v : (float)hi;
    return (int32_t)((v + big) - big);
}

/* a/n rounded to nearest, halves to even; n > 0. */
static inline int64_t mico_divide_even(int64_t a, int64_t n)
{
    const int64_t quotient = a / n, rest = a % n;
    const int64_t twice = 2 * (rest < 0 ? -rest : rest);

    if (twice > n || (twice == n && quotient % 2 != 0))
        return quotient + (a < 0 ? -1 : 1);
    return quotient;
}

/* ---- pools (ref_round.c) ----------------------------------------------------------
 */

/* Sums of the codes of all channels under the window at (oy, ox), padding left out;
 * returns how many elements each has. Lowering proved that they fit. */
size_t mico_pool_sums(const mico_plan_tensor *x, const mico_window *win,
                      const uint8_t *data, size_t oy, size_t ox, int32_t *sum);

/* Scratch for the sums of an average pool. */
size_t mico_pool_scratch_bytes(const mico_plan *plan, const mico_op *op);

/* ---- finishes (finish.c, avx512_round.c) ------------------------------------------
 */

void mico_finish_ares_c(const mico_call *call, const int32_t *acc, size_t n_pixels,
                        uint8_t *out);
void mico_finish_tflite_c(const mico_call *call, const int32_t *acc, size_t n_pixels,
                          uint8_t *out);

#if MICO_KERNELS_X86
void mico_finish_ares_avx512(const mico_call *call, const int32_t *acc, size_t n_pixels,
                             uint8_t *out);
void mico_finish_tflite_avx512(const mico_call *call, const int32_t *acc,
                               size_t n_pixels, uint8_t *out);
#endif

#endif
