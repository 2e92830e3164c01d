/* avx512_store.h: from a tile's accumulators to the bytes of its pixels. */
#ifndef MICO_KERNELS_AVX512_STORE_H
#define MICO_KERNELS_AVX512_STORE_H

#include "kernels/avx512_mac.h"

#if MICO_KERNELS_X86

MICO_INLINE __m512i mico_tile_round(__m512i acc, const mico_mac *t, size_t lane,
                                    bool narrow)
{
    if (narrow) {
        const __m512 z = _mm512_fmadd_round_ps(
            _mm512_cvtepi32_ps(acc), _mm512_loadu_ps(t->consts.scale_f + lane),
            t->addend, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);

        return _mm512_cvt_roundps_epi32(z, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    }
    const __m256i a =
        mico_vec_round(_mm512_castsi512_si256(acc),
                       _mm512_loadu_pd(t->consts.scale + lane), &t->narrow);
    const __m256i b =
        mico_vec_round(_mm512_extracti64x4_epi64(acc, 1),
                       _mm512_loadu_pd(t->consts.scale + lane + 8), &t->narrow);

    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* Codes of four accumulators, one after the other: 64 bytes. The packs leave quads of
 * bytes as a 4 x 4 matrix that must be transposed. */
MICO_INLINE __m512i mico_tile_codes(const __m512i *z, const mico_mac *t)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i c = _mm512_packs_epi16(_mm512_packs_epi32(z[0], z[1]),
                                   _mm512_packs_epi32(z[2], z[3]));

    c = _mm512_min_epi8(c, t->top);
    c = _mm512_add_epi8(c, _mm512_and_si512(c, t->twice));
    return _mm512_permutexvar_epi32(order, _mm512_add_epi8(c, t->offset));
}

/* Bytes [16*nr*i, 16*nr*(i + 1)) of codes to one pixel, of which `left` exist. (Whole
 * stores, whose excess later ones overwrite, are no faster than masked ones.) */
MICO_INLINE void mico_tile_piece(__m512i codes, uint8_t *to, size_t left, const int i,
                                 const int nr)
{
    if (nr == 4) {
        if (left >= 64)
            _mm512_storeu_si512(to, codes);
        else
            _mm512_mask_storeu_epi8(to, mico_mask64(left), codes);
    } else if (nr == 2) {
        const __m256i c = i == 0 ? _mm512_castsi512_si256(codes)
                                 : _mm512_extracti64x4_epi64(codes, 1);

        if (left >= 32)
            _mm256_storeu_si256((__m256i *)to, c);
        else
            _mm256_mask_storeu_epi8(to, mico_mask32(left), c);
    } else {
        const __m128i c = i == 0   ? _mm512_castsi512_si128(codes)
                          : i == 1 ? _mm512_extracti32x4_epi32(codes, 1)
                          : i == 2 ? _mm512_extracti32x4_epi32(codes, 2)
                                   : _mm512_extracti32x4_epi32(codes, 3);

        if (left >= 16)
            _mm_storeu_si128((__m128i *)to, c);
        else
            _mm_mask_storeu_epi8(to, mico_mask16(left), c);
    }
}

/* acc[i*nr + j] belongs to pixel i, group first + j; m*nr is 1, 2 or whole fours. */
MICO_INLINE void mico_tile_bytes(const __m512i *acc, const mico_mac *t, uint8_t *out,
                                 const uint32_t *to, size_t first, const int m,
                                 const int nr, bool narrow)
{
    const size_t left = t->c_out - 16 * first;
    const int pixels = 4 / nr < m ? 4 / nr : m; /* in 64 bytes */

    const uint32_t joined =
        (uint32_t)(64 - 16 * nr); /* and all between, as they rise */

    out += 16 * first;
#pragma GCC unroll 32
    for (int v = 0; v < m * nr; v += 4) {
        __m512i z[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            z[r] = mico_tile_round(acc[v + r < m * nr ? v + r : v], t,
                                   16 * (first + (size_t)((v + r) % nr)), narrow);
        const __m512i codes = mico_tile_codes(z, t);

        if (pixels == 4 / nr && to[v / nr + pixels - 1] - to[v / nr] == joined &&
            left >= 16 * (size_t)nr) {
            _mm512_storeu_si512(out + to[v / nr], codes);
            continue;
        }
#pragma GCC unroll 4
        for (int i = 0; i < pixels; i++)
            mico_tile_piece(codes, out + to[v / nr + i], left, i, nr);
    }
}

MICO_INLINE void mico_tile_store(const __m512i *acc, const mico_mac *t, uint8_t *out,
                                 const uint32_t *to, size_t first, const int m,
                                 const int nr)
{
    if (t->store == MICO_STORE_FLOAT) {
        mico_tile_bytes(acc, t, out, to, first, m, nr, true);
    } else if (t->store == MICO_STORE_DOUBLE) {
        mico_tile_bytes(acc, t, out, to, first, m, nr, false);
    } else {
#pragma GCC unroll 32
        for (int j = 0; j < nr; j++) {
            const size_t channel = 16 * (first + (size_t)j);
            const __mmask16 mask = mico_mask16(t->c_out - channel);
#pragma GCC unroll 32
            for (int i = 0; i < m; i++)
                _mm512_mask_storeu_epi32(out + to[i] + 4 * channel, mask,
                                         acc[i * nr + j]);
        }
    }
}

#endif
#endif
