/* upstream.h: the one loop that upstream's model-based searchers are variants of.
 *
 * Initial design, then for each proposal: fit a regressor to all outcomes, draw
 * candidates within the limits, propose the one that scores best. MiCo, its Bayesian
 * search and its regression searches differ in the regressor, the sampler and the
 * features only. */
#ifndef MICO_SEARCH_UPSTREAM_H
#define MICO_SEARCH_UPSTREAM_H

#include "search/regress.h"
#include "search/search_internal.h"

/* What a method is made of; the job's options change it only where it says so. */
typedef struct mico_upstream_kind {
    const mico_regress *model;
    bool mico;  /* options initial, sampler, features, ucb, roi apply */
    bool sized; /* models sized by the dimension, else the library's defaults */
    bool ucb;
    size_t n_random; /* candidates of the random sampler; 0: as the option says */
} mico_upstream_kind;

typedef struct mico_upstream {
    mico_upstream_kind kind;
    mico_room room;
    mico_seen seen; /* every proposal */
    mico_rng *rng;
    mico_search_options o;
    mico_seen design; /* the initial schemes */
    bool expanded;    /* features beyond the raw scheme */
    size_t n_features;
    double (*values)[MICO_FOREST_CODES]; /* [n_features] */
    void *model;

    /* done trials in the order of their telling; fits append the pending ones */
    size_t n_told, levels_capacity, codes_capacity, accuracy_capacity, id_capacity;
    uint8_t *levels; /* [n_told][n_vars] */
    uint8_t *codes;  /* [n_told][n_features] */
    double *accuracy;
    uint64_t *id;

    size_t n_pending, pending_capacity;
    uint32_t *pending; /* indices into seen */
} mico_upstream;

void *mico_upstream_new(const mico_upstream_kind *kind, const mico_problem *problem,
                        const mico_search_options *options);
bool mico_upstream_ask(void *self, uint64_t id, uint8_t *levels);
void mico_upstream_tell(void *self, const mico_trial *trial, const uint8_t *levels);
void mico_upstream_free(void *self);

/* ---- design.c -------------------------------------------------------------------- */

/* Adds n initial schemes to the empty set out (fewer where the space has no more):
 * upstream's, made feasible, and different from each other. */
void mico_design_make(const mico_room *room, mico_rng *rng, mico_initial initial,
                      size_t n, mico_seen *out);

#endif
