/* Upstream's boosted trees and pairwise ranker, by XGBoost's C interface.
 *
 * One thread: results must not depend on how many there are. A library call that fails
 * (out of memory) leaves a model that scores all rows alike. */
#include "search/regress.h"

#ifdef MICO_XGBOOST

#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xgboost/c_api.h>

/* Upstream's hyper-parameters; those that are NULL keep the library's default. */
typedef struct shape {
    int n_rounds;
    const char *depth, *columns, *lambda;
} shape;

typedef struct model {
    mico_regress_setup setup;
    shape shape;
    bool ranks, constant;
    BoosterHandle booster;
} model;

static shape regression_shape(const mico_regress_setup *s)
{
    if (s->sized && s->n_vars > 40)
        return (shape){.n_rounds = 450, .depth = "5"};
    if (s->sized && s->n_vars > 20)
        return (shape){.n_rounds = 250, .depth = "10", .columns = "0.5"};
    return (shape){.n_rounds = 100};
}

static shape ranking_shape(const mico_regress_setup *s)
{
    if (s->n_vars > 60)
        return (shape){500, "1", "0.2", "20"};
    if (s->n_vars > 40)
        return (shape){350, "1", "0.4", "10"};
    if (s->n_vars > 20)
        return (shape){250, "2", "0.6", "5"};
    return (shape){.n_rounds = 100};
}

static model *new_model(const mico_regress_setup *setup, shape s, bool ranks)
{
    model *m = mico_xcalloc(1, sizeof *m);

    m->setup = *setup;
    m->shape = s;
    m->ranks = ranks;
    if (setup->n_trees > 0)
        m->shape.n_rounds = setup->n_trees > 100000 ? 100000 : (int)setup->n_trees;
    return m;
}

static void *xgb_create(const mico_regress_setup *setup)
{
    return new_model(setup, regression_shape(setup), false);
}

static void *ltr_create(const mico_regress_setup *setup)
{
    return new_model(setup, ranking_shape(setup), true);
}

/* ---- fitting --------------------------------------------------------------------- */

static bool set(const model *m, const char *name, const char *value)
{
    return value == NULL || XGBoosterSetParam(m->booster, name, value) == 0;
}

static bool set_all(const model *m, mico_rng *rng)
{
    char seed[16];
    bool good;

    snprintf(seed, sizeof seed, "%zu", mico_rng_below(rng, 1 << 30));
    good = set(m, "nthread", "1") && set(m, "verbosity", "0") && set(m, "seed", seed) &&
           set(m, "max_depth", m->shape.depth) &&
           set(m, "colsample_bytree", m->shape.columns) &&
           set(m, "lambda", m->shape.lambda);
    if (!m->ranks)
        return good && set(m, "objective", "reg:squarederror");
    return good && set(m, "objective", "rank:pairwise") && set(m, "eta", "0.05") &&
           set(m, "subsample", "0.8") && set(m, "tree_method", "hist");
}

/* Single precision is what the library computes in. */
static float *floats_of(const model *m, const uint8_t *codes, size_t n)
{
    const size_t d = m->setup.n_features;
    float *x = mico_xcalloc(n * d, sizeof *x);

    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < d; f++)
            x[i * d + f] = (float)m->setup.values[f][codes[i * d + f]];
    return x;
}

static bool make_matrix(const model *m, const uint8_t *codes, size_t n,
                        DMatrixHandle *out)
{
    float *x = floats_of(m, codes, n);
    int rc = XGDMatrixCreateFromMat_omp(x, n, m->setup.n_features, NAN, out, 1);

    free(x);
    return rc == 0;
}

static bool set_labels(const model *m, DMatrixHandle matrix, const double *y, size_t n)
{
    float *label = mico_xcalloc(n, sizeof *label);
    const unsigned group = (unsigned)n;
    bool good;

    for (size_t i = 0; i < n; i++)
        label[i] = (float)y[i];
    good = XGDMatrixSetFloatInfo(matrix, "label", label, n) == 0 &&
           (!m->ranks || XGDMatrixSetUIntInfo(matrix, "group", &group, 1) == 0);
    free(label);
    return good;
}

static void drop_booster(model *m)
{
    if (m->booster != NULL)
        XGBoosterFree(m->booster);
    m->booster = NULL;
}

static void xgb_fit(void *self, const uint8_t *codes, const double *y, size_t n,
                    mico_rng *rng)
{
    model *m = self;
    DMatrixHandle matrix = NULL;
    bool good;

    drop_booster(m);
    m->constant = m->ranks;
    for (size_t i = 1; i < n; i++)
        m->constant &= y[i] == y[0];
    if (m->constant || !make_matrix(m, codes, n, &matrix))
        return;
    good = set_labels(m, matrix, y, n) &&
           XGBoosterCreate(&matrix, 1, &m->booster) == 0 && set_all(m, rng);
    for (int i = 0; i < m->shape.n_rounds && good; i++)
        good = XGBoosterUpdateOneIter(m->booster, i, matrix) == 0;
    if (!good)
        drop_booster(m);
    XGDMatrixFree(matrix);
}

static void xgb_score(void *self, const uint8_t *codes, size_t n, double beta, bool all,
                      double *score)
{
    model *m = self;
    DMatrixHandle matrix = NULL;
    const float *found = NULL;
    bst_ulong n_found = 0;
    bool good = m->booster != NULL && make_matrix(m, codes, n, &matrix) &&
                XGBoosterPredict(m->booster, matrix, 0, 0, 0, &n_found, &found) == 0 &&
                n_found == n;

    (void)beta;
    (void)all;
    for (size_t i = 0; i < n; i++)
        score[i] = good ? (double)found[i] : 0;
    if (matrix != NULL)
        XGDMatrixFree(matrix);
}

static void xgb_destroy(void *self)
{
    model *m = self;

    drop_booster(m);
    free(m);
}

const mico_regress mico_regress_xgb = {
    .create = xgb_create,
    .fit = xgb_fit,
    .score = xgb_score,
    .destroy = xgb_destroy,
};

const mico_regress mico_regress_ltr = {
    .create = ltr_create,
    .fit = xgb_fit,
    .score = xgb_score,
    .destroy = xgb_destroy,
};

#else

const mico_regress mico_regress_xgb = {NULL, NULL, NULL, NULL};
const mico_regress mico_regress_ltr = {NULL, NULL, NULL, NULL};

#endif
