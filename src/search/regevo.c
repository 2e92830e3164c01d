/* Searcher "regevo": regularized evolution (Real et al., AAAI 2019).
 *
 * The best of a random sample of the population has a child; the population keeps the
 * youngest members, not the best. A child differs by one or two variables and exchanges
 * width: what one variable gains above the limit, others lose. With the goal "pareto"
 * the parent is chosen by non-domination, then crowding (Deb 2002), or taken from the
 * front found so far. Only told trials are parents, so any number may be pending. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define P_TWO     0.5  /* a second variable changes */
#define P_LEAP    0.15 /* a change is to any level instead of a neighbour */
#define P_REFILL  0.7  /* slack that a change left is given to other variables */
#define P_ARCHIVE 0.6  /* a parent comes from the front */

typedef struct member {
    uint64_t id;
    double accuracy, cost;
    uint8_t levels[MICO_MAX_GENES];
} member;

typedef struct state {
    mico_room room;
    mico_seen seen; /* every proposal */
    mico_rng *rng;
    uint64_t seed;

    mico_search_options o;
    member *member; /* the youngest of the told, by id */
    size_t n_members;
    member *front; /* pareto: all non-dominated so far, by ascending cost */
    size_t n_front, front_capacity;
} state;

/* ---- choosing a parent ----------------------------------------------------------- */

static bool dominates(const member *a, const member *b)
{
    return a->accuracy >= b->accuracy && a->cost <= b->cost &&
           (a->accuracy > b->accuracy || a->cost < b->cost);
}

static bool is_better(const member *a, const member *b)
{
    if (a->accuracy != b->accuracy)
        return a->accuracy > b->accuracy;
    return a->cost != b->cost ? a->cost < b->cost : a->id < b->id;
}

static int by_cost(const void *a, const void *b)
{
    const member *p = *(const member *const *)a, *q = *(const member *const *)b;

    if (p->cost != q->cost)
        return p->cost < q->cost ? -1 : 1;
    return p->id < q->id ? -1 : p->id > q->id;
}

/* How alone a member of a front is between its neighbours (NULL beyond the ends). */
static double crowding(const member *first, const member *last, const member *before,
                       const member *after)
{
    double width = last->cost - first->cost, height = last->accuracy - first->accuracy;

    if (before == NULL || after == NULL)
        return INFINITY;
    return (width > 0 ? (after->cost - before->cost) / width : 0) +
           (height > 0 ? (after->accuracy - before->accuracy) / height : 0);
}

/* The least crowded of the non-dominated; the ends of the front draw lots. */
static const member *choose_spread(state *s, const member **sample, size_t n)
{
    size_t n_first = 0, n_best = 0;
    double widest = -1;
    const member *best = NULL;

    for (size_t i = 0; i < n; i++) {
        bool dominated = false;

        for (size_t j = 0; j < n && !dominated; j++)
            dominated = dominates(sample[j], sample[i]);
        if (!dominated) {
            const member *m = sample[i];

            sample[i] = sample[n_first];
            sample[n_first++] = m;
        }
    }
    qsort(sample, n_first, sizeof *sample, by_cost);
    for (size_t i = 0; i < n_first; i++) {
        double alone =
            crowding(sample[0], sample[n_first - 1], i > 0 ? sample[i - 1] : NULL,
                     i + 1 < n_first ? sample[i + 1] : NULL);

        if (alone > widest) {
            widest = alone;
            n_best = 0;
        }
        if (alone >= widest && mico_rng_below(s->rng, ++n_best) == 0)
            best = sample[i];
    }
    return best;
}

/* The less crowded of two random members of the front found so far. */
static const member *choose_from_front(state *s)
{
    const member *best = NULL, *front = s->front;
    double widest = -1;

    for (size_t k = 0; k < 2; k++) {
        size_t i = mico_rng_below(s->rng, s->n_front);
        double alone =
            crowding(front, front + s->n_front - 1, i > 0 ? front + i - 1 : NULL,
                     i + 1 < s->n_front ? front + i + 1 : NULL);

        if (alone > widest) {
            widest = alone;
            best = &front[i];
        }
    }
    return best;
}

static const member *choose_parent(state *s)
{
    bool pareto = s->room.problem->goal == MICO_GOAL_PARETO;
    const member *best = NULL, **sample;
    size_t n = s->o.tournament;

    if (pareto && mico_rng_uniform(s->rng) < P_ARCHIVE)
        return choose_from_front(s);
    sample = mico_xcalloc(n, sizeof *sample);
    for (size_t i = 0; i < n; i++) {
        sample[i] = &s->member[mico_rng_below(s->rng, s->n_members)];
        if (best == NULL || is_better(sample[i], best))
            best = sample[i];
    }
    if (pareto)
        best = choose_spread(s, sample, n);
    free(sample);
    return best;
}

/* ---- making a proposal ----------------------------------------------------------- */

/* First proposals. For a front they are spread over the whole range of costs: widths
 * about a common height, which is drawn for each. */
static void make_first(state *s, uint8_t *levels)
{
    const mico_space *space = &s->room.problem->space;
    double height = mico_rng_uniform(s->rng);

    if (s->room.problem->goal == MICO_GOAL_ACCURACY) {
        mico_room_sample(&s->room, s->rng, levels);
        return;
    }
    for (size_t v = 0; v < space->n_vars; v++) {
        double u = height + 0.5 * (mico_rng_uniform(s->rng) - 0.5);

        levels[v] = (uint8_t)(fmin(fmax(u, 0), 0.999) * space->var[v].n);
    }
    mico_room_repair(&s->room, s->rng, levels, NULL);
}

static void change(state *s, uint8_t *levels, bool *changed)
{
    const mico_space *space = &s->room.problem->space;
    size_t v = mico_rng_below(s->rng, space->n_vars), n;

    for (size_t i = 0; i < space->n_vars && space->var[v].n < 2; i++)
        v = (v + 1) % space->n_vars;
    n = space->var[v].n;
    changed[v] = true;
    if (mico_rng_uniform(s->rng) < P_LEAP)
        levels[v] = (uint8_t)mico_rng_below(s->rng, n);
    else if (levels[v] + 1u < n && (levels[v] == 0 || mico_rng_below(s->rng, 2) == 0))
        levels[v]++;
    else if (levels[v] > 0)
        levels[v]--;
}

/* Raises other variables while that stays feasible, a few tries long. */
static void refill(state *s, uint8_t *levels, const bool *changed)
{
    const mico_space *space = &s->room.problem->space;

    for (size_t i = 0; i < 8; i++) {
        size_t v = mico_rng_below(s->rng, space->n_vars);

        if (changed[v] || levels[v] + 1u >= space->var[v].n)
            continue;
        levels[v]++;
        if (!mico_room_holds(&s->room, levels))
            levels[v]--;
    }
}

static void make_child(state *s, const member *parent, uint8_t *levels)
{
    bool changed[MICO_MAX_GENES] = {false};

    memcpy(levels, parent->levels, s->room.n_vars);
    change(s, levels, changed);
    if (mico_rng_uniform(s->rng) < P_TWO)
        change(s, levels, changed);
    if (!mico_room_holds(&s->room, levels))
        mico_room_repair(&s->room, s->rng, levels, changed);
    else if (s->room.problem->goal == MICO_GOAL_ACCURACY &&
             s->room.problem->n_constraints > 0 && mico_rng_uniform(s->rng) < P_REFILL)
        refill(s, levels, changed);
}

/* ---- population and front -------------------------------------------------------- */

/* Keeps the o.population youngest. Ids come in order, or nearly (order = arrival). */
static void add_member(state *s, const member *m)
{
    size_t at = s->n_members;

    while (at > 0 && s->member[at - 1].id > m->id)
        at--;
    if (s->n_members == s->o.population) {
        if (at == 0)
            return;
        memmove(s->member, s->member + 1, --at * sizeof *s->member);
    } else {
        memmove(s->member + at + 1, s->member + at,
                (s->n_members - at) * sizeof *s->member);
        s->n_members++;
    }
    s->member[at] = *m;
}

static void add_to_front(state *s, const member *m)
{
    size_t n = 0, at;

    for (size_t i = 0; i < s->n_front; i++)
        if (dominates(&s->front[i], m))
            return;
    for (size_t i = 0; i < s->n_front; i++)
        if (!dominates(m, &s->front[i]))
            s->front[n++] = s->front[i];
    s->n_front = n;
    s->front = mico_grow(s->front, n, &s->front_capacity, sizeof *s->front);
    for (at = n; at > 0 && s->front[at - 1].cost > m->cost; at--)
        s->front[at] = s->front[at - 1];
    s->front[at] = *m;
    s->n_front++;
}

/* ---- the searcher ---------------------------------------------------------------- */

static void *regevo_create(const mico_problem *problem,
                           const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_room_init(&s->room, problem);
    mico_seen_init(&s->seen, problem->space.n_vars);
    s->rng = mico_rng_new(options->seed, "regevo-ask", 0);
    s->seed = options->seed;
    s->o = *options;
    s->member = mico_xcalloc(options->population, sizeof *s->member);
    return s;
}

static bool regevo_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;
    size_t few = s->o.tournament < s->o.population ? s->o.tournament : s->o.population;

    mico_rng_restart(s->rng, s->seed, "regevo-ask", id);
    if (s->seen.n < s->o.population || s->n_members < few)
        make_first(s, levels);
    else
        make_child(s, choose_parent(s), levels);
    if (!mico_room_fresh(&s->room, &s->seen, s->rng, levels))
        return false;
    mico_seen_add(&s->seen, levels);
    return true;
}

static void regevo_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;
    member m = {.id = trial->id, .accuracy = mico_accuracy(&trial->outcome)};

    if (trial->outcome.state != MICO_STATE_DONE)
        return;
    m.cost = mico_room_cost(&s->room, levels);
    memcpy(m.levels, levels, s->room.n_vars);
    add_member(s, &m);
    if (s->room.problem->goal == MICO_GOAL_PARETO)
        add_to_front(s, &m);
}

static void regevo_destroy(void *self)
{
    state *s = self;

    mico_rng_free(s->rng);
    mico_seen_free(&s->seen);
    free(s->member);
    free(s->front);
    free(s);
}

const mico_searcher_type mico_searcher_regevo = {
    .name = "regevo",
    .help = "regularized evolution: mutate the best of a sample, age out the oldest",
    .create = regevo_create,
    .ask = regevo_ask,
    .tell = regevo_tell,
    .destroy = regevo_destroy,
};
