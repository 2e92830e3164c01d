/* selftest.h: problems with a known optimum for the searchers themselves.
 *
 * They are no networks: variables of two to nine levels stand for the width that a
 * layer's weights and activations share, and "accuracy" falls linearly with the value
 * that is minimised. Where the goal is "pareto" the value is the hypervolume. */
#ifndef MICO_SEARCH_SELFTEST_H
#define MICO_SEARCH_SELFTEST_H

#include "search/search.h"

typedef struct mico_selftest mico_selftest;

typedef struct mico_selftest_facts {
    const char *name, *help;
    bool needs_data; /* numbers of others that we do not ship: HAWQ-V3's layers */
} mico_selftest_facts;

size_t mico_selftest_count(void);
mico_selftest_facts mico_selftest_at(size_t index);

typedef struct mico_selftest_result {
    double best;    /* lowest value found, or the hypervolume of all that was found */
    double optimum; /* the proven one (pest control: the best one known) */
    double target;  /* to be reached: the optimum, or 0.99 of its hypervolume */
    uint64_t evaluations; /* until the target or the end of budget or space */
    uint64_t to_target;   /* 0: not reached */
    uint64_t repeats;     /* proposals that were no evaluations */
} mico_selftest_result;

/* data: the folder of hawqv3_resnet18.csv and hawqv3_resnet50.csv, or NULL. */
mico_status mico_selftest_open(mico_selftest **out, const char *name, const char *data,
                               mico_err *err);
void mico_selftest_free(mico_selftest *test);
const mico_problem *mico_selftest_problem(const mico_selftest *test);

/* The value of a scheme of the problem (the second objective where there are two; the
 * first is the cost). */
double mico_selftest_value(const mico_selftest *test, const mico_scheme *scheme);

/* Asks the searcher for up to budget distinct schemes, one at a time, until the target
 * is reached. options: all but method, seed and budget count; NULL: the usual. */
mico_status mico_selftest_run(const mico_selftest *test, const char *method,
                              uint64_t seed, uint64_t budget,
                              const mico_search_options *options,
                              mico_selftest_result *out, mico_err *err);

#endif
