/* lab.c: outcomes, pending proposals and the knapsack of the model-based searchers. */
#include "search/lab.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NODES       20000 /* of one knapsack */
#define CLIMB_STEPS 1000  /* of the local search where there is no knapsack */
#define CLIMB_MOVES 2000
#define LEAST       0.01 /* accuracies below this part of the best are alike */
#define TIE         1e-9 /* what a level is worth where the model sees no difference */
#define DOUBT       0.1  /* part of a damage that the models need not explain */
#define LEAST_WEIGHT                                                                   \
    0.1               /* of a variable that seems to do nothing, in expected ones      \
                       */
#define MAX_MODEL 800 /* outcomes that an additive model keeps */

/* ---- making -------------------------------------------------------------------------
 */

/* No scheme costs more: the sum of the largest finite entries. */
static double most_expensive(const mico_metric *m, size_t n_layers)
{
    double sum = m->constant;

    for (size_t l = 0; l < n_layers; l++) {
        double most = 0;

        for (size_t i = 0; i < MICO_N_WIDTHS * MICO_N_WIDTHS; i++) {
            const double cost = m->table[l * MICO_N_WIDTHS * MICO_N_WIDTHS + i];

            if (isfinite(cost))
                most = fmax(most, cost);
        }
        sum += most;
    }
    return sum;
}

static bool has_cap(const mico_lab *lab)
{
    return lab->cap_none > 0;
}

static void set_cap(mico_lab *lab, double cap)
{
    mico_constraint *c;

    if (!has_cap(lab))
        return;
    c = &lab->limits.constraint[lab->limits.n_constraints - 1];
    c->limit = cap;
    mico_moves_cap(lab->moves, cap);
    if (lab->classes != NULL)
        lab->classes->limit[lab->classes->n_rows - 1] =
            cap - lab->limits.metric[c->metric].constant;
}

void mico_lab_init(mico_lab *lab, const mico_problem *problem,
                   const mico_search_options *options)
{
    mico_problem *p = &lab->limits;

    *lab = (mico_lab){.limits = *problem, .seed = options->seed, .o = *options};
    lab->moves = mico_moves_new(problem);
    if (p->goal == MICO_GOAL_PARETO && p->n_metrics > 0 &&
        p->n_constraints < MICO_MAX_METRICS) {
        lab->cap_none = most_expensive(&p->metric[p->pareto_metric], p->space.n_layers);
        p->constraint[p->n_constraints++] =
            (mico_constraint){.metric = p->pareto_metric, .limit = lab->cap_none};
    }
    mico_room_init(&lab->room, p);
    lab->classes = mico_classes_new(p);
    lab->rng = mico_rng_new(options->seed, "lab", 0);
    mico_seen_init(&lab->seen, p->space.n_vars);
}

void mico_lab_free(mico_lab *lab)
{
    mico_classes_free(lab->classes);
    mico_moves_free(lab->moves);
    mico_rng_free(lab->rng);
    mico_seen_free(&lab->seen);
    free(lab->levels);
    free(lab->accuracy);
    free(lab->damage);
    free(lab->pending);
}

/* ---- proposals and outcomes ---------------------------------------------------------
 */

void mico_lab_begin(mico_lab *lab, const char *purpose, uint64_t id)
{
    double low, high;
    uint8_t top[MICO_MAX_GENES];

    mico_rng_restart(lab->rng, lab->seed, purpose, id);
    if (!has_cap(lab))
        return;
    set_cap(lab, lab->cap_none);
    mico_room_top(&lab->room, top);
    low = mico_room_cost(&lab->room, lab->room.safe);
    high = mico_room_cost(&lab->room, top);
    for (size_t k = 0; k + 1 < lab->limits.n_constraints; k++)
        if (lab->limits.constraint[k].metric == lab->limits.pareto_metric)
            high = fmin(high, lab->limits.constraint[k].limit);
    if (low < high)
        set_cap(lab, low + (high - low) * mico_rng_uniform(lab->rng));
}

bool mico_lab_propose(mico_lab *lab, uint8_t *levels)
{
    set_cap(lab, lab->cap_none); /* what the cap excludes is left to propose */
    if (!mico_room_holds(&lab->room, levels))
        mico_room_repair(&lab->room, lab->rng, levels, NULL);
    if (!mico_room_fresh(&lab->room, &lab->seen, lab->rng, levels))
        return false;
    if (mico_seen_add(&lab->seen, levels)) {
        lab->pending = mico_grow(lab->pending, lab->n_pending, &lab->pending_capacity,
                                 sizeof *lab->pending);
        lab->pending[lab->n_pending++] = (uint32_t)(lab->seen.n - 1);
    }
    return true;
}

static void forget_pending(mico_lab *lab, const uint8_t *levels)
{
    for (size_t i = 0; i < lab->n_pending; i++) {
        if (memcmp(mico_seen_at(&lab->seen, lab->pending[i]), levels,
                   lab->room.n_vars) == 0) {
            lab->n_pending--;
            memmove(lab->pending + i, lab->pending + i + 1,
                    (lab->n_pending - i) * sizeof *lab->pending);
            return;
        }
    }
}

static double damage_of(const mico_lab *lab, double accuracy)
{
    const double best = lab->accuracy[lab->best];

    return best > 0 ? -log(fmax(accuracy / best, LEAST)) : 0;
}

void mico_lab_tell(mico_lab *lab, const mico_trial *trial, const uint8_t *levels)
{
    const size_t n = lab->n;

    forget_pending(lab, levels);
    if (trial->outcome.state != MICO_STATE_DONE) {
        lab->n_failed++;
        return;
    }
    lab->levels =
        mico_grow(lab->levels, n, &lab->levels_capacity, lab->room.n_vars + 1);
    lab->accuracy =
        mico_grow(lab->accuracy, n, &lab->accuracy_capacity, sizeof *lab->accuracy);
    lab->damage = mico_grow(lab->damage, n, &lab->damage_capacity, sizeof *lab->damage);
    memcpy(lab->levels + n * lab->room.n_vars, levels, lab->room.n_vars);
    lab->accuracy[n] = mico_accuracy(&trial->outcome);
    lab->n++;
    if (n == 0 || lab->accuracy[n] > lab->accuracy[lab->best]) {
        lab->best = n;
        for (size_t i = 0; i < n; i++)
            lab->damage[i] = damage_of(lab, lab->accuracy[i]);
    }
    lab->damage[n] = damage_of(lab, lab->accuracy[n]);
}

const uint8_t *mico_lab_at(const mico_lab *lab, size_t index)
{
    return lab->levels + index * lab->room.n_vars;
}

size_t mico_lab_incumbent(const mico_lab *lab)
{
    size_t best = lab->n;

    if (!has_cap(lab))
        return lab->n > 0 ? lab->best : lab->n;
    for (size_t i = 0; i < lab->n; i++)
        if ((best == lab->n || lab->accuracy[i] > lab->accuracy[best]) &&
            mico_room_holds(&lab->room, mico_lab_at(lab, i)))
            best = i;
    return best;
}

/* ---- sums over variables ------------------------------------------------------------
 */

double mico_lab_sum(const mico_lab *lab, const mico_table *f, const uint8_t *levels)
{
    double sum = 0;

    for (size_t v = 0; v < lab->room.n_vars; v++)
        sum += f[v][levels[v]];
    return sum;
}

void mico_lab_prior(const mico_lab *lab, mico_table *f)
{
    for (size_t v = 0; v < lab->room.n_vars; v++) {
        const mico_options *o = &lab->limits.space.var[v];

        for (size_t l = 0; l < o->n; l++)
            f[v][l] = exp2(-2 * mico_width_bits(o->width[l])) -
                      exp2(-2 * mico_width_bits(o->width[o->n - 1]));
    }
}

void mico_lab_uniform(const mico_lab *lab, uint8_t *levels)
{
    const mico_space *space = &lab->limits.space;

    for (size_t i = MICO_N_WIDTHS; i-- > 0;) {
        for (size_t v = 0; v < space->n_vars; v++) {
            levels[v] = 0;
            while (levels[v] + 1u < space->var[v].n &&
                   mico_width_index(space->var[v].width[levels[v] + 1]) <= i)
                levels[v]++;
        }
        if (mico_room_holds(&lab->room, levels))
            return;
    }
    memcpy(levels, lab->room.safe, space->n_vars);
}

/* Steepest descent over feasible neighbours from the uniform scheme. */
static void climb(mico_lab *lab, const mico_table *worth, uint8_t *levels)
{
    mico_move *move = mico_xcalloc(CLIMB_MOVES, sizeof *move);

    mico_lab_uniform(lab, levels);
    for (size_t step = 0; step < CLIMB_STEPS; step++) {
        const size_t n =
            mico_moves_list(lab->moves, levels, lab->rng, CLIMB_MOVES, move);
        size_t best = n;
        double most = 1e-15;

        for (size_t i = 0; i < n; i++) {
            double gain = 0;

            for (size_t k = 0; k < move[i].n; k++)
                gain += worth[move[i].var[k]][move[i].level[k]] -
                        worth[move[i].var[k]][levels[move[i].var[k]]];
            if (gain > most) {
                most = gain;
                best = i;
            }
        }
        if (best == n)
            break;
        mico_move_apply(&move[best], levels);
    }
    free(move);
}

mico_knap_answer mico_lab_solve(mico_lab *lab, const mico_table *f, uint8_t *levels)
{
    const mico_space *space = &lab->limits.space;
    mico_table *worth = mico_xcalloc(space->n_vars + 1, sizeof *worth);
    mico_knap_answer answer = {.bound = INFINITY};
    double largest = 0;

    for (size_t v = 0; v < space->n_vars; v++)
        for (size_t l = 0; l < space->var[v].n; l++)
            largest = fmax(largest, fabs(f[v][l]));
    for (size_t v = 0; v < space->n_vars; v++)
        for (size_t l = 0; l < space->var[v].n; l++)
            worth[v][l] = -f[v][l] + TIE * largest * (double)l;
    if (lab->classes != NULL)
        answer =
            mico_classes_solve(lab->classes, (const mico_table *)worth, NODES, levels);
    if (!answer.found)
        climb(lab, (const mico_table *)worth, levels);
    if (!mico_room_holds(&lab->room, levels))
        mico_room_repair(&lab->room, lab->rng, levels, NULL);
    answer.value = -mico_lab_sum(lab, f, levels);
    free(worth);
    return answer;
}

/* ---- the additive model -------------------------------------------------------------
 */

static size_t first_of_model(const mico_lab *lab)
{
    const size_t half = MAX_MODEL / 2;

    return lab->n > MAX_MODEL ? (lab->n - half) / half * half : 0;
}

static void add_outcomes(const mico_lab *lab, mico_additive *model, size_t first)
{
    for (size_t i = first + mico_additive_count(model); i < lab->n; i++) {
        const double doubt = DOUBT * lab->damage[i];

        mico_additive_add(model, mico_lab_at(lab, i), doubt * doubt);
    }
    mico_additive_targets(model, lab->damage + first);
}

void mico_lab_model(mico_lab *lab, mico_additive *model)
{
    const size_t first = first_of_model(lab);

    if (first != lab->model_first)
        mico_additive_clear(model);
    lab->model_first = first;
    add_outcomes(lab, model, first);
}

void mico_lab_weights(const mico_lab *lab, const mico_additive *model, double *weight)
{
    const size_t n = lab->room.n_vars;
    const double t = mico_additive_scale(model);
    mico_table *f = mico_xcalloc(n + 1, sizeof *f);
    mico_table *prior = mico_xcalloc(n + 1, sizeof *prior);
    double total = 0;

    mico_lab_prior(lab, prior);
    mico_additive_mean(model, f);
    for (size_t v = 0; v < n; v++) {
        weight[v] = fmax(f[v][0], LEAST_WEIGHT * t * prior[v][0]);
        total += weight[v];
    }
    for (size_t v = 0; v < n; v++)
        weight[v] = total > 0 ? weight[v] * (double)n / total : 1;
    free(f);
    free(prior);
}

void mico_lab_random(mico_lab *lab, uint8_t *levels)
{
    const mico_space *space = &lab->limits.space;
    size_t order[MICO_MAX_GENES];

    mico_room_draw(&lab->room, lab->rng, levels);
    mico_room_repair(&lab->room, lab->rng, levels, NULL);
    for (size_t v = 0; v < space->n_vars; v++)
        order[v] = v;
    mico_rng_shuffle(lab->rng, order, space->n_vars);
    for (size_t i = 0; i < space->n_vars; i++) {
        const size_t v = order[i];

        while (levels[v] + 1u < space->var[v].n) {
            levels[v]++;
            if (mico_room_holds(&lab->room, levels) && mico_rng_uniform(lab->rng) < 0.8)
                continue;
            levels[v]--;
            break;
        }
    }
}

void mico_lab_note(mico_lab *lab, mico_str *out)
{
    mico_additive *model;
    mico_table *f;
    uint8_t levels[MICO_MAX_GENES];
    mico_knap_answer answer;
    double best, gap;

    if (lab->n < 2)
        return;
    set_cap(lab, lab->cap_none);
    f = mico_xcalloc(lab->room.n_vars + 1, sizeof *f);
    best = lab->accuracy[lab->best];
    model = mico_additive_new(&lab->limits.space);
    add_outcomes(lab, model, first_of_model(lab));
    mico_additive_mean(model, f);
    answer = mico_lab_solve(lab, (const mico_table *)f, levels);
    gap = mico_lab_sum(lab, (const mico_table *)f, mico_lab_at(lab, lab->best)) +
          answer.bound;
    if (isfinite(answer.bound))
        mico_str_add(out,
                     "fitted additive model: no feasible scheme above %.4f; incumbent "
                     "%.4f",
                     fmax(best * exp(fmax(gap, 0)), best), best);
    mico_additive_free(model);
    free(f);
}
