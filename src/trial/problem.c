/* Search spaces, closed-form costs and constraints. */
#include "trial/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mico_status mico_options_parse(mico_options *out, const char *text, mico_err *err)
{
    bool chosen[MICO_N_WIDTHS] = {false};
    const char *rest = text;
    char item[16], end[16];
    mico_options options = {0};

    while (mico_text_next(&rest, ',', item, sizeof item)) {
        const char *inside = item;
        uint8_t first, last;

        if (!mico_text_next(&inside, '-', end, sizeof end) ||
            !mico_width_parse(end, &first))
            return mico_fail(err, MICO_EJOB, "'%s' is not a width of 1, t, 2..8", item);
        last = first;
        if (*inside != '\0' && !mico_width_parse(inside, &last))
            return mico_fail(err, MICO_EJOB,
                             "'%s' is not a range of widths such as 2-8", item);
        if (mico_width_index(last) < mico_width_index(first))
            return mico_fail(err, MICO_EJOB, "range '%s' runs backwards", item);
        for (size_t i = mico_width_index(first); i <= mico_width_index(last); i++)
            /* a range of numbers, "1-8", does not mean ternary; "t" alone does */
            if (i != 1 || first == last || first == MICO_TERNARY)
                chosen[i] = true;
    }
    for (size_t i = 0; i < MICO_N_WIDTHS; i++)
        if (chosen[i])
            options.width[options.n++] = mico_width_at(i);
    if (options.n == 0)
        return mico_fail(err, MICO_EJOB, "no widths given, e.g. 2-8 or 4,6,8");
    *out = options;
    return MICO_OK;
}

double mico_space_size(const mico_space *space)
{
    double size = 1;

    for (size_t v = 0; v < space->n_vars; v++)
        size = size < 1e300 ? size * space->var[v].n : size;
    return size;
}

void mico_space_scheme(const mico_space *space, const uint8_t *levels, mico_scheme *out)
{
    out->n_layers = space->n_layers;
    for (size_t g = 0; g < 2 * space->n_layers; g++)
        out->bits[g] = space->var[space->var_of[g]].width[levels[space->var_of[g]]];
}

double mico_metric_cost(const mico_metric *metric, const mico_scheme *scheme)
{
    size_t n = scheme->n_layers;
    double cost = metric->constant;

    for (size_t l = 0; l < n; l++)
        cost += metric->table[(l * MICO_N_WIDTHS + mico_width_index(scheme->bits[l])) *
                                  MICO_N_WIDTHS +
                              mico_width_index(scheme->bits[n + l])];
    return cost;
}

double mico_violation(const mico_problem *problem, const mico_scheme *scheme)
{
    double total = 0;

    for (size_t k = 0; k < problem->n_constraints; k++) {
        const mico_constraint *c = &problem->constraint[k];
        double cost = mico_metric_cost(&problem->metric[c->metric], scheme);

        if (cost > c->limit)
            total += c->limit > 0 ? cost / c->limit - 1 : cost + 1;
    }
    return total;
}

double mico_metric_min(const mico_problem *problem, size_t metric)
{
    const mico_space *space = &problem->space;
    const mico_metric *m = &problem->metric[metric];
    mico_scheme scheme;
    uint8_t levels[MICO_MAX_GENES] = {0};
    double best;

    /* Costs are sums over layers, so variables that share no layer are independent;
     * where widths are tied across layers a coordinate descent from the smallest widths
     * is exact for costs that grow with each width, which all of ours do. */
    mico_space_scheme(space, levels, &scheme);
    best = mico_metric_cost(m, &scheme);
    for (size_t v = 0; v < space->n_vars; v++) {
        uint8_t keep = levels[v];

        for (uint8_t i = 0; i < space->var[v].n; i++) {
            double cost;

            levels[v] = i;
            mico_space_scheme(space, levels, &scheme);
            cost = mico_metric_cost(m, &scheme);
            if (cost < best) {
                best = cost;
                keep = i;
            }
        }
        levels[v] = keep;
    }
    return best;
}

void mico_problem_free(mico_problem *problem)
{
    for (size_t k = 0; k < problem->n_metrics; k++)
        free(problem->metric[k].table);
    free(problem->layer_macs);
    free(problem->layer_name);
    *problem = (mico_problem){0};
}
