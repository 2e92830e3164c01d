/* forest.h: random-forest regression on features that take few distinct values.
 *
 * A feature's values are given once, ascending, and samples hold codes into them. So a
 * node's best split needs one pass over its samples per feature instead of a sort; the
 * trees are the exact CART trees all the same, with targets rounded to 2^-26 of half
 * their range at worst (for 10^5 samples; 2^-42 for 1,000). */
#ifndef MICO_SEARCH_FOREST_H
#define MICO_SEARCH_FOREST_H

#include "core/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICO_FOREST_CODES 9 /* as many as there are widths */

typedef struct mico_forest_options {
    size_t n_trees;
    size_t max_depth;    /* 0: until pure */
    size_t max_features; /* looked at per node; 0: all */
    bool bootstrap;
} mico_forest_options;

typedef struct mico_forest_data {
    size_t n, n_features;
    const uint8_t *codes; /* [n][n_features], below MICO_FOREST_CODES */
    const double (*values)[MICO_FOREST_CODES]; /* [n_features] strictly ascending */
    const double *y;                           /* [n] finite */
    size_t stride; /* from one row of codes to the next; 0: n_features */
} mico_forest_data;

typedef struct mico_forest_node {
    double value;  /* mean of the samples here */
    uint32_t left; /* child of codes <= cut, right is left + 1; 0: a leaf */
    uint16_t feature;
    uint8_t cut;
} mico_forest_node;

typedef struct mico_forest {
    size_t n_trees, n_nodes, capacity;
    mico_forest_node *node;
    uint32_t *root; /* [n_trees] */
} mico_forest;

/* n must be at least 1. */
void mico_forest_fit(mico_forest *out, const mico_forest_data *data,
                     const mico_forest_options *options, mico_rng *rng);

/* Means and (population) deviations of the trees' predictions for n rows of codes,
 * stride apart. */
void mico_forest_predict(const mico_forest *forest, const uint8_t *codes, size_t stride,
                         size_t n, double *mean, double *deviation);
void mico_forest_free(mico_forest *forest);

#endif
