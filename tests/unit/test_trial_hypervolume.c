/* Tests of the hypervolume: against counting, analytic fronts, and HAWQ-V3's ResNet18.
 */
#include "core/mem.h"
#include "core/rng.h"
#include "support/search_hawq.h"
#include "support/suite.h"
#include "trial/trial.h"

#include <math.h>
#include <stdlib.h>

#define SIDE 7 /* coordinates 0..SIDE-1, reference point below (SIDE, ...) */

/* Unit cells below ref that some point dominates. */
static double count_cells(const double *points, size_t n, size_t n_dims,
                          const double *ref)
{
    double count = 0;

    for (int x = 0; x < (int)ref[0]; x++)
        for (int y = 0; y < (int)ref[1]; y++)
            for (int z = 0; z < (n_dims == 3 ? (int)ref[2] : 1); z++) {
                bool covered = false;

                for (size_t i = 0; i < n; i++) {
                    const double *p = points + i * n_dims;

                    covered |= p[0] <= x && p[1] <= y && (n_dims == 2 || p[2] <= z);
                }
                count += covered;
            }
    return count;
}

/* Whole numbers: sums are exact, ties and repeats frequent, some points outside. */
static void t_counting(void)
{
    mico_rng *rng = mico_rng_new(1, "hypervolume", 0);

    for (size_t i = 0; i < 4000; i++) {
        size_t n = mico_rng_below(rng, 13), n_dims = 2 + i % 2;
        double points[12 * 3], ref[3];

        for (size_t k = 0; k < n * n_dims; k++)
            points[k] = (double)mico_rng_below(rng, SIDE);
        for (size_t k = 0; k < 3; k++)
            ref[k] = (double)(SIDE - mico_rng_below(rng, 4));
        CU_ASSERT_EQUAL(mico_hypervolume(points, n, n_dims, ref),
                        count_cells(points, n, n_dims, ref));
    }
    mico_rng_free(rng);
}

static void t_edges(void)
{
    const double ref[] = {2, 2, 2};
    const double inside[] = {1, 1, 1}, on[] = {2, 0, 0}, lost[] = {0, NAN, 0};
    const double two[] = {NAN, 0, 0.5, 1.5, 0, 2, 1.5, 0.5};

    CU_ASSERT_EQUAL(mico_hypervolume(inside, 0, 3, ref), 0);
    CU_ASSERT_EQUAL(mico_hypervolume(inside, 1, 3, ref), 1);
    CU_ASSERT_EQUAL(mico_hypervolume(on, 1, 3, ref), 0);
    CU_ASSERT_EQUAL(mico_hypervolume(lost, 1, 3, ref), 0);
    CU_ASSERT_EQUAL(mico_hypervolume(two, 4, 2, ref), 1.25);
}

/* ---- fronts of known hypervolume --------------------------------------------------
 */

static double zdt1(double x)
{
    return 1 - sqrt(x);
}

static double zdt2(double x)
{
    return 1 - x * x;
}

static double zdt3(double x)
{
    return 1 - sqrt(x) - x * sin(10 * acos(-1.0) * x);
}

static double circle(double x)
{
    return sqrt(fmax(0, 1 - x * x));
}

/* Of n points of the front, which is dominated volume at the least, and of points that
 * dominate the front between them, at the most; they differ by less than `gap`. */
static void check_front2(double (*front)(double), size_t n, double gap, double expected)
{
    double *low = mico_xcalloc(2 * n + 2, sizeof *low);
    double *high = mico_xcalloc(2 * n + 2, sizeof *high);
    const double ref[] = {1.1, 1.1};
    double a, b;

    for (size_t i = 0; i <= n; i++) {
        double x = (double)i / (double)n, next = fmin(1, (double)(i + 1) / (double)n);

        low[2 * i] = high[2 * i] = x;
        low[2 * i + 1] = front(x);
        high[2 * i + 1] = fmin(front(x), front(next));
    }
    a = mico_hypervolume(low, n + 1, 2, ref);
    b = mico_hypervolume(high, n + 1, 2, ref);
    CU_ASSERT(b - a < gap);
    CU_ASSERT(a < expected + 5e-7);
    CU_ASSERT(b > expected - 5e-7);
    free(low);
    free(high);
}

static void t_two(void)
{
    check_front2(zdt1, 200000, 2e-5, 0.876667); /* ZDT4's front too */
    check_front2(zdt2, 200000, 2e-5, 0.543333);
    check_front2(zdt3, 200000, 4e-5, 1.331763);
    check_front2(circle, 200000, 2e-5, 0.424602); /* DTLZ2, M = 2 */
}

static double sphere(double x, double y)
{
    return sqrt(fmax(0, 1 - x * x - y * y));
}

static double plane(double x, double y)
{
    return fmax(0, 0.5 - x - y);
}

/* The same over a grid of cells; the mean of both bounds is good to second order. */
static void check_front3(double (*front)(double, double), double side, double expected)
{
    const size_t k = 250;
    double *low = mico_xcalloc(3 * (k + 1) * (k + 1), sizeof *low);
    double *high = mico_xcalloc(3 * (k + 1) * (k + 1), sizeof *high);
    const double ref[] = {1.1, 1.1, 1.1};
    double a, b;
    size_t n = 0;

    for (size_t i = 0; i <= k; i++)
        for (size_t j = 0; j <= k; j++, n++) {
            double x = side * (double)i / (double)k, y = side * (double)j / (double)k;
            double step = side / (double)k;

            low[3 * n] = high[3 * n] = x;
            low[3 * n + 1] = high[3 * n + 1] = y;
            low[3 * n + 2] = front(x, y);
            high[3 * n + 2] = front(fmin(side, x + step), fmin(side, y + step));
        }
    a = mico_hypervolume(low, n, 3, ref);
    b = mico_hypervolume(high, n, 3, ref);
    CU_ASSERT(a < expected && expected < b);
    CU_ASSERT_DOUBLE_EQUAL((a + b) / 2, expected, 5e-5);
    free(low);
    free(high);
}

static void t_three(void)
{
    check_front3(sphere, 1, 0.807401);  /* DTLZ2, M = 3 */
    check_front3(plane, 0.5, 1.310167); /* DTLZ1, M = 3 */
}

/* ---- ResNet18 of HAWQ-V3 -----------------------------------------------------------
 */

/* BOPs (in whole millions, so that equal sums are equal) and perturbation of one of the
 * 2^16 choices of 4 or 8 bits; results that are added share one. */
static void hawq_point(const hawq *h, size_t choice, double *point)
{
    static const size_t tie[][2] = {{4, 6}, {9, 11}, {14, 16}};
    int bit[MOST_LAYERS];

    for (size_t i = 0; i < h->n; i++) {
        size_t like = i;

        for (size_t t = 0; t < 3; t++)
            if (tie[t][1] == i)
                like = tie[t][0];
        bit[i] = like < i ? bit[like] : (int)(choice & 1);
        choice >>= like == i;
        point[0] += round(1e6 * h->bops[i]) * (bit[i] ? 64 : 16);
        point[1] += h->trace[i] * h->mse[bit[i]][i];
    }
}

static int by_bops(const void *a, const void *b)
{
    const double *p = a, *q = b;

    if (p[0] != q[0])
        return p[0] < q[0] ? -1 : 1;
    return p[1] < q[1] ? -1 : p[1] > q[1];
}

static void t_hawq(void)
{
    const size_t n = (size_t)1 << 16;
    const double ref[] = {1, 1};
    double *point, all4[2], all8[2], least = INFINITY;
    size_t n_front = 0;
    hawq h;

    if (!hawq_load(&h, "hawqv3_resnet18.csv")) {
        printf("shared data are not here: skipped ... ");
        return;
    }
    CU_ASSERT_EQUAL(h.n, 19);
    point = mico_xcalloc(2 * n, sizeof *point);
    for (size_t c = 0; c < n; c++)
        hawq_point(&h, c, point + 2 * c);
    memcpy(all4, point, sizeof all4);
    memcpy(all8, point + 2 * (n - 1), sizeof all8);
    qsort(point, n, 2 * sizeof *point, by_bops);
    for (size_t c = 0; c < n; c++) {
        n_front += point[2 * c + 1] < least;
        least = fmin(least, point[2 * c + 1]);
        for (size_t k = 0; k < 2;
             k++) /* the best of each coordinate is 0, the worst 1 */
            point[2 * c + k] =
                (point[2 * c + k] - fmin(all4[k], all8[k])) / fabs(all4[k] - all8[k]);
    }
    CU_ASSERT_EQUAL(n_front, 24);
    CU_ASSERT_DOUBLE_EQUAL(mico_hypervolume(point, n, 2, ref), 0.751121, 5e-7);
    free(point);
}

MICO_SUITE("trial_hypervolume", {"counting cells", t_counting}, {"edges", t_edges},
           {"two dimensions", t_two}, {"three dimensions", t_three},
           {"HAWQ-V3", t_hawq})
