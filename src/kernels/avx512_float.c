/* avx512_float.c: float32 statistics and quantisation; add, clamp and pools. */
#include "kernels/avx512_float.h"

#if MICO_KERNELS_X86

/* ---- statistics ------------------------------------------------------------------ */

MICO_AVX512 float mico_avx512_max(const float *x, size_t n, float max)
{
    __m512 m[4];
    size_t i = 0;

    for (size_t j = 0; j < 4; j++)
        m[j] = _mm512_set1_ps(max);
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            m[j] = mico_vec_larger(m[j], _mm512_loadu_ps(x + i + 16 * j));
    for (; i < n; i += 16)
        m[0] = mico_vec_larger(m[0], _mm512_maskz_loadu_ps(mico_mask16(n - i), x + i));
    return _mm512_reduce_max_ps(
        _mm512_max_ps(_mm512_max_ps(m[0], m[1]), _mm512_max_ps(m[2], m[3])));
}

MICO_AVX512 void mico_avx512_sum(const float *x, size_t n, double times,
                                 double *partial)
{
    const __m512d t = _mm512_set1_pd(times);
    __m512d low = _mm512_loadu_pd(partial), high = _mm512_loadu_pd(partial + 8);

    for (size_t i = 0; i < n; i += 16)
        mico_vec_sum(&low, &high, _mm512_maskz_loadu_ps(mico_mask16(n - i), x + i), t);
    _mm512_storeu_pd(partial, low);
    _mm512_storeu_pd(partial + 8, high);
}

mico_float_scale mico_avx512_scale(const mico_op *op, const float *x, size_t n)
{
    double partial[MICO_PARTIALS] = {0};

    if (!mico_float_mean(op))
        return mico_float_scale_of(op, mico_avx512_max(x, n, 0));
    mico_avx512_sum(x, n, 1, partial);
    return mico_float_scale_of(op, (float)(mico_float_total(partial) / (double)n));
}

/* ---- codes ----------------------------------------------------------------------- */

/* +1 where x > 0, else -1. */
static MICO_AVX512 void sign_codes(const float *x, size_t n, uint8_t *codes)
{
    const __m128i less = _mm_set1_epi8(127), more = _mm_set1_epi8((char)129);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = mico_mask16(n - i);
        const __mmask16 up = _mm512_cmp_ps_mask(_mm512_maskz_loadu_ps(mask, x + i),
                                                _mm512_setzero_ps(), _CMP_GT_OQ);
        const __m128i v = _mm_mask_blend_epi8(up, less, more);

        if (mask == 0xffff)
            _mm_storeu_si128((__m128i *)(codes + i), v);
        else
            _mm_mask_storeu_epi8(codes + i, mask, v);
    }
}

/* 64 values at a time: the packs work within quarters, which `order` puts right. */
MICO_INLINE void value_codes(const float *x, size_t n, __m512 k,
                             const mico_vec_quant *q, const __m512i flip,
                             const bool is_signed, uint8_t *codes)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    size_t i = 0;

    for (; i + 64 <= n; i += 64) {
        __m512i v[4];
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            v[j] = mico_vec_q(_mm512_loadu_ps(x + i + 16 * j), k, q);
        const __m512i a = _mm512_packs_epi32(v[0], v[1]);
        const __m512i b = _mm512_packs_epi32(v[2], v[3]);
        const __m512i c =
            is_signed ? _mm512_packs_epi16(a, b) : _mm512_packus_epi16(a, b);

        _mm512_storeu_si512(codes + i,
                            _mm512_xor_si512(_mm512_permutexvar_epi32(order, c), flip));
    }
    for (; i < n; i += 16) {
        const __mmask16 mask = mico_mask16(n - i);
        const __m512i v = mico_vec_q(_mm512_maskz_loadu_ps(mask, x + i), k, q);
        const __m128i c =
            _mm_xor_si128(_mm512_cvtepi32_epi8(v), _mm512_castsi512_si128(flip));

        if (mask == 0xffff)
            _mm_storeu_si128((__m128i *)(codes + i), c);
        else
            _mm_mask_storeu_epi8(codes + i, mask, c);
    }
}

MICO_AVX512 void mico_avx512_codes(const mico_op *op, const float *x, size_t n, float k,
                                   uint8_t *codes)
{
    const __m512i flip = _mm512_set1_epi8(op->act_signed ? (char)128 : 0);
    const __m512 kv = _mm512_set1_ps(k);
    mico_vec_quant q = mico_vec_quant_of(op);

    if (mico_float_sign(op)) {
        sign_codes(x, n, codes);
    } else if (op->act_blocks) {
        q.away = true;
        value_codes(x, n, kv, &q, flip, true, codes);
    } else {
        q.away = false;
        if (op->act_signed)
            value_codes(x, n, kv, &q, flip, true, codes);
        else
            value_codes(x, n, kv, &q, flip, false, codes);
    }
}

/* ---- add, clamp ------------------------------------------------------------------ */

static const float *floats(const uint8_t *bytes)
{
    return (const float *)(const void *)bytes;
}

static bool is_float(const mico_op *op, mico_op_kind kind)
{
    return op->kind == kind && op->rounding == MICO_ROUND_FLOAT;
}

static bool add_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return is_float(op, MICO_OP_ADD);
}

static bool clamp_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return is_float(op, MICO_OP_CLAMP);
}

/* clip(a + b), or clip(a) where there is no b. */
MICO_INLINE void clip_all(const mico_call *call, const float *a, const float *b)
{
    const size_t n =
        call->n_images * mico_op_output(call->plan, call->op)->bytes / sizeof(float);
    const __m512 lo = _mm512_set1_ps(call->op->lo_f32);
    const __m512 hi = _mm512_set1_ps(call->op->hi_f32);
    float *y = (float *)(void *)call->out;

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = mico_mask16(n - i);
        __m512 v = mico_vec_load(a + i, mask);

        if (b != NULL)
            v = _mm512_add_ps(v, mico_vec_load(b + i, mask));
        mico_vec_store(y + i, mask, mico_vec_clip(v, lo, hi));
    }
}

static MICO_AVX512 void add_run(const mico_call *call)
{
    clip_all(call, floats(call->in[0]), floats(call->in[1]));
}

static MICO_AVX512 void clamp_run(const mico_call *call)
{
    clip_all(call, floats(call->in[0]), NULL);
}

/* ---- pools ----------------------------------------------------------------------- */

static bool pool_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return is_float(op, MICO_OP_MAXPOOL) || is_float(op, MICO_OP_AVGPOOL);
}

/* One window, 16 channels at a time, tap by tap as the portable kernel. */
static MICO_AVX512 void pool_window(const mico_op *op, const mico_extent *e,
                                    const float *x, size_t oy, size_t ox, float *y)
{
    const mico_window *win = &op->node->window;
    const bool is_max = op->kind == MICO_OP_MAXPOOL;

    for (size_t c = 0; c < e->c; c += 16) {
        const __mmask16 mask = mico_mask16(e->c - c);
        __m512 max = _mm512_setzero_ps(), sum = max;
        size_t taps = 0;

        for (size_t ky = 0; ky < win->kh; ky++)
            for (size_t kx = 0; kx < win->kw; kx++) {
                const size_t y_pad = oy * win->stride_h + ky * win->dilation_h;
                const size_t x_pad = ox * win->stride_w + kx * win->dilation_w;

                if (y_pad < win->pad_top || y_pad >= win->pad_top + e->h ||
                    x_pad < win->pad_left || x_pad >= win->pad_left + e->w)
                    continue;
                const size_t at =
                    ((y_pad - win->pad_top) * e->w + (x_pad - win->pad_left)) * e->c;
                const __m512 v = mico_vec_load(x + at + c, mask);

                max = taps == 0 ? v : _mm512_max_ps(v, max);
                sum = _mm512_add_ps(sum, v);
                taps++;
            }
        if (is_max || taps == 0) {
            mico_vec_store(y + c, mask, max);
            continue;
        }
        if (op->node->count_include_pad && !op->act_blocks)
            taps = win->kh * win->kw;
        mico_vec_store(y + c, mask, _mm512_div_ps(sum, _mm512_set1_ps((float)taps)));
    }
}

static void pool_run(const mico_call *call)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    const mico_extent from = mico_extent_of(x), to = mico_extent_of(y);
    float *out = (float *)(void *)call->out;

    for (size_t n = 0; n < call->n_images; n++)
        for (size_t oy = 0; oy < to.h; oy++)
            for (size_t ox = 0; ox < to.w; ox++, out += to.c)
                pool_window(call->op, &from, floats(call->in[0] + n * x->bytes), oy, ox,
                            out);
}

#define ENTRY(stem)                                                                    \
    const mico_kernel mico_kernel_##stem##_float_avx512vnni = {                        \
        .name = #stem "_float_avx512vnni",                                             \
        .isa = "avx512vnni",                                                           \
        .supports = stem##_supports,                                                   \
        .run = stem##_run};
ENTRY(add)
ENTRY(clamp)
ENTRY(pool)

#endif
