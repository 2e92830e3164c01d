/* avx512_pool.c: average and maximum pooling over 32 or 64 channels at a time. */
#include "kernels/avx512_internal.h"

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

static bool avgpool_supports(const mico_plan *plan, const mico_op *op)
{
    /* at most 2^20 taps of |q| <= 255: sums fit into int32 */
    return op->kind == MICO_OP_AVGPOOL && mico_all_bytes(plan, op) &&
           op->node->window.kh <= 1024 && op->node->window.kw <= 1024 &&
           mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue);
}

/* 32 channels at a time: the sum of codes less count * zero is the sum of q. */
static MICO_AVX512 void average_box(const box *b, const mico_extent *e,
                                    const uint8_t *image, size_t zero,
                                    const double *scale, const mico_epilogue *epilogue,
                                    uint8_t *out)
{
    const mico_vec_epilogue ve = mico_vec_epilogue_of(epilogue);
    const int32_t zeros = (int32_t)(zero * b->rows * b->columns);
    const uint8_t *first = image + (b->y * e->w + b->x) * e->c;

    for (size_t c = 0; c < e->c; c += 32) {
        const __mmask32 mask = mico_mask32(e->c - c);
        __m512i sum0 = _mm512_set1_epi32(-zeros), sum1 = sum0;

        for (size_t r = 0; r < b->rows; r++) {
            const uint8_t *p = first + r * b->y_step * e->w * e->c + c;

            for (size_t k = 0; k < b->columns; k++, p += b->x_step * e->c) {
                const __m256i v = _mm256_maskz_loadu_epi8(mask, p);

                sum0 = _mm512_add_epi32(
                    sum0, _mm512_cvtepu8_epi32(_mm256_castsi256_si128(v)));
                sum1 = _mm512_add_epi32(
                    sum1, _mm512_cvtepu8_epi32(_mm256_extracti128_si256(v, 1)));
            }
        }
        _mm256_mask_storeu_epi8(out + c, mask,
                                mico_vec_codes32(sum0, scale, sum1, scale, &ve));
    }
}

static void avgpool_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_extent e = mico_extent_of(x), to = mico_extent_of(y);
    const mico_window *win = &op->node->window;

    for (size_t n = 0; n < n_images; n++)
        for (size_t oy = 0; oy < to.h; oy++)
            for (size_t ox = 0; ox < to.w; ox++) {
                const box b = box_at(win, &e, oy, ox);
                const size_t taps = b.rows * b.columns;
                const size_t k = op->node->count_include_pad ? win->kh * win->kw : taps;
                double scale[MICO_SCALES];

                mico_scales_fill(scale, taps > 0 ? op->mult[k] : 0,
                                 taps > 0 ? op->shift[k] : 1);
                /* without a tap the sum is 0, and 0 whatever the scale */
                average_box(&b, &e, in[0] + n * x->bytes, x->zero, scale, &op->epilogue,
                            out + n * y->bytes + (oy * to.w + ox) * to.c);
            }
}

/* ---- maximum ------------------------------------------------------------------- */

static bool maxpool_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_MAXPOOL && mico_all_bytes(plan, op);
}

/* On codes: they are ordered as the values are. */
static MICO_AVX512 void maximum_box(const box *b, const mico_extent *e,
                                    const uint8_t *image, uint8_t *out)
{
    const uint8_t *first = image + (b->y * e->w + b->x) * e->c;

    for (size_t c = 0; c < e->c; c += 64) {
        const __mmask64 mask = mico_mask64(e->c - c);
        __m512i max = _mm512_setzero_si512();

        for (size_t r = 0; r < b->rows; r++) {
            const uint8_t *p = first + r * b->y_step * e->w * e->c + c;

            for (size_t k = 0; k < b->columns; k++, p += b->x_step * e->c)
                max = _mm512_max_epu8(max, _mm512_maskz_loadu_epi8(mask, p));
        }
        _mm512_mask_storeu_epi8(out + c, mask, max);
    }
}

static void maxpool_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_extent e = mico_extent_of(x), to = mico_extent_of(y);

    for (size_t n = 0; n < n_images; n++)
        for (size_t oy = 0; oy < to.h; oy++)
            for (size_t ox = 0; ox < to.w; ox++) {
                const box b = box_at(&op->node->window, &e, oy, ox);
                uint8_t *pixel = out + n * y->bytes + (oy * to.w + ox) * to.c;

                if (b.rows * b.columns == 0)
                    memset(pixel, (int)y->zero, to.c);
                else
                    maximum_box(&b, &e, in[0] + n * x->bytes, pixel);
            }
}

#define ENTRY(stem)                                                                    \
    const mico_kernel mico_kernel_##stem##_avx512vnni = {.name = #stem "_avx512vnni",  \
                                                         .isa = "avx512vnni",          \
                                                         .supports = stem##_supports,  \
                                                         .run = stem##_run};
ENTRY(avgpool)
ENTRY(maxpool)

#endif
