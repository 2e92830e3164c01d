/* Depth-first walk over the feasible schemes, pruned by lower bounds of the costs.
 *
 * A branch fixes variables 0..i. Its cost is at least the sum over layers of the
 * smallest table entry that the fixed variables leave, so a branch whose bound is above
 * a limit holds no feasible scheme. With several constraints the mean of cost/limit
 * must also be at most 1, which cuts branches that meet each limit alone but not all
 * together. */
#include "search/search_internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Index FREE of a row stands for "not fixed yet": the smallest entry that is possible.
 */
#define FREE MICO_N_WIDTHS
#define SIDE (MICO_N_WIDTHS + 1)

/* Bounds are sums in another order than costs: never prune by a rounding error. */
#define SLACK 1e-9

static double *row_of(const mico_walk *walk, size_t r, size_t layer)
{
    return walk->row + (r * walk->problem->space.n_layers + layer) * SIDE * SIDE;
}

/* Turns exact entries into bounds where a width is FREE. */
static void fill_free(const mico_space *space, size_t layer, double *row)
{
    size_t vw = space->var_of[layer], va = space->var_of[space->n_layers + layer];
    const mico_options *w = &space->var[vw], *a = &space->var[va];

    for (size_t i = 0; i < SIDE; i++)
        row[i * SIDE + FREE] = row[FREE * SIDE + i] = INFINITY;
    for (size_t i = 0; i < w->n; i++) {
        for (size_t j = 0; j < a->n; j++) {
            size_t iw = mico_width_index(w->width[i]),
                   ia = mico_width_index(a->width[j]);
            double cost = row[iw * SIDE + ia];

            if (vw == va && i != j)
                continue;
            row[iw * SIDE + FREE] = fmin(row[iw * SIDE + FREE], cost);
            row[FREE * SIDE + ia] = fmin(row[FREE * SIDE + ia], cost);
            row[FREE * SIDE + FREE] = fmin(row[FREE * SIDE + FREE], cost);
        }
    }
}

/* Row k of the first n_constraints is cost/limit - constant/limit of constraint k,
 * whose sum may reach 1 - constant/limit; to keep one form, each layer carries its
 * share of the constant. A limit of 0 or less is compared on the scale of 1. */
static void fill_row(mico_walk *walk, size_t r, const double *weight)
{
    const mico_problem *p = walk->problem;
    size_t n_layers = p->space.n_layers;

    for (size_t l = 0; l < n_layers; l++) {
        double *row = row_of(walk, r, l);

        for (size_t k = 0; k < p->n_constraints; k++) {
            const mico_metric *m = &p->metric[p->constraint[k].metric];
            double limit = p->constraint[k].limit;
            double scale = weight[k] / (limit > 0 ? limit : 1);
            double shift = limit > 0 ? 0 : weight[k] * (1 - limit) / (double)n_layers;
            double share = scale * m->constant / (double)n_layers + shift;

            if (weight[k] == 0)
                continue;
            for (size_t iw = 0; iw < MICO_N_WIDTHS; iw++)
                for (size_t ia = 0; ia < MICO_N_WIDTHS; ia++)
                    row[iw * SIDE + ia] +=
                        share +
                        scale * m->table[(l * MICO_N_WIDTHS + iw) * MICO_N_WIDTHS + ia];
        }
        fill_free(&p->space, l, row);
    }
}

void mico_walk_init(mico_walk *walk, const mico_problem *problem)
{
    size_t n = problem->n_constraints;

    *walk = (mico_walk){.problem = problem, .n_vars = problem->space.n_vars};
    walk->n_rows = n > 1 ? n + 1 : n;
    walk->row = mico_xcalloc(walk->n_rows * problem->space.n_layers,
                             SIDE * SIDE * sizeof *walk->row);
    for (size_t r = 0; r < walk->n_rows; r++) {
        double weight[MICO_MAX_METRICS] = {0};

        for (size_t k = 0; k < n; k++)
            weight[k] = r == n ? 1 / (double)n : k == r;
        fill_row(walk, r, weight);
    }
}

static size_t width_in(const mico_walk *walk, size_t gene, size_t n_fixed)
{
    const mico_space *space = &walk->problem->space;
    size_t v = space->var_of[gene];

    return v < n_fixed ? mico_width_index(space->var[v].width[walk->levels[v]]) : FREE;
}

/* Could a scheme with the first n_fixed variables as they are be feasible? */
static bool is_promising(const mico_walk *walk, size_t n_fixed)
{
    size_t n_layers = walk->problem->space.n_layers;
    double bound[MICO_MAX_METRICS + 1] = {0};

    for (size_t l = 0; l < n_layers; l++) {
        size_t iw = width_in(walk, l, n_fixed);
        size_t ia = width_in(walk, n_layers + l, n_fixed);

        for (size_t r = 0; r < walk->n_rows; r++)
            bound[r] += row_of(walk, r, l)[iw * SIDE + ia];
    }
    for (size_t r = 0; r < walk->n_rows; r++)
        if (bound[r] > 1 + SLACK)
            return false;
    return true;
}

static bool is_feasible(const mico_walk *walk)
{
    mico_scheme scheme;

    mico_space_scheme(&walk->problem->space, walk->levels, &scheme);
    return mico_violation(walk->problem, &scheme) <= 0;
}

mico_walk_step mico_walk_next(mico_walk *walk, uint64_t *nodes, uint8_t *levels)
{
    const mico_space *space = &walk->problem->space;

    for (;;) {
        size_t i = walk->at;

        if (walk->levels[i] >= space->var[i].n) {
            if (i == 0)
                return MICO_WALK_END;
            walk->at--;
            walk->levels[i - 1]++;
            continue;
        }
        if (*nodes == 0)
            return MICO_WALK_TIRED;
        --*nodes;
        if (!is_promising(walk, i + 1)) {
            walk->levels[i]++;
        } else if (i + 1 < walk->n_vars) {
            walk->at++;
            walk->levels[i + 1] = 0;
        } else {
            bool found = is_feasible(walk);

            memcpy(levels, walk->levels, walk->n_vars);
            walk->levels[i]++;
            if (found)
                return MICO_WALK_FOUND;
        }
    }
}

void mico_walk_free(mico_walk *walk)
{
    free(walk->row);
    *walk = (mico_walk){0};
}
