/* moves.c: single changes and exchanges that stay within the limits. */
#include "search/moves.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS (MICO_MAX_METRICS + 1) /* the cap is one more row */

struct mico_moves {
    const mico_problem *problem;
    size_t n_rows;
    const mico_metric *metric[MAX_ROWS];
    double limit[MAX_ROWS];
    size_t *first; /* [n_vars + 1]: layers of a variable are layer[first[v]..) */
    uint16_t *layer;
    uint8_t levels[MICO_MAX_GENES];
    double cost[MAX_ROWS]; /* of levels */
};

mico_moves *mico_moves_new(const mico_problem *p)
{
    const mico_space *space = &p->space;
    mico_moves *m = mico_xcalloc(1, sizeof *m);
    size_t n = 0;

    m->problem = p;
    m->n_rows = p->n_constraints;
    for (size_t r = 0; r < p->n_constraints; r++) {
        m->metric[r] = &p->metric[p->constraint[r].metric];
        m->limit[r] = p->constraint[r].limit;
    }
    m->first = mico_xcalloc(space->n_vars + 1, sizeof *m->first);
    m->layer = mico_xcalloc(2 * space->n_layers + 1, sizeof *m->layer);
    for (size_t v = 0; v < space->n_vars; v++) {
        m->first[v] = n;
        for (size_t l = 0; l < space->n_layers; l++)
            if (space->var_of[l] == v || space->var_of[space->n_layers + l] == v)
                m->layer[n++] = (uint16_t)l;
    }
    m->first[space->n_vars] = n;
    return m;
}

void mico_moves_free(mico_moves *m)
{
    if (m == NULL)
        return;
    free(m->first);
    free(m->layer);
    free(m);
}

void mico_moves_cap(mico_moves *m, double cap)
{
    const mico_problem *p = m->problem;

    m->n_rows = p->n_constraints;
    if (!isfinite(cap) || p->n_metrics == 0)
        return;
    m->metric[m->n_rows] = &p->metric[p->pareto_metric];
    m->limit[m->n_rows++] = cap;
}

/* ---- costs --------------------------------------------------------------------------
 */

static double layer_cost(const mico_moves *m, size_t row, size_t l)
{
    const mico_space *space = &m->problem->space;
    const size_t w = space->var_of[l], a = space->var_of[space->n_layers + l];
    const size_t iw = mico_width_index(space->var[w].width[m->levels[w]]);
    const size_t ia = mico_width_index(space->var[a].width[m->levels[a]]);

    return m->metric[row]->table[(l * MICO_N_WIDTHS + iw) * MICO_N_WIDTHS + ia];
}

static void start_at(mico_moves *m, const uint8_t *levels)
{
    memcpy(m->levels, levels, m->problem->space.n_vars);
    for (size_t r = 0; r < m->n_rows; r++) {
        m->cost[r] = m->metric[r]->constant;
        for (size_t l = 0; l < m->problem->space.n_layers; l++)
            m->cost[r] += layer_cost(m, r, l);
    }
}

/* Sets a variable; cost[] becomes what it was plus the difference. */
static void set_level(mico_moves *m, size_t v, uint8_t level, double *cost)
{
    const uint8_t old = m->levels[v];

    for (size_t r = 0; r < m->n_rows; r++) {
        double change = 0;

        for (size_t i = m->first[v]; i < m->first[v + 1]; i++)
            change -= layer_cost(m, r, m->layer[i]);
        m->levels[v] = level;
        for (size_t i = m->first[v]; i < m->first[v + 1]; i++)
            change += layer_cost(m, r, m->layer[i]);
        m->levels[v] = old;
        cost[r] += change;
    }
    m->levels[v] = level;
}

static bool is_within(const mico_moves *m, const double *cost)
{
    for (size_t r = 0; r < m->n_rows; r++)
        if (!(cost[r] <= m->limit[r]))
            return false;
    return true;
}

/* ---- the list
 * ------------------------------------------------------------------------
 */

typedef struct list {
    mico_move *move;
    size_t n, max, n_offered;
    mico_rng *rng;
} list;

/* Keeps max of all that are offered, each with the same chance (reservoir). */
static void offer(list *l, mico_move move)
{
    l->n_offered++;
    if (l->n < l->max) {
        l->move[l->n++] = move;
        return;
    }
    const size_t at = mico_rng_below(l->rng, l->n_offered);

    if (at < l->max)
        l->move[at] = move;
}

static void offer_change(mico_moves *m, list *l, size_t v, uint8_t level)
{
    const uint8_t old = m->levels[v];
    double cost[MAX_ROWS];

    memcpy(cost, m->cost, sizeof cost);
    set_level(m, v, level, cost);
    if (is_within(m, cost))
        offer(l, (mico_move){1, {level, 0}, {(uint16_t)v, 0}});
    m->levels[v] = old;
}

/* up is raised already (cost is that) and out of the limits: lower down. */
static void offer_exchange(mico_moves *m, list *l, size_t up, size_t down,
                           const double *raised)
{
    const uint8_t old = m->levels[down];

    for (uint8_t level = old; level-- > 0;) {
        double cost[MAX_ROWS];

        memcpy(cost, raised, sizeof cost);
        m->levels[down] = old;
        set_level(m, down, level, cost);
        if (is_within(m, cost)) {
            offer(l, (mico_move){
                         2, {m->levels[up], level}, {(uint16_t)up, (uint16_t)down}});
            break;
        }
    }
    m->levels[down] = old;
}

/* Pairs are drawn where there are many more than asked for. */
static void offer_exchanges(mico_moves *m, list *l, size_t up, size_t max_partners)
{
    const size_t n_vars = m->problem->space.n_vars;
    const uint8_t old = m->levels[up];
    double raised[MAX_ROWS];

    memcpy(raised, m->cost, sizeof raised);
    set_level(m, up, (uint8_t)(old + 1), raised);
    if (!is_within(m, raised)) {
        for (size_t i = 0; i < n_vars && i < max_partners; i++) {
            const size_t down =
                max_partners < n_vars ? mico_rng_below(l->rng, n_vars) : i;

            if (down != up)
                offer_exchange(m, l, up, down, raised);
        }
    }
    m->levels[up] = old;
}

size_t mico_moves_list(mico_moves *m, const uint8_t *levels, mico_rng *rng, size_t max,
                       mico_move *out)
{
    const mico_space *space = &m->problem->space;
    const size_t max_partners = 8 * max / (space->n_vars + 1) + 4;
    list l = {.move = out, .max = max, .rng = rng};

    start_at(m, levels);
    for (size_t v = 0; v < space->n_vars; v++)
        for (uint8_t level = 0; level < space->var[v].n; level++)
            if (level != levels[v])
                offer_change(m, &l, v, level);
    for (size_t v = 0; v < space->n_vars && m->n_rows > 0; v++)
        if (levels[v] + 1u < space->var[v].n)
            offer_exchanges(m, &l, v, max_partners);
    return l.n;
}

void mico_move_apply(const mico_move *move, uint8_t *levels)
{
    for (size_t i = 0; i < move->n; i++)
        levels[move->var[i]] = move->level[i];
}
