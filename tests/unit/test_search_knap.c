/* Tests of the knapsack solver: against enumeration, and on HAWQ-V3's integer programs
 * with their published optima. */
#include "core/rng.h"
#include "search/knap.h"
#include "support/search_hawq.h"
#include "support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASSES 7
#define MOST_OPTIONS 4
#define MOST_ROWS    3

typedef struct instance {
    mico_knap knap;
    mico_knap_class class[MOST_CLASSES];
    double value[MOST_CLASSES][MOST_OPTIONS];
    double cost[MOST_CLASSES][MOST_OPTIONS * MOST_ROWS];
    double limit[MOST_ROWS];
} instance;

/* Small whole numbers, so that ties and limits met exactly are frequent. */
static void make_instance(instance *in, mico_rng *rng)
{
    in->knap.n_classes = mico_rng_below(rng, MOST_CLASSES + 1);
    in->knap.n_rows = mico_rng_below(rng, MOST_ROWS + 1);
    in->knap.class = in->class;
    in->knap.limit = in->limit;
    for (size_t c = 0; c < in->knap.n_classes; c++) {
        in->class[c] = (mico_knap_class){1 + mico_rng_below(rng, MOST_OPTIONS),
                                         in->value[c], in->cost[c]};
        for (size_t o = 0; o < MOST_OPTIONS; o++)
            in->value[c][o] = (double)mico_rng_below(rng, 20) - 5;
        for (size_t o = 0; o < MOST_OPTIONS * MOST_ROWS; o++)
            in->cost[c][o] = (double)mico_rng_below(rng, 12);
    }
    for (size_t r = 0; r < MOST_ROWS; r++)
        in->limit[r] = (double)mico_rng_below(rng, 40);
}

/* Best value of all choices, -INFINITY where none is feasible. */
static double enumerate(const instance *in, size_t class, double value, double *used)
{
    double best = -INFINITY;

    if (class == in->knap.n_classes) {
        for (size_t r = 0; r < in->knap.n_rows; r++)
            if (used[r] > in->limit[r])
                return -INFINITY;
        return value;
    }
    for (size_t o = 0; o < in->class[class].n; o++) {
        double v;

        for (size_t r = 0; r < in->knap.n_rows; r++)
            used[r] += in->cost[class][o * in->knap.n_rows + r];
        v = enumerate(in, class + 1, value + in->value[class][o], used);
        best = v > best ? v : best;
        for (size_t r = 0; r < in->knap.n_rows; r++)
            used[r] -= in->cost[class][o * in->knap.n_rows + r];
    }
    return best;
}

static bool choice_is(const instance *in, const uint32_t *choice, double value)
{
    double sum = 0, used[MOST_ROWS] = {0};

    for (size_t c = 0; c < in->knap.n_classes; c++) {
        if (choice[c] >= in->class[c].n)
            return false;
        sum += in->value[c][choice[c]];
        for (size_t r = 0; r < in->knap.n_rows; r++)
            used[r] += in->cost[c][choice[c] * in->knap.n_rows + r];
    }
    for (size_t r = 0; r < in->knap.n_rows; r++)
        if (used[r] > in->limit[r])
            return false;
    return sum == value;
}

static void t_enumeration(void)
{
    mico_rng *rng = mico_rng_new(1, "knap", 0);
    size_t infeasible = 0;

    for (size_t i = 0; i < 4000; i++) {
        instance in;
        uint32_t choice[MOST_CLASSES + 1];
        double used[MOST_ROWS] = {0}, best;
        mico_knap_answer answer;

        make_instance(&in, rng);
        best = enumerate(&in, 0, 0, used);
        answer = mico_knap_solve(&in.knap, 1000000, choice);
        CU_ASSERT(answer.proven);
        CU_ASSERT_EQUAL(answer.found, best > -INFINITY);
        infeasible += !answer.found;
        if (!answer.found)
            continue;
        CU_ASSERT_EQUAL(answer.value, best);
        CU_ASSERT_EQUAL(answer.bound, best);
        CU_ASSERT(choice_is(&in, choice, best));
    }
    CU_ASSERT(infeasible > 100);
    CU_ASSERT(infeasible < 2000);
    mico_rng_free(rng);
}

/* Cut off early: never better than the truth, never a bound below it. */
static void t_cut_off(void)
{
    mico_rng *rng = mico_rng_new(2, "knap", 0);

    for (size_t i = 0; i < 2000; i++) {
        instance in;
        uint32_t choice[MOST_CLASSES + 1];
        double used[MOST_ROWS] = {0}, best;
        mico_knap_answer answer;

        make_instance(&in, rng);
        best = enumerate(&in, 0, 0, used);
        answer = mico_knap_solve(&in.knap, mico_rng_below(rng, 6), choice);
        CU_ASSERT(answer.bound >= best || (!answer.found && best == -INFINITY));
        CU_ASSERT(!answer.found || answer.value <= best);
        CU_ASSERT(!answer.found || choice_is(&in, choice, answer.value));
    }
    mico_rng_free(rng);
}

/* ---- HAWQ-V3 -----------------------------------------------------------------------
 */

/* Layers whose results are added share one choice. */
static void hawq_check(const hawq *h, const size_t (*tie)[2], size_t n_ties,
                       const double optimum[3][3])
{
    size_t owner[MOST_LAYERS], index[MOST_LAYERS], n = 0;

    for (size_t i = 0; i < h->n; i++) {
        owner[i] = i;
        for (size_t t = 0; t < n_ties; t++)
            if (tie[t][1] == i)
                owner[i] = tie[t][0];
        index[i] = owner[i] == i ? n++ : 0;
    }
    for (int kind = 0; kind < 3; kind++)
        for (int quarter = 1; quarter <= 3; quarter++) {
            double value[MOST_LAYERS][2] = {{0}}, cost[MOST_LAYERS][2] = {{0}};
            double limit = 0;
            mico_knap_class class[MOST_LAYERS];
            uint32_t choice[MOST_LAYERS];
            mico_knap knap = {n, 1, class, &limit};
            mico_knap_answer answer;

            for (size_t i = 0; i < h->n; i++)
                for (int bit = 0; bit < 2; bit++) {
                    const size_t c = index[owner[i]];
                    const double x = hawq_cost(h, kind, i, bit);

                    value[c][bit] -= h->trace[i] * h->mse[bit][i];
                    cost[c][bit] += x;
                    limit += x * (bit ? quarter / 4.0 : 1 - quarter / 4.0);
                }
            for (size_t c = 0; c < n; c++)
                class[c] = (mico_knap_class){2, value[c], cost[c]};
            answer = mico_knap_solve(&knap, 100000, choice);
            CU_ASSERT(answer.found && answer.proven);
            CU_ASSERT_DOUBLE_EQUAL(-answer.value, optimum[kind][quarter - 1], 6e-10);
        }
}

static void t_hawq(void)
{
    /* exact_optima.txt of the shared data: branch and bound in Python, and by brute
     * force for ResNet18, BOPs, 0.5 */
    static const double resnet18[3][3] = {{0.118299578, 0.074505930, 0.033440591},
                                          {0.460424008, 0.215689323, 0.079964698},
                                          {0.460424008, 0.202673794, 0.079964698}};
    static const double resnet50[3][3] = {{0.074949445, 0.031024138, 0.012215414},
                                          {0.148947717, 0.056439851, 0.024105334},
                                          {0.137505072, 0.054861102, 0.022658307}};
    static const size_t ties18[][2] = {{4, 6}, {9, 11}, {14, 16}};
    static const size_t ties50[][2] = {{0, 3}, {10, 13}, {23, 26}, {42, 45}};
    hawq h;

    if (!hawq_load(&h, "hawqv3_resnet18.csv")) {
        printf("shared data are not here: skipped ... ");
        return;
    }
    CU_ASSERT_EQUAL(h.n, 19);
    hawq_check(&h, ties18, 3, resnet18);
    CU_ASSERT(hawq_load(&h, "hawqv3_resnet50.csv"));
    CU_ASSERT_EQUAL(h.n, 52);
    hawq_check(&h, ties50, 4, resnet50);
}

MICO_SUITE("search_knap", {"enumeration", t_enumeration}, {"cut off", t_cut_off},
           {"HAWQ-V3", t_hawq})
