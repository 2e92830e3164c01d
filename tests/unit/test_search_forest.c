/* The random forest against scikit-learn: equal trees, equal skill; and small exact
 * cases. */
#include "core/mem.h"
#include "search/forest.h"
#include "support/suite.h"
#include "trial/trial.h"

#include <math.h>
#include <stdlib.h>

/* One case of tests/golden/search/forest.txt. */
typedef struct golden {
    size_t n, d, n_test, max_depth;
    double (*values)[MICO_FOREST_CODES];
    uint8_t *codes; /* training rows, then test rows */
    double *y;
    size_t n_trees;
    double skill, skill_sd, spread, spread_sd; /* of forests */
} golden;

static void read_rows(FILE *f, golden *g)
{
    for (size_t i = 0; i < g->n + g->n_test; i++) {
        for (size_t j = 0; j < g->d; j++) {
            unsigned code = 99;

            CU_ASSERT_FATAL(fscanf(f, "%u", &code) == 1 && code < MICO_N_WIDTHS);
            g->codes[i * g->d + j] = (uint8_t)code;
        }
        CU_ASSERT_FATAL(fscanf(f, "%lf", &g->y[i]) == 1);
    }
}

static bool read_case(FILE *f, golden *g)
{
    char name[16];

    *g = (golden){0};
    if (fscanf(f, "%15s %zu %zu %zu %zu", name, &g->n, &g->d, &g->n_test,
               &g->max_depth) != 5)
        return false;
    g->values = mico_xcalloc(g->d, sizeof *g->values);
    g->codes = mico_xcalloc((g->n + g->n_test) * g->d, 1);
    g->y = mico_xcalloc(g->n + g->n_test, sizeof *g->y);
    for (size_t j = 0; j < g->d; j++) {
        double scale = 0;

        CU_ASSERT_FATAL(fscanf(f, "%lf", &scale) == 1);
        for (size_t c = 0; c < MICO_N_WIDTHS; c++)
            g->values[j][c] = scale * mico_width_bits(mico_width_at(c));
    }
    read_rows(f, g);
    if (strcmp(name, "forest") == 0)
        CU_ASSERT_FATAL(fscanf(f, "%zu %lf %lf %lf %lf", &g->n_trees, &g->skill,
                               &g->skill_sd, &g->spread, &g->spread_sd) == 5);
    return true;
}

static void free_case(golden *g)
{
    free(g->values);
    free(g->codes);
    free(g->y);
}

static mico_forest_data data_of(const golden *g)
{
    return (mico_forest_data){
        .n = g->n,
        .n_features = g->d,
        .codes = g->codes,
        .values = (const double(*)[MICO_FOREST_CODES])g->values,
        .y = g->y,
    };
}

static void check_tree(const golden *g, mico_rng *rng)
{
    mico_forest_options o = {.n_trees = 1, .max_depth = g->max_depth};
    mico_forest_data data = data_of(g);
    mico_forest f;

    mico_forest_fit(&f, &data, &o, rng);
    for (size_t i = g->n; i < g->n + g->n_test; i++) {
        double mean, deviation;

        mico_forest_predict(&f, g->codes + i * g->d, g->d, 1, &mean, &deviation);
        CU_ASSERT_DOUBLE_EQUAL(mean, g->y[i], 1e-12);
        CU_ASSERT_EQUAL(deviation, 0);
    }
    mico_forest_free(&f);
}

static void check_forest(const golden *g, mico_rng *rng)
{
    mico_forest_options o = {.n_trees = g->n_trees,
                             .max_depth = g->max_depth,
                             .max_features = (size_t)sqrt((double)g->d),
                             .bootstrap = true};
    mico_forest_data data = data_of(g);
    double average = 0, error = 0, variance = 0, spread = 0, skill;
    mico_forest f;

    mico_forest_fit(&f, &data, &o, rng);
    for (size_t i = g->n; i < g->n + g->n_test; i++)
        average += g->y[i] / (double)g->n_test;
    for (size_t i = g->n; i < g->n + g->n_test; i++) {
        double mean, deviation;

        mico_forest_predict(&f, g->codes + i * g->d, g->d, 1, &mean, &deviation);
        error += (mean - g->y[i]) * (mean - g->y[i]);
        variance += (g->y[i] - average) * (g->y[i] - average);
        spread += deviation / (double)g->n_test;
    }
    mico_forest_free(&f);
    skill = 1 - error / variance;
    /* one more forest of the same kind: within 5 deviations of the recorded ones */
    CU_ASSERT_DOUBLE_EQUAL(skill, g->skill, 5 * g->skill_sd);
    CU_ASSERT_DOUBLE_EQUAL(spread, g->spread, 5 * g->spread_sd);
}

static void t_sklearn(void)
{
    FILE *f = fopen(MICO_SOURCE_DIR "/tests/golden/search/forest.txt", "r");
    mico_rng *rng = mico_rng_new(1, "test", 0);
    size_t n_trees = 0, n_forests = 0;
    char line[256];
    golden g;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(line, sizeof line, f));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "scikit-learn"));
    while (read_case(f, &g)) {
        if (g.n_trees == 0) {
            check_tree(&g, rng);
            n_trees++;
        } else {
            check_forest(&g, rng);
            n_forests++;
        }
        free_case(&g);
    }
    CU_ASSERT_EQUAL(n_trees, 4);
    CU_ASSERT_EQUAL(n_forests, 2);
    mico_rng_free(rng);
    fclose(f);
}

/* Two samples at widths 1 and 8: the threshold is 4.5, so 4 goes left and 5 right. */
static void t_midpoint(void)
{
    double values[1][MICO_FOREST_CODES] = {{1, 1.58, 2, 3, 4, 5, 6, 7, 8}};
    const uint8_t codes[2] = {0, 8};
    const double y[2] = {0.25, 0.75};
    mico_forest_data data = {2, 1, codes, (const double(*)[MICO_FOREST_CODES])values,
                             y, 0};
    mico_forest_options o = {.n_trees = 3};
    mico_rng *rng = mico_rng_new(1, "test", 0);
    mico_forest f;

    mico_forest_fit(&f, &data, &o, rng);
    for (uint8_t c = 0; c < 9; c++) {
        double mean, deviation;

        mico_forest_predict(&f, &c, 1, 1, &mean, &deviation);
        CU_ASSERT_EQUAL(mean, c <= 4 ? 0.25 : 0.75);
        CU_ASSERT_EQUAL(deviation, 0);
    }
    mico_forest_free(&f);
    mico_rng_free(rng);
}

/* One sample, equal samples, constant features: leaves, no endless growth. */
static void t_degenerate(void)
{
    double values[2][MICO_FOREST_CODES] = {{1, 2}, {1, 2}};
    const uint8_t codes[6] = {0, 1, 0, 1, 0, 1};
    const double y[3] = {0.1, 0.2, 0.6};
    mico_forest_data data = {1, 2, codes, (const double(*)[MICO_FOREST_CODES])values,
                             y, 0};
    mico_forest_options o = {.n_trees = 1, .max_features = 1};
    mico_rng *rng = mico_rng_new(1, "test", 0);
    double mean, deviation;
    mico_forest f;

    mico_forest_fit(&f, &data, &o, rng);
    mico_forest_predict(&f, codes, 1, 1, &mean, &deviation);
    CU_ASSERT_EQUAL(mean, 0.1);
    mico_forest_free(&f);
    data.n = 3; /* alike in all features, different targets */
    mico_forest_fit(&f, &data, &o, rng);
    CU_ASSERT_EQUAL(f.n_nodes, 1);
    mico_forest_predict(&f, codes, 1, 1, &mean, &deviation);
    CU_ASSERT_DOUBLE_EQUAL(mean, 0.3, 1e-15);
    mico_forest_free(&f);
    mico_rng_free(rng);
}

/* Bootstrapped trees differ; mean and deviation are those of three known trees' leaves.
 */
static void t_deviation(void)
{
    double values[1][MICO_FOREST_CODES] = {{1, 2, 3}};
    const uint8_t codes[3] = {0, 1, 2};
    const double y[3] = {0, 0.5, 1};
    mico_forest_data data = {3, 1, codes, (const double(*)[MICO_FOREST_CODES])values,
                             y, 0};
    mico_forest_options o = {.n_trees = 500, .bootstrap = true};
    mico_rng *rng = mico_rng_new(7, "test", 0);
    double mean, deviation, sum = 0, squares = 0;
    mico_forest f;

    mico_forest_fit(&f, &data, &o, rng);
    mico_forest_predict(&f, &codes[0], 1, 1, &mean, &deviation);
    for (size_t t = 0; t < f.n_trees; t++) {
        const mico_forest_node *node = &f.node[f.root[t]];

        while (node->left != 0)
            node = &f.node[node->left];
        sum += node->value;
        squares += node->value * node->value;
    }
    CU_ASSERT_DOUBLE_EQUAL(mean, sum / 500, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(deviation, sqrt(squares / 500 - sum / 500 * (sum / 500)),
                           1e-12);
    /* by enumeration of the 27 bootstrap samples: the leftmost leaf is worth 0 in 19,
     * 1/2 in 7 and 1 in 1, so its mean is 4.5/27 = 0.1667 */
    CU_ASSERT_DOUBLE_EQUAL(mean, 4.5 / 27, 0.05);
    mico_forest_free(&f);
    mico_rng_free(rng);
}

/* Many rows at once, with a stride, are the rows one by one. */
static void t_rows(void)
{
    enum { N = 300, D = 5, STRIDE = 7 };
    mico_rng *rng = mico_rng_new(8, "test", 0);
    const mico_forest_options o = {.n_trees = 20, .max_depth = 4, .bootstrap = true};
    double values[D][MICO_FOREST_CODES], y[N], mean[N], deviation[N];
    uint8_t codes[N * STRIDE];
    mico_forest_data data = {.n = N,
                             .n_features = D,
                             .codes = codes,
                             .values = (const double(*)[MICO_FOREST_CODES])values,
                             .y = y,
                             .stride = STRIDE};
    mico_forest f;

    for (size_t j = 0; j < D * MICO_FOREST_CODES; j++)
        values[j / MICO_FOREST_CODES][j % MICO_FOREST_CODES] =
            (double)(j % MICO_FOREST_CODES);
    for (size_t i = 0; i < N * STRIDE; i++)
        codes[i] = (uint8_t)mico_rng_below(rng, MICO_FOREST_CODES);
    for (size_t i = 0; i < N; i++) /* what is behind the features means nothing */
        y[i] = codes[i * STRIDE] + 100.0 * (codes[i * STRIDE + 4] > 4);
    mico_forest_fit(&f, &data, &o, rng);
    mico_forest_predict(&f, codes, STRIDE, N, mean, deviation);
    for (size_t i = 0; i < N; i++) {
        double m, d;

        mico_forest_predict(&f, codes + i * STRIDE, STRIDE, 1, &m, &d);
        CU_ASSERT_EQUAL(m, mean[i]);
        CU_ASSERT_EQUAL(d, deviation[i]);
        CU_ASSERT_DOUBLE_EQUAL(m, y[i], 8);
    }
    mico_forest_free(&f);
    mico_rng_free(rng);
}

MICO_SUITE("search_forest", {"equal to scikit-learn", t_sklearn},
           {"thresholds are midpoints", t_midpoint},
           {"degenerate samples", t_degenerate}, {"many rows", t_rows},
           {"deviation of the trees", t_deviation})
