/* avx512_single.h: the exact requantisation in single precision, 16 lanes at a time.
 *
 * As in avx512_internal.h the result is z = floor(T), T = acc*scale + a, a = 1/2 - lo -
 * 128, which saturating packs and a byte minimum then clamp. Where |acc| <= 2^24, acc,
 * scale = mult*2^-shift (22 bits) and a are floats, so one fma that rounds towards
 * minus infinity gives the largest float t <= T. Let n = floor(T). If |n| <= 2^24, n is
 * a float, hence n <= t <= T < n + 1 and the floor of t is n. Else t lies beyond -2^24
 * or 2^24 as T does, and both clamp alike. mico_single_ok bounds |T| so that t fits
 * into int32. */
#ifndef MICO_KERNELS_AVX512_SINGLE_H
#define MICO_KERNELS_AVX512_SINGLE_H

#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

/* True if |acc| <= bound can be requantised so. */
static inline bool mico_single_ok(int64_t bound, int32_t mult, unsigned shift)
{
    return bound <= (int64_t)1 << 24 && mult >= 0 && mult < 1 << 24 &&
           (double)bound * mico_scale_of(mult, shift) < (double)(1 << 30);
}

/* Constants of an epilogue, in registers. */
typedef struct mico_single {
    __m512 addend;
    __m512i top, offset;
    __mmask64 twice; /* step 2: all lanes */
} mico_single;

MICO_INLINE mico_single mico_single_of(const mico_epilogue *e)
{
    const int low = e->lo + 128;
    mico_single v;

    v.addend = _mm512_set1_ps(0.5f - (float)low);
    v.top = _mm512_set1_epi8((char)(e->hi - low));
    v.offset = _mm512_set1_epi8((char)(uint8_t)(e->base + e->step * low));
    v.twice = e->step == 2 ? ~(__mmask64)0 : 0;
    return v;
}

/* z of 16 accumulators. */
MICO_INLINE __m512i mico_single_round(__m512i acc, __m512 scale, const mico_single *e)
{
    const __m512 t = _mm512_fmadd_round_ps(_mm512_cvtepi32_ps(acc), scale, e->addend,
                                           _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);

    return _mm512_cvt_roundps_epi32(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* The same for any |T|: beyond 2^30 all is above hi, and below -2^31 the conversion's
 * INT32_MIN is below lo. */
MICO_INLINE __m512i mico_single_round_any(__m512i acc, __m512 scale,
                                          const mico_single *e)
{
    const __m512 t = _mm512_fmadd_round_ps(_mm512_cvtepi32_ps(acc), scale, e->addend,
                                           _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);

    return _mm512_cvt_roundps_epi32(_mm512_min_ps(t, _mm512_set1_ps((float)(1 << 30))),
                                    _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Codes of z[0..3], packed within each quarter: four of z[0], of z[1], z[2], z[3]. */
MICO_INLINE __m512i mico_single_codes(const __m512i *z, const mico_single *e)
{
    __m512i y = _mm512_packs_epi16(_mm512_packs_epi32(z[0], z[1]),
                                   _mm512_packs_epi32(z[2], z[3]));

    y = _mm512_min_epi8(y, e->top);
    y = _mm512_mask_add_epi8(y, e->twice, y, y);
    return _mm512_add_epi8(y, e->offset);
}

#endif
#endif
