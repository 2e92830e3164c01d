/* Tests of the integer runner: every tensor of many schemes against a plain
 * interpreter, for each isa; grouping; refusals; ResNet8 on CIFAR-10. */
#include "data/data.h"
#include "eval/eval.h"
#include "eval/eval_internal.h"
#include "support/eval_bench.h"
#include "support/eval_int_naive.h"
#include "support/eval_nets.h"
#include "support/suite.h"

#include "core/file.h"

/* ---- traces ------------------------------------------------------------------------
 */

typedef struct checker {
    const bench *bench;
    size_t image;
    const mico_plan *plan;
    int64_t **want; /* made when the first tensor arrives */
    size_t seen, wrong;
} checker;

static void check_tensor(void *ctx, const mico_plan *plan, size_t tensor,
                         const uint8_t *codes)
{
    checker *c = ctx;
    size_t wrong;

    if (c->want == NULL) {
        const mico_data *data = &c->bench->data;

        c->plan = plan;
        c->want = plain_run(plan,
                            (const uint8_t *)data->raw +
                                c->image * mico_shape_count(&data->shape),
                            data->type == MICO_RAW_S8);
    }
    wrong = plain_differences(&plan->tensor[tensor], codes, c->want[tensor]);
    if (wrong > 0 && c->wrong == 0)
        printf("\n    tensor %zu, made by %s: %zu wrong\n", tensor,
               mico_op_text(plan->op[c->seen].kind), wrong);
    c->wrong += wrong;
    if (++c->seen == plan->n_tensors) { /* the plan dies when the trace is over */
        plain_free(plan, c->want);
        c->want = NULL;
    }
}

/* One image under one scheme; false where the lowering refuses it. */
static bool check_trace(bench *b, const mico_scheme *scheme, size_t image)
{
    checker c = {.bench = b, .image = image};
    mico_err err;
    mico_status rc =
        mico_eval_trace(b->eval, scheme, &b->data, image, check_tensor, &c, &err);

    if (rc != MICO_OK) {
        CU_ASSERT_EQUAL(rc, MICO_ESCHEME);
        return false;
    }
    CU_ASSERT_PTR_NULL(c.want); /* all tensors came */
    CU_ASSERT(c.seen > 1);
    CU_ASSERT_EQUAL(c.wrong, 0);
    return true;
}

static const char *best_isa(void)
{
    return mico_isa_here("avx512vnni") ? "avx512vnni" : "c";
}

static void check_scheme(bench *b, const mico_scheme *scheme, size_t image, size_t *run)
{
    mico_eval_set_isa(b->eval, "c");
    *run += check_trace(b, scheme, image);
    mico_eval_set_isa(b->eval, best_isa());
    *run += check_trace(b, scheme, image);
}

/* All 81 uniform schemes, then mixed ones. */
static void check_schemes(bench *b, size_t n_mixed, size_t *run)
{
    mico_rng *rng = mico_rng_new(3, "schemes", 0);
    mico_scheme s = {.n_layers = b->net->n_layers};

    for (size_t w = 0; w < MICO_N_WIDTHS; w++)
        for (size_t a = 0; a < MICO_N_WIDTHS; a++) {
            for (size_t l = 0; l < s.n_layers; l++) {
                s.bits[l] = mico_width_at(w);
                s.bits[s.n_layers + l] = mico_width_at(a);
            }
            check_scheme(b, &s, (w + a) % 24, run);
        }
    for (size_t i = 0; i < n_mixed; i++) {
        for (size_t g = 0; g < 2 * s.n_layers; g++)
            s.bits[g] = mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
        check_scheme(b, &s, i % 24, run);
    }
    mico_rng_free(rng);
}

static void t_lenet(void)
{
    mico_quant quant = mico_quant_default;
    size_t run = 0;
    bench b;

    for (int mode = 0; mode < 2; mode++) {
        quant.unsigned_acts = mode;
        quant.granularity = mode ? MICO_PER_TENSOR : MICO_PER_CHANNEL;
        if (bench_open(&b, eval_lenet(1), mode ? MICO_RAW_S8 : MICO_RAW_U8, &quant))
            check_schemes(&b, 10, &run);
        bench_close(&b);
    }
    CU_ASSERT_EQUAL(run, 2 * 2 * 91);
}

static void t_resnet(void)
{
    mico_quant quant = mico_quant_default;
    mico_scheme s;
    mico_err err;
    size_t run = 0;
    bench b;

    for (int mode = 0; mode < 2; mode++) {
        static const char *const text[] = {"w8a8", "w4a4", "w1a1",
                                           "wta2", "w2at", "w3a8"};
        mico_rng *rng = mico_rng_new(5, "schemes", (uint64_t)mode);

        quant.unsigned_acts = mode;
        CU_ASSERT_FATAL(bench_open(&b, eval_resnet(2), MICO_RAW_U8, &quant));
        for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
            CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&s, text[i], b.net->n_layers, &err),
                                  MICO_OK);
            check_scheme(&b, &s, i, &run);
        }
        for (size_t i = 0; i < 14; i++) {
            for (size_t g = 0; g < 2 * s.n_layers; g++)
                s.bits[g] = mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
            check_scheme(&b, &s, i, &run);
        }
        mico_rng_free(rng);
        bench_close(&b);
    }
    CU_ASSERT_EQUAL(run, 2 * 2 * 20);
}

static void t_zoo(void)
{
    mico_quant quant = mico_quant_default;
    size_t run = 0;
    bench b;

    for (int mode = 0; mode < 2; mode++) {
        quant.unsigned_acts = mode;
        quant.weight_rule = mode ? MICO_WEIGHT_MICO : MICO_WEIGHT_MSE;
        if (bench_open(&b, eval_zoo(3), MICO_RAW_U8, &quant))
            check_schemes(&b, 30, &run);
        bench_close(&b);
    }
    CU_ASSERT_EQUAL(run, 2 * 2 * 111);
}

/* ---- scores ------------------------------------------------------------------------
 */

/* Images one by one (a group of 1) give what all give together: predictions, and the
 * mean of the losses to the last bit. A second run of a scheme repeats the first. */
static void check_groups(mico_net *net, const char *text)
{
    bench b;
    mico_scheme scheme;
    uint16_t all[24], again[24], one;
    mico_result result = {.predictions = all}, single = {.predictions = &one};
    mico_result repeat = {.predictions = again};
    mico_split split;
    double loss = 0;
    mico_err err;

    CU_ASSERT_FATAL(bench_open(&b, net, MICO_RAW_U8, &mico_quant_default));
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&scheme, text, b.net->n_layers, &err),
                          MICO_OK);
    split = (mico_split){&b.data, 0, 24};
    CU_ASSERT_EQUAL_FATAL(mico_eval_int(b.eval, &scheme, &split, &result, &err),
                          MICO_OK);
    CU_ASSERT_EQUAL(result.images, 24);
    for (size_t i = 0; i < 24; i++) {
        split = (mico_split){&b.data, i, 1};
        CU_ASSERT_EQUAL(
            mico_eval_run(b.eval, MICO_MODE_INT, &scheme, &split, &single, &err),
            MICO_OK);
        CU_ASSERT_EQUAL(one, all[i]);
        CU_ASSERT_EQUAL(single.correct, one == b.data.label[i]);
        loss += single.loss;
        result.correct -= single.correct;
    }
    CU_ASSERT_EQUAL(result.correct, 0);
    CU_ASSERT_EQUAL(result.loss, loss / 24);
    split = (mico_split){&b.data, 0, 24};
    CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &repeat, &err), MICO_OK);
    CU_ASSERT_EQUAL(repeat.loss, result.loss);
    CU_ASSERT_EQUAL(memcmp(all, again, sizeof all), 0);
    bench_close(&b);
}

static void t_groups(void)
{
    check_groups(eval_lenet(4), "w4a4");
    check_groups(eval_resnet(5), "w8a8");
    check_groups(eval_zoo(6), "wta3");
}

typedef struct top {
    size_t outputs, best;
    double loss;
    uint16_t label;
} top;

/* argmax and cross-entropy from the traced output integers, in plain words */
static void find_top(void *ctx, const mico_plan *plan, size_t tensor,
                     const uint8_t *codes)
{
    top *t = ctx;
    const mico_plan_tensor *p = &plan->tensor[tensor];
    double sum = 0, at_label = 0, best = -INFINITY;

    if (tensor != plan->output)
        return;
    t->outputs = mico_shape_count(&p->shape);
    for (size_t i = 0; i < t->outputs; i++) {
        int32_t q = (int32_t)codes[i] - (int32_t)p->zero;
        double x;

        if (p->format.width == 32)
            memcpy(&q, codes + 4 * i, 4);
        x = q * p->format.scale;
        sum += exp(x);
        if (i == t->label)
            at_label = x;
        if (x > best) {
            best = x;
            t->best = i;
        }
    }
    t->loss = log(sum) - at_label;
}

static void t_output(void)
{
    for (int kind = 0; kind < 2; kind++) { /* int32 logits; 8-bit codes */
        bench b;
        mico_scheme scheme;
        uint16_t one;
        mico_result result = {.predictions = &one};
        mico_err err;

        CU_ASSERT_FATAL(bench_open(&b, kind ? eval_zoo(8) : eval_lenet(8), MICO_RAW_U8,
                                   &mico_quant_default));
        CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", b.net->n_layers, &err),
                        MICO_OK);
        for (size_t i = 0; i < 12; i++) {
            mico_split split = {&b.data, i, 1};
            top t = {.label = b.data.label[i]};

            CU_ASSERT_EQUAL(
                mico_eval_trace(b.eval, &scheme, &b.data, i, find_top, &t, &err),
                MICO_OK);
            CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &result, &err),
                            MICO_OK);
            CU_ASSERT_EQUAL(t.outputs, b.data.n_classes);
            CU_ASSERT_EQUAL(one, t.best);
            CU_ASSERT_DOUBLE_EQUAL(result.loss, t.loss, 1e-9 * (1 + t.loss));
        }
        bench_close(&b);
    }
}

/* Equal outputs: the lowest index wins. A network of zero weights has nothing else. */
static void t_ties(void)
{
    static const float zeros[12] = {0};
    eval_build b;
    size_t in = eval_begin(&b, 1, 4, 0, 0);
    const float *w = mico_net_floats(b.net, zeros, 12);
    mico_node *node = eval_node(&b, MICO_NODE_LINEAR, 1, &in);
    mico_scheme scheme;
    bench k;
    uint16_t predictions[24];
    mico_result result = {.predictions = predictions};
    mico_split split;
    mico_err err;

    node->c_in = 4;
    node->c_out = 3;
    node->weight = w;
    CU_ASSERT_FATAL(
        bench_open(&k, eval_end(&b, node->out), MICO_RAW_U8, &mico_quant_default));
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 1, &err), MICO_OK);
    split = (mico_split){&k.data, 0, 24};
    CU_ASSERT_EQUAL(mico_eval_int(k.eval, &scheme, &split, &result, &err), MICO_OK);
    for (size_t i = 0; i < 24; i++)
        CU_ASSERT_EQUAL(predictions[i], 0);
    CU_ASSERT_DOUBLE_EQUAL(result.loss, log(3), 1e-12);
    bench_close(&k);
}

static void t_errors(void)
{
    bench b;
    mico_scheme scheme;
    mico_result result = {.images = 77};
    mico_split split;
    mico_eval *bare;
    mico_err err;

    CU_ASSERT_FATAL(bench_open(&b, eval_lenet(4), MICO_RAW_U8, &mico_quant_default));
    split = (mico_split){&b.data, 0, 24};
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 4, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &result, &err),
                    MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_eval_fake(b.eval, &scheme, &split, &result, &err),
                    MICO_ESCHEME);
    CU_ASSERT_EQUAL(
        mico_eval_trace(b.eval, &scheme, &b.data, 0, check_tensor, NULL, &err),
        MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 5, &err), MICO_OK);
    scheme.bits[7] = 9;
    CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &result, &err),
                    MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_eval_fake(b.eval, &scheme, &split, &result, &err),
                    MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layer 3"));
    scheme.bits[7] = 8;
    split.count = 25;
    CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &result, &err), MICO_EDATA);
    CU_ASSERT_EQUAL(mico_eval_fake(b.eval, &scheme, &split, &result, &err), MICO_EDATA);
    CU_ASSERT_EQUAL(
        mico_eval_trace(b.eval, &scheme, &b.data, 24, check_tensor, NULL, &err),
        MICO_EDATA);
    CU_ASSERT_EQUAL(result.images, 77);
    split.count = 24;
    bare = mico_eval_new(b.net, NULL, &mico_quant_default);
    CU_ASSERT_EQUAL(mico_eval_int(bare, &scheme, &split, &result, &err), MICO_EBUG);
    mico_eval_free(bare);
    CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &result, &err), MICO_OK);
    bench_close(&b);
    mico_eval_free(NULL);
}

/* A layer whose sums cannot be bounded by 32 bits is refused, by name, in any order of
 * schemes; the next scheme runs. */
static void t_refused(void)
{
    eval_build b;
    size_t in = eval_begin(&b, 1, 70000, 0, 0), x;
    float *w = mico_xcalloc(3 * 70000, sizeof *w);
    mico_scheme scheme;
    mico_node *node;
    bench k;
    mico_result result = {.images = 0};
    mico_split split;
    mico_err err;

    for (size_t i = 0; i < 3 * 70000; i++)
        w[i] = 0.001f;
    node = eval_node(&b, MICO_NODE_LINEAR, 1, &in);
    node->weight = mico_net_floats(b.net, w, 3 * 70000);
    free(w);
    node->c_in = 70000;
    node->c_out = 3;
    x = node->out;
    snprintf(node->name, sizeof node->name, "wide");
    CU_ASSERT_FATAL(bench_open(&k, eval_end(&b, x), MICO_RAW_U8, &mico_quant_default));
    split = (mico_split){&k.data, 0, 24};
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 1, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_int(k.eval, &scheme, &split, &result, &err),
                    MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "wide"));
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w2a8", 1, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_int(k.eval, &scheme, &split, &result, &err), MICO_OK);
    CU_ASSERT_EQUAL(result.images, 24);
    bench_close(&k);
}

/* ---- places ------------------------------------------------------------------------
 */

/* Random lifetimes: tensors that live at the same time never overlap. */
static void t_places(void)
{
    mico_rng *rng = mico_rng_new(1, "places", 0);
    mico_places p = {0};
    mico_err err;
    size_t group;

    for (size_t round = 0; round < 50; round++) {
        size_t n = 1 + mico_rng_below(rng, 40), images = 1 + mico_rng_below(rng, 5);

        mico_places_reset(&p, n);
        for (size_t t = 0; t < n; t++) {
            size_t first = mico_rng_below(rng, 30);

            p.bytes[t] = 1 + mico_rng_below(rng, 1000);
            mico_places_use(&p, t, first + mico_rng_below(rng, 6));
            mico_places_use(&p, t, first);
        }
        CU_ASSERT_EQUAL(mico_places_assign(&p, images, &err), MICO_OK);
        for (size_t a = 0; a < n; a++) {
            CU_ASSERT_EQUAL(p.offset[a] % 64, 0);
            CU_ASSERT(p.offset[a] + p.bytes[a] * images + 64 <= p.total);
            for (size_t b = 0; b < a; b++)
                CU_ASSERT(p.last[a] < p.first[b] || p.last[b] < p.first[a] ||
                          p.offset[a] + p.bytes[a] * images + 64 <= p.offset[b] ||
                          p.offset[b] + p.bytes[b] * images + 64 <= p.offset[a]);
        }
    }
    mico_places_reset(&p, 3); /* a chain of three needs room for two */
    for (size_t t = 0; t < 3; t++) {
        p.bytes[t] = 1000;
        mico_places_use(&p, t, t);
        mico_places_use(&p, t, t + 1);
    }
    CU_ASSERT_EQUAL(mico_places_group(&p, 20000, 100, &group, &err), MICO_OK);
    CU_ASSERT(group == 9 && p.offset[2] == 0 && p.total <= 20000);
    CU_ASSERT_EQUAL(mico_places_group(&p, 1, 100, &group, &err), MICO_OK);
    CU_ASSERT_EQUAL(group, 1);
    CU_ASSERT_EQUAL(mico_places_group(&p, 1 << 30, 100, &group, &err), MICO_OK);
    CU_ASSERT_EQUAL(group, 100);
    p.bytes[1] = SIZE_MAX / 2;
    CU_ASSERT_EQUAL(mico_places_assign(&p, 3, &err), MICO_ELIMIT);
    p.bytes[1] = MICO_EVAL_LIMIT_BYTES - 64;
    CU_ASSERT_EQUAL(mico_places_assign(&p, 1, &err), MICO_ELIMIT);
    mico_places_free(&p);
    mico_rng_free(rng);
}

/* ---- a real network ----------------------------------------------------------------
 */

static void t_resnet8(void)
{
    const char *dir = MICO_SHARED_DIR "/data/";
    char path[512];
    mico_net *net = NULL;
    mico_dataset *data = NULL;
    mico_calib *calib = NULL;
    mico_eval *eval = NULL;
    mico_scheme scheme;
    mico_result result = {.predictions = NULL}, fp32 = {.predictions = NULL};
    mico_split split;
    mico_err err = {MICO_OK, ""};
    bool fast = mico_isa_here("avx512vnni");

#ifdef __SANITIZE_ADDRESS__
    fast = false;
#endif
    if (!mico_test_shared("ResNet8 on CIFAR-10"))
        return;
    snprintf(path, sizeof path, "%smodels/resnet8_cifar10_f32.onnx", dir);
    CU_ASSERT_EQUAL_FATAL(mico_net_load(&net, path, &err), MICO_OK);
    snprintf(path, sizeof path, "%sdatasets/cifar-10-batches-bin", dir);
    CU_ASSERT_EQUAL_FATAL(mico_dataset_load(&data, path, NULL, &err), MICO_OK);
    split = (mico_split){&data->train, 0, 256};
    CU_ASSERT_EQUAL_FATAL(
        mico_calibrate(&calib, net, &split, &mico_quant_default, &err), MICO_OK);
    eval = mico_eval_new(net, calib, &mico_quant_default);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", net->n_layers, &err), MICO_OK);
    /* 8719 of 10,000 in fp32 (tests of the models); portable C and sanitizers take
     * a part */
    split = (mico_split){&data->test, 0, fast ? data->test.n : 300};
    fp32.correct = 8719;
    if (!fast)
        CU_ASSERT_EQUAL(mico_eval_fp32(eval, &split, &fp32, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_int(eval, &scheme, &split, &result, &err), MICO_OK);
    CU_ASSERT_EQUAL(result.images, split.count);
    printf("\n    w8a8: %u of %u correct, fp32 %u, %.2f s\n", (unsigned)result.correct,
           (unsigned)result.images, (unsigned)fp32.correct, result.seconds);
    CU_ASSERT(fabs((double)result.correct - (double)fp32.correct) <=
              (fast ? 0.003 : 0.01) * (double)split.count);
    mico_eval_free(eval);
    mico_calib_free(calib);
    mico_dataset_free(data);
    mico_net_free(net);
}

MICO_SUITE("eval_int", {"lenet, all widths", t_lenet}, {"resnet", t_resnet},
           {"all operations", t_zoo}, {"groups", t_groups}, {"outputs", t_output},
           {"ties", t_ties}, {"errors", t_errors}, {"refused", t_refused},
           {"places", t_places}, {"resnet8", t_resnet8})
