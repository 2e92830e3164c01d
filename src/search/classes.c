/* classes.c: from layers that share variables to the classes of a knapsack. */
#include "search/classes.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which variables belong together ----------------------------------------------
 */

static size_t root_of(size_t *parent, size_t v)
{
    while (parent[v] != v)
        v = parent[v] = parent[parent[v]];
    return v;
}

/* class_of[var]; returns how many classes. */
static size_t find_classes(const mico_space *space, size_t *class_of)
{
    size_t *parent = mico_xcalloc(space->n_vars + 1, sizeof *parent), n = 0;

    for (size_t v = 0; v < space->n_vars; v++)
        parent[v] = v;
    for (size_t l = 0; l < space->n_layers; l++)
        parent[root_of(parent, space->var_of[space->n_layers + l])] =
            root_of(parent, space->var_of[l]);
    for (size_t v = 0; v < space->n_vars; v++)
        if (root_of(parent, v) == v)
            class_of[v] = n++;
    for (size_t v = 0; v < space->n_vars; v++)
        class_of[v] = class_of[root_of(parent, v)];
    free(parent);
    return n;
}

/* ---- options ------------------------------------------------------------------------
 */

static bool count_options(const mico_space *space, mico_class *class)
{
    class->n_options = 1;
    for (size_t i = 0; i < class->n_vars; i++) {
        class->n_options *= space->var[class->var[i]].n;
        if (class->n_options > MICO_CLASS_OPTIONS)
            return false;
    }
    return true;
}

/* Cost of the class's layers on a metric, all other layers left out. */
static double class_cost(const mico_problem *p, const mico_metric *metric, size_t class,
                         const size_t *class_of, const mico_scheme *scheme)
{
    const size_t n = p->space.n_layers;
    double sum = 0;

    for (size_t l = 0; l < n; l++)
        if (class_of[p->space.var_of[l]] == class)
            sum +=
                metric->table[(l * MICO_N_WIDTHS + mico_width_index(scheme->bits[l])) *
                                  MICO_N_WIDTHS +
                              mico_width_index(scheme->bits[n + l])];
    return sum;
}

/* Fills in levels and costs; options that no hardware has (infinite cost) are left out.
 */
static void fill_options(const mico_problem *p, size_t at, const size_t *class_of,
                         mico_class *class, size_t n_rows)
{
    uint8_t all[MICO_MAX_GENES] = {0};
    size_t kept = 0;

    for (size_t o = 0; o < class->n_options; o++) {
        uint8_t *levels = class->levels + kept * class->n_vars;
        double *cost = class->cost + kept * n_rows;
        size_t rest = o;
        bool possible = true;
        mico_scheme scheme;

        for (size_t i = 0; i < class->n_vars; i++) {
            const size_t v = class->var[i];

            all[v] = levels[i] = (uint8_t)(rest % p->space.var[v].n);
            rest /= p->space.var[v].n;
        }
        mico_space_scheme(&p->space, all, &scheme);
        for (size_t r = 0; r < n_rows; r++) {
            cost[r] = class_cost(p, &p->metric[p->constraint[r].metric], at, class_of,
                                 &scheme);
            possible = possible && isfinite(cost[r]);
        }
        kept += possible;
    }
    class->n_options = kept;
}

mico_classes *mico_classes_new(const mico_problem *p)
{
    mico_classes *c = mico_xcalloc(1, sizeof *c);
    size_t *class_of = mico_xcalloc(p->space.n_vars + 1, sizeof *class_of);
    bool fits = true;

    c->n = find_classes(&p->space, class_of);
    c->n_rows = p->n_constraints;
    c->class = mico_xcalloc(c->n + 1, sizeof *c->class);
    c->limit = mico_xcalloc(c->n_rows + 1, sizeof *c->limit);
    for (size_t r = 0; r < c->n_rows; r++)
        c->limit[r] =
            p->constraint[r].limit - p->metric[p->constraint[r].metric].constant;
    for (size_t k = 0; k < c->n; k++) {
        mico_class *class = &c->class[k];

        class->var = mico_xcalloc(p->space.n_vars + 1, sizeof *class->var);
        for (size_t v = 0; v < p->space.n_vars; v++)
            if (class_of[v] == k)
                class->var[class->n_vars++] = (uint16_t)v;
        if (!(fits = fits && count_options(&p->space, class)))
            break;
        class->levels = mico_xcalloc(class->n_options + 1, class->n_vars + 1);
        class->cost =
            mico_xcalloc(class->n_options + 1, (c->n_rows + 1) * sizeof(double));
        class->value = mico_xcalloc(class->n_options + 1, sizeof(double));
        fill_options(p, k, class_of, class, c->n_rows);
    }
    free(class_of);
    if (!fits) {
        mico_classes_free(c);
        return NULL;
    }
    return c;
}

void mico_classes_free(mico_classes *c)
{
    if (c == NULL)
        return;
    for (size_t k = 0; k < c->n; k++) {
        free(c->class[k].var);
        free(c->class[k].levels);
        free(c->class[k].cost);
        free(c->class[k].value);
    }
    free(c->class);
    free(c->limit);
    free(c);
}

mico_knap_answer mico_classes_solve(mico_classes *c,
                                    const double (*worth)[MICO_N_WIDTHS],
                                    uint64_t max_nodes, uint8_t *levels)
{
    mico_knap_class *class = mico_xcalloc(c->n + 1, sizeof *class);
    uint32_t *choice = mico_xcalloc(c->n + 1, sizeof *choice);
    const mico_knap knap = {c->n, c->n_rows, class, c->limit};
    mico_knap_answer answer = {.proven = true, .bound = -INFINITY, .value = -INFINITY};
    bool possible = true;

    for (size_t k = 0; k < c->n; k++) {
        mico_class *from = &c->class[k];

        for (size_t o = 0; o < from->n_options; o++) {
            from->value[o] = 0;
            for (size_t i = 0; i < from->n_vars; i++)
                from->value[o] +=
                    worth[from->var[i]][from->levels[o * from->n_vars + i]];
        }
        class[k] = (mico_knap_class){from->n_options, from->value, from->cost};
        possible = possible && from->n_options > 0;
    }
    if (possible)
        answer = mico_knap_solve(&knap, max_nodes, choice);
    for (size_t k = 0; k < c->n && answer.found; k++)
        for (size_t i = 0; i < c->class[k].n_vars; i++)
            levels[c->class[k].var[i]] =
                c->class[k].levels[choice[k] * c->class[k].n_vars + i];
    free(class);
    free(choice);
    return answer;
}
