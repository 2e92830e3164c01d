/* additive.c: posterior of a sum over variables, by its covariance between schemes. */
#include "search/additive.h"

#include "core/mem.h"
#include "search/tri.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define THETA_SPREAD 2.0  /* deviation of theta, in t */
#define DELTA_SPREAD 0.3  /* deviation of delta, in t h */
#define REFIT_GROWTH 1.25 /* t and noise are fitted again when n has grown by this */
#define N_FIT        200  /* to the last so many outcomes */
#define FLOOR        1e-9 /* least pivot, in variances of the outcome */
#define T_STEPS      10   /* t is sought over 2^-5 .. 2^5 times a first guess */
#define NOISE_STEPS  5    /* noise is sought over 10^-5 .. 10^-1 of the variance */

struct mico_additive {
    size_t n_vars, n, capacity, n_fitted; /* n_fitted: outcomes at the last fit */
    uint8_t n_levels[MICO_MAX_GENES];
    double (*h)[MICO_N_WIDTHS]; /* [n_vars][level] */
    uint8_t *levels;            /* [n][n_vars] */
    double *damage, *variance;  /* [n] */
    double *kernel;             /* prior covariances for t = 1, packed rows */
    double *mean;               /* [n] for t = 1 */
    double *row;                /* scratch */
    double t, noise, base;      /* base: prior variance of c */
    mico_tri factor;            /* of t^2 kernel + base + noise */
    double *alpha;              /* its inverse times (damage - t mean) */
};

mico_additive *mico_additive_new(const mico_space *space)
{
    mico_additive *a = mico_xcalloc(1, sizeof *a);

    a->n_vars = space->n_vars;
    a->h = mico_xcalloc(space->n_vars + 1, sizeof *a->h);
    for (size_t v = 0; v < space->n_vars; v++) {
        const mico_options *o = &space->var[v];

        a->n_levels[v] = o->n;
        for (size_t l = 0; l < o->n; l++)
            a->h[v][l] = exp2(-2 * mico_width_bits(o->width[l])) -
                         exp2(-2 * mico_width_bits(o->width[o->n - 1]));
    }
    a->t = 1;
    return a;
}

void mico_additive_free(mico_additive *a)
{
    if (a == NULL)
        return;
    mico_tri_free(&a->factor);
    free(a->h);
    free(a->levels);
    free(a->damage);
    free(a->variance);
    free(a->kernel);
    free(a->mean);
    free(a->row);
    free(a->alpha);
    free(a);
}

size_t mico_additive_count(const mico_additive *a)
{
    return a->n;
}

double mico_additive_scale(const mico_additive *a)
{
    return a->t;
}

/* Prior covariance (t = 1) of f[v][l] with f[v][m]. */
static double covariance(const mico_additive *a, size_t v, size_t l, size_t m)
{
    const double theta = THETA_SPREAD * THETA_SPREAD * a->h[v][l] * a->h[v][m];
    const double delta = DELTA_SPREAD * a->h[v][l];

    return l == m ? theta + delta * delta : theta;
}

static void grow(mico_additive *a)
{
    const size_t n = 2 * a->capacity + 16;

    a->kernel = mico_xrealloc(a->kernel, n * (n + 1) / 2, sizeof *a->kernel);
    a->levels = mico_xrealloc(a->levels, n, a->n_vars + 1);
    a->damage = mico_xrealloc(a->damage, n, sizeof *a->damage);
    a->variance = mico_xrealloc(a->variance, n, sizeof *a->variance);
    a->mean = mico_xrealloc(a->mean, n, sizeof *a->mean);
    a->row = mico_xrealloc(a->row, n, sizeof *a->row);
    a->alpha = mico_xrealloc(a->alpha, n, sizeof *a->alpha);
    a->capacity = n;
}

void mico_additive_add(mico_additive *a, const uint8_t *levels, double variance)
{
    double *row;

    if (a->n == a->capacity)
        grow(a);
    row = a->kernel + a->n * (a->n + 1) / 2;
    memcpy(a->levels + a->n * a->n_vars, levels, a->n_vars);
    a->variance[a->n] = variance;
    a->mean[a->n] = 0;
    for (size_t v = 0; v < a->n_vars; v++)
        a->mean[a->n] += a->h[v][levels[v]];
    for (size_t i = 0; i <= a->n; i++)
        row[i] = 0;
    for (size_t i = 0; i <= a->n; i++)
        for (size_t v = 0; v < a->n_vars; v++)
            row[i] += covariance(a, v, levels[v], a->levels[i * a->n_vars + v]);
    a->n++;
}

void mico_additive_clear(mico_additive *a)
{
    a->n = a->n_fitted = 0;
    mico_tri_drop(&a->factor, 0);
}

/* ---- fitting and solving ------------------------------------------------------------
 */

/* Appends outcomes [tri->n, last) for these parameters. first: the outcome of row 0. */
static void factorise(mico_additive *a, mico_tri *tri, size_t first, size_t last)
{
    for (size_t i = first + tri->n; i < last; i++) {
        const double *kernel = a->kernel + i * (i + 1) / 2;
        const size_t n = i - first;

        for (size_t j = 0; j <= n; j++)
            a->row[j] = a->t * a->t * kernel[first + j] + a->base;
        a->row[n] += a->variance[i] + a->noise;
        mico_tri_append(tri, a->row, FLOOR * a->row[n]);
    }
}

/* Logarithm of the marginal likelihood of the last outcomes, less a constant. */
static double likelihood(mico_additive *a, mico_tri *tri, size_t first)
{
    double square = 0;

    mico_tri_drop(tri, 0);
    factorise(a, tri, first, a->n);
    for (size_t i = first; i < a->n; i++)
        a->alpha[i - first] = a->damage[i] - a->t * a->mean[i];
    mico_tri_forward(tri, a->alpha);
    for (size_t i = 0; i < tri->n; i++)
        square += a->alpha[i] * a->alpha[i];
    return -0.5 * square - mico_tri_log_volume(tri);
}

/* The t and noise of a grid that explain the outcomes best. The grid of t is about the
 * deviation of the damage over that of its prior mean, or over the mean itself. */
static void fit(mico_additive *a)
{
    const size_t n = a->n < N_FIT ? a->n : N_FIT, first = a->n - n;
    double damage = 0, mean = 0, square = 0, best = -INFINITY, best_t = 1,
           best_noise = 0;
    mico_tri tri = {0};

    for (size_t i = first; i < a->n; i++) {
        damage += a->damage[i] / (double)n;
        mean += a->mean[i] / (double)n;
    }
    for (size_t i = first; i < a->n; i++)
        square += (a->damage[i] - damage) * (a->damage[i] - damage) / (double)n;
    square = fmax(square, 1e-12);
    a->base = square;
    for (int k = -T_STEPS; k <= T_STEPS; k++) {
        for (int j = 1; j <= NOISE_STEPS; j++) {
            double value;

            a->t = sqrt(square) / fmax(mean, 1e-6) * exp2(k / 2.0);
            a->noise = square * pow(10, -j);
            value = likelihood(a, &tri, first);
            if (value > best) {
                best = value;
                best_t = a->t;
                best_noise = a->noise;
            }
        }
    }
    a->t = best_t;
    a->noise = best_noise;
    a->n_fitted = a->n;
    mico_tri_free(&tri);
    mico_tri_drop(&a->factor, 0);
}

void mico_additive_targets(mico_additive *a, const double *damage)
{
    if (a->n == 0)
        return;
    memcpy(a->damage, damage, a->n * sizeof *damage);
    if ((double)a->n >= REFIT_GROWTH * (double)a->n_fitted)
        fit(a);
    factorise(a, &a->factor, 0, a->n);
    for (size_t i = 0; i < a->n; i++)
        a->alpha[i] = a->damage[i] - a->t * a->mean[i];
    mico_tri_forward(&a->factor, a->alpha);
    mico_tri_backward(&a->factor, a->alpha);
}

/* ---- tables -------------------------------------------------------------------------
 */

/* f += what outcomes with these weights say of it. */
static void condition(const mico_additive *a, const double *weight,
                      double (*f)[MICO_N_WIDTHS])
{
    for (size_t v = 0; v < a->n_vars; v++) {
        double by_level[MICO_N_WIDTHS] = {0};

        for (size_t i = 0; i < a->n; i++)
            by_level[a->levels[i * a->n_vars + v]] += weight[i];
        for (size_t l = 0; l < a->n_levels[v]; l++)
            for (size_t m = 0; m < a->n_levels[v]; m++)
                f[v][l] += a->t * a->t * covariance(a, v, l, m) * by_level[m];
    }
}

static void make_monotone(const mico_additive *a, double (*f)[MICO_N_WIDTHS])
{
    for (size_t v = 0; v < a->n_vars; v++) {
        f[v][a->n_levels[v] - 1] = 0;
        for (size_t l = a->n_levels[v] - 1u; l-- > 0;)
            f[v][l] = fmax(f[v][l], f[v][l + 1]);
    }
}

void mico_additive_mean(const mico_additive *a, double (*f)[MICO_N_WIDTHS])
{
    for (size_t v = 0; v < a->n_vars; v++)
        for (size_t l = 0; l < a->n_levels[v]; l++)
            f[v][l] = a->t * a->h[v][l];
    condition(a, a->alpha, f);
    make_monotone(a, f);
}

double mico_additive_base(const mico_additive *a)
{
    double sum = 0;

    for (size_t i = 0; i < a->n; i++)
        sum += a->alpha[i];
    return a->base * sum;
}

/* Matheron's rule: a draw from the prior, corrected by what it gets wrong. */
void mico_additive_draw(const mico_additive *a, mico_rng *rng, double spread,
                        double (*f)[MICO_N_WIDTHS])
{
    const double c = spread * sqrt(a->base) * mico_rng_gauss(rng);
    const double theta_spread = spread * a->t * THETA_SPREAD;
    const double delta_spread = spread * a->t * DELTA_SPREAD;
    double *wrong = mico_xcalloc(a->n + 1, sizeof *wrong);

    for (size_t v = 0; v < a->n_vars; v++) {
        const double theta = a->t + theta_spread * mico_rng_gauss(rng);

        for (size_t l = 0; l < a->n_levels[v]; l++)
            f[v][l] = a->h[v][l] * (theta + delta_spread * mico_rng_gauss(rng));
    }
    for (size_t i = 0; i < a->n; i++) {
        const double noise = sqrt(a->variance[i] + a->noise) * mico_rng_gauss(rng);

        wrong[i] = a->damage[i] - c - spread * noise;
        for (size_t v = 0; v < a->n_vars; v++)
            wrong[i] -= f[v][a->levels[i * a->n_vars + v]];
    }
    mico_tri_forward(&a->factor, wrong);
    mico_tri_backward(&a->factor, wrong);
    condition(a, wrong, f);
    free(wrong);
    make_monotone(a, f);
}
