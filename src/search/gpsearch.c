/* Searcher "gp": a trust-region Gaussian process on the coordinate 2^-b.
 *
 * Starts with the largest uniform scheme and random schemes near the limits; then
 * proposes by region.h. Weights are the sensitivities of an additive model of the same
 * outcomes. (The logarithm of the damage in place of the damage was much worse.) */
#include "search/region.h"

#include "core/mem.h"

#include <stdlib.h>

typedef struct state {
    mico_lab lab;
    mico_additive *model;
    mico_region *region;
    double *weight;
} state;

static void *gp_create(const mico_problem *problem, const mico_search_options *options)
{
    const mico_gp_options o = {0};
    state *s = mico_xcalloc(1, sizeof *s);

    mico_lab_init(&s->lab, problem, options);
    s->model = mico_additive_new(&problem->space);
    s->weight = mico_xcalloc(problem->space.n_vars + 1, sizeof *s->weight);
    s->region = mico_region_new(&s->lab, &o);
    return s;
}

static size_t n_first(const state *s)
{
    const size_t third = (size_t)(s->lab.o.budget / 3);

    return third < s->lab.o.n_inits ? third : s->lab.o.n_inits;
}

static bool ask_region(state *s, uint8_t *levels)
{
    mico_lab_model(&s->lab, s->model);
    mico_lab_weights(&s->lab, s->model, s->weight);
    return mico_region_ask(s->region, NULL, s->weight, NULL, 0, levels);
}

static bool gp_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;
    mico_lab *lab = &s->lab;

    mico_lab_begin(lab, "gp", id);
    if (lab->seen.n == 0)
        mico_lab_uniform(lab, levels);
    else if (lab->seen.n < n_first(s) || !ask_region(s, levels))
        mico_lab_random(lab, levels);
    return mico_lab_propose(lab, levels);
}

static void gp_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;

    mico_lab_tell(&s->lab, trial, levels);
    mico_region_tell(s->region);
}

static void gp_note(void *self, mico_str *out)
{
    state *s = self;

    mico_lab_note(&s->lab, out);
}

static void gp_destroy(void *self)
{
    state *s = self;

    mico_region_free(s->region);
    mico_additive_free(s->model);
    mico_lab_free(&s->lab);
    free(s->weight);
    free(s);
}

const mico_searcher_type mico_searcher_gp = {
    .name = "gp",
    .help =
        "trust-region Gaussian process on 2^-bits, expected improvement by exchanges",
    .create = gp_create,
    .ask = gp_ask,
    .tell = gp_tell,
    .note = gp_note,
    .destroy = gp_destroy,
};
