/* Selftest problems: HAWQ-V3's integer programs (Yao et al., ICML 2021).
 *
 * 4 or 8 bits a layer, least sum of trace * squared quantization error under a limit of
 * size, BOPs or latency between that of all-4 and all-8. Layers whose results are added
 * share one choice. The optimum is our own exact knapsack's. */
#include "search/selftest_internal.h"

#include "core/file.h"
#include "core/mem.h"
#include "core/text.h"
#include "search/knap.h"

#include <stdlib.h>
#include <string.h>

#define MOST_LAYERS  64
#define MOST_BYTES   ((size_t)1 << 20)
#define KNAP_NODES   10000000
#define HAWQ_COLUMNS 8

/* columns of the file */
enum { LAYER, TRACE, MSE8, MSE4, SIZE, BOPS, LATENCY4, LATENCY8 };

typedef struct table {
    size_t n;
    double row[MOST_LAYERS][HAWQ_COLUMNS];
} table;

typedef struct ties {
    size_t n, pair[4][2];
} ties;

static bool parse_row(const char *line, double *row)
{
    char item[64];

    for (size_t c = 0; c < HAWQ_COLUMNS; c++)
        if (!mico_text_next(&line, ',', item, sizeof item) ||
            !mico_text_double(item, &row[c]) || !(row[c] >= 0))
            return false;
    return true;
}

static mico_status parse(table *out, const char *path, const char *text, mico_err *err)
{
    char line[512];

    mico_text_next(&text, '\n', line, sizeof line); /* names */
    while (mico_text_next(&text, '\n', line, sizeof line)) {
        if (line[0] == '\0')
            continue;
        if (out->n == MOST_LAYERS)
            return mico_fail(err, MICO_ELIMIT, "%s: more than %d layers", path,
                             MOST_LAYERS);
        if (!parse_row(line, out->row[out->n]))
            return mico_fail(err, MICO_EFORMAT,
                             "%s: layer %zu needs %d numbers of 0 or more, not '%.40s'",
                             path, out->n, HAWQ_COLUMNS, line);
        out->n++;
    }
    return MICO_OK;
}

static mico_status load(table *out, const char *data, int net, mico_err *err)
{
    const size_t expected = net == 18 ? 19 : 52;
    mico_str path = {0};
    uint8_t *bytes = NULL;
    size_t n;
    mico_status rc;

    memset(out, 0, sizeof *out);
    mico_str_add(&path, "%s/hawqv3_resnet%d.csv", data, net);
    rc = mico_file_read(&bytes, &n, path.text, MOST_BYTES, err);
    if (rc == MICO_OK)
        rc = parse(out, path.text, (const char *)bytes, err);
    if (rc == MICO_OK && out->n != expected)
        rc = mico_fail(err, MICO_EFORMAT, "%s: %zu layers instead of %zu", path.text,
                       out->n, expected);
    free(bytes);
    mico_str_free(&path);
    return rc;
}

/* MB, G bit operations, or ms of layer i at 4 (bit 0) or 8 bits. */
static double cost_of(const table *t, int kind, size_t i, size_t bit)
{
    switch (kind) {
    case 0:
        return t->row[i][SIZE] * (bit != 0 ? 1.0 : 0.5);
    case 1:
        return t->row[i][BOPS] * (bit != 0 ? 64 : 16) / 1000;
    default:
        return t->row[i][bit != 0 ? LATENCY8 : LATENCY4];
    }
}

/* number: [n_layers][2]. */
static double perturbation(const mico_selftest *t, const uint8_t *levels)
{
    const mico_space *space = &t->problem.space;
    double sum = 0;

    for (size_t l = 0; l < space->n_layers; l++)
        sum += t->number[2 * l + levels[space->var_of[l]]];
    return sum;
}

/* Numbers the variables anew, one for each group of layers. */
static void tie(mico_space *space, const ties *tied)
{
    space->n_vars = 0;
    for (size_t l = 0; l < space->n_layers; l++) {
        size_t owner = l;

        for (size_t t = 0; t < tied->n; t++)
            if (tied->pair[t][1] == l)
                owner = tied->pair[t][0];
        space->var_of[l] =
            (uint16_t)(owner < l ? space->var_of[owner] : space->n_vars++);
        space->var_of[space->n_layers + l] = space->var_of[l];
    }
}

static mico_status solve(mico_selftest *test, const double *cost, double limit,
                         mico_err *err)
{
    const mico_space *space = &test->problem.space;
    double value[MOST_LAYERS][2] = {{0}}, used[MOST_LAYERS][2] = {{0}};
    mico_knap_class class[MOST_LAYERS];
    uint32_t choice[MOST_LAYERS];
    mico_knap knap = {space->n_vars, 1, class, &limit};
    mico_knap_answer answer;

    for (size_t l = 0; l < space->n_layers; l++)
        for (size_t bit = 0; bit < 2; bit++) {
            value[space->var_of[l]][bit] -= test->number[2 * l + bit];
            used[space->var_of[l]][bit] += cost[2 * l + bit];
        }
    for (size_t v = 0; v < space->n_vars; v++)
        class[v] = (mico_knap_class){2, value[v], used[v]};
    answer = mico_knap_solve(&knap, KNAP_NODES, choice);
    if (!answer.found || !answer.proven)
        return mico_fail(err, MICO_EDATA, "HAWQ-V3: no proven optimum for these data");
    test->optimum = -answer.value;
    return MICO_OK;
}

/* parameter: 18 or 50; 0 size, 1 BOPs, 2 latency; fraction of the way to all-8. */
mico_status mico_selftest_hawq(mico_selftest *test, const double *parameter,
                               const char *data, mico_err *err)
{
    static const ties ties18 = {3, {{4, 6}, {9, 11}, {14, 16}}},
                      ties50 = {4, {{0, 3}, {10, 13}, {23, 26}, {42, 45}}};
    static const char *const metric[] = {"size", "bops", "latency"};
    const int net = (int)parameter[0], kind = (int)parameter[1];
    double cost[MOST_LAYERS * 2], limit = 0;
    mico_constraint c = {0};
    table t;
    mico_status rc = load(&t, data, net, err);

    if (rc != MICO_OK)
        return rc;
    mico_selftest_space(test, t.n, 2);
    tie(&test->problem.space, net == 18 ? &ties18 : &ties50);
    test->number = mico_xcalloc(2 * t.n, sizeof *test->number);
    for (size_t l = 0; l < t.n; l++)
        for (size_t bit = 0; bit < 2; bit++) {
            double share = bit != 0 ? parameter[2] : 1 - parameter[2];

            test->number[2 * l + bit] = t.row[l][TRACE] * t.row[l][bit ? MSE8 : MSE4];
            cost[2 * l + bit] = cost_of(&t, kind, l, bit);
            limit += cost[2 * l + bit] * share;
            test->high += bit == 0 ? test->number[2 * l] : 0;
        }
    mico_selftest_metric(test, metric[kind], cost);
    c.limit = limit;
    test->problem.constraint[test->problem.n_constraints++] = c;
    test->value = perturbation;
    return solve(test, cost, limit, err);
}
