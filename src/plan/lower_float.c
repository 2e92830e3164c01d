/* lower_float.c: lowering for the profiles dynamic and mico: docs/INTEGER.md
 * section 10.
 *
 * Tensors are float32. Layers find the scale of their input when they run, so a plan
 * holds the weights' scales and the biases as they are, and the proof that the integer
 * sums fit. */
#include "plan/plan_internal.h"

#include <math.h>

typedef struct state {
    mico_lowering *low;
    mico_plan *plan;
    const mico_scheme *scheme;
    size_t *at; /* [net tensor] its plan tensor */
    mico_err *err;
} state;

static size_t add_tensor(state *s, size_t net_tensor)
{
    mico_plan *plan = s->plan;
    mico_plan_tensor *t = &plan->tensor[plan->n_tensors];

    t->shape = s->low->net->tensor[net_tensor].shape;
    t->format = (mico_format){32, true, true, 1};
    t->bytes = 4 * mico_shape_count(&t->shape);
    t->zero = 0;
    s->at[net_tensor] = plan->n_tensors;
    return plan->n_tensors++;
}

static mico_op *add_op(state *s, mico_op_kind kind, const mico_node *node, size_t out)
{
    mico_op *op = &s->plan->op[s->plan->n_ops++];

    op->kind = kind;
    op->node = node;
    op->layer = NONE;
    op->rounding = MICO_ROUND_FLOAT;
    op->lo_f32 = -INFINITY;
    op->hi_f32 = INFINITY;
    op->n_in = node != NULL ? node->n_in : 0;
    for (size_t k = 0; k < op->n_in; k++)
        op->in[k] = s->at[node->in[k]];
    op->out = add_tensor(s, out);
    return op;
}

static void set_clip(mico_op *op, const mico_node *clip)
{
    op->lo_f32 = clip->lo;
    op->hi_f32 = clip->hi;
}

/* The scales of weights and the biases in float32. */
static void set_constants(state *s, mico_op *op)
{
    size_t n = op->weights->c_out;
    float *scale = mico_arena_alloc(&s->plan->arena, n * sizeof *scale);
    float *bias = mico_arena_alloc(&s->plan->arena, n * sizeof *bias);

    for (size_t c = 0; c < n; c++) {
        scale[c] = (float)op->weights->scale[c];
        bias[c] = op->node->bias != NULL ? op->node->bias[c] : 0;
    }
    op->scale_f32 = scale;
    op->bias_f32 = bias;
}

/* Neither a sum nor any partial sum of codes times weights leaves int32: the bound of
 * docs/INTEGER.md section 7 without a bias, which is added in float32. */
static mico_status prove_bound(const state *s, mico_op *op)
{
    const uint8_t *bits = s->scheme->bits;
    double reach = op->act_signed ? 255 + 128 : 255;
    int64_t most = plan_q_max_abs(op->act_width, op->act_signed);

    for (size_t c = 0; c < op->weights->c_out; c++) {
        double partial = reach * op->weights->abs_sum[c];
        int64_t bound = most * op->weights->abs_sum[c];

        if (!(partial < INT32_MAX))
            return mico_fail(s->err, MICO_ESCHEME,
                             "%s at %s/%s bits: sums of channel %zu can reach %.0f, "
                             "above the %d of 32 bits; choose other widths",
                             op->node->name, mico_width_text(bits[op->layer]),
                             mico_width_text(op->act_width), c, partial, INT32_MAX);
        op->acc_bound = bound > op->acc_bound ? bound : op->acc_bound;
    }
    return MICO_OK;
}

/* Node i with the clip that is fused into it, if any. */
static mico_status lower_node(state *s, size_t i)
{
    static const mico_op_kind kinds[] = {
        [MICO_NODE_CONV] = MICO_OP_CONV,
        [MICO_NODE_LINEAR] = MICO_OP_LINEAR,
        [MICO_NODE_ADD] = MICO_OP_ADD,
        [MICO_NODE_CONCAT] = MICO_OP_CONCAT,
        [MICO_NODE_MAXPOOL] = MICO_OP_MAXPOOL,
        [MICO_NODE_AVGPOOL] = MICO_OP_AVGPOOL,
        [MICO_NODE_CLIP] = MICO_OP_CLAMP,
        [MICO_NODE_FLATTEN] = MICO_OP_FLATTEN,
        [MICO_NODE_RESHAPE] = MICO_OP_RESHAPE,
        [MICO_NODE_PAD] = MICO_OP_PAD,
        [MICO_NODE_SLICE] = MICO_OP_SLICE,
        [MICO_NODE_TRANSPOSE] = MICO_OP_TRANSPOSE,
    };
    mico_lowering *low = s->low;
    const mico_net *net = low->net;
    const mico_node *node = &net->node[i];
    size_t fused = low->storage.clip[i], layer = low->storage.layer[i];
    mico_op *op;

    if ((size_t)node->kind >= sizeof kinds / sizeof kinds[0])
        return mico_fail(s->err, MICO_EBUG, "%s: node kind without a lowering",
                         node->name);
    op = add_op(s, kinds[node->kind], node,
                fused != NONE ? net->node[fused].out : node->out);
    if (fused != NONE)
        set_clip(op, &net->node[fused]);
    if (node->kind == MICO_NODE_CLIP)
        set_clip(op, node);
    op->act_blocks = low->quant.profile == MICO_PROFILE_MICO;
    if (layer == NONE)
        return MICO_OK;
    op->layer = layer;
    op->weights = mico_lowering_weights(low, layer, s->scheme->bits[layer]);
    op->act_width = s->scheme->bits[net->n_layers + layer];
    op->act_signed =
        !low->quant.unsigned_acts || !(low->calib->tensor[node->in[0]].min >= 0);
    set_constants(s, op);
    return prove_bound(s, op);
}

mico_status plan_lower_float(mico_plan *plan, mico_lowering *low,
                             const mico_scheme *scheme, mico_err *err)
{
    const mico_net *net = low->net;
    state s = {.low = low, .plan = plan, .scheme = scheme, .err = err};
    mico_status rc = MICO_OK;
    mico_op *input;

    s.at = mico_arena_alloc(&plan->arena, net->n_tensors * sizeof *s.at);
    input = add_op(&s, MICO_OP_INPUT, NULL, net->input);
    input->mul = low->mul;
    input->add = low->add;
    for (size_t i = 0; i < net->n_nodes && rc == MICO_OK; i++)
        if (!low->storage.fused[i])
            rc = lower_node(&s, i);
    if (rc == MICO_OK)
        plan->output = s.at[net->output];
    return rc;
}
