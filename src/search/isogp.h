/* isogp.h: a Gaussian process on real vectors with one length scale for all dimensions.
 *
 * Upstream's surrogate: a scaled Matern-5/2 kernel, constant mean, homoscedastic noise.
 * Parameters maximise the likelihood and are fitted again when there are a quarter more
 * points; in between, points are added to the factor one by one.
 *
 *     mico_isogp_add(gp, x) ...; mico_isogp_targets(gp, y);
 *     mico_isogp_upper(gp, x, n, kappa, false, score); */
#ifndef MICO_SEARCH_ISOGP_H
#define MICO_SEARCH_ISOGP_H

#include <stdbool.h>
#include <stddef.h>

typedef enum mico_isogp_kernel {
    MICO_ISOGP_MATERN,
    MICO_ISOGP_GAUSS
} mico_isogp_kernel;

typedef struct mico_isogp_options {
    mico_isogp_kernel kernel;
    bool fixed;                     /* parameters as given, and a mean of 0 */
    double length, variance, noise; /* where they start */
} mico_isogp_options;

typedef struct mico_isogp mico_isogp;

mico_isogp *mico_isogp_new(size_t n_dims, const mico_isogp_options *options);
void mico_isogp_free(mico_isogp *gp);

void mico_isogp_add(mico_isogp *gp, const double *x);
void mico_isogp_drop(mico_isogp *gp, size_t n); /* keeps the first n points */
size_t mico_isogp_count(const mico_isogp *gp);

/* What the points are worth, in the order of their adding; at least one point. */
void mico_isogp_targets(mico_isogp *gp, const double *y);

/* Length, variance, noise as they stand. */
void mico_isogp_params(const mico_isogp *gp, double params[3]);
void mico_isogp_set_params(mico_isogp *gp, const double params[3]);

/* Log likelihood of the latest points (200 at most) under other parameters. */
double mico_isogp_likelihood(const mico_isogp *gp, const double *y,
                             const double params[3]);

/* Of the function, without the noise. */
void mico_isogp_predict(const mico_isogp *gp, const double *x, double *mean,
                        double *variance);

/* Mean + kappa * deviation of n points. Without `all`, points that cannot have the
 * highest get an upper bound on theirs, which is below the highest. */
void mico_isogp_upper(const mico_isogp *gp, const double *x, size_t n, double kappa,
                      bool all, double *score);

#endif
