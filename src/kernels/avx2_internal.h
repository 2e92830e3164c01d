/* avx2_internal.h: the exact requantisation in AVX2 and the register tile without VNNI.
 *
 * Requantisation is that of avx512_internal.h: z = floor(acc*scale + a) in double
 * precision with scale = mult*2^-shift and a = 1/2 - lo - 128, then the saturating
 * packs to int8 clamp below, a byte minimum clamps above, and code = step*z + (base +
 * step*(lo + 128)) modulo 256. The proof there that doubles round as 64-bit integers do
 * uses nothing but a single rounding in the fma, which FMA3 has too. Below -2^31 the
 * conversion gives INT32_MIN, which saturates to lo as it should.
 *
 * Multiply-accumulate. vpmaddubsw multiplies unsigned by signed bytes and adds two
 * neighbouring products into an int16 with saturation. Codes lie in 0..255 in every
 * format (signed ones are q + 128), so a sum of codes times some weights, and each of
 * its partial sums, lies within [-255*N, 255*P] with P the sum of the positive and N
 * the sum of the magnitudes of the negative weights. Where P <= 128 and N <= 128 that
 * is within +-32640: int16 holds it exactly and nothing saturates. So
 *
 *   depth d >= 1: if the bound holds for the weights that meet in an int16 lane over
 *     each d consecutive quads, d results of vpmaddubsw are added in int16 before
 *     vpmaddwd (by ones) takes them to int32. Weights of at most 7 bits have
 *     d >= 1, of 4 bits d >= 8. Packing looks at the weights themselves.
 *   wide (depth 0): otherwise the codes are widened to int16 and vpmaddwd multiplies
 *     them: two products of at most 255*128 in an int32.
 *
 *   VNNI: CPUs with AVX-VNNI (isa "avxvnni": no AVX-512, or slower) add four products
 *     to an int32 at once with the 256-bit vpdpbusd; no bound is needed.
 *
 * int32 sums are exact by docs/INTEGER.md section 7. */
#ifndef MICO_AVX2_INTERNAL_H
#define MICO_AVX2_INTERNAL_H

#include "kernels/kernels_internal.h"

#if MICO_KERNELS_X86
#include <immintrin.h>

#define MICO_AVX2        __attribute__((target("avx2,fma")))
#define MICO_AVXVNNI     __attribute__((target("avx2,fma,avxvnni")))
#define MICO_AVX2_INLINE static inline __attribute__((always_inline)) MICO_AVX2

/* ---- requantisation ------------------------------------------------------------ */

/* Constants of an epilogue, in registers. */
typedef struct mico_avx2_epilogue {
    __m256d addend, cap;
    __m128i top, twice, offset;
} mico_avx2_epilogue;

MICO_AVX2_INLINE mico_avx2_epilogue mico_avx2_epilogue_of(const mico_epilogue *e)
{
    const int low = e->lo + 128;
    mico_avx2_epilogue v;

    v.addend = _mm256_set1_pd(0.5 - (double)low);
    v.cap = _mm256_set1_pd((double)(1 << 30));
    v.top = _mm_set1_epi8((char)(e->hi - low));
    v.twice = _mm_set1_epi8((char)(e->step == 2 ? -1 : 0));
    v.offset = _mm_set1_epi8((char)(uint8_t)(e->base + e->step * low));
    return v;
}

/* z of four accumulators. */
MICO_AVX2_INLINE __m128i mico_avx2_round(__m128i acc, const double *scale,
                                         const mico_avx2_epilogue *e)
{
    const __m256d t =
        _mm256_fmadd_pd(_mm256_cvtepi32_pd(acc), _mm256_loadu_pd(scale), e->addend);

    return _mm256_cvttpd_epi32(_mm256_floor_pd(_mm256_min_pd(t, e->cap)));
}

/* The 16 codes of z0..z3, in this order. */
MICO_AVX2_INLINE __m128i mico_avx2_codes(__m128i z0, __m128i z1, __m128i z2, __m128i z3,
                                         const mico_avx2_epilogue *e)
{
    __m128i z = _mm_packs_epi16(_mm_packs_epi32(z0, z1), _mm_packs_epi32(z2, z3));

    z = _mm_min_epi8(z, e->top);
    z = _mm_add_epi8(z, _mm_and_si128(z, e->twice));
    return _mm_add_epi8(z, e->offset);
}

/* The codes of 16 accumulators, a before b. */
MICO_AVX2_INLINE __m128i mico_avx2_codes16(__m256i a, __m256i b, const double *scale,
                                           const mico_avx2_epilogue *e)
{
    return mico_avx2_codes(
        mico_avx2_round(_mm256_castsi256_si128(a), scale, e),
        mico_avx2_round(_mm256_extracti128_si256(a, 1), scale + 4, e),
        mico_avx2_round(_mm256_castsi256_si128(b), scale + 8, e),
        mico_avx2_round(_mm256_extracti128_si256(b, 1), scale + 12, e), e);
}

/* Stores the first n of 16 bytes; all where n is larger. */
MICO_AVX2_INLINE void mico_avx2_store(uint8_t *to, __m128i codes, size_t n)
{
    uint8_t bytes[16];

    if (n >= 16) {
        _mm_storeu_si128((__m128i *)to, codes);
        return;
    }
    _mm_storeu_si128((__m128i *)bytes, codes);
    memcpy(to, bytes, n);
}

/* True if the proof holds for the op's epilogue: 8-bit codes. */
static inline bool mico_avx2_narrow(const mico_plan_tensor *out, const mico_epilogue *e)
{
    return out->format.width != 32 && e->lo >= -256 && e->lo <= e->hi && e->hi <= 256 &&
           e->hi - e->lo <= 255 && (e->step == 1 || e->step == 2);
}

/* True if all inputs and the output of an op that rounds half up are bytes. */
static inline bool mico_avx2_bytes(const mico_plan *plan, const mico_op *op)
{
    for (size_t i = 0; i < op->n_in; i++)
        if (mico_op_input(plan, op, i)->format.width == 32)
            return false;
    return op->rounding == MICO_ROUND_HALF_UP &&
           mico_op_output(plan, op)->format.width != 32;
}

/* mult * 2^-shift, exact. */
static inline double mico_avx2_scale(int32_t mult, unsigned shift)
{
    return (double)mult / (double)((uint64_t)1 << shift);
}

/* ---- multiply-accumulate ------------------------------------------------------- */

/* sum += part. gcc 12 regroups sums of intrinsics over several steps and runs out of
 * registers; an asm statement stays where it is. */
MICO_AVX2_INLINE __m256i mico_avx2_add32(__m256i sum, __m256i part)
{
    __asm__("vpaddd %1, %0, %0" : "+x"(sum) : "x"(part));
    return sum;
}

MICO_AVX2_INLINE __m256i mico_avx2_add16(__m256i sum, __m256i part)
{
    __asm__("vpaddw %1, %0, %0" : "+x"(sum) : "x"(part));
    return sum;
}

/* acc += four u8*s8 products per lane; in functions of AVX-VNNI only. */
MICO_AVX2_INLINE __m256i mico_avxvnni_dot(__m256i acc, __m256i codes, __m256i weights)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(codes), "x"(weights));
    return acc;
}

/* Packed weights begin with this; 64 bytes are reserved for it. */
typedef struct mico_avx2_header {
    uint64_t depth; /* 0: wide; or VNNI */
} mico_avx2_header;

#define MICO_AVX2_HEADER ((size_t)64)
#define MICO_AVX2_VNNI   UINT64_MAX

/* Weights of one group of a conv or linear op: [c_out][n_runs][run]. */
typedef struct mico_avx2_weights {
    const int8_t *q;
    size_t c_out, n_runs, run;
} mico_avx2_weights;

/* A line of n pixels, in_step bytes apart. A pixel's window is n_rows times n_columns
 * contiguous runs of 4*steps bytes: four codes, or two widened ones, a step. */
typedef struct mico_avx2_line {
    const uint8_t *in;
    size_t in_step, n_rows, row_step, n_columns, column_step, steps, n;
    const int8_t *packed; /* [block][run][step][vector][8][4 bytes] */
    uint64_t depth;
    const double *scale; /* by channel, padded to vectors */
    const int32_t *bias; /* bias - zero * sum(w): folds the codes' zero into the bias */
    const mico_epilogue *epilogue;
    uint8_t *out;    /* channel 0 of the first pixel */
    size_t out_step; /* bytes between pixels */
    size_t c_out;
    bool raw; /* store int32 accumulators */
} mico_avx2_line;

/* The largest depth for a group of weights; at most `most`, 0 where only wide is exact.
 */
uint64_t mico_avx2_depth(const mico_avx2_weights *w, uint64_t most);

/* Bytes of one group's packed weights, and packing them. */
size_t mico_avx2_packed_bytes(const mico_avx2_weights *w, uint64_t depth);
void mico_avx2_pack(const mico_avx2_weights *w, uint64_t depth, int8_t *to);

/* Steps of a run of so many bytes. */
static inline size_t mico_avx2_steps(size_t run, uint64_t depth)
{
    return depth > 0 ? (run + 3) / 4 : (run + 1) / 2;
}

/* Channels of one group, padded to vectors of 8. */
static inline size_t mico_avx2_lanes(size_t c_out)
{
    return mico_round_up(c_out, 8);
}

/* consts_bytes and prepare of conv and linear kernels: scales [group][lane], biases. */
size_t mico_avx2_consts_bytes(const mico_plan *plan, const mico_op *op);
void mico_avx2_prepare(const mico_plan *plan, const mico_op *op, void *consts);

/* True if a conv or linear op can use these kernels: bytes in, bytes or int32 out. */
bool mico_avx2_mac_ok(const mico_plan *plan, const mico_op *op);

/* All channels of all pixels of n_lines lines, line_step_in and line_step_out apart. */
void mico_avx2_run(mico_avx2_line line, size_t n_lines, size_t line_step_in,
                   size_t line_step_out);

/* n codes to as many int16. */
void mico_avx2_widen(const uint8_t *in, size_t n, uint16_t *out);

/* int32 outputs with multipliers: requantises stored accumulators in place. */
void mico_avx2_finish_wide(const mico_plan *plan, const mico_op *op, uint8_t *out,
                           size_t n_images);

/* packed_bytes and pack of an entry, with vpmaddubsw as deep as its weights allow and
 * with vpdpbusd, from the file's own bytes_at, pack_at and depth_of. */
#define MICO_AVX2_PACKERS                                                              \
    static size_t packed_bytes(const mico_op *op)                                      \
    {                                                                                  \
        return bytes_at(op, depth_of(op));                                             \
    }                                                                                  \
    static void pack(const mico_op *op, void *packed)                                  \
    {                                                                                  \
        pack_at(op, depth_of(op), packed);                                             \
    }                                                                                  \
    static size_t vnni_bytes(const mico_op *op)                                        \
    {                                                                                  \
        return bytes_at(op, MICO_AVX2_VNNI);                                           \
    }                                                                                  \
    static void vnni_pack(const mico_op *op, void *packed)                             \
    {                                                                                  \
        pack_at(op, MICO_AVX2_VNNI, packed);                                           \
    }

/* The entries of the two, from these and the file's supports, scratch_bytes and run. */
#define MICO_AVX2_ENTRY(stem, ISA, packed_function, pack_function, consts_function,    \
                        prepare_function)                                              \
    const mico_kernel mico_kernel_##stem##_##ISA = {.name = #stem "_" #ISA,            \
                                                    .isa = #ISA,                       \
                                                    .supports = supports,              \
                                                    .packed_bytes = packed_function,   \
                                                    .pack = pack_function,             \
                                                    .consts_bytes = consts_function,   \
                                                    .prepare = prepare_function,       \
                                                    .scratch_bytes = scratch_bytes,    \
                                                    .run = run};
#define MICO_AVX2_ENTRIES(stem, consts_function, prepare_function)                     \
    MICO_AVX2_ENTRY(stem, avx2, packed_bytes, pack, consts_function, prepare_function) \
    MICO_AVX2_ENTRY(stem, avxvnni, vnni_bytes, vnni_pack, consts_function,             \
                    prepare_function)

#endif
#endif
