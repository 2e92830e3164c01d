/* Upstream's random forest, sized by the number of search variables. */
#include "search/regress.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>

typedef struct model {
    mico_regress_setup setup;
    mico_forest_options shape;
    size_t n_looked; /* features that the forest looks at */
    mico_forest forest;
} model;

static mico_forest_options forest_shape(const mico_regress_setup *s)
{
    const double d = (double)s->n_features;
    mico_forest_options o = {.n_trees = 100, .bootstrap = true};

    if (s->sized && s->n_vars > 60)
        o = (mico_forest_options){450, 2, (size_t)log2(d), true};
    else if (s->sized && s->n_vars > 40)
        o = (mico_forest_options){350, 3, (size_t)log2(d), true};
    else if (s->sized && s->n_vars > 20)
        o = (mico_forest_options){250, 5, (size_t)sqrt(d), true};
    if (s->n_trees > 0)
        o.n_trees = s->n_trees;
    return o;
}

static void *rf_create(const mico_regress_setup *setup)
{
    model *m = mico_xcalloc(1, sizeof *m);

    m->setup = *setup;
    m->shape = forest_shape(setup);
    m->n_looked = setup->n_features;
    /* w*m splits as w does: where a node looks at all features, one of each will do */
    if (setup->expanded && m->shape.max_features == 0)
        m->n_looked /= 2;
    return m;
}

static void rf_fit(void *self, const uint8_t *codes, const double *y, size_t n,
                   mico_rng *rng)
{
    model *m = self;
    mico_forest_data data = {
        .n = n,
        .n_features = m->n_looked,
        .codes = codes,
        .values = m->setup.values,
        .y = y,
        .stride = m->setup.n_features,
    };

    mico_forest_free(&m->forest);
    mico_forest_fit(&m->forest, &data, &m->shape, rng);
}

static void rf_score(void *self, const uint8_t *codes, size_t n, double beta, bool all,
                     double *score)
{
    model *m = self;
    double *deviation = mico_xcalloc(n, sizeof *deviation);

    (void)all;
    mico_forest_predict(&m->forest, codes, m->setup.n_features, n, score, deviation);
    for (size_t i = 0; i < n; i++)
        score[i] += beta * deviation[i];
    free(deviation);
}

static void rf_destroy(void *self)
{
    model *m = self;

    mico_forest_free(&m->forest);
    free(m);
}

const mico_regress mico_regress_rf = {
    .create = rf_create,
    .fit = rf_fit,
    .score = rf_score,
    .destroy = rf_destroy,
};
