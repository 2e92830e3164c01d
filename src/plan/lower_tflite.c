/* lower_tflite.c: the plan of an int8 network that brings its own integers:
 * docs/INTEGER.md section 10.4.
 *
 * Tensors have the network's scales and zero points: code = q + 128, zero = the zero
 * point + 128. Ratios of scales are those of the TFLite reference kernels, in double,
 * as 31-bit multipliers; nothing depends on calibration. */
#include "plan/plan_internal.h"

#include <math.h>

#define ADD_LEFT_SHIFT 20

typedef struct state {
    mico_lowering *low;
    mico_plan *plan;
    size_t *at; /* [net tensor] its plan tensor */
    mico_err *err;
} state;

static size_t add_tensor(state *s, size_t net_tensor)
{
    const mico_tensor *from = &s->low->net->tensor[net_tensor];
    mico_plan_tensor *t = &s->plan->tensor[s->plan->n_tensors];

    t->shape = from->shape;
    t->format = (mico_format){8, false, true, (double)from->fixed_scale};
    t->bytes = mico_shape_count(&t->shape);
    t->zero = (size_t)(from->fixed_zero + 128);
    s->at[net_tensor] = s->plan->n_tensors;
    return s->plan->n_tensors++;
}

/* Bounds of q - zero point; a fused clip's are rounded half away from zero. */
static mico_epilogue make_epilogue(const mico_plan_tensor *t, const mico_node *clip)
{
    const int32_t zero = (int32_t)t->zero;
    mico_epilogue e = {-zero, 255 - zero, zero, 1};

    if (clip != NULL) {
        const float scale = (float)t->format.scale;
        const float lo = roundf(clip->lo / scale), hi = roundf(clip->hi / scale);

        e.lo = lo <= (float)e.lo ? e.lo : lo >= (float)e.hi ? e.hi : (int32_t)lo;
        e.hi = hi >= (float)e.hi ? e.hi : hi <= (float)e.lo ? e.lo : (int32_t)hi;
    }
    return e;
}

static mico_op *add_op(state *s, mico_op_kind kind, const mico_node *node, size_t out,
                       const mico_node *clip)
{
    mico_op *op = &s->plan->op[s->plan->n_ops++];

    op->kind = kind;
    op->node = node;
    op->layer = NONE;
    op->n_in = node != NULL ? node->n_in : 0;
    for (size_t k = 0; k < op->n_in; k++)
        op->in[k] = s->at[node->in[k]];
    op->out = add_tensor(s, out);
    op->epilogue = make_epilogue(&s->plan->tensor[op->out], clip);
    op->acc_bound = 255;
    return op;
}

/* ratio ~ mult / 2^shift with 2^30 <= mult < 2^31, or 0 where the shift would have to
 * be above 62. As the reference, a multiplication by mult/2^31 and a shift by 31 -
 * shift, to the left where that is positive. */
static mico_status set_multiplier(double ratio, int64_t bound, int32_t *mult,
                                  uint8_t *shift, const mico_node *node, mico_err *err)
{
    int exponent;
    double q = round(frexp(ratio, &exponent) * 0x1p31);

    if (q == 0x1p31) {
        q = 0x1p30;
        exponent++;
    }
    if (exponent < -31) {
        q = 0;
        exponent = 0;
    }
    if (!(ratio > 0) || exponent > 30 ||
        (exponent > 0 && bound > (INT32_MAX >> exponent)))
        return mico_fail(err, MICO_ESCHEME,
                         "%s: the ratio %g of its scales takes its sums out of 32 "
                         "bits; repair the network",
                         node->name, ratio);
    *mult = (int32_t)q;
    *shift = (uint8_t)(31 - exponent);
    return MICO_OK;
}

static mico_status lower_layer(state *s, size_t i, const mico_node *clip)
{
    const mico_node *node = &s->low->net->node[i];
    mico_op *op =
        add_op(s, node->kind == MICO_NODE_CONV ? MICO_OP_CONV : MICO_OP_LINEAR, node,
               clip != NULL ? clip->out : node->out, clip);
    const mico_plan_tensor *x = &s->plan->tensor[op->in[0]];
    const mico_plan_tensor *y = &s->plan->tensor[op->out];
    int32_t *mult = mico_arena_alloc(&s->plan->arena, node->c_out * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, node->c_out);

    op->layer = s->low->storage.layer[i];
    op->weights = mico_lowering_weights(s->low, op->layer, 8);
    op->bias = node->fixed->bias;
    op->mult = mult;
    op->shift = shift;
    op->rounding = MICO_ROUND_TFLITE;
    op->acc_bound = 0;
    for (size_t c = 0; c < node->c_out; c++) {
        int64_t b = op->bias[c] < 0 ? -(int64_t)op->bias[c] : op->bias[c];
        int64_t most = x->zero > 127 ? (int64_t)x->zero : 255 - (int64_t)x->zero;
        int64_t bound = b + most * op->weights->abs_sum[c];
        mico_status rc;

        if (b + (255 + (int64_t)x->zero) * op->weights->abs_sum[c] >= INT32_MAX)
            return mico_fail(s->err, MICO_ESCHEME,
                             "%s: sums of channel %zu can leave 32 bits; repair the "
                             "network",
                             node->name, c);
        rc = set_multiplier(x->format.scale * op->weights->scale[c] / y->format.scale,
                            bound, &mult[c], &shift[c], node, s->err);
        if (rc != MICO_OK)
            return rc;
        op->acc_bound = bound > op->acc_bound ? bound : op->acc_bound;
    }
    return MICO_OK;
}

/* Both inputs, shifted left by 20 bits, are brought to twice the larger scale; [0] and
 * [1] do that, [2] brings the sum to the result's scale. */
static mico_status lower_add(state *s, size_t i, const mico_node *clip)
{
    const mico_node *node = &s->low->net->node[i];
    mico_op *op =
        add_op(s, MICO_OP_ADD, node, clip != NULL ? clip->out : node->out, clip);
    int32_t *mult = mico_arena_alloc(&s->plan->arena, 3 * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, 3);
    const double s_0 = s->plan->tensor[op->in[0]].format.scale;
    const double s_1 = s->plan->tensor[op->in[1]].format.scale;
    const double s_y = s->plan->tensor[op->out].format.scale;
    const double twice = 2 * fmax(s_0, s_1);
    const double ratio[] = {s_0 / twice, s_1 / twice,
                            twice / (ldexp(1, ADD_LEFT_SHIFT) * s_y)};

    for (size_t k = 0; k < 3; k++) {
        mico_status rc = set_multiplier(ratio[k], (int64_t)1 << 28, &mult[k], &shift[k],
                                        node, s->err);

        if (rc != MICO_OK)
            return rc;
    }
    op->mult = mult;
    op->shift = shift;
    op->rounding = MICO_ROUND_TFLITE;
    op->acc_bound = (int64_t)1 << 28;
    return MICO_OK;
}

/* Operations that keep scale and zero point. */
static mico_status lower_same(state *s, size_t i, mico_op_kind kind)
{
    const mico_node *node = &s->low->net->node[i];
    mico_op *op = add_op(s, kind, node, node->out, kind == MICO_OP_CLAMP ? node : NULL);
    const mico_plan_tensor *x = &s->plan->tensor[op->in[0]];
    const mico_plan_tensor *y = &s->plan->tensor[op->out];
    const mico_window *w = &node->window;

    if (x->format.scale != y->format.scale || x->zero != y->zero)
        return mico_fail(s->err, MICO_ENET,
                         "%s: its input and its result have different scales or zero "
                         "points, which this operation cannot change",
                         node->name);
    if (kind != MICO_OP_AVGPOOL)
        return MICO_OK;
    if (w->kh * w->kw >= INT32_MAX / 255)
        return mico_fail(s->err, MICO_ESCHEME,
                         "%s: sums over %zu elements can leave 32 bits; pool in two "
                         "steps",
                         node->name, w->kh * w->kw);
    op->rounding = MICO_ROUND_TFLITE;
    op->acc_bound = 128 * (int64_t)(w->kh * w->kw);
    return MICO_OK;
}

static mico_status lower_node(state *s, size_t i)
{
    const mico_net *net = s->low->net;
    size_t fused = s->low->storage.clip[i];
    const mico_node *clip = fused != NONE ? &net->node[fused] : NULL;

    switch (net->node[i].kind) {
    case MICO_NODE_CONV:
    case MICO_NODE_LINEAR:
        return lower_layer(s, i, clip);
    case MICO_NODE_ADD:
        return lower_add(s, i, clip);
    case MICO_NODE_AVGPOOL:
        return lower_same(s, i, MICO_OP_AVGPOOL);
    case MICO_NODE_MAXPOOL:
        return lower_same(s, i, MICO_OP_MAXPOOL);
    case MICO_NODE_CLIP:
        return lower_same(s, i, MICO_OP_CLAMP);
    case MICO_NODE_FLATTEN:
        return lower_same(s, i, MICO_OP_FLATTEN);
    case MICO_NODE_RESHAPE:
        return lower_same(s, i, MICO_OP_RESHAPE);
    case MICO_NODE_PAD:
        return lower_same(s, i, MICO_OP_PAD);
    case MICO_NODE_SLICE:
        return lower_same(s, i, MICO_OP_SLICE);
    case MICO_NODE_TRANSPOSE:
        return lower_same(s, i, MICO_OP_TRANSPOSE);
    default:
        return mico_fail(s->err, MICO_EUNSUP,
                         "%s: profile tflite has no %s; use another profile",
                         net->node[i].name, mico_node_text(&net->node[i]));
    }
}

/* The network's own integers are the only scheme. */
static mico_status check(const mico_lowering *low, const mico_scheme *scheme,
                         mico_err *err)
{
    if (!low->net->has_fixed)
        return mico_fail(err, MICO_ENET,
                         "network '%s': profile tflite needs a network that brings its "
                         "own int8 weights and scales; use another profile",
                         low->net->name);
    for (size_t g = 0; g < 2 * scheme->n_layers; g++)
        if (scheme->bits[g] != 8)
            return mico_fail(err, MICO_ESCHEME,
                             "scheme: has a width of %s bits; under profile tflite "
                             "only w8a8 is possible, the network's own integers; use "
                             "another profile",
                             mico_width_text(scheme->bits[g]));
    return MICO_OK;
}

mico_status plan_lower_tflite(mico_plan *plan, mico_lowering *low,
                              const mico_scheme *scheme, mico_err *err)
{
    const mico_net *net = low->net;
    state s = {.low = low, .plan = plan, .err = err};
    mico_status rc = check(low, scheme, err);
    mico_op *input;

    if (rc != MICO_OK)
        return rc;
    s.at = mico_arena_alloc(&plan->arena, net->n_tensors * sizeof *s.at);
    input = add_op(&s, MICO_OP_INPUT, NULL, net->input, NULL);
    input->rounding = MICO_ROUND_TFLITE;
    input->mul = low->mul;
    input->add = low->add;
    plan_luts(low, &plan->tensor[input->out], input->rounding, &input->lut_u8,
              &input->lut_s8);
    for (size_t i = 0; i < net->n_nodes && rc == MICO_OK; i++)
        if (!low->storage.fused[i])
            rc = lower_node(&s, i);
    if (rc == MICO_OK)
        plan->output = s.at[net->output];
    return rc;
}
