/* The CSV tables of a study (RFC 4180, but lines end in \n). */
#include "report/tables.h"

#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

static void costs(const mico_study_run *study, const mico_scheme *scheme, mico_str *out)
{
    for (size_t k = 0; k < study->problem.n_metrics; k++)
        mico_str_add(out, ",%.17g",
                     mico_metric_cost(&study->problem.metric[k], scheme));
}

static void cost_names(const mico_study_run *study, mico_str *out)
{
    for (size_t k = 0; k < study->problem.n_metrics; k++) {
        mico_str_put(out, ",", 1);
        mico_csv_field(out, study->problem.metric[k].name);
    }
}

static void scores(const mico_outcome *o, mico_str *out)
{
    if (o->state == MICO_STATE_DONE)
        mico_str_add(out, ",%llu,%llu,%.17g,%.17g", (unsigned long long)o->images,
                     (unsigned long long)o->correct, mico_accuracy(o), o->loss);
    else
        mico_str_add(out, ",,,,");
}

static void trial_row(const mico_study_run *study, const mico_trial *t, mico_str *out)
{
    char scheme[MICO_SCHEME_TEXT];
    const mico_outcome *o = &t->outcome;

    mico_scheme_print(&t->scheme, scheme);
    mico_str_add(out, "%llu,%s,", (unsigned long long)t->id, mico_state_text(o->state));
    if (t->dup_of != MICO_NO_TRIAL)
        mico_str_add(out, "%llu", (unsigned long long)t->dup_of);
    mico_str_put(out, ",", 1);
    mico_csv_field(out, scheme);
    scores(o, out);
    mico_str_add(out, ",%d", mico_report_feasible(study, t));
    costs(study, &t->scheme, out);
    mico_str_add(out, ",%.6f,%u,", o->seconds, t->worker);
    mico_csv_field(out, o->reason);
    mico_str_put(out, "\n", 1);
}

static void trial_header(const mico_study_run *study, mico_str *out)
{
    mico_str_add(out,
                 "trial,state,repeats,scheme,images,correct,accuracy,loss,feasible");
    cost_names(study, out);
    mico_str_add(out, ",seconds,worker,reason\n");
}

void mico_table_trials(const mico_study_run *study, mico_str *out)
{
    trial_header(study, out);
    for (size_t i = 0; i < study->n_trials; i++)
        trial_row(study, &study->trial[i], out);
}

void mico_table_front(const mico_study_run *study, mico_str *out)
{
    size_t *front = mico_xcalloc(study->n_trials, sizeof *front);
    size_t n = mico_front(&study->problem, study->trial, study->n_trials, front);

    trial_header(study, out);
    for (size_t i = 0; i < n; i++)
        trial_row(study, &study->trial[front[i]], out);
    free(front);
}

void mico_table_layers(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    size_t n = problem->space.n_layers;
    size_t best = mico_best(problem, study->trial, study->n_trials);

    mico_str_add(out, "layer,name,kind,macs,weights,weight_bits,act_bits\n");
    for (size_t l = 0; l < n; l++) {
        mico_str_add(out, "%zu,", l);
        mico_csv_field(out, problem->layer_name[l]);
        mico_str_put(out, ",", 1);
        mico_csv_field(out, study->layer_kind + l * MICO_NAME_SIZE);
        mico_str_add(out, ",%.17g,%.17g", problem->layer_macs[l],
                     study->layer_weights[l]);
        if (best < study->n_trials)
            mico_str_add(out, ",%s,%s\n",
                         mico_width_text(study->trial[best].scheme.bits[l]),
                         mico_width_text(study->trial[best].scheme.bits[n + l]));
        else
            mico_str_add(out, ",,\n");
    }
}

void mico_table_checks(const mico_study_run *study, mico_str *out)
{
    mico_str_add(out,
                 "name,mode,split,trial,scheme,state,images,correct,accuracy,loss\n");
    for (size_t i = 0; i < study->n_checks; i++) {
        const mico_check *c = &study->check[i];
        char scheme[MICO_SCHEME_TEXT];

        mico_scheme_print(&c->scheme, scheme);
        mico_csv_field(out, c->name);
        mico_str_add(out, ",%s,%s,", mico_mode_text(c->mode),
                     c->split == MICO_SPLIT_FINAL ? "final" : "search");
        if (c->trial != MICO_NO_TRIAL)
            mico_str_add(out, "%llu", (unsigned long long)c->trial);
        mico_str_put(out, ",", 1);
        mico_csv_field(out, scheme);
        mico_str_add(out, ",%s", mico_state_text(c->outcome.state));
        scores(&c->outcome, out);
        mico_str_put(out, "\n", 1);
    }
}
