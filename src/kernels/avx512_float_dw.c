/* avx512_float_dw.c: depthwise convolution of the profiles dynamic and mico, 16
 * channels at a time. The integers are held as floats: their sums stay below 2^24,
 * where float32 is exact, so that fused multiply-adds compute the integer sum itself.
 */
#include "kernels/avx512_float.h"

#if MICO_KERNELS_X86

#define LANES ((size_t)16)

typedef struct depthwise {
    const mico_op *op;
    const mico_window *win;
    mico_float_blocks blocks;
    const float *weight, *scale, *bias; /* [group of 16][tap][16], [lane], [lane] */
    uint32_t *seen_h, *seen_w;          /* as in the portable kernel */
    float *q;                           /* [row][column][16] of a block's box */
} depthwise;

/* k and s of 16 channels. */
typedef struct scales {
    __m512 k, s;
} scales;

static bool supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    if (op->kind != MICO_OP_CONV || op->rounding != MICO_ROUND_FLOAT ||
        op->node->groups < 2 || op->node->groups != op->node->c_in ||
        op->node->groups != op->node->c_out)
        return false;
    for (size_t c = 0; c < op->weights->c_out; c++)
        if (op->weights->abs_sum[c] >= (1 << 24) / 256) /* |q| <= 255 */
            return false;
    return true;
}

/* ---- constants ------------------------------------------------------------------- */

static size_t lanes_of(const mico_op *op)
{
    return mico_round_up(op->weights->c_out, LANES);
}

static size_t packed_bytes(const mico_op *op)
{
    return lanes_of(op) * op->weights->taps * sizeof(float);
}

static void pack(const mico_op *op, void *packed)
{
    const mico_qweights *w = op->weights;
    float *to = packed;

    for (size_t first = 0; first < w->c_out; first += LANES)
        for (size_t t = 0; t < w->taps; t++)
            for (size_t c = first; c < first + LANES; c++)
                *to++ = c < w->c_out ? w->q[c * w->taps + t] : 0;
}

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return 2 * lanes_of(op) * sizeof(float);
}

static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    float *scale = consts, *bias = scale + lanes_of(op);

    memset(consts, 0, consts_bytes(plan, op));
    memcpy(scale, op->scale_f32, op->weights->c_out * sizeof *scale);
    memcpy(bias, op->bias_f32, op->weights->c_out * sizeof *bias);
}

static size_t counts_bytes(const mico_float_blocks *b)
{
    return mico_round_up((b->span_h + b->span_w) * sizeof(uint32_t), 64);
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_float_blocks b = mico_float_blocks_of(plan, op);

    return counts_bytes(&b) + b.span_h * b.span_w * LANES * sizeof(float);
}

/* ---- a block --------------------------------------------------------------------- */

/* mico_float_scale_of, a channel a lane. */
static MICO_AVX512 scales scales_of(const mico_op *op, __m512 statistic)
{
    scales a = {_mm512_set1_ps(1), statistic};

    if (mico_float_sign(op))
        return a; /* profile mico: the others have one scale for all channels */
    statistic = _mm512_max_ps(statistic, _mm512_set1_ps(mico_float_least(op)));
    statistic = _mm512_min_ps(statistic, _mm512_set1_ps(FLT_MAX));
    a.k = _mm512_div_ps(_mm512_set1_ps(mico_float_hi(op)), statistic);
    a.s = _mm512_div_ps(_mm512_set1_ps(1), a.k);
    return a;
}

/* First of 16 channels in row r of the box, where the map begins. */
static const float *row_of(const depthwise *s, const mico_float_block *k,
                           const float *x, size_t r)
{
    return x + mico_float_pixel(&s->blocks, s->win, k, r, k->x0) * s->blocks.in.c;
}

static MICO_AVX512 __m512 box_max(const depthwise *s, const mico_float_block *k,
                                  const float *x, __mmask16 mask)
{
    __m512 max = _mm512_setzero_ps();

    for (size_t r = k->y0; k->x0 < k->x1 && r < k->y1; r++) {
        const float *v = row_of(s, k, x, r);

        for (size_t c = k->x0; s->seen_h[r] > 0 && c < k->x1; c++, v += s->blocks.in.c)
            if (s->seen_w[c] > 0)
                max = mico_vec_larger(max, _mm512_maskz_loadu_ps(mask, v));
    }
    return max;
}

static MICO_AVX512 __m512 box_mean(const depthwise *s, const mico_float_block *k,
                                   const float *x, __mmask16 mask)
{
    const __m512d n = _mm512_set1_pd((double)(k->h * k->w * s->win->kh * s->win->kw));
    __m512d low = _mm512_setzero_pd(), high = low;

    for (size_t r = k->y0; k->x0 < k->x1 && r < k->y1; r++) {
        const float *v = row_of(s, k, x, r);

        for (size_t c = k->x0; c < k->x1; c++, v += s->blocks.in.c) {
            const double times = (double)s->seen_h[r] * (double)s->seen_w[c];

            if (times > 0)
                mico_vec_sum(&low, &high, _mm512_maskz_loadu_ps(mask, v),
                             _mm512_set1_pd(times));
        }
    }
    return _mm512_insertf32x8(
        _mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_div_pd(low, n))),
        _mm512_cvtpd_ps(_mm512_div_pd(high, n)), 1);
}

typedef enum how { SIGN, EVEN, AWAY } how;

/* The integers of the box, as floats. */
MICO_INLINE void quantize_box(const depthwise *s, const mico_float_block *k,
                              const float *x, __m512 scale, __mmask16 mask, const how h)
{
    const __m512 pad = _mm512_set1_ps((float)mico_float_pad(s->op));
    const __m512 one = _mm512_set1_ps(1), less = _mm512_set1_ps(-1);
    mico_vec_quant quant = mico_vec_quant_of(s->op);
    float *q = s->q;

    quant.away = h == AWAY;
    for (size_t r = 0; r < k->rows; r++) {
        const bool inside = r >= k->y0 && r < k->y1 && k->x0 < k->x1;
        const size_t first = inside ? k->x0 : k->cols, last = inside ? k->x1 : k->cols;
        const float *from = inside ? row_of(s, k, x, r) : x;
        size_t c = 0;

        for (; c < first; c++, q += LANES)
            _mm512_store_ps(q, pad);
        for (; c < last; c++, q += LANES, from += s->blocks.in.c) {
            const __m512 v = _mm512_maskz_loadu_ps(mask, from);

            if (h == SIGN)
                _mm512_store_ps(
                    q, _mm512_mask_blend_ps(
                           _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_GT_OQ), less,
                           one));
            else
                _mm512_store_ps(q, _mm512_cvtepi32_ps(mico_vec_q(v, scale, &quant)));
        }
        for (; c < k->cols; c++, q += LANES)
            _mm512_store_ps(q, pad);
    }
}

/* m neighbouring outputs of a row; q: the first one's first input. taps: 3 for windows
 * of 3x3 without dilation, whose loops are unrolled, else 0. */
MICO_INLINE void sums(__m512 *acc, const depthwise *s, const mico_float_block *k,
                      const float *q, const float *w, const int m, const size_t taps)
{
    const mico_window *win = s->win;
    const size_t step = win->stride_w * LANES, kh = taps > 0 ? taps : win->kh;
    const size_t kw = taps > 0 ? taps : win->kw;
    const size_t across = taps > 0 ? LANES : win->dilation_w * LANES;
    const size_t down = (taps > 0 ? 1 : win->dilation_h) * k->cols * LANES;
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
        acc[i] = _mm512_setzero_ps();
    for (size_t ky = 0; ky < kh; ky++, q += down)
#pragma GCC unroll 3
        for (size_t kx = 0; kx < kw; kx++, w += LANES) {
            const float *at = q + kx * across;
            const __m512 weight = _mm512_load_ps(w);
#pragma GCC unroll 4
            for (int i = 0; i < m; i++)
                acc[i] = _mm512_fmadd_ps(_mm512_load_ps(at + (size_t)i * step), weight,
                                         acc[i]);
        }
}

/* Results of 16 channels from `first` on; y: those of the map's first pixel. */
MICO_INLINE void block_results(const depthwise *s, const mico_float_block *k,
                               size_t first, __m512 s_x, float *y, __mmask16 mask,
                               const size_t taps)
{
    const mico_op *op = s->op;
    const __m512 scale = _mm512_mul_ps(s_x, _mm512_loadu_ps(s->scale + first));
    const __m512 bias = _mm512_loadu_ps(s->bias + first);
    const __m512 lo = _mm512_set1_ps(op->lo_f32), hi = _mm512_set1_ps(op->hi_f32);
    const float *w = s->weight + first * op->weights->taps;

    for (size_t oy = 0; oy < k->h; oy++) {
        const float *q = s->q + oy * s->win->stride_h * k->cols * LANES;
        float *to = y + ((k->oy + oy) * s->blocks.out.w + k->ox) * s->blocks.out.c;
        size_t m;

        for (size_t ox = 0; ox < k->w; ox += m) {
            __m512 acc[4];

            m = k->w - ox >= 4 ? 4 : 1;
            if (m == 4)
                sums(acc, s, k, q, w, 4, taps);
            else
                sums(acc, s, k, q, w, 1, taps);
            q += m * s->win->stride_w * LANES;
            for (size_t i = 0; i < m; i++, to += s->blocks.out.c)
                mico_vec_store(
                    to, mask,
                    mico_vec_clip(_mm512_add_ps(_mm512_mul_ps(acc[i], scale), bias), lo,
                                  hi));
        }
    }
}

/* ---- the op ---------------------------------------------------------------------- */

static MICO_AVX512 void run_image(const depthwise *s, const float *x, float *y)
{
    const mico_float_blocks *b = &s->blocks;
    const mico_window *win = s->win;
    const mico_op *op = s->op;
    scales all = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    const bool plain =
        win->kh == 3 && win->kw == 3 && win->dilation_h == 1 && win->dilation_w == 1;

    if (!op->act_blocks) {
        const mico_float_scale one =
            mico_avx512_scale(op, x, b->in.c * b->in.h * b->in.w);

        all = (scales){_mm512_set1_ps(one.k), _mm512_set1_ps(one.s)};
    }
    for (size_t oy = 0; oy < b->out.h; oy += b->h)
        for (size_t ox = 0; ox < b->out.w; ox += b->w) {
            const mico_float_block k = mico_float_block_at(b, win, oy, ox);

            mico_float_count(k.h, win->kh, win->stride_h, win->dilation_h, s->seen_h,
                             k.rows);
            mico_float_count(k.w, win->kw, win->stride_w, win->dilation_w, s->seen_w,
                             k.cols);
            for (size_t c = 0; c < b->in.c; c += LANES) {
                const __mmask16 mask = mico_mask16(b->in.c - c);
                scales a = all;

                if (op->act_blocks)
                    a = scales_of(op, mico_float_mean(op)
                                          ? box_mean(s, &k, x + c, mask)
                                          : box_max(s, &k, x + c, mask));
                if (mico_float_sign(op))
                    quantize_box(s, &k, x + c, a.k, mask, SIGN);
                else if (op->act_blocks)
                    quantize_box(s, &k, x + c, a.k, mask, AWAY);
                else
                    quantize_box(s, &k, x + c, a.k, mask, EVEN);
                if (plain)
                    block_results(s, &k, c, a.s, y + c, mask, 3);
                else
                    block_results(s, &k, c, a.s, y + c, mask, 0);
            }
        }
}

static void run(const mico_call *call)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    depthwise s = {.op = call->op, .win = &call->op->node->window};
    uint8_t *scratch = call->scratch;

    s.blocks = mico_float_blocks_of(call->plan, call->op);
    s.weight = call->packed;
    s.scale = call->consts;
    s.bias = s.scale + lanes_of(call->op);
    s.seen_h = call->scratch;
    s.seen_w = s.seen_h + s.blocks.span_h;
    s.q = (float *)(void *)(scratch + counts_bytes(&s.blocks));
    for (size_t n = 0; n < call->n_images; n++)
        run_image(&s, (const float *)(const void *)(call->in[0] + n * x->bytes),
                  (float *)(void *)(call->out + n * y->bytes));
}

const mico_kernel mico_kernel_conv_depthwise_float_avx512vnni = {
    .name = "conv_depthwise_float_avx512vnni",
    .isa = "avx512vnni",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .consts_bytes = consts_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .run = run};

#endif
