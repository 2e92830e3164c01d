/* Searcher "sens+tr": sensitivities, exact knapsacks, then a trust region.
 *
 * 1. The largest uniform scheme and the knapsack of the shape 4^-b: incumbents at once.
 * 2. Draws of an additive model of damage (additive.h), narrowed about its mean, each
 *    solved as a knapsack, and every third time the knapsack of the mean itself. These
 *    are the sensitivity probes: every scheme lowers another group of variables, lies
 * at the limit and may win. (Probes that lower groups from the incumbent were as good
 * at the full budget and worse at a quarter of it; docs/SEARCHERS.md has the numbers.)
 * 3. A trust-region Gaussian process (region.h). The additive model gives its prior
 *    mean, its weights (sensitivities), and two more starts of its local search: the
 *    knapsack of the mean and of one draw. */
#include "search/region.h"

#include "core/mem.h"

#include <stdlib.h>

#define N_TRIES 6   /* draws for one proposal, until one is new */
#define SPREAD  0.5 /* of the draws, in deviations of the posterior */

typedef struct state {
    mico_lab lab;
    mico_additive *model;
    mico_region *region;
    mico_table *f, *prior;
    double *weight;
    size_t n_draws; /* proposals before the region */
} state;

static void *sens_create(const mico_problem *problem,
                         const mico_search_options *options)
{
    const mico_gp_options o = {.physical = true, .pairs = true};
    const size_t n = problem->space.n_vars, quarter = (size_t)(options->budget / 4);
    state *s = mico_xcalloc(1, sizeof *s);

    mico_lab_init(&s->lab, problem, options);
    s->model = mico_additive_new(&problem->space);
    s->region = mico_region_new(&s->lab, &o);
    s->f = mico_xcalloc(n + 1, sizeof *s->f);
    s->prior = mico_xcalloc(n + 1, sizeof *s->prior);
    s->weight = mico_xcalloc(n + 1, sizeof *s->weight);
    s->n_draws = 4 + n / 4 < quarter ? 4 + n / 4 : quarter;
    return s;
}

/* The knapsack of a draw; of the last of a few where all were proposed before. */
static void draw(state *s, uint8_t *levels)
{
    for (size_t i = 0; i < N_TRIES; i++) {
        mico_additive_draw(s->model, s->lab.rng, SPREAD, s->f);
        mico_lab_solve(&s->lab, (const mico_table *)s->f, levels);
        if (!mico_seen_has(&s->lab.seen, levels))
            break;
    }
}

/* Prior mean and weights of the process; leaves the model's mean in f. */
static void prepare(state *s)
{
    const mico_space *space = &s->lab.limits.space;
    const double t = mico_additive_scale(s->model);

    mico_additive_mean(s->model, s->f);
    mico_lab_weights(&s->lab, s->model, s->weight);
    mico_lab_prior(&s->lab, s->prior);
    for (size_t v = 0; v < space->n_vars; v++)
        for (size_t l = 0; l < space->var[v].n; l++)
            s->prior[v][l] *= t;
}

static void ask_region(state *s, uint8_t *levels)
{
    const size_t n_vars = s->lab.room.n_vars;
    uint8_t starts[2 * MICO_MAX_GENES] = {0};

    prepare(s);
    mico_lab_solve(&s->lab, (const mico_table *)s->f, starts);
    draw(s, starts + n_vars);
    if (!mico_region_ask(s->region, (const mico_table *)s->prior, s->weight, starts, 2,
                         levels))
        draw(s, levels);
}

static bool sens_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;
    mico_lab *lab = &s->lab;
    const size_t n = lab->seen.n;

    mico_lab_begin(lab, "sens+tr", id);
    if (n == 0) {
        mico_lab_uniform(lab, levels);
        return mico_lab_propose(lab, levels);
    }
    mico_lab_model(lab, s->model);
    if (n == 1 || (n < s->n_draws && n % 3 == 0)) {
        /* without outcomes the mean is the prior's */
        mico_additive_mean(s->model, s->f);
        mico_lab_solve(lab, (const mico_table *)s->f, levels);
        if (mico_seen_has(&lab->seen, levels))
            draw(s, levels);
    } else if (n < s->n_draws || lab->n == 0) {
        draw(s, levels);
    } else {
        ask_region(s, levels);
    }
    return mico_lab_propose(lab, levels);
}

static void sens_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;

    mico_lab_tell(&s->lab, trial, levels);
    mico_region_tell(s->region);
}

static void sens_note(void *self, mico_str *out)
{
    state *s = self;

    mico_lab_note(&s->lab, out);
}

static void sens_destroy(void *self)
{
    state *s = self;

    mico_region_free(s->region);
    mico_additive_free(s->model);
    mico_lab_free(&s->lab);
    free(s->f);
    free(s->prior);
    free(s->weight);
    free(s);
}

const mico_searcher_type mico_searcher_sens = {
    .name = "sens+tr",
    .help = "sensitivities, exact knapsacks, then a trust-region Gaussian process",
    .create = sens_create,
    .ask = sens_ask,
    .tell = sens_tell,
    .note = sens_note,
    .destroy = sens_destroy,
};
