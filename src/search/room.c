/* The feasible set: least violating scheme, sampling, repair, unseen neighbours. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <math.h>
#include <string.h>

#define REJECTION_TRIES 50
#define FRESH_TRIES     64

/* Branches that proving (in)feasibility and finding an unseen scheme may look at. */
#define PROOF_NODES 200000
#define FRESH_NODES 100000

static double room_violation(const mico_room *room, const uint8_t *levels)
{
    mico_scheme scheme;

    mico_space_scheme(&room->problem->space, levels, &scheme);
    return mico_violation(room->problem, &scheme);
}

bool mico_room_holds(const mico_room *room, const uint8_t *levels)
{
    return room_violation(room, levels) <= 0;
}

double mico_room_cost(const mico_room *room, const uint8_t *levels)
{
    const mico_problem *p = room->problem;
    mico_scheme scheme;

    if (p->n_metrics == 0)
        return 0;
    mico_space_scheme(&p->space, levels, &scheme);
    return mico_metric_cost(&p->metric[p->pareto_metric], &scheme);
}

void mico_room_top(const mico_room *room, uint8_t *levels)
{
    for (size_t v = 0; v < room->n_vars; v++)
        levels[v] = (uint8_t)(room->problem->space.var[v].n - 1);
}

void mico_room_draw(const mico_room *room, mico_rng *rng, uint8_t *levels)
{
    for (size_t v = 0; v < room->n_vars; v++)
        levels[v] = (uint8_t)mico_rng_below(rng, room->problem->space.var[v].n);
}

/* ---- the least violating scheme -------------------------------------------------- */

/* Tries all pairs of levels of one layer's two variables; true if one violates less
 * than *violation. Pairs make the descent exact where layers share no variable,
 * whatever the shape of the tables. */
static bool descend_layer(const mico_room *room, size_t layer, uint8_t *levels,
                          double *violation)
{
    const mico_space *space = &room->problem->space;
    size_t w = space->var_of[layer], a = space->var_of[space->n_layers + layer];
    uint8_t best_w = levels[w], best_a = levels[a];
    bool better = false;

    for (uint8_t i = 0; i < space->var[w].n; i++) {
        for (uint8_t j = 0; j < space->var[a].n; j++) {
            double next;

            levels[w] = i;
            levels[a] = j;
            next = room_violation(room, levels);
            if (next < *violation) {
                *violation = next;
                best_w = levels[w];
                best_a = levels[a];
                better = true;
            }
        }
    }
    levels[w] = best_w;
    levels[a] = best_a;
    return better;
}

/* Greedy descent from the smallest widths to levels; returns what violation is left. */
static double descend(const mico_room *room, uint8_t *levels)
{
    double violation;
    bool better = true;

    memset(levels, 0, room->n_vars);
    violation = room_violation(room, levels);
    while (better && violation > 0) {
        better = false;
        for (size_t l = 0; l < room->problem->space.n_layers && violation > 0; l++)
            better |= descend_layer(room, l, levels, &violation);
    }
    return violation;
}

void mico_room_init(mico_room *room, const mico_problem *problem)
{
    uint64_t nodes = PROOF_NODES;
    uint8_t levels[MICO_MAX_GENES];
    mico_walk walk;

    *room = (mico_room){.problem = problem, .n_vars = problem->space.n_vars};
    if (descend(room, room->safe) <= 0)
        return;
    /* Tied variables or several limits can trap the descent: let the walk decide. */
    mico_walk_init(&walk, problem);
    switch (mico_walk_next(&walk, &nodes, levels)) {
    case MICO_WALK_FOUND:
        memcpy(room->safe, levels, room->n_vars);
        break;
    case MICO_WALK_END:
        room->proven = true;
        break;
    case MICO_WALK_TIRED:
        break;
    }
    mico_walk_free(&walk);
}

void mico_search_least_violating(const mico_problem *problem, mico_scheme *out)
{
    mico_room room;

    mico_room_init(&room, problem);
    mico_space_scheme(&problem->space, room.safe, out);
}

/* ---- repair and sampling --------------------------------------------------------- */

/* Lowers variable v to the first level that violates less (with `strictly`) or no more.
 */
static bool lower(const mico_room *room, uint8_t *levels, size_t v, bool strictly,
                  double *violation)
{
    uint8_t old = levels[v];

    while (levels[v] > 0) {
        double next;

        levels[v]--;
        next = room_violation(room, levels);
        if (next < *violation || (!strictly && next <= *violation)) {
            *violation = next;
            return true;
        }
    }
    levels[v] = old;
    return false;
}

/* Lowers movable variables in random order until feasible; false where none helps.
 * Moves that change nothing are a last resort: a table may need two widths lowered at
 * once. */
static bool lower_until_feasible(const mico_room *room, mico_rng *rng, uint8_t *levels,
                                 const bool *keep)
{
    size_t movable[MICO_MAX_GENES], n_movable = 0;
    double violation = room_violation(room, levels);
    bool strictly = true;

    for (;;) {
        size_t n_stuck = 0;

        n_movable = 0;
        for (size_t v = 0; v < room->n_vars; v++)
            if (levels[v] > 0 && (keep == NULL || !keep[v]))
                movable[n_movable++] = v;
        /* variables that do not help now are swapped behind the others */
        while (violation > 0 && n_stuck < n_movable) {
            size_t pick = mico_rng_below(rng, n_movable - n_stuck);
            size_t v = movable[pick];

            if (lower(room, levels, v, strictly, &violation)) {
                if (!strictly)
                    break;
                continue;
            }
            n_stuck++;
            movable[pick] = movable[n_movable - n_stuck];
            movable[n_movable - n_stuck] = v;
        }
        if (violation <= 0)
            return true;
        if (n_stuck == n_movable && !strictly)
            return false;
        strictly = !strictly;
    }
}

void mico_room_repair(const mico_room *room, mico_rng *rng, uint8_t *levels,
                      const bool *keep)
{
    if (keep != NULL && lower_until_feasible(room, rng, levels, keep))
        return;
    if (!lower_until_feasible(room, rng, levels, NULL))
        memcpy(levels, room->safe, room->n_vars);
}

void mico_room_sample(const mico_room *room, mico_rng *rng, uint8_t *levels)
{
    for (size_t i = 0; i < REJECTION_TRIES; i++) {
        mico_room_draw(room, rng, levels);
        if (mico_room_holds(room, levels))
            return;
    }
    mico_room_repair(room, rng, levels, NULL);
}

/* ---- unseen neighbours ----------------------------------------------------------- */

/* The first scheme in the walk's order that seen does not hold. */
static mico_walk_step first_unseen(const mico_room *room, const mico_seen *seen,
                                   uint8_t *levels)
{
    uint64_t nodes = FRESH_NODES;
    uint8_t next[MICO_MAX_GENES];
    mico_walk_step step;
    mico_walk walk;

    mico_walk_init(&walk, room->problem);
    do
        step = mico_walk_next(&walk, &nodes, next);
    while (step == MICO_WALK_FOUND && mico_seen_has(seen, next));
    if (step == MICO_WALK_FOUND)
        memcpy(levels, next, room->n_vars);
    mico_walk_free(&walk);
    return step;
}

bool mico_room_fresh(const mico_room *room, const mico_seen *seen, mico_rng *rng,
                     uint8_t *levels)
{
    uint8_t next[MICO_MAX_GENES];

    if (!mico_seen_has(seen, levels))
        return true;
    for (size_t i = 0; i < FRESH_TRIES; i++) {
        /* first near, then ever farther away */
        size_t n_changes = 1 + mico_rng_below(rng, 1 + i / 8);

        memcpy(next, levels, room->n_vars);
        for (size_t j = 0; j < n_changes; j++) {
            size_t v = mico_rng_below(rng, room->n_vars);

            next[v] = (uint8_t)mico_rng_below(rng, room->problem->space.var[v].n);
        }
        mico_room_repair(room, rng, next, NULL);
        if (!mico_seen_has(seen, next)) {
            memcpy(levels, next, room->n_vars);
            return true;
        }
    }
    return first_unseen(room, seen, levels) != MICO_WALK_END;
}
