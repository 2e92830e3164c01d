/* region.c: expected improvement over feasible neighbours in a trust region. */
#include "search/region.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIUS_FIRST 20.0
#define RADIUS_LEAST 1.5
#define GROWTH       1.5
#define N_SUCCESSES  3
#define REFIT_GROWTH 1.25
#define MAX_POINTS   500 /* with more it keeps the KEPT_POINTS next to the incumbent */
#define KEPT_POINTS  350
#define N_MOVES      300 /* neighbours looked at per step */
#define N_EXACT      32  /* of them, with deviation: those of the best means */
#define N_STEPS      8
#define N_MUTANTS    2
#define DOUBT        0.1 /* part of a damage that the process need not explain */

struct mico_region {
    mico_lab *lab;
    mico_gp *gp;
    mico_table *mean; /* of the last fit */
    size_t n_taken;   /* outcomes that were looked at */
    size_t n_fitted;  /* outcomes at the last fit */
    size_t n_points;  /* outcomes in the process */
    size_t point[MAX_POINTS];
    double *y; /* values of the points, then of the pending proposals */
    size_t y_capacity;

    double radius, best; /* best accuracy when it was last looked at */
    size_t n_successes, n_failures;

    mico_move *move;
    double *score, *deviation;
};

mico_region *mico_region_new(mico_lab *lab, const mico_gp_options *options)
{
    mico_region *r = mico_xcalloc(1, sizeof *r);

    r->lab = lab;
    r->gp = mico_gp_new(&lab->limits.space, options);
    r->mean = mico_xcalloc(lab->room.n_vars + 1, sizeof *r->mean);
    r->radius = RADIUS_FIRST;
    r->best = -INFINITY;
    r->move = mico_xcalloc(N_MOVES, sizeof *r->move);
    r->score = mico_xcalloc(N_MOVES, sizeof *r->score);
    r->deviation = mico_xcalloc(N_MOVES, sizeof *r->deviation);
    return r;
}

void mico_region_free(mico_region *r)
{
    if (r == NULL)
        return;
    mico_gp_free(r->gp);
    free(r->mean);
    free(r->y);
    free(r->move);
    free(r->score);
    free(r->deviation);
    free(r);
}

double mico_region_radius(const mico_region *r)
{
    return r->radius;
}

const mico_gp *mico_region_gp(const mico_region *r)
{
    return r->gp;
}

void mico_region_tell(mico_region *r)
{
    const mico_lab *lab = r->lab;
    const size_t patience = lab->room.n_vars > 10 ? lab->room.n_vars / 2 : 5;

    if (lab->n == 0)
        return;
    if (lab->accuracy[lab->best] > r->best) {
        r->best = lab->accuracy[lab->best];
        r->n_successes++;
        r->n_failures = 0;
    } else {
        r->n_failures++;
        r->n_successes = 0;
    }
    if (r->n_successes >= N_SUCCESSES) {
        r->radius = fmin(r->radius * GROWTH, (double)lab->room.n_vars + 1);
        r->n_successes = 0;
    }
    if (r->n_failures >= patience) {
        r->radius /= GROWTH;
        r->n_failures = 0;
        if (r->radius < RADIUS_LEAST)
            r->radius = RADIUS_FIRST;
    }
}

/* ---- the process --------------------------------------------------------------------
 */

static double target(const mico_region *r, size_t i)
{
    const mico_lab *lab = r->lab;

    return lab->damage[i] -
           mico_lab_sum(lab, (const mico_table *)r->mean, mico_lab_at(lab, i));
}

static size_t distance(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t sum = 0;

    for (size_t v = 0; v < n; v++)
        sum += a[v] != b[v];
    return sum;
}

static int by_value(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return x < y ? -1 : x > y;
}

/* The KEPT_POINTS outcomes that are nearest to the incumbent, later ones first where as
 * near. */
static void keep_nearest(mico_region *r)
{
    const mico_lab *lab = r->lab;
    const uint8_t *centre = mico_lab_at(lab, lab->best);
    size_t *key = mico_xcalloc(lab->n, sizeof *key);

    for (size_t i = 0; i < lab->n; i++)
        key[i] = distance(mico_lab_at(lab, i), centre, lab->room.n_vars) * lab->n +
                 lab->n - 1 - i;
    qsort(key, lab->n, sizeof *key, by_value);
    for (size_t k = 0; k < KEPT_POINTS; k++)
        r->point[k] = lab->n - 1 - key[k] % lab->n;
    qsort(r->point, KEPT_POINTS, sizeof *r->point, by_value);
    r->n_points = KEPT_POINTS;
    free(key);
}

/* Takes up the outcomes since the last time, and fits the parameters when there are a
 * quarter more. */
static void update(mico_region *r, const mico_table *mean, const double *weight)
{
    mico_lab *lab = r->lab;
    const bool full = r->n_points + lab->n - r->n_taken > MAX_POINTS;
    const bool refit = full || (double)lab->n >= REFIT_GROWTH * (double)r->n_fitted;

    if (refit) {
        if (mean != NULL)
            memcpy(r->mean, mean, lab->room.n_vars * sizeof *mean);
        mico_gp_restart(r->gp, weight);
    }
    if (full)
        keep_nearest(r);
    else
        while (r->n_taken < lab->n)
            r->point[r->n_points++] = r->n_taken++;
    r->n_taken = lab->n;
    while (r->y_capacity < r->n_points + lab->n_pending)
        r->y = mico_grow(r->y, r->y_capacity, &r->y_capacity, sizeof *r->y);
    for (size_t k = 0; k < r->n_points; k++) {
        const double doubt = DOUBT * lab->damage[r->point[k]];

        if (k >= mico_gp_count(r->gp))
            mico_gp_add(r->gp, mico_lab_at(lab, r->point[k]), doubt * doubt);
        r->y[k] = target(r, r->point[k]);
    }
    if (refit) {
        mico_gp_fit(r->gp, r->y);
        r->n_fitted = lab->n;
    }
    mico_gp_targets(r->gp, r->y);
}

/* Pending proposals become points at their predicted mean. */
static void believe(mico_region *r)
{
    const mico_lab *lab = r->lab;
    const mico_move stay = {0};
    size_t n = mico_gp_count(r->gp);

    for (size_t i = 0; i < lab->n_pending; i++) {
        const uint8_t *at = mico_seen_at(&lab->seen, lab->pending[i]);

        mico_gp_at(r->gp, at);
        mico_gp_mean(r->gp, &stay, 1, &r->y[n + i]);
    }
    for (size_t i = 0; i < lab->n_pending; i++)
        mico_gp_add(r->gp, mico_seen_at(&lab->seen, lab->pending[i]), 0);
    if (lab->n_pending > 0)
        mico_gp_targets(r->gp, r->y);
}

/* ---- expected improvement -----------------------------------------------------------
 */

/* Logarithm of the expected improvement below best. */
static double log_improvement(double mean, double deviation, double best)
{
    const double u = (best - mean) / deviation;
    const double log_density = -0.5 * u * u - 0.9189385332046727;

    if (u < -6) /* Mills' ratio */
        return log(deviation) + log_density - 2 * log(-u);
    return log(deviation *
               (u * 0.5 * erfc(-u * 0.7071067811865476) + exp(log_density)));
}

typedef struct climb {
    mico_region *r;
    const uint8_t *centre;
    double radius, best; /* damage (less mean) to improve on */
    bool found;
    double score; /* of the best unseen scheme */
    uint8_t levels[MICO_MAX_GENES];
} climb;

/* Drops moves that leave the region; returns how many stay. */
static size_t keep_near(const climb *c, const uint8_t *levels, size_t n)
{
    const size_t n_vars = c->r->lab->room.n_vars;
    const size_t here = distance(levels, c->centre, n_vars);
    mico_move *move = c->r->move;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        double there = (double)here;

        for (size_t k = 0; k < move[i].n; k++)
            there += (move[i].level[k] != c->centre[move[i].var[k]]) -
                     (levels[move[i].var[k]] != c->centre[move[i].var[k]]);
        if (there <= c->radius || there <= (double)here)
            move[kept++] = move[i];
    }
    return kept;
}

/* Predicted damage less that of levels' mean table: score[]. Moves the N_EXACT best to
 * the front; ties keep their order. */
static size_t screen(mico_region *r, const uint8_t *levels, size_t n)
{
    const size_t n_best = n < N_EXACT ? n : N_EXACT;

    mico_gp_mean(r->gp, r->move, n, r->score);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < r->move[i].n; k++) {
            const size_t v = r->move[i].var[k];

            r->score[i] += r->mean[v][r->move[i].level[k]] - r->mean[v][levels[v]];
        }
    for (size_t i = 0; i < n_best; i++) {
        size_t least = i;

        for (size_t j = i + 1; j < n; j++)
            if (r->score[j] < r->score[least])
                least = j;
        const mico_move move = r->move[i];
        const double score = r->score[i];

        r->move[i] = r->move[least];
        r->score[i] = r->score[least];
        r->move[least] = move;
        r->score[least] = score;
    }
    return n_best;
}

static void remember(climb *c, const uint8_t *levels, double score)
{
    const mico_lab *lab = c->r->lab;

    if ((c->found && score <= c->score) || mico_seen_has(&lab->seen, levels) ||
        !mico_room_holds(&lab->room, levels))
        return;
    c->found = true;
    c->score = score;
    memcpy(c->levels, levels, lab->room.n_vars);
}

/* Improvement of levels itself. */
static double score_here(climb *c, const uint8_t *levels)
{
    const mico_move stay = {0};
    double mean, deviation;

    mico_gp_at(c->r->gp, levels);
    mico_gp_mean(c->r->gp, &stay, 1, &mean);
    mico_gp_deviation(c->r->gp, &stay, 1, &deviation);
    mean += mico_lab_sum(c->r->lab, (const mico_table *)c->r->mean, levels);
    return log_improvement(mean, deviation, c->best);
}

static void climb_from(climb *c, const uint8_t *start)
{
    mico_region *r = c->r;
    mico_lab *lab = r->lab;
    uint8_t levels[MICO_MAX_GENES], next[MICO_MAX_GENES];
    double here;

    memcpy(levels, start, lab->room.n_vars);
    here = score_here(c, levels);
    remember(c, levels, here);
    if (mico_seen_has(&lab->seen, levels))
        here = -INFINITY;
    for (size_t step = 0; step < N_STEPS; step++) {
        size_t n = mico_moves_list(lab->moves, levels, lab->rng, N_MOVES, r->move);
        double best = -INFINITY,
               base = mico_lab_sum(lab, (const mico_table *)r->mean, levels);
        size_t at = 0;

        n = screen(r, levels, keep_near(c, levels, n));
        mico_gp_deviation(r->gp, r->move, n, r->deviation);
        for (size_t i = 0; i < n; i++) {
            const double score =
                log_improvement(r->score[i] + base, r->deviation[i], c->best);

            memcpy(next, levels, lab->room.n_vars);
            mico_move_apply(&r->move[i], next);
            remember(c, next, score);
            if (score > best) {
                best = score;
                at = i;
            }
        }
        if (!(best > here))
            break;
        here = best;
        mico_move_apply(&r->move[at], levels);
        mico_gp_at(r->gp, levels);
    }
}

/* A copy of the centre with up to half the radius of moves. */
static void mutate(mico_region *r, const uint8_t *centre, uint8_t *levels)
{
    mico_lab *lab = r->lab;
    const size_t most = r->radius < 4 ? 1 : (size_t)(r->radius / 4);
    const size_t n_steps = 1 + mico_rng_below(lab->rng, most);

    memcpy(levels, centre, lab->room.n_vars);
    for (size_t i = 0; i < n_steps; i++) {
        const size_t n =
            mico_moves_list(lab->moves, levels, lab->rng, N_MOVES, r->move);

        if (n > 0)
            mico_move_apply(&r->move[mico_rng_below(lab->rng, n)], levels);
    }
}

/* The least predicted damage of the points under the cap. */
static double least_damage(mico_region *r)
{
    mico_lab *lab = r->lab;
    double least = INFINITY;

    for (size_t k = 0; k < r->n_points; k++) {
        const uint8_t *at = mico_lab_at(lab, r->point[k]);
        const double mean = mico_gp_smooth(r->gp, k, r->y[k]) +
                            mico_lab_sum(lab, (const mico_table *)r->mean, at);

        if (mean < least && mico_room_holds(&lab->room, at))
            least = mean;
    }
    return least;
}

bool mico_region_ask(mico_region *r, const mico_table *mean, const double *weight,
                     const uint8_t *starts, size_t n_starts, uint8_t *levels)
{
    mico_lab *lab = r->lab;
    const size_t incumbent = mico_lab_incumbent(lab), n_vars = lab->room.n_vars;
    climb c = {.r = r, .radius = r->radius};
    uint8_t mutant[MICO_MAX_GENES];
    size_t n;

    if (incumbent == lab->n)
        return false;
    update(r, mean, weight);
    n = mico_gp_count(r->gp);
    c.best = least_damage(r);
    if (!isfinite(c.best)) /* none of the points is under the cap */
        c.best = lab->damage[incumbent];
    believe(r);
    c.centre = mico_lab_at(lab, incumbent);
    climb_from(&c, c.centre);
    for (size_t i = 0; i < N_MUTANTS; i++) {
        mutate(r, c.centre, mutant);
        climb_from(&c, mutant);
    }
    for (size_t i = 0; i < n_starts; i++)
        climb_from(&c, starts + i * n_vars);
    mico_gp_drop(r->gp, n);
    if (c.found)
        memcpy(levels, c.levels, n_vars);
    return c.found;
}
