/* Whole networks: the best kernels of this CPU, those that measurements choose, AVX2
 * only and portable C only agree in every tensor, every prediction and the loss. */
#include "data/data.h"
#include "eval/eval.h"
#include "kernels/kernels.h"
#include "support/suite.h"

#include "core/file.h"
#include "core/hash.h"

#include <stdlib.h>

#define DATA   MICO_SHARED_DIR "/data/datasets/"
#define IMAGES ((size_t)40)

static const struct model {
    const char *name, *spec, *transform;
    size_t run; /* images */
} models[] = {
    {"mlp_optdigits_f32", DATA "optdigits", NULL, IMAGES},
    {"mlp_mnist16_f32", DATA "mnist", "mean2,pad1,flat", IMAGES},
    {"harmlp_265_f32", DATA "uci-har-265", NULL, IMAGES},
    {"lenet_mnist_f32", DATA "mnist", NULL, IMAGES},
    {"cntk_mnist_cnn_f32", DATA "mnist", NULL, IMAGES},
    {"lenet_fashion_f32", "/usr/share/datasets/fashion-mnist", NULL, IMAGES},
    {"dscnn_kws_f32",
     DATA "kws01-mfcc/mfcc49x10-s8-idx3.gz," DATA "kws01-mfcc/labels-idx1-ubyte.gz",
     NULL, IMAGES},
    {"resnet8_cifar10_f32", DATA "cifar-10-batches-bin", NULL, 12},
    {"resnet20_cifar10_f32", DATA "cifar-10-batches-bin", NULL, 4},
};

static const char *const schemes[] = {"w8a8", "w7a8", "w5a6", "w4a4", "w2a8", "w1a2"};

typedef struct answer {
    mico_result result;
    uint16_t predictions[IMAGES];
} answer;

static mico_status evaluate(answer *a, const char *isa, const mico_net *net,
                            const mico_calib *calib, const mico_scheme *scheme,
                            const mico_split *split, mico_err *err)
{
    mico_eval *eval = mico_eval_new(net, calib, &mico_quant_default);
    mico_status rc;

    *a = (answer){.result = {.predictions = a->predictions}};
    if (isa != NULL && strcmp(isa, "tuned") == 0)
        mico_eval_tune(eval, false);
    else
        mico_eval_set_isa(eval, isa);
    rc = mico_eval_int(eval, scheme, split, &a->result, err);
    mico_eval_free(eval);
    return rc;
}

/* ---- every tensor ------------------------------------------------------------------
 */

#define MOST_TENSORS 256

typedef struct trail {
    size_t n;
    uint64_t hash[MOST_TENSORS];
} trail;

static void note_tensor(void *ctx, const mico_plan *plan, size_t tensor,
                        const uint8_t *codes)
{
    trail *t = ctx;

    if (t->n < MOST_TENSORS)
        t->hash[t->n] = mico_hash(codes, plan->tensor[tensor].bytes, tensor);
    t->n++;
}

/* The tensors of one image by the best path and by portable C. */
static mico_status check_tensors(const mico_net *net, const mico_calib *calib,
                                 const mico_scheme *scheme, const mico_data *data,
                                 mico_err *err)
{
    trail fast = {0}, plain = {0};
    mico_eval *eval = mico_eval_new(net, calib, &mico_quant_default);
    mico_status rc = mico_eval_trace(eval, scheme, data, 1, note_tensor, &fast, err);

    mico_eval_set_isa(eval, "c");
    if (rc == MICO_OK)
        rc = mico_eval_trace(eval, scheme, data, 1, note_tensor, &plain, err);
    CU_ASSERT(plain.n > net->n_layers && plain.n < MOST_TENSORS);
    CU_ASSERT_EQUAL(fast.n, plain.n);
    CU_ASSERT_EQUAL(memcmp(fast.hash, plain.hash, sizeof plain.hash), 0);
    mico_eval_free(eval);
    return rc;
}

/* One scheme by all paths. */
static mico_status check_scheme(const char *text, const mico_net *net,
                                const mico_calib *calib, const mico_split *split,
                                mico_err *err)
{
    static const char *const isas[] = {NULL, "avx2", "tuned"};
    mico_scheme scheme = {0};
    answer expected, got;
    mico_status rc = mico_scheme_parse(&scheme, text, net->n_layers, err);

    if (rc == MICO_OK)
        rc = check_tensors(net, calib, &scheme, split->data, err);
    if (rc == MICO_OK)
        rc = evaluate(&expected, "c", net, calib, &scheme, split, err);
    for (size_t i = 0; rc == MICO_OK && i < sizeof isas / sizeof *isas; i++) {
        rc = evaluate(&got, isas[i], net, calib, &scheme, split, err);
        if (rc != MICO_OK)
            break;
        CU_ASSERT_EQUAL(got.result.images, split->count);
        CU_ASSERT_EQUAL(got.result.correct, expected.result.correct);
        CU_ASSERT_EQUAL(memcmp(&got.result.loss, &expected.result.loss, sizeof(double)),
                        0);
        CU_ASSERT_EQUAL(
            memcmp(got.predictions, expected.predictions, sizeof got.predictions), 0);
    }
    return rc;
}

static void check_model(const struct model *m)
{
    char path[512];
    mico_net *net = NULL;
    mico_dataset *data = NULL;
    mico_calib *calib = NULL;
    mico_split split, calibration;
    mico_err err = {MICO_OK, ""};

    snprintf(path, sizeof path, MICO_SHARED_DIR "/data/models/%s.onnx", m->name);
    if (mico_net_load(&net, path, &err) != MICO_OK ||
        mico_dataset_load(&data, m->spec, m->transform, &err) != MICO_OK)
        goto out;
    CU_ASSERT_FATAL(data->test.n >= 2 * IMAGES);
    split = (mico_split){&data->test, 0, m->run};
    calibration = (mico_split){&data->test, IMAGES, IMAGES};
    if (mico_calibrate(&calib, net, &calibration, &mico_quant_default, &err) != MICO_OK)
        goto out;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (check_scheme(schemes[i], net, calib, &split, &err) != MICO_OK)
            break;
out:
    if (err.status != MICO_OK)
        printf("\n    %s: %s\n", m->name, err.text);
    CU_ASSERT_EQUAL(err.status, MICO_OK);
    mico_calib_free(calib);
    mico_dataset_free(data);
    mico_net_free(net);
}

static void t_paths_agree(void)
{
    if (!mico_test_shared("the models"))
        return;
    if (!mico_isa_here("avx2"))
        printf("\n    note: no avx2 here: its path is portable C\n");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (mico_dir_exists(models[i].spec) || strchr(models[i].spec, ',') != NULL)
            check_model(&models[i]);
        else
            printf("\n    skipped: %s needs %s\n", models[i].name, models[i].spec);
}

MICO_SUITE("eval_isa", {"paths agree", t_paths_agree})
