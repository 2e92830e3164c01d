/* additive.h: a Bayesian model of the damage that narrow widths do: a sum over
 * variables.
 *
 * g(x) = c + sum over variables v of f_v(b_v) + noise, where g is the damage, e.g.
 * -ln(accuracy / best accuracy), and b the width that v chose. A priori f_v(b) =
 * theta_v h_v(b) + delta_v(b) with h_v(b) = 4^-b - 4^-widest, theta_v ~ N(t, 4 t^2) and
 * delta_v(b) ~ N(0, (0.3 t h_v(b))^2): quantisation noise falls by four a bit, each
 * layer at its own level, and not exactly. t and the variance of the noise are fitted
 * by marginal likelihood. The posterior is Gaussian: one more outcome costs n^2/2
 * multiply-adds, a draw n^2.
 *
 * A draw of all f is a Thompson sample: the best feasible scheme under it is one
 * knapsack (as BOCS, Baptista and Poloczek, ICML 2018, with an exact solver for the
 * sum). */
#ifndef MICO_SEARCH_ADDITIVE_H
#define MICO_SEARCH_ADDITIVE_H

#include "core/rng.h"
#include "trial/trial.h"

typedef struct mico_additive mico_additive;

mico_additive *mico_additive_new(const mico_space *space);
void mico_additive_free(mico_additive *a);

/* One more outcome: its scheme and a variance that it has besides the fitted one. */
void mico_additive_add(mico_additive *a, const uint8_t *levels, double variance);
void mico_additive_clear(mico_additive *a);
size_t mico_additive_count(const mico_additive *a);

/* The damages of all outcomes, in the order of their adding. */
void mico_additive_targets(mico_additive *a, const double *damage);

/* Fitted t: the damage that a variable is expected to do at width b is t h_v(b). */
double mico_additive_scale(const mico_additive *a);

/* Posterior mean of f[var][level], made monotone: never less for a narrower width. */
void mico_additive_mean(const mico_additive *a, double (*f)[MICO_N_WIDTHS]);

/* A draw of f from the posterior, made monotone. spread: of the draws about the mean,
 * in deviations of the posterior (1: a fair draw). */
void mico_additive_draw(const mico_additive *a, mico_rng *rng, double spread,
                        double (*f)[MICO_N_WIDTHS]);

/* Posterior mean of c. */
double mico_additive_base(const mico_additive *a);

#endif
