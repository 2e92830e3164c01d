/* avx512_add.h: the sum of two residual branches, 64 codes at a time. */
#ifndef MICO_KERNELS_AVX512_ADD_H
#define MICO_KERNELS_AVX512_ADD_H

#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

/* floor((c0*m0 + c1*m1 + off) / 2^s) over codes c, off holding the half and the zeros.
 * With m = high * 2^k + low the exact identity
 *     floor((H * 2^k + L) / 2^s) = floor((H + floor(L / 2^k)) / 2^(s-k)),  k <= s,
 * leaves products of int16, two of which vpdpwssd adds at once. In int32 all fits: the
 * half is at most 2^30, the zeros 2 * 128 * 2^20 = 2^28, the products 2^29. */
#define MICO_ADD_LOW_BITS 10u

static inline unsigned mico_vec_add_low_bits(unsigned shift)
{
    return shift < MICO_ADD_LOW_BITS ? shift : MICO_ADD_LOW_BITS;
}

static inline bool mico_vec_add_ok(const mico_plan *plan, const mico_op *op)
{
    const int32_t most = 1 << 20;

    return op->kind == MICO_OP_ADD && mico_all_bytes(plan, op) && op->mult[0] >= 0 &&
           op->mult[0] <= most && op->mult[1] >= 0 && op->mult[1] <= most &&
           op->shift[0] >= 6 && op->shift[0] <= 31 && /* 2^20 >> 6 is an int16 */
           mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue);
}

typedef struct mico_vec_add {
    __m512i low, high, offset; /* pairs of int16; int32 */
    __m512i lo, hi, base, twice;
    __m128i low_bits, rest; /* k, s - k */
} mico_vec_add;

/* The two multipliers as the int16 pair that meets the codes (c0, c1). */
MICO_INLINE __m512i mico_vec_add_pair(int32_t m0, int32_t m1)
{
    return _mm512_set1_epi32((int32_t)((uint32_t)m1 << 16 | (uint32_t)m0));
}

static inline MICO_AVX512 mico_vec_add mico_vec_add_of(const mico_plan *plan,
                                                       const mico_op *op)
{
    const mico_epilogue *e = &op->epilogue;
    const int32_t z0 = (int32_t)mico_op_input(plan, op, 0)->zero;
    const int32_t z1 = (int32_t)mico_op_input(plan, op, 1)->zero;
    const int32_t m0 = op->mult[0], m1 = op->mult[1];
    const int32_t half = (int32_t)1 << (op->shift[0] - 1);
    const unsigned k = mico_vec_add_low_bits(op->shift[0]);
    const int32_t low = (int32_t)((1u << k) - 1);
    mico_vec_add c;

    c.low = mico_vec_add_pair(m0 & low, m1 & low);
    c.high = mico_vec_add_pair(m0 >> k, m1 >> k);
    c.offset = _mm512_set1_epi32(half - z0 * m0 - z1 * m1);
    c.lo = _mm512_set1_epi16((int16_t)e->lo);
    c.hi = _mm512_set1_epi16((int16_t)e->hi);
    c.base = _mm512_set1_epi16((int16_t)e->base);
    c.twice = _mm512_set1_epi16((int16_t)(e->step == 2 ? -1 : 0));
    c.low_bits = _mm_cvtsi32_si128((int)k);
    c.rest = _mm_cvtsi32_si128((int)(op->shift[0] - k));
    return c;
}

/* Floors of 16 pairs (c0, c1) of int16. */
MICO_INLINE __m512i mico_vec_add_16(__m512i pairs, const mico_vec_add *k)
{
    __m512i y = _mm512_dpwssd_epi32(k->offset, pairs, k->low);

    y = _mm512_dpwssd_epi32(_mm512_sra_epi32(y, k->low_bits), pairs, k->high);
    return _mm512_sra_epi32(y, k->rest);
}

/* Codes, as int16, of 32 pairs of bytes: saturation at int16 is beyond lo and hi. */
MICO_INLINE __m512i mico_vec_add_32(__m512i pairs, const mico_vec_add *k)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i y =
        _mm512_packs_epi32(mico_vec_add_16(_mm512_unpacklo_epi8(pairs, none), k),
                           mico_vec_add_16(_mm512_unpackhi_epi8(pairs, none), k));

    y = _mm512_min_epi16(_mm512_max_epi16(y, k->lo), k->hi);
    return _mm512_add_epi16(_mm512_add_epi16(y, _mm512_and_si512(y, k->twice)),
                            k->base);
}

/* The packs put back in order what the unpacks took apart. */
MICO_INLINE __m512i mico_vec_add_64(__m512i a, __m512i b, const mico_vec_add *k)
{
    return _mm512_packus_epi16(mico_vec_add_32(_mm512_unpacklo_epi8(a, b), k),
                               mico_vec_add_32(_mm512_unpackhi_epi8(a, b), k));
}

/* n sums of a[i] and b[i]; out may be a or b. */
static inline MICO_AVX512 void mico_vec_add_run(const mico_vec_add *k, const uint8_t *a,
                                                const uint8_t *b, uint8_t *out,
                                                size_t n)
{
    size_t i = 0;

    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(out + i, mico_vec_add_64(_mm512_loadu_si512(a + i),
                                                     _mm512_loadu_si512(b + i), k));
    if (i < n) {
        const __mmask64 mask = mico_mask64(n - i);

        _mm512_mask_storeu_epi8(out + i, mask,
                                mico_vec_add_64(_mm512_maskz_loadu_epi8(mask, a + i),
                                                _mm512_maskz_loadu_epi8(mask, b + i),
                                                k));
    }
}

#endif
#endif
