/* avx512_round.c: the roundings of profiles ares and tflite in AVX-512. */
#include "kernels/avx512_round.h"

#if MICO_KERNELS_X86

/* Codes of 16 values of q: base + step * clip(q, lo, hi). */
typedef struct clamp16 {
    __m512i lo, hi, base;
    bool twice;
} clamp16;

MICO_INLINE clamp16 clamp16_of(const mico_epilogue *e)
{
    return (clamp16){_mm512_set1_epi32(e->lo), _mm512_set1_epi32(e->hi),
                     _mm512_set1_epi32(e->base), e->step == 2};
}

MICO_INLINE __m128i codes_16(__m512i q, const clamp16 *k)
{
    q = _mm512_min_epi32(_mm512_max_epi32(q, k->lo), k->hi);
    if (k->twice)
        q = _mm512_add_epi32(q, q);
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(q, k->base));
}

MICO_AVX512 void mico_finish_tflite_avx512(const mico_call *call, const int32_t *acc,
                                           size_t n_pixels, uint8_t *out)
{
    const mico_op *op = call->op;
    const size_t c_out = op->weights->c_out;
    const clamp16 clamp = clamp16_of(&op->epilogue);

    for (size_t c = 0; c < c_out; c += 16) {
        const __mmask16 mask = mico_mask16(c_out - c);
        const __m512i shift =
            _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, op->shift + c));
        const mico_scale16 s =
            mico_scale16_of(_mm512_maskz_loadu_epi32(mask, op->mult + c), shift);

        for (size_t p = 0; p < n_pixels; p++) {
            const __m512i v = _mm512_maskz_loadu_epi32(mask, acc + p * c_out + c);

            _mm_mask_storeu_epi8(out + p * c_out + c, mask,
                                 codes_16(mico_scale_16(v, &s), &clamp));
        }
    }
}

/* ---- tflite: add -------------------------------------------------------------------
 */

static bool add_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->kind == MICO_OP_ADD && op->rounding == MICO_ROUND_TFLITE;
}

MICO_INLINE mico_scale16 scale_of_all(const mico_op *op, size_t k)
{
    return mico_scale16_of(_mm512_set1_epi32(op->mult[k]),
                           _mm512_set1_epi32(op->shift[k]));
}

/* An input in the units of the sum. */
MICO_INLINE __m512i add_term(__m128i codes, __m512i zero, const mico_scale16 *s)
{
    const __m512i q = _mm512_sub_epi32(_mm512_cvtepu8_epi32(codes), zero);

    return mico_scale_16(_mm512_slli_epi32(q, 20), s);
}

static MICO_AVX512 void add_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const size_t count = call->n_images * mico_op_output(call->plan, op)->bytes;
    const __m512i zero[2] = {
        _mm512_set1_epi32((int32_t)mico_op_input(call->plan, op, 0)->zero),
        _mm512_set1_epi32((int32_t)mico_op_input(call->plan, op, 1)->zero)};
    const mico_scale16 s[3] = {scale_of_all(op, 0), scale_of_all(op, 1),
                               scale_of_all(op, 2)};
    const clamp16 clamp = clamp16_of(&op->epilogue);

    for (size_t i = 0; i < count; i += 16) {
        const __mmask16 mask = mico_mask16(count - i);
        const __m512i sum = _mm512_add_epi32(
            add_term(_mm_maskz_loadu_epi8(mask, call->in[0] + i), zero[0], &s[0]),
            add_term(_mm_maskz_loadu_epi8(mask, call->in[1] + i), zero[1], &s[1]));

        _mm_mask_storeu_epi8(call->out + i, mask,
                             codes_16(mico_scale_16(sum, &s[2]), &clamp));
    }
}

const mico_kernel mico_kernel_add_tflite_avx512 = {.name = "add_tflite_avx512vnni",
                                                   .isa = "avx512vnni",
                                                   .supports = add_supports,
                                                   .run = add_run};

/* ---- ares --------------------------------------------------------------------------
 */

/* rne(clip(v)) as codes. */
typedef struct round16 {
    __m512 lo, hi;
    __m512i base;
    bool twice;
} round16;

MICO_INLINE round16 round16_of(const mico_epilogue *e)
{
    return (round16){_mm512_set1_ps((float)e->lo), _mm512_set1_ps((float)e->hi),
                     _mm512_set1_epi32(e->base), e->step == 2};
}

MICO_INLINE __m128i round_16(__m512 v, const round16 *k)
{
    __m512i q = mico_ares_16(v, k->lo, k->hi);

    if (k->twice)
        q = _mm512_add_epi32(q, q);
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(q, k->base));
}

/* Of an add: every product and the sum have at most 40 bits, which doubles hold. */
typedef struct add8 {
    __m512d mult[2], lo, hi;
    __m256i zero[2], base;
    bool twice;
} add8;

static MICO_AVX512 add8 add8_of(const mico_plan *plan, const mico_op *op)
{
    const mico_epilogue *e = &op->epilogue;
    add8 k = {.lo = _mm512_set1_pd((double)e->lo),
              .hi = _mm512_set1_pd((double)e->hi),
              .base = _mm256_set1_epi32(e->base),
              .twice = e->step == 2};

    for (size_t i = 0; i < 2; i++) {
        k.mult[i] = _mm512_set1_pd(mico_scale_of(op->mult[i], op->shift[0]));
        k.zero[i] = _mm256_set1_epi32((int32_t)mico_op_input(plan, op, i)->zero);
    }
    return k;
}

MICO_INLINE __m512d add_value(__m128i codes, __m256i zero)
{
    return _mm512_cvtepi32_pd(_mm256_sub_epi32(_mm256_cvtepu8_epi32(codes), zero));
}

MICO_INLINE __m128i add_8(__m128i a, __m128i b, const add8 *k)
{
    __m512d v = _mm512_mul_pd(add_value(a, k->zero[0]), k->mult[0]);
    __m256i q;

    v = _mm512_fmadd_pd(add_value(b, k->zero[1]), k->mult[1], v);
    v = _mm512_min_pd(_mm512_max_pd(v, k->lo), k->hi);
    q = _mm512_cvt_roundpd_epi32(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (k->twice)
        q = _mm256_add_epi32(q, q);
    return _mm256_cvtepi32_epi8(_mm256_add_epi32(q, k->base));
}

static bool ares_add_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->kind == MICO_OP_ADD && op->rounding == MICO_ROUND_ARES;
}

static MICO_AVX512 void ares_add_run(const mico_call *call)
{
    const size_t count = call->n_images * mico_op_output(call->plan, call->op)->bytes;
    const add8 k = add8_of(call->plan, call->op);

    for (size_t i = 0; i < count; i += 8) {
        const __mmask16 mask = mico_mask16(count - i) & 0xff;

        _mm_mask_storeu_epi8(call->out + i, mask,
                             add_8(_mm_maskz_loadu_epi8(mask, call->in[0] + i),
                                   _mm_maskz_loadu_epi8(mask, call->in[1] + i), &k));
    }
}

const mico_kernel mico_kernel_add_ares_avx512 = {.name = "add_ares_avx512vnni",
                                                 .isa = "avx512vnni",
                                                 .supports = ares_add_supports,
                                                 .run = ares_add_run};

/* One rounding for the product, one for the sum: no fused multiply-add. */
static MICO_AVX512 void finish_logits(const mico_op *op, const int32_t *acc,
                                      size_t n_pixels, uint8_t *out)
{
    const size_t c_out = op->weights->c_out;

    for (size_t c = 0; c < c_out; c += 16) {
        const __mmask16 mask = mico_mask16(c_out - c);
        const __m512 scale = _mm512_maskz_loadu_ps(mask, op->scale_f32 + c);
        const __m512 bias = _mm512_maskz_loadu_ps(mask, op->bias_f32 + c);

        for (size_t p = 0; p < n_pixels; p++) {
            const __m512 v =
                _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, acc + p * c_out + c));
            const __m512 product = _mm512_mul_round_ps(
                v, scale, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);

            _mm512_mask_storeu_ps(out + 4 * (p * c_out + c), mask,
                                  _mm512_add_ps(product, bias));
        }
    }
}

MICO_AVX512 void mico_finish_ares_avx512(const mico_call *call, const int32_t *acc,
                                         size_t n_pixels, uint8_t *out)
{
    const mico_op *op = call->op;
    const size_t c_out = op->weights->c_out;
    const round16 k = round16_of(&op->epilogue);

    if (mico_op_output(call->plan, op)->format.width == 32) {
        finish_logits(op, acc, n_pixels, out);
        return;
    }
    for (size_t c = 0; c < c_out; c += 16) {
        const __mmask16 mask = mico_mask16(c_out - c);
        const __m512 scale = _mm512_maskz_loadu_ps(mask, op->scale_f32 + c);

        for (size_t p = 0; p < n_pixels; p++) {
            const __m512 v =
                _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, acc + p * c_out + c));

            _mm_mask_storeu_epi8(out + p * c_out + c, mask,
                                 round_16(_mm512_mul_ps(v, scale), &k));
        }
    }
}

#endif
