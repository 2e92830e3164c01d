/* Tests of the fake quantisation against NumPy: tests/golden/eval/make_fake_golden.py.
 */
#include "eval/eval.h"
#include "eval/eval_internal.h"
#include "support/eval_build.h"
#include "support/suite.h"

#include <math.h>

#define GOLDEN MICO_SOURCE_DIR "/tests/golden/eval/fake_golden.txt"

/* number(salt, i) of the generator */
static float number(uint32_t salt, uint32_t i)
{
    uint32_t v = i * 2654435761u + salt * 40503u;

    v ^= v >> 15;
    v *= 2246822519u;
    v ^= v >> 13;
    return (float)((int)(v % 2048) - 1024) / 512;
}

static void fill(float *out, uint32_t salt, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = number(salt, (uint32_t)i);
}

/* Values of the next n hexadecimal float bits that differ from got. */
static size_t count_bits(FILE *f, const float *got, size_t n)
{
    size_t wrong = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t want, have;

        memcpy(&have, &got[i], sizeof have);
        wrong += fscanf(f, "%x", &want) != 1 || want != have;
    }
    return wrong;
}

/* ---- quantisers, bit for bit -------------------------------------------------------
 */

static void t_quantisers(void)
{
    FILE *f = fopen(GOLDEN, "r");
    char line[256], what[16], text[8];
    float x[120], y[120];
    size_t rows, n, n_weights = 0, n_acts = 0;
    uint8_t width;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, f)); /* who made it */
    while (fscanf(f, "%15s", what) == 1 && strcmp(what, "salt") != 0) {
        bool weights = strcmp(what, "weights") == 0;

        CU_ASSERT_EQUAL_FATAL(fscanf(f, "%7s", text), 1);
        rows = 1;
        if (!weights)
            CU_ASSERT_EQUAL_FATAL(fscanf(f, "%zu", &rows), 1);
        CU_ASSERT_EQUAL_FATAL(fscanf(f, "%zu", &n), 1);
        CU_ASSERT_FATAL(n > 0 && rows * n <= 120 && mico_width_parse(text, &width));
        fill(x, weights ? 1 : 2, rows * n);
        if (strcmp(what, "acts_zero") == 0)
            memset(x, 0, sizeof x);
        if (weights)
            mico_fake_weights(y, x, n, width);
        else
            mico_fake_acts(y, x, rows, n, width);
        CU_ASSERT_EQUAL(count_bits(f, y, rows * n), 0);
        n_weights += weights;
        n_acts += !weights;
    }
    CU_ASSERT(n_weights == MICO_N_WIDTHS && n_acts == MICO_N_WIDTHS + 1);
    fclose(f);
}

/* What the formulas say of corner cases, worked out by hand. */
static void t_corners(void)
{
    float w[4] = {0, 1, -3, 4}, zero[3] = {0, 0, 0}, y[4];

    mico_fake_weights(y, w, 4, 1); /* sign(0) = 0 */
    CU_ASSERT(y[0] == 0 && y[1] == 2 && y[2] == -2 && y[3] == 2);
    mico_fake_weights(y, w, 4, MICO_TERNARY); /* 0.5 rounds to even: 0; m = 2 */
    CU_ASSERT(y[0] == 0 && y[1] == 0 && y[2] == -2 && y[3] == 2);
    mico_fake_weights(y, w, 4, 2); /* -1.5 -> -2, 2 saturates at 1 */
    CU_ASSERT(y[0] == 0 && y[1] == 0 && y[2] == -4 && y[3] == 2);
    mico_fake_acts(y, w, 1, 4, 1); /* 0 -> -m */
    CU_ASSERT(y[0] == -2 && y[1] == 2 && y[2] == -2 && y[3] == 2);
    mico_fake_acts(y, w, 2, 2, 3); /* a scale a row: k = 3, then 3/4 */
    CU_ASSERT(y[0] == 0 && y[1] == 1 && y[2] == -2 / 0.75f && y[3] == 4);
    for (size_t i = 1; i < MICO_N_WIDTHS; i++) { /* nothing divides by 0 */
        mico_fake_weights(y, zero, 3, mico_width_at(i));
        CU_ASSERT(y[0] == 0 && y[1] == 0 && y[2] == 0);
        mico_fake_acts(y, zero, 1, 3, mico_width_at(i));
        CU_ASSERT(y[0] == 0 && y[1] == 0 && y[2] == 0);
    }
    w[1] = NAN; /* passes through, to be found in the logits */
    for (size_t i = 0; i < MICO_N_WIDTHS; i++) {
        mico_fake_acts(y, w, 1, 4, mico_width_at(i));
        CU_ASSERT(isnan(y[1]));
    }
}

/* ---- a network ---------------------------------------------------------------------
 */

static const float *parameters(eval_build *b, uint32_t salt, size_t n)
{
    float values[100];

    CU_ASSERT_FATAL(n <= 100);
    fill(values, salt, n);
    return mico_net_floats(b->net, values, n);
}

static mico_node *layer(eval_build *b, mico_node_kind kind, size_t in, size_t c_in,
                        size_t c_out, const float *weight, const float *bias)
{
    mico_node *node = eval_node(b, kind, 1, &in);

    node->c_in = c_in;
    node->c_out = c_out;
    node->weight = weight;
    node->bias = bias;
    return node;
}

/* class Net of the generator */
static mico_net *golden_net(uint32_t salt)
{
    eval_build b;
    size_t in = eval_begin(&b, 0, 2, 5, 6), x;
    const float *w[3], *bias[3];
    mico_node *node;

    w[0] = parameters(&b, salt + 3, 72);
    w[1] = parameters(&b, salt + 4, 36);
    w[2] = parameters(&b, salt + 5, 80);
    bias[0] = parameters(&b, salt + 6, 4);
    bias[1] = parameters(&b, salt + 7, 4);
    bias[2] = parameters(&b, salt + 8, 5);
    node = layer(&b, MICO_NODE_CONV, in, 2, 4, w[0], bias[0]);
    node->window = eval_window(3, 1, 1);
    x = eval_relu(&b, node->out);
    node = layer(&b, MICO_NODE_CONV, x, 4, 4, w[1], bias[1]);
    node->window = eval_window(3, 2, 0);
    node->groups = 4;
    x = eval_flatten(&b, eval_relu(&b, node->out));
    return eval_end(&b, layer(&b, MICO_NODE_LINEAR, x, 16, 5, w[2], bias[2])->out);
}

/* Places the file behind the quantisers; returns the salt. */
static uint32_t find_salt(FILE *f)
{
    char line[4096];
    uint32_t salt = 0;

    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "salt %u", &salt) == 1)
            break;
    return salt;
}

/* Predictions and losses of the three images under one scheme through the public call,
 * against the golden logits. Sums of floats in another order stay within 1e-5 of the
 * values; the generator made sure that no activation is near a rounding boundary. */
static void check_logits(mico_eval *eval, const mico_data *data,
                         const mico_scheme *scheme, double logits[3][5])
{
    uint16_t predictions[3];
    mico_result result = {.predictions = predictions};
    mico_split split = {data, 0, 3};
    mico_floats *floats;
    mico_fake fake = {NULL, scheme};
    const float *got;
    double loss = 0;
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(
        mico_eval_run(eval, MICO_MODE_FAKE, scheme, &split, &result, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_eval_floats(eval, &floats, &err), MICO_OK);
    fake.weight = eval->layer_weight;
    got = mico_floats_run(floats, data, 0, 3, &fake, NULL, NULL);
    for (size_t i = 0; i < 3; i++) {
        double sum = 0;
        size_t best = 0;

        for (size_t c = 0; c < 5; c++) {
            CU_ASSERT(fabs((double)got[i * 5 + c] - logits[i][c]) <=
                      1e-5 * (1 + fabs(logits[i][c])));
            sum += exp(logits[i][c] - logits[i][0]);
            if (logits[i][c] > logits[i][best])
                best = c;
        }
        CU_ASSERT_EQUAL(predictions[i], best);
        loss += log(sum) + logits[i][0] - logits[i][data->label[i]];
    }
    CU_ASSERT_DOUBLE_EQUAL(result.loss, loss / 3, 1e-3);
}

static void t_network(void)
{
    FILE *f = fopen(GOLDEN, "r");
    mico_scheme scheme = {.n_layers = 3};
    uint16_t label[3] = {0, 3, 4};
    float raw[180];
    mico_data data = {.n = 3,
                      .shape = {3, {2, 5, 6}},
                      .type = MICO_RAW_F32,
                      .raw = raw,
                      .label = label,
                      .n_classes = 5};
    mico_net *net;
    mico_eval *eval;
    uint32_t salt;
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    salt = find_salt(f);
    fill(raw, salt + 9, 180);
    net = golden_net(salt);
    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    eval = mico_eval_new(net, NULL, &mico_quant_default);
    for (size_t k = 0; k < 81; k++) {
        double logits[3][5];

        for (size_t i = 0; i < 3; i++) {
            char w[8], a[8];
            size_t image;
            double *v = logits[i];

            n += fscanf(f, " logits %7s %7s %zu %lf %lf %lf %lf %lf", w, a, &image,
                        &v[0], &v[1], &v[2], &v[3], &v[4]) == 8 &&
                 image == i;
            for (size_t l = 0; l < 3; l++)
                CU_ASSERT_FATAL(mico_width_parse(w, &scheme.bits[l]) &&
                                mico_width_parse(a, &scheme.bits[3 + l]));
        }
        check_logits(eval, &data, &scheme, logits);
    }
    CU_ASSERT_EQUAL(n, 243);
    mico_eval_free(eval);
    mico_net_free(net);
    fclose(f);
}

MICO_SUITE("eval_fake", {"quantisers", t_quantisers}, {"corner cases", t_corners},
           {"a network, all widths", t_network})
