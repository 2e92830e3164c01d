/* avx512_table.h: look-up of bytes in a table of 256 with AVX-512 VBMI. */
#ifndef MICO_KERNELS_AVX512_TABLE_H
#define MICO_KERNELS_AVX512_TABLE_H

#include "kernels/kernels_internal.h"

#if MICO_KERNELS_X86
#include <immintrin.h>

#define MICO_VBMI                                                                      \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))

typedef struct mico_table {
    __m512i part[4];
} mico_table;

static inline __attribute__((always_inline)) MICO_VBMI mico_table
mico_table_of(const uint8_t *bytes)
{
    mico_table t;

    for (int i = 0; i < 4; i++)
        t.part[i] = _mm512_loadu_si512(bytes + 64 * i);
    return t;
}

/* The upper bit of a byte chooses the half, the others a byte of two vectors. */
static inline __attribute__((always_inline)) MICO_VBMI __m512i
mico_table_look(const mico_table *t, __m512i at)
{
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(at),
                                  _mm512_permutex2var_epi8(t->part[0], at, t->part[1]),
                                  _mm512_permutex2var_epi8(t->part[2], at, t->part[3]));
}

/* Mask of the first n of 64 bytes. */
static inline __attribute__((always_inline)) MICO_VBMI __mmask64
mico_table_mask(size_t n)
{
    return n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1;
}

/* Byte images of {c = 1 or 3, h, w} to codes; false where that is not possible here. */
bool mico_input_vbmi(const mico_extent *e, const uint8_t *lut, uint8_t flip,
                     const uint8_t *raw, uint8_t *out, size_t n);

/* Float images of y's shape to codes of its format; false where there is no AVX-512. */
bool mico_input_wide(const mico_op *op, const mico_plan_tensor *y, const float *raw,
                     uint8_t *out, size_t n);

#endif
#endif
