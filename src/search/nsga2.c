/* Searcher "nsga2": NSGA-II (Deb et al., IEEE Trans. Evol. Comput. 6 (2002) 182-197).
 *
 * Steady-state: each told trial joins the population, and where that is full the most
 * crowded member of the last front leaves (mu + 1), so that any number of trials may be
 * pending. Parents win binary tournaments by front, then crowding. A child is a uniform
 * crossover, some levels mutated, repaired to meet the constraints; repeats become
 * unseen neighbours. Objectives: accuracy, and with the goal "pareto" the cost. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define P_CROSS 0.9
#define P_LEAP  0.25 /* a mutation is to any level instead of a neighbour */
#define REFILLS 8
#define SPREAD  0.5 /* of the levels of a first proposal about their common height */

typedef struct member {
    uint64_t id;
    double f[2]; /* -accuracy and cost: both are minimised */
    size_t front;
    double crowding;
    uint8_t levels[MICO_MAX_GENES];
} member;

typedef struct state {
    mico_room room;
    mico_seen seen; /* every proposal */
    mico_rng *rng;
    uint64_t seed;
    bool pareto;

    size_t n, most; /* members, and how many stay */
    member *member; /* [most + 1] */
    size_t *order;  /* [most + 1] */
    size_t *above;  /* [most + 1] members that dominate this one */
} state;

/* ---- fronts and crowding --------------------------------------------------------- */

static bool dominates(const member *a, const member *b)
{
    return a->f[0] <= b->f[0] && a->f[1] <= b->f[1] &&
           (a->f[0] < b->f[0] || a->f[1] < b->f[1]);
}

/* The members of the next front to order, those below freed of it; how many. */
static size_t peel(state *s, size_t front)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (s->above[i] != 0 || s->member[i].front < front)
            continue;
        s->member[i].front = front;
        s->order[n++] = i;
    }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < s->n; i++)
            s->above[i] -= dominates(&s->member[s->order[k]], &s->member[i]);
    return n;
}

/* Sorts a front by objective k: by insertion, for it is nearly sorted from last time.
 */
static void sort_front(const state *s, size_t n, size_t k)
{
    for (size_t i = 1; i < n; i++) {
        size_t index = s->order[i], at = i;
        const member *m = &s->member[index];

        for (; at > 0; at--) {
            const member *o = &s->member[s->order[at - 1]];

            if (o->f[k] < m->f[k] || (o->f[k] == m->f[k] && o->id < m->id))
                break;
            s->order[at] = s->order[at - 1];
        }
        s->order[at] = index;
    }
}

/* Half the perimeter of the box between a member's neighbours; the ends are alone. */
static void measure_crowding(state *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->member[s->order[i]].crowding = 0;
    for (size_t k = 0; k < 2; k++) {
        double width;

        sort_front(s, n, k);
        width = s->member[s->order[n - 1]].f[k] - s->member[s->order[0]].f[k];
        if (!(width > 0))
            continue;
        s->member[s->order[0]].crowding = INFINITY;
        s->member[s->order[n - 1]].crowding = INFINITY;
        for (size_t i = 1; i + 1 < n; i++)
            s->member[s->order[i]].crowding +=
                (s->member[s->order[i + 1]].f[k] - s->member[s->order[i - 1]].f[k]) /
                width;
    }
}

static void sort_population(state *s)
{
    size_t n_sorted = 0;

    for (size_t i = 0; i < s->n; i++) {
        s->member[i].front = SIZE_MAX;
        s->above[i] = 0;
        for (size_t j = 0; j < s->n; j++)
            s->above[i] += dominates(&s->member[j], &s->member[i]);
    }
    for (size_t front = 0; n_sorted < s->n; front++) {
        size_t n = peel(s, front);

        measure_crowding(s, n);
        n_sorted += n;
    }
}

/* By front, then crowding, then age. */
static bool is_better(const member *a, const member *b)
{
    if (a->front != b->front)
        return a->front < b->front;
    if (a->crowding != b->crowding)
        return a->crowding > b->crowding;
    return a->id < b->id;
}

/* ---- making a proposal ----------------------------------------------------------- */

/* First proposals. For a front: the best accuracy, the least cost, then levels about a
 * common height that is drawn for each, so that they cover the range of costs. */
static void make_first(state *s, uint8_t *levels)
{
    const mico_space *space = &s->room.problem->space;
    double height = mico_rng_uniform(s->rng);

    if (!s->pareto) {
        mico_room_sample(&s->room, s->rng, levels);
        return;
    }
    for (size_t v = 0; v < space->n_vars; v++) {
        double u = height + SPREAD * (mico_rng_uniform(s->rng) - 0.5);

        levels[v] = (uint8_t)(fmin(fmax(u, 0), 0.999) * space->var[v].n);
    }
    if (s->seen.n == 0)
        mico_room_top(&s->room, levels);
    if (s->seen.n == 1)
        memcpy(levels, s->room.safe, space->n_vars);
    mico_room_repair(&s->room, s->rng, levels, NULL);
}

static const member *choose_parent(state *s)
{
    const member *a = &s->member[mico_rng_below(s->rng, s->n)];
    const member *b = &s->member[mico_rng_below(s->rng, s->n)];

    return is_better(b, a) ? b : a;
}

static uint8_t mutated(state *s, uint8_t level, size_t n)
{
    if (mico_rng_uniform(s->rng) < P_LEAP)
        return (uint8_t)mico_rng_below(s->rng, n);
    if (level == 0 || (level + 1u < n && mico_rng_below(s->rng, 2) == 0))
        return (uint8_t)(level + (level + 1u < n));
    return (uint8_t)(level - 1);
}

/* Where cost is no objective, slack below the limits is of no use: raises variables
 * while that stays feasible, a few tries long. */
static void refill(state *s, uint8_t *levels, const bool *changed)
{
    const mico_space *space = &s->room.problem->space;

    for (size_t i = 0; i < REFILLS; i++) {
        size_t v = mico_rng_below(s->rng, space->n_vars);

        if (changed[v] || levels[v] + 1u >= space->var[v].n)
            continue;
        levels[v]++;
        if (!mico_room_holds(&s->room, levels))
            levels[v]--;
    }
}

static void make_child(state *s, uint8_t *levels)
{
    const mico_space *space = &s->room.problem->space;
    const member *a = choose_parent(s), *b = choose_parent(s);
    bool cross = mico_rng_uniform(s->rng) < P_CROSS, changed[MICO_MAX_GENES] = {false};
    size_t n_free = 0;

    for (size_t v = 0; v < space->n_vars; v++)
        n_free += space->var[v].n > 1;
    for (size_t v = 0; v < space->n_vars; v++) {
        bool other = cross && mico_rng_below(s->rng, 2) == 0;

        levels[v] = (other ? b : a)->levels[v];
        if (space->var[v].n > 1 && mico_rng_below(s->rng, n_free) == 0) {
            levels[v] = mutated(s, levels[v], space->var[v].n);
            changed[v] = true;
        }
    }
    if (!mico_room_holds(&s->room, levels))
        mico_room_repair(&s->room, s->rng, levels, changed);
    else if (!s->pareto && s->room.problem->n_constraints > 0)
        refill(s, levels, changed);
}

/* ---- the searcher ---------------------------------------------------------------- */

static void *nsga2_create(const mico_problem *problem,
                          const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_room_init(&s->room, problem);
    mico_seen_init(&s->seen, problem->space.n_vars);
    s->rng = mico_rng_new(options->seed, "nsga2-ask", 0);
    s->seed = options->seed;
    s->pareto = problem->goal == MICO_GOAL_PARETO;
    s->most = options->population;
    s->member = mico_xcalloc(s->most + 1, sizeof *s->member);
    s->order = mico_xcalloc(s->most + 1, sizeof *s->order);
    s->above = mico_xcalloc(s->most + 1, sizeof *s->above);
    return s;
}

static bool nsga2_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;

    mico_rng_restart(s->rng, s->seed, "nsga2-ask", id);
    if (s->seen.n < s->most || s->n == 0)
        make_first(s, levels);
    else
        make_child(s, levels);
    if (!mico_room_fresh(&s->room, &s->seen, s->rng, levels))
        return false;
    mico_seen_add(&s->seen, levels);
    return true;
}

static void nsga2_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;
    member *m = &s->member[s->n];
    size_t worst = 0;

    if (trial->outcome.state != MICO_STATE_DONE)
        return;
    m->id = trial->id;
    m->f[0] = -mico_accuracy(&trial->outcome);
    m->f[1] = s->pareto ? mico_room_cost(&s->room, levels) : 0;
    memcpy(m->levels, levels, s->room.n_vars);
    s->n++;
    sort_population(s);
    if (s->n <= s->most)
        return;
    for (size_t i = 1; i < s->n; i++)
        if (is_better(&s->member[worst], &s->member[i]))
            worst = i;
    s->member[worst] = s->member[--s->n];
    sort_population(s); /* the neighbours of the one that left are less crowded now */
}

static void nsga2_destroy(void *self)
{
    state *s = self;

    mico_rng_free(s->rng);
    mico_seen_free(&s->seen);
    free(s->member);
    free(s->order);
    free(s->above);
    free(s);
}

const mico_searcher_type mico_searcher_nsga2 = {
    .name = "nsga2",
    .help = "NSGA-II, steady-state: non-dominated fronts, crowding, crossover",
    .create = nsga2_create,
    .ask = nsga2_ask,
    .tell = nsga2_tell,
    .destroy = nsga2_destroy,
};
