/* Upstream's Gaussian processes on schemes: BoTorch's SingleTaskGP with a scaled
 * Matern-5/2 kernel (UCB with beta = 0.1), or scikit-learn's default (a fixed Gaussian
 * kernel of length 1). */
#include "search/regress.h"

#include "core/mem.h"
#include "search/isogp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UCB_BETA 0.1 /* score = mean + sqrt(beta) * deviation */

typedef struct model {
    mico_regress_setup setup;
    size_t n_dims;
    double *scale; /* [n_dims] */
    mico_isogp *gp;
    size_t n, capacity;
    uint8_t *codes; /* [n][n_features]: the points of gp */
    double *x;      /* scratch, [n_dims] */
} model;

static void *gp_create(const mico_regress_setup *setup)
{
    static const mico_isogp_options botorch = {
        .kernel = MICO_ISOGP_MATERN, .length = 2, .variance = 0.7, .noise = 0.1};
    static const mico_isogp_options sklearn = {.kernel = MICO_ISOGP_GAUSS,
                                               .fixed = true,
                                               .length = 1,
                                               .variance = 1,
                                               .noise = 1e-10};
    model *m = mico_xcalloc(1, sizeof *m);

    m->setup = *setup;
    /* distances in [w, a, w*m, a*m] are those in [w, a] scaled by sqrt(1 + m^2) */
    m->n_dims = setup->expanded ? setup->n_features / 2 : setup->n_features;
    m->scale = mico_xcalloc(m->n_dims, sizeof *m->scale);
    for (size_t f = 0; f < m->n_dims; f++) {
        double share =
            setup->expanded ? setup->values[m->n_dims + f][0] / setup->values[f][0] : 0;

        m->scale[f] = sqrt(1 + share * share);
    }
    m->gp = mico_isogp_new(m->n_dims, setup->sized ? &botorch : &sklearn);
    m->x = mico_xcalloc(m->n_dims, sizeof *m->x);
    return m;
}

static void make_point(const model *m, const uint8_t *codes, double *x)
{
    for (size_t f = 0; f < m->n_dims; f++)
        x[f] = m->scale[f] * m->setup.values[f][codes[f]];
}

static void gp_fit(void *self, const uint8_t *codes, const double *y, size_t n,
                   mico_rng *rng)
{
    model *m = self;
    const size_t d = m->setup.n_features;
    size_t same = 0;

    (void)rng;
    while (same < n && same < m->n &&
           memcmp(codes + same * d, m->codes + same * d, d) == 0)
        same++;
    mico_isogp_drop(m->gp, same);
    for (m->n = same; m->n < n; m->n++) {
        m->codes = mico_grow(m->codes, m->n, &m->capacity, d);
        memcpy(m->codes + m->n * d, codes + m->n * d, d);
        make_point(m, codes + m->n * d, m->x);
        mico_isogp_add(m->gp, m->x);
    }
    mico_isogp_targets(m->gp, y);
}

static void gp_score(void *self, const uint8_t *codes, size_t n, double beta, bool all,
                     double *score)
{
    model *m = self;
    double *x = mico_xcalloc(n * m->n_dims, sizeof *x);

    for (size_t i = 0; i < n; i++)
        make_point(m, codes + i * m->setup.n_features, x + i * m->n_dims);
    mico_isogp_upper(m->gp, x, n, beta > 0 ? sqrt(UCB_BETA) : 0, all, score);
    free(x);
}

static void gp_destroy(void *self)
{
    model *m = self;

    mico_isogp_free(m->gp);
    free(m->scale);
    free(m->codes);
    free(m->x);
    free(m);
}

const mico_regress mico_regress_gp = {
    .create = gp_create,
    .fit = gp_fit,
    .score = gp_score,
    .destroy = gp_destroy,
};
