/* search_problem.h: made-up problems for the tests and benchmarks of searchers. */
#ifndef MICO_TESTS_SEARCH_PROBLEM_H
#define MICO_TESTS_SEARCH_PROBLEM_H

#include "core/mem.h"
#include "core/rng.h"
#include "search/search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PROBLEM_BOPS, PROBLEM_SIZE, PROBLEM_CYCLES };

static inline double *problem_entry(const mico_metric *m, size_t layer, size_t iw,
                                    size_t ia)
{
    return &m->table[(layer * MICO_N_WIDTHS + iw) * MICO_N_WIDTHS + ia];
}

/* A chain of layers with a variable per gene and the metrics bops, size and cycles
 * (whose table is irregular: more bits may cost less). Release with mico_problem_free.
 */
static inline void problem_make(mico_problem *p, size_t n_layers, const char *widths,
                                mico_rng *rng)
{
    static const char *const names[] = {"bops", "size", "cycles"};

    *p = (mico_problem){.n_metrics = 3};
    p->space.n_layers = n_layers;
    p->space.n_vars = 2 * n_layers;
    p->layer_macs = mico_xcalloc(n_layers, sizeof *p->layer_macs);
    for (size_t g = 0; g < 2 * n_layers; g++) {
        p->space.var_of[g] = (uint16_t)g;
        mico_options_parse(&p->space.var[g], widths, NULL);
    }
    for (size_t k = 0; k < 3; k++) {
        snprintf(p->metric[k].name, sizeof p->metric[k].name, "%s", names[k]);
        p->metric[k].table = mico_xcalloc(n_layers * MICO_N_WIDTHS * MICO_N_WIDTHS,
                                          sizeof *p->metric[k].table);
    }
    for (size_t l = 0; l < n_layers; l++) {
        double macs = floor(1000 * pow(10, 2 * mico_rng_uniform(rng)));
        double params = floor(100 * pow(10, 2 * mico_rng_uniform(rng)));

        p->layer_macs[l] = macs;
        for (size_t iw = 0; iw < MICO_N_WIDTHS; iw++) {
            for (size_t ia = 0; ia < MICO_N_WIDTHS; ia++) {
                double w = mico_width_bits(mico_width_at(iw));
                double a = mico_width_bits(mico_width_at(ia));

                *problem_entry(&p->metric[PROBLEM_BOPS], l, iw, ia) = macs * w * a;
                *problem_entry(&p->metric[PROBLEM_SIZE], l, iw, ia) =
                    params * mico_width_stored(mico_width_at(iw));
                *problem_entry(&p->metric[PROBLEM_CYCLES], l, iw, ia) =
                    floor(macs * (w + a) * (0.7 + 0.6 * mico_rng_uniform(rng)));
            }
        }
    }
    p->metric[PROBLEM_CYCLES].constant = 500;
}

static inline void problem_limit(mico_problem *p, size_t metric, double limit)
{
    mico_constraint c = {.metric = metric, .limit = limit};

    snprintf(c.text, sizeof c.text, "%s <= %.6g", p->metric[metric].name, limit);
    p->constraint[p->n_constraints++] = c;
}

/* Cost of all variables at their largest. */
static inline double problem_top_cost(const mico_problem *p, size_t metric)
{
    uint8_t levels[MICO_MAX_GENES];
    mico_scheme scheme;

    for (size_t v = 0; v < p->space.n_vars; v++)
        levels[v] = (uint8_t)(p->space.var[v].n - 1);
    mico_space_scheme(&p->space, levels, &scheme);
    return mico_metric_cost(&p->metric[metric], &scheme);
}

static inline void problem_random_scheme(const mico_problem *p, mico_rng *rng,
                                         mico_scheme *out)
{
    uint8_t levels[MICO_MAX_GENES];

    for (size_t v = 0; v < p->space.n_vars; v++)
        levels[v] = (uint8_t)mico_rng_below(rng, p->space.var[v].n);
    mico_space_scheme(&p->space, levels, out);
}

/* Like a network's accuracy: 0.9 exp(-D), D a sum over genes of sensitivities that vary
 * a hundredfold times 2^-bits. */
static inline double problem_accuracy(const mico_scheme *scheme, uint64_t seed)
{
    mico_rng *rng = mico_rng_new(seed, "sensitivity", 0);
    double loss = 0;

    for (size_t g = 0; g < 2 * scheme->n_layers; g++)
        loss += pow(10, 2 * mico_rng_uniform(rng) - 1) *
                pow(2, -mico_width_bits(scheme->bits[g]));
    mico_rng_free(rng);
    return 0.9 * exp(-3 * loss / (double)scheme->n_layers);
}

static inline mico_trial problem_trial(uint64_t id, const mico_scheme *scheme,
                                       double accuracy)
{
    mico_trial t = {.id = id, .dup_of = MICO_NO_TRIAL, .scheme = *scheme};

    t.outcome.state = MICO_STATE_DONE;
    t.outcome.images = 10000000;
    t.outcome.correct = (uint64_t)llround(accuracy * 1e7);
    return t;
}

#endif
