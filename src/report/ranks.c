/* Rank tests for few values: Wilcoxon's signed ranks, Friedman's two-way ranks. */
#include "report/internal.h"

#include "core/mem.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#define EXACT_MOST 100

typedef struct item {
    double value;
    size_t index;
} item;

static int by_value(const void *a, const void *b)
{
    double x = ((const item *)a)->value, y = ((const item *)b)->value;

    return x < y ? -1 : x > y;
}

/* Twice the midranks 1..n (whole numbers, ties share); returns sum of t^3 - t over
 * groups of t ties. */
static double double_ranks(const double *value, size_t n, size_t *rank2)
{
    item *items = mico_xcalloc(n, sizeof *items);
    double ties = 0;

    for (size_t i = 0; i < n; i++)
        items[i] = (item){value[i], i};
    qsort(items, n, sizeof *items, by_value);
    for (size_t i = 0, next; i < n; i = next) {
        double t;

        for (next = i + 1; next < n && items[next].value <= items[i].value;)
            next++;
        for (size_t j = i; j < next; j++)
            rank2[items[j].index] = i + 1 + next;
        t = (double)(next - i);
        ties += t * t * t - t;
    }
    free(items);
    return ties;
}

/* Each rank is positive or negative with even chances: the number of ways to each sum
 * of positive ranks, by adding one rank after the other. */
static double exact_p(const size_t *rank2, size_t n, size_t positive2)
{
    size_t total = 0;
    double *ways, below = 0, above = 0, all = 0;

    for (size_t i = 0; i < n; i++)
        total += rank2[i];
    ways = mico_xcalloc(total + 1, sizeof *ways);
    ways[0] = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t s = total + 1; s-- > rank2[i];)
            ways[s] += ways[s - rank2[i]];
    for (size_t s = 0; s <= total; s++) {
        all += ways[s];
        below += s <= positive2 ? ways[s] : 0;
        above += s >= positive2 ? ways[s] : 0;
    }
    free(ways);
    return fmin(1, 2 * fmin(below, above) / all);
}

double mico_wilcoxon(const double *a, const double *b, size_t n)
{
    double *size = mico_xcalloc(n, sizeof *size), ties, p = 1;
    bool *up = mico_xcalloc(n, sizeof *up);
    size_t *rank2 = mico_xcalloc(n, sizeof *rank2), m = 0, positive2 = 0;

    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i];

        if (d > 0 || d < 0) {
            up[m] = d > 0;
            size[m++] = fabs(d);
        }
    }
    ties = double_ranks(size, m, rank2);
    for (size_t i = 0; i < m; i++)
        positive2 += up[i] ? rank2[i] : 0;
    if (m > 0 && m <= EXACT_MOST) {
        p = exact_p(rank2, m, positive2);
    } else if (m > 0) {
        double k = (double)m, mean = k * (k + 1) / 4;
        double variance = k * (k + 1) * (2 * k + 1) / 24 - ties / 48;

        p = fmin(1, 2 * gsl_cdf_ugaussian_Q(fabs((double)positive2 / 2 - mean) /
                                            sqrt(variance)));
    }
    free(size);
    free(up);
    free(rank2);
    return p;
}

double mico_friedman(const double *value, size_t blocks, size_t k, double *mean_rank,
                     double *chi_square)
{
    size_t *rank2 = mico_xcalloc(k, sizeof *rank2);
    double b = (double)blocks, t = (double)k, ties = 0, squares = 0, correction;

    for (size_t j = 0; j < k; j++)
        mean_rank[j] = 0;
    for (size_t i = 0; i < blocks; i++) {
        ties += double_ranks(value + i * k, k, rank2);
        for (size_t j = 0; j < k; j++)
            mean_rank[j] += (double)rank2[j] / (2 * b);
    }
    free(rank2);
    for (size_t j = 0; j < k; j++)
        squares += (mean_rank[j] * b) * (mean_rank[j] * b);
    correction = 1 - ties / (b * t * (t * t - 1));
    *chi_square = NAN;
    if (k < 2 || blocks == 0 || !(correction > 0))
        return NAN;
    *chi_square = (12 / (b * t * (t + 1)) * squares - 3 * b * (t + 1)) / correction;
    return gsl_cdf_chisq_Q(fmax(0, *chi_square), t - 1);
}
