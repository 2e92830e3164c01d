/* Int8 networks of TFLite: every prediction and every tensor against the goldens that
 * the reference arithmetic made. */
#include "core/file.h"
#include "data/data.h"
#include "eval/eval.h"
#include "support/suite.h"

#include <stdlib.h>
#include <unistd.h>

#define DATA   MICO_SHARED_DIR "/data/datasets/"
#define MODELS MICO_SHARED_DIR "/data/models-tflite-int8/"

static const struct model {
    const char *name, *spec;
    size_t images, correct, ops;
} models[] = {
    {"resnet8_cifar10_i8", DATA "cifar-10-batches-bin", 10000, 8707, 15},
    {"dscnn_kws_i8",
     DATA "kws01-mfcc/mfcc49x10-s8-idx3.gz," DATA "kws01-mfcc/labels-idx1-ubyte.gz",
     1000, 901, 12},
    {"lenet300_mnist_i8", DATA "mnist", 10000, 9815, 4},
};
#define N_MODELS (sizeof models / sizeof *models)

/* All images, but under a sanitizer, which is slow, only the first of them. */
#ifdef __SANITIZE_ADDRESS__
#define MOST_IMAGES ((size_t)500)
#else
#define MOST_IMAGES SIZE_MAX
#endif

/* ---- one network, its data and its evaluator --------------------------------------
 */

typedef struct subject {
    mico_net *net;
    mico_dataset *data;
    mico_calib *calib;
    mico_eval *eval;
    mico_scheme scheme;
    mico_err err;
} subject;

static void scheme_of_all(mico_scheme *scheme, size_t layers, uint8_t width)
{
    scheme->n_layers = layers;
    for (size_t g = 0; g < 2 * layers; g++)
        scheme->bits[g] = width;
}

/* path: of the network; calibration sees few images, its numbers are not used. */
static bool subject_open(subject *s, const char *path, const struct model *m,
                         mico_profile profile)
{
    mico_quant quant = mico_quant_default;
    mico_split few;

    memset(s, 0, sizeof *s);
    quant.profile = profile;
    if (mico_net_load(&s->net, path, &s->err) != MICO_OK ||
        mico_dataset_load(&s->data, m->spec, NULL, &s->err) != MICO_OK)
        return false;
    few = (mico_split){&s->data->test, 0, 16};
    if (mico_calibrate(&s->calib, s->net, &few, &quant, &s->err) != MICO_OK)
        return false;
    s->eval = mico_eval_new(s->net, s->calib, &quant);
    scheme_of_all(&s->scheme, s->net->n_layers, 8);
    return true;
}

static void subject_close(subject *s)
{
    if (s->err.status != MICO_OK)
        printf("\n    %s\n", s->err.text);
    CU_ASSERT_EQUAL(s->err.status, MICO_OK);
    mico_eval_free(s->eval);
    mico_calib_free(s->calib);
    mico_dataset_free(s->data);
    mico_net_free(s->net);
}

static void model_path(const struct model *m, const char *file, char out[512])
{
    snprintf(out, 512, MODELS "%s/%s", m->name, file);
}

/* ---- predictions ------------------------------------------------------------------
 */

/* Number of predictions that differ from preds.u8; SIZE_MAX on failure. */
static size_t wrong_predictions(subject *s, const struct model *m, size_t images)
{
    mico_split split = {&s->data->test, 0, images};
    mico_result result = {.predictions = mico_xcalloc(images, sizeof(uint16_t))};
    char path[512];
    uint8_t *want = NULL;
    size_t n_want, wrong = SIZE_MAX;

    model_path(m, "preds.u8", path);
    if (mico_file_read(&want, &n_want, path, 1 << 20, &s->err) == MICO_OK &&
        mico_eval_int(s->eval, &s->scheme, &split, &result, &s->err) == MICO_OK) {
        CU_ASSERT_EQUAL_FATAL(n_want, m->images);
        CU_ASSERT_EQUAL_FATAL(result.images, images);
        if (images == m->images)
            CU_ASSERT_EQUAL(result.correct, m->correct);
        wrong = 0;
        for (size_t i = 0; i < images; i++)
            wrong += result.predictions[i] != want[i];
    }
    free(want);
    free(result.predictions);
    return wrong;
}

static void t_predictions(void)
{
    for (size_t i = 0; i < N_MODELS && mico_test_shared("predictions"); i++) {
        char path[512];
        subject s;

        model_path(&models[i], "graph.txt", path);
        if (subject_open(&s, path, &models[i], MICO_PROFILE_TFLITE)) {
            size_t images =
                models[i].images < MOST_IMAGES ? models[i].images : MOST_IMAGES;
            size_t wrong = wrong_predictions(&s, &models[i], images);

            printf("\n    %s: %zu of %zu predictions differ", models[i].name, wrong,
                   images);
            CU_ASSERT_EQUAL(wrong, 0);
        }
        subject_close(&s);
    }
}

/* The portable kernels on some images, from the folder's path. */
static void t_portable(void)
{
    for (size_t i = 0; i < N_MODELS && mico_test_shared("predictions"); i++) {
        char path[512];
        subject s;

        model_path(&models[i], "", path);
        if (subject_open(&s, path, &models[i], MICO_PROFILE_TFLITE)) {
            mico_eval_set_isa(s.eval, "c");
            CU_ASSERT_EQUAL(wrong_predictions(&s, &models[i], 20), 0);
        }
        subject_close(&s);
    }
}

/* ---- tensors ----------------------------------------------------------------------
 */

typedef struct golden {
    const char *text; /* behind the last line that was used */
    size_t equal, seen;
} golden;

static uint64_t fnv1a(const uint8_t *codes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++) /* as int8: code - 128 */
        hash = (hash ^ (uint8_t)(codes[i] ^ 0x80)) * 0x100000001b3u;
    return hash;
}

/* Tensors come in the order of the lines "op vN kind elems N sum S fnv1a64 H". */
static void see(void *ctx, const mico_plan *plan, size_t tensor, const uint8_t *codes)
{
    golden *g = ctx;
    size_t elements = mico_shape_count(&plan->tensor[tensor].shape), want_elements = 0;
    unsigned long long want_hash = 0;
    long long want_sum = 0, sum = 0;

    if (tensor == plan->op[0].out)
        return; /* the input has no line */
    g->text = strstr(g->text, "\nop ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(g->text);
    g->text++;
    CU_ASSERT_EQUAL_FATAL(sscanf(g->text, "op %*s %*s elems %zu sum %lld fnv1a64 %llx",
                                 &want_elements, &want_sum, &want_hash),
                          3);
    for (size_t i = 0; i < elements; i++)
        sum += codes[i] - 128;
    g->seen++;
    g->equal += elements == want_elements && sum == want_sum &&
                fnv1a(codes, elements) == want_hash;
}

static void check_tensors(const struct model *m, const char *isa)
{
    char path[512];
    uint8_t *text = NULL;
    golden g = {0};
    size_t n;
    subject s;

    model_path(m, "graph.txt", path);
    if (subject_open(&s, path, m, MICO_PROFILE_TFLITE)) {
        model_path(m, "golden.txt", path);
        mico_eval_set_isa(s.eval, isa);
        if (mico_file_read(&text, &n, path, 1 << 20, &s.err) == MICO_OK) {
            g.text = (const char *)text;
            mico_eval_trace(s.eval, &s.scheme, &s.data->test, 0, see, &g, &s.err);
        }
    }
    printf("\n    %s, %s: %zu of %zu operators have the golden hash", m->name,
           isa != NULL ? isa : "all kernels", g.equal, m->ops);
    CU_ASSERT_EQUAL(g.seen, m->ops);
    CU_ASSERT_EQUAL(g.equal, m->ops);
    free(text);
    subject_close(&s);
}

static void t_tensors(void)
{
    for (size_t i = 0; i < N_MODELS && mico_test_shared("tensors"); i++) {
        check_tensors(&models[i], NULL);
        check_tensors(&models[i], "c");
    }
}

/* ---- outputs ----------------------------------------------------------------------
 */

/* The int8 values of the output. */
typedef struct outputs {
    long value[64];
    size_t n;
} outputs;

static void see_outputs(void *ctx, const mico_plan *plan, size_t tensor,
                        const uint8_t *codes)
{
    outputs *o = ctx;

    if (tensor != plan->output)
        return;
    o->n = mico_shape_count(&plan->tensor[tensor].shape);
    CU_ASSERT_FATAL(o->n <= 64);
    for (size_t i = 0; i < o->n; i++)
        o->value[i] = codes[i] - 128L;
}

/* The line "out I label L pred P : v v v ..." of sample i. */
static bool outputs_equal(const char *text, size_t i, const outputs *o)
{
    char begin[32];
    const char *at;
    char *end;

    snprintf(begin, sizeof begin, "\nout %zu ", i);
    at = strstr(text, begin);
    at = at != NULL ? strchr(at, ':') : NULL;
    if (at == NULL || o->n == 0)
        return false;
    at++;
    for (size_t k = 0; k < o->n; k++, at = end)
        if (strtol(at, &end, 10) != o->value[k] || end == at)
            return false;
    return *at == '\n';
}

static void t_outputs(void)
{
    for (size_t i = 0; i < N_MODELS && mico_test_shared("outputs"); i++) {
        char path[512];
        uint8_t *text = NULL;
        size_t n, equal = 0;
        subject s;

        model_path(&models[i], "graph.txt", path);
        if (subject_open(&s, path, &models[i], MICO_PROFILE_TFLITE)) {
            model_path(&models[i], "golden.txt", path);
            CU_ASSERT_EQUAL(mico_file_read(&text, &n, path, 1 << 20, &s.err), MICO_OK);
            for (size_t image = 0; image < 4 && s.err.status == MICO_OK; image++) {
                outputs o = {{0}, 0};

                mico_eval_trace(s.eval, &s.scheme, &s.data->test, image, see_outputs,
                                &o, &s.err);
                equal += outputs_equal((const char *)text, image, &o);
            }
        }
        printf("\n    %s: %zu of 4 listed outputs are equal", models[i].name, equal);
        CU_ASSERT_EQUAL(equal, 4);
        free(text);
        subject_close(&s);
    }
}

/* ---- the rest ---------------------------------------------------------------------
 */

/* The integers survive the network file. */
static void t_file(void)
{
    char path[512], saved[64];
    mico_net *net = NULL;
    mico_err err = {0};
    subject s;

    if (!mico_test_shared("the network file"))
        return;
    snprintf(saved, sizeof saved, "/tmp/test_eval_tflite_%ld.h5", (long)getpid());
    model_path(&models[1], "graph.txt", path);
    CU_ASSERT_EQUAL_FATAL(mico_net_load(&net, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_net_save(net, saved, &err), MICO_OK);
    if (subject_open(&s, saved, &models[1], MICO_PROFILE_TFLITE)) {
        CU_ASSERT_EQUAL(s.net->hash, net->hash);
        CU_ASSERT_EQUAL(wrong_predictions(&s, &models[1], models[1].images), 0);
    }
    unlink(saved);
    subject_close(&s);
    mico_net_free(net);
}

static void t_refused(void)
{
    char path[512];
    mico_split split;
    mico_result result = {0};
    mico_err err = {0};
    subject s;

    if (!mico_test_shared("refusals"))
        return;
    model_path(&models[2], "graph.txt", path);
    if (subject_open(&s, path, &models[2], MICO_PROFILE_TFLITE)) {
        split = (mico_split){&s.data->test, 0, 10};
        s.scheme.bits[1] = 4;
        CU_ASSERT_EQUAL(mico_eval_int(s.eval, &s.scheme, &split, &result, &err),
                        MICO_ESCHEME);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "only w8a8"));
    }
    subject_close(&s);
    /* a network without integers of its own */
    if (subject_open(&s, MICO_SHARED_DIR "/data/models/lenet_mnist_f32.onnx",
                     &models[2], MICO_PROFILE_TFLITE)) {
        split = (mico_split){&s.data->test, 0, 10};
        CU_ASSERT_EQUAL(mico_eval_int(s.eval, &s.scheme, &split, &result, &err),
                        MICO_ENET);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "profile tflite needs"));
    }
    subject_close(&s);
}

/* Under the other profiles it is the float network that the integers stand for. */
static void t_ordinary(void)
{
    char path[512];
    subject s;

    if (!mico_test_shared("the float network"))
        return;
    model_path(&models[2], "graph.txt", path);
    if (subject_open(&s, path, &models[2], MICO_PROFILE_INTEGER)) {
        mico_split split = {&s.data->test, 0, 1000};
        mico_result fp32 = {0}, integer = {0};

        CU_ASSERT_EQUAL(mico_eval_fp32(s.eval, &split, &fp32, &s.err), MICO_OK);
        CU_ASSERT_EQUAL(mico_eval_int(s.eval, &s.scheme, &split, &integer, &s.err),
                        MICO_OK);
        printf("\n    %s: tflite 9815 of 10000; fp32 %u and integer %u of 1000",
               models[2].name, (unsigned)fp32.correct, (unsigned)integer.correct);
        CU_ASSERT(fp32.correct > 970 && integer.correct > 960);
        s.scheme.bits[0] = 4; /* any scheme */
        CU_ASSERT_EQUAL(mico_eval_int(s.eval, &s.scheme, &split, &integer, &s.err),
                        MICO_OK);
    }
    subject_close(&s);
}

MICO_SUITE("eval", {"refused", t_refused}, {"tensors", t_tensors},
           {"outputs", t_outputs}, {"portable", t_portable},
           {"predictions", t_predictions}, {"file", t_file}, {"ordinary", t_ordinary})
