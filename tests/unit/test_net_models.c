/* ONNX import of real models: the shared networks, and the ONNX project's node tests.
 */
#include "core/file.h"
#include "core/mem.h"
#include "net/net.h"

#include "onnx.pb-c.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>

#include "support/suite.h"

#define MODELS_DIR MICO_SHARED_DIR "/data/models"
#define DATA_DIR   "/usr/share/libonnx-testdata/data"
#define NODES_DIR  DATA_DIR "/node"

static const char *const models[] = {
    "cntk_mnist_cnn_f32", "dscnn_kws_f32",        "harmlp_265_f32",
    "lenet_fashion_f32",  "lenet_mnist_f32",      "mlp_mnist16_f32",
    "mlp_optdigits_f32",  "resnet20_cifar10_f32", "resnet8_cifar10_f32",
};

static size_t json_size(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

/* One layer of the network against the entry that the model's converter wrote. */
static void check_layer(const mico_net *net, size_t l, const json_t *want)
{
    const mico_node *n = mico_layer_node(net, l);
    const mico_shape *out = &net->tensor[n->out].shape;
    const json_t *dims = json_object_get(want, "out");
    const json_t *w = json_object_get(want, "weight");
    size_t bias = json_is_true(json_object_get(want, "bias")) ? n->c_out : 0;

    CU_ASSERT_STRING_EQUAL(n->name, json_string_value(json_object_get(want, "name")));
    CU_ASSERT_EQUAL(mico_layer_macs(net, l), (double)json_size(want, "macs"));
    CU_ASSERT_EQUAL(mico_layer_weights(net, l) + bias, json_size(want, "params"));
    CU_ASSERT_EQUAL(n->bias != NULL, bias > 0);
    CU_ASSERT_EQUAL(n->groups, json_object_get(want, "group") != NULL
                                   ? json_size(want, "group")
                                   : 1);
    CU_ASSERT_EQUAL(n->c_out, (size_t)json_integer_value(json_array_get(w, 0)));
    CU_ASSERT_EQUAL(n->c_in / n->groups,
                    (size_t)json_integer_value(json_array_get(w, 1)));
    CU_ASSERT_EQUAL(out->rank, json_array_size(dims));
    for (size_t a = 0; a < out->rank; a++)
        CU_ASSERT_EQUAL(out->dim[a],
                        (size_t)json_integer_value(json_array_get(dims, a)));
}

static void check_model(const char *name)
{
    char path[512];
    mico_net *net = NULL;
    mico_err err = {0};
    json_t *doc, *layers, *mul;
    json_error_t where;

    snprintf(path, sizeof path, MODELS_DIR "/%s.onnx", name);
    CU_ASSERT_EQUAL_FATAL(mico_net_load(&net, path, &err), MICO_OK);
    snprintf(path, sizeof path, MODELS_DIR "/%s.json", name);
    doc = json_load_file(path, 0, &where);
    CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
    layers = json_object_get(doc, "layers");
    CU_ASSERT_STRING_EQUAL(net->name, name);
    CU_ASSERT_EQUAL_FATAL(net->n_layers, json_size(doc, "quantizable_layers"));
    CU_ASSERT_EQUAL_FATAL(net->n_layers, json_array_size(layers));
    CU_ASSERT_EQUAL(mico_net_params(net), json_size(doc, "params"));
    for (size_t l = 0; l < net->n_layers; l++)
        check_layer(net, l, json_array_get(layers, l));
    mul = json_object_get(json_object_get(doc, "preprocess"), "mul");
    CU_ASSERT_EQUAL(net->n_preprocess, json_array_size(mul));
    for (size_t c = 0; c < net->n_preprocess; c++)
        CU_ASSERT_EQUAL(net->mul[c], (float)json_number_value(json_array_get(mul, c)));
    CU_ASSERT_NOT_EQUAL(net->hash, 0);
    json_decref(doc);
    mico_net_free(net);
}

static void t_shared_models(void)
{
    if (!mico_test_shared("import of the shared models"))
        return;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        check_model(models[i]);
}

/* Damaged copies of a real model end in a message, never in a crash. */
static void t_damaged_model(void)
{
    mico_net *net = NULL;
    uint8_t *bytes;
    size_t n, loaded = 0, step;
    mico_err err;

    if (!mico_test_shared("damaged models"))
        return;
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, MODELS_DIR "/lenet_mnist_f32.onnx",
                                         MICO_NET_LIMIT_BYTES, &err),
                          MICO_OK);
    step = n / 400;
    for (size_t cut = 0; cut < n; cut += cut < 300 ? 1 : step) {
        uint8_t *part = mico_xcalloc(cut, 1);

        memcpy(part, bytes, cut);
        CU_ASSERT_NOT_EQUAL(mico_net_from_onnx(&net, part, cut, "cut", &err), MICO_OK);
        free(part);
    }
    srand(1);
    for (int i = 0; i < 1500; i++) {
        size_t at = (size_t)rand() % (i % 2 != 0 ? n : 3000);
        uint8_t old = bytes[i % 3 == 0 ? n - 1 - at % 3000 : at], *p;

        p = &bytes[i % 3 == 0 ? n - 1 - at % 3000 : at];
        *p = (uint8_t)rand();
        if (mico_net_from_onnx(&net, bytes, n, "flip", &err) == MICO_OK) {
            loaded++;
            mico_net_free(net);
        }
        *p = old;
    }
    CU_ASSERT_TRUE(loaded > 0 && loaded < 1500);
    free(bytes);
}

/* ---- the ONNX project's node tests -------------------------------------------------
 */

/* Shape of a stored tensor without the batch, as our importer sees it. */
static bool stored_shape(const char *path, mico_shape *out)
{
    Onnx__TensorProto *t;
    uint8_t *bytes;
    size_t n;
    bool ok = false;

    if (mico_file_read(&bytes, &n, path, MICO_NET_LIMIT_BYTES, NULL) != MICO_OK)
        return false;
    t = onnx__tensor_proto__unpack(NULL, n, bytes);
    free(bytes);
    if (t != NULL && t->n_dims >= 2 && t->n_dims <= 4) {
        *out = (mico_shape){.rank = t->n_dims == 2 ? 1 : 3, .dim = {1, 1, 1}};
        out->dim[0] = (size_t)t->dims[1];
        if (t->n_dims == 3)
            out->dim[2] = (size_t)t->dims[2];
        for (size_t a = 2; t->n_dims == 4 && a < 4; a++)
            out->dim[a - 1] = (size_t)t->dims[a];
        ok = true;
    }
    if (t != NULL)
        onnx__tensor_proto__free_unpacked(t, NULL);
    return ok;
}

/* Node tests whose parameters are attributes, so that they are networks by themselves.
 */
static const char *const expected_imports[] = {
    "test_averagepool_1d_default",
    "test_averagepool_2d_default",
    "test_averagepool_2d_pads",
    "test_averagepool_2d_pads_count_include_pad",
    "test_averagepool_2d_precomputed_pads",
    "test_averagepool_2d_precomputed_pads_count_include_pad",
    "test_averagepool_2d_precomputed_same_upper",
    "test_averagepool_2d_precomputed_strides",
    "test_averagepool_2d_same_lower",
    "test_averagepool_2d_same_upper",
    "test_averagepool_2d_strides",
    "test_flatten_axis1",
    "test_flatten_default_axis",
    "test_flatten_negative_axis3",
    "test_maxpool_1d_default",
    "test_maxpool_2d_default",
    "test_maxpool_2d_dilations",
    "test_maxpool_2d_pads",
    "test_maxpool_2d_precomputed_pads",
    "test_maxpool_2d_precomputed_same_upper",
    "test_maxpool_2d_precomputed_strides",
    "test_maxpool_2d_same_lower",
    "test_maxpool_2d_same_upper",
    "test_maxpool_2d_strides",
    "test_relu",
};

/* Imports every model of a folder of the package: none crashes, each that loads has the
 * stored output's shape. Returns how many load; *n_expected of the list above do. */
static size_t check_folder(const char *folder, size_t *seen, size_t *n_expected)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t loaded = 0;

    *seen = *n_expected = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[512];
        mico_net *net = NULL;
        mico_err err = {0};
        mico_shape want = {0}, *got;

        if (strncmp(entry->d_name, "test_", 5) != 0)
            continue;
        ++*seen;
        snprintf(path, sizeof path, "%s/%.200s/model.onnx", folder, entry->d_name);
        if (mico_net_load(&net, path, &err) != MICO_OK) {
            CU_ASSERT_NOT_EQUAL(err.status, MICO_EFORMAT);
            CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
            continue;
        }
        loaded++;
        for (size_t i = 0; i < sizeof expected_imports / sizeof expected_imports[0];
             i++)
            *n_expected += strcmp(entry->d_name, expected_imports[i]) == 0;
        snprintf(path, sizeof path, "%s/%.200s/test_data_set_0/output_0.pb", folder,
                 entry->d_name);
        got = &net->tensor[net->output].shape;
        if (!stored_shape(path, &want) || got->rank != want.rank ||
            memcmp(got->dim, want.dim, want.rank * sizeof want.dim[0]) != 0) {
            printf("\n    %s: wrong output shape", entry->d_name);
            CU_FAIL("wrong output shape");
        }
        mico_net_free(net);
    }
    if (dir != NULL)
        closedir(dir);
    return loaded;
}

static bool have_package(void)
{
    if (mico_dir_exists(NODES_DIR))
        return true;
    printf("\n    skipped: the package libonnx-testdata is not installed\n");
    return false;
}

static void t_onnx_node_tests(void)
{
    size_t seen, n_expected;

    if (!have_package())
        return;
    check_folder(NODES_DIR, &seen, &n_expected);
    CU_ASSERT_TRUE(seen > 500);
    CU_ASSERT_EQUAL(n_expected, sizeof expected_imports / sizeof expected_imports[0]);
}

/* These hold their weights as constants: all of Conv1d, Conv2d, pools, Linear load. */
static void t_onnx_converted_tests(void)
{
    size_t seen, n_expected;

    if (!have_package())
        return;
    CU_ASSERT_TRUE(check_folder(DATA_DIR "/pytorch-converted", &seen, &n_expected) >=
                   32);
    CU_ASSERT_TRUE(seen >= 70);
}

static void t_weights_as_inputs(void)
{
    mico_net *net = NULL;
    mico_err err = {0};

    if (!have_package())
        return;
    CU_ASSERT_EQUAL(
        mico_net_load(&net, NODES_DIR "/test_conv_with_strides_padding/model.onnx",
                      &err),
        MICO_EUNSUP);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "weights are not constant"));
}

MICO_SUITE("net models", {"shared models", t_shared_models},
           {"damaged model", t_damaged_model}, {"onnx node tests", t_onnx_node_tests},
           {"onnx converted tests", t_onnx_converted_tests},
           {"weights as inputs", t_weights_as_inputs})
