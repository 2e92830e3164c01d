/* avx512_internal.h: the exact requantisation in AVX-512 and the VNNI register tile.
 *
 * The code wanted is base + step * clamp(floor(acc*mult/2^shift + 1/2), lo, hi). It is
 * computed as z = floor(acc*scale + a) with scale = mult*2^-shift and a = 1/2 - lo -
 * 128, which puts lo at -128, so that the saturating packs to int8 clamp below; a byte
 * minimum clamps above (hi - lo <= 255), and code = step*z + (base + step*(lo + 128))
 * modulo 256.
 *
 * Why double arithmetic is exact here. scale and a are doubles (small integers times
 * powers of two) and the fma rounds once, so t = acc*scale + a is the rounded value of
 * P * 2^-shift with the integer P = acc*mult + 2^(shift-1) - (lo + 128) * 2^shift.
 * Where |P| <= 2^53 nothing is rounded, and the floor is exact. Else |t| >= 2^53 *
 * 2^-45 = 256 before rounding and, rounding being monotonic, after it: the clamp gives
 * lo (or hi) for the exact and for the rounded t alike. Cutting t at 2^30 keeps the
 * conversion in range above; below, the out-of-range result INT32_MIN saturates to lo
 * as it should. */
#ifndef MICO_KERNELS_AVX512_INTERNAL_H
#define MICO_KERNELS_AVX512_INTERNAL_H

#include "kernels/kernels_internal.h"

#if MICO_KERNELS_X86
#include <immintrin.h>

#define MICO_INLINE static inline __attribute__((always_inline)) MICO_AVX512

/* ---- requantisation ------------------------------------------------------------ */

/* Constants of an epilogue, in registers. */
typedef struct mico_vec_epilogue {
    __m512d addend, cap;
    __m256i top, twice, offset;
} mico_vec_epilogue;

MICO_INLINE mico_vec_epilogue mico_vec_epilogue_of(const mico_epilogue *e)
{
    const int low = e->lo + 128;
    mico_vec_epilogue v;

    v.addend = _mm512_set1_pd(0.5 - (double)low);
    v.cap = _mm512_set1_pd((double)(1 << 30));
    v.top = _mm256_set1_epi8((char)(e->hi - low));
    v.twice = _mm256_set1_epi8((char)(e->step == 2 ? -1 : 0));
    v.offset = _mm256_set1_epi8((char)(uint8_t)(e->base + e->step * low));
    return v;
}

/* z of eight accumulators. */
MICO_INLINE __m256i mico_vec_round(__m256i acc, __m512d scale,
                                   const mico_vec_epilogue *e)
{
    const __m512d t = _mm512_fmadd_pd(_mm512_cvtepi32_pd(acc), scale, e->addend);

    return _mm512_cvt_roundpd_epi32(_mm512_min_pd(t, e->cap),
                                    _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Codes of z0..z3, packed within each half: four of z0, of z1, of z2, of z3, twice. */
MICO_INLINE __m256i mico_vec_codes(__m256i z0, __m256i z1, __m256i z2, __m256i z3,
                                   const mico_vec_epilogue *e)
{
    __m256i z =
        _mm256_packs_epi16(_mm256_packs_epi32(z0, z1), _mm256_packs_epi32(z2, z3));

    z = _mm256_min_epi8(z, e->top);
    z = _mm256_add_epi8(z, _mm256_and_si256(z, e->twice));
    return _mm256_add_epi8(z, e->offset);
}

/* Codes of accumulators a (first 16 bytes) and b, with their scales. */
MICO_INLINE __m256i mico_vec_codes32(__m512i a, const double *scale_a, __m512i b,
                                     const double *scale_b, const mico_vec_epilogue *e)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i z0 =
        mico_vec_round(_mm512_castsi512_si256(a), _mm512_loadu_pd(scale_a), e);
    const __m256i z1 = mico_vec_round(_mm512_extracti64x4_epi64(a, 1),
                                      _mm512_loadu_pd(scale_a + 8), e);
    const __m256i z2 =
        mico_vec_round(_mm512_castsi512_si256(b), _mm512_loadu_pd(scale_b), e);
    const __m256i z3 = mico_vec_round(_mm512_extracti64x4_epi64(b, 1),
                                      _mm512_loadu_pd(scale_b + 8), e);

    return _mm256_permutevar8x32_epi32(mico_vec_codes(z0, z1, z2, z3, e), order);
}

/* Mask of the first n of 16 (32, 64) lanes; all where n is larger. */
MICO_INLINE __mmask16 mico_mask16(size_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

MICO_INLINE __mmask32 mico_mask32(size_t n)
{
    return n >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << n) - 1;
}

MICO_INLINE __mmask64 mico_mask64(size_t n)
{
    return n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1;
}

/* mult * 2^-shift, exact. */
static inline double mico_scale_of(int32_t mult, unsigned shift)
{
    return (double)mult / (double)((uint64_t)1 << shift);
}

/* One scale for all lanes. */
#define MICO_SCALES 16

static inline void mico_scales_fill(double scale[MICO_SCALES], int32_t mult,
                                    unsigned shift)
{
    for (size_t i = 0; i < MICO_SCALES; i++)
        scale[i] = mico_scale_of(mult, shift);
}

/* True if the proof above holds for the op's epilogue: 8-bit codes. */
static inline bool mico_epilogue_narrow(const mico_plan_tensor *out,
                                        const mico_epilogue *e)
{
    return out->format.width != 32 && e->lo >= -256 && e->lo <= e->hi && e->hi <= 256 &&
           e->hi - e->lo <= 255 && (e->step == 1 || e->step == 2);
}

static inline bool mico_all_bytes(const mico_plan *plan, const mico_op *op)
{
    if (op->rounding != MICO_ROUND_HALF_UP)
        return false;
    for (size_t i = 0; i < op->n_in; i++)
        if (mico_op_input(plan, op, i)->format.width == 32)
            return false;
    return mico_op_output(plan, op)->format.width != 32;
}

/* True if a conv or linear op has bytes in and rounds half up to bytes or int32. */
bool mico_avx512_mac_ok(const mico_plan *plan, const mico_op *op);

/* ---- multiply-accumulate ------------------------------------------------------- */

/* acc += four u8*s8 products per lane. gcc 12 copies accumulators around the intrinsic
 * at every loop end; an asm statement with an in-out operand leaves them where they
 * are. */
MICO_INLINE __m512i mico_dot(__m512i acc, __m512i codes, __m512i weights)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(weights));
    return acc;
}

/* The prepared constants of a conv or linear op: 16 lanes a group of channels. */
typedef struct mico_mac_consts {
    const double *scale; /* mult * 2^-shift */
    const float *scale_f;
    const int32_t *bias; /* bias - zero * sum(w): folds the codes' zero into the bias */
} mico_mac_consts;

/* Groups of 16 output channels share broadcasts in blocks of 4, then 2, then 1. */
size_t mico_mac_groups(size_t c_out);
size_t mico_mac_block(size_t groups_left);

/* Bytes of packed weights of n_rows runs of `run` bytes for c_out channels; packing
 * them from [c_out][n_rows][run]. */
size_t mico_mac_packed_bytes(size_t c_out, size_t n_rows, size_t run);
void mico_mac_pack(const int8_t *q, size_t c_out, size_t n_rows, size_t run,
                   void *packed);

/* A line of n pixels, in_step bytes apart, of which each is n_rows contiguous runs of
 * 4*quads bytes, row_step apart. The last run may be read up to its 4*quads bytes. */
typedef struct mico_mac_line {
    const uint8_t *in;
    size_t in_step, row_step, n_rows, quads, n;
    const int8_t *packed; /* of the whole op: [group block][row][quad][group][16][4] */
    const mico_mac_consts *consts;
    const mico_epilogue *epilogue; /* not used: raw lines only */
    uint8_t *out;                  /* channel 0 of the first pixel */
    size_t out_step;               /* bytes between pixels */
    size_t c_out;
    bool raw; /* store int32 accumulators */
} mico_mac_line;

/* One block of groups, from group `first` on, for all pixels of the line. */
void mico_mac_run(const mico_mac_line *line, size_t first);

#endif
#endif
