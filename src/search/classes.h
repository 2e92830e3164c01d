/* classes.h: a problem's limits as a multiple-choice knapsack over its variables.
 *
 * Costs are sums over layers of a table of two widths. Layers that share no variable
 * are classes of their own; layers that do (tied widths) are one class together. An
 * option of a class is one level for each of its variables. With values that are sums
 * over variables the best feasible scheme is then a knapsack (knap.h). */
#ifndef MICO_SEARCH_CLASSES_H
#define MICO_SEARCH_CLASSES_H

#include "search/knap.h"
#include "trial/trial.h"

#define MICO_CLASS_OPTIONS ((size_t)1 << 14) /* most options of one class */

typedef struct mico_class {
    size_t n_vars, n_options;
    uint16_t *var;   /* [n_vars] */
    uint8_t *levels; /* [n_options][n_vars] */
    double *cost;    /* [n_options][n_rows] */
    double *value;   /* [n_options]: of the last solve */
} mico_class;

typedef struct mico_classes {
    size_t n, n_rows;
    mico_class *class;
    double *limit; /* [n_rows]: of the constraints, less their constants */
} mico_classes;

/* NULL where a class would have more than MICO_CLASS_OPTIONS options. */
mico_classes *mico_classes_new(const mico_problem *problem);
void mico_classes_free(mico_classes *classes);

/* The feasible levels with the largest sum of worth[var][level]. */
mico_knap_answer mico_classes_solve(mico_classes *classes,
                                    const double (*worth)[MICO_N_WIDTHS],
                                    uint64_t max_nodes, uint8_t *levels);

#endif
