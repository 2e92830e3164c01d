/* regress.h: regressors that score candidates, with one interface.
 *
 * Samples are rows of codes into the values of their features (forest.h). Scores are
 * for ranking only: higher is better. Regressors whose library this build lacks have no
 * functions; the searchers that use them say so (mico.c). */
#ifndef MICO_SEARCH_REGRESS_H
#define MICO_SEARCH_REGRESS_H

#include "search/forest.h"

typedef struct mico_regress_setup {
    size_t n_vars; /* upstream sizes its models by it */
    size_t n_features;
    const double (*values)[MICO_FOREST_CODES]; /* [n_features], outlives the model */
    bool expanded;  /* the second half of the features is the first, each scaled */
    bool sized;     /* false: the library's default sizes */
    size_t n_trees; /* 0: upstream's */
} mico_regress_setup;

typedef struct mico_regress {
    void *(*create)(const mico_regress_setup *setup);

    /* n >= 1 rows; consecutive fits mostly add rows behind those of the last one. */
    void (*fit)(void *self, const uint8_t *codes, const double *y, size_t n,
                mico_rng *rng);

    /* Scores n rows: the mean, or with beta > 0 an upper confidence bound. Rows that
     * cannot be the best may get any lower score than the best (all: they may not). */
    void (*score)(void *self, const uint8_t *codes, size_t n, double beta, bool all,
                  double *score);
    void (*destroy)(void *self);
} mico_regress;

/* Forest, boosted trees, Gaussian process, support vectors, learning to rank; the mean
 * rank of forest, ranking and process. */
extern const mico_regress mico_regress_rf, mico_regress_xgb, mico_regress_gp,
    mico_regress_svr, mico_regress_ltr, mico_regress_ensemble;

#endif
