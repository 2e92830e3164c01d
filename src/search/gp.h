/* gp.h: a Gaussian process on widths.
 *
 * Its coordinate is z = 2^-b, scaled per variable to 0 (widest) .. 1 (narrowest): what
 * a bit changes is the step of the quantiser. With weights w_v (sensitivities) the
 * kernel is a sum of near    exp(-(1/length) sum w_v |z_v - z'_v| / sum w_v) sum sum
 * w_v exp(-2 |z_v - z'_v|) / sum w_v, or with `physical` the prior of additive.h: sum_v
 * s^2 h h' + [same level] (d h)^2, h = z^2 pairs   sum over v < u of w_v w_u z_v z'_v
 * z_u z'_u: errors of two layers add up before they are squared, so the cross terms of
 * a quadratic loss are products of steps base    a constant each times a variance.
 * Variances, length and noise are fitted by marginal likelihood. sum, pairs are scaled
 * to a mean of 1 over the points that the fit sees.
 *
 *     mico_gp_add(gp, levels, noise) ...; mico_gp_fit(gp, y); mico_gp_targets(gp, y);
 *     mico_gp_at(gp, levels); mico_gp_mean(gp, moves, n, mean); */
#ifndef MICO_SEARCH_GP_H
#define MICO_SEARCH_GP_H

#include "search/moves.h"
#include "trial/trial.h"

enum { MICO_GP_NEAR, MICO_GP_SUM, MICO_GP_PAIRS, MICO_GP_NOISE, MICO_GP_LENGTH };
#define MICO_GP_PARAMS 5

typedef struct mico_gp mico_gp;

typedef struct mico_gp_options {
    bool physical; /* kernel of the sum */
    bool pairs;    /* with a variance of pairs */
    size_t n_fit;  /* points that the fit looks at: the last so many; 0: 200 */
} mico_gp_options;

mico_gp *mico_gp_new(const mico_space *space, const mico_gp_options *options);
void mico_gp_free(mico_gp *gp);

/* Forgets all points and takes new weights, [n_vars] >= 0 (NULL: all alike). */
void mico_gp_restart(mico_gp *gp, const double *weight);

/* One more point; noise is a variance that it has besides the fitted one. */
void mico_gp_add(mico_gp *gp, const uint8_t *levels, double noise);
void mico_gp_drop(mico_gp *gp, size_t n); /* keeps the first n points */
size_t mico_gp_count(const mico_gp *gp);

/* Fits the parameters to y[count] (BOBYQA from the best point of a small grid). */
void mico_gp_fit(mico_gp *gp, const double *y);
const double *mico_gp_params(const mico_gp *gp);
void mico_gp_set_params(mico_gp *gp, const double *params);
double mico_gp_likelihood(mico_gp *gp, const double *y); /* log, of the last n_fit */

/* What the points are worth, in the order of their adding: y[count]. */
void mico_gp_targets(mico_gp *gp, const double *y);

/* Predicted mean at point i, whose target is y. */
double mico_gp_smooth(const mico_gp *gp, size_t i, double y);

/* Predictions are for the scheme here, changed by a move. */
void mico_gp_at(mico_gp *gp, const uint8_t *levels);
void mico_gp_mean(mico_gp *gp, const mico_move *moves, size_t n, double *mean);
void mico_gp_deviation(mico_gp *gp, const mico_move *moves, size_t n,
                       double *deviation);

#endif
