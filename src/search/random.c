/* Searcher "random": independent draws from the feasible schemes, without repeats. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <stdlib.h>

typedef struct state {
    mico_room room;
    mico_seen seen; /* every proposal */
    mico_rng *rng;
    uint64_t seed;
} state;

static void *random_create(const mico_problem *problem,
                           const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_room_init(&s->room, problem);
    mico_seen_init(&s->seen, problem->space.n_vars);
    s->rng = mico_rng_new(options->seed, "random-ask", 0);
    s->seed = options->seed;
    return s;
}

static bool random_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;

    mico_rng_restart(s->rng, s->seed, "random-ask", id);
    mico_room_sample(&s->room, s->rng, levels);
    if (!mico_room_fresh(&s->room, &s->seen, s->rng, levels))
        return false;
    mico_seen_add(&s->seen, levels);
    return true;
}

static void random_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    (void)self;
    (void)trial;
    (void)levels;
}

static void random_destroy(void *self)
{
    state *s = self;

    mico_rng_free(s->rng);
    mico_seen_free(&s->seen);
    free(s);
}

const mico_searcher_type mico_searcher_random = {
    .name = "random",
    .help = "uniform over the feasible schemes, no repeats",
    .create = random_create,
    .ask = random_ask,
    .tell = random_tell,
    .destroy = random_destroy,
};
