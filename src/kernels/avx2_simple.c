/* avx2_simple.c: add, concat, clamp and requant with AVX2, 16 or 32 values at a time.
 *
 * A result is floor((sum of c*m + offset) / 2^s) over one or two codes c, offset
 * holding the half and the zeros. With multipliers m < 2^22 for one code and <= 2^20
 * for two, the sum of q*m is below 2^30 in magnitude; for s <= 30 the half is at most
 * 2^29 and all fits into int32. For s >= 31 the half is at least 2^30 and the floor is
 * 0. */
#include "kernels/avx2_internal.h"

#if MICO_KERNELS_X86

typedef struct scaler {
    __m256i mult[2], offset;     /* int32 */
    __m256i lo, hi, base, twice; /* int16 */
    __m128i shift;
} scaler;

/* m1 and zero1 are 0 where there is one code. */
static MICO_AVX2 scaler scaler_of(int32_t m0, size_t zero0, int32_t m1, size_t zero1,
                                  unsigned shift, const mico_epilogue *e)
{
    const bool vanishes = shift >= 31;
    const int32_t half = vanishes ? 0 : (int32_t)1 << (shift - 1);
    const int32_t zeros = (int32_t)zero0 * m0 + (int32_t)zero1 * m1;
    scaler s;

    s.mult[0] = _mm256_set1_epi32(vanishes ? 0 : m0);
    s.mult[1] = _mm256_set1_epi32(vanishes ? 0 : m1);
    s.offset = _mm256_set1_epi32(vanishes ? 0 : half - zeros);
    s.shift = _mm_cvtsi32_si128(vanishes ? 0 : (int)shift);
    s.lo = _mm256_set1_epi16((int16_t)e->lo);
    s.hi = _mm256_set1_epi16((int16_t)e->hi);
    s.base = _mm256_set1_epi16((int16_t)e->base);
    s.twice = _mm256_set1_epi16((int16_t)(e->step == 2 ? -1 : 0));
    return s;
}

/* The floors of 8 codes of a, and of b where two are added. */
MICO_AVX2_INLINE __m256i scale_8(__m128i a, __m128i b, const scaler *s, const bool two)
{
    __m256i y = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(a), s->mult[0]);

    if (two)
        y = _mm256_add_epi32(y,
                             _mm256_mullo_epi32(_mm256_cvtepu8_epi32(b), s->mult[1]));
    return _mm256_sra_epi32(_mm256_add_epi32(y, s->offset), s->shift);
}

/* 16 codes: saturation at int16 is beyond lo and hi. */
MICO_AVX2_INLINE __m128i scale_16(__m128i a, __m128i b, const scaler *s, const bool two)
{
    const __m256i first = scale_8(a, b, s, two);
    const __m256i last = scale_8(_mm_srli_si128(a, 8), _mm_srli_si128(b, 8), s, two);
    __m256i y = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, last), 0xd8);

    y = _mm256_min_epi16(_mm256_max_epi16(y, s->lo), s->hi);
    y = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_and_si256(y, s->twice)), s->base);
    return _mm_packus_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
}

/* n consecutive codes of one input or two. */
MICO_AVX2_INLINE void scale_all(const uint8_t *a, const uint8_t *b, uint8_t *out,
                                size_t n, const scaler *s, const bool two)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        _mm_storeu_si128((__m128i *)(out + i),
                         scale_16(_mm_loadu_si128((const __m128i *)(a + i)),
                                  _mm_loadu_si128((const __m128i *)(b + i)), s, two));
    if (i < n) {
        uint8_t tail[2][16] = {{0}, {0}};

        memcpy(tail[0], a + i, n - i);
        memcpy(tail[1], b + i, n - i);
        mico_avx2_store(out + i,
                        scale_16(_mm_loadu_si128((const __m128i *)tail[0]),
                                 _mm_loadu_si128((const __m128i *)tail[1]), s, two),
                        n - i);
    }
}

/* ---- add ----------------------------------------------------------------------- */

static bool mult_within(const mico_op *op, size_t i, int32_t most)
{
    return op->mult[i] >= 0 && op->mult[i] <= most;
}

static bool add_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_ADD && mico_avx2_bytes(plan, op) &&
           mult_within(op, 0, 1 << 20) && mult_within(op, 1, 1 << 20) &&
           op->shift[0] >= 1 &&
           mico_avx2_narrow(mico_op_output(plan, op), &op->epilogue);
}

static MICO_AVX2 void add_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const scaler s =
        scaler_of(op->mult[0], mico_op_input(plan, op, 0)->zero, op->mult[1],
                  mico_op_input(plan, op, 1)->zero, op->shift[0], &op->epilogue);

    scale_all(call->in[0], call->in[1], call->out,
              call->n_images * mico_op_output(plan, op)->bytes, &s, true);
}

/* ---- requant and concat -------------------------------------------------------- */

static MICO_AVX2 void requant(const uint8_t *in, uint8_t *out, size_t n,
                              const scaler *s)
{
    scale_all(in, in, out, n, s, false);
}

static bool requant_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_REQUANT && mico_avx2_bytes(plan, op) &&
           mult_within(op, 0, (1 << 22) - 1) && op->shift[0] >= 1 &&
           mico_avx2_narrow(mico_op_output(plan, op), &op->epilogue);
}

static MICO_AVX2 void requant_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const scaler s = scaler_of(op->mult[0], x->zero, 0, 0, op->shift[0], &op->epilogue);

    requant(call->in[0], call->out, call->n_images * x->bytes, &s);
}

static bool concat_supports(const mico_plan *plan, const mico_op *op)
{
    if (op->kind != MICO_OP_CONCAT || !mico_avx2_bytes(plan, op) ||
        !mico_avx2_narrow(mico_op_output(plan, op), &op->epilogue))
        return false;
    for (size_t k = 0; k < op->n_in; k++)
        if (!mult_within(op, k, (1 << 22) - 1) || op->shift[k] < 1)
            return false;
    return true;
}

/* Inputs one after the other: the channels of each are one run per pixel. */
static MICO_AVX2 void concat_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, op));
    const size_t pixels = call->n_images * to.h * to.w;
    uint8_t *out = call->out;

    for (size_t k = 0; k < op->n_in; k++) {
        const mico_plan_tensor *x = mico_op_input(call->plan, op, k);
        const size_t channels = mico_extent_of(x).c;
        const scaler s =
            scaler_of(op->mult[k], x->zero, 0, 0, op->shift[k], &op->epilogue);

        for (size_t p = 0; p < pixels; p++)
            requant(call->in[k] + p * channels, out + p * to.c, channels, &s);
        out += channels;
    }
}

/* ---- clamp --------------------------------------------------------------------- */

static bool clamp_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CLAMP && mico_avx2_bytes(plan, op);
}

/* A bound as a code. One that no code reaches becomes the outermost code (lowering
 * never makes an lo above, or an hi below, all codes). */
static uint8_t bound_code(int32_t bound, size_t zero)
{
    const int64_t code = (int64_t)bound + (int64_t)zero;

    return (uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
}

static MICO_AVX2 void clamp_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const uint8_t low = bound_code(op->epilogue.lo, y->zero);
    const uint8_t high = bound_code(op->epilogue.hi, y->zero);
    const __m256i lo = _mm256_set1_epi8((char)low), hi = _mm256_set1_epi8((char)high);
    const size_t count = call->n_images * y->bytes;
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(call->in[0] + i));

        _mm256_storeu_si256((__m256i *)(call->out + i),
                            _mm256_min_epu8(_mm256_max_epu8(v, lo), hi));
    }
    for (; i < count; i++) {
        const uint8_t v = call->in[0][i] > low ? call->in[0][i] : low;

        call->out[i] = v < high ? v : high;
    }
}

#define ENTRY(stem)                                                                    \
    const mico_kernel mico_kernel_##stem##_avx2 = {.name = #stem "_avx2",              \
                                                   .isa = "avx2",                      \
                                                   .supports = stem##_supports,        \
                                                   .run = stem##_run};
ENTRY(add)
ENTRY(concat)
ENTRY(requant)
ENTRY(clamp)

#endif
