/* avx512_bits_linear.c: linear layers by counting bits: the images are the pixels. */
#include "kernels/avx512_bits_internal.h"

#if MICO_KERNELS_X86

#define SLACK_BYTES 64 /* what is stored or loaded behind the last word of a plane */
#define ROWS        ((size_t)32) /* images at once */

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_LINEAR && mico_bits_ok(plan, op);
}

static size_t lanes_of(const mico_op *op)
{
    return 16 * mico_bits_groups(op->weights->c_out);
}

/* scale[lanes], bias[lanes], word[n_words]: where the words of a row lie, and
 * pattern[ROWS]: all 0 */
static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return 4 * (2 * lanes_of(op) + mico_bits_window_of(op).n_words + ROWS);
}

static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    float *scale = consts;
    float *bias = (scale + lanes_of(op));
    uint32_t *word = (uint32_t *)(bias + lanes_of(op));
    mico_bits_recipe r;

    mico_bits_recipe_of(plan, op, &r);
    memset(consts, 0, consts_bytes(plan, op));
    for (size_t k = 0; k < mico_bits_window_of(op).n_words; k++)
        word[k] = (uint32_t)(4 * k);
    for (size_t c = 0; c < op->weights->c_out; c++) {
        scale[c] = mico_bits_scale(op, &r, c);
        bias[c] = mico_bits_bias(op, &r, c) + mico_bits_offset(&r, op->weights->sum[c]);
    }
}

static size_t plane_bytes(const mico_bits_window *window)
{
    return mico_round_up(ROWS * window->pixel_bits / 8 + SLACK_BYTES, 64);
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_bits_window window = mico_bits_window_of(op);
    mico_bits_recipe r;

    mico_bits_recipe_of(plan, op, &r);
    return r.act_planes * plane_bytes(&window);
}

static MICO_AVX512_BITS void run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_bits_window window = mico_bits_window_of(op);
    const size_t taps = op->weights->taps, step = plane_bytes(&window);
    const float *scale = call->consts;
    const uint32_t *word = (const uint32_t *)(scale + 2 * lanes_of(op));
    uint8_t *planes = call->scratch;
    mico_bits_recipe r;

    mico_bits_recipe_of(call->plan, op, &r);
    mico_bits_line line = {.recipe = &r,
                           .window = window,
                           .in = planes,
                           .plane_step = step,
                           .in_step = window.pixel_bits / 8,
                           .word_at = word,
                           .pattern = word + window.n_words,
                           .packed = call->packed,
                           .scale = scale,
                           .bias = scale + lanes_of(op),
                           .out_step = y->bytes,
                           .c_out = op->weights->c_out,
                           .raw = y->format.width == 32};

    if (!line.raw)
        line.store = mico_bits_store_of(&op->epilogue);
    for (size_t n = 0; n < call->n_images; n += line.n) {
        line.n = call->n_images - n < ROWS ? call->n_images - n : ROWS;
        mico_bits_planes(&r, call->in[0] + n * taps, line.n, taps, window.pixel_bits,
                         planes, step);
        line.out = call->out + n * y->bytes;
        mico_bits_run(&line);
    }
    mico_bits_finish_wide(call);
}

const mico_kernel mico_kernel_linear_bits_avx512vpopcnt = {
    .name = "linear_bits_avx512vpopcnt",
    .isa = "avx512vpopcnt",
    .supports = supports,
    .packed_bytes = mico_bits_packed_bytes,
    .pack = mico_bits_pack,
    .consts_bytes = consts_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .run = run};

#endif
