/* Profile ares: every tensor of many schemes against an independent interpreter, for
 * each isa; ResNet8 and LeNet on their data beside profile integer. */
#include "data/data.h"
#include "eval/eval.h"
#include "eval/eval_internal.h"
#include "support/eval_ares_naive.h"
#include "support/eval_bench.h"
#include "support/eval_nets.h"
#include "support/suite.h"

#include "core/file.h"

static const char *const isas[] = {"c", "avx2", "avx512vnni"};

/* ---- traces -----------------------------------------------------------------------
 */

typedef struct checker {
    const bench *bench;
    size_t image;
    int64_t **want; /* made when the first tensor arrives */
    size_t seen, wrong, bad_weights;
} checker;

static void check_tensor(void *ctx, const mico_plan *plan, size_t tensor,
                         const uint8_t *codes)
{
    checker *c = ctx;

    if (c->want == NULL) {
        const mico_data *data = &c->bench->data;

        c->want = ares_run(plan,
                           (const uint8_t *)data->raw +
                               c->image * mico_shape_count(&data->shape),
                           data->type == MICO_RAW_S8);
        for (size_t i = 0; i < plan->n_ops; i++)
            if (plan->op[i].weights != NULL)
                c->bad_weights += !ares_weights_ok(
                    &plan->op[i], plan->scheme.bits[plan->op[i].layer]);
    }
    c->wrong += plain_differences(&plan->tensor[tensor], codes, c->want[tensor]);
    if (++c->seen == plan->n_tensors) {
        plain_free(plan, c->want);
        c->want = NULL;
    }
}

static void check_scheme(bench *b, const mico_scheme *scheme, size_t image, size_t *run)
{
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        checker c = {.bench = b, .image = image};
        mico_err err;

        if (!mico_isa_here(isas[i]))
            continue;
        mico_eval_set_isa(b->eval, isas[i]);
        CU_ASSERT_EQUAL_FATAL(
            mico_eval_trace(b->eval, scheme, &b->data, image, check_tensor, &c, &err),
            MICO_OK);
        CU_ASSERT(c.seen > 1);
        CU_ASSERT_EQUAL(c.wrong, 0);
        CU_ASSERT_EQUAL(c.bad_weights, 0);
        (*run)++;
    }
}

static void check_net(mico_net *net, mico_raw_type type, size_t n_schemes)
{
    mico_quant quant = mico_quant_default;
    mico_rng *rng = mico_rng_new(7, "ares", 0);
    size_t run = 0;
    bench b;

    quant.profile = MICO_PROFILE_ARES;
    quant.range_rule = MICO_RANGE_MAX;
    if (bench_open(&b, net, type, &quant)) {
        mico_scheme s = {.n_layers = net->n_layers};

        for (size_t i = 0; i < n_schemes; i++) {
            for (size_t g = 0; g < 2 * s.n_layers; g++)
                s.bits[g] = i == 0 ? 8
                            : i == 1
                                ? 4
                                : mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
            check_scheme(&b, &s, i % 24, &run);
        }
    }
    bench_close(&b);
    mico_rng_free(rng);
    CU_ASSERT(run >= n_schemes);
}

static void t_lenet(void)
{
    check_net(eval_lenet(1), MICO_RAW_S8, 30);
}

static void t_resnet(void)
{
    check_net(eval_resnet(2), MICO_RAW_U8, 12);
}

static void t_zoo(void)
{
    check_net(eval_zoo(3), MICO_RAW_U8, 30);
}

/* ---- real networks ----------------------------------------------------------------
 */

typedef struct accuracy {
    uint64_t correct;
    uint16_t predictions[1000];
} accuracy;

static mico_status evaluate(const mico_net *net, const mico_calib *calib,
                            const mico_data *data, mico_profile profile,
                            const char *isa, size_t images, accuracy *out,
                            mico_err *err)
{
    mico_quant quant = mico_quant_default;
    mico_split split = {data, 0, images};
    mico_result result = {.predictions = out->predictions};
    mico_scheme w8a8 = {.n_layers = net->n_layers};
    mico_eval *eval;
    mico_status rc;

    quant.profile = profile;
    memset(w8a8.bits, 8, 2 * net->n_layers);
    eval = mico_eval_new(net, calib, &quant);
    mico_eval_set_isa(eval, isa);
    rc = mico_eval_int(eval, &w8a8, &split, &result, err);
    out->correct = result.correct;
    mico_eval_free(eval);
    return rc;
}

static void check_model(const char *name, const char *spec, uint64_t least)
{
    char path[512];
    mico_net *net = NULL;
    mico_dataset *data = NULL;
    mico_calib *calib = NULL;
    accuracy integer, ares, few;
    mico_split split;
    mico_err err = {0};

    snprintf(path, sizeof path, MICO_SHARED_DIR "/data/models/%s.onnx", name);
    if (mico_net_load(&net, path, &err) != MICO_OK ||
        mico_dataset_load(&data, spec, NULL, &err) != MICO_OK)
        goto out;
    split = (mico_split){&data->train, 0, 128};
    if (mico_calibrate(&calib, net, &split, &mico_quant_default, &err) != MICO_OK ||
        evaluate(net, calib, &data->test, MICO_PROFILE_INTEGER, NULL, 1000, &integer,
                 &err) != MICO_OK ||
        evaluate(net, calib, &data->test, MICO_PROFILE_ARES, NULL, 1000, &ares, &err) !=
            MICO_OK ||
        evaluate(net, calib, &data->test, MICO_PROFILE_ARES, "c", 20, &few, &err) !=
            MICO_OK)
        goto out;
    printf("\n    %s: ares %u, integer %u of 1000", name, (unsigned)ares.correct,
           (unsigned)integer.correct);
    CU_ASSERT(ares.correct >= least);
    CU_ASSERT_EQUAL(memcmp(few.predictions, ares.predictions, 20 * sizeof(uint16_t)),
                    0);
out:
    if (err.status != MICO_OK)
        printf("\n    %s\n", err.text);
    CU_ASSERT_EQUAL(err.status, MICO_OK);
    mico_calib_free(calib);
    mico_dataset_free(data);
    mico_net_free(net);
}

static void t_models(void)
{
    if (!mico_test_shared("real networks"))
        return;
    check_model("resnet8_cifar10_f32",
                MICO_SHARED_DIR "/data/datasets/cifar-10-batches-bin", 850);
    check_model("lenet_mnist_f32", MICO_SHARED_DIR "/data/datasets/mnist", 980);
}

MICO_SUITE("eval", {"lenet", t_lenet}, {"resnet", t_resnet}, {"zoo", t_zoo},
           {"models", t_models})
