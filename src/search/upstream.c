/* Upstream's model-based search: design, fit, sample, score, propose.
 *
 * Differences from upstream, on purpose: designs above the limit are repaired (nothing
 * infeasible is ever evaluated), the initial design counts, schemes are never repeated,
 * tight limits raise no error, and with the goal "pareto" each proposal draws its own
 * limit on the pareto metric (an epsilon-constraint ladder). Upstream evaluates one
 * scheme at a time; here trials may be pending, and models see each of them with the
 * mean of all outcomes ("constant liar", Ginsbourger et al. 2010). */
#include "search/upstream.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Upstream draws again until a candidate is feasible: 11 or 50 times, or for ever. */
#define RANDOM_ROUNDS 3

/* ---- features -------------------------------------------------------------------- */

/* [w, a, w*m, a*m] with m the layer's share of the multiply-accumulates, else the raw
 * scheme: one feature a variable. */
static void make_values(mico_upstream *u)
{
    const mico_problem *p = u->room.problem;
    size_t n_genes = 2 * p->space.n_layers;
    double total = 0;

    u->n_features = u->expanded ? 2 * n_genes : p->space.n_vars;
    u->values = mico_xcalloc(u->n_features, sizeof *u->values);
    for (size_t l = 0; p->layer_macs != NULL && l < p->space.n_layers; l++)
        total += p->layer_macs[l];
    for (size_t f = 0; f < u->n_features; f++) {
        bool scaled = u->expanded && f >= n_genes;
        size_t l = f % p->space.n_layers;
        double scale = !scaled ? 1 : total > 0 ? p->layer_macs[l] / total : 0;

        for (size_t c = 0; c < MICO_N_WIDTHS; c++)
            u->values[f][c] = scale * mico_width_bits(mico_width_at(c));
    }
}

/* A feature without values (m = 0) has the one code 0. */
static void make_codes(const mico_upstream *u, const uint8_t *levels, uint8_t *codes)
{
    const mico_space *space = &u->room.problem->space;
    size_t n_genes = 2 * space->n_layers;
    mico_scheme scheme;

    for (size_t v = 0; !u->expanded && v < space->n_vars; v++)
        codes[v] = (uint8_t)mico_width_index(space->var[v].width[levels[v]]);
    if (!u->expanded)
        return;
    mico_space_scheme(space, levels, &scheme);
    for (size_t g = 0; g < n_genes; g++)
        codes[g] = (uint8_t)mico_width_index(scheme.bits[g]);
    for (size_t f = n_genes; f < u->n_features; f++)
        codes[f] = u->values[f][0] > 0 ? codes[f - n_genes] : 0;
}

/* ---- outcomes -------------------------------------------------------------------- */

static void grow_rows(mico_upstream *u, size_t n)
{
    u->levels = mico_grow(u->levels, n, &u->levels_capacity, u->room.n_vars);
    u->codes = mico_grow(u->codes, n, &u->codes_capacity, u->n_features);
    u->accuracy = mico_grow(u->accuracy, n, &u->accuracy_capacity, sizeof *u->accuracy);
    u->id = mico_grow(u->id, n, &u->id_capacity, sizeof *u->id);
}

/* Writes row n behind the told ones, which a later one may overwrite. */
static void put_row(mico_upstream *u, size_t n, const uint8_t *levels, double accuracy)
{
    grow_rows(u, n);
    memcpy(u->levels + n * u->room.n_vars, levels, u->room.n_vars);
    make_codes(u, levels, u->codes + n * u->n_features);
    u->accuracy[n] = accuracy;
}

static void fit(mico_upstream *u)
{
    double sum = 0;

    for (size_t i = 0; i < u->n_told; i++)
        sum += u->accuracy[i];
    for (size_t i = 0; i < u->n_pending; i++)
        put_row(u, u->n_told + i, mico_seen_at(&u->seen, u->pending[i]),
                sum / (double)u->n_told);
    mico_rng_restart(u->rng, u->o.seed, "mico-forest", u->n_told);
    u->kind.model->fit(u->model, u->codes, u->accuracy, u->n_told + u->n_pending,
                       u->rng);
}

/* ---- candidates ------------------------------------------------------------------ */

/* A limit on the pareto metric for this proposal, or INFINITY. */
static double draw_cap(mico_upstream *u)
{
    const mico_problem *p = u->room.problem;
    uint8_t top[MICO_MAX_GENES];
    double low, high;

    if (p->goal != MICO_GOAL_PARETO || p->n_metrics == 0)
        return INFINITY;
    mico_room_top(&u->room, top);
    low = mico_room_cost(&u->room, u->room.safe);
    high = mico_room_cost(&u->room, top);
    for (size_t k = 0; k < p->n_constraints; k++)
        if (p->constraint[k].metric == p->pareto_metric)
            high = fmin(high, p->constraint[k].limit);
    return low < high && low > 0 ? low + (high - low) * mico_rng_uniform(u->rng)
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

static bool under_cap(const mico_upstream *u, double cap, const uint8_t *levels)
{
    return !isfinite(cap) || mico_room_cost(&u->room, levels) <= cap;
}

/* The best quarter of the trials after the initial design, for the sampler to breed
 * from. */
static uint8_t *best_quarter(const mico_upstream *u, double cap, size_t *n_best)
{
    size_t n_vars = u->room.n_vars, n = 0;
    ranked *order = mico_xcalloc(u->n_told + 1, sizeof *order);
    uint8_t *best;

    for (size_t i = 0; i < u->n_told; i++)
        if (u->id[i] >= u->o.n_inits && under_cap(u, cap, u->levels + i * n_vars))
            order[n++] = (ranked){u->accuracy[i], i};
    qsort(order, n, sizeof *order, by_accuracy);
    *n_best = n == 0 ? 0 : n < 4 ? 1 : n / 4;
    best = mico_xcalloc(*n_best + 1, n_vars);
    for (size_t i = 0; i < *n_best; i++)
        memcpy(best + i * n_vars, u->levels + order[i].index * n_vars, n_vars);
    free(order);
    return best;
}

static void sample_near(mico_upstream *u, uint64_t id, mico_seen *candidates)
{
    uint64_t first = u->o.n_inits, n = u->o.budget > first ? u->o.budget - first : 1;
    double done = id > first ? fmin(1, (double)(id - first) / (double)n) : 0;
    mico_near_options o = {.n_candidates = u->o.n_candidates};
    uint8_t *start;

    o.roi = u->o.roi + (u->o.max_roi - u->o.roi) * done;
    o.cap = draw_cap(u);
    o.start = start = best_quarter(u, o.cap, &o.n_start);
    mico_near_sample(&u->room, u->rng, &o, candidates);
    free(start);
}

/* Uniform draws, of which the feasible ones are kept; where there are none, draws whose
 * random variables are lowered until feasible (upstream's fallback). */
static void sample_random(mico_upstream *u, size_t n, mico_seen *candidates)
{
    double cap = draw_cap(u);
    uint8_t levels[MICO_MAX_GENES];

    for (size_t round = 0; round < RANDOM_ROUNDS && candidates->n == 0; round++) {
        for (size_t i = 0; i < n; i++) {
            mico_room_draw(&u->room, u->rng, levels);
            if (mico_room_holds(&u->room, levels) && under_cap(u, cap, levels))
                mico_seen_add(candidates, levels);
        }
    }
    for (size_t i = 0; candidates->n == 0 && i < n; i++) {
        mico_room_draw(&u->room, u->rng, levels);
        mico_room_repair(&u->room, u->rng, levels, NULL);
        if (i + 1 == n || under_cap(u, cap, levels))
            mico_seen_add(candidates, levels);
    }
}

static void sample(mico_upstream *u, uint64_t id, mico_seen *candidates)
{
    size_t n = u->kind.n_random > 0 ? u->kind.n_random : 5 * u->o.n_candidates;

    mico_rng_restart(u->rng, u->o.seed, "mico-ask", id);
    if (u->kind.mico && u->o.sampler == MICO_SAMPLER_NEAR)
        sample_near(u, id, candidates);
    else
        sample_random(u, n, candidates);
}

/* ---- proposals ------------------------------------------------------------------- */

/* Writes the best scored of the n rows to levels, the first of them on ties. */
static void take_best(mico_upstream *u, const uint8_t *rows, size_t n, uint8_t *levels)
{
    double beta = 0.5 * (double)u->o.n_inits / (double)u->n_told;
    uint8_t *codes = mico_xcalloc(n, u->n_features);
    double *score = mico_xcalloc(n, sizeof *score);
    size_t best = 0;

    for (size_t i = 0; i < n; i++)
        make_codes(u, rows + i * u->room.n_vars, codes + i * u->n_features);
    fit(u);
    u->kind.model->score(u->model, codes, n, u->kind.ucb ? beta : 0, false, score);
    for (size_t i = 1; i < n; i++)
        if (score[i] > score[best])
            best = i;
    memcpy(levels, rows + best * u->room.n_vars, u->room.n_vars);
    free(codes);
    free(score);
}

/* The unseen candidate with the highest score; without a model the first unseen one
 * from a random place on. */
static void choose(mico_upstream *u, const mico_seen *candidates, uint8_t *levels)
{
    size_t offset = mico_rng_below(u->rng, candidates->n), n = 0;
    uint8_t *rows = mico_xcalloc(candidates->n, u->room.n_vars);

    for (size_t i = 0; i < candidates->n; i++) {
        const uint8_t *at = mico_seen_at(candidates, (offset + i) % candidates->n);

        if (!mico_seen_has(&u->seen, at))
            memcpy(rows + n++ * u->room.n_vars, at, u->room.n_vars);
    }
    if (n > 0 && u->n_told > 0)
        take_best(u, rows, n, levels);
    else
        memcpy(levels, n > 0 ? rows : mico_seen_at(candidates, offset), u->room.n_vars);
    free(rows);
}

/* ---- the searcher ---------------------------------------------------------------- */

void *mico_upstream_new(const mico_upstream_kind *kind, const mico_problem *problem,
                        const mico_search_options *options)
{
    mico_upstream *u = mico_xcalloc(1, sizeof *u);
    mico_regress_setup setup;

    u->kind = *kind;
    u->kind.ucb &= !(kind->mico && options->mean_only);
    mico_room_init(&u->room, problem);
    mico_seen_init(&u->seen, problem->space.n_vars);
    u->o = *options;
    u->rng = mico_rng_new(options->seed, "mico-design", 0);
    u->expanded = kind->mico && !options->raw_features;
    make_values(u);
    setup = (mico_regress_setup){
        .n_vars = problem->space.n_vars,
        .n_features = u->n_features,
        .values = (const double(*)[MICO_FOREST_CODES])u->values,
        .expanded = u->expanded,
        .sized = kind->sized,
        .n_trees = options->n_trees,
    };
    u->model = kind->model->create(&setup);
    mico_seen_init(&u->design, problem->space.n_vars);
    mico_design_make(&u->room, u->rng,
                     kind->mico ? options->initial : MICO_INITIAL_MINMAX, u->o.n_inits,
                     &u->design);
    return u;
}

bool mico_upstream_ask(void *self, uint64_t id, uint8_t *levels)
{
    mico_upstream *u = self;

    if (u->seen.n < u->design.n) {
        memcpy(levels, mico_seen_at(&u->design, u->seen.n), u->room.n_vars);
    } else {
        mico_seen candidates;

        mico_seen_init(&candidates, u->room.n_vars);
        sample(u, id, &candidates);
        choose(u, &candidates, levels);
        mico_seen_free(&candidates);
        mico_rng_restart(u->rng, u->o.seed, "mico-fresh", id);
        if (!mico_room_fresh(&u->room, &u->seen, u->rng, levels))
            return false;
    }
    u->pending =
        mico_grow(u->pending, u->n_pending, &u->pending_capacity, sizeof *u->pending);
    u->pending[u->n_pending++] = (uint32_t)u->seen.n;
    if (!mico_seen_add(&u->seen, levels))
        u->n_pending--; /* a repeat that could not be avoided */
    return true;
}

static void drop_pending(mico_upstream *u, const uint8_t *levels)
{
    for (size_t i = 0; i < u->n_pending; i++) {
        if (memcmp(mico_seen_at(&u->seen, u->pending[i]), levels, u->room.n_vars) != 0)
            continue;
        u->n_pending--;
        memmove(&u->pending[i], &u->pending[i + 1],
                (u->n_pending - i) * sizeof *u->pending);
        return;
    }
}

void mico_upstream_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    mico_upstream *u = self;

    drop_pending(u, levels);
    if (trial->outcome.state != MICO_STATE_DONE)
        return;
    put_row(u, u->n_told, levels, mico_accuracy(&trial->outcome));
    u->id[u->n_told++] = trial->id;
}

void mico_upstream_free(void *self)
{
    mico_upstream *u = self;

    u->kind.model->destroy(u->model);
    mico_seen_free(&u->design);
    mico_seen_free(&u->seen);
    mico_rng_free(u->rng);
    free(u->values);
    free(u->levels);
    free(u->codes);
    free(u->accuracy);
    free(u->id);
    free(u->pending);
    free(u);
}
