/* Searcher "mico": MiCo's random forest with an upper confidence bound over schemes
 * near the limit.
 *
 * Follows upstream's algorithm: orthogonal-like initial design, near-constraint
 * sampler, features [w, a, w*m, a*m] with m the layer's share of the
 * multiply-accumulates, forest sizes by dimension, score mean + beta * deviation of the
 * trees. Differences, on purpose: designs above the limit are repaired (nothing
 * infeasible is ever evaluated), the initial design counts, schemes are never repeated,
 * and with the goal "pareto" each proposal draws its own limit on the pareto metric (an
 * epsilon-constraint ladder). */
#include "search/search_internal.h"

#include "core/mem.h"
#include "search/forest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROI_FIRST 0.1
#define ROI_LAST  0.3

typedef struct state {
    mico_room room;
    mico_seen seen; /* every proposal */
    mico_rng *rng;
    uint64_t seed;

    mico_search_options o;
    mico_forest_options shape;
    mico_seen design;                    /* the initial schemes */
    size_t n_features;                   /* of the model, see mico_create */
    double (*values)[MICO_FOREST_CODES]; /* [n_features] */

    /* done trials, in the order of their telling */
    size_t n_told, levels_capacity, codes_capacity, accuracy_capacity, id_capacity;
    uint8_t *levels; /* [n_told][n_vars] */
    uint8_t *codes;  /* [n_told][n_features] */
    double *accuracy;
    uint64_t *id;
    mico_forest forest; /* of the first n_fitted of them */
    size_t n_fitted;
} state;

/* ---- initial design -------------------------------------------------------------- */

static void add_design(state *s, uint8_t *levels)
{
    mico_room_repair(&s->room, s->rng, levels, NULL);
    if (mico_room_fresh(&s->room, &s->design, s->rng, levels))
        mico_seen_add(&s->design, levels);
}

static void lower_layer(const state *s, size_t layer, uint8_t *levels)
{
    const mico_space *space = &s->room.problem->space;
    const size_t vars[2] = {space->var_of[layer],
                            space->var_of[space->n_layers + layer]};

    for (size_t i = 0; i < 2; i++) {
        size_t n = space->var[vars[i]].n;

        if (n > 1)
            levels[vars[i]] = (uint8_t)mico_rng_below(s->rng, n - 1);
    }
}

/* All largest, all smallest, then all largest but for a few layers each, drawn from a
 * shuffled bag so that every layer gets its turn. */
static void make_design(state *s)
{
    size_t n_layers = s->room.problem->space.n_layers, n = s->o.n_inits;
    size_t n_rest = n > 2 ? n - 2 : 0, n_bag = 0, bag[MICO_MAX_LAYERS];
    size_t n_lowered = n_rest > 0 && n_layers > n_rest ? n_layers / n_rest : 1;
    uint8_t levels[MICO_MAX_GENES] = {0};

    mico_rng_restart(s->rng, s->seed, "mico-design", 0);
    for (size_t k = 0; k < n; k++) {
        if (k == 1)
            memset(levels, 0, sizeof levels);
        else
            mico_room_top(&s->room, levels);
        for (size_t i = 0; k >= 2 && i < n_lowered; i++) {
            if (n_bag == 0) {
                for (n_bag = 0; n_bag < n_layers; n_bag++)
                    bag[n_bag] = n_bag;
                mico_rng_shuffle(s->rng, bag, n_bag);
            }
            lower_layer(s, bag[--n_bag], levels);
        }
        add_design(s, levels);
    }
}

/* ---- model ----------------------------------------------------------------------- */

/* Upstream's sizes, by the number of search variables. */
static mico_forest_options forest_shape(size_t n_vars, size_t n_features,
                                        size_t n_trees)
{
    mico_forest_options o = {.n_trees = 100, .bootstrap = true};

    if (n_vars > 60)
        o = (mico_forest_options){450, 2, (size_t)log2((double)n_features), true};
    else if (n_vars > 40)
        o = (mico_forest_options){350, 3, (size_t)log2((double)n_features), true};
    else if (n_vars > 20)
        o = (mico_forest_options){250, 5, (size_t)sqrt((double)n_features), true};
    if (n_trees > 0)
        o.n_trees = n_trees;
    return o;
}

static void make_values(state *s)
{
    const mico_problem *p = s->room.problem;
    size_t n_genes = 2 * p->space.n_layers;
    double total = 0;

    for (size_t l = 0; p->layer_macs != NULL && l < p->space.n_layers; l++)
        total += p->layer_macs[l];
    for (size_t f = 0; f < s->n_features; f++) {
        size_t l = f % p->space.n_layers;
        double scale = f < n_genes ? 1 : total > 0 ? p->layer_macs[l] / total : 0;

        for (size_t c = 0; c < MICO_N_WIDTHS; c++)
            s->values[f][c] = scale * mico_width_bits(mico_width_at(c));
    }
}

/* Codes of [w, a, w*m, a*m]; a feature without values (m = 0) has the one code 0. */
static void make_codes(const state *s, const uint8_t *levels, uint8_t *codes)
{
    size_t n_genes = 2 * s->room.problem->space.n_layers;
    mico_scheme scheme;

    mico_space_scheme(&s->room.problem->space, levels, &scheme);
    for (size_t g = 0; g < n_genes; g++)
        codes[g] = (uint8_t)mico_width_index(scheme.bits[g]);
    for (size_t f = n_genes; f < s->n_features; f++)
        codes[f] = s->values[f][0] > 0 ? codes[f - n_genes] : 0;
}

static void fit(state *s)
{
    mico_forest_data data = {
        .n = s->n_told,
        .n_features = s->n_features,
        .codes = s->codes,
        .values = (const double(*)[MICO_FOREST_CODES])s->values,
        .y = s->accuracy,
    };

    if (s->n_fitted == s->n_told)
        return;
    mico_forest_free(&s->forest);
    mico_rng_restart(s->rng, s->seed, "mico-forest", s->n_told);
    mico_forest_fit(&s->forest, &data, &s->shape, s->rng);
    s->n_fitted = s->n_told;
}

/* ---- proposals ------------------------------------------------------------------- */

/* A limit on the pareto metric for this proposal, or INFINITY. */
static double draw_cap(state *s)
{
    const mico_problem *p = s->room.problem;
    uint8_t top[MICO_MAX_GENES];
    double low, high;

    if (p->goal != MICO_GOAL_PARETO || p->n_metrics == 0)
        return INFINITY;
    mico_room_top(&s->room, top);
    low = mico_room_cost(&s->room, s->room.safe);
    high = mico_room_cost(&s->room, top);
    for (size_t k = 0; k < p->n_constraints; k++)
        if (p->constraint[k].metric == p->pareto_metric)
            high = fmin(high, p->constraint[k].limit);
    return low < high && low > 0 ? low + (high - low) * mico_rng_uniform(s->rng)
                                 : INFINITY;
}

typedef struct ranked {
    double accuracy;
    size_t index;
} ranked;

static int by_accuracy(const void *a, const void *b)
{
    const ranked *p = a, *q = b;

    if (p->accuracy != q->accuracy)
        return p->accuracy > q->accuracy ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* The best quarter of the trials after the initial design, for the sampler to breed
 * from. */
static uint8_t *best_quarter(const state *s, double cap, size_t *n_best)
{
    size_t n_vars = s->room.n_vars, n = 0;
    ranked *order = mico_xcalloc(s->n_told, sizeof *order);
    uint8_t *best;

    for (size_t i = 0; i < s->n_told; i++)
        if (s->id[i] >= s->o.n_inits &&
            (!isfinite(cap) || mico_room_cost(&s->room, s->levels + i * n_vars) <= cap))
            order[n++] = (ranked){s->accuracy[i], i};
    qsort(order, n, sizeof *order, by_accuracy);
    *n_best = n == 0 ? 0 : n < 4 ? 1 : n / 4;
    best = mico_xcalloc(*n_best, n_vars);
    for (size_t i = 0; i < *n_best; i++)
        memcpy(best + i * n_vars, s->levels + order[i].index * n_vars, n_vars);
    free(order);
    return best;
}

static void sample_candidates(state *s, uint64_t id, mico_seen *candidates)
{
    uint64_t first = s->o.n_inits, n = s->o.budget > first ? s->o.budget - first : 1;
    double done = id > first ? fmin(1, (double)(id - first) / (double)n) : 0;
    mico_near_options o = {.n_candidates = s->o.n_candidates};
    uint8_t *start;

    mico_rng_restart(s->rng, s->seed, "mico-ask", id);
    o.roi = ROI_FIRST + (ROI_LAST - ROI_FIRST) * done;
    o.cap = draw_cap(s);
    o.start = start = best_quarter(s, o.cap, &o.n_start);
    mico_near_sample(&s->room, s->rng, &o, candidates);
    free(start);
}

/* The unseen candidate with the highest upper confidence bound; without a model the
 * first unseen one at random. */
static const uint8_t *choose(state *s, const mico_seen *candidates)
{
    double beta = 0.5 * (double)s->o.n_inits / (double)(s->n_told > 0 ? s->n_told : 1);
    size_t offset = mico_rng_below(s->rng, candidates->n);
    const uint8_t *best = mico_seen_at(candidates, offset);
    uint8_t codes[2 * MICO_MAX_GENES];
    double highest = -INFINITY;

    if (s->n_told > 0)
        fit(s);
    for (size_t i = 0; i < candidates->n; i++) {
        const uint8_t *at = mico_seen_at(candidates, (offset + i) % candidates->n);
        double mean = 0, deviation = 0;

        if (mico_seen_has(&s->seen, at))
            continue;
        if (s->n_told > 0) {
            make_codes(s, at, codes);
            mico_forest_predict(&s->forest, codes, &mean, &deviation);
        }
        if (mean + beta * deviation > highest) {
            highest = mean + beta * deviation;
            best = at;
        }
    }
    return best;
}

/* ---- the searcher ---------------------------------------------------------------- */

static void *mico_create(const mico_problem *problem,
                         const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_room_init(&s->room, problem);
    mico_seen_init(&s->seen, problem->space.n_vars);
    s->rng = mico_rng_new(options->seed, "mico-ask", 0);
    s->seed = options->seed;
    s->o = *options;
    s->n_features = 4 * problem->space.n_layers;
    s->shape = forest_shape(problem->space.n_vars, s->n_features, options->n_trees);
    /* w*m splits as w does: where a node looks at all features, one of each will do */
    if (s->shape.max_features == 0)
        s->n_features /= 2;
    s->values = mico_xcalloc(s->n_features, sizeof *s->values);
    make_values(s);
    mico_seen_init(&s->design, problem->space.n_vars);
    make_design(s);
    return s;
}

static bool mico_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;

    if (s->seen.n < s->design.n) {
        memcpy(levels, mico_seen_at(&s->design, s->seen.n), s->room.n_vars);
    } else {
        mico_seen candidates;

        mico_seen_init(&candidates, s->room.n_vars);
        sample_candidates(s, id, &candidates);
        memcpy(levels, choose(s, &candidates), s->room.n_vars);
        mico_seen_free(&candidates);
        mico_rng_restart(s->rng, s->seed, "mico-fresh", id);
        if (!mico_room_fresh(&s->room, &s->seen, s->rng, levels))
            return false;
    }
    mico_seen_add(&s->seen, levels);
    return true;
}

static void mico_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;
    size_t n = s->n_told;

    if (trial->outcome.state != MICO_STATE_DONE)
        return;
    s->levels = mico_grow(s->levels, n, &s->levels_capacity, s->room.n_vars);
    s->codes = mico_grow(s->codes, n, &s->codes_capacity, s->n_features);
    s->accuracy = mico_grow(s->accuracy, n, &s->accuracy_capacity, sizeof *s->accuracy);
    s->id = mico_grow(s->id, n, &s->id_capacity, sizeof *s->id);
    memcpy(s->levels + n * s->room.n_vars, levels, s->room.n_vars);
    make_codes(s, levels, s->codes + n * s->n_features);
    s->accuracy[n] = mico_accuracy(&trial->outcome);
    s->id[n] = trial->id;
    s->n_told++;
}

static void mico_destroy(void *self)
{
    state *s = self;

    mico_forest_free(&s->forest);
    mico_seen_free(&s->design);
    mico_seen_free(&s->seen);
    mico_rng_free(s->rng);
    free(s->values);
    free(s->levels);
    free(s->codes);
    free(s->accuracy);
    free(s->id);
    free(s);
}

const mico_searcher_type mico_searcher_mico = {
    .name = "mico",
    .help = "MiCo: random forest with upper confidence bound near the limit",
    .create = mico_create,
    .ask = mico_ask,
    .tell = mico_tell,
    .destroy = mico_destroy,
};
