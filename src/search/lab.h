/* lab.h: what the model-based searchers of this folder share: outcomes, damage, limits.
 *
 * Damage is -ln(accuracy / best accuracy so far): near the best it is what was lost,
 * and errors of different layers add up in it. With the goal "pareto" each proposal
 * draws its own limit on the pareto metric (the cap), which all functions respect. */
#ifndef MICO_SEARCH_LAB_H
#define MICO_SEARCH_LAB_H

#include "search/additive.h"
#include "search/classes.h"
#include "search/moves.h"
#include "search/search_internal.h"

typedef double mico_table[MICO_N_WIDTHS]; /* one variable's damage by level */

typedef struct mico_lab {
    mico_problem limits;   /* the problem, with the cap as its last constraint */
    double cap_none;       /* a cap that excludes nothing */
    mico_room room;        /* of limits */
    mico_classes *classes; /* NULL: too many options, see mico_lab_solve */
    mico_moves *moves;
    mico_rng *rng;
    uint64_t seed;
    mico_search_options o;
    mico_seen seen; /* every proposal */

    size_t n, n_failed; /* done trials, in the order of their telling; failed ones */
    size_t levels_capacity, accuracy_capacity, damage_capacity;
    uint8_t *levels; /* [n][n_vars] */
    double *accuracy, *damage;
    size_t best;        /* the most accurate of them */
    size_t model_first; /* see mico_lab_model */

    size_t n_pending, pending_capacity;
    uint32_t *pending; /* indices into seen */
} mico_lab;

void mico_lab_init(mico_lab *lab, const mico_problem *problem,
                   const mico_search_options *options);
void mico_lab_free(mico_lab *lab);

/* Starts proposal id: random numbers and the cap. */
void mico_lab_begin(mico_lab *lab, const char *purpose, uint64_t id);

/* Records the proposal, changed if it was made before; false: nothing is left. */
bool mico_lab_propose(mico_lab *lab, uint8_t *levels);
void mico_lab_tell(mico_lab *lab, const mico_trial *trial, const uint8_t *levels);

/* Index of the most accurate done trial under the cap; n where there is none. */
size_t mico_lab_incumbent(const mico_lab *lab);
const uint8_t *mico_lab_at(const mico_lab *lab, size_t index);

/* The feasible scheme of the least sum of f: exactly, or by local search where the
 * classes are too large. The answer's value and bound are sums of -f. */
mico_knap_answer mico_lab_solve(mico_lab *lab, const mico_table *f, uint8_t *levels);

/* 4^-b less its value at the widest: the shape of damage before anything is known. */
void mico_lab_prior(const mico_lab *lab, mico_table *f);

/* The largest feasible uniform scheme: each variable at its widest up to a common
 * number of bits; the safe scheme where there is none. */
void mico_lab_uniform(const mico_lab *lab, uint8_t *levels);
double mico_lab_sum(const mico_lab *lab, const mico_table *f, const uint8_t *levels);

/* Brings the searcher's additive model up to date with the outcomes (the latest 400 to
 * 800 of them where there are many). */
void mico_lab_model(mico_lab *lab, mico_additive *model);

/* weight[n_vars], of mean 1: the damage that each variable does at its narrowest, by
 * the model's mean (a tenth of what it expected, at least). */
void mico_lab_weights(const mico_lab *lab, const mico_additive *model, double *weight);

/* A random scheme whose variables were raised, in random order, as far as the limits
 * allow (and a fifth less). */
void mico_lab_random(mico_lab *lab, uint8_t *levels);

/* What an additive model of all outcomes proves of the feasible schemes, for the log.
 */
void mico_lab_note(mico_lab *lab, mico_str *out);

#endif
