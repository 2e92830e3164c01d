/* Searchers on problems with a known optimum: the list, and the loop that runs them. */
#include "search/selftest.h"

#include "core/mem.h"
#include "core/text.h"
#include "search/search_internal.h"
#include "search/selftest_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES      1000000000.0 /* resolution of accuracies */
#define TOLERANCE   1e-9         /* values of one scheme summed in another order */
#define ENOUGH      0.99         /* of the optimal hypervolume */
#define MAX_REPEATS 2000         /* in a row: the searcher has nothing new */

static const mico_selftest_family
    hawq = {"HAWQ-V3's integer programs", true, mico_selftest_hawq},
    sequence = {"low autocorrelation binary sequences", false, mico_selftest_labs},
    contamination = {"contamination control, 25 binary stages", false,
                     mico_selftest_contamination},
    pest = {"pest control, 25 stages of 5 choices in shuffled order", false,
            mico_selftest_pest},
    zdt = {"two objectives on a grid of 9^11", false, mico_selftest_zdt};

static const mico_selftest_type types[] = {
    {"hawq-resnet18-size-0.25", &hawq, {18, 0, 0.25}},
    {"hawq-resnet18-size-0.5", &hawq, {18, 0, 0.5}},
    {"hawq-resnet18-size-0.75", &hawq, {18, 0, 0.75}},
    {"hawq-resnet18-bops-0.25", &hawq, {18, 1, 0.25}},
    {"hawq-resnet18-bops-0.5", &hawq, {18, 1, 0.5}},
    {"hawq-resnet18-bops-0.75", &hawq, {18, 1, 0.75}},
    {"hawq-resnet18-latency-0.25", &hawq, {18, 2, 0.25}},
    {"hawq-resnet18-latency-0.5", &hawq, {18, 2, 0.5}},
    {"hawq-resnet18-latency-0.75", &hawq, {18, 2, 0.75}},
    {"hawq-resnet50-size-0.25", &hawq, {50, 0, 0.25}},
    {"hawq-resnet50-size-0.5", &hawq, {50, 0, 0.5}},
    {"hawq-resnet50-size-0.75", &hawq, {50, 0, 0.75}},
    {"hawq-resnet50-bops-0.25", &hawq, {50, 1, 0.25}},
    {"hawq-resnet50-bops-0.5", &hawq, {50, 1, 0.5}},
    {"hawq-resnet50-bops-0.75", &hawq, {50, 1, 0.75}},
    {"hawq-resnet50-latency-0.25", &hawq, {50, 2, 0.25}},
    {"hawq-resnet50-latency-0.5", &hawq, {50, 2, 0.5}},
    {"hawq-resnet50-latency-0.75", &hawq, {50, 2, 0.75}},
    {"labs-13", &sequence, {13, 6}},
    {"labs-16", &sequence, {16, 24}},
    {"labs-20", &sequence, {20, 26}},
    {"labs-24", &sequence, {24, 36}},
    {"labs-25", &sequence, {25, 36}},
    {"labs-27", &sequence, {27, 37}},
    {"contamination-0", &contamination, {0, 21.29}},
    {"contamination-1e-4", &contamination, {1e-4, 21.2915}},
    {"contamination-1e-2", &contamination, {1e-2, 21.44}},
    {"pest-0", &pest, {0, 12.07}}, /* as published: a corner is nearly best */
    {"pest-1", &pest, {1, 12.07}},
    {"pest-2", &pest, {2, 12.07}},
    {"pest-3", &pest, {3, 12.07}},
    {"zdt-1", &zdt, {1}},
    {"zdt-2", &zdt, {2}},
    {"zdt-3", &zdt, {3}},
    {"zdt-4", &zdt, {4}},
};
#define N_TYPES (sizeof types / sizeof types[0])

size_t mico_selftest_count(void)
{
    return N_TYPES;
}

mico_selftest_facts mico_selftest_at(size_t index)
{
    const mico_selftest_type *t = &types[index];

    return (mico_selftest_facts){t->name, t->family->help, t->family->needs_data};
}

/* ---- making a problem ------------------------------------------------------------ */

void mico_selftest_space(mico_selftest *test, size_t n_layers, size_t n_levels)
{
    mico_problem *p = &test->problem;

    p->space.n_layers = p->space.n_vars = n_layers;
    p->layer_macs = mico_xcalloc(n_layers, sizeof *p->layer_macs);
    p->layer_name = mico_xcalloc(n_layers, sizeof *p->layer_name);
    for (size_t l = 0; l < n_layers; l++) {
        mico_options *o = &p->space.var[l];

        o->n = (uint8_t)n_levels;
        for (size_t i = 0; i < n_levels; i++)
            o->width[i] = mico_width_at(MICO_N_WIDTHS - n_levels + i);
        if (n_levels == 2)
            o->width[0] = 4; /* beside 8, as usual */
        p->space.var_of[l] = p->space.var_of[n_layers + l] = (uint16_t)l;
        p->layer_macs[l] = 1;
        snprintf(p->layer_name[l], sizeof p->layer_name[l], "x%zu", l);
    }
}

/* Widths between levels cost what the next level costs. */
void mico_selftest_metric(mico_selftest *test, const char *name, const double *cost)
{
    mico_problem *p = &test->problem;
    mico_metric *m = &p->metric[p->n_metrics++];
    const mico_options *o = &p->space.var[0]; /* all are alike */

    snprintf(m->name, sizeof m->name, "%s", name);
    m->table = mico_xcalloc(p->space.n_layers * MICO_N_WIDTHS * MICO_N_WIDTHS,
                            sizeof *m->table);
    for (size_t l = 0; l < p->space.n_layers; l++)
        for (size_t iw = 0; iw < MICO_N_WIDTHS; iw++)
            for (size_t ia = 0; ia < MICO_N_WIDTHS; ia++) {
                size_t level = 0;

                while (level + 1 < o->n && mico_width_index(o->width[level]) < iw)
                    level++;
                m->table[(l * MICO_N_WIDTHS + iw) * MICO_N_WIDTHS + ia] =
                    cost[l * o->n + level];
            }
}

mico_status mico_selftest_open(mico_selftest **out, const char *name, const char *data,
                               mico_err *err)
{
    const char *names[N_TYPES];
    mico_selftest *test;
    size_t i = 0, near;
    mico_status rc;

    for (; i < N_TYPES && strcmp(types[i].name, name) != 0; i++)
        names[i] = types[i].name;
    if (i == N_TYPES) {
        near = mico_text_nearest(name, names, N_TYPES);
        mico_fail(err, MICO_EUSAGE, "selftest problem '%s' is not known", name);
        if (near < N_TYPES)
            mico_err_append(err, ", did you mean '%s'?", names[near]);
        return MICO_EUSAGE;
    }
    if (types[i].family->needs_data && data == NULL)
        return mico_fail(err, MICO_EUSAGE,
                         "selftest problem '%s' needs the folder of HAWQ-V3's layers",
                         name);
    test = mico_xcalloc(1, sizeof *test);
    rc = types[i].family->open(test, types[i].parameter, data, err);
    if (rc == MICO_OK)
        *out = test;
    else
        mico_selftest_free(test);
    return rc;
}

void mico_selftest_free(mico_selftest *test)
{
    if (test == NULL)
        return;
    mico_problem_free(&test->problem);
    free(test->number);
    free(test->shuffled);
    free(test);
}

const mico_problem *mico_selftest_problem(const mico_selftest *test)
{
    return &test->problem;
}

/* ---- running a searcher ---------------------------------------------------------- */

static void levels_of(const mico_space *space, const mico_scheme *scheme,
                      uint8_t *levels)
{
    for (size_t l = 0; l < space->n_layers; l++) {
        const mico_options *o = &space->var[space->var_of[l]];
        uint8_t level = 0;

        while (level + 1u < o->n && o->width[level] != scheme->bits[l])
            level++;
        levels[space->var_of[l]] = level;
    }
}

double mico_selftest_value(const mico_selftest *test, const mico_scheme *scheme)
{
    uint8_t levels[MICO_MAX_GENES] = {0};

    levels_of(&test->problem.space, scheme, levels);
    return test->value(test, levels);
}

/* What was found so far: the least value, or the front and its hypervolume. */
typedef struct found {
    const mico_selftest *test;
    bool pareto;
    double best, target;
    double *front; /* [n][2] cost and value */
    size_t n, capacity;
} found;

static void find(found *f, double cost, double value)
{
    const double ref[] = {1.1, 1.1};
    size_t n = 0;

    if (!f->pareto) {
        f->best = fmin(f->best, value);
        return;
    }
    for (size_t i = 0; i < f->n; i++)
        if (f->front[2 * i] <= cost && f->front[2 * i + 1] <= value)
            return;
    for (size_t i = 0; i < f->n; i++)
        if (f->front[2 * i] < cost || f->front[2 * i + 1] < value) {
            f->front[2 * n] = f->front[2 * i];
            f->front[2 * n++ + 1] = f->front[2 * i + 1];
        }
    f->front = mico_grow(f->front, n, &f->capacity, 2 * sizeof *f->front);
    f->front[2 * n] = cost;
    f->front[2 * n + 1] = value;
    f->n = n + 1;
    f->best = mico_hypervolume(f->front, f->n, 2, ref);
}

static bool target_met(const found *f)
{
    return f->pareto ? f->best >= f->target : f->best <= f->target + TOLERANCE;
}

static mico_trial evaluate(found *f, uint64_t id, const mico_scheme *scheme, bool again)
{
    const mico_selftest *test = f->test;
    const mico_problem *p = &test->problem;
    double value = mico_selftest_value(test, scheme);
    double accuracy = (test->high - value) / (test->high - test->low);
    mico_trial trial = {.id = id, .dup_of = MICO_NO_TRIAL, .scheme = *scheme};

    trial.outcome.state = MICO_STATE_DONE;
    trial.outcome.images = (uint64_t)IMAGES;
    trial.outcome.correct = (uint64_t)(fmin(fmax(accuracy, 0), 1) * IMAGES + 0.5);
    if (!again && mico_violation(p, scheme) <= 0)
        find(f, f->pareto ? mico_metric_cost(&p->metric[p->pareto_metric], scheme) : 0,
             value);
    return trial;
}

/* As the driver with a window of one; a scheme that was there costs nothing. */
static void run(found *f, mico_searcher *s, uint64_t budget, mico_selftest_result *out)
{
    const mico_space *space = &f->test->problem.space;
    uint64_t repeats_in_a_row = 0;
    mico_scheme scheme;
    mico_seen seen;

    mico_seen_init(&seen, space->n_vars);
    for (uint64_t id = 0;
         out->evaluations < budget && out->to_target == 0 &&
         repeats_in_a_row < MAX_REPEATS && mico_search_ask(s, id, &scheme);
         id++) {
        uint8_t levels[MICO_MAX_GENES] = {0};
        bool again;
        mico_trial trial;

        levels_of(space, &scheme, levels);
        again = !mico_seen_add(&seen, levels);
        trial = evaluate(f, id, &scheme, again);
        out->evaluations += !again;
        out->repeats += again;
        repeats_in_a_row = again ? repeats_in_a_row + 1 : 0;
        if (target_met(f))
            out->to_target = out->evaluations;
        mico_search_tell(s, &trial);
    }
    mico_seen_free(&seen);
}

mico_status mico_selftest_run(const mico_selftest *test, const char *method,
                              uint64_t seed, uint64_t budget,
                              const mico_search_options *options,
                              mico_selftest_result *out, mico_err *err)
{
    mico_search_options o = options != NULL ? *options : (mico_search_options){0};
    bool pareto = test->problem.goal == MICO_GOAL_PARETO;
    found f = {.test = test, .pareto = pareto, .best = pareto ? 0 : INFINITY};
    mico_selftest_result result = {.optimum = test->optimum};
    mico_searcher *s;
    mico_status rc;

    f.target = result.target = pareto ? ENOUGH * test->optimum : test->optimum;
    snprintf(o.method, sizeof o.method, "%s", method);
    o.seed = seed;
    o.budget = budget;
    rc = mico_search_new(&s, &test->problem, &o, err);
    if (rc != MICO_OK)
        return rc;
    run(&f, s, budget, &result);
    result.best = f.best;
    *out = result;
    mico_search_free(s);
    free(f.front);
    return MICO_OK;
}
