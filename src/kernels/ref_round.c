/* ref_round.c: portable convolution and linear layer of profiles ares and tflite (the
 * sums of ref_conv.c, then a finish), and the sums of their average pools. */
#include "kernels/round_internal.h"

static mico_finish finish_of(const mico_op *op)
{
    if (op->rounding == MICO_ROUND_TFLITE)
        return mico_finish_tflite_c;
    return op->rounding == MICO_ROUND_ARES ? mico_finish_ares_c : NULL;
}

/* The sums of one pixel. */
static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return mico_round_up(op->weights->c_out * sizeof(int32_t), 64);
}

static bool conv_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->kind == MICO_OP_CONV && finish_of(op) != NULL;
}

static void conv_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_extent e = mico_extent_of(y);
    const mico_finish finish = finish_of(op);
    int32_t *acc = call->scratch;
    uint8_t *out = call->out;

    for (size_t n = 0; n < call->n_images; n++)
        for (size_t oy = 0; oy < e.h; oy++)
            for (size_t ox = 0; ox < e.w; ox++) {
                for (size_t c = 0; c < e.c; c++)
                    acc[c] =
                        mico_conv_sum(x, op, call->in[0] + n * x->bytes, oy, ox, c);
                finish(call, acc, 1, out);
                out += e.c * mico_value_bytes(y);
            }
}

static bool linear_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->kind == MICO_OP_LINEAR && finish_of(op) != NULL;
}

static void linear_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    int32_t *acc = call->scratch;

    for (size_t n = 0; n < call->n_images; n++) {
        for (size_t c = 0; c < op->weights->c_out; c++)
            acc[c] = mico_linear_sum(x, op, call->in[0] + n * x->bytes, c);
        finish_of(op)(call, acc, 1, call->out + n * y->bytes);
    }
}

const mico_kernel mico_kernel_conv_round_c = {.name = "conv_round_c",
                                              .isa = "c",
                                              .supports = conv_supports,
                                              .scratch_bytes = scratch_bytes,
                                              .run = conv_run};
const mico_kernel mico_kernel_linear_round_c = {.name = "linear_round_c",
                                                .isa = "c",
                                                .supports = linear_supports,
                                                .scratch_bytes = scratch_bytes,
                                                .run = linear_run};

/* ---- average pools ----------------------------------------------------------------
 */

size_t mico_pool_sums(const mico_plan_tensor *x, const mico_window *win,
                      const uint8_t *data, size_t oy, size_t ox, int32_t *sum)
{
    const mico_extent e = mico_extent_of(x);
    size_t count = 0;

    memset(sum, 0, e.c * sizeof *sum);
    for (size_t ky = 0; ky < win->kh; ky++)
        for (size_t kx = 0; kx < win->kw; kx++) {
            const size_t y = oy * win->stride_h + ky - win->pad_top;
            const size_t col = ox * win->stride_w + kx - win->pad_left;

            if (y >= e.h || col >= e.w) /* padding; before the map it wraps */
                continue;
            for (size_t c = 0; c < e.c; c++)
                sum[c] += data[(y * e.w + col) * e.c + c];
            count++;
        }
    return count;
}

size_t mico_pool_scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    return mico_round_up(mico_extent_of(mico_op_input(plan, op, 0)).c * sizeof(int32_t),
                         64);
}
