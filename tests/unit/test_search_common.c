/* What every searcher promises: feasible, reproducible, never the same twice, an end.
 */
#include "core/mem.h"
#include "search/search.h"
#include "support/search_problem.h"
#include "support/suite.h"

#include <stdlib.h>

static mico_search_options options_of(const char *method, uint64_t seed)
{
    mico_search_options o = {.seed = seed,
                             .budget = 60,
                             .n_inits = 8,
                             .n_candidates = 80,
                             .n_trees = 20,
                             .population = 8,
                             .tournament = 3};

    snprintf(o.method, sizeof o.method, "%s", method);
    return o;
}

static bool is_unavailable(size_t m)
{
    return mico_searchers[m]->missing != NULL;
}

/* One in how many problems a searcher sees, by what its proposals take. */
static size_t rarity(size_t m)
{
    static const char *const quick[] = {"random", "grid", "regevo", "nsga2", "nlp"};
    static const char *const medium[] = {"mico", "sens+tr", "ts-mckp", "gp", "hawq"};

    for (size_t i = 0; i < sizeof quick / sizeof quick[0]; i++)
        if (strcmp(mico_searchers[m]->name, quick[i]) == 0)
            return 1;
    for (size_t i = 0; i < sizeof medium / sizeof medium[0]; i++)
        if (strcmp(mico_searchers[m]->name, medium[i]) == 0)
            return 4;
    return 30;
}

static bool is_skipped(size_t m, uint64_t id)
{
    return is_unavailable(m) || id % rarity(m) != m % rarity(m);
}

/* ---- random problems ------------------------------------------------------------- */

/* Ties the genes at random to fewer variables with options of their own, some fixed. */
static void tie(mico_problem *p, mico_rng *rng)
{
    static const char *const widths[] = {"8", "2-8", "4,8", "1,t,2", "1,t,2-8", "3,5"};
    size_t n_genes = 2 * p->space.n_layers, n_vars = 1 + mico_rng_below(rng, n_genes);

    p->space.n_vars = n_vars;
    for (size_t v = 0; v < n_vars; v++)
        mico_options_parse(&p->space.var[v], widths[mico_rng_below(rng, 6)], NULL);
    for (size_t g = 0; g < n_genes; g++)
        p->space.var_of[g] = (uint16_t)(g < n_vars ? g : mico_rng_below(rng, n_vars));
}

/* Kind 0: no limits; 1: one loose; 2: one that only the smallest cost meets; 3: three
 * that some scheme meets together. */
static void random_problem(mico_problem *p, uint64_t id, mico_rng *rng)
{
    static const char *const widths[] = {"8", "2-8", "4-8", "1,t,2,4,8"};
    size_t kind = id % 4, n_layers = 1 + mico_rng_below(rng, id % 3 == 0 ? 3 : 12);
    mico_scheme scheme;

    problem_make(p, n_layers, widths[mico_rng_below(rng, 4)], rng);
    if (id % 5 < 2)
        tie(p, rng);
    p->goal = id % 7 < 2 ? MICO_GOAL_PARETO : MICO_GOAL_ACCURACY;
    problem_random_scheme(p, rng, &scheme);
    if (kind == 1)
        problem_limit(p, id % 3, mico_metric_cost(&p->metric[id % 3], &scheme));
    if (kind == 2)
        problem_limit(p, id % 2, mico_metric_min(p, id % 2));
    for (size_t k = 0; kind == 3 && k < 3; k++)
        problem_limit(p, k, 1.02 * mico_metric_cost(&p->metric[k], &scheme));
}

static bool in_space(const mico_problem *p, const mico_scheme *scheme)
{
    uint8_t width[MICO_MAX_GENES] = {0};

    for (size_t g = 0; g < 2 * p->space.n_layers; g++) {
        const mico_options *o = &p->space.var[p->space.var_of[g]];
        bool known = false;

        for (size_t i = 0; i < o->n; i++)
            known |= o->width[i] == scheme->bits[g];
        if (!known)
            return false;
        if (width[p->space.var_of[g]] == 0)
            width[p->space.var_of[g]] = scheme->bits[g];
        if (width[p->space.var_of[g]] != scheme->bits[g])
            return false;
    }
    return scheme->n_layers == p->space.n_layers;
}

/* Number of feasible schemes by counting through the space. */
static size_t count_feasible(const mico_problem *p)
{
    uint8_t levels[MICO_MAX_GENES] = {0};
    size_t count = 0;

    for (;;) {
        mico_scheme scheme;
        size_t v = 0;

        mico_space_scheme(&p->space, levels, &scheme);
        count += mico_violation(p, &scheme) <= 0;
        while (v < p->space.n_vars && ++levels[v] == p->space.var[v].n)
            levels[v++] = 0;
        if (v == p->space.n_vars)
            return count;
    }
}

/* ---- a driver in small ----------------------------------------------------------- */

#define MAX_TRIALS 400

typedef struct trace {
    size_t n;
    bool ended; /* ask said that the space is exhausted */
    mico_scheme scheme[MAX_TRIALS];
} trace;

/* Asks n times, tells each trial `window` asks later; every fails_each-th one fails. */
static void drive(trace *out, const mico_problem *p, const mico_search_options *o,
                  size_t n, size_t window, size_t fails_each)
{
    mico_searcher *s;
    mico_err err;
    size_t told = 0;

    out->n = 0;
    out->ended = false;
    if (mico_search_new(&s, p, o, &err) != MICO_OK) {
        printf("\n    %s\n", err.text);
        CU_FAIL_FATAL("searcher not made");
    }
    while (out->n < n) {
        if (!mico_search_ask(s, out->n, &out->scheme[out->n])) {
            out->ended = true;
            break;
        }
        out->n++;
        while (out->n - told >= window) {
            mico_trial t = problem_trial(told, &out->scheme[told],
                                         problem_accuracy(&out->scheme[told], 3));

            if (fails_each > 0 && told % fails_each == 0)
                t.outcome = (mico_outcome){.state = MICO_STATE_CRASHED};
            mico_search_tell(s, &t);
            told++;
        }
    }
    mico_search_free(s); /* with trials pending */
}

static size_t count_repeats(const trace *t)
{
    size_t repeats = 0;

    for (size_t i = 0; i < t->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (mico_scheme_equal(&t->scheme[i], &t->scheme[j])) {
                repeats++;
                break;
            }
        }
    }
    return repeats;
}

/* ---- tests ----------------------------------------------------------------------- */

static void t_unknown(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);
    mico_search_options o = options_of("regevos", 1);
    mico_searcher *s = NULL;
    mico_problem p;
    mico_err err;

    problem_make(&p, 2, "4,8", rng);
    CU_ASSERT_EQUAL(mico_search_new(&s, &p, &o, &err), MICO_EJOB);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(err.text, "'regevos' is not known, did you mean 'regevo'"));
    o = options_of("zzzzzzzzzzz", 1);
    CU_ASSERT_EQUAL(mico_search_new(&s, &p, &o, &err), MICO_EJOB);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "mico, mico-rf, mico-xgb"));
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_EQUAL(mico_search_new(&s, &p, &o, NULL), MICO_EJOB);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* 2 layers of 4,8 bits: the message is checked to the letter. */
static void t_unmet(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);
    mico_searcher *s = NULL;
    mico_problem p;
    mico_err err;

    problem_make(&p, 2, "4,8", rng);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < 81; i++)
            p.metric[PROBLEM_SIZE].table[l * 81 + i] = 10 * (double)(i / 9);
    snprintf(p.metric[PROBLEM_SIZE].unit, sizeof p.metric[PROBLEM_SIZE].unit, "bits");
    problem_limit(&p, PROBLEM_SIZE, 79);
    for (size_t m = 0; m < mico_n_searchers; m++) {
        mico_search_options o = options_of(mico_searchers[m]->name, 1);

        if (is_unavailable(m))
            continue;
        CU_ASSERT_EQUAL(mico_search_new(&s, &p, &o, &err), MICO_EUNMET);
        CU_ASSERT_EQUAL(err.status, MICO_EUNMET);
        CU_ASSERT_STRING_EQUAL(
            err.text,
            "no scheme of the space meets the constraints; 'size <= 79': the least "
            "violating scheme has size = 80 bits, the limit is 79; allow smaller "
            "widths or raise the limit (that scheme: w4a4)");
        CU_ASSERT_PTR_NULL(s);
    }
    p.constraint[0].limit = 80;
    for (size_t m = 0; m < mico_n_searchers; m++) {
        mico_search_options o = options_of(mico_searchers[m]->name, 1);

        if (is_unavailable(m))
            continue;
        CU_ASSERT_EQUAL_FATAL(mico_search_new(&s, &p, &o, &err), MICO_OK);
        mico_search_free(s);
    }
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* Each limit alone can be met, both together cannot: table by table, cheap against
 * cheap. */
static void t_unmet_together(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);
    mico_search_options o = options_of("random", 1);
    mico_searcher *s = NULL;
    mico_problem p;
    mico_err err;

    problem_make(&p, 6, "2-8", rng);
    for (size_t l = 0; l < 6; l++) {
        for (size_t iw = 0; iw < 9; iw++) {
            for (size_t ia = 0; ia < 9; ia++) {
                *problem_entry(&p.metric[0], l, iw, ia) = (double)iw;
                *problem_entry(&p.metric[1], l, iw, ia) = 10 - (double)iw;
            }
        }
    }
    problem_limit(&p, 0, 29);
    problem_limit(&p, 1, 30);
    CU_ASSERT_EQUAL(mico_search_new(&s, &p, &o, &err), MICO_EUNMET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no scheme of the space meets"));
    p.constraint[0].limit = 30; /* now exactly those with a sum of 30 */
    CU_ASSERT_EQUAL_FATAL(mico_search_new(&s, &p, &o, &err), MICO_OK);
    for (uint64_t id = 0; id < 20; id++) {
        mico_scheme scheme;
        size_t sum = 0;

        CU_ASSERT_TRUE_FATAL(mico_search_ask(s, id, &scheme));
        for (size_t l = 0; l < 6; l++)
            sum += scheme.bits[l];
        CU_ASSERT_EQUAL(sum, 30);
    }
    mico_search_free(s);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

static void t_least_violating(void)
{
    mico_rng *rng = mico_rng_new(5, "test", 0);

    for (size_t i = 0; i < 40; i++) {
        size_t n_layers = 1 + mico_rng_below(rng, 5);
        double least = 0;
        mico_scheme scheme;
        mico_problem p;

        /* irregular table, no ties: the least cost is the sum of the layers' least */
        problem_make(&p, n_layers, "2-8", rng);
        least = p.metric[PROBLEM_CYCLES].constant;
        for (size_t l = 0; l < n_layers; l++) {
            double lowest = INFINITY;

            for (size_t iw = 2; iw < MICO_N_WIDTHS; iw++)
                for (size_t ia = 2; ia < MICO_N_WIDTHS; ia++)
                    lowest = fmin(lowest,
                                  *problem_entry(&p.metric[PROBLEM_CYCLES], l, iw, ia));
            least += lowest;
        }
        problem_limit(&p, PROBLEM_CYCLES, least - 1);
        mico_search_least_violating(&p, &scheme);
        CU_ASSERT_DOUBLE_EQUAL(mico_metric_cost(&p.metric[PROBLEM_CYCLES], &scheme),
                               least, 1e-6);
        p.constraint[0].limit = least;
        mico_search_least_violating(&p, &scheme);
        CU_ASSERT_TRUE(mico_violation(&p, &scheme) <= 0);
        mico_problem_free(&p);
    }
    mico_rng_free(rng);
}

static void t_promises(void)
{
    mico_rng *rng = mico_rng_new(2, "test", 0);
    trace *a = mico_xcalloc(1, sizeof *a), *b = mico_xcalloc(1, sizeof *b);
    size_t n_ended = 0;

    for (uint64_t id = 0; id < 120; id++) {
        mico_problem p;

        random_problem(&p, id, rng);
        for (size_t m = 0; m < mico_n_searchers; m++) {
            mico_search_options o = options_of(mico_searchers[m]->name, id);
            size_t window = 1 + id % 9, fails_each = id % 4;

            if (is_skipped(m, id))
                continue;
            drive(a, &p, &o, 40, window, fails_each);
            drive(b, &p, &o, 40, window, fails_each);
            CU_ASSERT_EQUAL_FATAL(a->n, b->n);
            for (size_t i = 0; i < a->n; i++) {
                CU_ASSERT_TRUE(mico_scheme_equal(&a->scheme[i], &b->scheme[i]));
                CU_ASSERT_TRUE(mico_violation(&p, &a->scheme[i]) <= 0);
                CU_ASSERT_TRUE(in_space(&p, &a->scheme[i]));
            }
            CU_ASSERT_EQUAL(count_repeats(a), 0);
            if (a->ended) {
                /* where counting takes too long, the searchers must agree at least */
                if (mico_space_size(&p.space) < 1e6) {
                    CU_ASSERT_EQUAL(a->n, count_feasible(&p));
                    n_ended++;
                }
                o = options_of("grid", 0);
                drive(b, &p, &o, 41, 1, 0);
                CU_ASSERT_EQUAL(a->n, b->n);
            }
        }
        mico_problem_free(&p);
    }
    CU_ASSERT_TRUE(n_ended > 40); /* the small spaces were there */
    free(a);
    free(b);
    mico_rng_free(rng);
}

/* What searchers propose by themselves, before mico_search_ask repairs anything. */
static void t_unrepaired(void)
{
    mico_rng *rng = mico_rng_new(9, "test", 0);

    for (uint64_t id = 0; id < 60; id++) {
        mico_problem p;

        random_problem(&p, id, rng);
        for (size_t m = 0; m < mico_n_searchers; m++) {
            const mico_searcher_type *type = mico_searchers[m];
            mico_search_options o = options_of(type->name, id);
            void *state;

            if (is_skipped(m, id))
                continue;
            state = type->create(&p, &o);
            for (uint64_t i = 0; i < 25; i++) {
                uint8_t levels[MICO_MAX_GENES] = {0};
                mico_scheme scheme;
                mico_trial t;

                if (!type->ask(state, i, levels))
                    break;
                mico_space_scheme(&p.space, levels, &scheme);
                CU_ASSERT_TRUE(mico_violation(&p, &scheme) <= 0);
                t = problem_trial(i, &scheme, problem_accuracy(&scheme, 3));
                type->tell(state, &t, levels);
            }
            type->destroy(state);
        }
        mico_problem_free(&p);
    }
    mico_rng_free(rng);
}

/* All searchers but grid depend on the seed, and on what they were told. */
static void t_seeds(void)
{
    mico_rng *rng = mico_rng_new(3, "test", 0);
    trace *a = mico_xcalloc(1, sizeof *a), *b = mico_xcalloc(1, sizeof *b);
    mico_problem p;

    problem_make(&p, 8, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.4 * problem_top_cost(&p, PROBLEM_BOPS));
    for (size_t m = 0; m < mico_n_searchers; m++) {
        const char *name = mico_searchers[m]->name;
        mico_search_options o = options_of(name, 1), other = options_of(name, 2);
        bool learns = strcmp(name, "random") != 0 && strcmp(name, "grid") != 0;
        bool differs = false, delayed = false;

        if (is_unavailable(m))
            continue;
        drive(a, &p, &o, 40, 1, 0);
        drive(b, &p, &other, 40, 1, 0);
        for (size_t i = 0; i < 40; i++)
            differs |= !mico_scheme_equal(&a->scheme[i], &b->scheme[i]);
        CU_ASSERT_EQUAL(differs, strcmp(name, "grid") != 0);
        drive(b, &p, &o, 40, 12, 0);
        for (size_t i = 0; i < 40; i++)
            delayed |= !mico_scheme_equal(&a->scheme[i], &b->scheme[i]);
        CU_ASSERT_EQUAL(delayed, learns);
    }
    mico_problem_free(&p);
    free(a);
    free(b);
    mico_rng_free(rng);
}

/* The grid is the feasible set, each scheme once; other searchers exhaust it too. */
static void t_exhaustion(void)
{
    mico_rng *rng = mico_rng_new(4, "test", 0);
    trace *t = mico_xcalloc(1, sizeof *t);
    mico_problem p;
    size_t n;

    problem_make(&p, 3, "2,4,8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.3 * problem_top_cost(&p, PROBLEM_BOPS));
    problem_limit(&p, PROBLEM_CYCLES, 0.6 * problem_top_cost(&p, PROBLEM_CYCLES));
    n = count_feasible(&p);
    CU_ASSERT_TRUE_FATAL(n > 50 && n < MAX_TRIALS); /* of 729 */
    for (size_t m = 0; m < mico_n_searchers; m++) {
        mico_search_options o = options_of(mico_searchers[m]->name, 1);

        if (is_unavailable(m))
            continue;
        drive(t, &p, &o, MAX_TRIALS, 3, 0);
        CU_ASSERT_TRUE(t->ended);
        CU_ASSERT_EQUAL(t->n, n);
        CU_ASSERT_EQUAL(count_repeats(t), 0);
    }
    mico_problem_free(&p);
    free(t);
    mico_rng_free(rng);
}

/* 7^100 schemes of which a handful meet the limit, all but the first far into the walk.
 */
static void t_grid_huge(void)
{
    mico_rng *rng = mico_rng_new(6, "test", 0);
    trace *t = mico_xcalloc(1, sizeof *t);
    mico_search_options o = options_of("grid", 1);
    mico_problem p;

    problem_make(&p, 50, "2-8", rng);
    for (size_t l = 0; l < 50; l++)
        for (size_t i = 0; i < 81; i++)
            p.metric[0].table[l * 81 + i] = (double)(l < 25 ? i / 9 : 10 - i / 9 % 10);
    /* at least 2*25 + 2*25; one unit more lets one of 50 layers be one level off */
    problem_limit(&p, 0, 101);
    for (size_t l = 0; l < 50; l++)
        p.space.var[50 + l].n = 1;
    drive(t, &p, &o, MAX_TRIALS, 1, 0);
    CU_ASSERT_TRUE(t->ended);
    CU_ASSERT_EQUAL(t->n, 51);
    CU_ASSERT_EQUAL(count_repeats(t), 0);
    mico_problem_free(&p);
    free(t);
    mico_rng_free(rng);
}

/* No outcome but failures: searchers go on without a model. */
static void t_all_fail(void)
{
    mico_rng *rng = mico_rng_new(7, "test", 0);
    trace *t = mico_xcalloc(1, sizeof *t);
    mico_problem p;

    problem_make(&p, 6, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.3 * problem_top_cost(&p, PROBLEM_BOPS));
    for (size_t goal = 0; goal < 2; goal++) {
        p.goal = goal == 0 ? MICO_GOAL_ACCURACY : MICO_GOAL_PARETO;
        for (size_t m = 0; m < mico_n_searchers; m++) {
            mico_search_options o = options_of(mico_searchers[m]->name, 1);

            if (is_unavailable(m))
                continue;
            drive(t, &p, &o, 60, 2, 1);
            CU_ASSERT_EQUAL(t->n, 60);
            CU_ASSERT_EQUAL(count_repeats(t), 0);
        }
    }
    mico_problem_free(&p);
    free(t);
    mico_rng_free(rng);
}

/* The most layers that there can be, options of 0, and more asks than the budget. */
static void t_extremes(void)
{
    mico_rng *rng = mico_rng_new(8, "test", 0);
    trace *t = mico_xcalloc(1, sizeof *t);
    mico_problem p;

    problem_make(&p, MICO_MAX_LAYERS, "1,t,2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.1 * problem_top_cost(&p, PROBLEM_BOPS));
    for (size_t m = 0; m < mico_n_searchers; m++) {
        mico_search_options o = {.budget = 3};

        if (is_unavailable(m))
            continue;
        snprintf(o.method, sizeof o.method, "%s", mico_searchers[m]->name);
        drive(t, &p, &o, 20, 1, 0);
        CU_ASSERT_EQUAL(t->n, 20);
        CU_ASSERT_EQUAL(count_repeats(t), 0);
        for (size_t i = 0; i < t->n; i++)
            CU_ASSERT_TRUE(mico_violation(&p, &t->scheme[i]) <= 0);
    }
    mico_problem_free(&p);
    free(t);
    mico_rng_free(rng);
}

MICO_SUITE("search_common", {"unknown searchers", t_unknown},
           {"unmet constraints are explained", t_unmet},
           {"constraints that exclude each other", t_unmet_together},
           {"least violating scheme", t_least_violating},
           {"promises of every searcher", t_promises},
           {"feasible without repair", t_unrepaired}, {"seeds and delays", t_seeds},
           {"exhaustion", t_exhaustion}, {"grid in a huge space", t_grid_huge},
           {"all trials fail", t_all_fail}, {"extremes", t_extremes})
