/* moves.h: the feasible neighbours of a scheme: single changes and exchanges.
 *
 * A change gives one variable another level. An exchange gives one variable a level up,
 * where the limits have no room for that, and another the highest lower level that
 * makes room. Costs are kept per layer, so that a neighbour costs a few additions. */
#ifndef MICO_SEARCH_MOVES_H
#define MICO_SEARCH_MOVES_H

#include "core/rng.h"
#include "trial/trial.h"

typedef struct mico_move {
    uint8_t n; /* variables that change: 0, 1, 2 */
    uint8_t level[2];
    uint16_t var[2];
} mico_move;

typedef struct mico_moves mico_moves;

/* Borrows problem. */
mico_moves *mico_moves_new(const mico_problem *problem);
void mico_moves_free(mico_moves *m);

/* A limit on the pareto metric besides the constraints; INFINITY for none. */
void mico_moves_cap(mico_moves *m, double cap);

/* The feasible neighbours of levels: at most max of them, drawn by rng where there are
 * more. out: room for max. Sums of costs are rounded in another order here than in
 * mico_metric_cost: check what is proposed. */
size_t mico_moves_list(mico_moves *m, const uint8_t *levels, mico_rng *rng, size_t max,
                       mico_move *out);

void mico_move_apply(const mico_move *move, uint8_t *levels);

#endif
