/* avx512_input.c: float images to codes, eight values at a time. */
#include "kernels/avx512_internal.h"
#include "kernels/avx512_table.h"

#if MICO_KERNELS_X86

/* mico_act_quantize of the format, and the codes' zero. */
typedef struct quantiser {
    __m512d scale, lo, hi;
    bool sign_only;
    int zero;
} quantiser;

static MICO_AVX512 quantiser quantiser_of(const mico_plan_tensor *y)
{
    const mico_format *f = &y->format;
    quantiser k;

    k.scale = _mm512_set1_pd(f->scale);
    k.lo = _mm512_set1_pd(mico_q_min(f->width, f->is_signed));
    k.hi = _mm512_set1_pd(mico_q_max(f->width, f->is_signed));
    k.sign_only = f->is_signed && f->width == 1;
    k.zero = (int)y->zero;
    return k;
}

/* Codes of eight values: each step rounds once, as in scalar doubles; max gives its
 * second operand, lo, for what is not a number, which becomes 0 behind it. */
MICO_INLINE __m128i quantise_8(__m256 raw, __m256 mul, __m256 add, const quantiser *k)
{
    const __m512d product = _mm512_mul_pd(_mm512_cvtps_pd(raw), _mm512_cvtps_pd(mul));
    const __m512d x = _mm512_add_round_pd(
        product, _mm512_cvtps_pd(add), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512d v = _mm512_div_pd(x, k->scale);
    const __m256i q =
        _mm512_cvt_roundpd_epi32(_mm512_min_pd(_mm512_max_pd(v, k->lo), k->hi),
                                 _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256i code;

    if (k->sign_only) {
        const __mmask8 above = _mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_GT_OQ);

        code =
            _mm256_mask_blend_epi32(above, _mm256_set1_epi32(-1), _mm256_set1_epi32(1));
    } else {
        code = _mm256_maskz_mov_epi32(_mm512_cmp_pd_mask(x, x, _CMP_ORD_Q), q);
    }
    return _mm256_cvtepi32_epi8(_mm256_add_epi32(code, _mm256_set1_epi32(k->zero)));
}

/* n values with their constants: every value its own, or all the first. Codes go
 * `step` bytes apart. */
static MICO_AVX512 void quantise_run(const float *raw, const float *mul,
                                     const float *add, bool own, const quantiser *k,
                                     uint8_t *out, size_t step, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 mask = (__mmask8)mico_mask16(n - i < 8 ? n - i : 8);
        const __m256 m =
            own ? _mm256_maskz_loadu_ps(mask, mul + i) : _mm256_set1_ps(*mul);
        const __m256 a =
            own ? _mm256_maskz_loadu_ps(mask, add + i) : _mm256_set1_ps(*add);
        const __m128i codes = quantise_8(_mm256_maskz_loadu_ps(mask, raw + i), m, a, k);

        if (step == 1) {
            _mm_mask_storeu_epi8(out + i, mask, codes);
        } else {
            uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(codes);

            for (size_t e = i; e < n && e < i + 8; e++, bytes >>= 8)
                out[e * step] = (uint8_t)bytes;
        }
    }
}

static MICO_AVX512 void input_wide(const mico_op *op, const mico_plan_tensor *y,
                                   const float *raw, uint8_t *out, size_t n)
{
    const mico_extent e = mico_extent_of(y);
    const size_t map = e.h * e.w;
    const quantiser k = quantiser_of(y);

    for (size_t i = 0; i < n; i++, raw += e.c * map, out += y->bytes)
        if (map == 1)
            quantise_run(raw, op->mul, op->add, true, &k, out, 1, e.c);
        else
            for (size_t c = 0; c < e.c; c++)
                quantise_run(raw + c * map, op->mul + c, op->add + c, false, &k,
                             out + c, e.c, map);
}

bool mico_input_wide(const mico_op *op, const mico_plan_tensor *y, const float *raw,
                     uint8_t *out, size_t n)
{
    if (op->rounding != MICO_ROUND_HALF_UP || !mico_isa_here("avx512vnni"))
        return false;
    input_wide(op, y, raw, out, n);
    return true;
}

#endif
