/* ref_conv.c: portable convolution and linear layer: the specification of both. */
#include "kernels/kernels_internal.h"

/* Stores accumulator i of channel `channel`: natively where the op has no multipliers
 * (int32 logits), else requantised. */
static void put_acc(const mico_plan_tensor *out, const mico_op *op, size_t channel,
                    int32_t acc, uint8_t *data, size_t i)
{
    if (op->mult == NULL)
        memcpy(data + 4 * i, &acc, sizeof acc);
    else
        mico_value_put(out, &op->epilogue,
                       mico_requantize(acc, op->mult[channel], op->shift[channel]),
                       data, i);
}

/* acc = bias + sum of q*w over the window at (oy, ox); q is 0 on padding. int32 cannot
 * overflow: lowering proved op->acc_bound < 2^31, and it bounds every partial sum. */
int32_t mico_conv_sum(const mico_plan_tensor *in, const mico_op *op,
                      const uint8_t *data, size_t oy, size_t ox, size_t oc)
{
    const mico_window *win = &op->node->window;
    const mico_extent e = mico_extent_of(in);
    const size_t per_group = e.c / op->node->groups;
    const size_t first = oc / (op->weights->c_out / op->node->groups) * per_group;
    const int8_t *w = op->weights->q + oc * op->weights->taps;
    int32_t acc = op->bias[oc];

    for (size_t ky = 0; ky < win->kh; ky++) {
        for (size_t kx = 0; kx < win->kw; kx++, w += per_group) {
            const size_t y = oy * win->stride_h + ky * win->dilation_h;
            const size_t x = ox * win->stride_w + kx * win->dilation_w;

            if (y < win->pad_top || y >= win->pad_top + e.h || x < win->pad_left ||
                x >= win->pad_left + e.w)
                continue;
            const size_t pixel = (y - win->pad_top) * e.w + (x - win->pad_left);
            for (size_t c = 0; c < per_group; c++)
                acc += mico_value_get(in, data, pixel * e.c + first + c) * w[c];
        }
    }
    return acc;
}

static void conv_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_extent e = mico_extent_of(y);

    for (size_t n = 0; n < n_images; n++)
        for (size_t oy = 0; oy < e.h; oy++)
            for (size_t ox = 0; ox < e.w; ox++)
                for (size_t oc = 0; oc < e.c; oc++)
                    put_acc(y, op, oc,
                            mico_conv_sum(x, op, in[0] + n * x->bytes, oy, ox, oc),
                            out + n * y->bytes, (oy * e.w + ox) * e.c + oc);
}

int32_t mico_linear_sum(const mico_plan_tensor *in, const mico_op *op,
                        const uint8_t *data, size_t oc)
{
    const int8_t *w = op->weights->q + oc * op->weights->taps;
    int32_t acc = op->bias[oc];

    for (size_t k = 0; k < op->weights->taps; k++)
        acc += mico_value_get(in, data, k) * w[k];
    return acc;
}

static void linear_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);

    for (size_t n = 0; n < n_images; n++)
        for (size_t oc = 0; oc < op->weights->c_out; oc++)
            put_acc(y, op, oc, mico_linear_sum(x, op, in[0] + n * x->bytes, oc),
                    out + n * y->bytes, oc);
}

MICO_C_KERNEL(conv, CONV, conv_run)
MICO_C_KERNEL(linear, LINEAR, linear_run)
