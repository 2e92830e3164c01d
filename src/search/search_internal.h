/* search_internal.h: what the searchers share: feasible moves, sets, walks, samplers.
 *
 * Everything works on *levels*: levels[v] is an index into the ascending options of
 * variable v. The one definition of feasible is mico_violation() == 0. */
#ifndef MICO_SEARCH_INTERNAL_H
#define MICO_SEARCH_INTERNAL_H

#include "core/rng.h"
#include "search/search.h"

/* ---- seen.c: a set of level vectors, kept in the order of their arrival ---------- */

typedef struct mico_seen {
    size_t n_vars, n, capacity, n_slots;
    uint8_t *levels; /* [n][n_vars] */
    uint32_t *slot;  /* 1 + index into levels; 0 is empty */
} mico_seen;

void mico_seen_init(mico_seen *seen, size_t n_vars);
bool mico_seen_add(mico_seen *seen, const uint8_t *levels); /* false if it was there */
bool mico_seen_has(const mico_seen *seen, const uint8_t *levels);
const uint8_t *mico_seen_at(const mico_seen *seen, size_t index);
void mico_seen_free(mico_seen *seen);

/* ---- walk.c: the feasible schemes in mixed-radix order --------------------------- */

typedef enum mico_walk_step {
    MICO_WALK_FOUND,
    MICO_WALK_END,
    MICO_WALK_TIRED
} mico_walk_step;

typedef struct mico_walk {
    const mico_problem *problem;
    size_t n_rows, n_vars, at;
    double *row;                    /* cost bounds, see walk.c */
    uint8_t levels[MICO_MAX_GENES]; /* the branch that is looked at next */
} mico_walk;

void mico_walk_init(mico_walk *walk, const mico_problem *problem);

/* Moves to the next feasible scheme and copies it to levels. Looks at *nodes branches
 * at most (and takes those looked at off it); a tired walk continues with the next
 * call. */
mico_walk_step mico_walk_next(mico_walk *walk, uint64_t *nodes, uint8_t *levels);
void mico_walk_free(mico_walk *walk);

/* ---- room.c: the feasible set ---------------------------------------------------- */

typedef struct mico_room {
    const mico_problem *problem;
    size_t n_vars;
    uint8_t safe[MICO_MAX_GENES]; /* the least violating scheme: feasible if any is */
    bool proven; /* where safe is infeasible: no scheme at all is feasible */
} mico_room;

void mico_room_init(mico_room *room, const mico_problem *problem);
bool mico_room_holds(const mico_room *room, const uint8_t *levels);

/* Cost on the problem's pareto metric (0 without metrics). */
double mico_room_cost(const mico_room *room, const uint8_t *levels);

void mico_room_top(const mico_room *room, uint8_t *levels); /* all at their largest */
void mico_room_draw(const mico_room *room, mico_rng *rng,
                    uint8_t *levels); /* uniform */

/* Uniform over the feasible schemes where a few tries find one, else a repaired draw.
 */
void mico_room_sample(const mico_room *room, mico_rng *rng, uint8_t *levels);

/* Lowers random variables (not those that keep marks, unless that cannot work; keep may
 * be NULL) until the scheme is feasible, else copies safe. */
void mico_room_repair(const mico_room *room, mico_rng *rng, uint8_t *levels,
                      const bool *keep);

/* Changes levels, if seen holds them, to a feasible neighbour that it does not hold. A
 * repeat stays only where none was found in bounded time. False: seen holds every
 * feasible scheme of the space. */
bool mico_room_fresh(const mico_room *room, const mico_seen *seen, mico_rng *rng,
                     uint8_t *levels);

/* ---- near.c: MiCo's near-constraint sampler -------------------------------------- */

typedef struct mico_near_options {
    double roi; /* width of the region of interest, in costs of the top scheme */
    double cap; /* further limit on the pareto metric; INFINITY for none */
    const uint8_t *start; /* [n_start][n_vars] good schemes to breed from */
    size_t n_start, n_candidates;
} mico_near_options;

/* Adds distinct feasible schemes close to the limit to the empty set out: n_candidates,
 * or fewer in small spaces, but at least one. */
void mico_near_sample(const mico_room *room, mico_rng *rng,
                      const mico_near_options *options, mico_seen *out);

/* ---- the table ------------------------------------------------------------------- */

#define MICO_N_UPSTREAM 11

extern const mico_searcher_type mico_searcher_upstream[MICO_N_UPSTREAM];
extern const mico_searcher_type mico_searcher_random, mico_searcher_grid,
    mico_searcher_nsga2, mico_searcher_nlp, mico_searcher_haq, mico_searcher_regevo,
    mico_searcher_sens, mico_searcher_tsmckp, mico_searcher_gp, mico_searcher_hawq;

#endif
