/* The triangular factor, the Gaussian process on widths, and the additive model,
 * against dense computations and functions that they must learn. */
#include "core/mem.h"
#include "search/additive.h"
#include "search/gp.h"
#include "search/tri.h"
#include "support/search_problem.h"
#include "support/suite.h"

#include <stdlib.h>

/* ---- the factor ------------------------------------------------------------------ */

#define N 37 /* not a multiple of the lanes */

/* A random positive definite matrix. */
static void make_matrix(mico_rng *rng, double a[N][N])
{
    double b[N][N];

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            b[i][j] = mico_rng_gauss(rng);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            a[i][j] = i == j ? 1 : 0;
            for (size_t k = 0; k < N; k++)
                a[i][j] += b[i][k] * b[j][k] / N;
        }
    }
}

static void t_factor(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);
    double a[N][N], x[N], right[N], lanes[N][MICO_TRI_LANES], length[MICO_TRI_LANES];
    mico_tri t = {0};

    make_matrix(rng, a);
    for (size_t i = 0; i < N; i++)
        mico_tri_append(&t, a[i], 1e-12);
    mico_tri_drop(&t, 20); /* and again */
    for (size_t i = 20; i < N; i++)
        mico_tri_append(&t, a[i], 1e-12);
    CU_ASSERT_EQUAL_FATAL(t.n, N);
    for (size_t i = 0; i < N; i++) {
        x[i] = mico_rng_gauss(rng);
        right[i] = 0;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            right[i] += a[i][j] * x[j];
    for (size_t i = 0; i < N; i++)
        for (size_t lane = 0; lane < MICO_TRI_LANES; lane++)
            lanes[i][lane] = (double)lane * right[i];
    mico_tri_lengths(&t, &lanes[0][0], length);
    mico_tri_forward(&t, right);
    for (size_t lane = 0; lane < MICO_TRI_LANES; lane++) {
        double sum = 0;

        for (size_t i = 0; i < N; i++)
            sum += right[i] * right[i];
        CU_ASSERT_DOUBLE_EQUAL(length[lane], (double)(lane * lane) * sum, 1e-9 * sum);
    }
    mico_tri_backward(&t, right);
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_DOUBLE_EQUAL(right[i], x[i], 1e-10);
    mico_tri_free(&t);
    mico_rng_free(rng);
}

/* det [[4, 2], [2, 5]] = 16; equal rows need the floor. */
static void t_factor_small(void)
{
    mico_tri t = {0};

    CU_ASSERT_DOUBLE_EQUAL(mico_tri_log_volume(&t), 0, 0);
    mico_tri_append(&t, (const double[]){4}, 1e-6);
    mico_tri_append(&t, (const double[]){2, 5}, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(mico_tri_log_volume(&t), log(4), 1e-15);
    mico_tri_drop(&t, 1);
    mico_tri_append(&t, (const double[]){4, 4}, 0.25);
    CU_ASSERT_DOUBLE_EQUAL(mico_tri_log_volume(&t), log(2) + log(0.5), 1e-15);
    mico_tri_free(&t);
}

/* ---- the process ----------------------------------------------------------------- */

#define N_POINTS 60

static void draw_levels(const mico_problem *p, mico_rng *rng, uint8_t *levels)
{
    for (size_t v = 0; v < p->space.n_vars; v++)
        levels[v] = (uint8_t)mico_rng_below(rng, p->space.var[v].n);
}

/* A smooth damage: 2 sum of 4^-b and a product of two steps. */
static double damage(const mico_problem *p, const uint8_t *levels)
{
    double sum = 0, step[2];

    for (size_t v = 0; v < p->space.n_vars; v++)
        sum += (double)(v + 1) *
               exp2(-2 * mico_width_bits(p->space.var[v].width[levels[v]]));
    for (size_t v = 0; v < 2; v++)
        step[v] = exp2(-mico_width_bits(p->space.var[v].width[levels[v]]));
    return 2 * sum + 8 * step[0] * step[1];
}

static double predict(mico_gp *gp, const uint8_t *levels, double *deviation)
{
    const mico_move stay = {0};
    double mean;

    mico_gp_at(gp, levels);
    mico_gp_mean(gp, &stay, 1, &mean);
    mico_gp_deviation(gp, &stay, 1, deviation);
    return mean;
}

static void make_gp(mico_problem *p, mico_rng *rng, bool physical, mico_gp **gp,
                    uint8_t (*x)[MICO_MAX_GENES], double *y)
{
    const mico_gp_options o = {.physical = physical, .pairs = physical};

    problem_make(p, 4, "2-8", rng);
    *gp = mico_gp_new(&p->space, &o);
    for (size_t i = 0; i < N_POINTS; i++) {
        draw_levels(p, rng, x[i]);
        y[i] = damage(p, x[i]);
        mico_gp_add(*gp, x[i], 0);
    }
    mico_gp_fit(*gp, y);
    mico_gp_targets(*gp, y);
}

/* Learns the function: errors far below its deviation, and claims no less. */
static void t_learns(void)
{
    static uint8_t x[N_POINTS][MICO_MAX_GENES];
    double y[N_POINTS];

    for (int physical = 0; physical < 2; physical++) {
        mico_rng *rng = mico_rng_new(5, "test", 0);
        double error = 0, variance = 0, mean_y = 0, claimed = 0;
        mico_problem p;
        mico_gp *gp;

        make_gp(&p, rng, physical, &gp, x, y);
        for (size_t i = 0; i < 200; i++) {
            uint8_t levels[MICO_MAX_GENES];
            double deviation, mean, truth;

            draw_levels(&p, rng, levels);
            truth = damage(&p, levels);
            mean = predict(gp, levels, &deviation);
            error += (mean - truth) * (mean - truth) / 200;
            claimed += deviation * deviation / 200;
            mean_y += truth / 200;
            variance += truth * truth / 200;
        }
        variance -= mean_y * mean_y;
        printf("\n    error %.4f of the variance, claimed %.4f\n    ", error / variance,
               claimed / variance);
        CU_ASSERT_TRUE(error < (physical ? 0.01 : 0.2) * variance);
        CU_ASSERT_TRUE(claimed < 0.1 * variance && error < 10 * claimed);
        mico_gp_free(gp);
        mico_problem_free(&p);
        mico_rng_free(rng);
    }
}

/* Moves, appended points and dropped points give what a new process gives. */
static void t_consistent(void)
{
    static uint8_t x[N_POINTS][MICO_MAX_GENES];
    const mico_gp_options o = {.physical = true, .pairs = true};
    const mico_move moves[] = {{0}, {1, {3, 0}, {2, 0}}, {2, {0, 6}, {1, 7}}};
    double y[N_POINTS], mean[3], deviation[3], weight[8] = {1, 2, 0, 1, 3, 1, 1, 1};
    mico_rng *rng = mico_rng_new(6, "test", 0);
    uint8_t here[MICO_MAX_GENES] = {1, 2, 3, 4, 5, 6, 5, 4};
    mico_problem p;
    mico_gp *gp, *other;

    make_gp(&p, rng, true, &gp, x, y);
    mico_gp_restart(gp, weight);
    for (size_t i = 0; i < N_POINTS; i++)
        mico_gp_add(gp, x[i], 0.01 * (double)i);
    mico_gp_targets(gp, y);
    mico_gp_drop(gp, 11);
    for (size_t i = 11; i < N_POINTS; i++)
        mico_gp_add(gp, x[i], 0.01 * (double)i);
    mico_gp_targets(gp, y);
    mico_gp_at(gp, here);
    mico_gp_mean(gp, moves, 3, mean);
    mico_gp_deviation(gp, moves, 3, deviation);
    CU_ASSERT_EQUAL(mico_gp_count(gp), N_POINTS);
    for (size_t i = 0; i < 3; i++) {
        uint8_t levels[MICO_MAX_GENES];
        double other_deviation;

        memcpy(levels, here, sizeof here);
        mico_move_apply(&moves[i], levels);
        CU_ASSERT_DOUBLE_EQUAL(predict(gp, levels, &other_deviation), mean[i], 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(other_deviation, deviation[i], 1e-9);
    }
    for (size_t i = 0; i < N_POINTS; i += 7)
        CU_ASSERT_DOUBLE_EQUAL(predict(gp, x[i], deviation),
                               mico_gp_smooth(gp, i, y[i]), 1e-9);
    other = mico_gp_new(&p.space, &o);
    CU_ASSERT_DOUBLE_EQUAL(predict(other, here, deviation), 0, 0); /* no points */
    CU_ASSERT_TRUE(deviation[0] > 0);
    mico_gp_free(other);
    mico_gp_free(gp);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* Nothing to learn: all outcomes equal, the same scheme again and again, few points. */
static void t_degenerate(void)
{
    const mico_gp_options o = {0};
    mico_rng *rng = mico_rng_new(7, "test", 0);
    uint8_t levels[MICO_MAX_GENES] = {0};
    double y[40], deviation;
    mico_problem p;

    problem_make(&p, 3, "4", rng); /* one width only */
    for (size_t n = 0; n <= 40; n += 8) {
        mico_gp *gp = mico_gp_new(&p.space, &o);

        for (size_t i = 0; i < n; i++) {
            mico_gp_add(gp, levels, 0);
            y[i] = 0.25;
        }
        mico_gp_fit(gp, y);
        mico_gp_targets(gp, y);
        CU_ASSERT_DOUBLE_EQUAL(predict(gp, levels, &deviation), n > 0 ? 0.25 : 0, 1e-6);
        CU_ASSERT_TRUE(isfinite(deviation) && deviation >= 0);
        mico_gp_free(gp);
    }
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* ---- the additive model ---------------------------------------------------------- */

/* 4^-b with sensitivities 1 .. 8: found from 60 outcomes, and draws lie about the mean.
 */
static void t_additive(void)
{
    mico_rng *rng = mico_rng_new(8, "test", 0);
    double f[8][MICO_N_WIDTHS], draw[8][MICO_N_WIDTHS], y[N_POINTS], spread = 0;
    uint8_t levels[MICO_MAX_GENES];
    mico_additive *a;
    mico_problem p;

    problem_make(&p, 4, "2-8", rng);
    a = mico_additive_new(&p.space);
    mico_additive_mean(a, f); /* the prior's */
    CU_ASSERT_DOUBLE_EQUAL(f[3][0], exp2(-4) - exp2(-16), 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(f[3][6], 0, 0);
    for (size_t i = 0; i < N_POINTS; i++) {
        draw_levels(&p, rng, levels);
        mico_additive_add(a, levels, 0);
        y[i] = 5;
        for (size_t v = 0; v < 8; v++)
            y[i] += (double)(v + 1) * exp2(-2.0 * (levels[v] + 2));
    }
    mico_additive_targets(a, y);
    CU_ASSERT_EQUAL(mico_additive_count(a), N_POINTS);
    mico_additive_mean(a, f);
    CU_ASSERT_TRUE(mico_additive_scale(a) > 1 && mico_additive_scale(a) < 30);
    for (size_t v = 0; v < 8; v++) {
        CU_ASSERT_DOUBLE_EQUAL(f[v][0], (double)(v + 1) * (exp2(-4) - exp2(-16)), 0.02);
        for (size_t l = 0; l < 6; l++)
            CU_ASSERT_TRUE(f[v][l] >= f[v][l + 1]);
    }
    for (size_t k = 0; k < 50; k++) {
        mico_additive_draw(a, rng, 1, draw);
        for (size_t v = 0; v < 8; v++)
            spread += fabs(draw[v][0] - f[v][0]) / 400;
    }
    CU_ASSERT_TRUE(spread > 0 && spread < 0.05);
    mico_additive_draw(a, rng, 0, draw);
    for (size_t v = 0; v < 8; v++)
        CU_ASSERT_DOUBLE_EQUAL(draw[v][0], f[v][0], 1e-12);
    mico_additive_clear(a);
    CU_ASSERT_EQUAL(mico_additive_count(a), 0);
    mico_additive_free(a);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

MICO_SUITE("search_gp", {"factor", t_factor}, {"factor of two", t_factor_small},
           {"learns a damage", t_learns}, {"moves and appended points", t_consistent},
           {"nothing to learn", t_degenerate}, {"additive model", t_additive})
