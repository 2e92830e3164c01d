/* avx512_bits_conv.c: convolution and linear layers of 1- and 2-bit integers by
 * counting bits.
 *
 * Each image is turned into planes of bits with its halo; the window is then kh runs of
 * words, as in avx512_conv.c. The halo's bits are 0; what they stand for where q has an
 * offset is taken out by biases that depend on the border: outputs whose windows stick
 * out in the same way, a pattern, share them. */
#include "kernels/avx512_bits_internal.h"

#if MICO_KERNELS_X86

#define SLACK_BYTES 64 /* what is stored or loaded behind the last word of a plane */
#define PATTERNS    ((size_t)512) /* more are not worth their memory */

typedef struct geometry {
    mico_bits_window window;
    mico_extent in, out;
    size_t padded_w, padded_h, row_bytes, plane_bytes;
    /* what windows read: at `words` of a plane, a pixel's words word_row_bytes a row
     * and word_step a pixel apart; the words with the pixel right of it at `right` */
    size_t words, right_words, word_row_bytes, word_step;
    size_t left, right, top, bottom; /* rows and columns of the halo */
    size_t x_patterns, y_patterns;
} geometry;

/* ---- border patterns ------------------------------------------------------------- */

/* The taps [*lo, *hi) of the window at output i that lie inside of the map. */
static void inside(size_t i, size_t stride, size_t k, size_t before, size_t size,
                   size_t *lo, size_t *hi)
{
    const size_t start = i * stride;

    *lo = start < before ? before - start : 0;
    *hi = start + k > before + size
              ? (start < before + size ? before + size - start : 0)
              : k;
    *lo = *lo < k ? *lo : k;
    *hi = *hi > *lo ? *hi : *lo;
}

/* Numbers outputs by pattern; returns how many there are. pattern may be NULL. */
static size_t number_patterns(size_t n, size_t stride, size_t k, size_t before,
                              size_t size, uint32_t *pattern)
{
    size_t count = 0, last_lo = 0, last_hi = 0;

    for (size_t i = 0; i < n; i++) {
        size_t lo, hi;

        inside(i, stride, k, before, size, &lo, &hi);
        if (count == 0 || lo != last_lo || hi != last_hi)
            count++;
        last_lo = lo;
        last_hi = hi;
        if (pattern != NULL)
            pattern[i] = (uint32_t)(count - 1);
    }
    return count;
}

static geometry geometry_of(const mico_plan *plan, const mico_op *op)
{
    const mico_window *win = &op->node->window;
    geometry g = {.window = mico_bits_window_of(op),
                  .in = mico_extent_of(mico_op_input(plan, op, 0)),
                  .out = mico_extent_of(mico_op_output(plan, op)),
                  .top = win->pad_top,
                  .left = win->pad_left};

    if (win->kh == 1 && win->kw == 1 && win->stride_h == 1 && win->stride_w == 1 &&
        g.in.h == g.out.h && g.in.w == g.out.w) { /* pointwise: one long line */
        g.in.w *= g.in.h;
        g.out.w *= g.out.h;
        g.in.h = g.out.h = 1;
    }
    g.padded_w = g.in.w + win->pad_left + win->pad_right;
    g.padded_h = g.in.h + win->pad_top + win->pad_bottom;
    g.row_bytes = g.padded_w * (g.window.pixel_bits / 8);
    g.plane_bytes = mico_round_up(g.padded_h * g.row_bytes + SLACK_BYTES, 64);
    g.word_row_bytes = g.row_bytes;
    g.word_step = g.window.pixel_bits / 8;
    if (g.window.woven) {
        const size_t bytes =
            mico_round_up(4 * g.padded_h * g.padded_w + SLACK_BYTES, 128);

        g.words = g.plane_bytes;
        g.right_words = g.words + bytes;
        g.plane_bytes = g.right_words + bytes;
        g.word_row_bytes = 4 * g.padded_w;
        g.word_step = 4;
    }
    g.x_patterns = g.y_patterns = 1;
    if (g.padded_w != g.in.w)
        g.x_patterns =
            number_patterns(g.out.w, win->stride_w, win->kw, g.left, g.in.w, NULL);
    if (g.padded_h != g.in.h)
        g.y_patterns =
            number_patterns(g.out.h, win->stride_h, win->kh, g.top, g.in.h, NULL);
    return g;
}

/* ---- constants ------------------------------------------------------------------- */

/* Where the constants lie, in 4-byte units: scale[lanes], bias[y pattern][x pattern]
 * [lanes], x[out.w], y[out.h]: where in bias the patterns of columns and rows begin,
 * word[n_words]: where the words of the window lie. */
typedef struct layout {
    size_t lanes, bias, x, y, word, total;
} layout;

static layout layout_of(const mico_op *op, const geometry *g)
{
    layout l = {.lanes = 16 * mico_bits_groups(op->weights->c_out)};

    l.bias = l.lanes;
    l.x = l.bias + l.lanes * g->x_patterns * g->y_patterns;
    l.y = l.x + g->out.w;
    l.word = l.y + g->out.h;
    l.total = l.word + g->window.n_words;
    return l;
}

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    const geometry g = geometry_of(plan, op);

    return 4 * layout_of(op, &g).total;
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    geometry g;

    if (op->kind != MICO_OP_CONV || op->node->groups != 1 ||
        op->node->window.dilation_h != 1 || op->node->window.dilation_w != 1 ||
        !mico_bits_ok(plan, op))
        return false;
    g = geometry_of(plan, op);
    return g.x_patterns * g.y_patterns <= PATTERNS;
}

/* True if tap k of the window at output i lies inside of the map. */
static bool tap_inside(size_t i, size_t stride, size_t k, size_t before, size_t size)
{
    const size_t at = i * stride + k;

    return at >= before && at < before + size;
}

/* Adds one tap's weights to the biases of the patterns that it is inside of. */
static void add_tap(const mico_op *op, const geometry *g, const uint32_t *x,
                    const uint32_t *y, size_t tap, float value, float *bias)
{
    const mico_window *win = &op->node->window;
    const size_t ky = tap / win->kw, kx = tap % win->kw;

    for (size_t oy = 0; oy < g->out.h; oy++) {
        if ((oy > 0 && y[oy] == y[oy - 1]) ||
            !tap_inside(oy, win->stride_h, ky, g->top, g->in.h))
            continue;
        for (size_t ox = 0; ox < g->out.w; ox++)
            if ((ox == 0 || x[ox] != x[ox - 1]) &&
                tap_inside(ox, win->stride_w, kx, g->left, g->in.w))
                bias[y[oy] + x[ox]] += value;
    }
}

static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const geometry g = geometry_of(plan, op);
    const layout l = layout_of(op, &g);
    const mico_window *win = &op->node->window;
    const size_t n_taps = win->kh * win->kw, c = g.window.c;
    float *scale = consts;
    float *bias = scale + l.bias;
    uint32_t *x = (uint32_t *)(scale + l.x), *y = (uint32_t *)(scale + l.y);
    uint32_t *word = (uint32_t *)(scale + l.word);
    mico_bits_recipe r;

    mico_bits_recipe_of(plan, op, &r);
    memset(consts, 0, 4 * l.total);
    if (g.x_patterns > 1)
        number_patterns(g.out.w, win->stride_w, win->kw, g.left, g.in.w, x);
    if (g.y_patterns > 1)
        number_patterns(g.out.h, win->stride_h, win->kh, g.top, g.in.h, y);
    for (size_t i = 0; i < g.out.w; i++)
        x[i] *= (uint32_t)l.lanes;
    for (size_t i = 0; i < g.out.h; i++)
        y[i] *= (uint32_t)(g.x_patterns * l.lanes);
    for (size_t k = 0; k < g.window.n_words; k++) {
        const mico_bits_word at = mico_bits_word_of(&g.window, k);

        word[k] = (uint32_t)(at.row * g.word_row_bytes + 4 * at.at);
        if (g.window.woven && !at.below)
            word[k] += (uint32_t)(g.right_words - g.words);
    }
    for (size_t channel = 0; channel < op->weights->c_out; channel++) {
        const int8_t *q = op->weights->q + channel * op->weights->taps;

        scale[channel] = mico_bits_scale(op, &r, channel);
        for (size_t p = 0; p < g.x_patterns * g.y_patterns; p++)
            bias[p * l.lanes + channel] = mico_bits_bias(op, &r, channel);
        for (size_t tap = 0; r.offset != 0 && tap < n_taps; tap++, q += c)
            add_tap(op, &g, x, y, tap, mico_bits_offset(&r, mico_bits_sum(q, c)),
                    bias + channel);
    }
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const geometry g = geometry_of(plan, op);
    mico_bits_recipe r;

    mico_bits_recipe_of(plan, op, &r);
    return r.act_planes * g.plane_bytes;
}

static void image_planes(const geometry *g, const mico_bits_recipe *r,
                         const uint8_t *image, uint8_t *planes)
{
    const size_t pixel_bytes = g->window.pixel_bits / 8;
    uint8_t *inner = planes + g->top * g->row_bytes + g->left * pixel_bytes;

    if (g->padded_w == g->in.w)
        mico_bits_planes(r, image, g->in.h * g->in.w, g->in.c, g->window.pixel_bits,
                         inner, g->plane_bytes);
    else
        for (size_t y = 0; y < g->in.h; y++)
            mico_bits_planes(r, image + y * g->in.w * g->in.c, g->in.w, g->in.c,
                             g->window.pixel_bits, inner + y * g->row_bytes,
                             g->plane_bytes);
    for (size_t p = 0; g->window.woven && p < r->act_planes; p++) {
        uint8_t *plane = planes + p * g->plane_bytes;

        mico_bits_weave(plane, g->padded_h * g->padded_w, g->padded_w, plane + g->words,
                        plane + g->right_words);
    }
}

static MICO_AVX512_BITS void run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_window *win = &op->node->window;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const geometry g = geometry_of(call->plan, op);
    const layout l = layout_of(op, &g);
    const float *scale = call->consts;
    const float *bias = scale + l.bias;
    const uint32_t *x_pattern = (const uint32_t *)(scale + l.x);
    const uint32_t *y_pattern = (const uint32_t *)(scale + l.y);
    uint8_t *planes = call->scratch;
    mico_bits_recipe r;

    mico_bits_recipe_of(call->plan, op, &r);
    mico_bits_line line = {.recipe = &r,
                           .window = g.window,
                           .plane_step = g.plane_bytes,
                           .in_step = win->stride_w * g.word_step,
                           .word_at = (const uint32_t *)(scale + l.word),
                           .n = g.out.w,
                           .packed = call->packed,
                           .scale = scale,
                           .pattern = x_pattern,
                           .out_step = op->weights->c_out * mico_value_bytes(y),
                           .c_out = op->weights->c_out,
                           .raw = y->format.width == 32};

    if (!line.raw)
        line.store = mico_bits_store_of(&op->epilogue);
    memset(planes, 0, r.act_planes * g.plane_bytes);
    for (size_t n = 0; n < call->n_images; n++) {
        image_planes(&g, &r, call->in[0] + n * x->bytes, planes);
        for (size_t oy = 0; oy < g.out.h; oy++) {
            line.in = planes + g.words + oy * win->stride_h * g.word_row_bytes;
            line.out = call->out + n * y->bytes + oy * g.out.w * line.out_step;
            line.bias = bias + y_pattern[oy];
            mico_bits_run(&line);
        }
    }
    mico_bits_finish_wide(call);
}

const mico_kernel mico_kernel_conv_bits_avx512vpopcnt = {
    .name = "conv_bits_avx512vpopcnt",
    .isa = "avx512vpopcnt",
    .supports = supports,
    .packed_bytes = mico_bits_packed_bytes,
    .pack = mico_bits_pack,
    .consts_bytes = consts_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .run = run};

#endif
