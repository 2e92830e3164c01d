/* From a study and its network to the problem that searchers see. */
#include "cli/common.h"

#include "core/mem.h"
#include "sim/sim.h"

#include <stdio.h>
#include <string.h>

static mico_status make_space(mico_space *space, const mico_study *study,
                              const mico_net *net, mico_err *err)
{
    mico_options weights, acts, fixed = {0};
    bool free_ends = strcmp(study->space_first_last, "free") == 0;
    bool tied = strcmp(study->space_tie, "wa") == 0;
    size_t n = net->n_layers;
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
    fixed.n = 1;
    space->n_layers = n;
    for (size_t g = 0; g < 2 * n; g++) {
        size_t l = g % n;
        bool end = !free_ends && (l == 0 || l + 1 == n);

        if (g >= n && tied) {
            space->var_of[g] = space->var_of[l];
            continue;
        }
        space->var_of[g] = (uint16_t)space->n_vars;
        space->var[space->n_vars++] = end ? fixed : g < n ? weights : acts;
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
    mico_target_find(name, err);
    return MICO_EJOB;
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

mico_status mico_problem_make(mico_problem *out, const mico_study *study,
                              const mico_net *net, mico_err *err)
{
    mico_problem problem = {0};
    size_t n = net->n_layers;
    const char *cost = study->objective_cost;
    mico_scheme reference;
    mico_status rc = make_space(&problem.space, study, net, err);

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
    problem.goal = strcmp(study->objective_goal, "pareto") == 0 ? MICO_GOAL_PARETO
                                                                : MICO_GOAL_ACCURACY;
    rc = make_limits(&problem, study, err);
    if (rc == MICO_OK && cost[0] != '\0') {
        rc = find_metric(&problem, cost, &problem.pareto_metric, err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "[objective] cost");
    } else if (problem.n_constraints > 0) {
        problem.pareto_metric = problem.constraint[0].metric;
    }
    if (rc == MICO_OK) {
        rc = mico_scheme_parse(&reference, study->objective_reference, n, err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "[objective] reference");
    }
    if (rc != MICO_OK)
        mico_problem_free(&problem);
    else
        *out = problem;
    return rc;
}
