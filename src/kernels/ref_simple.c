/* ref_simple.c: portable add, concat, pools, clamp and requant: their specification. */
#include "kernels/kernels_internal.h"

/* Number of values per image. */
static size_t value_count(const mico_plan_tensor *t)
{
    return t->bytes / mico_value_bytes(t);
}

static void add_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *a = mico_op_input(plan, op, 0);
    const mico_plan_tensor *b = mico_op_input(plan, op, 1);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t count = n_images * value_count(y);
    const unsigned shift = op->shift[0];

    for (size_t i = 0; i < count; i++) {
        int64_t sum = (int64_t)mico_value_get(a, in[0], i) * op->mult[0] +
                      (int64_t)mico_value_get(b, in[1], i) * op->mult[1];

        mico_value_put(y, &op->epilogue, mico_requantize(sum, 1, shift), out, i);
    }
}

/* Along axis 0: the channels of a spatial tensor lie innermost, else axis 0 is
 * outermost and the inputs follow each other. */
static void concat_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_extent to = mico_extent_of(y);
    size_t first = 0;

    for (size_t k = 0; k < op->n_in; k++) {
        const mico_plan_tensor *x = mico_op_input(plan, op, k);
        const mico_extent from = mico_extent_of(x);
        const size_t pixels = n_images * from.h * from.w;

        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < from.c; c++)
                mico_value_put(y, &op->epilogue,
                               mico_requantize(mico_value_get(x, in[k], p * from.c + c),
                                               op->mult[k], op->shift[k]),
                               out, p * to.c + first + c);
        first += from.c;
    }
}

/* What a pool sees of one channel under the window at (oy, ox), padding left out. */
typedef struct pool_view {
    size_t taps; /* in bounds */
    int64_t sum; /* of q */
    int32_t max; /* of q; valid where taps > 0 */
} pool_view;

static pool_view pool_at(const mico_plan_tensor *x, const mico_window *win,
                         const uint8_t *data, size_t oy, size_t ox, size_t c)
{
    const mico_extent e = mico_extent_of(x);
    pool_view seen = {0, 0, INT32_MIN};

    for (size_t ky = 0; ky < win->kh; ky++) {
        for (size_t kx = 0; kx < win->kw; kx++) {
            const size_t y_pad = oy * win->stride_h + ky * win->dilation_h;
            const size_t x_pad = ox * win->stride_w + kx * win->dilation_w;

            if (y_pad < win->pad_top || y_pad >= win->pad_top + e.h ||
                x_pad < win->pad_left || x_pad >= win->pad_left + e.w)
                continue;
            const size_t pixel = (y_pad - win->pad_top) * e.w + (x_pad - win->pad_left);
            const int32_t q = mico_value_get(x, data, pixel * e.c + c);

            seen.taps++;
            seen.sum += q;
            seen.max = q > seen.max ? q : seen.max;
        }
    }
    return seen;
}

/* The greatest code in bounds; a window wholly in the padding gives the code of 0. */
static void maxpool_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_extent e = mico_extent_of(y);
    const mico_epilogue same = {INT32_MIN, INT32_MAX, (int32_t)y->zero, 1};

    for (size_t n = 0; n < n_images; n++)
        for (size_t oy = 0; oy < e.h; oy++)
            for (size_t ox = 0; ox < e.w; ox++)
                for (size_t c = 0; c < e.c; c++) {
                    pool_view seen =
                        pool_at(x, &op->node->window, in[0] + n * x->bytes, oy, ox, c);

                    mico_value_put(y, &same, seen.taps > 0 ? seen.max : 0,
                                   out + n * y->bytes, (oy * e.w + ox) * e.c + c);
                }
}

/* Requantised sum; the multiplier holds 1/count: of the taps in bounds, or of all. */
static void avgpool_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_extent e = mico_extent_of(y);
    const mico_window *win = &op->node->window;

    for (size_t n = 0; n < n_images; n++)
        for (size_t oy = 0; oy < e.h; oy++)
            for (size_t ox = 0; ox < e.w; ox++)
                for (size_t c = 0; c < e.c; c++) {
                    pool_view seen = pool_at(x, win, in[0] + n * x->bytes, oy, ox, c);
                    size_t k =
                        op->node->count_include_pad ? win->kh * win->kw : seen.taps;
                    int64_t v = 0;

                    if (seen.taps > 0)
                        v = mico_requantize(seen.sum, op->mult[k], op->shift[k]);
                    mico_value_put(y, &op->epilogue, v, out + n * y->bytes,
                                   (oy * e.w + ox) * e.c + c);
                }
}

/* q between lo and hi in the same format. */
static void clamp_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_epilogue same = {op->epilogue.lo, op->epilogue.hi, (int32_t)y->zero, 1};
    const size_t count = n_images * value_count(y);

    for (size_t i = 0; i < count; i++)
        mico_value_put(y, &same, mico_value_get(x, in[0], i), out, i);
}

static void requant_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t count = n_images * value_count(y);

    for (size_t i = 0; i < count; i++)
        mico_value_put(
            y, &op->epilogue,
            mico_requantize(mico_value_get(x, in[0], i), op->mult[0], op->shift[0]),
            out, i);
}

MICO_C_KERNEL(add, ADD, add_run)
MICO_C_KERNEL(concat, CONCAT, concat_run)
MICO_C_KERNEL(maxpool, MAXPOOL, maxpool_run)
MICO_C_KERNEL(avgpool, AVGPOOL, avgpool_run)
MICO_C_KERNEL(clamp, CLAMP, clamp_run)
MICO_C_KERNEL(requant, REQUANT, requant_run)
