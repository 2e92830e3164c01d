/* Do the learning searchers learn? 150 trials on a made-up network, medians over seeds.
 */
#include "core/mem.h"
#include "search/search.h"
#include "support/search_problem.h"
#include "support/suite.h"

#include <stdlib.h>

#define N_SEEDS  5
#define N_TRIALS 150

/* Area that a front covers: accuracy over cost, as a fraction of the top cost. */
static double area(const mico_problem *p, const mico_trial *trials)
{
    double top = problem_top_cost(p, p->pareto_metric), area = 0;
    size_t index[N_TRIALS], n = mico_front(p, trials, N_TRIALS, index);

    for (size_t i = 0; i < n; i++) {
        const mico_metric *m = &p->metric[p->pareto_metric];
        double cost = mico_metric_cost(m, &trials[index[i]].scheme);
        double next =
            i + 1 < n ? mico_metric_cost(m, &trials[index[i + 1]].scheme) : top;

        area += (next - cost) / top * mico_accuracy(&trials[index[i]].outcome);
    }
    return area;
}

/* The best accuracy (or, with the goal pareto, the area of the front) of one run. */
static double run(const mico_problem *p, const char *method, uint64_t seed,
                  uint64_t net, mico_trial *trials)
{
    mico_search_options o = {.seed = seed, .budget = N_TRIALS, .n_candidates = 400};
    mico_searcher *s;
    size_t n = 0, told = 0, best;

    snprintf(o.method, sizeof o.method, "%s", method);
    CU_ASSERT_EQUAL_FATAL(mico_search_new(&s, p, &o, NULL), MICO_OK);
    while (n < N_TRIALS) {
        mico_scheme scheme;

        CU_ASSERT_TRUE_FATAL(mico_search_ask(s, n, &scheme));
        trials[n] = problem_trial(n, &scheme, problem_accuracy(&scheme, net));
        n++;
        if (n - told >= 4)
            mico_search_tell(s, &trials[told++]);
    }
    mico_search_free(s);
    if (p->goal == MICO_GOAL_PARETO)
        return area(p, trials);
    best = mico_best(p, trials, n);
    CU_ASSERT_TRUE_FATAL(best < n);
    return mico_accuracy(&trials[best].outcome);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, N_SEEDS, sizeof *values, by_value);
    return values[N_SEEDS / 2];
}

/* Losses -log(accuracy) of one layer's widths, above those of all layers at 8 bits. */
static double layer_loss(const mico_scheme *all8, size_t l, uint8_t w, uint8_t a,
                         uint64_t net)
{
    mico_scheme s = *all8;

    s.bits[l] = w;
    s.bits[s.n_layers + l] = a;
    return log(problem_accuracy(all8, net) / problem_accuracy(&s, net));
}

/* Losses and costs are sums over layers, so for every lambda the least of loss +
 * lambda * (cost/limit - 1) bounds the loss of all feasible schemes. */
static double upper_bound(const mico_problem *p, uint64_t net)
{
    size_t n = p->space.n_layers;
    double(*loss)[9][9] = mico_xcalloc(n, sizeof *loss), highest = 0;
    mico_scheme all8 = {.n_layers = n};

    memset(all8.bits, 8, sizeof all8.bits);
    for (size_t l = 0; l < n; l++)
        for (uint8_t w = 2; w <= 8; w++)
            for (uint8_t a = 2; a <= 8; a++)
                loss[l][w][a] = layer_loss(&all8, l, w, a, net);
    for (double lambda = 1e-3; lambda < 100; lambda *= 1.05) {
        double bound = -log(problem_accuracy(&all8, net)) - lambda;

        for (size_t l = 0; l < n; l++) {
            double least = INFINITY;

            for (size_t w = 2; w <= 8; w++)
                for (size_t a = 2; a <= 8; a++)
                    least = fmin(least, loss[l][w][a] +
                                            lambda / p->constraint[0].limit *
                                                *problem_entry(&p->metric[PROBLEM_BOPS],
                                                               l, w, a));
            bound += least;
        }
        highest = fmax(highest, bound);
    }
    free(loss);
    return exp(-highest);
}

static const char *const methods[3] = {"random", "regevo", "mico"};

static void medians(const mico_problem *p, uint64_t net, double best[3])
{
    mico_trial *trials = mico_xcalloc(N_TRIALS, sizeof *trials);
    double found[N_SEEDS];

    for (size_t m = 0; m < 3; m++) {
        for (uint64_t seed = 0; seed < N_SEEDS; seed++)
            found[seed] = run(p, methods[m], seed, net, trials);
        best[m] = median(found);
    }
    free(trials);
}

/* The learners leave less than half of random's gap to the bound. */
static void t_accuracy(void)
{
    const uint64_t net = 11;
    mico_rng *rng = mico_rng_new(net, "test", 0);
    double best[3], bound;
    mico_problem p;

    problem_make(&p, 12, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.35 * problem_top_cost(&p, PROBLEM_BOPS));
    bound = upper_bound(&p, net);
    medians(&p, net, best);
    printf("\n    accuracy: random %.4f, regevo %.4f, mico %.4f, bound %.4f\n    ",
           best[0], best[1], best[2], bound);
    for (size_t m = 0; m < 3; m++)
        CU_ASSERT_TRUE(best[m] <= bound);
    CU_ASSERT_TRUE(bound - best[1] < 0.5 * (bound - best[0]));
    CU_ASSERT_TRUE(bound - best[2] < 0.5 * (bound - best[0]));
    mico_problem_free(&p);
    mico_rng_free(rng);
}

static void t_front(void)
{
    const uint64_t net = 12;
    mico_rng *rng = mico_rng_new(net, "test", 0);
    double best[3];
    mico_problem p;

    problem_make(&p, 12, "2-8", rng);
    p.goal = MICO_GOAL_PARETO;
    p.pareto_metric = PROBLEM_BOPS;
    medians(&p, net, best);
    printf("\n    area of the front: random %.4f, regevo %.4f, mico %.4f\n    ",
           best[0], best[1], best[2]);
    CU_ASSERT_TRUE(best[1] > best[0] + 0.05);
    CU_ASSERT_TRUE(best[2] > best[0] + 0.05);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

MICO_SUITE("search_quality", {"better than random", t_accuracy},
           {"better fronts than random", t_front})
