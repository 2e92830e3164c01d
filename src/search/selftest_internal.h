/* selftest_internal.h: what the families of selftest problems share. */
#ifndef MICO_SEARCH_SELFTEST_INTERNAL_H
#define MICO_SEARCH_SELFTEST_INTERNAL_H

#include "search/selftest.h"

struct mico_selftest {
    mico_problem problem;
    double (*value)(const mico_selftest *test, const uint8_t *levels);
    double optimum;
    double low, high;  /* values of accuracy 1 and 0 */
    double parameter;  /* the family's own */
    double *number;    /* its numbers */
    uint8_t *shuffled; /* pest control: choice of each level, by variable */
};

typedef struct mico_selftest_family {
    const char *help;
    bool needs_data;
    mico_status (*open)(mico_selftest *test, const double *parameter, const char *data,
                        mico_err *err);
} mico_selftest_family;

typedef struct mico_selftest_type {
    const char *name;
    const mico_selftest_family *family;
    double parameter[3];
} mico_selftest_type;

/* A space of n_layers layers, each with one variable of n_levels for both widths. */
void mico_selftest_space(mico_selftest *test, size_t n_layers, size_t n_levels);

/* Adds a metric; its cost of layer l at level i is cost[l * n_levels + i]. */
void mico_selftest_metric(mico_selftest *test, const char *name, const double *cost);

mico_status mico_selftest_hawq(mico_selftest *test, const double *parameter,
                               const char *data, mico_err *err);
mico_status mico_selftest_labs(mico_selftest *test, const double *parameter,
                               const char *data, mico_err *err);
mico_status mico_selftest_contamination(mico_selftest *test, const double *parameter,
                                        const char *data, mico_err *err);
mico_status mico_selftest_pest(mico_selftest *test, const double *parameter,
                               const char *data, mico_err *err);
mico_status mico_selftest_zdt(mico_selftest *test, const double *parameter,
                              const char *data, mico_err *err);

/* n numbers of the beta distribution as NumPy's RandomState(seed).beta(a, b, n) draws
 * them (selftest_beta.c). */
void mico_selftest_beta(uint32_t seed, double a, double b, size_t n, double *out);

#endif
