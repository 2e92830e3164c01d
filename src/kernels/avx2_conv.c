/* avx2_conv.c: direct convolution with AVX2: no im2col, a kernel row is one run.
 *
 * In [h][w][c] the kw*c bytes under one row of the kernel are contiguous, so an output
 * pixel is kh straight runs; with dilated columns or groups it is kh*kw shorter ones.
 * The image is first copied into the scratch with its halo (code of 0), which removes
 * all border cases, and is widened to int16 where the weights need it; where there is
 * no halo and runs are whole quads the input is read in place. */
#include "kernels/avx2_internal.h"

#if MICO_KERNELS_X86

/* Runs are read in dwords: up to 3 bytes behind the last one. */
#define SLACK_BYTES 64

typedef struct geometry {
    mico_extent in, out;
    size_t groups, columns;      /* runs per kernel row */
    size_t padded_w, padded_h;   /* of the image with its halo */
    size_t unit;                 /* bytes of a code: 1, widened 2 */
    size_t pixel_step, row_step; /* bytes in what is read */
    bool copy;
} geometry;

static size_t column_count(const mico_node *node)
{
    return node->groups > 1 || node->window.dilation_w > 1 ? node->window.kw : 1;
}

/* The weights of the first group. */
static mico_avx2_weights weights_of(const mico_op *op)
{
    const size_t runs = op->node->window.kh * column_count(op->node);

    return (mico_avx2_weights){op->weights->q, op->weights->c_out / op->node->groups,
                               runs, op->weights->taps / runs};
}

/* depth: of the packed weights. */
static geometry geometry_of(const mico_plan *plan, const mico_op *op, uint64_t depth)
{
    const mico_window *win = &op->node->window;
    geometry g;

    g.in = mico_extent_of(mico_op_input(plan, op, 0));
    g.out = mico_extent_of(mico_op_output(plan, op));
    if (win->kh == 1 && win->kw == 1 && win->stride_h == 1 && win->stride_w == 1 &&
        g.in.h == g.out.h && g.in.w == g.out.w &&
        op->rounding == MICO_ROUND_HALF_UP) { /* pointwise: one long line */
        g.in.w *= g.in.h;
        g.out.w *= g.out.h;
        g.in.h = g.out.h = 1;
    }
    g.groups = op->node->groups;
    g.columns = column_count(op->node);
    g.padded_w = g.in.w + win->pad_left + win->pad_right;
    g.padded_h = g.in.h + win->pad_top + win->pad_bottom;
    g.unit = depth > 0 ? 1 : 2;
    g.pixel_step = g.in.c * g.unit;
    g.row_step = g.padded_w * g.pixel_step;
    g.copy = depth == 0 || g.padded_w != g.in.w || g.padded_h != g.in.h ||
             weights_of(op).run % 4 != 0;
    return g;
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONV && mico_avx2_mac_ok(plan, op);
}

/* ---- packing ------------------------------------------------------------------- */

/* The least of the groups' depths. */
static uint64_t depth_of(const mico_op *op)
{
    mico_avx2_weights all = weights_of(op);

    all.c_out *= op->node->groups;
    return mico_avx2_depth(&all, 2 * mico_avx2_steps(all.run, 1));
}

static size_t bytes_at(const mico_op *op, uint64_t depth)
{
    const mico_avx2_weights w = weights_of(op);

    return MICO_AVX2_HEADER + op->node->groups * mico_avx2_packed_bytes(&w, depth);
}

static void pack_at(const mico_op *op, uint64_t depth, void *packed)
{
    const mico_avx2_header header = {depth};
    mico_avx2_weights w = weights_of(op);
    int8_t *to = (int8_t *)packed + MICO_AVX2_HEADER;

    memset(packed, 0, MICO_AVX2_HEADER);
    memcpy(packed, &header, sizeof header);
    for (size_t g = 0; g < op->node->groups; g++) {
        mico_avx2_pack(&w, header.depth, to);
        to += mico_avx2_packed_bytes(&w, header.depth);
        w.q += w.c_out * op->weights->taps;
    }
}

MICO_AVX2_PACKERS

/* ---- running ------------------------------------------------------------------- */

/* Of a line that another rounding finishes. */
static size_t acc_bytes(const geometry *g, const mico_op *op)
{
    return op->rounding == MICO_ROUND_HALF_UP
               ? 0
               : mico_round_up(g->out.w * g->out.c * sizeof(int32_t), 64);
}

/* The accumulators of a line, then the image, for which there is as much as widened
 * codes need: only the packed weights know. */
static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const geometry g = geometry_of(plan, op, 0);

    return acc_bytes(&g, op) + mico_round_up(g.padded_h * g.row_step + SLACK_BYTES, 64);
}

static void fill_halo(const geometry *g, size_t zero, void *padded)
{
    const size_t count = g->padded_h * g->padded_w * g->in.c;
    uint16_t *wide = padded;

    if (g->unit == 1) {
        memset(padded, (int)zero, count + SLACK_BYTES);
        return;
    }
    for (size_t i = 0; i < count; i++)
        wide[i] = (uint16_t)zero;
    memset(wide + count, 0, SLACK_BYTES);
}

/* Copies one image inside the halo, which stays from image to image. */
static void copy_image(const geometry *g, const mico_window *win, const uint8_t *image,
                       uint8_t *padded)
{
    const size_t line = g->in.w * g->in.c;

    padded += win->pad_top * g->row_step + win->pad_left * g->pixel_step;
    for (size_t y = 0; y < g->in.h; y++, image += line, padded += g->row_step)
        if (g->unit == 1)
            memcpy(padded, image, line);
        else
            mico_avx2_widen(image, line, (uint16_t *)(void *)padded);
}

/* n_lines lines of all groups. */
static void run_groups(const geometry *g, const mico_op *op, mico_avx2_line line,
                       size_t n_lines)
{
    const mico_avx2_weights w = weights_of(op);
    const size_t group_bytes = mico_avx2_packed_bytes(&w, line.depth);

    for (size_t k = 0; k < g->groups; k++) {
        mico_avx2_run(line, n_lines, op->node->window.stride_h * g->row_step,
                      g->out.w * line.out_step);
        line.in += g->in.c / g->groups * g->unit;
        line.packed += group_bytes;
        line.scale += mico_avx2_lanes(w.c_out);
        line.bias += mico_avx2_lanes(w.c_out);
        line.out += w.c_out * (line.raw ? 4 : 1);
    }
}

/* One image; where another rounding finishes, line by line by way of acc. */
static void run_image(const mico_call *call, const geometry *g, mico_avx2_line line,
                      int32_t *acc)
{
    const mico_finish finish = mico_finish_of(call->op->rounding);
    const size_t line_bytes =
        g->out.w * g->out.c * mico_value_bytes(mico_op_output(call->plan, call->op));
    uint8_t *out = line.out;

    if (finish == NULL) {
        run_groups(g, call->op, line, g->out.h);
        return;
    }
    line.out = (uint8_t *)acc;
    for (size_t y = 0; y < g->out.h; y++, out += line_bytes) {
        run_groups(g, call->op, line, 1);
        finish(call, acc, g->out.w, out);
        line.in += call->op->node->window.stride_h * g->row_step;
    }
}

static mico_avx2_line line_of(const mico_call *call, const geometry *g, uint64_t depth)
{
    const mico_op *op = call->op;
    const mico_window *win = &op->node->window;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_avx2_weights w = weights_of(op);
    const bool raw = y->format.width == 32 || op->rounding != MICO_ROUND_HALF_UP;
    const double *scale = call->consts;

    return (mico_avx2_line){
        .in_step = win->stride_w * g->pixel_step,
        .n_rows = win->kh,
        .row_step = win->dilation_h * g->row_step,
        .n_columns = g->columns,
        .column_step = win->dilation_w * g->pixel_step,
        .steps = mico_avx2_steps(w.run, depth),
        .n = g->out.w,
        .packed = (const int8_t *)call->packed + MICO_AVX2_HEADER,
        .depth = depth,
        .scale = scale,
        .bias = (const int32_t *)(scale + g->groups * mico_avx2_lanes(w.c_out)),
        .epilogue = &op->epilogue,
        .out_step = g->out.c * (raw ? 4 : 1),
        .c_out = w.c_out,
        .raw = raw};
}

static void run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    mico_avx2_header header;

    memcpy(&header, call->packed, sizeof header);
    const geometry g = geometry_of(plan, op, header.depth);
    mico_avx2_line line = line_of(call, &g, header.depth);
    uint8_t *padded = (uint8_t *)call->scratch + acc_bytes(&g, op);

    if (g.copy)
        fill_halo(&g, x->zero, padded);
    for (size_t n = 0; n < call->n_images; n++) {
        line.in = call->in[0] + n * x->bytes;
        line.out = call->out + n * y->bytes;
        if (g.copy) {
            copy_image(&g, &op->node->window, line.in, padded);
            line.in = padded;
        }
        run_image(call, &g, line, call->scratch);
    }
    mico_avx2_finish_wide(plan, op, call->out, call->n_images);
}

MICO_AVX2_ENTRIES(conv_direct, mico_avx2_consts_bytes, mico_avx2_prepare)

#endif
