/* Searcher "grid": every feasible scheme once, smallest widths first. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <stdlib.h>

typedef struct state {
    mico_walk walk;
} state;

static void *grid_create(const mico_problem *problem,
                         const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    (void)options;
    mico_walk_init(&s->walk, problem);
    return s;
}

static bool grid_ask(void *self, uint64_t id, uint8_t *levels)
{
    /* Bounds make the next scheme a few branches away; several limits that exclude each
     * other in ways the bounds cannot see are given up after a minute or so. */
    uint64_t nodes = 50000000;
    state *s = self;

    (void)id;
    return mico_walk_next(&s->walk, &nodes, levels) == MICO_WALK_FOUND;
}

static void grid_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    (void)self;
    (void)trial;
    (void)levels;
}

static void grid_destroy(void *self)
{
    state *s = self;

    mico_walk_free(&s->walk);
    free(s);
}

const mico_searcher_type mico_searcher_grid = {
    .name = "grid",
    .help = "every feasible scheme once, smallest widths first",
    .create = grid_create,
    .ask = grid_ask,
    .tell = grid_tell,
    .destroy = grid_destroy,
};
