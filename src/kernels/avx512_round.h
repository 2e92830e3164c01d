/* avx512_round.h: the roundings of profiles ares and tflite for 16 accumulators. */
#ifndef MICO_KERNELS_AVX512_ROUND_H
#define MICO_KERNELS_AVX512_ROUND_H

#include "kernels/avx512_internal.h"
#include "kernels/round_internal.h"

#if MICO_KERNELS_X86

/* Multipliers of profile tflite, 16 lanes: mult/2^31, then a shift to the right;
 * before both, one to the left. */
typedef struct mico_scale16 {
    __m512i mult, mult_odd; /* odd lanes moved to the even ones */
    __m512i left, right, mask, half;
} mico_scale16;

MICO_INLINE mico_scale16 mico_scale16_of(__m512i mult, __m512i shift)
{
    const __m512i none = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
    mico_scale16 s;

    shift = _mm512_sub_epi32(shift, _mm512_set1_epi32(31));
    s.mult = mult;
    s.mult_odd = _mm512_srli_epi64(mult, 32);
    s.left = _mm512_max_epi32(_mm512_sub_epi32(none, shift), none);
    s.right = _mm512_max_epi32(shift, none);
    s.mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, s.right), one);
    s.half = _mm512_srli_epi32(s.mask, 1);
    return s;
}

/* mico_tflite_scale of 16 values: the products of even and odd lanes have 64 bits, of
 * which bits 31..62 are the rounded high halves. */
MICO_INLINE __m512i mico_scale_16(__m512i v, const mico_scale16 *s)
{
    const __m512i nudge = _mm512_set1_epi64((int64_t)1 << 30);
    const __m512i one = _mm512_set1_epi32(1);
    __m512i even, odd, high, half;

    v = _mm512_sllv_epi32(v, s->left);
    even = _mm512_add_epi64(_mm512_mul_epi32(v, s->mult), nudge);
    odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(v, 32), s->mult_odd),
                           nudge);
    high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31),
                                   _mm512_slli_epi64(odd, 1));
    half = _mm512_sub_epi32(s->half, _mm512_srai_epi32(high, 31));
    v = _mm512_srav_epi32(high, s->right);
    return _mm512_mask_add_epi32(
        v, _mm512_cmpgt_epi32_mask(_mm512_and_si512(high, s->mask), half), v, one);
}

/* rne(acc * scale) between lo and hi, profile ares. */
MICO_INLINE __m512i mico_ares_16(__m512 v, __m512 lo, __m512 hi)
{
    return _mm512_cvt_roundps_epi32(_mm512_min_ps(_mm512_max_ps(v, lo), hi),
                                    _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* True if an op of such a rounding has bytes in and out. */
static inline bool mico_round_narrow(const mico_plan *plan, const mico_op *op)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);

    return (op->rounding == MICO_ROUND_ARES || op->rounding == MICO_ROUND_TFLITE) &&
           mico_op_input(plan, op, 0)->format.width != 32 &&
           mico_epilogue_narrow(y, &op->epilogue);
}

#endif
#endif
