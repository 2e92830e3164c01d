/* Tests of the fp32 runner: every node kind against plain loops in double, the ONNX
 * project's own node models, scores, calibration observations, errors. */
#include "data/data.h"
#include "eval/eval.h"
#include "eval/eval_internal.h"
#include "support/eval_build.h"
#include "support/eval_naive.h"
#include "support/suite.h"

#include "core/file.h"
#include "onnx.pb-c.h"

#include <math.h>
#include <stdlib.h>

/* ---- node kinds --------------------------------------------------------------------
 */

/* All tensors of a run over few images (one chunk). */
typedef struct capture {
    size_t n_tensors;
    float **value; /* [n_tensors] */
} capture;

static void keep(void *ctx, size_t tensor, const float *values, size_t count)
{
    capture *c = ctx;

    CU_ASSERT_PTR_NULL(c->value[tensor]);
    c->value[tensor] = mico_xcalloc(count, sizeof(float));
    memcpy(c->value[tensor], values, count * sizeof *values);
}

static void capture_free(capture *c)
{
    for (size_t t = 0; t < c->n_tensors; t++)
        free(c->value[t]);
    free(c->value);
}

/* Elements of one node over n images that differ from the plain loops. A float sum of
 * up to a few hundred terms is trusted to 5e-6 of the sum of their magnitudes (its
 * worst case is terms * 6e-8); what adds nothing must be exact. */
static size_t count_wrong(const mico_net *net, const mico_node *node, const capture *c,
                          size_t n)
{
    size_t count = mico_shape_count(&net->tensor[node->out].shape), wrong = 0;

    for (size_t image = 0; image < n; image++) {
        const float *in[MICO_MAX_INPUTS];

        for (size_t k = 0; k < node->n_in; k++)
            in[k] = c->value[node->in[k]] +
                    image * mico_shape_count(&net->tensor[node->in[k]].shape);
        for (size_t i = 0; i < count; i++) {
            double size, want = naive_element(net, node, in, i, &size);
            double got = c->value[node->out][image * count + i];

            wrong += !(fabs(got - want) <= 5e-6 * size);
        }
    }
    return wrong;
}

/* Runs the network and checks each node on the runner's own inputs. Frees the network.
 */
static void check_net(mico_net *net)
{
    size_t n = 3;
    mico_data data;
    capture c;
    float *logits;
    mico_err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    data = eval_data(net, n, MICO_RAW_F32, 7);
    c = (capture){net->n_tensors, mico_xcalloc(net->n_tensors, sizeof(float *))};
    logits = mico_xcalloc(n * data.n_classes, sizeof *logits);
    CU_ASSERT_EQUAL_FATAL(mico_forward_fp32(net, &data, 0, n, logits, keep, &c, &err),
                          MICO_OK);
    CU_ASSERT_EQUAL(memcmp(c.value[net->input], data.raw,
                           n * mico_shape_count(&data.shape) * sizeof(float)),
                    0);
    for (size_t i = 0; i < net->n_nodes; i++) {
        size_t wrong = count_wrong(net, &net->node[i], &c, n);

        if (wrong > 0)
            printf("\n    node %s (%s): %zu wrong\n", net->node[i].name,
                   mico_node_text(&net->node[i]), wrong);
        CU_ASSERT_EQUAL(wrong, 0);
    }
    CU_ASSERT_EQUAL(
        memcmp(logits, c.value[net->output], n * data.n_classes * sizeof *logits), 0);
    free(logits);
    capture_free(&c);
    eval_data_free(&data);
    mico_net_free(net);
}

static void t_conv(void)
{
    static const struct {
        size_t c_in, c_out, groups, h, w;
        mico_window window;
    } set[] = {
        {3, 5, 1, 9, 7, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
        {4, 8, 1, 10, 11, {3, 3, 2, 2, 1, 1, 0, 0, 1, 1}}, /* TensorFlow's SAME */
        {4, 8, 1, 12, 5, {1, 1, 1, 1, 1, 1, 0, 0, 0, 0}},
        {4, 6, 1, 9, 9, {1, 1, 2, 2, 1, 1, 0, 0, 0, 0}},
        {4, 6, 2, 9, 9, {5, 3, 1, 2, 1, 1, 2, 0, 1, 3}},
        {6, 6, 6, 8, 9, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
        {3, 6, 3, 8, 9, {3, 3, 2, 1, 1, 1, 1, 1, 1, 1}},   /* two outputs a channel */
        {2, 4, 1, 11, 12, {3, 2, 1, 1, 3, 2, 2, 3, 0, 1}}, /* dilated */
        {2, 4, 2, 11, 12, {3, 2, 2, 3, 2, 2, 1, 0, 0, 0}},
        {1, 3, 1, 4, 4, {3, 3, 1, 1, 1, 1, 6, 7, 8, 5}}, /* windows of padding only */
        {1, 64, 1, 49, 10, {10, 4, 2, 2, 1, 1, 4, 1, 5, 1}},
        {40, 2, 1, 60, 70, {5, 5, 1, 1, 1, 1, 2, 2, 2, 2}}, /* several im2col tiles */
        {512, 1, 1, 4, 40, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}}, /* one row is a tile */
    };

    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
        for (int bias = 0; bias < 2; bias++) {
            eval_build b;
            size_t in = eval_begin(&b, i + 1, set[i].c_in, set[i].h, set[i].w);

            check_net(eval_end(&b, eval_conv(&b, in, set[i].c_in, set[i].c_out,
                                             set[i].groups, set[i].window, bias)));
        }
}

static void t_linear_add_clip(void)
{
    eval_build b;
    size_t in = eval_begin(&b, 1, 37, 0, 0), x, y;

    x = eval_linear(&b, in, 37, 19, true);
    y = eval_linear(&b, in, 37, 19, false);
    x = eval_add(&b, eval_relu(&b, x), eval_clip(&b, y, -0.25f, 0.5f));
    x = eval_add(&b, x, x);
    x = eval_clip(&b, x, -INFINITY, 0.75f);
    check_net(eval_end(&b, eval_linear(&b, x, 19, 1, true)));
}

static void t_pools(void)
{
    static const mico_window window[] = {
        {2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, {3, 3, 2, 2, 1, 1, 1, 1, 1, 1},
        {3, 2, 1, 3, 1, 1, 1, 0, 0, 1}, {9, 8, 1, 1, 1, 1, 0, 0, 0, 0},
        {5, 5, 5, 5, 1, 1, 2, 2, 2, 2},
    };
    static const mico_window dilated = {2, 3, 1, 2, 2, 2, 1, 1, 1, 1};
    eval_build b;
    size_t in;

    for (size_t i = 0; i < sizeof window / sizeof window[0]; i++) {
        in = eval_begin(&b, i, 4, 9, 8);
        check_net(eval_end(&b, eval_pool(&b, MICO_NODE_MAXPOOL, in, window[i], false)));
        in = eval_begin(&b, i, 4, 9, 8);
        check_net(eval_end(&b, eval_pool(&b, MICO_NODE_AVGPOOL, in, window[i], false)));
        in = eval_begin(&b, i, 4, 9, 8);
        check_net(eval_end(&b, eval_pool(&b, MICO_NODE_AVGPOOL, in, window[i], true)));
    }
    in = eval_begin(&b, 9, 4, 9, 8);
    check_net(eval_end(&b, eval_pool(&b, MICO_NODE_MAXPOOL, in, dilated, false)));
}

static void t_moves(void)
{
    static const size_t perms[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                      {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    eval_build b;
    mico_node *node;
    size_t in;

    for (size_t i = 0; i < 6; i++) {
        in = eval_begin(&b, i, 3, 4, 5);
        node = eval_node(&b, MICO_NODE_TRANSPOSE, 1, &in);
        memcpy(node->perm, perms[i], sizeof perms[i]);
        check_net(eval_end(&b, node->out));
    }
    in = eval_begin(&b, 1, 3, 7, 9);
    node = eval_node(&b, MICO_NODE_SLICE, 1, &in);
    memcpy(node->start, (size_t[]){1, 0, 2}, sizeof node->start);
    memcpy(node->stop, (size_t[]){3, 7, 9}, sizeof node->stop);
    memcpy(node->step, (size_t[]){1, 2, 3}, sizeof node->step);
    check_net(eval_end(&b, node->out));

    in = eval_begin(&b, 1, 3, 7, 9);
    node = eval_node(&b, MICO_NODE_PAD, 1, &in);
    memcpy(node->pad_before, (size_t[]){2, 0, 1}, sizeof node->pad_before);
    memcpy(node->pad_after, (size_t[]){1, 3, 0}, sizeof node->pad_after);
    check_net(eval_end(&b, node->out));

    in = eval_begin(&b, 1, 12, 0, 0);
    node = eval_node(&b, MICO_NODE_PAD, 1, &in);
    node->pad_before[0] = 2;
    node->pad_after[0] = 5;
    in = node->out;
    node = eval_node(&b, MICO_NODE_SLICE, 1, &in);
    node->start[0] = 1;
    node->stop[0] = 18;
    node->step[0] = 4;
    check_net(eval_end(&b, node->out));

    in = eval_begin(&b, 1, 12, 0, 0); /* rank 2 between two reshapes */
    node = eval_node(&b, MICO_NODE_RESHAPE, 1, &in);
    node->shape = (mico_shape){2, {3, 4}};
    in = node->out;
    node = eval_node(&b, MICO_NODE_TRANSPOSE, 1, &in);
    memcpy(node->perm, (size_t[]){1, 0, 0}, sizeof node->perm);
    in = node->out;
    node = eval_node(&b, MICO_NODE_RESHAPE, 1, &in);
    node->shape = (mico_shape){1, {12}};
    check_net(eval_end(&b, node->out));
}

static void t_concat_graph(void)
{
    eval_build b;
    size_t in = eval_begin(&b, 1, 3, 6, 6), branch[3], x;
    mico_node *node;

    branch[0] = eval_conv(&b, in, 3, 4, 1, eval_window(3, 1, 1), true);
    branch[1] = eval_pool(&b, MICO_NODE_AVGPOOL, in, eval_window(3, 1, 1), false);
    branch[2] = eval_relu(&b, branch[0]);
    x = eval_node(&b, MICO_NODE_CONCAT, 3, branch)->out;
    x = eval_conv(&b, x, 11, 5, 1, eval_window(3, 2, 1), true);
    x = eval_flatten(&b, x);
    branch[0] = eval_linear(&b, x, 45, 7, true);
    branch[1] = eval_relu(&b, x);
    node = eval_node(&b, MICO_NODE_CONCAT, 2, branch);
    check_net(eval_end(&b, eval_linear(&b, node->out, 52, 4, true)));
}

/* ---- preprocessing, chunks, scores -------------------------------------------------
 */

static void see_input(void *ctx, size_t tensor, const float *values, size_t count)
{
    if (tensor == 0)
        memcpy(ctx, values, count * sizeof *values);
}

static void t_preprocess(void)
{
    static const float mul[3] = {0.5f, -0.017124754f, 3},
                       add[3] = {1, -2.117904f, 0.1f};
    eval_build b;
    size_t in = eval_begin(&b, 1, 3, 2, 2), x;
    mico_net *net;
    mico_data u8, s8;
    float got[24];
    mico_err err;

    x = eval_flatten(&b, in);
    net = eval_end(&b, eval_linear(&b, x, 12, 2, true));
    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    CU_ASSERT_EQUAL_FATAL(net->input, 0);
    CU_ASSERT_EQUAL_FATAL(mico_net_set_preprocess(net, mul, add, 3, &err), MICO_OK);
    u8 = eval_data(net, 2, MICO_RAW_U8, 3);
    CU_ASSERT_EQUAL(mico_forward_fp32(net, &u8, 0, 2, NULL, see_input, got, &err),
                    MICO_OK);
    for (size_t i = 0; i < 24; i++) {
        float product = (float)((uint8_t *)u8.raw)[i] * mul[i / 4 % 3];

        CU_ASSERT_EQUAL(got[i], product + add[i / 4 % 3]);
    }
    s8 = eval_data(net, 2, MICO_RAW_S8, 3);
    CU_ASSERT_EQUAL_FATAL(mico_net_set_preprocess(net, mul, add, 1, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_forward_fp32(net, &s8, 1, 1, NULL, see_input, got, &err),
                    MICO_OK);
    for (size_t i = 0; i < 12; i++)
        CU_ASSERT_EQUAL(got[i], (float)((int8_t *)s8.raw)[12 + i] * 0.5f + 1);
    eval_data_free(&u8);
    eval_data_free(&s8);
    mico_net_free(net);
}

/* A network whose logits are its three inputs. */
static mico_net *identity_net(void)
{
    static const float eye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    eval_build b;
    size_t in = eval_begin(&b, 1, 3, 0, 0);
    const float *w = mico_net_floats(b.net, eye, 9);
    mico_node *node = eval_node(&b, MICO_NODE_LINEAR, 1, &in);

    node->c_in = node->c_out = 3;
    node->weight = w;
    return eval_end(&b, node->out);
}

static void t_scores(void)
{
    float raw[12] = {1, 1, 0, /* a tie: the lower index */
                     0, 2, 2, 90, -90, 0, 3, 3, 3};
    uint16_t label[4] = {0, 2, 1, 2}, predictions[4] = {9, 9, 9, 9};
    mico_net *net = identity_net();
    mico_data data = {.n = 4,
                      .shape = {1, {3}},
                      .type = MICO_RAW_F32,
                      .raw = raw,
                      .label = label,
                      .n_classes = 3};
    mico_split split = {&data, 0, 4};
    mico_result result = {.predictions = predictions};
    mico_eval *eval = mico_eval_new(net, NULL, &mico_quant_default);
    mico_err err;
    double want;

    CU_ASSERT_EQUAL_FATAL(mico_eval_fp32(eval, &split, &result, &err), MICO_OK);
    CU_ASSERT_EQUAL(result.images, 4);
    CU_ASSERT_EQUAL(result.correct, 1);
    CU_ASSERT(predictions[0] == 0 && predictions[1] == 1 && predictions[2] == 0 &&
              predictions[3] == 0);
    want = (log(2 + exp(-1)) + log(2 + exp(-2)) + 180 + log(3)) / 4;
    CU_ASSERT_DOUBLE_EQUAL(result.loss, want, 1e-12);
    CU_ASSERT(result.seconds >= 0 && result.seconds < 60);

    /* a part of the data */
    split = (mico_split){&data, 2, 1};
    CU_ASSERT_EQUAL(mico_eval_run(eval, MICO_MODE_FP32, NULL, &split, &result, &err),
                    MICO_OK);
    CU_ASSERT(result.images == 1 && result.correct == 0 && predictions[0] == 0);
    CU_ASSERT_DOUBLE_EQUAL(result.loss, 180, 1e-12);

    /* errors: too many images, another shape, a label too large, not a number */
    split = (mico_split){&data, 2, 3};
    CU_ASSERT_EQUAL(mico_eval_fp32(eval, &split, &result, &err), MICO_EDATA);
    split = (mico_split){&data, SIZE_MAX, 2};
    CU_ASSERT_EQUAL(mico_eval_fp32(eval, &split, &result, &err), MICO_EDATA);
    CU_ASSERT_EQUAL(mico_forward_fp32(net, &data, 5, 1, NULL, NULL, NULL, &err),
                    MICO_EDATA);
    split = (mico_split){&data, 0, 4};
    data.shape.dim[0] = 4;
    CU_ASSERT_EQUAL(mico_eval_fp32(eval, &split, &result, &err), MICO_EDATA);
    data.shape.dim[0] = 3;
    data.n_classes = 4;
    CU_ASSERT_EQUAL(mico_eval_fp32(eval, &split, &result, &err), MICO_EDATA);
    data.n_classes = 3;
    raw[7] = NAN;
    CU_ASSERT_EQUAL(mico_eval_fp32(eval, &split, &result, &err), MICO_ENET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "image 2"));
    mico_eval_free(eval);
    mico_net_free(net);
}

/* Many images make several chunks; each image's logits are those it has alone. */
static void t_chunks(void)
{
    eval_build b;
    size_t x = eval_begin(&b, 1, 16, 32, 32), n = 200;
    mico_net *net;
    mico_data data;
    float *all, one[10];
    mico_floats *floats;
    mico_err err;

    for (int i = 0; i < 3; i++)
        x = eval_conv(&b, x, 16, 16, 1, eval_window(3, i > 0 ? 2 : 1, 1), true);
    x = eval_pool(&b, MICO_NODE_AVGPOOL, eval_relu(&b, x), eval_window(8, 8, 0), false);
    net = eval_end(&b, eval_linear(&b, eval_flatten(&b, x), 16, 10, true));
    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    data = eval_data(net, n, MICO_RAW_F32, 5);
    all = mico_xcalloc(n * 10, sizeof *all);
    CU_ASSERT_EQUAL_FATAL(mico_floats_new(&floats, net, &err), MICO_OK);
    CU_ASSERT(floats->chunk > 1 && floats->chunk < 64);
    mico_floats_free(floats);
    CU_ASSERT_EQUAL(mico_forward_fp32(net, &data, 0, n, all, NULL, NULL, &err),
                    MICO_OK);
    for (size_t i = 0; i < n; i += 37) {
        CU_ASSERT_EQUAL(mico_forward_fp32(net, &data, i, 1, one, NULL, NULL, &err),
                        MICO_OK);
        for (size_t c = 0; c < 10; c++)
            CU_ASSERT_DOUBLE_EQUAL(one[c], all[i * 10 + c], 1e-4);
    }
    free(all);
    eval_data_free(&data);
    mico_net_free(net);
}

/* ---- calibration -------------------------------------------------------------------
 */

static void t_calibrate(void)
{
    float raw[6] = {1, -2, 0.5f, 4, 0, 0.25f};
    uint16_t label[2] = {0, 1};
    mico_net *net = identity_net();
    mico_data data = {.n = 2,
                      .shape = {1, {3}},
                      .type = MICO_RAW_F32,
                      .raw = raw,
                      .label = label,
                      .n_classes = 3};
    mico_split split = {&data, 0, 0};
    mico_quant quant = mico_quant_default;
    mico_observation *seen = mico_xcalloc(1, sizeof *seen);
    mico_calib *calib = NULL;
    mico_err err;

    CU_ASSERT_EQUAL(mico_calibrate(&calib, net, &split, &quant, &err), MICO_EDATA);
    raw[4] = INFINITY;
    split.count = 2;
    CU_ASSERT_EQUAL(mico_calibrate(&calib, net, &split, &quant, &err), MICO_ENET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "input"));
    raw[4] = 0;
    split.count = 3;
    CU_ASSERT_EQUAL(mico_calibrate(&calib, net, &split, &quant, &err), MICO_EDATA);
    CU_ASSERT_PTR_NULL(calib);

    split.count = 2;
    CU_ASSERT_EQUAL_FATAL(mico_calibrate(&calib, net, &split, &quant, &err), MICO_OK);
    CU_ASSERT_EQUAL(calib->n_tensors, net->n_tensors);
    seen->min = -2;
    seen->max = 4;
    seen->count = 6;
    seen->mean_abs = 7.75 / 6;
    seen->bin_width = 4.0 / MICO_HISTOGRAM_BINS;
    /* 0, 0.25, 0.5, 1, 2 are whole numbers of bins; 4 falls into the last */
    seen->bins[0] = seen->bins[256] = seen->bins[512] = 1;
    seen->bins[1024] = seen->bins[2048] = seen->bins[4095] = 1;
    for (size_t t = 0; t < net->n_tensors; t++) {
        CU_ASSERT(calib->tensor[t].min == -2 && calib->tensor[t].max == 4);
        for (size_t i = 0; i < MICO_N_WIDTHS; i++)
            for (int s = 0; s < 2; s++)
                CU_ASSERT_EQUAL(calib->tensor[t].scale[s][i],
                                mico_act_scale(seen, mico_width_at(i), s, &quant));
    }
    mico_calib_free(calib);
    free(seen);
    mico_net_free(net);
}

/* ---- the ONNX project's node models ------------------------------------------------
 */

#define NODES "/usr/share/libonnx-testdata/data/node/"

/* Floats of a tensor file; NULL where it is not of floats. */
static float *read_tensor(const char *path, size_t *n)
{
    Onnx__TensorProto *t = NULL;
    uint8_t *bytes = NULL;
    float *out = NULL;
    size_t size;
    mico_err err;

    if (mico_file_read(&bytes, &size, path, 1 << 24, &err) != MICO_OK)
        return NULL;
    t = onnx__tensor_proto__unpack(NULL, size, bytes);
    if (t != NULL && t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        *n = t->has_raw_data ? t->raw_data.len / sizeof(float) : t->n_float_data;
        out = mico_xcalloc(*n + 1, sizeof *out);
        memcpy(out, t->has_raw_data ? (void *)t->raw_data.data : (void *)t->float_data,
               *n * sizeof *out);
    }
    if (t != NULL)
        onnx__tensor_proto__free_unpacked(t, NULL);
    free(bytes);
    return out;
}

static Onnx__ModelProto *read_model(const char *path)
{
    Onnx__ModelProto *model;
    uint8_t *bytes = NULL;
    size_t size;
    mico_err err;

    if (mico_file_read(&bytes, &size, path, 1 << 24, &err) != MICO_OK)
        return NULL;
    model = onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    return model;
}

/* Turns the model's inputs behind the first into initializers with the values of the
 * test's input files, since networks have one input. */
static bool fix_inputs(Onnx__ModelProto *model, const char *dir)
{
    Onnx__GraphProto *graph = model->graph;

    while (graph->n_input > 1) {
        Onnx__ValueInfoProto *last = graph->input[--graph->n_input];
        Onnx__TensorProto *tensor;
        uint8_t *bytes = NULL;
        char path[256];
        size_t size;
        mico_err err;

        snprintf(path, sizeof path, "%s/test_data_set_0/input_%zu.pb", dir,
                 graph->n_input);
        if (mico_file_read(&bytes, &size, path, 1 << 24, &err) != MICO_OK)
            return false;
        tensor = onnx__tensor_proto__unpack(NULL, size, bytes);
        free(bytes);
        if (tensor == NULL)
            return false;
        free(tensor->name);
        tensor->name = mico_xstrdup(last->name);
        graph->initializer = mico_xrealloc(graph->initializer, graph->n_initializer + 1,
                                           sizeof *graph->initializer);
        graph->initializer[graph->n_initializer++] = tensor;
        onnx__value_info_proto__free_unpacked(last, NULL);
    }
    return true;
}

static mico_status import_node_model(mico_net **net, const char *dir, mico_err *err)
{
    char path[256];
    Onnx__ModelProto *model;
    uint8_t *bytes;
    size_t size;
    mico_status rc = MICO_EIO;

    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if ((model = read_model(path)) == NULL)
        return mico_fail(err, MICO_EIO, "%s: unreadable", path);
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (model->opset_import[i]->version < 7) /* the operators here did not change */
            model->opset_import[i]->version = 7;
    if (fix_inputs(model, dir)) {
        bytes = mico_xcalloc(onnx__model_proto__get_packed_size(model), 1);
        size = onnx__model_proto__pack(model, bytes);
        rc = mico_net_from_onnx(net, bytes, size, "node", err);
        free(bytes);
    }
    onnx__model_proto__free_unpacked(model, NULL);
    return rc;
}

/* Largest difference to the model's published output; negative where something fails.
 */
static double node_model_error(const char *name, mico_err *err)
{
    char dir[128], path[256];
    float *in = NULL, *want = NULL, *got = NULL;
    size_t n_in = 0, n_want = 0, outputs;
    mico_net *net = NULL;
    mico_data data = {.type = MICO_RAW_F32};
    double error = -1;

    mico_fail(err, MICO_EBUG, "tensor files do not fit the network");
    snprintf(dir, sizeof dir, NODES "%s", name);
    snprintf(path, sizeof path, "%s/test_data_set_0/input_0.pb", dir);
    in = read_tensor(path, &n_in);
    snprintf(path, sizeof path, "%s/test_data_set_0/output_0.pb", dir);
    want = read_tensor(path, &n_want);
    if (in == NULL || want == NULL || import_node_model(&net, dir, err) != MICO_OK)
        goto out;
    data.shape = net->tensor[net->input].shape;
    data.n = n_in / mico_shape_count(&data.shape);
    data.raw = in;
    data.n_classes = 1;
    data.label = mico_xcalloc(data.n, sizeof *data.label);
    outputs = mico_shape_count(&net->tensor[net->output].shape);
    if (data.n * outputs != n_want)
        goto out;
    got = mico_xcalloc(n_want, sizeof *got);
    if (mico_forward_fp32(net, &data, 0, data.n, got, NULL, NULL, err) != MICO_OK)
        goto out;
    error = 0;
    for (size_t i = 0; i < n_want; i++)
        error = fmax(error, fabs((double)got[i] - (double)want[i]));
out:
    free(data.label);
    free(in);
    free(want);
    free(got);
    mico_net_free(net);
    return error;
}

static void t_onnx_nodes(void)
{
    static const char *const exact[] = {
        "test_maxpool_2d_default",
        "test_maxpool_2d_dilations",
        "test_maxpool_2d_pads",
        "test_maxpool_2d_precomputed_pads",
        "test_maxpool_2d_precomputed_same_upper",
        "test_maxpool_2d_precomputed_strides",
        "test_maxpool_2d_same_lower",
        "test_maxpool_2d_same_upper",
        "test_maxpool_2d_strides",
        "test_flatten_axis1",
        "test_flatten_default_axis",
        "test_relu",
        "test_clip",

        "test_clip_default_min",
        "test_clip_default_max",

    };
    /* the published values were summed in another order */
    static const char *const close[] = {
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
        "test_globalaveragepool",
        "test_globalaveragepool_precomputed",
        "test_basic_conv_with_padding",
        "test_basic_conv_without_padding",
        "test_conv_with_strides_and_asymmetric_padding",
        "test_conv_with_strides_no_padding",
        "test_conv_with_strides_padding",
        "test_gemm_default_vector_bias",
        "test_gemm_transposeB",
    };
    mico_err err;

    if (!mico_file_exists(NODES "test_relu/model.onnx")) {
        printf("\n    skipped: the node models need the package libonnx-testdata\n");
        return;
    }
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        double error = node_model_error(exact[i], &err);

        if (error != 0)
            printf("\n    %s: %g %s\n", exact[i], error, error < 0 ? err.text : "");
        CU_ASSERT_EQUAL(error, 0);
    }
    for (size_t i = 0; i < sizeof close / sizeof close[0]; i++) {
        double error = node_model_error(close[i], &err);

        if (error < 0 || error > 2e-5)
            printf("\n    %s: %g %s\n", close[i], error, error < 0 ? err.text : "");
        CU_ASSERT(error >= 0 && error <= 2e-5);
    }
}

MICO_SUITE("eval_fp32", {"convolutions", t_conv},
           {"linear, add, clip", t_linear_add_clip}, {"pools", t_pools},
           {"pad, slice, transpose, reshape", t_moves},
           {"concat and branches", t_concat_graph}, {"preprocessing", t_preprocess},
           {"scores", t_scores}, {"chunks", t_chunks}, {"calibration", t_calibrate},
           {"onnx node models", t_onnx_nodes})
