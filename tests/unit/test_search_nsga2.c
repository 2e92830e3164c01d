/* Tests of NSGA-II: the fronts that it finds, what it keeps of its population, and that
 * it beats random search in both goals. */
#include "core/mem.h"
#include "search/search.h"
#include "support/search_problem.h"
#include "support/suite.h"

#include <stdlib.h>

typedef double (*objective)(const mico_problem *p, const mico_scheme *scheme);

typedef struct history {
    size_t n;
    double point[600][2]; /* cost, 1 - accuracy */
} history;

/* Tells each trial `window` asks later; every 7th fails where `fails` is set. */
static void drive(history *h, const mico_problem *p, const char *method, uint64_t seed,
                  size_t n, size_t window, bool fails, objective accuracy)
{
    mico_search_options o = {.seed = seed, .budget = n, .population = 20};
    mico_scheme *scheme = mico_xcalloc(n, sizeof *scheme);
    mico_searcher *s;
    mico_err err;
    size_t told = 0;

    h->n = 0;
    snprintf(o.method, sizeof o.method, "%s", method);
    CU_ASSERT_EQUAL_FATAL(mico_search_new(&s, p, &o, &err), MICO_OK);
    for (size_t id = 0; id < n; id++) {
        CU_ASSERT_TRUE_FATAL(mico_search_ask(s, id, &scheme[id]));
        CU_ASSERT_TRUE(mico_violation(p, &scheme[id]) <= 0);
        for (; id + 1 - told >= window; told++) {
            mico_trial t =
                problem_trial(told, &scheme[told], accuracy(p, &scheme[told]));

            if (fails && told % 7 == 0) {
                t.outcome = (mico_outcome){.state = MICO_STATE_CRASHED};
            } else {
                h->point[h->n][0] =
                    mico_metric_cost(&p->metric[p->pareto_metric], &t.scheme);
                h->point[h->n++][1] = 1 - mico_accuracy(&t.outcome);
            }
            mico_search_tell(s, &t);
        }
    }
    mico_search_free(s);
    free(scheme);
}

static double network_like(const mico_problem *p, const mico_scheme *scheme)
{
    (void)p;
    return problem_accuracy(scheme, 3);
}

static double volume(history *h, const mico_problem *p)
{
    const double ref[] = {1, 1};

    for (size_t i = 0; i < h->n; i++)
        h->point[i][0] /= problem_top_cost(p, p->pareto_metric);
    return mico_hypervolume(h->point[0], h->n, 2, ref);
}

static double best(const history *h)
{
    double least = INFINITY;

    for (size_t i = 0; i < h->n; i++)
        least = fmin(least, h->point[i][1]);
    return 1 - least;
}

/* Over five seeds: more volume than random search each time, with the window of a
 * cluster and failures too. */
static void t_pareto(void)
{
    mico_rng *rng = mico_rng_new(11, "test", 0);
    history *h = mico_xcalloc(1, sizeof *h);
    mico_problem p;

    problem_make(&p, 12, "2-8", rng);
    p.goal = MICO_GOAL_PARETO;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        double ours, delayed, random;

        drive(h, &p, "nsga2", seed, 400, 1, false, network_like);
        ours = volume(h, &p);
        drive(h, &p, "nsga2", seed, 400, 16, true, network_like);
        delayed = volume(h, &p);
        drive(h, &p, "random", seed, 400, 1, false, network_like);
        random = volume(h, &p);
        CU_ASSERT_TRUE(ours > random + 0.05);
        CU_ASSERT_TRUE(delayed > random + 0.05);
    }
    mico_problem_free(&p);
    free(h);
    mico_rng_free(rng);
}

static void t_accuracy(void)
{
    mico_rng *rng = mico_rng_new(12, "test", 0);
    history *h = mico_xcalloc(1, sizeof *h);
    mico_problem p;

    problem_make(&p, 12, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.3 * problem_top_cost(&p, PROBLEM_BOPS));
    problem_limit(&p, PROBLEM_CYCLES, 0.6 * problem_top_cost(&p, PROBLEM_CYCLES));
    for (uint64_t seed = 1; seed <= 5; seed++) {
        double ours, random;

        drive(h, &p, "nsga2", seed, 300, 1, false, network_like);
        ours = best(h);
        drive(h, &p, "random", seed, 300, 1, false, network_like);
        random = best(h);
        CU_ASSERT_TRUE(ours > random + 0.02);
    }
    mico_problem_free(&p);
    free(h);
    mico_rng_free(rng);
}

/* All accuracies alike: the least cost is the whole front, and the search goes there.
 */
static double flat(const mico_problem *p, const mico_scheme *scheme)
{
    (void)p;
    (void)scheme;
    return 0.5;
}

static void t_flat(void)
{
    mico_rng *rng = mico_rng_new(13, "test", 0);
    history *h = mico_xcalloc(1, sizeof *h);
    mico_problem p;
    double late = 0;

    problem_make(&p, 10, "2-8", rng);
    p.goal = MICO_GOAL_PARETO;
    drive(h, &p, "nsga2", 1, 300, 1, false, flat);
    CU_ASSERT_EQUAL(h->point[1][0], mico_metric_min(&p, p.pareto_metric));
    for (size_t i = 200; i < 300; i++)
        late += h->point[i][0] / 100;
    CU_ASSERT_TRUE(late < 0.3 * problem_top_cost(&p, p.pareto_metric));
    mico_problem_free(&p);
    free(h);
    mico_rng_free(rng);
}

/* The first two proposals are the ends of the front, within the limits. */
static void t_ends(void)
{
    mico_rng *rng = mico_rng_new(14, "test", 0);
    history *h = mico_xcalloc(1, sizeof *h);
    mico_problem p;
    double top;

    problem_make(&p, 8, "2-8", rng);
    p.goal = MICO_GOAL_PARETO;
    top = problem_top_cost(&p, PROBLEM_BOPS);
    drive(h, &p, "nsga2", 1, 2, 1, false, network_like);
    CU_ASSERT_EQUAL(h->point[0][0], top);
    CU_ASSERT_EQUAL(h->point[1][0], mico_metric_min(&p, PROBLEM_BOPS));
    problem_limit(&p, PROBLEM_BOPS, 0.5 * top);
    drive(h, &p, "nsga2", 1, 2, 1, false, network_like);
    CU_ASSERT_TRUE(h->point[0][0] <= 0.5 * top);
    CU_ASSERT_EQUAL(h->point[1][0], mico_metric_min(&p, PROBLEM_BOPS));
    mico_problem_free(&p);
    free(h);
    mico_rng_free(rng);
}

MICO_SUITE("search_nsga2", {"front against random search", t_pareto},
           {"accuracy under two limits", t_accuracy}, {"nothing but cost", t_flat},
           {"ends of the front", t_ends})
