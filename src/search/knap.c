/* knap.c: branch and bound for multiple-choice knapsacks with a few limits. */
#include "search/knap.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DUAL_STEPS 60   /* bisection steps of one multiplier */
#define DUAL_LAPS  12   /* laps over the multipliers */
#define SLACK      1e-9 /* limits are met within this part of them */

/* Options of a class in the order in which the tree tries them. */
typedef struct class_order {
    uint32_t *option; /* by falling reduced value */
    double *reduced;  /* value - sum of multiplier * cost, of option[] */
    double *least;    /* [n_rows]: cheapest option of the class */
} class_order;

typedef struct solver {
    const mico_knap *knap;
    double *multiplier;  /* [n_rows] */
    double *limit;       /* [n_rows], with the slack */
    class_order *order;  /* [n_classes] */
    size_t *class;       /* in the order of branching */
    double *least_after; /* [n_classes + 1][n_rows]: cheapest sum of the classes left */
    double *used;        /* [n_rows] */
    uint32_t *now, *best;
    double best_value;
    bool found;
    uint64_t nodes, max_nodes;
    double open_bound; /* largest bound of what was cut off by max_nodes */
} solver;

static double cost_of(const mico_knap *k, size_t class, size_t option, size_t row)
{
    return k->class[class].cost[option * k->n_rows + row];
}

static double reduced_of(const mico_knap *k, const double *multiplier, size_t class,
                         size_t option)
{
    double v = k->class[class].value[option];

    for (size_t r = 0; r < k->n_rows; r++)
        v -= multiplier[r] * cost_of(k, class, option, r);
    return v;
}

/* ---- the dual ----------------------------------------------------------------------
 */

/* The Lagrangian's best choice for these multipliers (ties: cheaper in row); its value
 * is an upper bound. */
static double relax(const solver *s, size_t row, uint32_t *choice)
{
    const mico_knap *k = s->knap;
    double bound = 0;

    for (size_t r = 0; r < k->n_rows; r++)
        bound += s->multiplier[r] * s->limit[r];
    for (size_t c = 0; c < k->n_classes; c++) {
        double best = -INFINITY;

        for (size_t o = 0; o < k->class[c].n; o++) {
            const double v = reduced_of(k, s->multiplier, c, o);

            if (v > best || (v == best && k->n_rows > 0 &&
                             cost_of(k, c, o, row) < cost_of(k, c, choice[c], row))) {
                best = v;
                choice[c] = (uint32_t)o;
            }
        }
        bound += best;
    }
    return bound;
}

static double total(const mico_knap *k, const uint32_t *choice, size_t row)
{
    double sum = 0;

    for (size_t c = 0; c < k->n_classes; c++)
        sum += cost_of(k, c, choice[c], row);
    return sum;
}

/* The smallest multiplier of one row at which the relaxed choice meets its limit. */
static void bisect_row(solver *s, size_t row)
{
    const mico_knap *k = s->knap;
    double lo = 0, hi = 1e-12;

    s->multiplier[row] = 0;
    relax(s, row, s->now);
    if (total(k, s->now, row) <= s->limit[row])
        return;
    for (int i = 0; i < 200; i++, hi *= 4) {
        s->multiplier[row] = hi;
        relax(s, row, s->now);
        if (total(k, s->now, row) <= s->limit[row])
            break;
        lo = hi;
    }
    for (int i = 0; i < DUAL_STEPS; i++) {
        const double middle = lo + (hi - lo) / 2;

        s->multiplier[row] = middle;
        relax(s, row, s->now);
        if (total(k, s->now, row) <= s->limit[row])
            hi = middle;
        else
            lo = middle;
    }
    s->multiplier[row] = hi;
}

static bool feasible(const solver *s, const uint32_t *choice)
{
    for (size_t r = 0; r < s->knap->n_rows; r++)
        if (!(total(s->knap, choice, r) <= s->limit[r]))
            return false;
    return true;
}

static double value_of(const mico_knap *k, const uint32_t *choice)
{
    double sum = 0;

    for (size_t c = 0; c < k->n_classes; c++)
        sum += k->class[c].value[choice[c]];
    return sum;
}

static void offer(solver *s, const uint32_t *choice)
{
    const double value = value_of(s->knap, choice);

    if (s->found && !(value > s->best_value))
        return;
    s->found = true;
    s->best_value = value;
    memcpy(s->best, choice, s->knap->n_classes * sizeof *choice);
}

/* Single changes that stay feasible, the most valuable first, until none is left. */
static void climb(solver *s, uint32_t *choice)
{
    const mico_knap *k = s->knap;

    for (;;) {
        double gain = 0;
        size_t at = k->n_classes;
        uint32_t to = 0;

        for (size_t r = 0; r < k->n_rows; r++)
            s->used[r] = total(k, choice, r);
        for (size_t c = 0; c < k->n_classes; c++)
            for (size_t o = 0; o < k->class[c].n; o++) {
                const double more = k->class[c].value[o] - k->class[c].value[choice[c]];
                bool fits = more > gain;

                for (size_t r = 0; r < k->n_rows && fits; r++)
                    fits = s->used[r] + cost_of(k, c, o, r) -
                               cost_of(k, c, choice[c], r) <=
                           s->limit[r];
                if (fits) {
                    gain = more;
                    at = c;
                    to = (uint32_t)o;
                }
            }
        if (at == k->n_classes)
            return;
        choice[at] = to;
    }
}

/* Multipliers by laps of bisection; every feasible relaxed choice is a start. */
static double solve_dual(solver *s)
{
    const mico_knap *k = s->knap;
    double bound = INFINITY, *best = mico_xcalloc(k->n_rows + 1, sizeof *best);

    for (int lap = 0; lap < (k->n_rows > 1 ? DUAL_LAPS : 1); lap++)
        for (size_t r = 0; r < (k->n_rows > 0 ? k->n_rows : 1); r++) {
            double b;

            if (k->n_rows > 0)
                bisect_row(s, r);
            b = relax(s, r, s->now);
            if (b < bound) {
                bound = b;
                memcpy(best, s->multiplier, k->n_rows * sizeof *best);
            }
            if (feasible(s, s->now)) {
                climb(s, s->now);
                offer(s, s->now);
            }
        }
    memcpy(s->multiplier, best, k->n_rows * sizeof *best);
    free(best);
    return bound;
}

/* ---- the tree ----------------------------------------------------------------------
 */

static void order_class(solver *s, size_t class)
{
    const mico_knap *k = s->knap;
    const size_t n = k->class[class].n;
    class_order *o = &s->order[class];

    o->option = mico_xcalloc(n, sizeof *o->option);
    o->reduced = mico_xcalloc(n, sizeof *o->reduced);
    o->least = mico_xcalloc(k->n_rows + 1, sizeof *o->least);
    for (size_t i = 0; i < n; i++) { /* insertion: classes are small */
        const double v = reduced_of(k, s->multiplier, class, i);
        size_t at = i;

        for (; at > 0 && o->reduced[at - 1] < v; at--) {
            o->reduced[at] = o->reduced[at - 1];
            o->option[at] = o->option[at - 1];
        }
        o->reduced[at] = v;
        o->option[at] = (uint32_t)i;
        for (size_t r = 0; r < k->n_rows; r++)
            if (i == 0 || cost_of(k, class, i, r) < o->least[r])
                o->least[r] = cost_of(k, class, i, r);
    }
}

/* What choosing the second option instead of the first costs: classes where that is
 * much are decided first. */
static double regret(const solver *s, size_t class)
{
    const class_order *o = &s->order[class];

    return s->knap->class[class].n > 1 ? o->reduced[0] - o->reduced[1] : INFINITY;
}

static void order_classes(solver *s)
{
    const size_t n = s->knap->n_classes, rows = s->knap->n_rows;

    for (size_t i = 0; i < n; i++) {
        size_t at = i;

        for (; at > 0 && regret(s, s->class[at - 1]) < regret(s, i); at--)
            s->class[at] = s->class[at - 1];
        s->class[at] = i;
    }
    for (size_t i = n; i-- > 0;)
        for (size_t r = 0; r < rows; r++)
            s->least_after[i * rows + r] =
                s->least_after[(i + 1) * rows + r] + s->order[s->class[i]].least[r];
}

/* Whether the cheapest completion of the first `depth` classes meets all limits. */
static bool completes(const solver *s, size_t depth)
{
    for (size_t r = 0; r < s->knap->n_rows; r++)
        if (!(s->used[r] + s->least_after[depth * s->knap->n_rows + r] <= s->limit[r]))
            return false;
    return true;
}

static void take(solver *s, size_t class, uint32_t option, double sign)
{
    for (size_t r = 0; r < s->knap->n_rows; r++)
        s->used[r] += sign * cost_of(s->knap, class, option, r);
}

/* bound: of all choices that agree with the first `depth` classes. */
static void descend(solver *s, size_t depth, double bound)
{
    const size_t class = depth < s->knap->n_classes ? s->class[depth] : 0;
    const class_order *o = &s->order[class];

    if (depth == s->knap->n_classes) {
        if (feasible(s, s->now))
            offer(s, s->now);
        return;
    }
    for (size_t i = 0; i < s->knap->class[class].n; i++) {
        const double below = bound - (o->reduced[0] - o->reduced[i]);

        if (s->found && below <= s->best_value + 1e-12 * fabs(s->best_value))
            return;
        if (s->nodes == s->max_nodes) {
            s->open_bound = fmax(s->open_bound, below);
            return;
        }
        s->nodes++;
        s->now[class] = o->option[i];
        take(s, class, o->option[i], 1);
        if (completes(s, depth + 1))
            descend(s, depth + 1, below);
        take(s, class, o->option[i], -1);
    }
}

static void solver_free(solver *s)
{
    for (size_t c = 0; c < s->knap->n_classes; c++) {
        free(s->order[c].option);
        free(s->order[c].reduced);
        free(s->order[c].least);
    }
    free(s->order);
    free(s->multiplier);
    free(s->limit);
    free(s->class);
    free(s->least_after);
    free(s->used);
    free(s->now);
}

mico_knap_answer mico_knap_solve(const mico_knap *knap, uint64_t max_nodes,
                                 uint32_t *choice)
{
    const size_t n = knap->n_classes, rows = knap->n_rows;
    solver s = {.knap = knap,
                .multiplier = mico_xcalloc(rows + 1, sizeof(double)),
                .limit = mico_xcalloc(rows + 1, sizeof(double)),
                .order = mico_xcalloc(n + 1, sizeof *s.order),
                .class = mico_xcalloc(n + 1, sizeof *s.class),
                .least_after = mico_xcalloc((n + 1) * (rows + 1), sizeof(double)),
                .used = mico_xcalloc(rows + 1, sizeof(double)),
                .now = mico_xcalloc(n + 1, sizeof *s.now),
                .best = choice,
                .max_nodes = max_nodes,
                .open_bound = -INFINITY};
    mico_knap_answer answer = {0};
    double bound;

    for (size_t r = 0; r < rows; r++)
        s.limit[r] = knap->limit[r] + SLACK * fabs(knap->limit[r]);
    bound = solve_dual(&s);
    for (size_t c = 0; c < n; c++)
        order_class(&s, c);
    order_classes(&s);
    memset(s.used, 0, rows * sizeof *s.used);
    descend(&s, 0, bound);
    answer.found = s.found;
    answer.proven = s.open_bound == -INFINITY;
    answer.nodes = s.nodes;
    answer.value = s.found ? s.best_value : -INFINITY;
    answer.bound = answer.proven ? answer.value : fmax(answer.value, s.open_bound);
    solver_free(&s);
    return answer;
}
