/* Lowering: refusals, multipliers, formats of tensors, every operation's numbers. */
#include "plan/plan.h"

#include "support/plan_build.h"
#include "support/suite.h"

#include <limits.h>

/* A network with its calibration, lowering and last plan. */
typedef struct fixture {
    mico_net *net;
    mico_calib *calib;
    mico_lowering *low;
    mico_plan *plan;
} fixture;

static mico_quant quantizer(mico_granularity granularity, bool unsigned_acts)
{
    mico_quant q = mico_quant_default;

    q.granularity = granularity;
    q.unsigned_acts = unsigned_acts;
    return q;
}

static fixture open_net(mico_net *net, mico_quant quant)
{
    fixture f = {net, plan_calibration(net), NULL, NULL};

    f.low = mico_lowering_new(net, f.calib, &quant);
    return f;
}

static mico_status lower(fixture *f, const char *text, mico_err *err)
{
    mico_scheme scheme;

    mico_plan_free(f->plan);
    f->plan = NULL;
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&scheme, text, f->net->n_layers, err),
                          MICO_OK);
    return mico_lower(&f->plan, f->low, &scheme, err);
}

static const mico_plan *must_lower(fixture *f, const char *text)
{
    mico_err err;

    if (lower(f, text, &err) != MICO_OK) {
        printf("\n    refused: %s\n", err.text);
        CU_FAIL_FATAL("refused");
    }
    return f->plan;
}

static void close_net(fixture *f)
{
    mico_plan_free(f->plan);
    mico_lowering_free(f->low);
    mico_calib_free(f->calib);
    mico_net_free(f->net);
}

static bool kinds_are(const mico_plan *plan, size_t n, const mico_op_kind *kinds)
{
    if (plan->n_ops != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (plan->op[i].kind != kinds[i])
            return false;
    return true;
}
#define KINDS_ARE(plan, ...)                                                           \
    kinds_are(plan, sizeof(mico_op_kind[]){__VA_ARGS__} / sizeof(mico_op_kind),        \
              (mico_op_kind[]){__VA_ARGS__})

/* Tensor that operation i writes. */
static const mico_plan_tensor *written(const mico_plan *plan, size_t i)
{
    return &plan->tensor[plan->op[i].out];
}

static double calib_scale(const fixture *f, size_t t, uint8_t width, bool is_signed)
{
    return f->calib->tensor[t].scale[is_signed][mico_width_index(width)];
}

static double value(int32_t mult, uint8_t shift)
{
    return ldexp(mult, -shift);
}

static bool near_ratio(int32_t mult, uint8_t shift, double ratio, unsigned bits)
{
    return mult < (int32_t)1 << bits && shift >= 1 && shift <= 45 &&
           fabs(value(mult, shift) / ratio - 1) <= ldexp(1, -(int)bits);
}

static bool epilogue_is(const mico_op *op, int32_t lo, int32_t hi, int32_t base,
                        int32_t step)
{
    return op->epilogue.lo == lo && op->epilogue.hi == hi &&
           op->epilogue.base == base && op->epilogue.step == step;
}

/* ---- refusals ------------------------------------------------------------------ */

static mico_net *mlp(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 6, 0, 0);

    x = plan_relu(&b, plan_linear(&b, x, 6, 5));
    return plan_end(&b, plan_linear(&b, x, 5, 4));
}

static void t_bad_requests(void)
{
    fixture f = open_net(mlp(), mico_quant_default);
    mico_scheme scheme = {2, {8, 8, 8, 8}};
    float *weight = (float *)f.net->node[f.net->layer[1]].weight;
    float *bias = (float *)f.net->node[f.net->layer[0]].bias;
    mico_calib short_calib = {1, f.calib->tensor};
    mico_lowering *bad;
    mico_plan *plan = NULL;
    mico_err err;

    scheme.n_layers = 3;
    CU_ASSERT_EQUAL(mico_lower(&plan, f.low, &scheme, &err), MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "of 3 layers"));
    scheme.n_layers = 2;
    scheme.bits[3] = 9;
    CU_ASSERT_EQUAL(mico_lower(&plan, f.low, &scheme, &err), MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "9 is not a width"));
    scheme.bits[3] = 8;

    bad = mico_lowering_new(f.net, &short_calib, &mico_quant_default);
    CU_ASSERT_EQUAL(mico_lower(&plan, bad, &scheme, &err), MICO_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "calibration"));
    mico_lowering_free(bad);

    weight[3] = NAN;
    bad = mico_lowering_new(f.net, f.calib, &mico_quant_default);
    CU_ASSERT_EQUAL(mico_lower(&plan, bad, &scheme, &err), MICO_ENET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, f.net->node[f.net->layer[1]].name));
    mico_lowering_free(bad);
    weight[3] = 0;
    bias[0] = INFINITY;
    bad = mico_lowering_new(f.net, f.calib, &mico_quant_default);
    CU_ASSERT_EQUAL(mico_lower(&plan, bad, &scheme, &err), MICO_ENET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, f.net->node[f.net->layer[0]].name));
    mico_lowering_free(bad);

    CU_ASSERT_PTR_NULL(plan);
    CU_ASSERT_PTR_NULL(mico_lowering_weights(f.low, 2, 8));
    CU_ASSERT_PTR_NULL(mico_lowering_weights(f.low, 0, 9));
    mico_plan_free(NULL);
    mico_lowering_free(NULL);
    close_net(&f);
}

/* The bias of one channel alone, or 70,000 products of 8-bit numbers, leave 32 bits. */
static void t_refused_bounds(void)
{
    fixture f = open_net(mlp(), quantizer(MICO_PER_TENSOR, false));
    mico_err err;
    plan_build b;
    mico_node *n;
    size_t x;
    float *w;

    ((float *)f.net->node[f.net->layer[0]].bias)[2] = -3e9f;
    CU_ASSERT_EQUAL(lower(&f, "w8a8", &err), MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, f.net->node[f.net->layer[0]].name));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "8/8 bits"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "channel 2"));
    CU_ASSERT_PTR_NULL(f.plan);
    ((float *)f.net->node[f.net->layer[0]].bias)[2] = 1;
    CU_ASSERT_EQUAL(lower(&f, "w8a8", &err), MICO_OK);
    close_net(&f);

    x = plan_begin(&b, 70000, 0, 0);
    n = plan_node(&b, MICO_NODE_LINEAR, 1, &x);
    n->c_in = 70000;
    n->c_out = 1;
    n->weight = plan_floats(&b, 70000, 1);
    w = (float *)n->weight;
    for (size_t i = 0; i < 70000; i++)
        w[i] = 1;
    f = open_net(plan_end(&b, n->out), quantizer(MICO_PER_TENSOR, false));
    CU_ASSERT_EQUAL(lower(&f, "w8a8", &err), MICO_ESCHEME);
    /* (255 + 128) * 127 * 70000 */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "3404870000"));
    CU_ASSERT_EQUAL(lower(&f, "w8a1", &err),
                    MICO_ESCHEME); /* codes, not values, count */
    CU_ASSERT_EQUAL(lower(&f, "w7a8", &err), MICO_OK);
    CU_ASSERT_EQUAL(f.plan->op[1].acc_bound, (int64_t)128 * 63 * 70000);
    close_net(&f);
}

static void t_refused_ratio(void)
{
    fixture f = open_net(mlp(), mico_quant_default);
    mico_err err;
    size_t hidden = f.net->node[1].out;

    f.calib->tensor[hidden].scale[1][mico_width_index(8)] = 1e-12;
    CU_ASSERT_EQUAL(lower(&f, "w8a8", &err), MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, f.net->node[0].name));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "2^20"));
    close_net(&f);
}

/* ---- weights ------------------------------------------------------------------- */

static void t_weights(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 4, 5, 5);
    fixture f;
    const mico_qweights *w;
    const mico_node *node;
    float *dead;
    int8_t q[18];

    x = plan_conv(&b, x, 4, 6, 3, 2);
    f = open_net(plan_end(&b, x), mico_quant_default);
    node = &f.net->node[0];
    dead = (float *)node->weight + 2 * 18; /* all of channel 2 */
    memset(dead, 0, 18 * sizeof *dead);
    w = mico_lowering_weights(f.low, 0, 4);
    CU_ASSERT_PTR_EQUAL(w, mico_lowering_weights(f.low, 0, 4));
    CU_ASSERT_PTR_NOT_EQUAL(w, mico_lowering_weights(f.low, 0, 5));
    CU_ASSERT_TRUE_FATAL(w->c_out == 6 && w->taps == 18);
    CU_ASSERT_TRUE(w->layer == 0 && w->width == 4);
    for (size_t c = 0; c < 6; c++) {
        const float *from = node->weight + c * 18;
        int32_t sum = 0, abs_sum = 0;

        if (c != 2)
            CU_ASSERT_EQUAL(w->scale[c],
                            mico_weight_scale(from, 18, 4, MICO_WEIGHT_MSE));
        mico_weight_quantize(from, 18, 4, w->scale[c], q);
        for (size_t i = 0; i < 2; i++)
            for (size_t p = 0; p < 9; p++)
                CU_ASSERT_EQUAL(w->q[c * 18 + p * 2 + i], q[i * 9 + p]);
        for (size_t i = 0; i < 18; i++) {
            sum += q[i];
            abs_sum += abs(q[i]);
        }
        CU_ASSERT_EQUAL(w->sum[c], sum);
        CU_ASSERT_EQUAL(w->abs_sum[c], abs_sum);
    }
    CU_ASSERT_EQUAL(w->scale[2],
                    mico_weight_scale(node->weight, 108, 4, MICO_WEIGHT_MICO) / 1024);
    CU_ASSERT_EQUAL(w->abs_sum[2], 0);
    close_net(&f);
}

static void t_weights_per_tensor(void)
{
    mico_quant quant = quantizer(MICO_PER_TENSOR, false);
    fixture f;
    const mico_qweights *w;

    quant.weight_rule = MICO_WEIGHT_MICO;
    f = open_net(mlp(), quant);
    w = mico_lowering_weights(f.low, 0, 2);
    for (size_t c = 0; c < 5; c++)
        CU_ASSERT_EQUAL(w->scale[c], mico_weight_scale(f.net->node[0].weight, 30, 2,
                                                       MICO_WEIGHT_MICO));
    close_net(&f);
}

/* ---- input, layers, logits ----------------------------------------------------- */

static void t_input(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 2, 3, 3);
    const float mul[] = {0.01f, -0.02f}, add[] = {-0.5f, 1};
    fixture f;
    const mico_op *op;
    double s;

    f = open_net(plan_end(&b, plan_conv(&b, x, 2, 3, 3, 1)), mico_quant_default);
    op = &must_lower(&f, "8/6")->op[0];
    CU_ASSERT_TRUE(op->mul[1] == 1 && op->add[1] == 0); /* no preprocessing */
    CU_ASSERT_EQUAL(mico_net_set_preprocess(f.net, mul, add, 2, NULL), MICO_OK);
    mico_plan_free(f.plan);
    f.plan = NULL;
    mico_lowering_free(f.low);
    f.low = mico_lowering_new(f.net, f.calib, &mico_quant_default);

    op = &must_lower(&f, "8/6")->op[0];
    s = calib_scale(&f, f.net->input, 6, true);
    CU_ASSERT_EQUAL(op->kind, MICO_OP_INPUT);
    CU_ASSERT_EQUAL(op->n_in, 0);
    CU_ASSERT_PTR_NULL(op->node);
    CU_ASSERT_EQUAL(op->layer, SIZE_MAX);
    CU_ASSERT_EQUAL(written(f.plan, 0)->format.width, 6);
    CU_ASSERT_EQUAL(written(f.plan, 0)->format.scale, s);
    CU_ASSERT_EQUAL(written(f.plan, 0)->bytes, 18);
    for (int c = 0; c < 2; c++)
        for (int v = 0; v < 256; v++) {
            double at = (double)v * mul[c] + add[c];
            double as = (double)(v - 128) * mul[c] + add[c];

            CU_ASSERT_EQUAL(op->lut_u8[c * 256 + v],
                            128 + mico_act_quantize(at, 6, true, s));
            CU_ASSERT_EQUAL(op->lut_s8[c * 256 + v],
                            128 + mico_act_quantize(as, 6, true, s));
        }
    CU_ASSERT_TRUE(op->mul[1] == mul[1] && op->add[1] == add[1]);
    close_net(&f);
}

/* Of an input that is no map each element has its table; too many are refused. */
static void t_flat_input(void)
{
    const float mul[] = {1, 2, 3}, add[] = {0, 0, 0};
    plan_build b;
    size_t x = plan_begin(&b, 3, 0, 0);
    const mico_op *op;
    mico_err err;
    fixture f;

    b.net->tensor[x].shape = (mico_shape){2, {3, 2}};
    f = open_net(plan_end(&b, plan_linear(&b, plan_flatten(&b, x), 6, 2)),
                 mico_quant_default);
    CU_ASSERT_EQUAL(mico_net_set_preprocess(f.net, mul, add, 3, NULL), MICO_OK);
    mico_lowering_free(f.low);
    f.low = mico_lowering_new(f.net, f.calib, &mico_quant_default);
    op = &must_lower(&f, "w8a8")->op[0];
    CU_ASSERT_TRUE(op->mul[1] == 1 && op->mul[2] == 2 && op->mul[5] == 3);
    CU_ASSERT_EQUAL(op->lut_s8[5 * 256 + 128], 128);
    CU_ASSERT_EQUAL(op->lut_s8[5 * 256], 0); /* -384 is far below the range */
    close_net(&f);

    x = plan_begin(&b, 300000, 0, 0);
    f = open_net(plan_end(&b, plan_linear(&b, x, 300000, 1)), mico_quant_default);
    CU_ASSERT_EQUAL(lower(&f, "w1a1", &err), MICO_ELIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "300000 channels"));
    close_net(&f);
}

/* Bias, ratio and bounds of one layer against their definitions. */
static void check_layer(const fixture *f, const mico_op *op)
{
    const mico_plan_tensor *in = &f->plan->tensor[op->in[0]];
    const mico_plan_tensor *out = &f->plan->tensor[op->out];
    int64_t bound = 0;

    for (size_t c = 0; c < op->weights->c_out; c++) {
        double unit = in->format.scale * op->weights->scale[c];
        int64_t most = llabs((long long)op->bias[c]);

        CU_ASSERT_EQUAL(op->bias[c], (int32_t)nearbyint(op->node->bias[c] / unit));
        if (op->mult != NULL)
            CU_ASSERT_TRUE(
                near_ratio(op->mult[c], op->shift[c], unit / out->format.scale, 22));
        most += op->weights->abs_sum[c] *
                (int64_t)(in->format.is_signed ? -mico_q_min(in->format.width, true)
                                               : mico_q_max(in->format.width, false));
        bound = most > bound ? most : bound;
    }
    CU_ASSERT_EQUAL(op->acc_bound, bound);
}

static void t_mlp(void)
{
    fixture f = open_net(mlp(), mico_quant_default);
    const mico_plan *plan = must_lower(&f, "5/6,3/4");
    const mico_op *op = plan->op;
    double s;

    CU_ASSERT_TRUE_FATAL(
        KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_LINEAR, MICO_OP_LINEAR));
    CU_ASSERT_EQUAL(plan->n_tensors, 3);
    CU_ASSERT_EQUAL(op[1].weights->width, 5);
    CU_ASSERT_EQUAL(op[2].weights->width, 3);
    CU_ASSERT_TRUE(op[1].layer == 0 && op[2].layer == 1);
    CU_ASSERT_PTR_EQUAL(op[1].node, &f.net->node[0]);
    CU_ASSERT_TRUE(op[1].in[0] == op[0].out && op[2].in[0] == op[1].out);
    CU_ASSERT_EQUAL(written(plan, 0)->format.width, 6);
    /* stored as 4 bits with the scale of the relu's output; relu is the lower bound */
    CU_ASSERT_EQUAL(written(plan, 1)->format.width, 4);
    CU_ASSERT_EQUAL(written(plan, 1)->format.scale,
                    calib_scale(&f, f.net->node[1].out, 4, true));
    CU_ASSERT_EQUAL(written(plan, 1)->zero, 128);
    CU_ASSERT_TRUE(epilogue_is(&op[1], 0, 7, 128, 1));
    check_layer(&f, &op[1]);

    /* logits: int32, at the largest channel's scale */
    CU_ASSERT_EQUAL(plan->output, op[2].out);
    CU_ASSERT_EQUAL(written(plan, 2)->format.width, 32);
    CU_ASSERT_EQUAL(written(plan, 2)->zero, 0);
    CU_ASSERT_EQUAL(written(plan, 2)->bytes, 16);
    CU_ASSERT_TRUE(epilogue_is(&op[2], INT32_MIN, INT32_MAX, 0, 1));
    s = 0;
    for (size_t c = 0; c < 4; c++)
        s = fmax(s, written(plan, 1)->format.scale * op[2].weights->scale[c]);
    CU_ASSERT_EQUAL(written(plan, 2)->format.scale, s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(op[2].mult);
    check_layer(&f, &op[2]);
    close_net(&f);
}

static void t_logits_per_tensor(void)
{
    fixture f = open_net(mlp(), quantizer(MICO_PER_TENSOR, false));
    const mico_plan *plan = must_lower(&f, "w8a8");

    CU_ASSERT_PTR_NULL(plan->op[2].mult);
    CU_ASSERT_PTR_NULL(plan->op[2].shift);
    CU_ASSERT_EQUAL(written(plan, 2)->format.scale,
                    written(plan, 1)->format.scale * plan->op[2].weights->scale[0]);
    check_layer(&f, &plan->op[2]);
    close_net(&f);
}

static void t_unsigned(void)
{
    fixture f = open_net(mlp(), quantizer(MICO_PER_CHANNEL, true));
    const mico_plan *plan = must_lower(&f, "w8a8");

    CU_ASSERT_TRUE(written(plan, 0)->format.is_signed); /* was seen below 0 */
    CU_ASSERT_FALSE(written(plan, 1)->format.is_signed);
    CU_ASSERT_EQUAL(written(plan, 1)->zero, 0);
    CU_ASSERT_EQUAL(written(plan, 1)->format.scale,
                    calib_scale(&f, f.net->node[1].out, 8, false));
    CU_ASSERT_TRUE(epilogue_is(&plan->op[1], 0, 255, 0, 1));
    check_layer(&f, &plan->op[1]);
    check_layer(&f, &plan->op[2]);

    plan = must_lower(&f, "w8a1");
    CU_ASSERT_TRUE(epilogue_is(&plan->op[1], 0, 1, 0, 1)); /* ordinary {0, s} */
    check_layer(&f, &plan->op[1]);
    plan = must_lower(&f, "w8at");
    CU_ASSERT_TRUE(epilogue_is(&plan->op[1], 0, 2, 0, 1));
    close_net(&f);
}

/* ---- formats ------------------------------------------------------------------- */

/* conv, relu, then two convs of different wishes and a maxpool on the way to a third.
 */
static void t_several_wants(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 2, 4, 4), r, y, z;
    fixture f;
    const mico_plan *plan;
    const mico_op *op;

    r = plan_relu(&b, plan_conv(&b, x, 2, 4, 3, 1));
    y = plan_conv(&b, r, 4, 4, 1, 1);
    z = plan_conv(&b, plan_pool(&b, MICO_NODE_MAXPOOL, r, 3, 1, 1), 4, 4, 1, 1);
    y = plan_two(&b, MICO_NODE_ADD, y, z);
    z = plan_conv(&b, r, 4, 4, 1, 1);
    y = plan_two(&b, MICO_NODE_ADD, y, z);
    f = open_net(plan_end(&b, y), mico_quant_default);

    /* one wish: stored in it, all the way through the maxpool */
    plan = must_lower(&f, "8/8,8/3,8/3,8/3");
    CU_ASSERT_TRUE(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_CONV, MICO_OP_CONV,
                             MICO_OP_MAXPOOL, MICO_OP_CONV, MICO_OP_ADD, MICO_OP_CONV,
                             MICO_OP_ADD));
    CU_ASSERT_EQUAL(written(plan, 1)->format.width, 3);
    CU_ASSERT_EQUAL(written(plan, 3)->format.width, 3);
    CU_ASSERT_EQUAL(written(plan, 3)->format.scale, calib_scale(&f, r, 3, true));

    /* 3 and t and 3: stored in 8 bits; 3-bit copies of r (shared) and t of the maxpool
     */
    plan = must_lower(&f, "8/8,8/3,8/t,8/3");
    CU_ASSERT_TRUE_FATAL(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_CONV, MICO_OP_REQUANT,
                                   MICO_OP_CONV, MICO_OP_MAXPOOL, MICO_OP_REQUANT,
                                   MICO_OP_CONV, MICO_OP_ADD, MICO_OP_CONV,
                                   MICO_OP_ADD));
    op = plan->op;
    CU_ASSERT_EQUAL(written(plan, 1)->format.width, 8);
    CU_ASSERT_EQUAL(written(plan, 4)->format.width, 8);
    CU_ASSERT_EQUAL(op[2].in[0], op[1].out);
    CU_ASSERT_EQUAL(op[3].in[0], op[2].out);
    CU_ASSERT_EQUAL(op[8].in[0], op[2].out);
    CU_ASSERT_EQUAL(op[5].in[0], op[4].out);
    CU_ASSERT_EQUAL(op[6].in[0], op[5].out);
    CU_ASSERT_EQUAL(written(plan, 2)->format.width, 3);
    CU_ASSERT_EQUAL(written(plan, 5)->format.width, MICO_TERNARY);
    CU_ASSERT_EQUAL(written(plan, 5)->format.scale,
                    calib_scale(&f, r, MICO_TERNARY, true));
    CU_ASSERT_TRUE(near_ratio(op[2].mult[0], op[2].shift[0],
                              calib_scale(&f, r, 8, true) / calib_scale(&f, r, 3, true),
                              20));
    CU_ASSERT_TRUE(epilogue_is(&op[2], -4, 3, 128, 1));
    CU_ASSERT_TRUE(epilogue_is(&op[5], -1, 1, 128, 1));
    CU_ASSERT_EQUAL(op[2].acc_bound, 128);
    CU_ASSERT_PTR_NULL(op[2].node);
    check_layer(&f, &op[3]);

    /* 8 among them: no copy for that one */
    plan = must_lower(&f, "8/8,8/8,8/2,8/8");
    CU_ASSERT_TRUE(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_CONV, MICO_OP_CONV,
                             MICO_OP_MAXPOOL, MICO_OP_REQUANT, MICO_OP_CONV,
                             MICO_OP_ADD, MICO_OP_CONV, MICO_OP_ADD));
    close_net(&f);
}

/* The block of a small residual network whose shortcut subsamples and pads channels. */
static void t_residual(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 3, 8, 8), r, y, s;
    fixture f;
    const mico_plan *plan;
    const mico_op *op;
    mico_node *n;
    double r0, r1;

    r = plan_relu(&b, plan_conv(&b, x, 3, 4, 3, 1));
    y = plan_relu(&b, plan_conv(&b, r, 4, 8, 3, 1));
    n = &b.net->node[b.net->n_nodes - 2];
    n->window.stride_h = n->window.stride_w = 2;
    y = plan_conv(&b, y, 8, 8, 3, 1);
    n = plan_node(&b, MICO_NODE_SLICE, 1, &r);
    n->stop[0] = 4;
    n->stop[1] = n->stop[2] = 8;
    n->step[0] = 1;
    n->step[1] = n->step[2] = 2;
    s = n->out;
    n = plan_node(&b, MICO_NODE_PAD, 1, &s);
    n->pad_before[0] = n->pad_after[0] = 2;
    y = plan_relu(&b, plan_two(&b, MICO_NODE_ADD, y, n->out));
    y = plan_pool(&b, MICO_NODE_AVGPOOL, y, 4, 1, 0);
    y = plan_linear(&b, plan_flatten(&b, y), 8, 3);
    f = open_net(plan_end(&b, y), mico_quant_default);
    plan = must_lower(&f, "8/8,8/4,8/4,8/4");
    CU_ASSERT_TRUE_FATAL(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_CONV, MICO_OP_REQUANT,
                                   MICO_OP_CONV, MICO_OP_CONV, MICO_OP_SLICE,
                                   MICO_OP_PAD, MICO_OP_ADD, MICO_OP_AVGPOOL,
                                   MICO_OP_FLATTEN, MICO_OP_LINEAR));
    op = plan->op;
    /* the shortcut keeps the class in 8 bits; slice and pad carry its scale */
    CU_ASSERT_EQUAL(written(plan, 1)->format.width, 8);
    CU_ASSERT_EQUAL(written(plan, 5)->format.scale, calib_scale(&f, r, 8, true));
    CU_ASSERT_EQUAL(written(plan, 6)->format.scale, calib_scale(&f, r, 8, true));
    CU_ASSERT_EQUAL(written(plan, 6)->shape.dim[0], 8);
    CU_ASSERT_EQUAL(op[5].in[0], op[1].out);
    /* add reads 8 bits from both, has its relu inside, feeds the pool: 8 bits */
    CU_ASSERT_EQUAL(written(plan, 4)->format.width, 8);
    CU_ASSERT_EQUAL(written(plan, 7)->format.width, 8);
    CU_ASSERT_TRUE(epilogue_is(&op[7], 0, 127, 128, 1));
    r0 = written(plan, 4)->format.scale / written(plan, 7)->format.scale;
    r1 = written(plan, 6)->format.scale / written(plan, 7)->format.scale;
    CU_ASSERT_TRUE(fabs(value(op[7].mult[0], op[7].shift[0]) / r0 - 1) < ldexp(1, -18));
    CU_ASSERT_TRUE(fabs(value(op[7].mult[1], op[7].shift[0]) / r1 - 1) < ldexp(1, -18));
    CU_ASSERT_TRUE(op[7].mult[0] >= 1 << 19 || op[7].mult[1] >= 1 << 19);
    CU_ASSERT_EQUAL(op[7].acc_bound, 128 * ((int64_t)op[7].mult[0] + op[7].mult[1]));
    /* the pool's result goes straight to the linear layer's 4 bits */
    CU_ASSERT_EQUAL(written(plan, 8)->format.width, 4);
    for (size_t k = 1; k <= 16; k++)
        CU_ASSERT_TRUE(near_ratio(op[8].mult[k], op[8].shift[k],
                                  written(plan, 7)->format.scale /
                                      (written(plan, 8)->format.scale * (double)k),
                                  20));
    CU_ASSERT_EQUAL(op[8].acc_bound, 128 * 16);
    CU_ASSERT_EQUAL(written(plan, 9)->format.width, 4);
    CU_ASSERT_EQUAL(written(plan, 9)->shape.rank, 1);
    close_net(&f);
}

/* A tiny ratio beside a large one keeps no bits. */
static void t_add_of_unequal_scales(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 4, 0, 0), y = plan_linear(&b, x, 4, 4);
    fixture f;
    const mico_op *op;

    b.net->node[0].bias = NULL;
    y = plan_two(&b, MICO_NODE_ADD, x, y);
    f = open_net(plan_end(&b, y), mico_quant_default);
    f.calib->tensor[f.net->input].scale[1][8] = 1e-9;
    op = &must_lower(&f, "w8a8")->op[2];
    CU_ASSERT_EQUAL(op->kind, MICO_OP_ADD);
    CU_ASSERT_EQUAL(op->mult[0], 0);
    CU_ASSERT_TRUE(op->mult[1] >= 1 << 19 && op->mult[1] < 1 << 20);
    CU_ASSERT_EQUAL(written(f.plan, 2)->format.width, 8); /* an output, not logits */
    close_net(&f);
}

static void t_clips(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 2, 4, 4), t, u, y;
    fixture f;
    const mico_plan *plan;
    double s;

    t = plan_conv(&b, x, 2, 2, 1, 1); /* read twice: its clip stays alone */
    u = plan_clip(&b, t, -0.25f, 6);  /* clamp on codes of t's class */
    y = plan_two(&b, MICO_NODE_ADD, t, u);
    y = plan_clip(&b, y, 0, 6); /* fused into the add */
    y = plan_clip(&b, y, 0, 1); /* a second one is not */
    f = open_net(plan_end(&b, y), mico_quant_default);
    f.calib->tensor[t].scale[1][8] = 0.1; /* 6/s = 60, -0.25/s = -2.5 -> -2 */
    plan = must_lower(&f, "w8a8");
    CU_ASSERT_TRUE_FATAL(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_CONV, MICO_OP_CLAMP,
                                   MICO_OP_ADD, MICO_OP_CLAMP));
    CU_ASSERT_TRUE(epilogue_is(&plan->op[1], -128, 127, 128, 1));
    CU_ASSERT_TRUE(epilogue_is(&plan->op[2], -2, 60, 128, 1));
    CU_ASSERT_EQUAL(written(plan, 2)->format.scale, 0.1);
    s = written(plan, 3)->format.scale;
    CU_ASSERT_EQUAL(plan->op[3].epilogue.lo, 0);
    CU_ASSERT_EQUAL(plan->op[3].epilogue.hi, (int)fmin(127, nearbyint(6 / s)));
    CU_ASSERT_EQUAL(plan->op[4].epilogue.hi, (int)fmin(127, nearbyint(1 / s)));
    CU_ASSERT_EQUAL(plan->output, plan->op[4].out);
    close_net(&f);

    /* nor is a clip fused that is the last of two readers */
    x = plan_begin(&b, 2, 4, 4);
    t = plan_conv(&b, x, 2, 2, 1, 1);
    y = plan_pool(&b, MICO_NODE_MAXPOOL, t, 1, 1, 0);
    y = plan_two(&b, MICO_NODE_ADD, y, plan_relu(&b, t));
    f = open_net(plan_end(&b, y), mico_quant_default);
    CU_ASSERT_TRUE(KINDS_ARE(must_lower(&f, "w8a8"), MICO_OP_INPUT, MICO_OP_CONV,
                             MICO_OP_MAXPOOL, MICO_OP_CLAMP, MICO_OP_ADD));
    close_net(&f);

    /* the output of a clip is no raw accumulator */
    x = plan_begin(&b, 4, 0, 0);
    f = open_net(plan_end(&b, plan_clip(&b, plan_linear(&b, x, 4, 3), -1, 1)),
                 mico_quant_default);
    plan = must_lower(&f, "w8a8");
    CU_ASSERT_TRUE(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_LINEAR));
    CU_ASSERT_EQUAL(written(plan, 1)->format.width, 8);
    CU_ASSERT_EQUAL(plan->output, plan->op[1].out);
    close_net(&f);
    x = plan_begin(&b, 4, 0, 0);
    t = plan_linear(&b, x, 4, 4);
    f = open_net(plan_end(&b, t), mico_quant_default);
    CU_ASSERT_EQUAL(written(must_lower(&f, "w8a8"), 1)->format.width, 32);
    close_net(&f);
}

/* Depthwise layers, concat of two scales, transpose and reshape (channel shuffle). */
static void t_concat_and_moves(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 4, 3, 3), p, q, y;
    fixture f;
    const mico_plan *plan;
    const mico_op *op;
    mico_node *n;

    p = plan_relu(&b, plan_conv(&b, x, 4, 4, 3, 4));
    q = plan_conv(&b, x, 4, 2, 1, 1);
    y = plan_two(&b, MICO_NODE_CONCAT, p, q);
    n = plan_node(&b, MICO_NODE_RESHAPE, 1, &y);
    n->shape = (mico_shape){3, {2, 3, 9}};
    y = n->out;
    n = plan_node(&b, MICO_NODE_TRANSPOSE, 1, &y);
    n->perm[0] = 1;
    n->perm[1] = 0;
    n->perm[2] = 2;
    y = n->out;
    n = plan_node(&b, MICO_NODE_RESHAPE, 1, &y);
    n->shape = (mico_shape){3, {6, 3, 3}};
    y = plan_conv(&b, n->out, 6, 2, 1, 1);
    y = plan_linear(&b, plan_flatten(&b, y), 18, 2);
    f = open_net(plan_end(&b, y), quantizer(MICO_PER_TENSOR, false));
    plan = must_lower(&f, "8/7,8/8,8/5,8/8");
    /* p and q are read by the concat alone; the input is wanted in 7 and 8 bits */
    CU_ASSERT_TRUE_FATAL(KINDS_ARE(plan, MICO_OP_INPUT, MICO_OP_REQUANT, MICO_OP_CONV,
                                   MICO_OP_CONV, MICO_OP_CONCAT, MICO_OP_RESHAPE,
                                   MICO_OP_TRANSPOSE, MICO_OP_RESHAPE, MICO_OP_CONV,
                                   MICO_OP_FLATTEN, MICO_OP_LINEAR));
    op = plan->op;
    CU_ASSERT_EQUAL(op[2].weights->taps, 9);
    CU_ASSERT_TRUE(op[4].n_in == 2 && op[4].in[0] == op[2].out &&
                   op[4].in[1] == op[3].out);
    for (size_t k = 0; k < 2; k++)
        CU_ASSERT_TRUE(near_ratio(
            op[4].mult[k], op[4].shift[k],
            written(plan, 2 + k)->format.scale / written(plan, 4)->format.scale, 20));
    for (size_t i = 4; i <= 7; i++) {
        CU_ASSERT_EQUAL(written(plan, i)->format.width, 5);
        CU_ASSERT_EQUAL(written(plan, i)->format.scale, written(plan, 4)->format.scale);
        CU_ASSERT_EQUAL(written(plan, i)->bytes, 54);
    }
    check_layer(&f, &op[2]);
    close_net(&f);
}

/* One-bit signed codes: only the sign counts, whatever the scales. */
static void t_signs(void)
{
    plan_build b;
    size_t x = plan_begin(&b, 2, 4, 4), a, c, y;
    fixture f;
    const mico_plan *plan;
    const mico_op *op;

    a = plan_conv(&b, x, 2, 2, 1, 1);
    y = plan_relu(&b, plan_conv(&b, plan_relu(&b, a), 2, 2, 1, 1)); /* layer 1 reads */
    y = plan_pool(&b, MICO_NODE_MAXPOOL, y, 2, 2, 0);
    y = plan_relu(&b, y);             /* alone, on signs */
    y = plan_conv(&b, y, 2, 2, 1, 1); /* layer 2 */
    c = plan_two(&b, MICO_NODE_ADD, y, y);
    y = plan_conv(&b, c, 2, 2, 1, 1);         /* layer 3 reads the add */
    y = plan_two(&b, MICO_NODE_CONCAT, y, c); /* keeps c in 8 bits */
    y = plan_conv(&b, y, 4, 2, 1, 1);         /* layer 4 reads the concat */
    y = plan_pool(&b, MICO_NODE_AVGPOOL, y, 2, 1, 0);
    y = plan_linear(&b, plan_flatten(&b, y), 2, 2);
    f = open_net(plan_end(&b, y), mico_quant_default);
    plan = must_lower(&f, "w1a1");
    CU_ASSERT_TRUE_FATAL(KINDS_ARE(
        plan, MICO_OP_INPUT, MICO_OP_CONV, MICO_OP_CONV, MICO_OP_MAXPOOL, MICO_OP_CLAMP,
        MICO_OP_CONV, MICO_OP_ADD, MICO_OP_REQUANT, MICO_OP_CONV, MICO_OP_CONCAT,
        MICO_OP_CONV, MICO_OP_AVGPOOL, MICO_OP_FLATTEN, MICO_OP_LINEAR));
    op = plan->op;
    CU_ASSERT_TRUE(epilogue_is(&op[1], 0, 1, 127, 2)); /* its relu changes nothing */
    CU_ASSERT_TRUE(op[1].mult[1] == 1 << 21 && op[1].shift[1] == 21);
    CU_ASSERT_TRUE(epilogue_is(&op[4], -1, 1, 127, 2)); /* clamp: on q */
    CU_ASSERT_TRUE(epilogue_is(&op[7], 0, 1, 127, 2));
    CU_ASSERT_TRUE(op[7].mult[0] == 1 << 19 && op[7].shift[0] == 19);
    CU_ASSERT_TRUE(epilogue_is(&op[9], 0, 1, 127, 2));
    CU_ASSERT_TRUE(op[9].mult[1] == 1 << 19 && op[9].shift[1] == 19);
    CU_ASSERT_TRUE(epilogue_is(&op[11], 0, 1, 127, 2));
    CU_ASSERT_TRUE(op[11].mult[3] == 1 << 19 && op[11].shift[3] == 19);
    CU_ASSERT_EQUAL(op[2].acc_bound,
                    llabs((long long)op[2].bias[0]) > llabs((long long)op[2].bias[1])
                        ? llabs((long long)op[2].bias[0]) + 2
                        : llabs((long long)op[2].bias[1]) + 2);
    close_net(&f);

    /* an add that stores signs itself: (q0*m0 + q1*m1 + 1) >> 1 > 0 iff the sum is */
    x = plan_begin(&b, 3, 0, 0);
    y = plan_two(&b, MICO_NODE_ADD, x, plan_linear(&b, x, 3, 3));
    y = plan_linear(&b, y, 3, 2);
    f = open_net(plan_end(&b, y), mico_quant_default);
    plan = must_lower(&f, "8/8,8/1");
    op = &plan->op[2];
    CU_ASSERT_EQUAL(op->kind, MICO_OP_ADD);
    CU_ASSERT_EQUAL(op->shift[0], 1);
    CU_ASSERT_TRUE(epilogue_is(op, 0, 1, 127, 2));
    CU_ASSERT_DOUBLE_EQUAL(
        (double)op->mult[0] / op->mult[1],
        written(plan, 0)->format.scale / written(plan, 1)->format.scale, 1e-5);
    CU_ASSERT_TRUE(op->mult[0] == 1 << 19 || op->mult[1] == 1 << 19);
    close_net(&f);
}

/* ---- the whole ----------------------------------------------------------------- */

static void t_print_and_repeat(void)
{
    fixture f = open_net(mlp(), mico_quant_default);
    mico_str first = {0}, second = {0};

    mico_plan_print(must_lower(&f, "4/t,2/8"), &first);
    CU_ASSERT_PTR_NOT_NULL(strstr(first.text, "linear"));
    CU_ASSERT_PTR_NOT_NULL(strstr(first.text, "4/t"));
    CU_ASSERT_PTR_NOT_NULL(strstr(first.text, "st"));
    CU_ASSERT_PTR_NOT_NULL(strstr(first.text, "i32"));
    CU_ASSERT_PTR_NOT_NULL(strstr(first.text, f.net->node[0].name));
    must_lower(&f, "w8a8");
    mico_plan_print(must_lower(&f, "4/t,2/8"), &second);
    CU_ASSERT_STRING_EQUAL(first.text, second.text);
    CU_ASSERT_STRING_EQUAL(mico_op_text(MICO_OP_REQUANT), "requant");
    CU_ASSERT_STRING_EQUAL(mico_op_text(MICO_N_OP_KINDS), "?");
    mico_str_free(&first);
    mico_str_free(&second);
    close_net(&f);
}

MICO_SUITE("plan lower", {"bad requests", t_bad_requests},
           {"refused bounds", t_refused_bounds}, {"refused ratio", t_refused_ratio},
           {"weights", t_weights}, {"weights per tensor", t_weights_per_tensor},
           {"input", t_input}, {"flat input", t_flat_input}, {"mlp", t_mlp},
           {"logits per tensor", t_logits_per_tensor}, {"unsigned", t_unsigned},
           {"several wants", t_several_wants}, {"residual", t_residual},
           {"add of unequal scales", t_add_of_unequal_scales}, {"clips", t_clips},
           {"concat and moves", t_concat_and_moves}, {"signs", t_signs},
           {"print and repeat", t_print_and_repeat})
