/* avx512_pool.c: average and maximum pooling, 64 channels at a time. */
#include "kernels/avx512_single.h"

#if MICO_KERNELS_X86

/* The taps of one window that are in bounds, as a box of input pixels. */
typedef struct box {
    size_t y, x;           /* first pixel */
    size_t rows, columns;  /* taps in bounds */
    size_t y_step, x_step; /* pixels between taps */
} box;

/* Taps k of n, at origin + k*dilation in the padded map, that lie within [pad, pad +
 * size): their number, and the position of the first in the map. */
static size_t taps_inside(size_t origin, size_t n, size_t dilation, size_t pad,
                          size_t size, size_t *first)
{
    size_t count = 0;

    *first = 0;
    for (size_t k = 0; k < n; k++) {
        const size_t at = origin + k * dilation;

        if (at < pad || at >= pad + size)
            continue;
        if (count++ == 0)
            *first = at - pad;
    }
    return count;
}

static box box_at(const mico_window *win, const mico_extent *e, size_t oy, size_t ox)
{
    box b = {.y_step = win->dilation_h, .x_step = win->dilation_w};

    b.rows = taps_inside(oy * win->stride_h, win->kh, win->dilation_h, win->pad_top,
                         e->h, &b.y);
    b.columns = taps_inside(ox * win->stride_w, win->kw, win->dilation_w, win->pad_left,
                            e->w, &b.x);
    return b;
}

/* ---- average ------------------------------------------------------------------- */

#define MOST_TAPS                                                                      \
    ((size_t)1 << 16)          /* sums of 255 stay within 2^24: avx512_single.h        \
                                */
#define FEW_TAPS ((size_t)257) /* sums of 255 fit into 16 bits */

static bool avgpool_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_AVGPOOL && mico_all_bytes(plan, op) &&
           op->node->window.kh <= MOST_TAPS &&
           op->node->window.kw <= MOST_TAPS / op->node->window.kh &&
           mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue);
}

/* 64 codes, or those of the mask. */
MICO_INLINE __m512i load_codes(const uint8_t *p, __mmask64 mask)
{
    return mask == ~(__mmask64)0 ? _mm512_loadu_si512(p)
                                 : _mm512_maskz_loadu_epi8(mask, p);
}

MICO_INLINE void store_codes(uint8_t *p, __mmask64 mask, __m512i codes)
{
    if (mask == ~(__mmask64)0)
        _mm512_storeu_si512(p, codes);
    else
        _mm512_mask_storeu_epi8(p, mask, codes);
}

/* sum[j], lane i += channel 4i + j, over `columns` taps x_bytes apart in each of `rows`
 * rows. Bytes are added as 16-bit halves, a few taps at a time. */
MICO_INLINE void add_codes(__m512i *sum, const uint8_t *first, size_t rows,
                           size_t y_bytes, size_t columns, size_t x_bytes,
                           __mmask64 mask)
{
    const __m512i low8 = _mm512_set1_epi16(0xff), low16 = _mm512_set1_epi32(0xffff);
    __m512i even = _mm512_setzero_si512(), odd = even;
    size_t room = FEW_TAPS;

    for (size_t r = 0; r < rows; r++) {
        const uint8_t *p = first + r * y_bytes;

        for (size_t k = 0; k < columns; k++, p += x_bytes) {
            const __m512i v = load_codes(p, mask);

            even = _mm512_add_epi16(even, _mm512_and_si512(v, low8));
            odd = _mm512_add_epi16(odd, _mm512_srli_epi16(v, 8));
            if (--room > 0 && (r + 1 < rows || k + 1 < columns))
                continue;
            sum[0] = _mm512_add_epi32(sum[0], _mm512_and_si512(even, low16));
            sum[1] = _mm512_add_epi32(sum[1], _mm512_and_si512(odd, low16));
            sum[2] = _mm512_add_epi32(sum[2], _mm512_srli_epi32(even, 16));
            sum[3] = _mm512_add_epi32(sum[3], _mm512_srli_epi32(odd, 16));
            even = odd = _mm512_setzero_si512();
            room = FEW_TAPS;
        }
    }
}

/* The sum of codes less count * zero is the sum of q. */
MICO_INLINE void average_box(const box *b, const mico_extent *e, const uint8_t *image,
                             size_t zero, float scale, const mico_single *single,
                             uint8_t *out)
{
    const __m512i zeros = _mm512_set1_epi32(-(int32_t)(zero * b->rows * b->columns));
    const __m512i order = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const uint8_t *first = image + (b->y * e->w + b->x) * e->c;

    for (size_t c = 0; c < e->c; c += 64) {
        const __mmask64 mask = mico_mask64(e->c - c);
        __m512i sum[4] = {zeros, zeros, zeros, zeros};

        add_codes(sum, first + c, b->rows, b->y_step * e->w * e->c, b->columns,
                  b->x_step * e->c, mask);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            sum[j] = mico_single_round_any(sum[j], _mm512_set1_ps(scale), single);
        store_codes(out + c, mask,
                    _mm512_shuffle_epi8(mico_single_codes(sum, single), order));
    }
}

static MICO_AVX512 void avgpool_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_extent e = mico_extent_of(x), to = mico_extent_of(y);
    const mico_window *win = &op->node->window;
    const mico_single single = mico_single_of(&op->epilogue);
    size_t last = 0; /* taps that scale is for; without a tap the sum is 0 anyway */
    float scale = 0;

    for (size_t n = 0; n < call->n_images; n++)
        for (size_t oy = 0; oy < to.h; oy++) {
            uint8_t *out = call->out + n * y->bytes + oy * to.w * to.c;
            box b = box_at(win, &e, oy, 0);

            for (size_t ox = 0; ox < to.w; ox++) {
                b.columns = taps_inside(ox * win->stride_w, win->kw, win->dilation_w,
                                        win->pad_left, e.w, &b.x);
                const size_t taps = b.rows * b.columns;
                const size_t k =
                    op->node->count_include_pad && taps > 0 ? win->kh * win->kw : taps;

                if (k != last && k > 0)
                    scale = (float)mico_scale_of(op->mult[k], op->shift[k]);
                last = k > 0 ? k : last;
                average_box(&b, &e, call->in[0] + n * x->bytes, x->zero, scale, &single,
                            out + ox * to.c);
            }
        }
}

/* ---- maximum ------------------------------------------------------------------- */

/* On codes: they are ordered as the values are. First down the columns of the window,
 * one whole row of the map at a time, into scratch; then along that row. */
static bool maxpool_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_MAXPOOL && mico_all_bytes(plan, op);
}

/* The row, and what a vector reads behind it. */
static size_t maxpool_scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_extent e = mico_extent_of(mico_op_input(plan, op, 0));

    return mico_round_up(e.w * e.c, 64) + 64;
}

static MICO_AVX512 void maximum_rows(const uint8_t *first, size_t rows, size_t y_bytes,
                                     size_t n, uint8_t *row)
{
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 mask = mico_mask64(n - i);
        __m512i max = load_codes(first + i, mask);

        for (size_t r = 1; r < rows; r++)
            max = _mm512_max_epu8(max, load_codes(first + r * y_bytes + i, mask));
        _mm512_store_si512(row + i, max);
    }
}

/* n pixels of the output: `columns` taps from first on, x_bytes apart. */
static MICO_AVX512 void maximum_along(const uint8_t *first, size_t stride,
                                      size_t columns, size_t x_bytes, uint8_t *out,
                                      size_t c, size_t n)
{
    for (size_t x = 0; x < n; x++, first += stride, out += c)
        for (size_t i = 0; i < c; i += 64) {
            const uint8_t *p = first + i;
            __m512i max = _mm512_loadu_si512(p);

            for (size_t k = 1; k < columns; k++)
                max = _mm512_max_epu8(max, _mm512_loadu_si512(p + k * x_bytes));
            if (c - i == 16)
                _mm_storeu_si128((__m128i *)(out + i), _mm512_castsi512_si128(max));
            else if (c - i == 32)
                _mm256_storeu_si256((__m256i *)(out + i), _mm512_castsi512_si256(max));
            else
                store_codes(out + i, mico_mask64(c - i), max);
        }
}

/* One output row from the maxima of the columns. */
static void maximum_row(const mico_window *win, const mico_extent *e, size_t width,
                        const uint8_t *row, size_t zero, uint8_t *out)
{
    const size_t span = (win->kw - 1) * win->dilation_w, c = e->c;

    for (size_t x = 0; x < width;) {
        const size_t at = x * win->stride_w;
        size_t n = 1, first;
        const size_t taps =
            taps_inside(at, win->kw, win->dilation_w, win->pad_left, e->w, &first);

        if (taps == win->kw) /* and so the pixels after it, up to the right border */
            n += (win->pad_left + e->w - 1 - span - at) / win->stride_w;
        if (n > width - x)
            n = width - x;
        if (taps == 0)
            memset(out + x * c, (int)zero, c);
        else
            maximum_along(row + first * c, win->stride_w * c, taps, win->dilation_w * c,
                          out + x * c, c, n);
        x += n;
    }
}

static void maxpool_run(const mico_call *call)
{
    const mico_window *win = &call->op->node->window;
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    const mico_extent e = mico_extent_of(x), to = mico_extent_of(y);
    const size_t row_bytes = e.w * e.c, out_bytes = to.w * to.c;
    uint8_t *row = call->scratch;

    memset(row + row_bytes, 0, maxpool_scratch_bytes(call->plan, call->op) - row_bytes);
    for (size_t n = 0; n < call->n_images; n++)
        for (size_t oy = 0; oy < to.h; oy++) {
            uint8_t *out = call->out + n * y->bytes + oy * out_bytes;
            size_t first;
            const size_t rows = taps_inside(oy * win->stride_h, win->kh,
                                            win->dilation_h, win->pad_top, e.h, &first);

            if (rows == 0) {
                memset(out, (int)y->zero, out_bytes);
                continue;
            }
            maximum_rows(call->in[0] + n * x->bytes + first * row_bytes, rows,
                         win->dilation_h * row_bytes, row_bytes, row);
            maximum_row(win, &e, to.w, row, y->zero, out);
        }
}

const mico_kernel mico_kernel_avgpool_avx512vnni = {.name = "avgpool_avx512vnni",
                                                    .isa = "avx512vnni",
                                                    .supports = avgpool_supports,
                                                    .run = avgpool_run};
const mico_kernel mico_kernel_maxpool_avx512vnni = {.name = "maxpool_avx512vnni",
                                                    .isa = "avx512vnni",
                                                    .supports = maxpool_supports,
                                                    .scratch_bytes =
                                                        maxpool_scratch_bytes,
                                                    .run = maxpool_run};

#endif
