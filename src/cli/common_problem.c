/* From a study and its network to the problem that searchers see. */
#include "cli/common.h"

#include "core/mem.h"
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

/* Layers of the same group share their widths. block:N groups runs of N layers;
 * position:N groups the layers at the same place of blocks of N, and what is left
 * behind the last whole block (the output layer) stays alone. */
static mico_status make_groups(size_t *group, const char *text, size_t n, mico_err *err)
{
    bool block = strncmp(text, "block:", 6) == 0;
    bool position = strncmp(text, "position:", 9) == 0;
    int64_t size = 1;

    if (strcmp(text, "none") != 0 &&
        (!(block || position) || !mico_text_int(text + (block ? 6 : 9), &size) ||
         size < 1 || (uint64_t)size > n))
        return mico_fail(err, MICO_EJOB,
                         "[space] groups = %s: must be none, block:N or position:N, N "
                         "from 1 to the number of layers, %zu",
                         text, n);
    for (size_t l = 0; l < n; l++) {
        const size_t k = (size_t)size;

        group[l] = block ? l / k : position && l < n / k * k ? l % k : l;
    }
    return MICO_OK;
}

/* The earliest layer of l's group that is free as l is; l where there is none. */
static size_t leader_of(const size_t *group, const bool *fixed, size_t l)
{
    for (size_t earlier = 0; earlier < l && !fixed[l]; earlier++)
        if (group[earlier] == group[l] && !fixed[earlier])
            return earlier;
    return l;
}

static mico_status make_space(mico_space *space, const mico_study *study, size_t n,
                              mico_err *err)
{
    mico_options weights, acts, fixed = {0};
    bool free_ends = strcmp(study->space_first_last, "free") == 0;
    bool tied = strcmp(study->space_tie, "wa") == 0, is_fixed[MICO_MAX_LAYERS];
    size_t group[MICO_MAX_LAYERS];
    mico_status rc;

    rc = mico_options_parse(&weights, study->space_weight_bits, err);
    if (rc != MICO_OK) {
        mico_err_prefix(err, "[space] weight_bits");
        return rc;
    }
    rc = mico_options_parse(&acts, study->space_act_bits, err);
    if (rc != MICO_OK) {
        mico_err_prefix(err, "[space] act_bits");
        return rc;
    }
    if (!free_ends && !mico_width_parse(study->space_first_last, &fixed.width[0]))
        return mico_fail(err, MICO_EJOB,
                         "[space] first_last = %s: must be free or a width "
                         "of 1, t, 2..8",
                         study->space_first_last);
    if (tied &&
        (weights.n != acts.n || memcmp(weights.width, acts.width, weights.n) != 0))
        return mico_fail(err, MICO_EJOB,
                         "[space] tie = wa needs the same weight_bits and "
                         "act_bits");
    rc = make_groups(group, study->space_groups, n, err);
    if (rc != MICO_OK)
        return rc;
    fixed.n = 1;
    space->n_layers = n;
    for (size_t g = 0; g < 2 * n; g++) {
        size_t l = g % n, leader;

        is_fixed[l] = !free_ends && (l == 0 || l + 1 == n);
        leader = leader_of(group, is_fixed, l);
        if ((g >= n && tied) || leader < l) {
            space->var_of[g] = space->var_of[g >= n && tied ? l : g - l + leader];
            continue;
        }
        space->var_of[g] = (uint16_t)space->n_vars;
        space->var[space->n_vars++] = is_fixed[l] ? fixed : g < n ? weights : acts;
    }
    return MICO_OK;
}

static mico_status find_metric(const mico_problem *problem, const char *name,
                               size_t *out, mico_err *err)
{
    for (size_t k = 0; k < problem->n_metrics; k++) {
        if (strcmp(problem->metric[k].name, name) == 0) {
            *out = k;
            return MICO_OK;
        }
    }
    if (mico_target_find(name, err) == NULL)
        return MICO_EJOB;
    return mico_fail(err, MICO_EJOB, "the table has no cost '%s'; make it again", name);
}

static mico_status make_limit(mico_problem *problem, const mico_limit *limit,
                              mico_err *err)
{
    mico_constraint *c = &problem->constraint[problem->n_constraints];
    mico_status rc = find_metric(problem, limit->metric, &c->metric, err);
    const mico_metric *metric;

    if (rc != MICO_OK)
        return rc;
    metric = &problem->metric[c->metric];
    c->limit = limit->value;
    if (limit->relative) {
        mico_scheme scheme;

        rc = mico_scheme_parse(&scheme, limit->of, problem->space.n_layers, err);
        if (rc != MICO_OK)
            return rc;
        c->limit *= mico_metric_cost(metric, &scheme);
    }
    if (limit->bytes && strcmp(metric->unit, "bits") == 0)
        c->limit *= 8;
    else if (limit->bytes)
        return mico_fail(err, MICO_EJOB, "%s is counted in %s, not bytes", metric->name,
                         metric->unit);
    snprintf(c->text, sizeof c->text, "%s", limit->text);
    problem->n_constraints++;
    return MICO_OK;
}

static mico_status make_limits(mico_problem *problem, const mico_study *study,
                               mico_err *err)
{
    mico_limit limits[MICO_MAX_METRICS];
    size_t n;
    mico_status rc = mico_limits_parse(study->objective_subject_to, limits,
                                       MICO_MAX_METRICS, &n, err);

    for (size_t i = 0; i < n && rc == MICO_OK; i++) {
        rc = make_limit(problem, &limits[i], err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "[objective] subject_to = %s", limits[i].text);
    }
    return rc;
}

/* Limits, cost axis and goal: what a job asks of layers, space and metrics. */
static mico_status make_goal(mico_problem *problem, const mico_study *study,
                             mico_err *err)
{
    const char *cost = study->objective_cost;
    mico_scheme reference;
    mico_status rc;

    problem->goal = strcmp(study->objective_goal, "pareto") == 0 ? MICO_GOAL_PARETO
                                                                 : MICO_GOAL_ACCURACY;
    rc = make_limits(problem, study, err);
    if (rc == MICO_OK && cost[0] != '\0') {
        rc = find_metric(problem, cost, &problem->pareto_metric, err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "[objective] cost");
    } else if (problem->n_constraints > 0) {
        problem->pareto_metric = problem->constraint[0].metric;
    }
    if (rc == MICO_OK) {
        rc = mico_scheme_parse(&reference, study->objective_reference,
                               problem->space.n_layers, err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "[objective] reference");
    }
    return rc;
}

mico_status mico_problem_make(mico_problem *out, const mico_study *study,
                              const mico_net *net, mico_err *err)
{
    mico_problem problem = {0};
    size_t n = net->n_layers;
    mico_status rc = make_space(&problem.space, study, n, err);

    if (rc != MICO_OK)
        return rc;
    for (size_t t = 0; t < mico_n_targets; t++)
        mico_target_metric(&mico_targets[t], net, &problem.metric[problem.n_metrics++]);
    problem.layer_macs = mico_xcalloc(n, sizeof *problem.layer_macs);
    problem.layer_name = mico_xcalloc(n, sizeof *problem.layer_name);
    for (size_t l = 0; l < n; l++) {
        problem.layer_macs[l] = mico_layer_macs(net, l);
        snprintf(problem.layer_name[l], sizeof problem.layer_name[l], "%s",
                 mico_layer_node(net, l)->name);
    }
    rc = make_goal(&problem, study, err);
    if (rc != MICO_OK)
        mico_problem_free(&problem);
    else
        *out = problem;
    return rc;
}

/* ---- problems whose trials are looked up -------------------------------------------
 */

static size_t root_of(const size_t *parent, size_t gene)
{
    while (parent[gene] != gene)
        gene = parent[gene];
    return gene;
}

static mico_options both(const mico_options *a, const mico_options *b)
{
    mico_options out = {0};

    for (uint8_t i = 0; i < a->n; i++)
        if (memchr(b->width, a->width[i], b->n) != NULL)
            out.width[out.n++] = a->width[i];
    return out;
}

/* The schemes that both spaces hold: genes that either ties are tied, and take the
 * widths that all their variables allow. */
static mico_status meet(mico_space *out, const mico_space *a, const mico_space *b,
                        mico_err *err)
{
    const size_t n = 2 * a->n_layers;
    size_t parent[MICO_MAX_GENES], var[MICO_MAX_GENES];

    *out = (mico_space){.n_layers = a->n_layers};
    for (size_t g = 0; g < n; g++) {
        parent[g] = g;
        for (size_t earlier = 0; earlier < g; earlier++)
            if (a->var_of[earlier] == a->var_of[g] ||
                b->var_of[earlier] == b->var_of[g])
                parent[root_of(parent, g)] = root_of(parent, earlier);
    }
    for (size_t g = 0; g < n; g++)
        var[g] = SIZE_MAX;
    for (size_t g = 0; g < n; g++) {
        size_t root = root_of(parent, g);
        mico_options *options;

        if (var[root] == SIZE_MAX) {
            var[root] = out->n_vars++;
            out->var[var[root]] = a->var[a->var_of[g]];
        }
        options = &out->var[var[root]];
        *options = both(options, &a->var[a->var_of[g]]);
        *options = both(options, &b->var[b->var_of[g]]);
        out->var_of[g] = (uint16_t)var[root];
        if (options->n == 0)
            return mico_fail(err, MICO_EJOB,
                             "[space] allows no width of the table for the %s of layer "
                             "%zu",
                             g < a->n_layers ? "weights" : "activations",
                             g % a->n_layers);
    }
    return MICO_OK;
}

mico_status mico_problem_of_table(mico_problem *out, const mico_study *study,
                                  const mico_census *census, mico_err *err)
{
    const mico_problem *from = &census->problem;
    size_t n = from->space.n_layers, cells = n * MICO_N_WIDTHS * MICO_N_WIDTHS;
    mico_problem problem = {0};
    mico_space asked = {0};
    mico_status rc = make_space(&asked, study, n, err);

    if (rc == MICO_OK)
        rc = meet(&problem.space, &asked, &from->space, err);
    if (rc != MICO_OK)
        return rc;
    for (; problem.n_metrics < from->n_metrics; problem.n_metrics++) {
        mico_metric *metric = &problem.metric[problem.n_metrics];

        *metric = from->metric[problem.n_metrics];
        metric->table = mico_xcalloc(cells, sizeof(double));
        memcpy(metric->table, from->metric[problem.n_metrics].table,
               cells * sizeof(double));
    }
    problem.layer_macs = mico_xcalloc(n, sizeof *problem.layer_macs);
    memcpy(problem.layer_macs, from->layer_macs, n * sizeof *problem.layer_macs);
    problem.layer_name = mico_xcalloc(n, sizeof *problem.layer_name);
    memcpy(problem.layer_name, from->layer_name, n * sizeof *problem.layer_name);
    rc = make_goal(&problem, study, err);
    if (rc != MICO_OK)
        mico_problem_free(&problem);
    else
        *out = problem;
    return rc;
}

void mico_describe_layers(const mico_net *net, char **kind, double **weights)
{
    *kind = mico_xcalloc(net->n_layers, MICO_NAME_SIZE);
    *weights = mico_xcalloc(net->n_layers, sizeof **weights);
    for (size_t l = 0; l < net->n_layers; l++) {
        const mico_node *node = mico_layer_node(net, l);
        bool depthwise = node->groups > 1 && node->groups == node->c_in;

        snprintf(*kind + l * MICO_NAME_SIZE, MICO_NAME_SIZE, "%s",
                 depthwise ? "depthwise conv" : mico_node_text(node));
        (*weights)[l] = (double)mico_layer_weights(net, l);
    }
}
