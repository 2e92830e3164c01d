/* Outcomes, trials, the best of them, the front, digests. */
#include "trial/trial.h"

#include "core/hash.h"
#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mico_state_text(mico_state state)
{
    static const char *const texts[MICO_N_STATES] = {
#define MICO_STATE_ROW(suffix, code, text) [code] = (text),
        MICO_STATE_LIST(MICO_STATE_ROW)
#undef MICO_STATE_ROW
    };

    return (unsigned)state < MICO_N_STATES ? texts[state] : "unknown";
}

static const char *const modes[] = {"int", "fake", "fp32"};

const char *mico_mode_text(mico_mode mode)
{
    return modes[mode];
}

bool mico_mode_parse(const char *text, mico_mode *out)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(text, modes[i]) == 0) {
            *out = (mico_mode)i;
            return true;
        }
    }
    return false;
}

double mico_accuracy(const mico_outcome *outcome)
{
    if (outcome->state != MICO_STATE_DONE || outcome->images == 0)
        return 0;
    return (double)outcome->correct / (double)outcome->images;
}

void mico_outcome_put(mico_writer *w, const mico_outcome *outcome)
{
    mico_put_u8(w, (uint8_t)outcome->state);
    mico_put_u64(w, outcome->images);
    mico_put_u64(w, outcome->correct);
    mico_put_f64(w, outcome->loss);
    mico_put_f64(w, outcome->seconds);
    mico_put_text(w, outcome->reason);
}

void mico_outcome_get(mico_reader *r, mico_outcome *outcome)
{
    uint8_t state = mico_get_u8(r);

    outcome->images = mico_get_u64(r);
    outcome->correct = mico_get_u64(r);
    outcome->loss = mico_get_f64(r);
    outcome->seconds = mico_get_f64(r);
    mico_get_text(r, outcome->reason, sizeof outcome->reason);
    if (state >= MICO_N_STATES || outcome->correct > outcome->images)
        r->bad = true;
    else
        outcome->state = (mico_state)state;
}

static double pareto_cost(const mico_problem *problem, const mico_trial *trial)
{
    if (problem->n_metrics == 0)
        return 0;
    return mico_metric_cost(&problem->metric[problem->pareto_metric], &trial->scheme);
}

static bool counts(const mico_trial *trial)
{
    return trial->outcome.state == MICO_STATE_DONE && trial->dup_of == MICO_NO_TRIAL;
}

size_t mico_best(const mico_problem *problem, const mico_trial *trials, size_t n)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++) {
        double gain;

        if (!counts(&trials[i]) || mico_violation(problem, &trials[i].scheme) > 0)
            continue;
        gain = best < n ? mico_accuracy(&trials[i].outcome) -
                              mico_accuracy(&trials[best].outcome)
                        : 1;
        if (gain > 0 || (gain == 0 && pareto_cost(problem, &trials[i]) <
                                          pareto_cost(problem, &trials[best])))
            best = i;
    }
    return best;
}

size_t mico_least_violating(const mico_problem *problem, const mico_trial *trials,
                            size_t n)
{
    size_t best = n;
    double least = INFINITY;

    for (size_t i = 0; i < n; i++) {
        double violation;

        if (!counts(&trials[i]))
            continue;
        violation = mico_violation(problem, &trials[i].scheme);
        if (violation < least ||
            (violation == least && mico_accuracy(&trials[i].outcome) >
                                       mico_accuracy(&trials[best].outcome))) {
            least = violation;
            best = i;
        }
    }
    return best;
}

typedef struct point {
    double cost, accuracy;
    size_t index;
} point;

static int by_cost(const void *a, const void *b)
{
    const point *p = a, *q = b;

    if (p->cost != q->cost)
        return p->cost < q->cost ? -1 : 1;
    if (p->accuracy != q->accuracy)
        return p->accuracy > q->accuracy ? -1 : 1;
    return p->index < q->index ? -1 : 1;
}

size_t mico_front(const mico_problem *problem, const mico_trial *trials, size_t n,
                  size_t *index)
{
    point *points = mico_xcalloc(n, sizeof *points);
    size_t n_points = 0, n_front = 0;
    double highest = -1;

    for (size_t i = 0; i < n; i++)
        if (counts(&trials[i]) && mico_violation(problem, &trials[i].scheme) <= 0)
            points[n_points++] = (point){pareto_cost(problem, &trials[i]),
                                         mico_accuracy(&trials[i].outcome), i};
    qsort(points, n_points, sizeof *points, by_cost);
    for (size_t i = 0; i < n_points; i++) {
        if (points[i].accuracy > highest) {
            highest = points[i].accuracy;
            index[n_front++] = points[i].index;
        }
    }
    free(points);
    return n_front;
}

uint64_t mico_trial_digest(uint64_t study_key, const mico_trial *trial)
{
    mico_writer w = {0};
    uint64_t digest;

    mico_put_u64(&w, trial->id);
    mico_scheme_put(&w, &trial->scheme);
    mico_put_u8(&w, (uint8_t)trial->outcome.state);
    mico_put_u64(&w, trial->outcome.images);
    mico_put_u64(&w, trial->outcome.correct);
    digest = mico_hash(w.bytes, w.len, study_key);
    mico_writer_free(&w);
    return digest;
}

void mico_right_pair(const uint64_t *a, const uint64_t *b, uint64_t images,
                     uint64_t *only_a, uint64_t *only_b)
{
    *only_a = *only_b = 0;
    for (uint64_t w = 0; w < MICO_RIGHT_WORDS(images); w++) {
        const uint64_t left = images - 64 * w;
        const uint64_t mask = left >= 64 ? UINT64_MAX : ((uint64_t)1 << left) - 1;

        *only_a += (uint64_t)__builtin_popcountll(a[w] & ~b[w] & mask);
        *only_b += (uint64_t)__builtin_popcountll(b[w] & ~a[w] & mask);
    }
}
