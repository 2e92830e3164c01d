/* Time of one proposal: how it grows with variables and past trials for the methods
 * with a model, and each searcher at 20, 50 and 106 variables with 300 past trials.
 * Prints milliseconds of this thread; judges nothing. With a method's name: only that
 * one. */
#include "core/clock.h"
#include "core/mem.h"
#include "search/forest.h"
#include "search/search.h"
#include "search/search_internal.h"
#include "support/search_problem.h"

#include <stdlib.h>

#define N_PAST 300
#define N_TIME 20

static void time_searcher(const mico_problem *p, const char *method)
{
    mico_search_options o = {.seed = 1, .budget = 400};
    mico_searcher *s;
    mico_scheme scheme;
    double begin = 0;

    snprintf(o.method, sizeof o.method, "%s", method);
    if (mico_search_new(&s, p, &o, NULL) != MICO_OK)
        return;
    for (uint64_t id = 0; id < N_PAST + N_TIME; id++) {
        mico_trial t;

        if (id == N_PAST)
            begin = mico_cpu_s();
        if (!mico_search_ask(s, id, &scheme))
            break;
        t = problem_trial(id, &scheme, problem_accuracy(&scheme, 1));
        mico_search_tell(s, &t);
    }
    printf("%4zu variables  %-8s %8.2f ms\n", p->space.n_vars, method,
           1e3 * (mico_cpu_s() - begin) / N_TIME);
    mico_search_free(s);
}

/* ---- growth -----------------------------------------------------------------------
 */

/* Milliseconds of asking and telling with n_past outcomes known, which the initial
 * design supplies. Below 0: no such searcher here. */
static double proposal_ms(const mico_problem *p, const char *method, size_t n_past)
{
    const size_t n_time = n_past > 1000 ? 3 : 10;
    mico_search_options o = {.seed = 1, .budget = n_past + n_time, .n_inits = n_past};
    mico_searcher *s;
    double begin = 0, out;

    snprintf(o.method, sizeof o.method, "%s", method);
    if (mico_search_new(&s, p, &o, NULL) != MICO_OK)
        return -1;
    for (uint64_t id = 0; id <= n_past + n_time; id++) {
        mico_scheme scheme;
        mico_trial t;

        /* the first proposal after the design fits hyperparameters: not counted */
        if (id == n_past + 1)
            begin = mico_cpu_s();
        if (!mico_search_ask(s, id, &scheme))
            break;
        t = problem_trial(id, &scheme, problem_accuracy(&scheme, 1));
        mico_search_tell(s, &t);
    }
    out = 1e3 * (mico_cpu_s() - begin) / (double)n_time;
    mico_search_free(s);
    return out;
}

static void time_growth(const char *only)
{
    static const char *const methods[] = {
        "mico-rf",       "mico-gp", "mico-svr",   "mico-xgb",   "mico-ltr",
        "mico-ensemble", "bo",      "regress-rf", "regress-gp", "gp",
        "sens+tr",       "ts-mckp", "hawq"};
    static const size_t layers[] = {5, 13, 25, 37, 55}, past[] = {50, 300, 1000, 5000};

    printf("ms a proposal, by past trials    50       300      1000      5000\n");
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        const bool is_slow = strcmp(methods[m], "mico-rf") != 0;

        if (only != NULL && strcmp(only, methods[m]) != 0)
            continue;
        for (size_t i = 0; i < 5; i++) {
            mico_rng *rng = mico_rng_new(1, "bench", layers[i]);
            mico_problem p;

            problem_make(&p, layers[i], "2-8", rng);
            problem_limit(&p, PROBLEM_BOPS, 0.4 * problem_top_cost(&p, PROBLEM_BOPS));
            printf("%-14s %4zu variables", methods[m], p.space.n_vars);
            for (size_t k = 0; k < (is_slow && only == NULL ? 3u : 4u); k++) {
                printf(" %9.2f", proposal_ms(&p, methods[m], past[k]));
                fflush(stdout);
            }
            printf("\n");
            mico_problem_free(&p);
            mico_rng_free(rng);
        }
    }
}

/* ---- parts ------------------------------------------------------------------------
 */

static void time_near(size_t n_layers)
{
    mico_rng *rng = mico_rng_new(1, "bench", n_layers);
    mico_problem p;
    mico_room room;

    problem_make(&p, n_layers, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.4 * problem_top_cost(&p, PROBLEM_BOPS));
    mico_room_init(&room, &p);
    printf("near sampler, %3zu variables:", p.space.n_vars);
    for (size_t n = 500; n <= 8000; n *= 4) {
        const mico_near_options o = {.roi = 0.2, .cap = INFINITY, .n_candidates = n};
        double begin = mico_cpu_s();
        size_t found = 0;

        for (size_t i = 0; i < 5; i++) {
            mico_seen out;

            mico_seen_init(&out, room.n_vars);
            mico_near_sample(&room, rng, &o, &out);
            found += out.n;
            mico_seen_free(&out);
        }
        printf("  %zu candidates %.2f us each", n,
               1e6 * (mico_cpu_s() - begin) / (double)(found > 0 ? found : 1));
    }
    printf("\n");
    mico_problem_free(&p);
    mico_rng_free(rng);
}

static void time_forest(size_t n, size_t d, mico_forest_options o)
{
    mico_rng *rng = mico_rng_new(1, "bench", 0);
    double(*values)[MICO_FOREST_CODES] = mico_xcalloc(d, sizeof *values);
    uint8_t *codes = mico_xcalloc(n * d, 1);
    double *y = mico_xcalloc(n, sizeof *y), begin, fitted, sum = 0;
    mico_forest_data data = {n, d, codes, (const double(*)[MICO_FOREST_CODES])values,
                             y, 0};
    mico_forest f;

    for (size_t j = 0; j < d; j++)
        for (size_t c = 0; c < MICO_FOREST_CODES; c++)
            values[j][c] = (double)c;
    for (size_t i = 0; i < n * d; i++)
        codes[i] = (uint8_t)mico_rng_below(rng, 7);
    for (size_t i = 0; i < n; i++)
        y[i] = codes[i * d] + codes[i * d + 1] + mico_rng_gauss(rng);
    begin = mico_cpu_s();
    mico_forest_fit(&f, &data, &o, rng);
    fitted = mico_cpu_s();
    for (size_t i = 0; i < 1000; i++) {
        double mean, deviation;

        mico_forest_predict(&f, codes + i % n * d, d, 1, &mean, &deviation);
        sum += mean;
    }
    printf(
        "%4zu features   %zu trees of depth %zu on %zu: fit %.2f ms, 1000 predictions "
        "%.2f ms (mean %.3f)\n",
        d, o.n_trees, o.max_depth, n, 1e3 * (fitted - begin),
        1e3 * (mico_cpu_s() - fitted), sum / 1000);
    mico_forest_free(&f);
    free(values);
    free(codes);
    free(y);
    mico_rng_free(rng);
}

int main(int argc, char **argv)
{
    const size_t layers[] = {10, 25, 53};

    time_growth(argc > 1 ? argv[1] : NULL);
    if (argc > 1)
        return 0;
    time_near(25);
    time_near(55);
    time_forest(300, 40, (mico_forest_options){100, 0, 0, true});
    time_forest(300, 100, (mico_forest_options){250, 5, 10, true});
    time_forest(300, 200, (mico_forest_options){250, 5, 14, true});
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        mico_rng *rng = mico_rng_new(1, "bench", layers[i]);
        mico_problem p;

        problem_make(&p, layers[i], "2-8", rng);
        problem_limit(&p, PROBLEM_BOPS, 0.4 * problem_top_cost(&p, PROBLEM_BOPS));
        for (size_t m = 0; m < mico_n_searchers; m++)
            time_searcher(&p, mico_searchers[m]->name);
        mico_problem_free(&p);
        mico_rng_free(rng);
    }
    return 0;
}
