/* The isotropic Gaussian process against numbers that numpy computed by inversion; its
 * fit; and that bounds and growing change nothing. */
#include "core/mem.h"
#include "core/rng.h"
#include "search/isogp.h"
#include "support/suite.h"

#include <math.h>
#include <stdlib.h>

#define MAX_DIMS 10
#define MAX_ROWS 100

typedef struct golden {
    char name[16];
    size_t n, d, n_test;
    double params[3], x[MAX_ROWS][MAX_DIMS], y[MAX_ROWS], likelihood, mean;
    double test[MAX_ROWS][MAX_DIMS], means[MAX_ROWS], variances[MAX_ROWS];
} golden;

static void read_row(FILE *f, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_FATAL(fscanf(f, "%lf", &out[i]) == 1);
}

static bool read_case(FILE *f, golden *g)
{
    if (fscanf(f, "%15s %zu %zu %zu", g->name, &g->n, &g->d, &g->n_test) != 4)
        return false;
    CU_ASSERT_FATAL(g->n <= MAX_ROWS && g->n_test <= MAX_ROWS && g->d <= MAX_DIMS);
    read_row(f, 3, g->params);
    for (size_t i = 0; i < g->n; i++) {
        read_row(f, g->d, g->x[i]);
        read_row(f, 1, &g->y[i]);
    }
    read_row(f, 1, &g->likelihood);
    read_row(f, 1, &g->mean);
    for (size_t i = 0; i < g->n_test; i++) {
        read_row(f, g->d, g->test[i]);
        read_row(f, 1, &g->means[i]);
        read_row(f, 1, &g->variances[i]);
    }
    return true;
}

static mico_isogp *make(const golden *g)
{
    const bool gauss = strcmp(g->name, "gauss") == 0;
    const mico_isogp_options o = {.kernel =
                                      gauss ? MICO_ISOGP_GAUSS : MICO_ISOGP_MATERN,
                                  .fixed = gauss,
                                  .length = g->params[0],
                                  .variance = g->params[1],
                                  .noise = g->params[2]};
    mico_isogp *gp = mico_isogp_new(g->d, &o);

    for (size_t i = 0; i < g->n; i++)
        mico_isogp_add(gp, g->x[i]);
    return gp;
}

static void check_case(const golden *g)
{
    mico_isogp *gp = make(g);

    CU_ASSERT_EQUAL(mico_isogp_count(gp), g->n);
    CU_ASSERT_DOUBLE_EQUAL(mico_isogp_likelihood(gp, g->y, g->params), g->likelihood,
                           1e-8 * fabs(g->likelihood));
    mico_isogp_targets(gp, g->y);
    mico_isogp_set_params(gp, g->params);
    mico_isogp_targets(gp, g->y); /* no quarter more points: not fitted again */
    for (size_t i = 0; i < g->n_test; i++) {
        double mean, variance;

        mico_isogp_predict(gp, g->test[i], &mean, &variance);
        CU_ASSERT_DOUBLE_EQUAL(mean, g->means[i], 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(variance, g->variances[i], 1e-9);
    }
    mico_isogp_free(gp);
}

static void t_numpy(void)
{
    FILE *f = fopen(MICO_SOURCE_DIR "/tests/golden/search/isogp.txt", "r");
    golden *g = mico_xcalloc(1, sizeof *g);
    size_t n_cases = 0;
    char line[256];

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(line, sizeof line, f));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "numpy"));
    while (read_case(f, g)) {
        check_case(g);
        n_cases++;
    }
    CU_ASSERT_EQUAL(n_cases, 5);
    free(g);
    fclose(f);
}

/* Points of a smooth function with noise, all in [0, 6]^d. */
static void make_data(golden *g, size_t n, size_t d, double noise, mico_rng *rng)
{
    *g = (golden){.name = "matern", .n = n, .d = d, .params = {2, 0.7, 0.1}};
    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        for (size_t f = 0; f < d; f++) {
            g->x[i][f] = 6 * mico_rng_uniform(rng);
            sum += sin(g->x[i][f]);
        }
        g->y[i] = 0.5 + 0.2 * sum + noise * mico_rng_gauss(rng);
    }
}

static double objective(const mico_isogp *gp, const golden *g, const double p[3])
{
    return mico_isogp_likelihood(gp, g->y, p) + 0.1 * log(p[2]) - 0.05 * p[2];
}

/* No neighbour within the bounds is likelier, and the noise is found. */
static void t_fit(void)
{
    mico_rng *rng = mico_rng_new(3, "test", 0);
    golden *g = mico_xcalloc(1, sizeof *g);
    mico_isogp *gp;
    double best[3], top;

    make_data(g, 80, 2, 0.05, rng);
    gp = make(g);
    mico_isogp_targets(gp, g->y);
    mico_isogp_params(gp, best);
    top = objective(gp, g, best);
    CU_ASSERT_TRUE(top > objective(gp, g, g->params) + 10);
    CU_ASSERT_TRUE(best[0] > 0.5 && best[0] <= 4);
    CU_ASSERT_TRUE(sqrt(best[2]) > 0.025 && sqrt(best[2]) < 0.1);
    for (size_t k = 0; k < 3; k++) {
        for (double factor = 0.7; factor < 1.5; factor += 0.7) {
            double p[3] = {best[0], best[1], best[2]};

            p[k] *= factor;
            if (p[0] <= 4)
                CU_ASSERT_TRUE(objective(gp, g, p) < top + 1e-3);
        }
    }
    mico_isogp_free(gp);
    free(g);
    mico_rng_free(rng);
}

/* Equal targets, and a single point: nothing to fit, nothing that breaks. */
static void t_degenerate(void)
{
    mico_rng *rng = mico_rng_new(4, "test", 0);
    golden *g = mico_xcalloc(1, sizeof *g);
    double mean, variance;
    mico_isogp *gp;

    for (size_t n = 1; n <= 31; n += 30) {
        make_data(g, n, 3, 0, rng);
        for (size_t i = 0; i < n; i++) {
            g->y[i] = 0.25;
            g->x[i][0] = g->x[i][1] = g->x[i][2] = 4; /* all the same point, too */
        }
        gp = make(g);
        mico_isogp_targets(gp, g->y);
        mico_isogp_predict(gp, g->x[0], &mean, &variance);
        CU_ASSERT_DOUBLE_EQUAL(mean, 0.25, 1e-9);
        CU_ASSERT_TRUE(variance >= 0 && isfinite(variance));
        mico_isogp_free(gp);
    }
    free(g);
    mico_rng_free(rng);
}

/* Points added one by one, with others in between that are dropped again, predict what
 * points added at once do. */
static void t_growing(void)
{
    mico_rng *rng = mico_rng_new(5, "test", 0);
    golden *g = mico_xcalloc(1, sizeof *g);
    const double params[3] = {1.5, 0.3, 0.01}, far[4] = {9, 9, 9, 9};
    double y[MAX_ROWS], mean[2], variance[2];
    mico_isogp *once, *bit_by_bit;

    make_data(g, 70, 4, 0.05, rng);
    once = make(g);
    mico_isogp_targets(once, g->y);
    mico_isogp_set_params(once, params);
    mico_isogp_targets(once, g->y);
    bit_by_bit = mico_isogp_new(
        4, &(mico_isogp_options){.length = 1, .variance = 1, .noise = 0.1});
    for (size_t i = 0; i < g->n; i++) {
        mico_isogp_add(bit_by_bit, g->x[i]);
        if (i != g->n - 8)
            continue;
        memcpy(y, g->y, sizeof y);
        mico_isogp_add(bit_by_bit, far);
        y[i + 1] = 100;
        mico_isogp_targets(bit_by_bit, y); /* fits: parameters for the last time */
        mico_isogp_set_params(bit_by_bit, params);
        mico_isogp_targets(bit_by_bit, y);
        mico_isogp_drop(bit_by_bit, i + 1);
    }
    mico_isogp_targets(bit_by_bit, g->y);
    for (size_t i = 0; i < 20; i++) {
        for (size_t f = 0; f < 4; f++)
            y[f] = 6 * mico_rng_uniform(rng);
        mico_isogp_predict(once, y, &mean[0], &variance[0]);
        mico_isogp_predict(bit_by_bit, y, &mean[1], &variance[1]);
        CU_ASSERT_EQUAL(mean[0], mean[1]);
        CU_ASSERT_EQUAL(variance[0], variance[1]);
    }
    mico_isogp_free(once);
    mico_isogp_free(bit_by_bit);
    free(g);
    mico_rng_free(rng);
}

/* Scores are mean + kappa * deviation; with bounds the best is the same, and what is
 * not exact is above its true score and below the best. */
static void t_upper(void)
{
    enum { N = 203 };
    mico_rng *rng = mico_rng_new(6, "test", 0);
    golden *g = mico_xcalloc(1, sizeof *g);
    double x[N][3], exact[N], bounded[N], mean, variance;
    size_t n_bounds = 0;

    for (size_t round = 0; round < 4; round++) {
        const double kappa = round == 0 ? 0 : sqrt(0.1 * (double)round);
        size_t best = 0;
        mico_isogp *gp;

        make_data(g, 40 + 13 * round, 3, 0.05, rng);
        gp = make(g);
        mico_isogp_targets(gp, g->y);
        for (size_t i = 0; i < N * 3; i++)
            x[i / 3][i % 3] = 6 * mico_rng_uniform(rng);
        mico_isogp_upper(gp, x[0], N, kappa, true, exact);
        mico_isogp_upper(gp, x[0], N, kappa, false, bounded);
        for (size_t i = 0; i < N; i++) {
            mico_isogp_predict(gp, x[i], &mean, &variance);
            CU_ASSERT_DOUBLE_EQUAL(exact[i], mean + kappa * sqrt(variance), 1e-9);
            best = exact[i] > exact[best] ? i : best;
        }
        for (size_t i = 0; i < N; i++) {
            n_bounds += bounded[i] != exact[i];
            CU_ASSERT_TRUE(bounded[i] >= exact[i] && bounded[i] <= exact[best]);
        }
        CU_ASSERT_EQUAL(bounded[best], exact[best]);
        mico_isogp_free(gp);
    }
    CU_ASSERT_TRUE(n_bounds > 100); /* bounds do save work */
    free(g);
    mico_rng_free(rng);
}

MICO_SUITE("search_isogp", {"equal to numpy", t_numpy}, {"fit", t_fit},
           {"degenerate points", t_degenerate}, {"growing and dropping", t_growing},
           {"upper bounds", t_upper})
