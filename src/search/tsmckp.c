/* Searcher "ts-mckp": draws of an additive model of damage, each solved as a knapsack.
 *
 * The first proposals are the best uniform scheme and what the shape 4^-b alone would
 * choose. Pending trials need no care: every draw is another. */
#include "search/lab.h"

#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#define N_DRAWS 6 /* for one proposal, until one is new */

typedef struct state {
    mico_lab lab;
    mico_additive *model;
    mico_table *f;
} state;

static void *tsmckp_create(const mico_problem *problem,
                           const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_lab_init(&s->lab, problem, options);
    s->model = mico_additive_new(&problem->space);
    s->f = mico_xcalloc(problem->space.n_vars + 1, sizeof *s->f);
    return s;
}

static bool tsmckp_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;

    mico_lab_begin(&s->lab, "ts-mckp", id);
    if (s->lab.seen.n == 0) {
        mico_lab_uniform(&s->lab, levels);
    } else if (s->lab.seen.n == 1) {
        mico_lab_prior(&s->lab, s->f);
        mico_lab_solve(&s->lab, (const mico_table *)s->f, levels);
    } else {
        mico_lab_model(&s->lab, s->model);
        for (size_t i = 0; i < N_DRAWS; i++) {
            mico_additive_draw(s->model, s->lab.rng, 1, s->f);
            mico_lab_solve(&s->lab, (const mico_table *)s->f, levels);
            if (!mico_seen_has(&s->lab.seen, levels))
                break;
        }
    }
    return mico_lab_propose(&s->lab, levels);
}

static void tsmckp_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;

    mico_lab_tell(&s->lab, trial, levels);
}

static void tsmckp_note(void *self, mico_str *out)
{
    state *s = self;

    mico_lab_note(&s->lab, out);
}

static void tsmckp_destroy(void *self)
{
    state *s = self;

    mico_lab_free(&s->lab);
    mico_additive_free(s->model);
    free(s->f);
    free(s);
}

const mico_searcher_type mico_searcher_tsmckp = {
    .name = "ts-mckp",
    .help = "draws of an additive Bayesian model, each solved as an exact knapsack",
    .create = tsmckp_create,
    .ask = tsmckp_ask,
    .tell = tsmckp_tell,
    .note = tsmckp_note,
    .destroy = tsmckp_destroy,
};
