/* search.h: proposes schemes, learns from outcomes.
 *
 * A searcher never evaluates anything and never calls back. The driver asks for the
 * scheme of trial id, has it evaluated wherever it likes, and tells outcomes in id
 * order:
 *
 *     rc = mico_search_new(&s, &problem, &options, &err);
 *     while (mico_search_ask(s, id, &scheme)) { ...; mico_search_tell(s, &trial); }
 *     mico_search_free(s);
 *
 * Same problem, options and sequence of asks and tells: same schemes, on any machine.
 * Proposals always satisfy the problem's (closed-form) constraints. Several asks may
 * come before the tells of earlier trials: those are pending. A proposal may repeat an
 * earlier one; the driver answers it from the cache. Failed trials are told too. */
#ifndef MICO_SEARCH_SEARCH_H
#define MICO_SEARCH_SEARCH_H

#include "core/err.h"
#include "trial/trial.h"

typedef enum mico_initial {
    MICO_INITIAL_ORTH, /* all largest, all smallest, all largest but for a few layers */
    MICO_INITIAL_MINMAX, /* all largest, all smallest, random ones */
    MICO_INITIAL_RANDOM
} mico_initial;

typedef enum mico_sampler { MICO_SAMPLER_NEAR, MICO_SAMPLER_RANDOM } mico_sampler;

typedef struct mico_search_options {
    char method[32];
    uint64_t seed;
    uint64_t budget;      /* trials that the study will evaluate */
    size_t n_inits;       /* initial design of model-based searchers */
    size_t n_candidates;  /* pool of the near-constraint sampler */
    size_t n_trees;       /* forest; 0: upstream's size for the dimension */
    mico_initial initial; /* upstream's designs */
    mico_sampler sampler; /* candidates near the limit, or anywhere below it */
    bool raw_features;    /* no features beyond the widths */
    bool mean_only;       /* no upper confidence bound */
    double roi, max_roi;  /* near sampler: region of interest, first and last */
    size_t population, tournament; /* evolution */
} mico_search_options;

typedef struct mico_searcher_type {
    const char *name, *help;
    const char *missing; /* the package that this build lacks for it; NULL: none */
    void *(*create)(const mico_problem *problem, const mico_search_options *options);
    bool (*ask)(void *state, uint64_t id, uint8_t *levels); /* false: space exhausted */
    void (*tell)(void *state, const mico_trial *trial, const uint8_t *levels);
    void (*destroy)(void *state);
    void (*note)(void *state, mico_str *out); /* may be NULL; see mico_search_note */
} mico_searcher_type;

extern const mico_searcher_type *const mico_searchers[];
extern const size_t mico_n_searchers;

typedef struct mico_searcher mico_searcher;

/* Borrows problem until free. MICO_EUNMET where no scheme of the space meets the
 * constraints (the message names the least violating scheme and by how much). */
mico_status mico_search_new(mico_searcher **out, const mico_problem *problem,
                            const mico_search_options *options, mico_err *err);
bool mico_search_ask(mico_searcher *s, uint64_t id, mico_scheme *out);
void mico_search_tell(mico_searcher *s, const mico_trial *trial);
void mico_search_free(mico_searcher *s);

/* Appends what the searcher has to say at the end, for people (one sentence without a
 * line feed): e.g. the bound that its fitted model proves. Nothing for most. Does not
 * change what is proposed after it. */
void mico_search_note(mico_searcher *s, mico_str *out);

/* The scheme that violates the constraints least, found by greedy descent from the
 * smallest widths (feasible whenever any single-constraint scheme is). */
void mico_search_least_violating(const mico_problem *problem, mico_scheme *out);

#include "search/selftest.h" /* problems with a known optimum */

#endif
