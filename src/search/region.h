/* region.h: proposals of a Gaussian process inside a trust region around the incumbent.
 *
 * The acquisition is the expected improvement of the damage, climbed by feasible
 * neighbours (moves.h) from the incumbent, from changed copies of it, and from schemes
 * that the caller names. The region is a ball of the Hamming distance; its radius grows
 * with successes and shrinks with failures (TuRBO; Wan et al., ICML 2021, for ordinal
 * variables). Pending proposals are points at their predicted mean (kriging believer,
 * Ginsbourger et al. 2010). */
#ifndef MICO_SEARCH_REGION_H
#define MICO_SEARCH_REGION_H

#include "search/gp.h"
#include "search/lab.h"

typedef struct mico_region mico_region;

/* Borrows lab. */
mico_region *mico_region_new(mico_lab *lab, const mico_gp_options *options);
void mico_region_free(mico_region *r);

/* One more outcome was told (after mico_lab_tell). */
void mico_region_tell(mico_region *r);

/* The best proposal found. mean: a table of damage that the process models the rest of;
 * weight: [n_vars], see gp.h; both may be NULL and are looked at when the process is
 * fitted again. starts: [n_starts][n_vars] feasible schemes. False where all that was
 * looked at had been proposed before. */
bool mico_region_ask(mico_region *r, const mico_table *mean, const double *weight,
                     const uint8_t *starts, size_t n_starts, uint8_t *levels);
double mico_region_radius(const mico_region *r);
const mico_gp *mico_region_gp(const mico_region *r);

#endif
