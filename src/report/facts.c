/* Counts, look-ups and groups of studies, and the summary for a terminal. */
#include "report/internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const mico_check *mico_report_check(const mico_study_run *study, const char *name,
                                    mico_split_name split)
{
    for (size_t i = 0; i < study->n_checks; i++)
        if (strcmp(study->check[i].name, name) == 0 && study->check[i].split == split &&
            study->check[i].outcome.state == MICO_STATE_DONE)
            return &study->check[i];
    return NULL;
}

mico_counts mico_report_counts(const mico_study_run *study)
{
    mico_counts counts = {0};

    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *trial = &study->trial[i];

        if (trial->outcome.state == MICO_STATE_PENDING) {
            counts.pending++;
        } else if (trial->dup_of != MICO_NO_TRIAL) {
            counts.repeats++;
        } else {
            counts.state[trial->outcome.state]++;
            counts.seconds += fmax(0, trial->outcome.seconds);
            if (trial->outcome.state == MICO_STATE_DONE)
                counts.done++;
            else
                counts.failed++;
        }
    }
    return counts;
}

bool mico_report_feasible(const mico_study_run *study, const mico_trial *trial)
{
    return mico_violation(&study->problem, &trial->scheme) <= 0;
}

size_t mico_report_chosen(const mico_study_run *study, bool *feasible)
{
    size_t n = study->n_trials, best = mico_best(&study->problem, study->trial, n);

    *feasible = best < n;
    return best < n ? best : mico_least_violating(&study->problem, study->trial, n);
}

double mico_report_cost(const mico_study_run *study, const mico_trial *trial)
{
    if (study->problem.n_metrics == 0)
        return 0;
    return mico_metric_cost(&study->problem.metric[study->problem.pareto_metric],
                            &trial->scheme);
}

double mico_report_used(const mico_problem *problem, size_t constraint,
                        const mico_scheme *scheme)
{
    const mico_constraint *c = &problem->constraint[constraint];

    return 100 * mico_metric_cost(&problem->metric[c->metric], scheme) / c->limit;
}

/* ---- summary --------------------------------------------------------------------- */

static void add_accuracy(mico_str *out, const char *name, const mico_check *check)
{
    if (check != NULL)
        mico_str_add(out, "  %s %.2f %%", name, 100 * mico_accuracy(&check->outcome));
}

static void add_split(const mico_study_run *study, mico_split_name split, mico_str *out)
{
    const mico_check *fp32 = mico_report_check(study, "fp32", split);
    const mico_check *reference = mico_report_check(study, "reference", split);
    const mico_check *any = fp32 != NULL ? fp32 : reference;
    size_t best = mico_best(&study->problem, study->trial, study->n_trials);
    char scheme[16];

    if (any == NULL)
        return;
    mico_str_add(out, "  %s split (%llu images):",
                 split == MICO_SPLIT_FINAL ? "final" : "search",
                 (unsigned long long)any->outcome.images);
    add_accuracy(out, "fp32", fp32);
    if (reference != NULL) {
        mico_reference_text(&reference->scheme, scheme);
        add_accuracy(out, scheme, reference);
    }
    if (split == MICO_SPLIT_FINAL)
        add_accuracy(out, "best", mico_report_check(study, "best", split));
    else if (best < study->n_trials)
        mico_str_add(out, "  best %.2f %%",
                     100 * mico_accuracy(&study->trial[best].outcome));
    mico_str_add(out, "\n");
}

static void add_best(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    bool feasible;
    size_t best = mico_report_chosen(study, &feasible);
    char text[MICO_SCHEME_TEXT];

    if (best == study->n_trials) {
        mico_str_add(out, "  no trial was evaluated\n");
        return;
    }
    mico_scheme_print(&study->trial[best].scheme, text);
    mico_str_add(out, "  %s: trial %zu  %s\n",
                 feasible ? "best" : "nothing meets the limits; least violating", best,
                 text);
    for (size_t k = 0; k < problem->n_metrics; k++) {
        mico_cost_text(
            &problem->metric[k],
            mico_metric_cost(&problem->metric[k], &study->trial[best].scheme), text);
        mico_str_add(out, "  %s %s", problem->metric[k].name, text);
    }
    for (size_t k = 0; k < problem->n_constraints; k++)
        mico_str_add(out, "  (%s: %.1f %% used)", problem->constraint[k].text,
                     mico_report_used(problem, k, &study->trial[best].scheme));
    mico_str_add(out, problem->n_metrics > 0 ? "\n" : "");
}

static void add_front(const mico_study_run *study, mico_str *out)
{
    size_t *front, n;

    if (study->problem.goal != MICO_GOAL_PARETO)
        return;
    front = mico_xcalloc(study->n_trials, sizeof *front);
    n = mico_front(&study->problem, study->trial, study->n_trials, front);
    free(front);
    if (n > 0)
        mico_str_add(out, "  front: %zu schemes\n", n);
}

void mico_report_summary(const mico_run *run, mico_str *out)
{
    size_t shown = 0;

    for (size_t s = 0; s < run->n_studies; s++) {
        const mico_study_run *study = &run->study[s];
        mico_counts counts = mico_report_counts(study);

        if (study->n_trials == 0 && run->n_studies > 1)
            continue; /* a study that another task of the array runs */
        shown++;
        mico_str_add(out, "%s (%s): %zu trials, %zu failed, %zu repeats%s\n",
                     study->name, study->searcher, counts.done + counts.failed,
                     counts.failed, counts.repeats,
                     study->complete ? "" : ", not complete");
        add_best(study, out);
        add_front(study, out);
        add_split(study, MICO_SPLIT_SEARCH, out);
        add_split(study, MICO_SPLIT_FINAL, out);
    }
    if (shown == 0)
        mico_str_add(out, "no study has trials\n");
}
