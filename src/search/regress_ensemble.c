/* Upstream's ensemble: the mean rank of forest, ranker and Gaussian process. */
#include "search/regress.h"

#include "core/mem.h"

#include <stdlib.h>

#define N_PARTS 3

static const mico_regress *const parts[N_PARTS] = {&mico_regress_rf, &mico_regress_ltr,
                                                   &mico_regress_gp};

typedef struct model {
    size_t n_features;
    void *part[N_PARTS];
} model;

static void *ensemble_create(const mico_regress_setup *setup)
{
    model *m = mico_xcalloc(1, sizeof *m);

    m->n_features = setup->n_features;
    for (size_t k = 0; k < N_PARTS; k++)
        m->part[k] = parts[k]->create(setup);
    return m;
}

static void ensemble_fit(void *self, const uint8_t *codes, const double *y, size_t n,
                         mico_rng *rng)
{
    model *m = self;

    for (size_t k = 0; k < N_PARTS; k++)
        parts[k]->fit(m->part[k], codes, y, n, rng);
}

typedef struct ranked {
    double score;
    size_t index;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *p = a, *q = b;

    if (p->score != q->score)
        return p->score < q->score ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* Adds each row's rank; rows that are alike share the mean of their ranks. */
static void add_ranks(const double *value, size_t n, double *sum)
{
    ranked *order = mico_xcalloc(n, sizeof *order);

    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){value[i], i};
    qsort(order, n, sizeof *order, by_score);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && order[end].score == order[i].score;)
            end++;
        for (size_t k = i; k < end; k++)
            sum[order[k].index] += ((double)i + (double)end - 1) / 2;
    }
    free(order);
}

static void ensemble_score(void *self, const uint8_t *codes, size_t n, double beta,
                           bool all, double *score)
{
    model *m = self;
    double *value = mico_xcalloc(n, sizeof *value);

    (void)all;
    for (size_t i = 0; i < n; i++)
        score[i] = 0;
    for (size_t k = 0; k < N_PARTS; k++) {
        parts[k]->score(m->part[k], codes, n, beta, true, value);
        add_ranks(value, n, score);
    }
    free(value);
}

static void ensemble_destroy(void *self)
{
    model *m = self;

    for (size_t k = 0; k < N_PARTS; k++)
        parts[k]->destroy(m->part[k]);
    free(m);
}

const mico_regress mico_regress_ensemble = {
    .create = ensemble_create,
    .fit = ensemble_fit,
    .score = ensemble_score,
    .destroy = ensemble_destroy,
};
