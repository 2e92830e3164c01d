/* lower_ares.c: from the plan of profile integer to that of profile ares:
 * docs/INTEGER.md section 10.3.
 *
 * The operations, tensors and formats are those of the integer plan, whose scales were
 * made float32 numbers; what changes is how results are rescaled. All arithmetic here
 * is float32 with one rounding an operation, because the study's is. */
#include "plan/plan_internal.h"

#include <math.h>

#define ARES_SHIFT 24

typedef struct state {
    mico_plan *plan;
    mico_err *err;
} state;

static const mico_format *input_format(const state *s, const mico_op *op, size_t i)
{
    return &s->plan->tensor[op->in[i]].format;
}

static const mico_format *result_format(const state *s, const mico_op *op)
{
    return &s->plan->tensor[op->out].format;
}

static bool is_sign(const mico_format *f)
{
    return f->width == 1 && f->is_signed;
}

static int64_t most(const mico_format *f)
{
    return plan_q_max_abs(f->width, f->is_signed);
}

static mico_status no_ratio(const state *s, const mico_op *op, double ratio)
{
    return mico_fail(s->err, MICO_ESCHEME,
                     "%s: the ratio %g of its scales cannot be used by profile ares; "
                     "choose other widths",
                     op->node != NULL ? op->node->name : "input", ratio);
}

/* ---- layers ------------------------------------------------------------------------
 */

/* bias = rne(b / (s_x*s_w)), and the proof of section 7 with it. */
static mico_status set_bias(state *s, mico_op *op, float unit)
{
    const mico_node *node = op->node;
    const mico_plan_tensor *in = &s->plan->tensor[op->in[0]];
    int32_t *bias = mico_arena_alloc(&s->plan->arena, node->c_out * sizeof *bias);
    bool logits = result_format(s, op)->width == 32;

    op->acc_bound = 0;
    for (size_t c = 0; c < node->c_out; c++) {
        float ratio = node->bias != NULL && !logits ? node->bias[c] / unit : 0;
        double b = nearbyint((double)ratio);
        double partial =
            fabs(b) + (double)(255 + in->zero) * (double)op->weights->abs_sum[c];
        int64_t bound;

        if (!(partial < INT32_MAX))
            return mico_fail(s->err, MICO_ESCHEME,
                             "%s: sums of channel %zu can reach %.0f, above the %d of "
                             "32 bits; choose other widths",
                             node->name, c, partial, INT32_MAX);
        bias[c] = (int32_t)b;
        bound = (int64_t)fabs(b) + most(&in->format) * op->weights->abs_sum[c];
        op->acc_bound = bound > op->acc_bound ? bound : op->acc_bound;
    }
    op->bias = bias;
    return MICO_OK;
}

/* Codes: acc * ((s_x*s_w) / s_y). Logits: acc * (s_x*s_w) + b. */
static mico_status set_layer(state *s, mico_op *op)
{
    size_t n = op->node->c_out;
    float *scale = mico_arena_alloc(&s->plan->arena, n * sizeof *scale);
    float *bias = mico_arena_alloc(&s->plan->arena, n * sizeof *bias);
    mico_format *to = &s->plan->tensor[op->out].format;
    const float s_x = (float)input_format(s, op, 0)->scale;
    const float unit = s_x * (float)op->weights->scale[0];
    float combined = unit;
    mico_status rc = set_bias(s, op, unit);

    if (rc != MICO_OK)
        return rc;
    if (to->width != 32)
        combined = is_sign(to) ? 1 : unit / (float)to->scale;
    if (!isfinite(combined) || combined <= 0)
        return no_ratio(s, op, (double)combined);
    for (size_t c = 0; c < n; c++) {
        scale[c] = combined;
        bias[c] = op->node->bias != NULL ? op->node->bias[c] : 0;
    }
    op->scale_f32 = scale;
    op->mult = NULL;
    op->shift = NULL;
    if (to->width == 32) {
        op->bias_f32 = bias;
        *to = (mico_format){32, true, true, 1};
    }
    return MICO_OK;
}

/* ---- the others --------------------------------------------------------------------
 */

/* rne(ratio * 2^24), which must fit into int32. */
static mico_status fixed_point(const state *s, const mico_op *op, float ratio,
                               int32_t *mult)
{
    const float m = nearbyintf(ratio * (float)(1 << ARES_SHIFT));

    if (!(m < 0x1p31F))
        return no_ratio(s, op, (double)ratio);
    *mult = (int32_t)m;
    return MICO_OK;
}

/* rne((q_0*mult_0 + q_1*mult_1) / 2^24), and exactly 2^24 for the scale of the result.
 * Of a sign only the sum's sign counts: no shift. */
static mico_status set_add(state *s, mico_op *op)
{
    int32_t *mult = mico_arena_alloc(&s->plan->arena, 2 * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, sizeof *shift);
    const mico_format *to = result_format(s, op);
    double larger = fmax(input_format(s, op, 0)->scale, input_format(s, op, 1)->scale);
    const float unit = is_sign(to) ? (float)larger : (float)to->scale;
    const float inverse = 1 / unit;

    shift[0] = is_sign(to) ? 0 : ARES_SHIFT;
    op->acc_bound = 0;
    for (size_t k = 0; k < 2; k++) {
        const float s_x = (float)input_format(s, op, k)->scale;
        const float ratio = s_x == unit ? 1 : s_x * inverse;
        mico_status rc = fixed_point(s, op, ratio, &mult[k]);

        if (rc != MICO_OK)
            return rc;
        op->acc_bound += most(input_format(s, op, k)) * mult[k];
    }
    op->mult = mult;
    op->shift = shift;
    return MICO_OK;
}

/* [n] of n = 1..area for the sum over n elements; [0] is 1 where the sum has to be
 * divided by n besides. */
static mico_status set_avgpool(state *s, mico_op *op)
{
    const mico_window *w = &op->node->window;
    size_t area = w->kh * w->kw;
    int32_t *mult = mico_arena_alloc(&s->plan->arena, (area + 1) * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, area + 1);
    const mico_format *to = result_format(s, op);
    const float s_x = (float)input_format(s, op, 0)->scale, s_y = (float)to->scale;
    bool padded = w->pad_top + w->pad_bottom + w->pad_left + w->pad_right > 0;
    bool same = s_x == s_y;
    int32_t m = 1;

    if (!is_sign(to) && !same) {
        const float ratio = s_x / s_y;
        mico_status rc = fixed_point(s, op, padded ? ratio : ratio / (float)area, &m);

        if (rc != MICO_OK)
            return rc;
    }
    mult[0] = !is_sign(to) && (same || padded);
    for (size_t n = 1; n <= area; n++) {
        mult[n] = m;
        shift[n] = is_sign(to) || same ? 0 : ARES_SHIFT;
    }
    op->mult = mult;
    op->shift = shift;
    return MICO_OK;
}

/* Concat and requant: rne(q * (s_x/s_y)). */
static mico_status set_rescale(state *s, mico_op *op)
{
    float *scale = mico_arena_alloc(&s->plan->arena, op->n_in * sizeof *scale);
    const mico_format *to = result_format(s, op);

    for (size_t k = 0; k < op->n_in; k++) {
        scale[k] =
            is_sign(to) ? 1 : (float)input_format(s, op, k)->scale / (float)to->scale;
        if (!isfinite(scale[k]))
            return no_ratio(s, op, (double)scale[k]);
    }
    op->scale_f32 = scale;
    op->mult = NULL;
    op->shift = NULL;
    return MICO_OK;
}

mico_status plan_make_ares(mico_plan *plan, mico_err *err)
{
    state s = {plan, err};
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < plan->n_ops && rc == MICO_OK; i++) {
        mico_op *op = &plan->op[i];

        switch (op->kind) {
        case MICO_OP_CONV:
        case MICO_OP_LINEAR:
            rc = set_layer(&s, op);
            break;
        case MICO_OP_ADD:
            rc = set_add(&s, op);
            break;
        case MICO_OP_AVGPOOL:
            rc = set_avgpool(&s, op);
            break;
        case MICO_OP_CONCAT:
        case MICO_OP_REQUANT:
            rc = set_rescale(&s, op);
            break;
        default: /* moves and selects codes: nothing is rounded */
            continue;
        }
        op->rounding = MICO_ROUND_ARES;
    }
    return rc;
}
