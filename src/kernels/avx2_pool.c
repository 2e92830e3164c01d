/* avx2_pool.c: average and maximum pooling with AVX2, 8 to 32 channels at a time.
 *
 * Channels are done in whole vectors; the last vector is moved left where it would
 * stick out (the channels that it does twice get the same bytes). Maps of fewer
 * channels than the smallest vector are done one by one. */
#include "kernels/avx2_internal.h"

#if MICO_KERNELS_X86

/* The taps of one window that are in bounds: a box of pixels. */
typedef struct box {
    const uint8_t *first;  /* channel 0 of the first pixel */
    size_t rows, columns;  /* taps in bounds */
    size_t y_step, x_step; /* bytes between taps */
} box;

/* Taps k of n, at origin + k*dilation in the padded map, that lie within [pad, pad +
 * size): their number, and the position of the first in the map. */
static size_t taps_inside(size_t origin, size_t n, size_t dilation, size_t pad,
                          size_t size, size_t *first)
{
    const size_t end = pad + size > origin ? pad + size - origin : 0;
    const size_t before = pad > origin ? (pad - origin + dilation - 1) / dilation : 0;
    size_t until = (end + dilation - 1) / dilation;

    until = until < n ? until : n;
    *first = until > before ? origin + before * dilation - pad : 0;
    return until > before ? until - before : 0;
}

static box box_at(const mico_window *win, const mico_extent *e, const uint8_t *image,
                  size_t oy, size_t ox)
{
    box b = {.y_step = win->dilation_h * e->w * e->c, .x_step = win->dilation_w * e->c};
    size_t y, x;

    b.rows = taps_inside(oy * win->stride_h, win->kh, win->dilation_h, win->pad_top,
                         e->h, &y);
    b.columns = taps_inside(ox * win->stride_w, win->kw, win->dilation_w, win->pad_left,
                            e->w, &x);
    b.first = image + (y * e->w + x) * e->c;
    return b;
}

/* What one kind of pooling does for one output pixel. */
typedef void (*pool_fn)(const mico_call *call, const box *b, size_t channels,
                        uint8_t *out);

static void pool_run(const mico_call *call, pool_fn pool)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    const mico_extent e = mico_extent_of(x), to = mico_extent_of(y);

    for (size_t n = 0; n < call->n_images; n++)
        for (size_t oy = 0; oy < to.h; oy++)
            for (size_t ox = 0; ox < to.w; ox++) {
                const box b = box_at(&call->op->node->window, &e,
                                     call->in[0] + n * x->bytes, oy, ox);

                pool(call, &b, to.c,
                     call->out + n * y->bytes + (oy * to.w + ox) * to.c);
            }
}

/* ---- average ------------------------------------------------------------------- */

static bool avgpool_supports(const mico_plan *plan, const mico_op *op)
{
    /* at most 2^20 taps of |q| <= 255: sums fit into int32 */
    return op->kind == MICO_OP_AVGPOOL && mico_avx2_bytes(plan, op) &&
           op->node->window.kh <= 1024 && op->node->window.kw <= 1024 &&
           mico_avx2_narrow(mico_op_output(plan, op), &op->epilogue);
}

/* Sum of the codes of 8 channels, less zeros. */
MICO_AVX2_INLINE __m256i sum_8(const box *b, size_t c, int32_t zeros)
{
    __m256i sum = _mm256_set1_epi32(-zeros);

    for (size_t r = 0; r < b->rows; r++) {
        const uint8_t *p = b->first + r * b->y_step + c;

        for (size_t k = 0; k < b->columns; k++, p += b->x_step)
            sum = _mm256_add_epi32(
                sum, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
    }
    return sum;
}

static int32_t sum_1(const box *b, size_t c, int32_t zeros)
{
    int32_t sum = -zeros;

    for (size_t r = 0; r < b->rows; r++)
        for (size_t k = 0; k < b->columns; k++)
            sum += b->first[r * b->y_step + k * b->x_step + c];
    return sum;
}

/* The sum of codes less count * zero is the sum of q. Without a tap it is 0, and 0
 * whatever the multiplier. */
static MICO_AVX2 void average(const mico_call *call, const box *b, size_t channels,
                              uint8_t *out)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const size_t taps = b->rows * b->columns;
    const mico_window *win = &op->node->window;
    const size_t k = op->node->count_include_pad ? win->kh * win->kw : taps;
    const int32_t mult = taps > 0 ? op->mult[k] : 0;
    const unsigned shift = taps > 0 ? op->shift[k] : 1;
    const int32_t zeros = (int32_t)(mico_op_input(call->plan, op, 0)->zero * taps);
    const mico_avx2_epilogue e = mico_avx2_epilogue_of(&op->epilogue);
    double scale[4];

    for (size_t i = 0; i < 4; i++)
        scale[i] = mico_avx2_scale(mult, shift);
    for (size_t c = 0; channels >= 8 && c < channels; c += 8) {
        c = c + 8 <= channels ? c : channels - 8;
        const __m256i sum = sum_8(b, c, zeros);
        const __m128i z0 = mico_avx2_round(_mm256_castsi256_si128(sum), scale, &e);
        const __m128i z1 = mico_avx2_round(_mm256_extracti128_si256(sum, 1), scale, &e);

        _mm_storel_epi64((__m128i *)(out + c), mico_avx2_codes(z0, z1, z0, z1, &e));
    }
    for (size_t c = 0; channels < 8 && c < channels; c++)
        mico_value_put(y, &op->epilogue,
                       mico_requantize(sum_1(b, c, zeros), mult, shift), out, c);
}

static void avgpool_run(const mico_call *call)
{
    pool_run(call, average);
}

/* ---- maximum ------------------------------------------------------------------- */

static bool maxpool_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_MAXPOOL && mico_avx2_bytes(plan, op);
}

MICO_AVX2_INLINE __m256i load_codes(const uint8_t *p, const size_t n)
{
    if (n == 32)
        return _mm256_loadu_si256((const __m256i *)p);
    if (n == 16)
        return _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)p));
}

/* n channels at a time, n = 8, 16 or 32 and at most the channels. On codes: they are
 * ordered as the values are. */
MICO_AVX2_INLINE void maximum_vectors(const box *b, size_t channels, uint8_t *out,
                                      const size_t n)
{
    for (size_t c = 0; c < channels; c += n) {
        __m256i max = _mm256_setzero_si256();

        c = c + n <= channels ? c : channels - n;
        for (size_t r = 0; r < b->rows; r++) {
            const uint8_t *p = b->first + r * b->y_step + c;

            for (size_t k = 0; k < b->columns; k++, p += b->x_step)
                max = _mm256_max_epu8(max, load_codes(p, n));
        }
        if (n == 32)
            _mm256_storeu_si256((__m256i *)(out + c), max);
        else if (n == 16)
            _mm_storeu_si128((__m128i *)(out + c), _mm256_castsi256_si128(max));
        else
            _mm_storel_epi64((__m128i *)(out + c), _mm256_castsi256_si128(max));
    }
}

static uint8_t maximum_1(const box *b, size_t c)
{
    uint8_t max = 0;

    for (size_t r = 0; r < b->rows; r++)
        for (size_t k = 0; k < b->columns; k++) {
            const uint8_t code = b->first[r * b->y_step + k * b->x_step + c];

            max = code > max ? code : max;
        }
    return max;
}

static MICO_AVX2 void maximum(const mico_call *call, const box *b, size_t channels,
                              uint8_t *out)
{
    if (b->rows * b->columns == 0)
        memset(out, (int)mico_op_output(call->plan, call->op)->zero, channels);
    else if (channels >= 32)
        maximum_vectors(b, channels, out, 32);
    else if (channels >= 16)
        maximum_vectors(b, channels, out, 16);
    else if (channels >= 8)
        maximum_vectors(b, channels, out, 8);
    else
        for (size_t c = 0; c < channels; c++)
            out[c] = maximum_1(b, c);
}

static void maxpool_run(const mico_call *call)
{
    pool_run(call, maximum);
}

#define ENTRY(stem)                                                                    \
    const mico_kernel mico_kernel_##stem##_avx2 = {.name = #stem "_avx2",              \
                                                   .isa = "avx2",                      \
                                                   .supports = stem##_supports,        \
                                                   .run = stem##_run};
ENTRY(avgpool)
ENTRY(maxpool)

#endif
