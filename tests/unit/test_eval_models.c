/* Tests of the fp32 runner on real networks: every prediction against the published
 * one. */
#include "data/data.h"
#include "eval/eval.h"
#include "support/suite.h"

#include "core/file.h"

#include <stdlib.h>

#define DATA MICO_SHARED_DIR "/data/datasets/"

/* spec of the data, transform, images of the test set, images run, correct ones of all
 */
static const struct model {
    const char *name, *spec, *transform;
    size_t n, run, correct;
} models[] = {
    {"mlp_optdigits_f32", DATA "optdigits", NULL, 1797, 1797, 1719},
    {"mlp_mnist16_f32", DATA "mnist", "mean2,pad1,flat", 10000, 10000, 9731},
    {"harmlp_265_f32", DATA "uci-har-265", NULL, 2947, 2947, 2779},
    {"lenet_fashion_f32", "/usr/share/datasets/fashion-mnist", NULL, 10000, 10000,
     8923},
    {"lenet_mnist_f32", DATA "mnist", NULL, 10000, 10000, 9899},
    {"cntk_mnist_cnn_f32", DATA "mnist", NULL, 10000, 10000, 9890},
    {"dscnn_kws_f32",
     DATA "kws01-mfcc/mfcc49x10-s8-idx3.gz," DATA "kws01-mfcc/labels-idx1-ubyte.gz",
     NULL, 1000, 1000, 913},
    {"resnet8_cifar10_f32", DATA "cifar-10-batches-bin", NULL, 10000, 2000, 8719},
    {"resnet20_cifar10_f32", DATA "cifar-10-batches-bin", NULL, 10000, 2000, 9173},
};

/* Another order of float sums may turn a near tie, so a few predictions may differ. */
#define MAY_DIFFER 3

static void check_model(const struct model *m)
{
    char path[512];
    mico_net *net = NULL;
    mico_dataset *data = NULL;
    mico_eval *eval = NULL;
    uint8_t *want = NULL;
    size_t n_want, differ = 0;
    uint64_t correct = 0;
    uint16_t *predictions = mico_xcalloc(m->run, sizeof *predictions);
    mico_result result = {.predictions = predictions};
    mico_split split;
    mico_err err = {MICO_OK, ""};

    snprintf(path, sizeof path, MICO_SHARED_DIR "/data/models/%s.onnx", m->name);
    if (mico_net_load(&net, path, &err) != MICO_OK ||
        mico_dataset_load(&data, m->spec, m->transform, &err) != MICO_OK)
        goto out;
    snprintf(path, sizeof path, MICO_SHARED_DIR "/data/models/preds/%s.u8", m->name);
    if (mico_file_read(&want, &n_want, path, 1 << 20, &err) != MICO_OK)
        goto out;
    CU_ASSERT_EQUAL_FATAL(n_want, m->n);
    CU_ASSERT_EQUAL_FATAL(data->test.n, m->n);
    split = (mico_split){&data->test, 0, m->run};
    eval = mico_eval_new(net, NULL, &mico_quant_default);
    if (mico_eval_fp32(eval, &split, &result, &err) != MICO_OK)
        goto out;
    for (size_t i = 0; i < m->run; i++) {
        differ += predictions[i] != want[i];
        correct += want[i] == data->test.label[i];
    }
    printf("\n    %s: %u of %zu correct, %zu differ, %.2f s", m->name,
           (unsigned)result.correct, m->run, differ, result.seconds);
    CU_ASSERT(differ <= MAY_DIFFER);
    CU_ASSERT(llabs((long long)result.correct - (long long)correct) <=
              (long long)differ);
    if (m->run == m->n)
        CU_ASSERT_EQUAL(correct, m->correct);
    CU_ASSERT(result.loss > 0 && result.loss < 1);
out:
    if (err.status != MICO_OK)
        printf("\n    %s: %s\n", m->name, err.text);
    CU_ASSERT_EQUAL(err.status, MICO_OK);
    mico_eval_free(eval);
    mico_dataset_free(data);
    mico_net_free(net);
    free(want);
    free(predictions);
}

static void check_range(size_t first, size_t last)
{
    if (!mico_test_shared("the models"))
        return;
    for (size_t i = first; i <= last; i++)
        if (mico_dir_exists(models[i].spec) || strchr(models[i].spec, ',') != NULL)
            check_model(&models[i]);
        else
            printf("\n    skipped: %s needs %s\n", models[i].name, models[i].spec);
}

static void t_mlps(void)
{
    check_range(0, 2);
}

static void t_cnns(void)
{
    check_range(3, 6);
}

static void t_resnets(void)
{
    check_range(7, 8);
}

MICO_SUITE("eval_models", {"mlps", t_mlps}, {"cnns", t_cnns}, {"resnets", t_resnets})
