/* avx512_simple.c: add, concat, clamp and requant, 32 or 64 values at a time. */
#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

/* ---- add ----------------------------------------------------------------------- */

/* floor((c0*m0 + c1*m1 + off) / 2^s) over codes c, off holding the half and the zeros.
 * With m = high * 2^k + low the exact identity
 *     floor((H * 2^k + L) / 2^s) = floor((H + floor(L / 2^k)) / 2^(s-k)),  k <= s,
 * leaves products of int16, two of which vpdpwssd adds at once. In int32 all fits: the
 * half is at most 2^30, the zeros 2 * 128 * 2^20 = 2^28, the products 2^29. */
#define ADD_LOW_BITS 10u

static unsigned add_low_bits(unsigned shift)
{
    return shift < ADD_LOW_BITS ? shift : ADD_LOW_BITS;
}

static bool add_supports(const mico_plan *plan, const mico_op *op)
{
    const int32_t most = 1 << 20;

    return op->kind == MICO_OP_ADD && mico_all_bytes(plan, op) && op->mult[0] >= 0 &&
           op->mult[0] <= most && op->mult[1] >= 0 && op->mult[1] <= most &&
           op->shift[0] >= 6 && op->shift[0] <= 31 && /* 2^20 >> 6 is an int16 */
           mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue);
}

typedef struct add_consts {
    __m512i low, high, offset; /* pairs of int16; int32 */
    __m512i lo, hi, base, twice;
    __m128i low_bits, rest; /* k, s - k */
} add_consts;

/* The two multipliers as the int16 pair that meets the codes (c0, c1). */
MICO_INLINE __m512i add_pair(int32_t m0, int32_t m1)
{
    return _mm512_set1_epi32((int32_t)((uint32_t)m1 << 16 | (uint32_t)m0));
}

static MICO_AVX512 add_consts add_consts_of(const mico_plan *plan, const mico_op *op)
{
    const mico_epilogue *e = &op->epilogue;
    const int32_t z0 = (int32_t)mico_op_input(plan, op, 0)->zero;
    const int32_t z1 = (int32_t)mico_op_input(plan, op, 1)->zero;
    const int32_t m0 = op->mult[0], m1 = op->mult[1];
    const int32_t half = (int32_t)1 << (op->shift[0] - 1);
    const unsigned k = add_low_bits(op->shift[0]);
    const int32_t low = (int32_t)((1u << k) - 1);
    add_consts c;

    c.low = add_pair(m0 & low, m1 & low);
    c.high = add_pair(m0 >> k, m1 >> k);
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
MICO_INLINE __m512i add_16(__m512i pairs, const add_consts *k)
{
    __m512i y = _mm512_dpwssd_epi32(k->offset, pairs, k->low);

    y = _mm512_dpwssd_epi32(_mm512_sra_epi32(y, k->low_bits), pairs, k->high);
    return _mm512_sra_epi32(y, k->rest);
}

/* Codes, as int16, of 32 pairs of bytes: saturation at int16 is beyond lo and hi. */
MICO_INLINE __m512i add_32(__m512i pairs, const add_consts *k)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i y = _mm512_packs_epi32(add_16(_mm512_unpacklo_epi8(pairs, none), k),
                                   add_16(_mm512_unpackhi_epi8(pairs, none), k));

    y = _mm512_min_epi16(_mm512_max_epi16(y, k->lo), k->hi);
    return _mm512_add_epi16(_mm512_add_epi16(y, _mm512_and_si512(y, k->twice)),
                            k->base);
}

/* The packs put back in order what the unpacks took apart. */
MICO_INLINE __m512i add_64(__m512i a, __m512i b, const add_consts *k)
{
    return _mm512_packus_epi16(add_32(_mm512_unpacklo_epi8(a, b), k),
                               add_32(_mm512_unpackhi_epi8(a, b), k));
}

static MICO_AVX512 void add_run(const mico_call *call)
{
    const size_t count = call->n_images * mico_op_output(call->plan, call->op)->bytes;
    const add_consts k = add_consts_of(call->plan, call->op);
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    size_t i = 0;

    for (; i + 64 <= count; i += 64)
        _mm512_storeu_si512(out + i, add_64(_mm512_loadu_si512(in[0] + i),
                                            _mm512_loadu_si512(in[1] + i), &k));
    if (i < count) {
        const __mmask64 mask = mico_mask64(count - i);

        _mm512_mask_storeu_epi8(out + i, mask,
                                add_64(_mm512_maskz_loadu_epi8(mask, in[0] + i),
                                       _mm512_maskz_loadu_epi8(mask, in[1] + i), &k));
    }
}

/* ---- requant and concat -------------------------------------------------------- */

MICO_INLINE __m256i requant_32(__m256i codes, __m512i zero, const double *scale,
                               const mico_vec_epilogue *e)
{
    const __m512i a = _mm512_cvtepu8_epi32(_mm256_castsi256_si128(codes));
    const __m512i b = _mm512_cvtepu8_epi32(_mm256_extracti128_si256(codes, 1));

    return mico_vec_codes32(_mm512_sub_epi32(a, zero), scale, _mm512_sub_epi32(b, zero),
                            scale, e);
}

/* Requantises n consecutive codes. */
static MICO_AVX512 void requant(const uint8_t *in, uint8_t *out, size_t n, size_t zero,
                                const double *scale, const mico_epilogue *epilogue)
{
    const mico_vec_epilogue e = mico_vec_epilogue_of(epilogue);
    const __m512i z = _mm512_set1_epi32((int32_t)zero);
    size_t i = 0;

    for (; i + 32 <= n; i += 32)
        _mm256_storeu_si256(
            (__m256i *)(out + i),
            requant_32(_mm256_loadu_si256((const __m256i *)(in + i)), z, scale, &e));
    if (i < n) {
        const __mmask32 mask = mico_mask32(n - i);

        _mm256_mask_storeu_epi8(
            out + i, mask,
            requant_32(_mm256_maskz_loadu_epi8(mask, in + i), z, scale, &e));
    }
}

static bool requant_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_REQUANT && mico_all_bytes(plan, op) &&
           mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue);
}

static void requant_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);

    double scale[MICO_SCALES];

    mico_scales_fill(scale, op->mult[0], op->shift[0]);
    requant(in[0], out, n_images * x->bytes, x->zero, scale, &op->epilogue);
}

static bool concat_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONCAT && mico_all_bytes(plan, op) &&
           mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue);
}

/* Inputs one after the other: the channels of each are one run per pixel. */
static void concat_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_extent to = mico_extent_of(mico_op_output(plan, op));
    const size_t pixels = n_images * to.h * to.w;
    size_t first = 0;

    for (size_t k = 0; k < op->n_in; k++) {
        const mico_plan_tensor *x = mico_op_input(plan, op, k);
        const size_t channels = mico_extent_of(x).c;
        double scale[MICO_SCALES];

        mico_scales_fill(scale, op->mult[k], op->shift[k]);
        for (size_t p = 0; p < pixels; p++)
            requant(in[k] + p * channels, out + p * to.c + first, channels, x->zero,
                    scale, &op->epilogue);
        first += channels;
    }
}

/* ---- clamp --------------------------------------------------------------------- */

static bool clamp_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CLAMP && mico_all_bytes(plan, op);
}

/* A bound as a code. One that no code reaches becomes the outermost code (lowering
 * never makes an lo above, or an hi below, all codes). */
static char bound_code(int32_t bound, size_t zero)
{
    const int64_t code = (int64_t)bound + (int64_t)zero;

    return (char)(uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
}

static MICO_AVX512 void clamp_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const __m512i lo = _mm512_set1_epi8(bound_code(op->epilogue.lo, y->zero));
    const __m512i hi = _mm512_set1_epi8(bound_code(op->epilogue.hi, y->zero));
    const size_t count = call->n_images * y->bytes;

    for (size_t i = 0; i < count; i += 64) {
        const __mmask64 mask = mico_mask64(count - i);
        const __m512i v = _mm512_maskz_loadu_epi8(mask, call->in[0] + i);

        _mm512_mask_storeu_epi8(call->out + i, mask,
                                _mm512_min_epu8(_mm512_max_epu8(v, lo), hi));
    }
}

#define ENTRY(stem)                                                                    \
    const mico_kernel mico_kernel_##stem##_avx512vnni = {.name = #stem "_avx512vnni",  \
                                                         .isa = "avx512vnni",          \
                                                         .supports = stem##_supports,  \
                                                         .run = stem##_run};
ENTRY(add)
ENTRY(concat)
ENTRY(requant)
ENTRY(clamp)

#endif
