/* avx512_float.h: float32 pieces of the profiles dynamic and mico in AVX-512: the same
 * operations in the same order as in float_internal.h. */
#ifndef MICO_KERNELS_AVX512_FLOAT_H
#define MICO_KERNELS_AVX512_FLOAT_H

#include "kernels/avx512_internal.h"
#include "kernels/float_internal.h"

#if MICO_KERNELS_X86

/* ---- statistics ------------------------------------------------------------------ */

/* max > |x| ? max : |x|, but not-a-number never counts. */
MICO_INLINE __m512 mico_vec_larger(__m512 max, __m512 x)
{
    return _mm512_max_ps(_mm512_abs_ps(x), max);
}

/* Adds times * |x| of 16 values to as many partial sums; the products are exact. */
MICO_INLINE void mico_vec_sum(__m512d *low, __m512d *high, __m512 x, __m512d times)
{
    const __m512 v = _mm512_abs_ps(x);
    const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));

    *low = _mm512_add_pd(*low, _mm512_mul_pd(times, a));
    *high = _mm512_add_pd(*high, _mm512_mul_pd(times, b));
}

/* max|x| of n values, and of max. */
float mico_avx512_max(const float *x, size_t n, float max);

/* partial[i % 16] += times * |x[i]| */
void mico_avx512_sum(const float *x, size_t n, double times, double *partial);

/* The scale of all n values of a layer's input. */
mico_float_scale mico_avx512_scale(const mico_op *op, const float *x, size_t n);

/* ---- integers -------------------------------------------------------------------- */

typedef struct mico_vec_quant {
    __m512 lo, hi, half, minus; /* half: the float below 1/2; minus: the sign bit */
    bool away;
} mico_vec_quant;

MICO_INLINE mico_vec_quant mico_vec_quant_of(const mico_op *op)
{
    return (mico_vec_quant){
        _mm512_set1_ps(mico_float_lo(op)), _mm512_set1_ps(mico_float_hi(op)),
        _mm512_set1_ps(0x1.fffffep-2f), _mm512_set1_ps(-0.0f), op->act_blocks};
}

/* q of 16 values, not in the 1-bit signed format. Adding the float below 1/2 and
 * cutting rounds half away from zero: the sum of n + 1/2 rounds up to n + 1, that of
 * anything less stays below. */
MICO_INLINE __m512i mico_vec_q(__m512 x, __m512 k, const mico_vec_quant *q)
{
    __m512 v = _mm512_mul_ps(x, k);

    v = _mm512_min_ps(_mm512_max_ps(v, q->lo), q->hi);
    if (!q->away)
        return _mm512_cvt_roundps_epi32(v,
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm512_cvttps_epi32(
        _mm512_add_ps(v, _mm512_or_ps(q->half, _mm512_and_ps(v, q->minus))));
}

/* Codes (zero 128 signed, 0 unsigned) of n values. */
void mico_avx512_codes(const mico_op *op, const float *x, size_t n, float k,
                       uint8_t *codes);

/* ---- results --------------------------------------------------------------------- */

MICO_INLINE __m512 mico_vec_clip(__m512 y, __m512 lo, __m512 hi)
{
    return _mm512_min_ps(hi, _mm512_max_ps(lo, y));
}

/* Loads and stores of up to 16 values; whole vectors take the short way. */
MICO_INLINE __m512 mico_vec_load(const float *x, __mmask16 mask)
{
    return mask == 0xffff ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(mask, x);
}

MICO_INLINE void mico_vec_store(float *y, __mmask16 mask, __m512 v)
{
    if (mask == 0xffff)
        _mm512_storeu_ps(y, v);
    else
        _mm512_mask_storeu_ps(y, mask, v);
}

#endif
#endif
