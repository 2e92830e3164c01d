/* Searcher "hawq": measured sensitivities, one exact knapsack, then local search.
 *
 * As HAWQ-V3 (Yao et al., ICML 2021) chooses widths, with finite probes in place of
 * Hessians: from a feasible scheme each variable in turn (groups of them where the
 * budget is short) is lowered by a level; theta = damage / (4^-b lowered - 4^-b
 * before). The knapsack of theta 4^-b is proposed, and then the neighbours of the
 * incumbent that the sensitivities like best. */
#include "search/lab.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MOVES 4000
#define LEAST     1e-4 /* damage of a probe that did none */

typedef struct state {
    mico_lab lab;
    size_t n_probes, group; /* variables lowered per probe */
    size_t order[MICO_MAX_GENES];
    uint8_t base[MICO_MAX_GENES];
    double *probe; /* [n_probes] accuracy; negative: not known (yet) */
    double base_accuracy;
    mico_table *f;
    bool solved; /* the knapsack was proposed */
} state;

static void *hawq_create(const mico_problem *problem,
                         const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);
    size_t n = problem->space.n_vars, most = (size_t)(options->budget / 2);

    mico_lab_init(&s->lab, problem, options);
    mico_lab_uniform(&s->lab, s->base);
    if (most < 1)
        most = 1;
    s->group = (n + most - 1) / most;
    s->n_probes = (n + s->group - 1) / s->group;
    for (size_t v = 0; v < n; v++)
        s->order[v] = v;
    mico_rng_restart(s->lab.rng, options->seed, "hawq-order", 0);
    mico_rng_shuffle(s->lab.rng, s->order, n);
    s->probe = mico_xcalloc(s->n_probes + 1, sizeof *s->probe);
    for (size_t i = 0; i < s->n_probes; i++)
        s->probe[i] = -1;
    s->base_accuracy = -1;
    s->f = mico_xcalloc(n + 1, sizeof *s->f);
    return s;
}

/* The variables of a probe are order[*first .. *last). */
static void range_of(const state *s, size_t probe, size_t *first, size_t *last)
{
    *first = probe * s->group;
    *last = *first + s->group;
    if (*last > s->lab.room.n_vars)
        *last = s->lab.room.n_vars;
}

/* The base with a group lowered (raised where it is at its lowest). */
static void make_probe(const state *s, size_t probe, uint8_t *levels)
{
    size_t first, last;

    memcpy(levels, s->base, s->lab.room.n_vars);
    range_of(s, probe, &first, &last);
    for (size_t i = first; i < last; i++) {
        const size_t v = s->order[i];

        if (levels[v] > 0)
            levels[v]--;
        else if (levels[v] + 1u < s->lab.limits.space.var[v].n)
            levels[v]++;
    }
}

/* f[v][level] = theta_v 4^-b from the probes that are known; others get the median. */
static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void estimate(state *s)
{
    const size_t n = s->lab.room.n_vars;
    double theta[MICO_MAX_GENES], known[MICO_MAX_GENES], median;
    uint8_t levels[MICO_MAX_GENES];
    size_t n_known = 0;

    mico_lab_prior(&s->lab, s->f);
    for (size_t v = 0; v < n; v++)
        theta[v] = -1;
    for (size_t p = 0; p < s->n_probes && s->base_accuracy > 0; p++) {
        size_t first, last;
        double h = 0, damage;

        if (s->probe[p] < 0)
            continue;
        make_probe(s, p, levels);
        range_of(s, p, &first, &last);
        for (size_t i = first; i < last; i++)
            h += s->f[s->order[i]][levels[s->order[i]]] -
                 s->f[s->order[i]][s->base[s->order[i]]];
        if (h == 0)
            continue;
        damage = -log(fmax(s->probe[p], 1e-3) / s->base_accuracy);
        damage = h > 0 ? fmax(damage, LEAST) : fmin(damage, -LEAST);
        for (size_t i = first; i < last; i++)
            theta[s->order[i]] = damage / h;
        known[n_known++] = damage / h;
    }
    qsort(known, n_known, sizeof *known, by_value);
    median = n_known > 0 ? known[n_known / 2] : 1;
    for (size_t v = 0; v < n; v++)
        for (size_t l = 0; l < s->lab.limits.space.var[v].n; l++)
            s->f[v][l] *= theta[v] >= 0 ? theta[v] : median;
}

/* The neighbour of the incumbent that is new and of the least estimated damage. */
static void step(state *s, uint8_t *levels)
{
    mico_lab *lab = &s->lab;
    const size_t incumbent = mico_lab_incumbent(lab);
    mico_move *move = mico_xcalloc(MAX_MOVES, sizeof *move);
    uint8_t centre[MICO_MAX_GENES], next[MICO_MAX_GENES];
    double least = INFINITY;
    size_t n;

    memcpy(centre, incumbent < lab->n ? mico_lab_at(lab, incumbent) : lab->room.safe,
           lab->room.n_vars);
    memcpy(levels, centre, lab->room.n_vars);
    n = mico_moves_list(lab->moves, centre, lab->rng, MAX_MOVES, move);
    for (size_t i = 0; i < n; i++) {
        double sum;

        memcpy(next, centre, lab->room.n_vars);
        mico_move_apply(&move[i], next);
        sum = mico_lab_sum(lab, (const mico_table *)s->f, next);
        if (sum >= least || mico_seen_has(&lab->seen, next) ||
            !mico_room_holds(&lab->room, next))
            continue;
        least = sum;
        memcpy(levels, next, lab->room.n_vars);
    }
    free(move);
}

static bool hawq_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;

    mico_lab_begin(&s->lab, "hawq", id);
    if (s->lab.seen.n == 0) {
        memcpy(levels, s->base, s->lab.room.n_vars);
    } else {
        if (s->lab.seen.n <= s->n_probes) {
            make_probe(s, s->lab.seen.n - 1, levels);
            if (mico_room_holds(&s->lab.room, levels))
                return mico_lab_propose(&s->lab, levels);
        }
        estimate(s);
        mico_lab_solve(&s->lab, (const mico_table *)s->f, levels);
        if (mico_seen_has(&s->lab.seen, levels))
            step(s, levels);
    }
    return mico_lab_propose(&s->lab, levels);
}

static void hawq_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;
    uint8_t probe[MICO_MAX_GENES];

    mico_lab_tell(&s->lab, trial, levels);
    if (trial->outcome.state != MICO_STATE_DONE)
        return;
    if (memcmp(levels, s->base, s->lab.room.n_vars) == 0)
        s->base_accuracy = mico_accuracy(&trial->outcome);
    for (size_t p = 0; p < s->n_probes; p++) {
        if (s->probe[p] >= 0)
            continue;
        make_probe(s, p, probe);
        if (memcmp(levels, probe, s->lab.room.n_vars) == 0)
            s->probe[p] = mico_accuracy(&trial->outcome);
    }
}

static void hawq_note(void *self, mico_str *out)
{
    state *s = self;

    mico_lab_note(&s->lab, out);
}

static void hawq_destroy(void *self)
{
    state *s = self;

    mico_lab_free(&s->lab);
    free(s->probe);
    free(s->f);
    free(s);
}

const mico_searcher_type mico_searcher_hawq = {
    .name = "hawq",
    .help = "sensitivities by probes, exact knapsack, then local search (HAWQ-V3)",
    .create = hawq_create,
    .ask = hawq_ask,
    .tell = hawq_tell,
    .note = hawq_note,
    .destroy = hawq_destroy,
};
