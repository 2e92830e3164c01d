/* ref_ares.c: portable add, concat, average pool and requant of profile ares. */
#include "kernels/round_internal.h"

#define ARES_KERNEL(stem, KIND, ...)                                                   \
    static bool stem##_supports(const mico_plan *plan, const mico_op *op)              \
    {                                                                                  \
        (void)plan;                                                                    \
        return op->kind == MICO_OP_##KIND && op->rounding == MICO_ROUND_ARES;          \
    }                                                                                  \
    const mico_kernel mico_kernel_##stem##_ares_c = {.name = #stem "_ares_c",          \
                                                     .isa = "c",                       \
                                                     .supports = stem##_supports,      \
                                                     .run = stem##_run,                \
                                                     __VA_ARGS__};

static void add_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *a = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *b = mico_op_input(call->plan, op, 1);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const int64_t unit = (int64_t)1 << op->shift[0];

    for (size_t i = 0; i < call->n_images * y->bytes; i++) {
        const int64_t sum = (int64_t)mico_value_get(a, call->in[0], i) * op->mult[0] +
                            (int64_t)mico_value_get(b, call->in[1], i) * op->mult[1];

        mico_value_put(y, &op->epilogue, mico_divide_even(sum, unit), call->out, i);
    }
}

/* The result for each of the 256 codes of input k. */
static void fill_table(const mico_plan *plan, const mico_op *op, size_t k,
                       uint8_t table[256])
{
    const mico_epilogue *e = &op->epilogue;
    const int32_t zero = (int32_t)mico_op_input(plan, op, k)->zero;

    for (int32_t code = 0; code < 256; code++) {
        const float product = (float)(code - zero) * op->scale_f32[k];

        table[code] =
            (uint8_t)(e->base + e->step * mico_ares_round(product, e->lo, e->hi));
    }
}

static void requant_run(const mico_call *call)
{
    const size_t count = call->n_images * mico_op_output(call->plan, call->op)->bytes;
    uint8_t table[256];

    fill_table(call->plan, call->op, 0, table);
    for (size_t i = 0; i < count; i++)
        call->out[i] = table[call->in[0][i]];
}

/* Channels of a spatial tensor lie innermost, else axis 0 is outermost. */
static void concat_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, op));
    size_t first = 0;

    for (size_t k = 0; k < op->n_in; k++) {
        const mico_extent from = mico_extent_of(mico_op_input(call->plan, op, k));
        const uint8_t *in = call->in[k];
        uint8_t table[256];

        fill_table(call->plan, op, k, table);
        for (size_t p = 0; p < call->n_images * from.h * from.w; p++)
            for (size_t c = 0; c < from.c; c++)
                call->out[p * to.c + first + c] = table[*in++];
        first += from.c;
    }
}

/* A window over the whole map: the study's other operator, which rounds halves away
 * from zero. */
static bool is_global(const mico_plan *plan, const mico_op *op)
{
    const mico_extent in = mico_extent_of(mico_op_input(plan, op, 0));
    const mico_window *w = &op->node->window;

    return w->kh == in.h && w->kw == in.w &&
           w->pad_top + w->pad_bottom + w->pad_left + w->pad_right == 0;
}

static int64_t mean_of(const mico_op *op, int64_t sum, size_t count, bool away)
{
    const int64_t product = sum * op->mult[count];
    const int64_t unit =
        ((int64_t)1 << op->shift[count]) * (op->mult[0] != 0 ? (int64_t)count : 1);

    return away ? mico_divide_away(product, unit) : mico_divide_even(product, unit);
}

static void avgpool_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_extent e = mico_extent_of(y);
    const size_t area = op->node->window.kh * op->node->window.kw;
    const bool away = is_global(call->plan, op);
    int32_t *sum = call->scratch;

    for (size_t n = 0; n < call->n_images; n++)
        for (size_t p = 0; p < e.h * e.w; p++) {
            const size_t taps =
                mico_pool_sums(x, &op->node->window, call->in[0] + n * x->bytes,
                               p / e.w, p % e.w, sum);
            const size_t count = op->node->count_include_pad ? area : taps;

            for (size_t c = 0; c < e.c; c++) {
                const int64_t q = sum[c] - (int64_t)(taps * x->zero);

                mico_value_put(y, &op->epilogue,
                               taps > 0 ? mean_of(op, q, count, away) : 0, call->out,
                               n * y->bytes + p * e.c + c);
            }
        }
}

ARES_KERNEL(add, ADD, .scratch_bytes = NULL)
ARES_KERNEL(requant, REQUANT, .scratch_bytes = NULL)
ARES_KERNEL(concat, CONCAT, .scratch_bytes = NULL)
ARES_KERNEL(avgpool, AVGPOOL, .scratch_bytes = mico_pool_scratch_bytes)
