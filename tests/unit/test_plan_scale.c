/* Scale rules: the MSE rules never lose, the histogram rules against numpy and brute
 * force. */
#include "core/rng.h"
#include "plan/plan.h"

#include "support/plan_golden.h"
#include "support/suite.h"

#include <math.h>

static double weight_error(const float *w, size_t n, uint8_t width, double scale)
{
    double sum = 0;
    int8_t q[512];

    mico_weight_quantize(w, n, width, scale, q);
    for (size_t i = 0; i < n; i++)
        sum += (w[i] - scale * q[i]) * (w[i] - scale * q[i]);
    return sum;
}

/* Also against abs-max for the widths where the other rule uses the mean. */
static void t_weight_mse_never_worse(void)
{
    mico_rng *rng = mico_rng_new(7, "test", 0);
    float w[300];
    int better = 0;

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 300; i++) {
            double g = mico_rng_gauss(rng);

            w[i] = (float)(round % 2 == 0 ? g : g * g * g * 0.01);
        }
        for (size_t i = 0; i < MICO_N_WIDTHS; i++) {
            uint8_t width = mico_width_at(i);
            double mse = mico_weight_scale(w, 300, width, MICO_WEIGHT_MSE);
            double other = mico_weight_scale(w, 300, width, MICO_WEIGHT_MICO);
            double least = weight_error(w, 300, width, mse);

            CU_ASSERT_TRUE(least <= weight_error(w, 300, width, other));
            better += least < weight_error(w, 300, width, other);
        }
    }
    CU_ASSERT_TRUE(better > 100); /* of 180; 1 bit is always equal */
    mico_rng_free(rng);
}

/* mean|w| is where the derivative of the squared error of signs is zero. */
static void t_sign_scale_is_optimal(void)
{
    const float w[] = {0.1f, -0.7f, 2.0f, 0.3f, -0.4f};
    double s = mico_weight_scale(w, 5, 1, MICO_WEIGHT_MSE);

    CU_ASSERT_TRUE(weight_error(w, 5, 1, s) < weight_error(w, 5, 1, s * 1.001));
    CU_ASSERT_TRUE(weight_error(w, 5, 1, s) < weight_error(w, 5, 1, s * 0.999));
}

static mico_observation *observe(const double *x, size_t n)
{
    mico_observation *seen = mico_xcalloc(1, sizeof *seen);

    seen->min = INFINITY;
    seen->max = -INFINITY;
    seen->count = n;
    for (size_t i = 0; i < n; i++) {
        seen->min = fmin(seen->min, x[i]);
        seen->max = fmax(seen->max, x[i]);
        seen->mean_abs += fabs(x[i]) / (double)n;
    }
    seen->bin_width = fmax(fabs(seen->min), fabs(seen->max)) / MICO_HISTOGRAM_BINS;
    for (size_t i = 0; i < n && seen->bin_width > 0; i++) {
        size_t bin = (size_t)(fabs(x[i]) / seen->bin_width);

        seen->bins[bin < MICO_HISTOGRAM_BINS ? bin : MICO_HISTOGRAM_BINS - 1]++;
    }
    return seen;
}

static mico_quant rule(mico_range_rule range)
{
    mico_quant quant = mico_quant_default;

    quant.range_rule = range;
    return quant;
}

/* Squared error over the histogram by quantising every bin's centre. */
static double brute_error(const mico_observation *seen, uint8_t width, bool is_signed,
                          double scale)
{
    double sum = 0;

    for (size_t i = 0; i < MICO_HISTOGRAM_BINS; i++) {
        double c = ((double)i + 0.5) * seen->bin_width;
        double e = c - scale * mico_act_quantize(c, width, is_signed, scale);

        sum += (double)seen->bins[i] * e * e;
    }
    return sum;
}

static void t_act_mse_never_worse(void)
{
    mico_rng *rng = mico_rng_new(8, "test", 0);
    mico_quant mse = rule(MICO_RANGE_MSE), max = rule(MICO_RANGE_MAX);
    double x[3000];

    for (int round = 0; round < 4; round++) {
        mico_observation *seen;

        for (size_t i = 0; i < 3000; i++) {
            double g = mico_rng_gauss(rng);

            x[i] = round == 0   ? fabs(g)
                   : round == 1 ? g * g * g
                   : round == 2 ? exp(g)
                                : g;
        }
        seen = observe(x, 3000);
        for (size_t i = 0; i < MICO_N_WIDTHS; i++)
            for (int s = 0; s < 2; s++) {
                uint8_t width = mico_width_at(i);
                double best = mico_act_scale(seen, width, s == 1, &mse);
                double least = brute_error(seen, width, s == 1, best);
                double other = mico_act_scale(seen, width, s == 1, &max);

                if (width == 1 && s == 1) {
                    CU_ASSERT_EQUAL(best, other);
                    continue;
                }
                CU_ASSERT_TRUE(least <=
                               brute_error(seen, width, s == 1, other) * (1 + 1e-9));
                /* nor can any clipping point of a 64-step grid beat it */
                for (int k = 1; k <= 64; k++) {
                    double peak = fmax(fabs(seen->min), fabs(seen->max));
                    double grid = peak * k / 64 / mico_q_max(width, s == 1);

                    CU_ASSERT_TRUE(least <=
                                   brute_error(seen, width, s == 1, grid) * (1 + 1e-9));
                }
            }
        free(seen);
    }
    mico_rng_free(rng);
}

/* 8-bit max rule, 2-bit mean rule, percentile of a 1..1000 ramp. */
static void t_rules_by_hand(void)
{
    mico_quant max = rule(MICO_RANGE_MAX), percentile = rule(MICO_RANGE_PERCENTILE);
    mico_observation *seen;
    double x[1000];

    for (size_t i = 0; i < 1000; i++)
        x[i] = (double)i + 1;
    seen = observe(x, 1000);
    CU_ASSERT_EQUAL(mico_act_scale(seen, 8, true, &max), 1000.0 / 127);
    CU_ASSERT_EQUAL(mico_act_scale(seen, 8, false, &max), 1000.0 / 255);
    CU_ASSERT_EQUAL(mico_act_scale(seen, 3, true, &max), 1000.0 / 3);
    CU_ASSERT_EQUAL(mico_act_scale(seen, 1, false, &max), 1000.0);
    CU_ASSERT_EQUAL(mico_act_scale(seen, MICO_TERNARY, false, &max), 500.0);
    CU_ASSERT_DOUBLE_EQUAL(mico_act_scale(seen, 2, true, &max), 500.5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(mico_act_scale(seen, MICO_TERNARY, true, &max), 500.5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(mico_act_scale(seen, 1, true, &max), 500.5, 1e-9);
    percentile.percentile = 0.9;
    CU_ASSERT_DOUBLE_EQUAL(mico_act_scale(seen, 8, true, &percentile), 900.0 / 127,
                           0.25 / 127);
    percentile.percentile = 1;
    CU_ASSERT_EQUAL(mico_act_scale(seen, 8, true, &percentile), 1000.0 / 127);
    percentile.percentile = NAN;
    CU_ASSERT_EQUAL(mico_act_scale(seen, 8, true, &percentile), 1000.0 / 127);
    free(seen);
}

static void t_degenerate(void)
{
    const double zero[] = {0, 0}, spike[] = {3, 3, 3};
    mico_observation *all_zero = observe(zero, 2), *one_bin = observe(spike, 3);
    mico_observation *blank = mico_xcalloc(1, sizeof *blank);
    mico_observation *infinite = observe(spike, 3), *no_bins = observe(spike, 3);

    infinite->max = INFINITY;
    memset(no_bins->bins, 0, sizeof no_bins->bins);
    for (size_t i = 0; i < MICO_N_WIDTHS; i++)
        for (int s = 0; s < 2; s++)
            for (int r = 0; r < 3; r++) {
                mico_quant q = rule((mico_range_rule)r);
                uint8_t width = mico_width_at(i);
                int top = mico_q_max(width, s == 1);

                CU_ASSERT_EQUAL(mico_act_scale(all_zero, width, s == 1, &q), 1e-5);
                CU_ASSERT_EQUAL(mico_act_scale(blank, width, s == 1, &q), 1e-5);
                CU_ASSERT_EQUAL(mico_act_scale(infinite, width, s == 1, &q), 1e-5);
                /* a code near 3 exists whatever the rule */
                CU_ASSERT_TRUE(brute_error(one_bin, width, s == 1,
                                           mico_act_scale(one_bin, width, s == 1, &q)) <
                               3 * 1e-6);
                CU_ASSERT_DOUBLE_EQUAL(mico_act_scale(no_bins, width, s == 1, &q),
                                       3.0 / top, 1e-12);
            }
    free(all_zero);
    free(one_bin);
    free(blank);
    free(infinite);
    free(no_bins);
}

static void check_golden(plan_golden *g, const mico_observation *seen)
{
    uint8_t width = plan_golden_width(g);
    bool is_signed = plan_golden_int(g) == 1;
    mico_quant q = rule((mico_range_rule)plan_golden_int(g));

    q.percentile = 0.999;
    CU_ASSERT_EQUAL(mico_act_scale(seen, width, is_signed, &q), plan_golden_real(g));
}

/* Scales must agree to the last bit. */
static void t_golden(void)
{
    mico_observation *seen = mico_xcalloc(1, sizeof *seen);
    plan_golden g;
    const char *word;
    size_t n_scales = 0;

    CU_ASSERT_TRUE_FATAL(plan_golden_open(&g));
    while ((word = plan_golden_word(&g)) != NULL) {
        if (strcmp(word, "seen") == 0) {
            *seen = (mico_observation){0};
            plan_golden_word(&g);
            seen->min = plan_golden_real(&g);
            seen->max = plan_golden_real(&g);
            seen->mean_abs = plan_golden_real(&g);
            seen->bin_width = plan_golden_real(&g);
            for (long n = plan_golden_int(&g); n > 0; n--) {
                double bin;
                long count;

                plan_golden_pair(&g, &bin, &count);
                seen->bins[(size_t)bin] = (uint64_t)count;
            }
        } else if (strcmp(word, "a") == 0) {
            check_golden(&g, seen);
            n_scales++;
        }
    }
    fclose(g.file);
    free(seen);
    CU_ASSERT_EQUAL(n_scales, 7 * 9 * 2 * 3);
}

MICO_SUITE("plan scale", {"weight mse never worse", t_weight_mse_never_worse},
           {"sign scale is optimal", t_sign_scale_is_optimal},
           {"activation mse never worse", t_act_mse_never_worse},
           {"rules by hand", t_rules_by_hand}, {"degenerate", t_degenerate},
           {"golden", t_golden})
