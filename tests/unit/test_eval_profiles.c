/* Tests of the profiles dynamic and mico: every tensor of every kind of operation
 * against a second implementation, for each isa; refusals; real networks. */
#include "eval/eval.h"
#include "kernels/kernels.h"
#include "support/eval_bench.h"
#include "support/eval_profile_naive.h"
#include "support/suite.h"

/* ---- traces ------------------------------------------------------------------------
 */

/* Another network: 1-D convolutions (dense, strided, grouped), depthwise ones with few
 * and many channels, a pointwise one, a strided shortcut. */
static mico_net *line_net(uint64_t seed)
{
    mico_window taps = {1, 5, 1, 1, 1, 1, 0, 2, 0, 2};
    mico_window sparse = {1, 1, 1, 3, 1, 1, 0, 0, 0, 0};
    eval_build b;
    size_t x = eval_begin(&b, seed, 3, 1, 50);

    x = eval_relu(&b, eval_conv(&b, x, 3, 24, 1, taps, true));
    x = eval_relu(&b, eval_conv(&b, x, 24, 24, 24, taps, true));
    x = eval_relu(&b, eval_conv(&b, x, 24, 36, 2, taps, false));
    x = eval_conv(&b, x, 36, 7, 1, sparse, true);
    return eval_end(&b, eval_linear(&b, eval_flatten(&b, x), 119, 5, true));
}

static mico_net *mobile_net(uint64_t seed)
{
    eval_build b;
    size_t x = eval_begin(&b, seed, 3, 15, 9);

    x = eval_clip(&b, eval_conv(&b, x, 3, 20, 1, eval_window(3, 2, 1), true), 0, 6);
    for (size_t i = 0; i < 2; i++) {
        mico_window win = eval_window(3, i + 1, 1);

        win.dilation_h = 2 - i;
        x = eval_relu(&b, eval_conv(&b, x, 20, 20, 20, win, true));
        x = eval_relu(&b, eval_conv(&b, x, 20, 20, 1, eval_window(1, 1, 0), true));
    }
    x = eval_conv(&b, x, 20, 70, 1, eval_window(1, 2, 0), true);
    return eval_end(&b, eval_flatten(&b, x));
}

typedef struct checker {
    plain_run run;
    size_t seen, wrong;
} checker;

/* Network tensor that a plan's tensor is: where a clip is fused, the clip's. */
static size_t net_tensor(const mico_net *net, const mico_plan *plan, size_t tensor)
{
    const mico_op *op = plan->op;

    while (op->out != tensor)
        op++;
    if (op->node == NULL)
        return net->input;
    for (size_t i = 0; i < net->n_nodes && op->kind != MICO_OP_CLAMP; i++)
        if (net->node[i].kind == MICO_NODE_CLIP &&
            net->node[i].in[0] == op->node->out && op->lo_f32 < op->hi_f32 &&
            (!isinf(op->lo_f32) || !isinf(op->hi_f32)))
            return net->node[i].out;
    return op->node->out;
}

static void check_tensor(void *ctx, const mico_plan *plan, size_t tensor,
                         const uint8_t *bytes)
{
    checker *c = ctx;
    const mico_shape *s = &plan->tensor[tensor].shape;
    const float *want = c->run.value[net_tensor(c->run.net, plan, tensor)];
    const size_t n = mico_shape_count(s), channels = s->rank == 3 ? s->dim[0] : n;
    size_t wrong = 0;

    CU_ASSERT(plan->tensor[tensor].format.is_float);
    CU_ASSERT_EQUAL(plan->tensor[tensor].bytes, 4 * n);
    for (size_t i = 0; i < n; i++) { /* (c, h, w) order */
        size_t at = i, p = n / channels;
        float got;

        if (s->rank == 3)
            at = i % p * channels + i / p;
        memcpy(&got, bytes + 4 * at, 4);
        wrong += memcmp(&got, &want[i], 4) != 0 && !(got == 0 && want[i] == 0);
    }
    if (wrong > 0 && c->wrong == 0)
        printf("\n    tensor %zu, made by %s: %zu wrong of %zu\n", tensor,
               mico_op_text(plan->op[c->seen].kind), wrong, n);
    c->wrong += wrong;
    c->seen++;
}

static void preprocess(const bench *b, size_t image, float *x)
{
    const size_t n = mico_shape_count(&b->data.shape), channels = b->net->n_preprocess;

    for (size_t i = 0; i < n; i++) {
        const size_t at = image * n + i, c = i / (n / channels);
        const float raw = b->data.type == MICO_RAW_U8   ? ((uint8_t *)b->data.raw)[at]
                          : b->data.type == MICO_RAW_S8 ? ((int8_t *)b->data.raw)[at]
                                                        : ((float *)b->data.raw)[at];

        x[i] = raw * b->net->mul[c] + b->net->add[c];
    }
}

static void check_scheme(bench *b, const mico_quant *quant, const mico_scheme *scheme,
                         size_t image)
{
    static const char *const isas[] = {"c", NULL};
    checker c = {.run = {b->net, b->calib, *quant, scheme, NULL}};
    float *x = mico_xcalloc(mico_shape_count(&b->data.shape), sizeof *x);
    mico_err err;

    preprocess(b, image, x);
    plain_profile_run(&c.run, x);
    for (size_t i = 0; i < 2; i++) {
        c.seen = 0;
        mico_eval_set_isa(b->eval, isas[i]);
        CU_ASSERT_EQUAL(
            mico_eval_trace(b->eval, scheme, &b->data, image, check_tensor, &c, &err),
            MICO_OK);
        CU_ASSERT(c.seen > 1);
    }
    CU_ASSERT_EQUAL(c.wrong, 0);
    plain_run_free(&c.run);
    free(x);
}

/* Uniform schemes of all activation widths, then mixed ones. */
static void check_net(mico_net *net, mico_raw_type type, const mico_quant *quant,
                      size_t n_mixed)
{
    mico_rng *rng = mico_rng_new(3, "profiles", 0);
    mico_scheme s;
    bench b;

    CU_ASSERT_FATAL(bench_open(&b, net, type, quant));
    s.n_layers = b.net->n_layers;
    for (size_t i = 0; i < MICO_N_WIDTHS + n_mixed; i++) {
        for (size_t g = 0; g < 2 * s.n_layers; g++)
            s.bits[g] = mico_width_at(
                i < MICO_N_WIDTHS ? i : mico_rng_below(rng, MICO_N_WIDTHS));
        check_scheme(&b, quant, &s, i % 24);
    }
    mico_rng_free(rng);
    bench_close(&b);
}

static void check_nets(const mico_quant *quant)
{
    check_net(eval_lenet(1), MICO_RAW_U8, quant, 6);
    check_net(eval_resnet(2), MICO_RAW_S8, quant, 3);
    check_net(eval_zoo(3), MICO_RAW_F32, quant, 12);
    check_net(line_net(4), MICO_RAW_F32, quant, 12);
    check_net(mobile_net(5), MICO_RAW_U8, quant, 12);
}

static void t_dynamic(void)
{
    mico_quant quant = mico_quant_default;

    quant.profile = MICO_PROFILE_DYNAMIC;
    check_nets(&quant);
    quant.unsigned_acts = true;
    quant.granularity = MICO_PER_TENSOR;
    quant.weight_rule = MICO_WEIGHT_MICO;
    check_nets(&quant);
}

static void t_mico(void)
{
    mico_quant quant = mico_quant_default;

    quant.profile = MICO_PROFILE_MICO;
    check_nets(&quant);
    quant.unsigned_acts = true; /* changes nothing, like all the others */
    check_net(eval_zoo(6), MICO_RAW_U8, &quant, 3);
}

/* ---- by hand -----------------------------------------------------------------------
 */

#define HAND 4

static void capture(void *ctx, const mico_plan *plan, size_t tensor,
                    const uint8_t *bytes)
{
    if (tensor == plan->output)
        memcpy(ctx, bytes, HAND * sizeof(float));
}

/* The outputs of a linear layer whose weights are the identity: s_x * q of each input,
 * nearly (8-bit weights: 127 times 1/127). */
static void identity(mico_profile profile, const char *isa, const char *act, bool u,
                     float *x, float *y)
{
    static const float weights[HAND * HAND] = {1, 0, 0, 0, 0, 1, 0, 0,
                                               0, 0, 1, 0, 0, 0, 0, 1};
    mico_quant quant = mico_quant_default;
    float ones[HAND] = {1, 1, 1, 1};
    uint16_t label = 0;
    mico_data data = {.n = 1,
                      .shape = {1, {HAND}},
                      .type = MICO_RAW_F32,
                      .n_classes = HAND,
                      .raw = ones,
                      .label = &label};
    mico_split split = {&data, 0, 1};
    eval_build b;
    size_t in = eval_begin(&b, 1, HAND, 0, 0);
    const float *weight = mico_net_floats(b.net, weights, HAND * HAND);
    mico_node *node = eval_node(&b, MICO_NODE_LINEAR, 1, &in);
    mico_calib *calib;
    mico_eval *eval;
    mico_scheme scheme;
    char text[32];
    mico_net *net;
    mico_err err;

    node->c_in = node->c_out = HAND;
    node->weight = weight;
    net = eval_end(&b, node->out);
    quant.profile = profile;
    quant.unsigned_acts = u;
    CU_ASSERT_EQUAL_FATAL(mico_calibrate(&calib, net, &split, &quant, &err), MICO_OK);
    data.raw = x;
    snprintf(text, sizeof text, "w8a%s", act);
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&scheme, text, 1, &err), MICO_OK);
    eval = mico_eval_new(net, calib, &quant);
    mico_eval_set_isa(eval, isa);
    CU_ASSERT_EQUAL(mico_eval_trace(eval, &scheme, &data, 0, capture, y, &err),
                    MICO_OK);
    mico_eval_free(eval);
    mico_calib_free(calib);
    mico_net_free(net);
}

static void t_hand(void)
{
    static const struct hand {
        mico_profile profile;
        bool u;
        const char *act;
        float y[HAND];
    } cases[] = {
        /* max 3 over 3: half to even, and away from zero */
        {MICO_PROFILE_DYNAMIC, false, "3", {3, 0, -2, 2}},
        {MICO_PROFILE_MICO, false, "3", {3, 1, -2, 3}},
        /* mean 1.875: 1.6, 0.27, -0.8, 1.33 of it; the C runtime takes the maximum */
        {MICO_PROFILE_DYNAMIC, false, "2", {1.875f, 0, -1.875f, 1.875f}},
        {MICO_PROFILE_MICO, false, "2", {3, 0, -3, 3}},
        {MICO_PROFILE_DYNAMIC, false, "t", {1.875f, 0, -1.875f, 1.875f}},
        {MICO_PROFILE_MICO, false, "t", {3, 0, -3, 3}},
        {MICO_PROFILE_DYNAMIC, false, "1", {1.875f, 1.875f, -1.875f, 1.875f}},
        {MICO_PROFILE_MICO, false, "1", {1.875f, 1.875f, -1.875f, 1.875f}},
        /* unsigned: no value below 0 was seen, and none comes out */
        {MICO_PROFILE_DYNAMIC, true, "2", {3, 0, 0, 2}},
        {MICO_PROFILE_DYNAMIC, true, "1", {3, 0, 0, 3}},
        {MICO_PROFILE_MICO, true, "3", {3, 1, -2, 3}},
    };
    float x[HAND] = {3, 0.5f, -1.5f, 2.5f}, y[HAND];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t c = 0; c < HAND; c++) {
            const struct hand *h = &cases[i];

            identity(h->profile, NULL, h->act, h->u, x, y);
            CU_ASSERT_DOUBLE_EQUAL(y[c], h->y[c], 1e-5);
            identity(h->profile, "c", h->act, h->u, x, y);
            CU_ASSERT_DOUBLE_EQUAL(y[c], h->y[c], 1e-5);
        }
}

/* Nothing but zeros, values too small to divide by, values that are no numbers. */
static void t_edges(void)
{
    float none[HAND] = {0}, tiny[HAND] = {1e-44f, 0, -1e-40f, 0};
    float odd[HAND] = {NAN, INFINITY, -1, 1};

    for (size_t i = 0; i < 2 * MICO_N_WIDTHS; i++) {
        const mico_profile profile = i % 2 ? MICO_PROFILE_MICO : MICO_PROFILE_DYNAMIC;
        const char *act = mico_width_text(mico_width_at(i / 2));
        float y[HAND], fast[HAND];

        identity(profile, NULL, act, false, none, y);
        for (size_t c = 0; c < HAND; c++)
            CU_ASSERT(fabsf(y[c]) <= 1.1e-5f);
        identity(profile, NULL, act, false, tiny, y);
        for (size_t c = 0; c < HAND; c++)
            CU_ASSERT(fabsf(y[c]) <= 1.1e-5f);
        identity(profile, NULL, act, false, odd, fast);
        identity(profile, "c", act, false, odd, y);
        for (size_t c = 0; c < HAND; c++)
            CU_ASSERT(y[c] == fast[c] || (isnan(y[c]) && isnan(fast[c])));
    }
}

/* Sums that 32 bits may not hold are refused, whatever the profile. */
static void t_refused(void)
{
    mico_quant quant = mico_quant_default;
    eval_build b;
    size_t in = eval_begin(&b, 1, 70000, 0, 0);
    float *w = mico_xcalloc(70000, sizeof *w);
    mico_result result = {.images = 7};
    mico_split split;
    mico_scheme scheme;
    mico_node *node;
    mico_net *net;
    mico_err err;

    for (size_t i = 0; i < 70000; i++)
        w[i] = 0.001f;
    node = eval_node(&b, MICO_NODE_LINEAR, 1, &in);
    node->weight = mico_net_floats(b.net, w, 70000);
    free(w);
    node->c_in = 70000;
    node->c_out = 1;
    snprintf(node->name, sizeof node->name, "wide");
    net = eval_end(&b, node->out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    for (int i = 0; i < 2; i++) {
        bench k = {.net = net};
        mico_eval *eval;

        quant.profile = i > 0 ? MICO_PROFILE_MICO : MICO_PROFILE_DYNAMIC;
        k.data = eval_data(net, 2, MICO_RAW_U8, 3);
        split = (mico_split){&k.data, 0, 2};
        CU_ASSERT_EQUAL_FATAL(mico_calibrate(&k.calib, net, &split, &quant, &err),
                              MICO_OK);
        eval = mico_eval_new(net, k.calib, &quant);
        CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 1, &err), MICO_OK);
        CU_ASSERT_EQUAL(mico_eval_int(eval, &scheme, &split, &result, &err),
                        MICO_ESCHEME);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "wide"));
        CU_ASSERT_EQUAL(result.images, 7);
        CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "wta8", 1, &err), MICO_OK);
        CU_ASSERT_EQUAL(mico_eval_int(eval, &scheme, &split, &result, &err), MICO_OK);
        CU_ASSERT_EQUAL(result.images, 2);
        result = (mico_result){.images = 7};
        mico_eval_free(eval);
        mico_calib_free(k.calib);
        eval_data_free(&k.data);
    }
    mico_net_free(net);
}

/* Outputs beyond float32 are an error, not a class. */
static void t_overflow(void)
{
    static const float weights[6] = {3e38f, 3e38f, 3e38f, 3e38f, 3e38f, 3e38f};
    mico_quant quant = mico_quant_default;
    float small[2] = {1e-3f, 1e-3f}, large[2] = {10, 10};
    uint16_t label = 0;
    mico_data data = {.n = 1,
                      .shape = {1, {2}},
                      .type = MICO_RAW_F32,
                      .n_classes = 3,
                      .raw = small,
                      .label = &label};
    mico_split split = {&data, 0, 1};
    mico_result result = {.images = 7};
    eval_build b;
    size_t in = eval_begin(&b, 1, 2, 0, 0);
    const float *weight = mico_net_floats(b.net, weights, 6);
    mico_node *node = eval_node(&b, MICO_NODE_LINEAR, 1, &in);
    mico_scheme scheme;
    mico_calib *calib;
    mico_eval *eval;
    mico_net *net;
    mico_err err;

    node->c_in = 2;
    node->c_out = 3;
    node->weight = weight;
    net = eval_end(&b, node->out);
    quant.profile = MICO_PROFILE_MICO;
    CU_ASSERT_EQUAL_FATAL(mico_calibrate(&calib, net, &split, &quant, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&scheme, "w8a8", 1, &err), MICO_OK);
    eval = mico_eval_new(net, calib, &quant);
    data.raw = large;
    CU_ASSERT_EQUAL(mico_eval_int(eval, &scheme, &split, &result, &err), MICO_ENET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not finite"));
    CU_ASSERT_EQUAL(result.images, 7);
    data.raw = small;
    CU_ASSERT_EQUAL(mico_eval_int(eval, &scheme, &split, &result, &err), MICO_OK);
    CU_ASSERT_EQUAL(result.images, 1);
    mico_eval_free(eval);
    mico_calib_free(calib);
    mico_net_free(net);
}

static void t_names(void)
{
    mico_profile p = MICO_PROFILE_ARES;

    CU_ASSERT_FALSE(mico_profile_parse("", &p));
    CU_ASSERT_FALSE(mico_profile_parse("Mico", &p));
    CU_ASSERT_EQUAL(p, MICO_PROFILE_ARES);
    for (unsigned i = 0; i < MICO_N_PROFILES; i++) {
        CU_ASSERT_TRUE(mico_profile_parse(mico_profile_text((mico_profile)i), &p));
        CU_ASSERT_EQUAL((unsigned)p, i);
    }
    CU_ASSERT_STRING_EQUAL(mico_profile_text(MICO_PROFILE_DYNAMIC), "dynamic");
    CU_ASSERT_STRING_EQUAL(mico_profile_text(MICO_N_PROFILES), "?");
}

/* ---- real networks -----------------------------------------------------------------
 */

typedef struct real {
    mico_net *net;
    mico_dataset *data;
    mico_calib *calib;
} real;

#define SETS MICO_SHARED_DIR "/data/datasets"
#define KWS  SETS "/kws01-mfcc"

static bool real_open(real *r, const char *model, const char *set)
{
    char path[512];
    mico_split split;
    mico_err err = {MICO_OK, ""};

    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "%s/data/models/%s_f32.onnx", MICO_SHARED_DIR, model);
    if (mico_net_load(&r->net, path, &err) == MICO_OK) {
        if (mico_dataset_load(&r->data, set, NULL, &err) == MICO_OK) {
            split = (mico_split){&r->data->test, 0, 64};
            if (mico_calibrate(&r->calib, r->net, &split, &mico_quant_default, &err) ==
                MICO_OK)
                return true;
        }
    }
    printf("\n    %s: %s\n", model, err.text);
    return false;
}

static void real_close(real *r)
{
    mico_calib_free(r->calib);
    mico_dataset_free(r->data);
    mico_net_free(r->net);
}

/* The fast path predicts as portable C does on some images, and 8 bits cost no more
 * than a point on more of them. */
static void check_real(real *r, const char *model, mico_profile profile)
{
    static uint16_t slow[64], fast[64];
    mico_quant quant = mico_quant_default;
    mico_split some = {&r->data->test, 0, 16}, more = {&r->data->test, 0, 1000};
    mico_result a = {.predictions = slow}, b = {.predictions = fast}, c = {0}, f = {0};
    mico_scheme s;
    mico_eval *eval;
    mico_err err;

    quant.profile = profile;
    eval = mico_eval_new(r->net, r->calib, &quant);
    CU_ASSERT_EQUAL(mico_scheme_parse(&s, "w4a4", r->net->n_layers, &err), MICO_OK);
    mico_eval_set_isa(eval, "c");
    CU_ASSERT_EQUAL(mico_eval_int(eval, &s, &some, &a, &err), MICO_OK);
    mico_eval_set_isa(eval, NULL);
    CU_ASSERT_EQUAL(mico_eval_int(eval, &s, &some, &b, &err), MICO_OK);
    CU_ASSERT_EQUAL(memcmp(slow, fast, 16 * sizeof *slow), 0);
    CU_ASSERT_EQUAL(a.loss, b.loss);
#ifdef __SANITIZE_ADDRESS__
    more.count = 32;
#endif
    if (!mico_isa_here("avx512vnni"))
        more.count = 32;
    CU_ASSERT_EQUAL(mico_scheme_parse(&s, "w8a8", r->net->n_layers, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_int(eval, &s, &more, &c, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_fp32(eval, &more, &f, &err), MICO_OK);
    printf("\n    %s, %s: w8a8 %u, fp32 %u of %u correct", model,
           mico_profile_text(profile), (unsigned)c.correct, (unsigned)f.correct,
           (unsigned)c.images);
    CU_ASSERT(fabs((double)c.correct - (double)f.correct) <=
              (more.count < 1000 ? 2 : 10));
    mico_eval_free(eval);
}

static void t_real(void)
{
    static const struct known {
        const char *model, *set;
    } known[] = {
        {"resnet8_cifar10", SETS "/cifar-10-batches-bin"},
        {"lenet_mnist", SETS "/mnist"},
        {"dscnn_kws", KWS "/mfcc49x10-s8-idx3.gz," KWS "/labels-idx1-ubyte.gz"},
        {"harmlp_265", SETS "/uci-har-265"}};

    if (!mico_test_shared("networks and data"))
        return;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        real r;
        bool there = real_open(&r, known[i].model, known[i].set);

        CU_ASSERT(there);
        if (there) {
            check_real(&r, known[i].model, MICO_PROFILE_DYNAMIC);
            check_real(&r, known[i].model, MICO_PROFILE_MICO);
        }
        real_close(&r);
    }
}

MICO_SUITE("eval_profiles", {"refused", t_refused}, {"overflow", t_overflow},
           {"names", t_names}, {"by hand", t_hand}, {"edges", t_edges},
           {"dynamic", t_dynamic}, {"mico", t_mico}, {"real networks", t_real})
