/* The quantisers of weights and activations: docs/INTEGER.md section 2. */
#include "plan/plan_internal.h"

#include <float.h>
#include <math.h>

/* Candidates of the MSE rule for weights: this many equal steps up to the abs-max
 * scale. */
#define WEIGHT_STEPS 100

const mico_quant mico_quant_default = {
    MICO_PROFILE_INTEGER, MICO_PER_CHANNEL, MICO_WEIGHT_MSE,
    MICO_RANGE_MSE,       0.9999,           false};

int mico_q_max(uint8_t width, bool is_signed)
{
    if (width == MICO_TERNARY)
        return is_signed ? 1 : 2;
    if (width == 1)
        return 1;
    return (1 << (is_signed ? width - 1 : width)) - 1;
}

int mico_q_min(uint8_t width, bool is_signed)
{
    if (!is_signed)
        return 0;
    if (width == MICO_TERNARY || width == 1)
        return -1;
    return -(1 << (width - 1));
}

int plan_q_max_abs(uint8_t width, bool is_signed)
{
    int lo = -mico_q_min(width, is_signed), hi = mico_q_max(width, is_signed);

    return lo > hi ? lo : hi;
}

/* Keeps scales of hostile numbers (infinite, not a number) positive and finite. */
static double statistic(double v)
{
    if (!(v > STATISTIC_FLOOR))
        return STATISTIC_FLOOR;
    return v < FLT_MAX ? v : FLT_MAX;
}

static double mean_abs(const float *w, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs((double)w[i]);
    return statistic(n > 0 ? sum / (double)n : 0);
}

static double max_abs(const float *w, size_t n)
{
    double max = 0;

    for (size_t i = 0; i < n; i++)
        if (fabs((double)w[i]) > max)
            max = fabs((double)w[i]);
    return statistic(max);
}

/* Upstream's rule: mean below 3 bits, maximum from there on. */
static double mico_rule(const float *w, size_t n, uint8_t width)
{
    if (width == 1 || width == 2 || width == MICO_TERNARY)
        return mean_abs(w, n);
    return max_abs(w, n) / mico_q_max(width, true);
}

/* Sum of (w - s*q(w/s))^2, or any number >= stop once the sum has reached it. */
static double squared_error(const float *w, size_t n, uint8_t width, double scale,
                            double stop)
{
    double lo = mico_q_min(width, true), hi = mico_q_max(width, true), sum = 0;

    for (size_t i = 0; i < n && sum < stop; i++) {
        double e = w[i] - scale * round_clip(w[i] / scale, lo, hi);

        sum += e * e;
    }
    return sum;
}

static double mse_rule(const float *w, size_t n, uint8_t width)
{
    double full = max_abs(w, n) / mico_q_max(width, true);
    double best = mico_rule(w, n, width);
    double least = squared_error(w, n, width, best, INFINITY);

    for (int k = WEIGHT_STEPS; k >= 1; k--) {
        double scale = full * k / WEIGHT_STEPS;
        double error = squared_error(w, n, width, scale, least);

        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

double mico_weight_scale(const float *w, size_t n, uint8_t width, mico_weight_rule rule)
{
    /* the mean is also the least-squares scale of signs */
    if (rule == MICO_WEIGHT_MICO || width == 1)
        return mico_rule(w, n, width);
    return mse_rule(w, n, width);
}

void mico_weight_quantize(const float *w, size_t n, uint8_t width, double scale,
                          int8_t *q)
{
    double lo = mico_q_min(width, true), hi = mico_q_max(width, true);

    for (size_t i = 0; i < n; i++) {
        if (width == 1)
            q[i] = w[i] >= 0 ? 1 : -1;
        else
            q[i] = (int8_t)round_clip(w[i] / scale, lo, hi);
    }
}

int mico_act_quantize(double x, uint8_t width, bool is_signed, double scale)
{
    if (is_signed && width == 1)
        return x > 0 ? 1 : -1;
    if (isnan(x))
        return 0;
    return (int)round_clip(x / scale, mico_q_min(width, is_signed),
                           mico_q_max(width, is_signed));
}
