/* Exact Gaussian process regression with an isotropic kernel (Rasmussen and Williams,
 * Gaussian Processes for Machine Learning, 2006, algorithm 2.1 and equation 4.17). */
#include "search/isogp.h"

#include "core/mem.h"
#include "search/tri.h"

#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#define LANES     8 /* points whose distances are taken side by side */
#define N_FIT     200
#define FIT_STEPS 80
#define FLOOR     1e-12 /* least pivot, in variances */

/* Upstream's bounds on the length; the least noise and the gamma prior on it
 * (shape 1.1, rate 0.05) are those that its library gives this model. */
#define LENGTH_LOW  0.005
#define LENGTH_HIGH 4.0
#define NOISE_LOW   1e-4
#define NOISE_HIGH  10.0
#define GAMMA_SHAPE 1.1
#define GAMMA_RATE  0.05

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)),
                                    aligned(sizeof(double)), may_alias));

struct mico_isogp {
    size_t d, n, capacity, n_fitted; /* n_fitted: points at the last fit */
    mico_isogp_options o;
    double mean;
    double *x;       /* [d][capacity] */
    double *alpha;   /* [capacity] K^-1 (y - mean) */
    mico_tri factor; /* of the first factor.n points */
};

mico_isogp *mico_isogp_new(size_t n_dims, const mico_isogp_options *options)
{
    mico_isogp *gp = mico_xcalloc(1, sizeof *gp);

    gp->d = n_dims;
    gp->o = *options;
    return gp;
}

void mico_isogp_free(mico_isogp *gp)
{
    if (gp == NULL)
        return;
    mico_tri_free(&gp->factor);
    free(gp->x);
    free(gp->alpha);
    free(gp);
}

size_t mico_isogp_count(const mico_isogp *gp)
{
    return gp->n;
}

void mico_isogp_drop(mico_isogp *gp, size_t n)
{
    if (n < gp->n)
        gp->n = n;
    mico_tri_drop(&gp->factor, n);
}

/* The capacity stays a multiple of LANES. */
static void grow(mico_isogp *gp)
{
    const size_t capacity = 2 * gp->capacity + 4 * LANES;
    double *x = mico_xcalloc(gp->d + 1, capacity * sizeof *x);

    for (size_t f = 0; f < gp->d && gp->n > 0; f++)
        memcpy(x + f * capacity, gp->x + f * gp->capacity, gp->n * sizeof *x);
    free(gp->x);
    gp->x = x;
    gp->alpha = mico_xrealloc(gp->alpha, capacity, sizeof *gp->alpha);
    gp->capacity = capacity;
}

void mico_isogp_add(mico_isogp *gp, const double *x)
{
    if (gp->n == gp->capacity)
        grow(gp);
    for (size_t f = 0; f < gp->d; f++)
        gp->x[f * gp->capacity + gp->n] = x[f];
    gp->n++;
}

/* ---- kernel -----------------------------------------------------------------------
 */

static double kernel_of(mico_isogp_kernel kernel, double square, double length,
                        double variance)
{
    const double t = sqrt(5 * square) / length;

    if (kernel == MICO_ISOGP_GAUSS)
        return variance * exp(-0.5 * square / (length * length));
    return variance * (1 + t + t * t / 3) * exp(-t);
}

/* Squared distances of a point (coordinates a step apart) to the first n points; room
 * for a multiple of LANES. */
static void squares_to(const mico_isogp *gp, const double *x, size_t step, size_t n,
                       double *out)
{
    for (size_t i = 0; i < n; i += LANES) {
        lanes sum = {0};

        for (size_t f = 0; f < gp->d; f++) {
            const lanes at = *(const lanes *)(gp->x + f * gp->capacity + i);
            const lanes difference = at - x[f * step];

            sum += difference * difference;
        }
        *(lanes *)(out + i) = sum;
    }
}

static void covariances(const mico_isogp *gp, const double *x, size_t step, size_t n,
                        double *out)
{
    squares_to(gp, x, step, n, out);
    for (size_t i = 0; i < n; i++)
        out[i] = kernel_of(gp->o.kernel, out[i], gp->o.length, gp->o.variance);
}

/* ---- likelihood -------------------------------------------------------------------
 */

/* The mean of largest likelihood, and (y - mean)' K^-1 (y - mean). */
static double misfit(const mico_tri *factor, const double *y, bool centred,
                     double *mean)
{
    double *one = mico_xcalloc(factor->n, sizeof *one);
    double *rest = mico_xcalloc(factor->n, sizeof *rest);
    double product = 0, norm = 0, sum = 0;

    for (size_t i = 0; i < factor->n; i++) {
        one[i] = 1;
        rest[i] = y[i];
    }
    mico_tri_forward(factor, one);
    mico_tri_forward(factor, rest);
    for (size_t i = 0; i < factor->n; i++) {
        product += one[i] * rest[i];
        norm += one[i] * one[i];
    }
    *mean = centred ? 0 : product / norm;
    for (size_t i = 0; i < factor->n; i++) {
        const double r = rest[i] - *mean * one[i];

        sum += r * r;
    }
    free(one);
    free(rest);
    return sum;
}

typedef struct sample {
    size_t n;
    const double *square; /* [n][n] squared distances, lower triangle */
    const double *y;
    mico_isogp_kernel kernel;
    bool centred;
    double *row; /* scratch, [n] */
    mico_tri *factor;
} sample;

static double likelihood(const sample *s, double length, double variance, double noise)
{
    double mean, sum;

    mico_tri_drop(s->factor, 0);
    for (size_t i = 0; i < s->n; i++) {
        for (size_t j = 0; j < i; j++)
            s->row[j] = kernel_of(s->kernel, s->square[i * s->n + j], length, variance);
        s->row[i] = variance + noise;
        mico_tri_append(s->factor, s->row, FLOOR * variance);
    }
    sum = misfit(s->factor, s->y, s->centred, &mean);
    return -0.5 * sum - mico_tri_log_volume(s->factor) -
           0.5 * (double)s->n * log(2 * acos(-1));
}

static double objective(unsigned n, const double *x, double *gradient, void *data)
{
    const double noise = exp(x[2]);

    (void)n;
    (void)gradient;
    return likelihood(data, exp(x[0]), exp(x[1]), noise) +
           (GAMMA_SHAPE - 1) * log(noise) - GAMMA_RATE * noise;
}

/* The latest points; release with sample_free. */
static sample sample_new(const mico_isogp *gp, const double *y)
{
    const size_t n = gp->n < N_FIT ? gp->n : N_FIT, first = gp->n - n;
    double *square = mico_xcalloc(n * n, sizeof *square);
    double *all = mico_xcalloc(gp->n + LANES, sizeof *all);

    for (size_t i = 0; i < n; i++) {
        squares_to(gp, gp->x + first + i, gp->capacity, gp->n, all);
        memcpy(square + i * n, all + first, (i + 1) * sizeof *square);
    }
    free(all);
    return (sample){.n = n,
                    .square = square,
                    .y = y + first,
                    .kernel = gp->o.kernel,
                    .centred = gp->o.fixed,
                    .row = mico_xcalloc(n, sizeof(double)),
                    .factor = mico_xcalloc(1, sizeof(mico_tri))};
}

static void sample_free(sample *s)
{
    mico_tri_free(s->factor);
    free(s->factor);
    free(s->row);
    free((void *)s->square);
}

double mico_isogp_likelihood(const mico_isogp *gp, const double *y,
                             const double params[3])
{
    sample s = sample_new(gp, y);
    const double out = likelihood(&s, params[0], params[1], params[2]);

    sample_free(&s);
    return out;
}

static void fit(mico_isogp *gp, const double *y)
{
    const double low[3] = {log(LENGTH_LOW), log(1e-8), log(NOISE_LOW)};
    const double high[3] = {log(LENGTH_HIGH), log(1e2), log(NOISE_HIGH)};
    double x[3] = {log(gp->o.length), log(gp->o.variance), log(gp->o.noise)}, best;
    const double step[3] = {0.5, 1, 1};
    nlopt_opt search = nlopt_create(NLOPT_LN_BOBYQA, 3);
    sample s = sample_new(gp, y);

    for (size_t k = 0; k < 3; k++)
        x[k] = fmin(fmax(x[k], low[k]), high[k]);
    nlopt_set_lower_bounds(search, low);
    nlopt_set_upper_bounds(search, high);
    nlopt_set_initial_step(search, step);
    nlopt_set_max_objective(search, objective, &s);
    nlopt_set_maxeval(search, FIT_STEPS);
    nlopt_set_ftol_rel(search, 1e-7);
    nlopt_optimize(search, x, &best);
    nlopt_destroy(search);
    sample_free(&s);
    mico_isogp_set_params(gp, (const double[]){exp(x[0]), exp(x[1]), exp(x[2])});
}

/* ---- targets ----------------------------------------------------------------------
 */

void mico_isogp_params(const mico_isogp *gp, double params[3])
{
    params[0] = gp->o.length;
    params[1] = gp->o.variance;
    params[2] = gp->o.noise;
}

void mico_isogp_set_params(mico_isogp *gp, const double params[3])
{
    gp->o.length = params[0];
    gp->o.variance = params[1];
    gp->o.noise = params[2];
    mico_tri_drop(&gp->factor, 0);
}

static void complete_factor(mico_isogp *gp)
{
    double *row = mico_xcalloc(gp->n + LANES, sizeof *row);

    for (size_t i = gp->factor.n; i < gp->n; i++) {
        covariances(gp, gp->x + i, gp->capacity, i, row);
        row[i] = gp->o.variance + gp->o.noise;
        mico_tri_append(&gp->factor, row, FLOOR * gp->o.variance);
    }
    free(row);
}

void mico_isogp_targets(mico_isogp *gp, const double *y)
{
    if (!gp->o.fixed && 4 * gp->n >= 5 * gp->n_fitted) {
        fit(gp, y);
        gp->n_fitted = gp->n;
    }
    complete_factor(gp);
    misfit(&gp->factor, y, gp->o.fixed, &gp->mean);
    for (size_t i = 0; i < gp->n; i++)
        gp->alpha[i] = y[i] - gp->mean;
    mico_tri_forward(&gp->factor, gp->alpha);
    mico_tri_backward(&gp->factor, gp->alpha);
}

/* ---- predictions ------------------------------------------------------------------
 */

static double mean_at(const mico_isogp *gp, const double *covariance)
{
    double sum = gp->mean;

    for (size_t i = 0; i < gp->n; i++)
        sum += covariance[i] * gp->alpha[i];
    return sum;
}

void mico_isogp_predict(const mico_isogp *gp, const double *x, double *mean,
                        double *variance)
{
    double *k = mico_xcalloc(gp->n + LANES, sizeof *k), sum = 0;

    covariances(gp, x, 1, gp->n, k);
    *mean = mean_at(gp, k);
    mico_tri_forward(&gp->factor, k);
    for (size_t i = 0; i < gp->n; i++)
        sum += k[i] * k[i];
    *variance = fmax(0, gp->o.variance - sum);
    free(k);
}

typedef struct bound {
    double upper, mean;
    size_t index;
} bound;

static int by_upper(const void *a, const void *b)
{
    const bound *p = a, *q = b;

    if (p->upper != q->upper)
        return p->upper > q->upper ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

/* One observation alone leaves at least the variance that all of them leave. */
static bound bound_at(const mico_isogp *gp, const double *x, size_t index, double kappa,
                      double *k)
{
    double largest = 0;
    bound b = {.index = index};

    covariances(gp, x, 1, gp->n, k);
    b.mean = mean_at(gp, k);
    for (size_t i = 0; i < gp->n; i++)
        largest = fmax(largest, k[i]);
    largest *= largest / (gp->o.variance + gp->o.noise);
    /* a hair more: the exact value is rounded otherwise */
    b.upper = b.mean + kappa * sqrt(1.0000001 * gp->o.variance - largest);
    return b;
}

/* The deviations of up to MICO_TRI_LANES points at once. */
static void deviations(const mico_isogp *gp, const double *x, const bound *b, size_t n,
                       double *row, double *block, double *out)
{
    double length[MICO_TRI_LANES];

    memset(block, 0, gp->n * MICO_TRI_LANES * sizeof *block);
    for (size_t k = 0; k < n; k++) {
        covariances(gp, x + b[k].index * gp->d, 1, gp->n, row);
        for (size_t i = 0; i < gp->n; i++)
            block[i * MICO_TRI_LANES + k] = row[i];
    }
    mico_tri_lengths(&gp->factor, block, length);
    for (size_t k = 0; k < n; k++)
        out[k] = sqrt(fmax(0, gp->o.variance - length[k]));
}

void mico_isogp_upper(const mico_isogp *gp, const double *x, size_t n, double kappa,
                      bool all, double *score)
{
    bound *b = mico_xcalloc(n + 1, sizeof *b);
    double *row = mico_xcalloc(gp->n + LANES, sizeof *row), best = -INFINITY;
    double *block = mico_xaligned((gp->n + 1) * MICO_TRI_LANES * sizeof *block);

    for (size_t i = 0; i < n; i++) {
        b[i] = bound_at(gp, x + i * gp->d, i, kappa, row);
        score[i] = kappa > 0 ? b[i].upper : b[i].mean;
    }
    if (kappa > 0)
        qsort(b, n, sizeof *b, by_upper);
    for (size_t i = 0; kappa > 0 && i < n; i += MICO_TRI_LANES) {
        const size_t m = n - i < MICO_TRI_LANES ? n - i : MICO_TRI_LANES;
        double deviation[MICO_TRI_LANES];

        if (!all && b[i].upper < best)
            break;
        deviations(gp, x, b + i, m, row, block, deviation);
        for (size_t k = 0; k < m; k++) {
            score[b[i + k].index] = b[i + k].mean + kappa * deviation[k];
            best = fmax(best, score[b[i + k].index]);
        }
    }
    free(b);
    free(row);
    free(block);
}
