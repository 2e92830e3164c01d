/* Selftest problems of simulated stages: contamination control and pest control.
 *
 * Both as in COMBO (Oh et al., NeurIPS 2019), 25 stages, 100 simulations, a frozen seed
 * of NumPy's generator. Their sums are of hundredths and prices, compared with a
 * threshold that no simulation comes near to a rounding error. */
#include "search/selftest_internal.h"

#include "core/mem.h"
#include "core/rng.h"

#include <math.h>
#include <string.h>

#define STAGES  25
#define SIMS    100
#define LIMIT   0.1  /* fraction that is bad */
#define EPSILON 0.05 /* share of simulations that may be bad */
#define CHOICES 5    /* of pest control: nothing, or one of four pesticides */

/* ---- contamination ----------------------------------------------------------------
 */

/* number: [SIMS] at the start, then rates of spreading and of restoring [STAGES][SIMS]
 * each. */
static double contamination(const mico_selftest *t, const uint8_t *x)
{
    const double *spread = t->number + SIMS, *restore = spread + STAGES * SIMS;
    double bad[SIMS], sum = 0;

    memcpy(bad, t->number, sizeof bad);
    for (size_t i = 0; i < STAGES; i++) {
        size_t n_good = 0;

        for (size_t k = 0; k < SIMS; k++) {
            bad[k] = spread[i * SIMS + k] * (1.0 - x[i]) * (1.0 - bad[k]) +
                     (1.0 - restore[i * SIMS + k] * x[i]) * bad[k];
            n_good += bad[k] < LIMIT;
        }
        sum += x[i] * (1 + t->parameter) - ((double)n_good / SIMS - (1 - EPSILON));
    }
    return sum;
}

mico_status mico_selftest_contamination(mico_selftest *test, const double *parameter,
                                        const char *data, mico_err *err)
{
    const uint32_t seed = 42;
    double *number;

    (void)data;
    (void)err;
    mico_selftest_space(test, STAGES, 2);
    number = mico_xcalloc(SIMS * (2 * STAGES + 1), sizeof *number);
    mico_selftest_beta(seed, 1.0, 30.0, SIMS, number);
    mico_selftest_beta(seed, 1.0, 17.0 / 3.0, STAGES * SIMS, number + SIMS);
    mico_selftest_beta(seed, 1.0, 3.0 / 7.0, STAGES * SIMS,
                       number + SIMS + STAGES * SIMS);
    test->number = number;
    test->value = contamination;
    test->parameter = parameter[0];
    test->optimum = parameter[1]; /* proven by exhausting the tree of choices */
    test->low = 20;
    test->high = 27;
    return MICO_OK;
}

/* ---- pest control -----------------------------------------------------------------
 */

static const double pest_price[CHOICES] = {0, 1.0, 0.8, 0.7, 0.5},
                    pest_discount[CHOICES] = {0, 0.2, 0.3, 0.3, 0.0},
                    pest_tolerance[CHOICES] = {0, 1.0 / 7.0, 2.5 / 7.0, 2.0 / 7.0,
                                               0.5 / 7.0},
                    pest_beta[CHOICES] = {0, 2.0 / 7.0, 3.0 / 7.0, 3.0 / 7.0,
                                          5.0 / 7.0};

/* number: [SIMS] at the start, rates of spreading [SIMS], then the effect of each
 * choice after it was used 0.. times [CHOICES][STAGES][SIMS]. */
static double pest(const mico_selftest *t, const uint8_t *levels)
{
    const double *spread = t->number + SIMS, *effect = spread + SIMS;
    size_t used[CHOICES] = {0}, n_bad = 0;
    double bad[SIMS], price = 0;

    memcpy(bad, t->number, sizeof bad);
    for (size_t i = 0; i < STAGES; i++) {
        size_t c = t->shuffled[i * CHOICES + levels[i]];
        const double *control = effect + (c * STAGES + used[c]++) * SIMS;

        for (size_t k = 0; k < SIMS; k++) {
            n_bad += bad[k] > LIMIT;
            bad[k] =
                c > 0 ? (1.0 - control[k]) * bad[k] : spread[k] * (1 - bad[k]) + bad[k];
        }
    }
    for (size_t c = 1; c < CHOICES; c++) /* the more of a kind, the cheaper */
        price += (double)used[c] * pest_price[c] *
                 (1.0 - pest_discount[c] / STAGES * (double)used[c]);
    return price + (double)n_bad / SIMS;
}

mico_status mico_selftest_pest(mico_selftest *test, const double *parameter,
                               const char *data, mico_err *err)
{
    mico_rng *rng = mico_rng_new((uint64_t)parameter[0], "selftest-flip", 0);
    double *number, beta;

    (void)data;
    (void)err;
    mico_selftest_space(test, STAGES, CHOICES);
    number = mico_xcalloc(SIMS * (2 + CHOICES * STAGES), sizeof *number);
    test->shuffled = mico_xcalloc(STAGES, CHOICES);
    mico_selftest_beta(0, 1.0, 30.0, SIMS, number);
    mico_selftest_beta(0, 1.0, 17.0 / 3.0, SIMS, number + SIMS);
    for (size_t c = 1; c < CHOICES; c++) {
        beta = pest_beta[c];
        for (size_t k = 0; k < STAGES; k++) {
            mico_selftest_beta(0, 1.0, beta, SIMS,
                               number + (2 + c * STAGES + k) * SIMS);
            beta += pest_tolerance[c] / STAGES;
        }
    }
    for (size_t i = 0; i < STAGES; i++) {
        size_t order[CHOICES] = {0, 1, 2, 3, 4};

        if (parameter[0] > 0) /* 0: as published */
            mico_rng_shuffle(rng, order, CHOICES);
        for (size_t c = 0; c < CHOICES; c++)
            test->shuffled[i * CHOICES + c] = (uint8_t)order[c];
    }
    mico_rng_free(rng);
    test->number = number;
    test->value = pest;
    test->optimum = parameter[1];
    test->low = 10;
    test->high = 26;
    return MICO_OK;
}
