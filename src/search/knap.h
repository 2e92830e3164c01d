/* knap.h: multiple-choice knapsack, exactly: one option of each class.
 *
 * Maximises the sum of the chosen options' values subject to one or more limits on sums
 * of costs. That is what a mixed-precision scheme is where quality is a sum over
 * layers: a class is a layer (or layers that share variables), an option its widths. */
#ifndef MICO_SEARCH_KNAP_H
#define MICO_SEARCH_KNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mico_knap_class {
    size_t n;            /* options, at least one */
    const double *value; /* [n] */
    const double *cost;  /* [n][n_rows], >= 0 */
} mico_knap_class;

typedef struct mico_knap {
    size_t n_classes, n_rows;
    const mico_knap_class *class; /* [n_classes] */
    const double *limit;          /* [n_rows] */
} mico_knap;

typedef struct mico_knap_answer {
    bool found;   /* a feasible choice is in choice */
    bool proven;  /* it is the best one (or, if not found, there is none) */
    double value; /* of the choice */
    double bound; /* no feasible choice is worth more */
    uint64_t nodes;
} mico_knap_answer;

/* Branch and bound on the Lagrangian bound (Sinha and Zoltners, Operations Research 27
 * (1979) 503-515, with one multiplier a row). Looks at max_nodes nodes at most; a
 * search that ends early gives the best choice and bound that it knows. choice:
 * [n_classes]. */
mico_knap_answer mico_knap_solve(const mico_knap *knap, uint64_t max_nodes,
                                 uint32_t *choice);

#endif
