/* Selftest problems in closed form: low autocorrelation sequences, and the ZDT fronts.
 */
#include "search/selftest_internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>

/* ---- low autocorrelation binary sequences ------------------------------------------
 */

static unsigned count_ones(uint32_t word)
{
    unsigned n = 0;

    for (; word != 0; word &= word - 1)
        n++;
    return n;
}

/* Sum over shifts of the squared autocorrelation. */
static double labs_energy(const mico_selftest *t, const uint8_t *levels)
{
    size_t n = t->problem.space.n_layers;
    uint32_t word = 0;
    double energy = 0;

    for (size_t i = 0; i < n; i++)
        word |= (uint32_t)levels[i] << i;
    for (size_t k = 1; k < n; k++) {
        uint32_t mask = (1U << (n - k)) - 1;
        double c = (double)(n - k) - 2.0 * count_ones((word ^ (word >> k)) & mask);

        energy += c * c;
    }
    return energy;
}

/* parameter: the length, and the least energy (by exhausting 2^length; Packebusch and
 * Mertens, arXiv 1512.02475). */
mico_status mico_selftest_labs(mico_selftest *test, const double *parameter,
                               const char *data, mico_err *err)
{
    size_t n = (size_t)parameter[0];

    (void)data;
    (void)err;
    mico_selftest_space(test, n, 2);
    test->value = labs_energy;
    test->optimum = parameter[1];
    test->high = (double)(n * n); /* random ones have half of it */
    return MICO_OK;
}

/* ---- ZDT ----------------------------------------------------------------------------
 * Zitzler, Deb and Thiele, Evolutionary Computation 8 (2000) 173-195. f1 = x1 is two
 * digits of base 9, so that the cost is a sum over variables; the others have nine
 * levels, with their optimum somewhere inside (a corner would be found by accident). */

#define ZDT_DIGITS 2
#define ZDT_OTHERS 9
#define ZDT_LEVELS 9
#define ZDT_STEPS  (ZDT_LEVELS * ZDT_LEVELS)

/* In [-1, 1], 0 at variable v's best level. */
static double zdt_coordinate(size_t v, uint8_t level)
{
    int best = 1 + (int)(3 * v % (ZDT_LEVELS - 2)), last = ZDT_LEVELS - 1;

    return (double)((int)level - best) / (best > last - best ? best : last - best);
}

static double zdt_front(int kind, double f1, double g)
{
    const double pi = 3.14159265358979323846;

    switch (kind) {
    case 2:
        return g * (1 - f1 / g * (f1 / g));
    case 3:
        return g * (1 - sqrt(f1 / g) - f1 / g * sin(10 * pi * f1));
    default: /* 1 and 4 */
        return g * (1 - sqrt(f1 / g));
    }
}

static double zdt(const mico_selftest *t, const uint8_t *levels)
{
    const double pi = 3.14159265358979323846;
    const int kind = (int)t->parameter;
    double sum = 0, g;

    for (size_t v = 0; v < ZDT_OTHERS; v++) {
        double x = zdt_coordinate(v, levels[ZDT_DIGITS + v]);

        sum += kind == 4 ? 25 * x * x - 10 * cos(4 * pi * 5 * x) : fabs(x);
    }
    g = kind == 4 ? 1 + 10 * ZDT_OTHERS + sum : 1 + 9 * sum / ZDT_OTHERS;
    return zdt_front(kind, (levels[0] * ZDT_LEVELS + levels[1]) / (ZDT_STEPS - 1.0), g);
}

mico_status mico_selftest_zdt(mico_selftest *test, const double *parameter,
                              const char *data, mico_err *err)
{
    double cost[(ZDT_DIGITS + ZDT_OTHERS) * ZDT_LEVELS] = {0}, point[2 * ZDT_STEPS];
    const double ref[] = {1.1, 1.1};

    (void)data;
    (void)err;
    for (size_t i = 0; i < ZDT_LEVELS; i++) {
        cost[i] = (double)(i * ZDT_LEVELS) / (ZDT_STEPS - 1.0);
        cost[ZDT_LEVELS + i] = (double)i / (ZDT_STEPS - 1.0);
    }
    mico_selftest_space(test, ZDT_DIGITS + ZDT_OTHERS, ZDT_LEVELS);
    mico_selftest_metric(test, "f1", cost);
    test->problem.goal = MICO_GOAL_PARETO;
    test->value = zdt;
    test->parameter = parameter[0];
    for (size_t i = 0; i < ZDT_STEPS; i++) {
        point[2 * i] = (double)i / (ZDT_STEPS - 1.0);
        point[2 * i + 1] = zdt_front((int)test->parameter, point[2 * i], 1);
    }
    test->optimum = mico_hypervolume(point, ZDT_STEPS, 2, ref);
    test->low = -1;
    test->high = (int)test->parameter == 4 ? 250 : 10;
    return MICO_OK;
}
