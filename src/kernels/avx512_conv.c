/* avx512_conv.c: direct convolution with VNNI: no im2col, a kernel row is one run.
 *
 * In [h][w][c] the kw*c bytes under one row of the kernel are contiguous, so an output
 * pixel is kh straight runs. The image is first copied into the scratch with its halo
 * (code of 0), which removes all border cases; where there is no halo and runs are
 * whole quads the input is read in place. */
#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

/* Runs are read in quads: up to 3 bytes behind the last one. */
#define SLACK_BYTES 64

typedef struct geometry {
    mico_extent in, out;
    size_t run, quads; /* bytes and quads of a kernel row */
    size_t padded_w, padded_h;
    bool copy;
} geometry;

static geometry geometry_of(const mico_plan *plan, const mico_op *op)
{
    const mico_window *win = &op->node->window;
    geometry g;

    g.in = mico_extent_of(mico_op_input(plan, op, 0));
    g.out = mico_extent_of(mico_op_output(plan, op));
    if (win->kh == 1 && win->kw == 1 && win->stride_h == 1 && win->stride_w == 1 &&
        g.in.h == g.out.h && g.in.w == g.out.w) { /* pointwise: one long line */
        g.in.w *= g.in.h;
        g.out.w *= g.out.h;
        g.in.h = g.out.h = 1;
    }
    g.run = win->kw * g.in.c;
    g.quads = (g.run + 3) / 4;
    g.padded_w = g.in.w + win->pad_left + win->pad_right;
    g.padded_h = g.in.h + win->pad_top + win->pad_bottom;
    g.copy = g.padded_w != g.in.w || g.padded_h != g.in.h || g.run % 4 != 0;
    return g;
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONV && op->node->groups == 1 &&
           op->node->window.dilation_h == 1 && op->node->window.dilation_w == 1 &&
           mico_avx512_mac_ok(plan, op);
}

static size_t packed_bytes(const mico_op *op)
{
    const size_t kh = op->node->window.kh;

    return mico_mac_packed_bytes(op->weights->c_out, kh, op->weights->taps / kh);
}

static void pack(const mico_op *op, void *packed)
{
    const size_t kh = op->node->window.kh;

    mico_mac_pack(op->weights->q, op->weights->c_out, kh, op->weights->taps / kh,
                  packed);
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const geometry g = geometry_of(plan, op);

    return g.copy ? mico_round_up(g.padded_h * g.padded_w * g.in.c + SLACK_BYTES, 64)
                  : 0;
}

/* Copies one image inside the halo, which stays from image to image. */
static void copy_image(const geometry *g, const mico_window *win, const uint8_t *image,
                       uint8_t *padded)
{
    const size_t line = g->in.w * g->in.c;

    padded += (win->pad_top * g->padded_w + win->pad_left) * g->in.c;
    if (g->padded_w == g->in.w) {
        memcpy(padded, image, g->in.h * line);
        return;
    }
    for (size_t y = 0; y < g->in.h; y++)
        memcpy(padded + y * g->padded_w * g->in.c, image + y * line, line);
}

static void run_image(const geometry *g, const mico_window *win, mico_mac_line line,
                      const uint8_t *padded, uint8_t *out)
{
    const size_t groups = mico_mac_groups(line.c_out);

    for (size_t first = 0; first < groups; first += mico_mac_block(groups - first))
        for (size_t y = 0; y < g->out.h; y++) {
            line.in = padded + y * win->stride_h * line.row_step;
            line.out = out + y * g->out.w * line.out_step;
            mico_mac_run(&line, first);
        }
}

static void run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const void *packed = call->packed;
    void *scratch = call->scratch;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_window *win = &op->node->window;
    const geometry g = geometry_of(plan, op);
    const mico_mac_consts consts = mico_mac_consts_of(call);
    uint8_t *padded = scratch;
    mico_mac_line line = {.in_step = win->stride_w * g.in.c,
                          .row_step = g.padded_w * g.in.c,
                          .n_rows = win->kh,
                          .quads = g.quads,
                          .n = g.out.w,
                          .packed = packed,
                          .consts = &consts,
                          .epilogue = &op->epilogue,
                          .c_out = op->weights->c_out,
                          .raw = y->format.width == 32};

    line.out_step = line.c_out * mico_value_bytes(y);
    if (g.copy)
        memset(padded, (int)x->zero, g.padded_h * g.padded_w * g.in.c + SLACK_BYTES);
    for (size_t n = 0; n < n_images; n++) {
        const uint8_t *image = in[0] + n * x->bytes;

        if (g.copy)
            copy_image(&g, win, image, padded);
        run_image(&g, win, line, g.copy ? padded : image, out + n * y->bytes);
    }
    mico_mac_finish_wide(plan, op, out, n_images);
}

const mico_kernel mico_kernel_conv_direct_avx512vnni = {
    .name = "conv_direct_avx512vnni",
    .isa = "avx512vnni",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .consts_bytes = mico_mac_consts_bytes,
    .prepare = mico_mac_prepare,
    .scratch_bytes = scratch_bytes,
    .run = run};

#endif
