/* Time of one proposal: each searcher at 50 and 106 variables with 300 past trials.
 * Prints milliseconds; judges nothing. */
#include "core/clock.h"
#include "core/mem.h"
#include "search/forest.h"
#include "search/search.h"
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

static void time_forest(size_t n, size_t d, mico_forest_options o)
{
    mico_rng *rng = mico_rng_new(1, "bench", 0);
    double(*values)[MICO_FOREST_CODES] = mico_xcalloc(d, sizeof *values);
    uint8_t *codes = mico_xcalloc(n * d, 1);
    double *y = mico_xcalloc(n, sizeof *y), begin, fitted, sum = 0;
    mico_forest_data data = {n, d, codes, (const double(*)[MICO_FOREST_CODES])values,
                             y};
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

        mico_forest_predict(&f, codes + i % n * d, &mean, &deviation);
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

int main(void)
{
    const size_t layers[] = {10, 25, 53};

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
