/* MiCo's near-constraint sampler: a genetic pool that drifts to just below the limit.
 *
 * Upstream's measure is the cost as a fraction of the limit; with several constraints
 * we take the tightest. Its region of interest is [limit - roi * top cost, limit];
 * where that is out of reach (upstream fails) it is clamped to what the space holds.
 * Members are kept in a hash set and measured once. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define P_CROSS   0.25
#define P_MUTATE  0.10
#define P_KEEP    0.75
#define OVER      1e6 /* distance of schemes above the limit starts here */
#define MAX_TRIES 12  /* children made per candidate asked for: bounds the time */

typedef struct member {
    double distance;
    size_t index; /* in set */
} member;

/* A limit's costs by layer and levels, so that pricing a scheme is a sum of look-ups.
 */
typedef struct price {
    double constant, limit;
    double (*cost)[MICO_N_WIDTHS][MICO_N_WIDTHS]; /* [n_layers] */
} price;

typedef struct pool {
    const mico_room *room;
    size_t n_prices; /* one a constraint, then one for the cap if there is any */
    price price[MICO_MAX_METRICS + 1];
    const mico_near_options *o;
    double low, high; /* region of interest, as fractions of the limit */
    mico_seen set;    /* all that were ever measured */
    member *member;   /* the living */
    size_t n, n_inside, capacity;
    bool keep[MICO_MAX_GENES]; /* variables that are likely to stay at their largest */
} pool;

static void add_price(pool *p, size_t metric, double limit)
{
    const mico_space *space = &p->room->problem->space;
    const mico_metric *m = &p->room->problem->metric[metric];
    price *out = &p->price[p->n_prices++];

    *out =
        (price){m->constant, limit, mico_xcalloc(space->n_layers, sizeof *out->cost)};
    for (size_t l = 0; l < space->n_layers; l++) {
        const mico_options *w = &space->var[space->var_of[l]];
        const mico_options *a = &space->var[space->var_of[space->n_layers + l]];

        for (size_t i = 0; i < w->n; i++)
            for (size_t k = 0; k < a->n; k++)
                out->cost[l][i][k] =
                    m->table[(l * MICO_N_WIDTHS + mico_width_index(w->width[i])) *
                                 MICO_N_WIDTHS +
                             mico_width_index(a->width[k])];
    }
}

static void add_prices(pool *p)
{
    const mico_problem *problem = p->room->problem;

    for (size_t k = 0; k < problem->n_constraints; k++)
        add_price(p, problem->constraint[k].metric, problem->constraint[k].limit);
    if (isfinite(p->o->cap))
        add_price(p, problem->pareto_metric, p->o->cap);
}

/* Cost by limit of the tightest limit; 0 without limits. */
static double fraction(const pool *p, const uint8_t *levels)
{
    const mico_space *space = &p->room->problem->space;
    const uint16_t *w = space->var_of, *a = space->var_of + space->n_layers;
    double tightest = 0;

    for (size_t k = 0; k < p->n_prices; k++) {
        double cost = p->price[k].constant, limit = p->price[k].limit, ratio;

        for (size_t l = 0; l < space->n_layers; l++)
            cost += p->price[k].cost[l][levels[w[l]]][levels[a[l]]];
        ratio = limit > 0 ? cost / limit : cost > limit ? 2 + cost - limit : 1;
        tightest = k == 0 ? ratio : fmax(tightest, ratio);
    }
    return tightest;
}

static double distance(const pool *p, const uint8_t *levels)
{
    double t = fraction(p, levels);

    if (t > 1)
        return OVER + (t - 1);
    return t >= p->low ? 0 : p->low - t;
}

/* False if it was there already. */
static bool add_member(pool *p, const uint8_t *levels)
{
    member m = {.index = p->set.n};

    if (!mico_seen_add(&p->set, levels))
        return false;
    m.distance = distance(p, levels);
    p->member = mico_grow(p->member, p->n, &p->capacity, sizeof *p->member);
    p->member[p->n++] = m;
    p->n_inside += m.distance <= 0;
    return true;
}

/* Would the smallest scheme, with the marked layers at their largest, be below the
 * limit? */
static bool try_keep(pool *p, bool last)
{
    const mico_space *space = &p->room->problem->space;
    size_t l = space->n_layers - 1;
    uint8_t levels[MICO_MAX_GENES] = {0};
    bool keep[MICO_MAX_GENES] = {false};

    keep[space->var_of[0]] = keep[space->var_of[space->n_layers]] = true;
    if (last)
        keep[space->var_of[l]] = keep[space->var_of[space->n_layers + l]] = true;
    for (size_t v = 0; v < space->n_vars; v++)
        if (keep[v])
            levels[v] = (uint8_t)(space->var[v].n - 1);
    if (fraction(p, levels) >= 1)
        return false;
    memcpy(p->keep, keep, sizeof keep);
    return true;
}

static void pool_start(pool *p, const mico_room *room, const mico_near_options *o)
{
    uint8_t levels[MICO_MAX_GENES];
    double top;

    *p = (pool){.room = room, .o = o};
    add_prices(p);
    mico_seen_init(&p->set, room->n_vars);
    mico_room_top(room, levels);
    top = fraction(p, levels);
    p->high = fmin(1, top);
    p->low = fmin(p->high, fmax(p->high - o->roi * top, fraction(p, room->safe)));
    if (!try_keep(p, true))
        try_keep(p, false);
    /* uniform schemes, the good ones found so far, and one that is feasible for sure */
    for (size_t q = 0; q < MICO_N_WIDTHS; q++) {
        for (size_t v = 0; v < room->n_vars; v++) {
            size_t n = room->problem->space.var[v].n;

            levels[v] = (uint8_t)(q < n ? q : n - 1);
        }
        add_member(p, levels);
    }
    for (size_t i = 0; i < o->n_start; i++)
        add_member(p, o->start + i * room->n_vars);
    add_member(p, room->safe);
}

static void make_child(const pool *p, mico_rng *rng, uint8_t *child)
{
    const mico_space *space = &p->room->problem->space;
    size_t a = mico_rng_below(rng, p->n), b = mico_rng_below(rng, p->n - 1);
    const uint8_t *other;

    b += b >= a;
    other = mico_seen_at(&p->set, p->member[b].index);
    memcpy(child, mico_seen_at(&p->set, p->member[a].index), space->n_vars);
    for (size_t v = 0; v < space->n_vars; v++) {
        double u = mico_rng_uniform(rng);

        /* one number decides mutation (10 %) and, of the rest, crossover (25 %) */
        if (u < P_MUTATE)
            child[v] = (uint8_t)(u / P_MUTATE * space->var[v].n);
        else if (u < P_MUTATE + (1 - P_MUTATE) * P_CROSS)
            child[v] = other[v];
        if (p->keep[v] && mico_rng_uniform(rng) < P_KEEP)
            child[v] = (uint8_t)(space->var[v].n - 1);
    }
}

static int by_distance(const void *a, const void *b)
{
    const member *p = a, *q = b;

    if (p->distance != q->distance)
        return p->distance < q->distance ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* Breeds until n members are inside the region of interest or the tries are used up. */
static void breed(pool *p, mico_rng *rng, size_t n)
{
    size_t tries = MAX_TRIES * n;
    uint8_t child[MICO_MAX_GENES];

    while (p->n > 1 && p->n_inside < n && tries > 0) {
        while (p->n < 2 * n && p->n_inside < n && tries > 0) {
            tries--;
            make_child(p, rng, child);
            add_member(p, child);
        }
        qsort(p->member, p->n, sizeof *p->member, by_distance);
        if (p->n > n)
            p->n = n;
    }
    qsort(p->member, p->n, sizeof *p->member, by_distance);
}

/* Copies the feasible members, then repaired others while they are too few. */
static void collect(pool *p, mico_rng *rng, size_t n, mico_seen *out)
{
    uint8_t levels[MICO_MAX_GENES];
    size_t repairs = n / 4 + 1;

    for (size_t i = 0; i < p->n && out->n < n && p->member[i].distance < OVER; i++) {
        const uint8_t *at = mico_seen_at(&p->set, p->member[i].index);

        if (mico_room_holds(p->room, at))
            mico_seen_add(out, at);
    }
    for (size_t i = 0; i < p->n && out->n < n && repairs > 0; i++) {
        if (p->member[i].distance < OVER)
            continue;
        memcpy(levels, mico_seen_at(&p->set, p->member[i].index), p->room->n_vars);
        mico_room_repair(p->room, rng, levels, NULL);
        if (fraction(p, levels) <= 1)
            mico_seen_add(out, levels);
        repairs--;
    }
    if (out->n == 0)
        mico_seen_add(out, p->room->safe);
}

void mico_near_sample(const mico_room *room, mico_rng *rng,
                      const mico_near_options *options, mico_seen *out)
{
    size_t n = options->n_candidates;
    uint8_t levels[MICO_MAX_GENES];
    pool p;

    if (room->problem->n_constraints == 0 && !isfinite(options->cap)) {
        for (size_t i = 0; i < 2 * n && out->n < n; i++) {
            mico_room_draw(room, rng, levels);
            mico_seen_add(out, levels);
        }
        return;
    }
    pool_start(&p, room, options);
    breed(&p, rng, n);
    collect(&p, rng, n, out);
    for (size_t k = 0; k < p.n_prices; k++)
        free(p.price[k].cost);
    free(p.member);
    mico_seen_free(&p.set);
}
