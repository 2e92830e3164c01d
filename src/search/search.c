/* The table of searchers and what surrounds each: feasibility, pending trials. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const mico_searcher_type *const mico_searchers[] = {
    &mico_searcher_upstream[0], &mico_searcher_upstream[1],  &mico_searcher_upstream[2],
    &mico_searcher_upstream[3], &mico_searcher_upstream[4],  &mico_searcher_upstream[5],
    &mico_searcher_upstream[6], &mico_searcher_upstream[7],  &mico_searcher_upstream[8],
    &mico_searcher_upstream[9], &mico_searcher_upstream[10], &mico_searcher_nlp,
    &mico_searcher_haq,         &mico_searcher_regevo,       &mico_searcher_nsga2,
    &mico_searcher_sens,        &mico_searcher_tsmckp,       &mico_searcher_gp,
    &mico_searcher_hawq,        &mico_searcher_random,       &mico_searcher_grid,
};
const size_t mico_n_searchers = sizeof mico_searchers / sizeof mico_searchers[0];

typedef struct pending {
    uint64_t id;
    uint8_t levels[MICO_MAX_GENES];
} pending;

struct mico_searcher {
    const mico_searcher_type *type;
    void *state;
    mico_room room;
    mico_rng *rng;
    uint64_t seed;
    pending *pending; /* asked and not yet told: as many as the driver's window */
    size_t n_pending, pending_capacity;
};

static const mico_searcher_type *find_type(const char *name, mico_err *err)
{
    const char *names[64];
    size_t near;

    for (size_t i = 0; i < mico_n_searchers; i++) {
        names[i] = mico_searchers[i]->name;
        if (strcmp(names[i], name) == 0)
            return mico_searchers[i];
    }
    near = mico_text_nearest(name, (const char *const *)names, mico_n_searchers);
    mico_fail(err, MICO_EJOB, "searcher '%s' is not known", name);
    if (near < mico_n_searchers)
        mico_err_append(err, ", did you mean '%s'?", names[near]);
    else
        for (size_t i = 0; i < mico_n_searchers; i++)
            mico_err_append(err, "%s%s", i == 0 ? "; there are " : ", ", names[i]);
    return NULL;
}

/* Says which limits the least violating scheme misses, and by how much. */
static mico_status fail_unmet(const mico_room *room, mico_err *err)
{
    const mico_problem *p = room->problem;
    char text[MICO_SCHEME_TEXT];
    mico_scheme scheme;

    mico_space_scheme(&p->space, room->safe, &scheme);
    mico_scheme_print(&scheme, text);
    mico_fail(err, MICO_EUNMET, "%s",
              room->proven ? "no scheme of the space meets the constraints"
                           : "no scheme was found that meets all constraints at once");
    for (size_t k = 0; k < p->n_constraints; k++) {
        const mico_constraint *c = &p->constraint[k];
        const mico_metric *m = &p->metric[c->metric];
        double cost = mico_metric_cost(m, &scheme);

        if (cost > c->limit)
            mico_err_append(err,
                            "; '%s': the least violating scheme has %s = %.10g %s, "
                            "the limit is %.10g",
                            c->text[0] != '\0' ? c->text : m->name, m->name, cost,
                            m->unit, c->limit);
    }
    mico_err_append(err, "; allow smaller widths or raise the limit (that scheme: %s)",
                    text);
    return MICO_EUNMET;
}

/* An option of 0 means "the usual". */
static mico_search_options with_defaults(const mico_search_options *options)
{
    mico_search_options o = *options;

    if (o.n_inits == 0)
        o.n_inits = 16;
    if (o.n_candidates == 0)
        o.n_candidates = 1000;
    if (o.roi <= 0)
        o.roi = 0.1;
    if (o.max_roi <= 0)
        o.max_roi = 0.3;
    if (o.population == 0)
        o.population = 24;
    if (o.tournament == 0)
        o.tournament = 6;
    return o;
}

mico_status mico_search_new(mico_searcher **out, const mico_problem *problem,
                            const mico_search_options *options, mico_err *err)
{
    const mico_searcher_type *type = find_type(options->method, err);
    mico_search_options o = with_defaults(options);
    mico_room room;
    mico_searcher *s;

    if (type == NULL)
        return MICO_EJOB;
    if (type->missing != NULL)
        return mico_fail(err, MICO_EJOB,
                         "searcher '%s' is unavailable in this build: it was made "
                         "without %s; install that and build again",
                         type->name, type->missing);
    mico_room_init(&room, problem);
    if (!mico_room_holds(&room, room.safe))
        return fail_unmet(&room, err);
    s = mico_xcalloc(1, sizeof *s);
    s->type = type;
    s->room = room;
    s->seed = o.seed;
    s->rng = mico_rng_new(o.seed, "search-repair", 0);
    s->state = type->create(problem, &o);
    *out = s;
    return MICO_OK;
}

bool mico_search_ask(mico_searcher *s, uint64_t id, mico_scheme *out)
{
    uint8_t levels[MICO_MAX_GENES] = {0};
    pending *p;

    if (!s->type->ask(s->state, id, levels))
        return false;
    if (!mico_room_holds(&s->room, levels)) {
        mico_rng_restart(s->rng, s->seed, "search-repair", id);
        mico_room_repair(&s->room, s->rng, levels, NULL);
    }
    s->pending =
        mico_grow(s->pending, s->n_pending, &s->pending_capacity, sizeof *s->pending);
    p = &s->pending[s->n_pending++];
    p->id = id;
    memcpy(p->levels, levels, sizeof levels);
    mico_space_scheme(&s->room.problem->space, levels, out);
    return true;
}

void mico_search_tell(mico_searcher *s, const mico_trial *trial)
{
    size_t i = 0;

    while (i < s->n_pending && s->pending[i].id != trial->id)
        i++;
    assert(i < s->n_pending && "a trial is told that was never asked");
    if (i == s->n_pending)
        return;
    s->type->tell(s->state, trial, s->pending[i].levels);
    s->n_pending--;
    memmove(&s->pending[i], &s->pending[i + 1],
            (s->n_pending - i) * sizeof *s->pending);
}

void mico_search_note(mico_searcher *s, mico_str *out)
{
    if (s->type->note != NULL)
        s->type->note(s->state, out);
}

void mico_search_free(mico_searcher *s)
{
    if (s == NULL)
        return;
    s->type->destroy(s->state);
    mico_rng_free(s->rng);
    free(s->pending);
    free(s);
}
