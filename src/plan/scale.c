/* Activation scales from what calibration saw: docs/INTEGER.md section 3. */
#include "plan/plan_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* The MSE rule tries clipping points peak*k/FINE: every STRIDE-th, then all around the
 * best of those. */
#define FINE   1024
#define STRIDE 16

/* Running sums over the histogram: of counts, of count*centre, of count*centre^2. */
typedef struct moments {
    double n[MICO_HISTOGRAM_BINS + 1], x[MICO_HISTOGRAM_BINS + 1],
        xx[MICO_HISTOGRAM_BINS + 1];
    double bin_width;
} moments;

static moments *moments_new(const mico_observation *seen)
{
    moments *m = mico_xcalloc(1, sizeof *m);

    m->bin_width = seen->bin_width;
    for (size_t i = 0; i < MICO_HISTOGRAM_BINS; i++) {
        double n = (double)seen->bins[i], c = ((double)i + 0.5) * seen->bin_width;

        m->n[i + 1] = m->n[i] + n;
        m->x[i + 1] = m->x[i] + n * c;
        m->xx[i + 1] = m->xx[i] + n * c * c;
    }
    return m;
}

/* Number of bins whose centre is at most `x`. */
static size_t bins_up_to(const moments *m, double x)
{
    double last = floor(x / m->bin_width - 0.5);

    if (!(last >= 0))
        return 0;
    return last < MICO_HISTOGRAM_BINS - 1 ? (size_t)last + 1 : MICO_HISTOGRAM_BINS;
}

/* Expected squared error (times the count) of quantising the bins' centres to
 * s*{0..top}: level q owns the centres in ((q - 1/2)s, (q + 1/2)s], the top level all
 * above. */
static double histogram_error(const moments *m, double scale, int top)
{
    double sum = 0;
    size_t from = 0;

    for (int q = 0; q <= top && from < MICO_HISTOGRAM_BINS; q++) {
        size_t to = q < top ? bins_up_to(m, (q + 0.5) * scale) : MICO_HISTOGRAM_BINS;
        double v = q * scale;

        sum += (m->xx[to] - m->xx[from]) - 2 * v * (m->x[to] - m->x[from]) +
               v * v * (m->n[to] - m->n[from]);
        from = to;
    }
    return sum;
}

/* A scale is a clipping point over the largest code. */
static double scale_of(double clip, int top)
{
    if (!(clip > STATISTIC_FLOOR))
        clip = STATISTIC_FLOOR;
    return (clip < FLT_MAX ? clip : FLT_MAX) / top;
}

static double mse_scale(const mico_observation *seen, double peak, int top)
{
    moments *m = moments_new(seen);
    double least = INFINITY;
    int best = FINE, around;

    for (int k = FINE; k >= STRIDE; k -= STRIDE) {
        double error = histogram_error(m, scale_of(peak * k / FINE, top), top);

        if (error < least) {
            least = error;
            best = k;
        }
    }
    around = best;
    for (int k = around + STRIDE - 1; k > around - STRIDE; k--) {
        double error;

        if (k > FINE || k < 1)
            continue;
        error = histogram_error(m, scale_of(peak * k / FINE, top), top);
        if (error < least) {
            least = error;
            best = k;
        }
    }
    free(m);
    return scale_of(peak * best / FINE, top);
}

/* Upper edge of the first bin at which a share of at least p of the values is covered.
 */
static double percentile(const mico_observation *seen, double peak, double p)
{
    uint64_t total = 0, below = 0;

    for (size_t i = 0; i < MICO_HISTOGRAM_BINS; i++)
        total += seen->bins[i];
    for (size_t i = 0; i < MICO_HISTOGRAM_BINS; i++) {
        double edge = ((double)i + 1) * seen->bin_width;

        below += seen->bins[i];
        if ((double)below >= p * (double)total)
            return edge < peak ? edge : peak;
    }
    return peak;
}

static bool has_histogram(const mico_observation *seen)
{
    if (!(seen->bin_width > 0) || !(seen->bin_width < FLT_MAX))
        return false;
    for (size_t i = 0; i < MICO_HISTOGRAM_BINS; i++)
        if (seen->bins[i] > 0)
            return true;
    return false;
}

double mico_act_scale(const mico_observation *seen, uint8_t width, bool is_signed,
                      const mico_quant *quant)
{
    double peak = fmax(fabs(seen->min), fabs(seen->max));
    int top = mico_q_max(width, is_signed);
    bool few = width == 1 || width == 2 || width == MICO_TERNARY;

    if (!(peak > 0) || isinf(peak))
        return STATISTIC_FLOOR;
    /* least squares for signs; upstream's statistic for the few-level formats */
    if (is_signed && few && (width == 1 || quant->range_rule != MICO_RANGE_MSE))
        return scale_of(seen->mean_abs, 1);
    if (quant->range_rule == MICO_RANGE_MAX || !has_histogram(seen))
        return scale_of(peak, top);
    if (quant->range_rule == MICO_RANGE_PERCENTILE)
        return scale_of(percentile(seen, peak, quant->percentile), top);
    return mse_scale(seen, peak, top);
}
