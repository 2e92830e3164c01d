/* ref_float.c: portable operators of the profiles dynamic and mico: their
 * specification, docs/INTEGER.md section 10. */
#include "kernels/float_internal.h"

#define FLOAT_KERNEL(stem, KIND, ...)                                                  \
    static bool stem##_supports(const mico_plan *plan, const mico_op *op)              \
    {                                                                                  \
        (void)plan;                                                                    \
        return op->kind == MICO_OP_##KIND && op->rounding == MICO_ROUND_FLOAT;         \
    }                                                                                  \
    const mico_kernel mico_kernel_##stem##_float_c = {.name = #stem "_float_c",        \
                                                      .isa = "c",                      \
                                                      .supports = stem##_supports,     \
                                                      __VA_ARGS__};

static const float *values_of(const mico_call *call, size_t i, size_t image)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, i);

    return (const float *)(const void *)(call->in[i] + image * x->bytes);
}

static float *results_of(const mico_call *call, size_t image)
{
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);

    return (float *)(void *)(call->out + image * y->bytes);
}

static size_t count_of(const mico_plan_tensor *t)
{
    return t->bytes / sizeof(float);
}

static float larger(float max, float x)
{
    x = fabsf(x);
    return x > max ? x : max; /* not-a-number never counts */
}

/* ---- layers ---------------------------------------------------------------------- */

/* The scale of n values that follow each other. */
static mico_float_scale scale_of_all(const mico_op *op, const float *x, size_t n)
{
    double partial[MICO_PARTIALS] = {0};
    float max = 0;

    if (mico_float_mean(op)) {
        for (size_t i = 0; i < n; i++)
            partial[i % MICO_PARTIALS] += fabs((double)x[i]);
        return mico_float_scale_of(op, (float)(mico_float_total(partial) / (double)n));
    }
    for (size_t i = 0; i < n; i++)
        max = larger(max, x[i]);
    return mico_float_scale_of(op, max);
}

typedef struct conv_state {
    const mico_op *op;
    const mico_window *win;
    mico_float_blocks blocks;
    uint32_t *seen_h, *seen_w; /* how often a block's windows see each row, column */
    int16_t *q;                /* [row][column][channel of the group] of a box */
} conv_state;

/* The scale of one group of a block: over what its windows see, padding included. */
static mico_float_scale scale_of_block(const conv_state *s, const mico_float_block *k,
                                       const float *x)
{
    const mico_float_blocks *b = &s->blocks;
    const double n = (double)(k->h * k->w * s->win->kh * s->win->kw * b->group_in);
    double partial[MICO_PARTIALS] = {0};
    float max = 0;

    mico_float_count(k->h, s->win->kh, s->win->stride_h, s->win->dilation_h, s->seen_h,
                     k->rows);
    mico_float_count(k->w, s->win->kw, s->win->stride_w, s->win->dilation_w, s->seen_w,
                     k->cols);
    for (size_t r = k->y0; r < k->y1; r++)
        for (size_t c = k->x0; c < k->x1; c++) {
            const float *v = x + mico_float_pixel(b, s->win, k, r, c) * b->in.c;
            const double times = (double)s->seen_h[r] * (double)s->seen_w[c];

            for (size_t i = 0; times > 0 && i < b->group_in; i++) {
                max = larger(max, v[i]);
                partial[i % MICO_PARTIALS] += times * fabs((double)v[i]);
            }
        }
    if (mico_float_mean(s->op))
        max = (float)(mico_float_total(partial) / n);
    return mico_float_scale_of(s->op, max);
}

static void quantize_box(const conv_state *s, const mico_float_block *k, const float *x,
                         float scale)
{
    const size_t depth = s->blocks.group_in;
    int16_t *q = s->q;

    for (size_t r = 0; r < k->rows; r++)
        for (size_t c = 0; c < k->cols; c++, q += depth) {
            const bool inside = r >= k->y0 && r < k->y1 && c >= k->x0 && c < k->x1;
            const float *v = x;

            if (inside)
                v += mico_float_pixel(&s->blocks, s->win, k, r, c) * s->blocks.in.c;
            for (size_t i = 0; i < depth; i++)
                q[i] = (int16_t)(inside ? mico_float_q(s->op, v[i], scale)
                                        : mico_float_pad(s->op));
        }
}

/* The sum at output (oy, ox) of the block. */
static int32_t sum_at(const conv_state *s, const mico_float_block *k, size_t oy,
                      size_t ox, const int8_t *w)
{
    const mico_window *win = s->win;
    const size_t depth = s->blocks.group_in;
    int32_t acc = 0;

    for (size_t ky = 0; ky < win->kh; ky++)
        for (size_t kx = 0; kx < win->kw; kx++, w += depth) {
            const size_t r = oy * win->stride_h + ky * win->dilation_h;
            const size_t c = ox * win->stride_w + kx * win->dilation_w;
            const int16_t *q = s->q + (r * k->cols + c) * depth;

            for (size_t i = 0; i < depth; i++)
                acc += q[i] * w[i];
        }
    return acc;
}

/* One group of one block; x and y: the group's first channel in the image and result.
 */
static void conv_block(const conv_state *s, const mico_float_block *k, size_t group,
                       mico_float_scale scale, const float *x, float *y)
{
    const mico_op *op = s->op;
    const size_t n_out = op->weights->c_out / op->node->groups;

    quantize_box(s, k, x, scale.k);
    for (size_t oy = 0; oy < k->h; oy++)
        for (size_t ox = 0; ox < k->w; ox++) {
            float *to =
                y + ((k->oy + oy) * s->blocks.out.w + k->ox + ox) * s->blocks.out.c;

            for (size_t i = 0; i < n_out; i++) {
                const size_t oc = group * n_out + i;
                const int8_t *w = op->weights->q + oc * op->weights->taps;

                to[i] =
                    mico_float_result(op, sum_at(s, k, oy, ox, w),
                                      scale.s * op->scale_f32[oc], op->bias_f32[oc]);
            }
        }
}

static size_t conv_scratch(const mico_plan *plan, const mico_op *op)
{
    const mico_float_blocks b = mico_float_blocks_of(plan, op);

    return (b.span_h + b.span_w) * sizeof(uint32_t) +
           b.span_h * b.span_w * b.group_in * sizeof(int16_t);
}

static void conv_image(const conv_state *s, const float *x, size_t n_values, float *y)
{
    const mico_float_blocks *b = &s->blocks;
    const mico_op *op = s->op;
    mico_float_scale scale = {0};

    if (!op->act_blocks)
        scale = scale_of_all(op, x, n_values);
    for (size_t oy = 0; oy < b->out.h; oy += b->h)
        for (size_t ox = 0; ox < b->out.w; ox += b->w) {
            const mico_float_block k = mico_float_block_at(b, s->win, oy, ox);

            for (size_t g = 0; g < op->node->groups; g++) {
                const float *from = x + g * b->group_in;

                if (op->act_blocks)
                    scale = scale_of_block(s, &k, from);
                conv_block(s, &k, g, scale, from,
                           y + g * (b->out.c / op->node->groups));
            }
        }
}

static void conv_run(const mico_call *call)
{
    const mico_op *op = call->op;
    conv_state s = {.op = op, .win = &op->node->window};

    s.blocks = mico_float_blocks_of(call->plan, op);
    s.seen_h = call->scratch;
    s.seen_w = s.seen_h + s.blocks.span_h;
    s.q = (int16_t *)(s.seen_w + s.blocks.span_w);
    for (size_t n = 0; n < call->n_images; n++)
        conv_image(&s, values_of(call, 0, n),
                   count_of(mico_op_input(call->plan, op, 0)), results_of(call, n));
}

static size_t linear_scratch(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->weights->taps * sizeof(int16_t);
}

static void linear_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const size_t taps = op->weights->taps;
    int16_t *q = call->scratch;

    for (size_t n = 0; n < call->n_images; n++) {
        const float *x = values_of(call, 0, n);
        const mico_float_scale scale = scale_of_all(op, x, taps);
        float *y = results_of(call, n);

        for (size_t i = 0; i < taps; i++)
            q[i] = (int16_t)mico_float_q(op, x[i], scale.k);
        for (size_t oc = 0; oc < op->weights->c_out; oc++) {
            const int8_t *w = op->weights->q + oc * taps;
            int32_t acc = 0;

            for (size_t i = 0; i < taps; i++)
                acc += q[i] * w[i];
            y[oc] = mico_float_result(op, acc, scale.s * op->scale_f32[oc],
                                      op->bias_f32[oc]);
        }
    }
}

/* ---- the others ------------------------------------------------------------------ */

static void add_run(const mico_call *call)
{
    const size_t count =
        call->n_images * count_of(mico_op_output(call->plan, call->op));
    const float *a = values_of(call, 0, 0), *b = values_of(call, 1, 0);
    float *y = results_of(call, 0);

    for (size_t i = 0; i < count; i++)
        y[i] = mico_float_clip(call->op, a[i] + b[i]);
}

static void clamp_run(const mico_call *call)
{
    const size_t count =
        call->n_images * count_of(mico_op_output(call->plan, call->op));
    const float *x = values_of(call, 0, 0);
    float *y = results_of(call, 0);

    for (size_t i = 0; i < count; i++)
        y[i] = mico_float_clip(call->op, x[i]);
}

/* Along axis 0, as in concat of codes. */
static void concat_run(const mico_call *call)
{
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, call->op));
    size_t first = 0;

    for (size_t k = 0; k < call->op->n_in; k++) {
        const mico_extent from = mico_extent_of(mico_op_input(call->plan, call->op, k));
        const size_t pixels = call->n_images * from.h * from.w;
        const float *x = values_of(call, k, 0);
        float *y = results_of(call, 0) + first;

        for (size_t p = 0; p < pixels; p++)
            memcpy(y + p * to.c, x + p * from.c, from.c * sizeof *x);
        first += from.c;
    }
}

/* The taps of the window at (oy, ox) that are in the map, row by row. */
static float pool_at(const mico_op *op, const mico_extent *e, const float *x, size_t oy,
                     size_t ox)
{
    const mico_window *win = &op->node->window;
    float max = 0, sum = 0;
    size_t taps = 0;

    for (size_t ky = 0; ky < win->kh; ky++)
        for (size_t kx = 0; kx < win->kw; kx++) {
            const size_t y_pad = oy * win->stride_h + ky * win->dilation_h;
            const size_t x_pad = ox * win->stride_w + kx * win->dilation_w;

            if (y_pad < win->pad_top || y_pad >= win->pad_top + e->h ||
                x_pad < win->pad_left || x_pad >= win->pad_left + e->w)
                continue;
            const float v =
                x[((y_pad - win->pad_top) * e->w + (x_pad - win->pad_left)) * e->c];

            max = taps == 0 || v > max ? v : max;
            sum += v;
            taps++;
        }
    if (op->kind == MICO_OP_MAXPOOL || taps == 0)
        return max;
    /* upstream's C runtime never counts the padding */
    if (op->node->count_include_pad && !op->act_blocks)
        taps = win->kh * win->kw;
    return sum / (float)taps;
}

static void pool_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_extent from = mico_extent_of(mico_op_input(call->plan, op, 0));
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, op));

    for (size_t n = 0; n < call->n_images; n++) {
        const float *x = values_of(call, 0, n);
        float *y = results_of(call, n);

        for (size_t oy = 0; oy < to.h; oy++)
            for (size_t ox = 0; ox < to.w; ox++)
                for (size_t c = 0; c < to.c; c++)
                    *y++ = pool_at(op, &from, x + c, oy, ox);
    }
}

FLOAT_KERNEL(conv, CONV, .scratch_bytes = conv_scratch, .run = conv_run)
FLOAT_KERNEL(linear, LINEAR, .scratch_bytes = linear_scratch, .run = linear_run)
FLOAT_KERNEL(add, ADD, .run = add_run)
FLOAT_KERNEL(concat, CONCAT, .run = concat_run)
FLOAT_KERNEL(maxpool, MAXPOOL, .run = pool_run)
FLOAT_KERNEL(avgpool, AVGPOOL, .run = pool_run)
FLOAT_KERNEL(clamp, CLAMP, .run = clamp_run)

/* ---- the input ------------------------------------------------------------------- */

/* x = raw * mul + add in float32, as the fp32 network has it. */
#define INPUT(suffix, type)                                                            \
    void mico_float_input_##suffix(const mico_plan *plan, const type *raw,             \
                                   uint8_t *out, size_t n)                             \
    {                                                                                  \
        const mico_op *op = &plan->op[0];                                              \
        const mico_plan_tensor *y = &plan->tensor[op->out];                            \
        const mico_extent e = mico_extent_of(y);                                       \
        const size_t map = e.h * e.w;                                                  \
                                                                                       \
        for (size_t i = 0; i < n; i++)                                                 \
            for (size_t c = 0; c < e.c; c++) {                                         \
                const float mul = op->mul[c], add = op->add[c];                        \
                float *to = (float *)(void *)(out + i * y->bytes) + c;                 \
                                                                                       \
                for (size_t p = 0; p < map; p++)                                       \
                    to[p * e.c] = (float)*raw++ * mul + add;                           \
            }                                                                          \
    }
INPUT(u8, uint8_t)
INPUT(s8, int8_t)
INPUT(f32, float)
