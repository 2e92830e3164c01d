/* Lowering: from network, scheme and calibration to the integer plan. */
#include "plan/plan_internal.h"

#include <math.h>
#include <stdlib.h>

typedef struct state {
    mico_lowering *low;
    mico_plan *plan;
    const mico_scheme *scheme;
    uint8_t *width;  /* [root tensor] of its class */
    size_t *at;      /* [net tensor] its plan tensor */
    size_t *requant; /* [net tensor][width index] its copy in another width, or NONE */
    mico_err *err;
} state;

/* ---- tensors and formats ------------------------------------------------------- */

static mico_format class_format(const state *s, size_t tensor, uint8_t width)
{
    size_t root = s->low->storage.root[tensor];
    bool is_signed = s->low->storage.is_signed[root];
    double scale =
        s->low->calib->tensor[root].scale[is_signed][mico_width_index(width)];

    if (s->low->quant.profile == MICO_PROFILE_ARES)
        scale = (double)(float)scale;
    return (mico_format){width, false, is_signed, scale};
}

static size_t add_tensor(state *s, size_t net_tensor, mico_format format)
{
    mico_plan *plan = s->plan;
    mico_plan_tensor *t = &plan->tensor[plan->n_tensors];

    t->shape = s->low->net->tensor[net_tensor].shape;
    t->format = format;
    t->bytes = mico_shape_count(&t->shape) * (format.width == 32 ? 4 : 1);
    t->zero = format.is_signed && format.width != 32 ? 128 : 0;
    return plan->n_tensors++;
}

/* The plan tensor of a net tensor that is stored in its class's format. */
static size_t add_stored(state *s, size_t t)
{
    uint8_t width = s->width[s->low->storage.root[t]];

    s->at[t] = add_tensor(s, t, class_format(s, t, width));
    return s->at[t];
}

static bool is_sign(const mico_format *f)
{
    return f->width == 1 && f->is_signed;
}

/* rne(bound/scale) within the format; the sign for signs (relu keeps x > 0 as it is).
 */
static int32_t bound_code(float bound, const mico_format *f)
{
    if (is_sign(f))
        return bound > 0 ? 1 : -1;
    return (int32_t)round_clip(bound / f->scale, mico_q_min(f->width, f->is_signed),
                               mico_q_max(f->width, f->is_signed));
}

/* Clamp and code of a result in format f with a clip (or NULL) fused in. */
static mico_epilogue make_epilogue(const mico_format *f, const mico_node *clip)
{
    int32_t lo = mico_q_min(f->width, f->is_signed),
            hi = mico_q_max(f->width, f->is_signed);
    int32_t zero = f->is_signed ? 128 : 0;

    if (clip != NULL) {
        lo = bound_code(clip->lo, f);
        hi = bound_code(clip->hi, f);
    }
    if (is_sign(f)) /* y is 0 or 1 for the codes -1 and +1 */
        return (mico_epilogue){(lo + 1) / 2, (hi + 1) / 2, zero - 1, 2};
    return (mico_epilogue){lo, hi, zero, 1};
}

static int64_t most(const mico_format *f)
{
    return plan_q_max_abs(f->width, f->is_signed);
}

static mico_op *add_op(state *s, mico_op_kind kind, const mico_node *node)
{
    mico_op *op = &s->plan->op[s->plan->n_ops++];

    op->kind = kind;
    op->node = node;
    op->layer = NONE;
    return op;
}

/* Multiplier of a ratio; for signs the one that leaves integers as they are, since only
 * the sign of the sum counts. */
static mico_status set_multiplier(const mico_format *to, double ratio, unsigned bits,
                                  int32_t *mult, uint8_t *shift, mico_err *err)
{
    if (is_sign(to)) {
        *mult = (int32_t)1 << (bits - 1);
        *shift = (uint8_t)(bits - 1);
        return MICO_OK;
    }
    return mico_multiplier(ratio, bits, mult, shift, err);
}

/* ---- operations ---------------------------------------------------------------- */

static void lower_input(state *s)
{
    const mico_net *net = s->low->net;
    mico_op *op = add_op(s, MICO_OP_INPUT, NULL);
    const mico_format *f;

    op->out = add_stored(s, net->input);
    f = &s->plan->tensor[op->out].format;
    op->epilogue = make_epilogue(f, NULL);
    op->acc_bound = most(f);
    op->rounding = s->low->quant.profile == MICO_PROFILE_ARES ? MICO_ROUND_ARES
                                                              : MICO_ROUND_HALF_UP;
    plan_luts(s->low, &s->plan->tensor[op->out], op->rounding, &op->lut_u8,
              &op->lut_s8);
    op->mul = s->low->mul;
    op->add = s->low->add;
}

/* Makes the copy of tensor t in `width` that a layer reads. */
static mico_status lower_requant(state *s, size_t t, uint8_t width, size_t *out)
{
    size_t *slot = &s->requant[t * MICO_N_WIDTHS + mico_width_index(width)];
    const mico_format *from = &s->plan->tensor[s->at[t]].format;
    mico_format to = class_format(s, t, width);
    int32_t *mult;
    uint8_t *shift;
    mico_status rc;
    mico_op *op;

    if (*slot != NONE) {
        *out = *slot;
        return MICO_OK;
    }
    mult = mico_arena_alloc(&s->plan->arena, sizeof *mult);
    shift = mico_arena_alloc(&s->plan->arena, sizeof *shift);
    rc = set_multiplier(&to, from->scale / to.scale, SMALL_MULT_BITS, mult, shift,
                        s->err);
    if (rc != MICO_OK)
        return rc;
    op = add_op(s, MICO_OP_REQUANT, NULL);
    op->n_in = 1;
    op->in[0] = s->at[t];
    op->out = add_tensor(s, t, to);
    op->mult = mult;
    op->shift = shift;
    op->epilogue = make_epilogue(&to, NULL);
    op->acc_bound = most(from);
    *slot = *out = op->out;
    return MICO_OK;
}

/* Biases at the accumulator's scale, and the proof that neither the accumulator nor any
 * partial sum of codes times weights leaves int32: docs/INTEGER.md section 7. */
static mico_status set_bias(state *s, mico_op *op, const mico_plan_tensor *in)
{
    const mico_node *node = op->node;
    int32_t *bias = mico_arena_alloc(&s->plan->arena, node->c_out * sizeof *bias);
    const uint8_t *bits = s->scheme->bits;
    double reach = (double)(255 + in->zero);

    for (size_t c = 0; c < node->c_out; c++) {
        double unit = in->format.scale * op->weights->scale[c];
        double b = node->bias != NULL ? nearbyint(node->bias[c] / unit) : 0;
        double partial = fabs(b) + reach * op->weights->abs_sum[c];
        int64_t bound;

        if (!(partial < INT32_MAX))
            return mico_fail(s->err, MICO_ESCHEME,
                             "%s at %s/%s bits: sums of channel %zu can reach %.0f, "
                             "above the %d of 32 "
                             "bits; choose other widths, or per-tensor weight scales",
                             node->name, mico_width_text(bits[op->layer]),
                             mico_width_text(bits[s->scheme->n_layers + op->layer]), c,
                             partial, INT32_MAX);
        bias[c] = (int32_t)b;
        bound = (int64_t)fabs(b) + most(&in->format) * op->weights->abs_sum[c];
        op->acc_bound = bound > op->acc_bound ? bound : op->acc_bound;
    }
    op->bias = bias;
    return MICO_OK;
}

/* ratio[c] = s_x * s_w[c] / s_y */
static mico_status set_channel_multipliers(state *s, mico_op *op, double s_x,
                                           const mico_format *to)
{
    size_t n = op->weights->c_out;
    int32_t *mult = mico_arena_alloc(&s->plan->arena, n * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, n);

    for (size_t c = 0; c < n; c++) {
        mico_status rc = set_multiplier(to, s_x * op->weights->scale[c] / to->scale,
                                        CONV_MULT_BITS, &mult[c], &shift[c], s->err);

        if (rc != MICO_OK) {
            mico_err_prefix(s->err, "%s, channel %zu", op->node->name, c);
            return rc;
        }
    }
    op->mult = mult;
    op->shift = shift;
    return MICO_OK;
}

/* Network outputs stay accumulators; per channel they are brought to the largest scale.
 */
static mico_status lower_logits(state *s, mico_op *op, double s_x)
{
    const mico_qweights *w = op->weights;
    mico_format to = {32, false, true, 0};

    for (size_t c = 0; c < w->c_out; c++)
        to.scale = fmax(to.scale, s_x * w->scale[c]);
    s->at[op->node->out] = op->out = add_tensor(s, op->node->out, to);
    op->epilogue = (mico_epilogue){INT32_MIN, INT32_MAX, 0, 1};
    if (s->low->quant.granularity == MICO_PER_TENSOR)
        return MICO_OK;
    return set_channel_multipliers(s, op, s_x, &to);
}

static mico_status lower_layer(state *s, size_t i)
{
    const mico_net *net = s->low->net;
    const storage *st = &s->low->storage;
    const mico_node *node = &net->node[i];
    const mico_node *clip = st->clip[i] != NONE ? &net->node[st->clip[i]] : NULL;
    size_t layer = st->layer[i], in = s->at[node->in[0]], out;
    uint8_t width = s->scheme->bits[net->n_layers + layer];
    const mico_format *to;
    mico_status rc;
    mico_op *op;

    if (s->plan->tensor[in].format.width != width) {
        rc = lower_requant(s, node->in[0], width, &in);
        if (rc != MICO_OK) {
            mico_err_prefix(s->err, "%s, input", node->name);
            return rc;
        }
    }
    op = add_op(s, node->kind == MICO_NODE_CONV ? MICO_OP_CONV : MICO_OP_LINEAR, node);
    op->layer = layer;
    op->n_in = 1;
    op->in[0] = in;
    op->weights = mico_lowering_weights(s->low, layer, s->scheme->bits[layer]);
    rc = set_bias(s, op, &s->plan->tensor[in]);
    if (rc != MICO_OK)
        return rc;
    if (clip == NULL && st->root[node->out] == NONE)
        return lower_logits(s, op, s->plan->tensor[in].format.scale);
    out = clip != NULL ? clip->out : node->out;
    op->out = add_stored(s, out);
    to = &s->plan->tensor[op->out].format;
    op->epilogue = make_epilogue(to, clip);
    return set_channel_multipliers(s, op, s->plan->tensor[in].format.scale, to);
}

/* Both inputs are brought to one fixed-point scale; the larger ratio gets all the bits.
 * The sign of the sum is that of the fixed-point sum: its floor(sum/2 + 1/2) is
 * positive exactly when the sum is. */
static mico_status lower_add(state *s, size_t i)
{
    const mico_net *net = s->low->net;
    const mico_node *node = &net->node[i];
    size_t fused = s->low->storage.clip[i];
    const mico_node *clip = fused != NONE ? &net->node[fused] : NULL;
    mico_op *op = add_op(s, MICO_OP_ADD, node);
    int32_t *mult = mico_arena_alloc(&s->plan->arena, 2 * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, sizeof *shift);
    const mico_format *to, *from[2];
    double larger, unit; /* the fixed-point sum counts unit / 2^bits */
    int bits;

    op->out = add_stored(s, clip != NULL ? clip->out : node->out);
    to = &s->plan->tensor[op->out].format;
    op->n_in = 2;
    for (size_t k = 0; k < 2; k++) {
        op->in[k] = s->at[node->in[k]];
        from[k] = &s->plan->tensor[op->in[k]].format;
    }
    larger = fmax(from[0]->scale, from[1]->scale);
    if (is_sign(to)) {
        unit = larger;
        bits = SMALL_MULT_BITS - 1;
        *shift = 1;
    } else {
        mico_status rc = mico_multiplier(larger / to->scale, SMALL_MULT_BITS, &mult[0],
                                         shift, s->err);

        if (rc != MICO_OK) {
            mico_err_prefix(s->err, "%s", node->name);
            return rc;
        }
        unit = to->scale;
        bits = *shift;
    }
    for (size_t k = 0; k < 2; k++) {
        mult[k] = (int32_t)nearbyint(ldexp(from[k]->scale / unit, bits));
        op->acc_bound += most(from[k]) * mult[k];
    }
    op->mult = mult;
    op->shift = shift;
    op->epilogue = make_epilogue(to, clip);
    return MICO_OK;
}

static mico_status lower_concat(state *s, size_t i)
{
    const mico_node *node = &s->low->net->node[i];
    mico_op *op = add_op(s, MICO_OP_CONCAT, node);
    int32_t *mult = mico_arena_alloc(&s->plan->arena, node->n_in * sizeof *mult);
    uint8_t *shift = mico_arena_alloc(&s->plan->arena, node->n_in);
    const mico_format *to;

    op->out = add_stored(s, node->out);
    to = &s->plan->tensor[op->out].format;
    op->n_in = node->n_in;
    for (size_t k = 0; k < node->n_in; k++) {
        const mico_format *from;
        mico_status rc;

        op->in[k] = s->at[node->in[k]];
        from = &s->plan->tensor[op->in[k]].format;
        rc = set_multiplier(to, from->scale / to->scale, SMALL_MULT_BITS, &mult[k],
                            &shift[k], s->err);
        if (rc != MICO_OK) {
            mico_err_prefix(s->err, "%s, input %zu", node->name, k);
            return rc;
        }
        op->acc_bound = most(from) > op->acc_bound ? most(from) : op->acc_bound;
    }
    op->mult = mult;
    op->shift = shift;
    op->epilogue = make_epilogue(to, NULL);
    return MICO_OK;
}

/* One multiplier per number of elements that a window can cover, [0] unused. */
static mico_status lower_avgpool(state *s, size_t i)
{
    const mico_node *node = &s->low->net->node[i];
    size_t area = node->window.kh * node->window.kw;
    const mico_format *from = &s->plan->tensor[s->at[node->in[0]]].format, *to;
    mico_op *op = add_op(s, MICO_OP_AVGPOOL, node);
    int32_t *mult;
    uint8_t *shift;

    /* no partial sum of codes may leave int32 either */
    if (area >= INT32_MAX / 255)
        return mico_fail(
            s->err, MICO_ESCHEME,
            "%s: sums over %zu elements can reach %.0f, above the %d of 32 "
            "bits; pool in two steps",
            node->name, area, 255 * (double)area, INT32_MAX);
    mult = mico_arena_alloc(&s->plan->arena, (area + 1) * sizeof *mult);
    shift = mico_arena_alloc(&s->plan->arena, area + 1);
    op->n_in = 1;
    op->in[0] = s->at[node->in[0]];
    op->out = add_stored(s, node->out);
    to = &s->plan->tensor[op->out].format;
    shift[0] = 1;
    for (size_t n = 1; n <= area; n++) {
        mico_status rc = set_multiplier(to, from->scale / (to->scale * (double)n),
                                        SMALL_MULT_BITS, &mult[n], &shift[n], s->err);

        if (rc != MICO_OK) {
            mico_err_prefix(s->err, "%s", node->name);
            return rc;
        }
    }
    op->mult = mult;
    op->shift = shift;
    op->epilogue = make_epilogue(to, NULL);
    op->acc_bound = most(from) * (int64_t)area;
    return MICO_OK;
}

/* Operations that keep the format: they move, select or clamp codes. */
static mico_status lower_move(state *s, size_t i, mico_op_kind kind)
{
    const mico_node *node = &s->low->net->node[i];
    mico_op *op = add_op(s, kind, node);
    const mico_format *f;

    op->n_in = 1;
    op->in[0] = s->at[node->in[0]];
    op->out = add_stored(s, node->out);
    f = &s->plan->tensor[op->out].format;
    op->epilogue = make_epilogue(f, NULL);
    if (kind == MICO_OP_CLAMP) { /* on q itself */
        op->epilogue.lo = bound_code(node->lo, f);
        op->epilogue.hi = bound_code(node->hi, f);
    }
    op->acc_bound = most(f);
    return MICO_OK;
}

static mico_status lower_node(state *s, size_t i)
{
    switch (s->low->net->node[i].kind) {
    case MICO_NODE_CONV:
    case MICO_NODE_LINEAR:
        return lower_layer(s, i);
    case MICO_NODE_ADD:
        return lower_add(s, i);
    case MICO_NODE_CONCAT:
        return lower_concat(s, i);
    case MICO_NODE_AVGPOOL:
        return lower_avgpool(s, i);
    case MICO_NODE_MAXPOOL:
        return lower_move(s, i, MICO_OP_MAXPOOL);
    case MICO_NODE_CLIP:
        return lower_move(s, i, MICO_OP_CLAMP);
    case MICO_NODE_FLATTEN:
        return lower_move(s, i, MICO_OP_FLATTEN);
    case MICO_NODE_RESHAPE:
        return lower_move(s, i, MICO_OP_RESHAPE);
    case MICO_NODE_PAD:
        return lower_move(s, i, MICO_OP_PAD);
    case MICO_NODE_SLICE:
        return lower_move(s, i, MICO_OP_SLICE);
    case MICO_NODE_TRANSPOSE:
        return lower_move(s, i, MICO_OP_TRANSPOSE);
    default:
        return mico_fail(s->err, MICO_EBUG, "%s: node kind without a lowering",
                         s->low->net->node[i].name);
    }
}

/* ---- the whole ----------------------------------------------------------------- */

static mico_status check(const mico_lowering *low, const mico_scheme *scheme,
                         mico_err *err)
{
    const mico_net *net = low->net;

    if (low->calib->n_tensors != net->n_tensors)
        return mico_fail(
            err, MICO_EUSAGE,
            "calibration: of a network with %zu tensors, this one has %zu; "
            "calibrate this network",
            low->calib->n_tensors, net->n_tensors);
    if (low->bad_layer != NONE)
        return mico_fail(err, MICO_ENET,
                         "%s: a weight or bias is infinite or not a number; repair the "
                         "network",
                         net->node[net->layer[low->bad_layer]].name);
    if (plan_input_channels(net) > MAX_INPUT_CHANNELS)
        return mico_fail(err, MICO_ELIMIT,
                         "network '%s': its input has %zu channels, at most %zu are "
                         "possible; give it a spatial input",
                         net->name, plan_input_channels(net), MAX_INPUT_CHANNELS);
    if (scheme->n_layers != net->n_layers || net->n_layers > MICO_MAX_LAYERS)
        return mico_fail(
            err, MICO_ESCHEME,
            "scheme: of %zu layers, the network has %zu (at most %d); give one "
            "pair of widths a layer",
            scheme->n_layers, net->n_layers, MICO_MAX_LAYERS);
    for (size_t g = 0; g < 2 * scheme->n_layers; g++)
        if (!mico_width_valid(scheme->bits[g]))
            return mico_fail(
                err, MICO_ESCHEME,
                "scheme: %d is not a width; use 1 to 8 bits or t (ternary)",
                scheme->bits[g]);
    return MICO_OK;
}

mico_status mico_lower(mico_plan **out, mico_lowering *low, const mico_scheme *scheme,
                       mico_err *err)
{
    const mico_net *net = low->net;
    size_t most_tensors = net->n_tensors + net->n_layers;
    size_t most_ops = 1 + net->n_nodes + net->n_layers;
    size_t n_requant = net->n_tensors * MICO_N_WIDTHS;
    state s = {.low = low, .scheme = scheme, .err = err};
    mico_status rc = check(low, scheme, err);

    if (rc != MICO_OK)
        return rc;
    s.plan = mico_xcalloc(1, sizeof *s.plan);
    s.plan->net = net;
    s.plan->scheme = *scheme;
    s.plan->tensor =
        mico_arena_alloc(&s.plan->arena, most_tensors * sizeof *s.plan->tensor);
    s.plan->op = mico_arena_alloc(&s.plan->arena, most_ops * sizeof *s.plan->op);
    if (low->quant.profile == MICO_PROFILE_DYNAMIC ||
        low->quant.profile == MICO_PROFILE_MICO ||
        low->quant.profile == MICO_PROFILE_TFLITE) {
        rc = low->quant.profile == MICO_PROFILE_TFLITE
                 ? plan_lower_tflite(s.plan, low, scheme, err)
                 : plan_lower_float(s.plan, low, scheme, err);
        if (rc == MICO_OK) {
            *out = s.plan;
            s.plan = NULL;
        }
        goto out;
    }
    s.width = mico_xcalloc(net->n_tensors, sizeof *s.width);
    s.at = mico_xcalloc(net->n_tensors, sizeof *s.at);
    s.requant = mico_xcalloc(n_requant, sizeof *s.requant);
    for (size_t i = 0; i < n_requant; i++)
        s.requant[i] = NONE;
    plan_storage_widths(low, scheme, s.width);
    lower_input(&s);
    for (size_t i = 0; i < net->n_nodes; i++) {
        if (low->storage.fused[i])
            continue;
        rc = lower_node(&s, i);
        if (rc != MICO_OK)
            goto out;
    }
    s.plan->output = s.at[net->output];
    if (low->quant.profile == MICO_PROFILE_ARES) {
        rc = plan_make_ares(s.plan, err);
        if (rc != MICO_OK)
            goto out;
    }
    *out = s.plan;
    s.plan = NULL;
out:
    mico_plan_free(s.plan);
    free(s.width);
    free(s.at);
    free(s.requant);
    return rc;
}

void mico_plan_free(mico_plan *plan)
{
    if (plan == NULL)
        return;
    mico_arena_free(&plan->arena);
    free(plan);
}
