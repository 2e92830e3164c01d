/* gp.c: exact Gaussian process regression on a triangular factor that grows. */
#include "search/gp.h"

#include "core/mem.h"
#include "search/tri.h"

#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#define N_FIT        200
#define FIT_STEPS    60   /* likelihoods that BOBYQA may look at */
#define FLOOR        1e-9 /* least pivot of the factor, in variances of the points */
#define THETA_SPREAD 2.0  /* of the physical prior, as in additive.c */
#define DELTA_SPREAD 0.3
#define SUM_REACH    2.0 /* the kernel of the sum falls by e over 1/SUM_REACH of z */

/* Per variable and two levels: what a pair of points sums up over variables. */
enum { DISTANCE, SUM, PRODUCT, SQUARE, N_PARTS };

typedef double tables[N_PARTS][MICO_N_WIDTHS][MICO_N_WIDTHS];

struct mico_gp {
    mico_space space;
    mico_gp_options o;
    tables *table; /* [n_vars] */
    double param[MICO_GP_PARAMS], base, norm_sum, norm_pairs;

    size_t n, capacity;
    uint8_t *code; /* [n_vars][capacity] */
    double *extra; /* [n] noise given by the caller */
    double *alpha, mean;
    mico_tri factor; /* of the first factor.n <= n points */

    uint8_t here[MICO_MAX_GENES];
    size_t n_here;         /* points that part covers */
    double *part[N_PARTS]; /* [n] sums of here with each point */
    double self[N_PARTS];  /* of here with itself */
    double *row;           /* scratch, [capacity] */
    double *block;         /* scratch, [capacity][MICO_TRI_LANES] */
};

mico_gp *mico_gp_new(const mico_space *space, const mico_gp_options *options)
{
    mico_gp *gp = mico_xcalloc(1, sizeof *gp);

    gp->space = *space;
    gp->o = *options;
    if (gp->o.n_fit == 0)
        gp->o.n_fit = N_FIT;
    gp->table = mico_xcalloc(space->n_vars + 1, sizeof *gp->table);
    gp->norm_sum = gp->norm_pairs = 1;
    mico_gp_set_params(gp, (const double[]){1, 1, 0.1, 0.01, 0.3});
    mico_gp_restart(gp, NULL);
    return gp;
}

void mico_gp_free(mico_gp *gp)
{
    if (gp == NULL)
        return;
    for (size_t k = 0; k < N_PARTS; k++)
        free(gp->part[k]);
    mico_tri_free(&gp->factor);
    free(gp->table);
    free(gp->code);
    free(gp->extra);
    free(gp->alpha);
    free(gp->row);
    free(gp->block);
    free(gp);
}

/* ---- tables -------------------------------------------------------------------------
 */

static double step_of(const mico_options *o, size_t level)
{
    return exp2(-mico_width_bits(o->width[level])) -
           exp2(-mico_width_bits(o->width[o->n - 1]));
}

static double energy_of(const mico_options *o, size_t level)
{
    return exp2(-2 * mico_width_bits(o->width[level])) -
           exp2(-2 * mico_width_bits(o->width[o->n - 1]));
}

static void fill_table(mico_gp *gp, size_t v, double w, double total)
{
    const mico_options *o = &gp->space.var[v];
    const double range = o->n > 1 ? step_of(o, 0) : 1;

    for (size_t l = 0; l < o->n; l++) {
        for (size_t m = 0; m < o->n; m++) {
            const double z = step_of(o, l) / range, y = step_of(o, m) / range;
            const double h = energy_of(o, l), d = l == m ? DELTA_SPREAD * h : 0;

            gp->table[v][DISTANCE][l][m] = w * fabs(z - y) / total;
            gp->table[v][SUM][l][m] =
                gp->o.physical
                    ? THETA_SPREAD * THETA_SPREAD * h * energy_of(o, m) + d * d
                    : w * exp(-SUM_REACH * fabs(z - y)) / total;
            gp->table[v][PRODUCT][l][m] = w * z * y;
            gp->table[v][SQUARE][l][m] = w * z * y * w * z * y;
        }
    }
}

void mico_gp_restart(mico_gp *gp, const double *weight)
{
    double total = 0;

    for (size_t v = 0; v < gp->space.n_vars; v++)
        total += weight != NULL ? weight[v] : 1;
    for (size_t v = 0; v < gp->space.n_vars; v++)
        if (total > 0)
            fill_table(gp, v, weight != NULL ? weight[v] : 1, total);
        else
            fill_table(gp, v, 1, (double)gp->space.n_vars);
    mico_gp_drop(gp, 0);
}

/* ---- points -------------------------------------------------------------------------
 */

static void grow(mico_gp *gp)
{
    const size_t old = gp->capacity, capacity = 2 * old + 32;
    uint8_t *code = mico_xcalloc(gp->space.n_vars + 1, capacity);

    for (size_t v = 0; v < gp->space.n_vars && gp->n > 0; v++)
        memcpy(code + v * capacity, gp->code + v * old, gp->n);
    free(gp->code);
    gp->code = code;
    for (size_t k = 0; k < N_PARTS; k++)
        gp->part[k] = mico_xrealloc(gp->part[k], capacity, sizeof(double));
    gp->extra = mico_xrealloc(gp->extra, capacity, sizeof(double));
    gp->alpha = mico_xrealloc(gp->alpha, capacity, sizeof(double));
    gp->row = mico_xrealloc(gp->row, capacity, sizeof(double));
    gp->block = mico_xrealloc(gp->block, capacity, MICO_TRI_LANES * sizeof(double));
    gp->capacity = capacity;
}

void mico_gp_add(mico_gp *gp, const uint8_t *levels, double noise)
{
    if (gp->n + 1 >= gp->capacity)
        grow(gp);
    for (size_t v = 0; v < gp->space.n_vars; v++)
        gp->code[v * gp->capacity + gp->n] = levels[v];
    gp->extra[gp->n++] = noise;
}

void mico_gp_drop(mico_gp *gp, size_t n)
{
    if (n < gp->n)
        gp->n = n;
    if (gp->n_here > n)
        gp->n_here = 0;
    mico_tri_drop(&gp->factor, n);
}

size_t mico_gp_count(const mico_gp *gp)
{
    return gp->n;
}

/* part[k][first..last) of these levels with the points, and self. */
static void sum_parts(const mico_gp *gp, const uint8_t *levels, size_t first,
                      size_t last, double *const part[N_PARTS], double self[N_PARTS])
{
    for (size_t k = 0; k < N_PARTS; k++) {
        self[k] = 0;
        for (size_t i = first; i < last; i++)
            part[k][i] = 0;
        for (size_t v = 0; v < gp->space.n_vars; v++) {
            const double *t = gp->table[v][k][levels[v]];
            const uint8_t *code = gp->code + v * gp->capacity;

            self[k] += t[levels[v]];
            for (size_t i = first; i < last; i++)
                part[k][i] += t[code[i]];
        }
    }
}

static double kernel(const mico_gp *gp, double distance, double sum, double product,
                     double square)
{
    const double *p = gp->param;

    return p[MICO_GP_NEAR] * exp(-distance / p[MICO_GP_LENGTH]) +
           p[MICO_GP_SUM] / gp->norm_sum * sum +
           p[MICO_GP_PAIRS] / gp->norm_pairs * 0.5 * (product * product - square) +
           gp->base;
}

static double kernel_of(const mico_gp *gp, const double part[N_PARTS])
{
    return kernel(gp, part[DISTANCE], part[SUM], part[PRODUCT], part[SQUARE]);
}

static void get_levels(const mico_gp *gp, size_t i, uint8_t *levels)
{
    for (size_t v = 0; v < gp->space.n_vars; v++)
        levels[v] = gp->code[v * gp->capacity + i];
}

/* Brings the factor up to all points. */
static void factorise(mico_gp *gp)
{
    uint8_t levels[MICO_MAX_GENES];
    double self[N_PARTS];

    if (gp->factor.n < gp->n)
        gp->n_here = 0; /* part is scratch here */
    for (size_t i = gp->factor.n; i < gp->n; i++) {
        get_levels(gp, i, levels);
        sum_parts(gp, levels, 0, i, gp->part, self);
        for (size_t j = 0; j < i; j++)
            gp->row[j] = kernel(gp, gp->part[DISTANCE][j], gp->part[SUM][j],
                                gp->part[PRODUCT][j], gp->part[SQUARE][j]);
        gp->row[i] = kernel_of(gp, self) + gp->param[MICO_GP_NOISE] + gp->extra[i];
        mico_tri_append(&gp->factor, gp->row, FLOOR * gp->row[i]);
    }
}

void mico_gp_targets(mico_gp *gp, const double *y)
{
    double sum = 0;

    factorise(gp);
    for (size_t i = 0; i < gp->n; i++)
        sum += y[i];
    gp->mean = gp->n > 0 ? sum / (double)gp->n : 0;
    for (size_t i = 0; i < gp->n; i++)
        gp->alpha[i] = y[i] - gp->mean;
    mico_tri_forward(&gp->factor, gp->alpha);
    mico_tri_backward(&gp->factor, gp->alpha);
}

double mico_gp_smooth(const mico_gp *gp, size_t i, double y)
{
    return y - (gp->param[MICO_GP_NOISE] + gp->extra[i]) * gp->alpha[i];
}

/* ---- predictions --------------------------------------------------------------------
 */

void mico_gp_at(mico_gp *gp, const uint8_t *levels)
{
    memcpy(gp->here, levels, gp->space.n_vars);
    sum_parts(gp, levels, 0, gp->n, gp->part, gp->self);
    gp->n_here = gp->n;
}

/* Kernel of the changed scheme with each point: row[i * stride]. */
static void make_row(const mico_gp *gp, const mico_move *move, double *row,
                     size_t stride)
{
    const size_t a = move->var[0], b = move->n > 1 ? move->var[1] : a;
    const size_t to_a = move->n > 0 ? move->level[0] : gp->here[a];
    const size_t to_b = move->n > 1 ? move->level[1] : gp->here[b];
    const uint8_t *code_a = gp->code + a * gp->capacity;
    const uint8_t *code_b = gp->code + b * gp->capacity;
    double change_a[N_PARTS][MICO_N_WIDTHS], change_b[N_PARTS][MICO_N_WIDTHS];

    for (size_t k = 0; k < N_PARTS; k++) {
        for (size_t m = 0; m < MICO_N_WIDTHS; m++) {
            change_a[k][m] = gp->table[a][k][to_a][m] - gp->table[a][k][gp->here[a]][m];
            change_b[k][m] =
                move->n > 1 ? gp->table[b][k][to_b][m] - gp->table[b][k][gp->here[b]][m]
                            : 0;
        }
    }
    for (size_t i = 0; i < gp->n; i++) {
        double part[N_PARTS];

        for (size_t k = 0; k < N_PARTS; k++)
            part[k] = gp->part[k][i] + change_a[k][code_a[i]] + change_b[k][code_b[i]];
        row[i * stride] = kernel_of(gp, part);
    }
}

void mico_gp_mean(mico_gp *gp, const mico_move *moves, size_t n, double *mean)
{
    for (size_t c = 0; c < n; c++) {
        double sum = 0;

        make_row(gp, &moves[c], gp->row, 1);
        for (size_t i = 0; i < gp->n; i++)
            sum += gp->row[i] * gp->alpha[i];
        mean[c] = gp->mean + sum;
    }
}

static double prior_variance(const mico_gp *gp, const mico_move *move)
{
    double part[N_PARTS];

    for (size_t k = 0; k < N_PARTS; k++) {
        part[k] = gp->self[k];
        for (size_t i = 0; i < move->n; i++) {
            const size_t v = move->var[i];

            part[k] += gp->table[v][k][move->level[i]][move->level[i]] -
                       gp->table[v][k][gp->here[v]][gp->here[v]];
        }
    }
    return kernel_of(gp, part);
}

void mico_gp_deviation(mico_gp *gp, const mico_move *moves, size_t n, double *deviation)
{
    double length[MICO_TRI_LANES];

    for (size_t c = 0; c < n; c += MICO_TRI_LANES) {
        const size_t n_lanes = n - c < MICO_TRI_LANES ? n - c : MICO_TRI_LANES;

        for (size_t i = 0; i < gp->n * MICO_TRI_LANES && n_lanes < MICO_TRI_LANES; i++)
            gp->block[i] = 0;
        for (size_t lane = 0; lane < n_lanes; lane++)
            make_row(gp, &moves[c + lane], gp->block + lane, MICO_TRI_LANES);
        mico_tri_lengths(&gp->factor, gp->block, length);
        for (size_t lane = 0; lane < n_lanes; lane++) {
            const double prior = prior_variance(gp, &moves[c + lane]);

            deviation[c + lane] = sqrt(fmax(prior - length[lane], FLOOR * prior));
        }
    }
}

/* ---- fitting ------------------------------------------------------------------------
 */

const double *mico_gp_params(const mico_gp *gp)
{
    return gp->param;
}

void mico_gp_set_params(mico_gp *gp, const double *params)
{
    memcpy(gp->param, params, sizeof gp->param);
    mico_tri_drop(&gp->factor, 0);
}

/* The sums of all pairs of the last points, and their values. */
typedef struct fit {
    mico_gp *gp;
    size_t first, n;
    double *part[N_PARTS]; /* packed lower triangle */
    double *y;             /* [n], of mean 0 */
    double spread;         /* variance of y */
    double *row, *alpha;
    mico_tri factor;
    double centre[MICO_GP_PARAMS]; /* prior of the logarithms of the parameters */
    int n_params;
} fit;

static void fit_start(fit *f, mico_gp *gp, const double *y)
{
    const size_t n = gp->n < gp->o.n_fit ? gp->n : gp->o.n_fit, first = gp->n - n;
    double mean = 0;

    *f = (fit){.gp = gp, .first = first, .n = n, .n_params = MICO_GP_PARAMS};
    for (size_t k = 0; k < N_PARTS; k++)
        f->part[k] = mico_xcalloc(n * (n + 1) / 2 + 1, sizeof(double));
    f->y = mico_xcalloc(n + 1, sizeof(double));
    f->row = mico_xcalloc(n + 1, sizeof(double));
    f->alpha = mico_xcalloc(n + 1, sizeof(double));
    for (size_t i = 0; i < n; i++)
        mean += y[first + i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        f->y[i] = y[first + i] - mean;
        f->spread += f->y[i] * f->y[i] / (double)n;
    }
    gp->n_here = 0;
    gp->norm_sum = gp->norm_pairs = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t levels[MICO_MAX_GENES];
        double self[N_PARTS];

        get_levels(gp, first + i, levels);
        sum_parts(gp, levels, first, first + i + 1, gp->part, self);
        for (size_t k = 0; k < N_PARTS; k++)
            memcpy(f->part[k] + i * (i + 1) / 2, gp->part[k] + first,
                   (i + 1) * sizeof(double));
        gp->norm_sum += self[SUM] / (double)n;
        gp->norm_pairs +=
            0.5 * (self[PRODUCT] * self[PRODUCT] - self[SQUARE]) / (double)n;
    }
    gp->norm_sum = fmax(gp->norm_sum, 1e-300);
    gp->norm_pairs = fmax(gp->norm_pairs, 1e-300);
}

static void fit_end(fit *f)
{
    for (size_t k = 0; k < N_PARTS; k++)
        free(f->part[k]);
    free(f->y);
    free(f->row);
    free(f->alpha);
    mico_tri_free(&f->factor);
}

static double likelihood(fit *f)
{
    const mico_gp *gp = f->gp;
    double square = 0;

    mico_tri_drop(&f->factor, 0);
    for (size_t i = 0; i < f->n; i++) {
        const size_t at = i * (i + 1) / 2;

        for (size_t j = 0; j <= i; j++)
            f->row[j] = kernel(gp, f->part[DISTANCE][at + j], f->part[SUM][at + j],
                               f->part[PRODUCT][at + j], f->part[SQUARE][at + j]);
        f->row[i] += gp->param[MICO_GP_NOISE] + gp->extra[f->first + i];
        mico_tri_append(&f->factor, f->row, FLOOR * f->row[i]);
        f->alpha[i] = f->y[i];
    }
    mico_tri_forward(&f->factor, f->alpha);
    for (size_t i = 0; i < f->n; i++)
        square += f->alpha[i] * f->alpha[i];
    return -0.5 * square - mico_tri_log_volume(&f->factor);
}

/* x: logarithms, of variances in units of the spread. */
static void set_logs(fit *f, const double *x)
{
    for (int k = 0; k < MICO_GP_PARAMS; k++)
        f->gp->param[k] = exp(x[k]) * (k == MICO_GP_LENGTH ? 1 : f->spread);
    if (!f->gp->o.pairs)
        f->gp->param[MICO_GP_PAIRS] = 0;
}

/* Likelihood times a broad prior (a factor of e^2 is one deviation). */
static double objective(unsigned n, const double *x, double *gradient, void *data)
{
    fit *f = data;
    double sum;

    (void)gradient;
    set_logs(f, x);
    sum = likelihood(f);
    for (unsigned k = 0; k < n; k++)
        sum -= 0.5 * (x[k] - f->centre[k]) * (x[k] - f->centre[k]) / 4;
    return isfinite(sum) ? sum : -1e300;
}

static void optimise(fit *f, double *x)
{
    static const double low[] = {-9, -9, -9, -12, -4}, high[] = {2, 3, 3, 0, 2};
    double best = -INFINITY, value, try[MICO_GP_PARAMS];
    nlopt_opt opt = nlopt_create(NLOPT_LN_BOBYQA, MICO_GP_PARAMS);

    for (int g = 0; g < 18; g++) {
        memcpy(try, f->centre, sizeof try);
        try[MICO_GP_LENGTH] += 1.2 * (g % 3 - 1);
        try[MICO_GP_NOISE] += 2.3 * (g / 3 % 3 - 1);
        try[MICO_GP_NEAR] -= g / 9 * 2.3;
        value = objective(MICO_GP_PARAMS, try, NULL, f);
        if (value > best) {
            best = value;
            memcpy(x, try, sizeof try);
        }
    }
    memcpy(try, x, sizeof try);
    nlopt_set_max_objective(opt, objective, f);
    nlopt_set_lower_bounds(opt, low);
    nlopt_set_upper_bounds(opt, high);
    nlopt_set_initial_step1(opt, 0.7);
    nlopt_set_ftol_abs(opt, 1e-3);
    nlopt_set_maxeval(opt, FIT_STEPS);
    if (nlopt_optimize(opt, try, &value) > 0 && value > best)
        memcpy(x, try, sizeof try);
    nlopt_destroy(opt);
}

void mico_gp_fit(mico_gp *gp, const double *y)
{
    static const double centre[] = {-1, -0.3, -2, -5, -1};
    double x[MICO_GP_PARAMS];
    fit f;

    mico_tri_drop(&gp->factor, 0);
    fit_start(&f, gp, y);
    memcpy(f.centre, centre, sizeof centre);
    memcpy(x, centre, sizeof centre);
    f.spread = fmax(f.spread, 1e-18);
    gp->base = f.spread;
    if (f.n >= 3)
        optimise(&f, x);
    set_logs(&f, x);
    fit_end(&f);
}

double mico_gp_likelihood(mico_gp *gp, const double *y)
{
    double value;
    fit f;

    fit_start(&f, gp, y);
    mico_tri_drop(&gp->factor, 0);
    value = likelihood(&f);
    fit_end(&f);
    return value;
}
