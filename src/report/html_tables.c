/* The tables of the page. */
#include "report/html.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void heads(mico_str *out, const char *names)
{
    char name[64];

    mico_str_add(out, "<table><tr>");
    while (mico_text_next(&names, '|', name, sizeof name)) {
        mico_str_add(out, name[0] == '<' ? "<th class='left'>" : "<th>");
        mico_add_escaped(out, name + (name[0] == '<'));
        mico_str_add(out, "</th>");
    }
    mico_str_add(out, "</tr>\n");
}

static void text_cell(mico_str *out, const char *text)
{
    mico_str_add(out, "<td class='left'>");
    mico_add_escaped(out, text);
    mico_str_add(out, "</td>");
}

static void percent_cell(mico_str *out, double percent)
{
    if (isfinite(percent))
        mico_str_add(out, "<td>%.2f %%</td>", percent);
    else
        mico_str_add(out, "<td>-</td>");
}

static double share(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : NAN;
}

void mico_html_checks(const mico_study_run *study, mico_str *out)
{
    if (study->n_checks == 0)
        return;
    mico_str_add(out, "<h3>Accuracies</h3>\n");
    heads(out, "<evaluated|<arithmetic|<split|images|correct|accuracy|loss");
    for (size_t i = 0; i < study->n_checks; i++) {
        const mico_check *c = &study->check[i];

        mico_str_add(out, "<tr><td class='left'>");
        mico_add_escaped(out, c->name);
        if (c->trial != MICO_NO_TRIAL)
            mico_str_add(out, " (trial %llu)", (unsigned long long)c->trial);
        mico_str_add(out, "</td><td class='left'>%s</td><td class='left'>%s</td>",
                     mico_mode_text(c->mode),
                     c->split == MICO_SPLIT_FINAL ? "final" : "search");
        if (c->outcome.state == MICO_STATE_DONE)
            mico_str_add(
                out, "<td>%llu</td><td>%llu</td><td>%.2f %%</td><td>%.4f</td></tr>\n",
                (unsigned long long)c->outcome.images,
                (unsigned long long)c->outcome.correct,
                100 * mico_accuracy(&c->outcome), c->outcome.loss);
        else
            mico_str_add(out, "<td class='warn' colspan='4'>%s</td></tr>\n",
                         mico_state_text(c->outcome.state));
    }
    mico_str_add(out, "</table>\n");
}

void mico_html_failures(const mico_study_run *study, mico_str *out)
{
    mico_counts counts = mico_report_counts(study);

    if (counts.failed == 0)
        return;
    mico_str_add(out, "<h3>Failed trials</h3>\n");
    heads(out, "<how|trials|first|<its reason");
    for (size_t state = MICO_STATE_DONE + 1; state < MICO_N_STATES; state++) {
        size_t i = 0;

        if (counts.state[state] == 0)
            continue;
        while (study->trial[i].outcome.state != state ||
               study->trial[i].dup_of != MICO_NO_TRIAL)
            i++;
        mico_str_add(out, "<tr>");
        text_cell(out, mico_state_text((mico_state)state));
        mico_str_add(out, "<td>%zu</td><td>%zu</td>", counts.state[state], i);
        text_cell(out, study->trial[i].outcome.reason);
        mico_str_add(out, "</tr>\n");
    }
    mico_str_add(out, "</table>\n");
}

void mico_html_layers(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    size_t n = problem->space.n_layers;
    bool feasible;
    size_t chosen = mico_report_chosen(study, &feasible);
    double macs = 0, weights = 0;

    for (size_t l = 0; l < n; l++) {
        macs += problem->layer_macs[l];
        weights += study->layer_weights[l];
    }
    mico_str_add(out, "<h3>Layers</h3>\n");
    heads(out, "<layer|<kind|MACs|share|weights|share|weight bits|activation bits");
    for (size_t l = 0; l < n; l++) {
        mico_str_add(out, "<tr>");
        text_cell(out, problem->layer_name[l]);
        text_cell(out, study->layer_kind + l * MICO_NAME_SIZE);
        mico_str_add(out, "<td>%.0f</td>", problem->layer_macs[l]);
        percent_cell(out, share(problem->layer_macs[l], macs));
        mico_str_add(out, "<td>%.0f</td>", study->layer_weights[l]);
        percent_cell(out, share(study->layer_weights[l], weights));
        for (size_t g = l; g < 2 * n; g += n)
            mico_str_add(out, "<td>%s</td>",
                         chosen < study->n_trials
                             ? mico_width_text(study->trial[chosen].scheme.bits[g])
                             : "-");
        mico_str_add(out, "</tr>\n");
    }
    mico_str_add(out, "</table>\n");
}

static void front_row(const mico_study_run *study, size_t trial, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    const mico_scheme *scheme = &study->trial[trial].scheme;
    char text[MICO_SCHEME_TEXT];

    mico_str_add(out, "<tr><td>%zu</td>", trial);
    percent_cell(out, 100 * mico_accuracy(&study->trial[trial].outcome));
    for (size_t k = 0; k < problem->n_metrics; k++) {
        mico_cost_text(&problem->metric[k],
                       mico_metric_cost(&problem->metric[k], scheme), text);
        mico_str_add(out, "<td>%s</td>", text);
    }
    mico_scheme_print(scheme, text);
    mico_str_add(out, "<td class='left'><code>%s</code></td></tr>\n", text);
}

void mico_html_front(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    size_t *front = mico_xcalloc(study->n_trials, sizeof *front);
    size_t n = mico_front(problem, study->trial, study->n_trials, front);

    if (n > 0) {
        mico_str_add(out,
                     "<details%s><summary>Front: %zu scheme%s</summary>\n<table><tr>"
                     "<th>trial</th><th>accuracy</th>",
                     problem->goal == MICO_GOAL_PARETO ? " open='open'" : "", n,
                     n > 1 ? "s" : "");
        for (size_t k = 0; k < problem->n_metrics; k++) {
            mico_str_add(out, "<th>");
            mico_add_escaped(out, problem->metric[k].name);
            mico_str_add(out, "</th>");
        }
        mico_str_add(out, "<th class='left'>scheme</th></tr>\n");
        for (size_t i = 0; i < n; i++)
            front_row(study, front[i], out);
        mico_str_add(out, "</table></details>\n");
    }
    free(front);
}

/* ---- several studies ------------------------------------------------------------- */

static double best_percent(const mico_study_run *study)
{
    size_t best = mico_best(&study->problem, study->trial, study->n_trials);

    return best < study->n_trials ? 100 * mico_accuracy(&study->trial[best].outcome)
                                  : NAN;
}

static double final_percent(const mico_study_run *study)
{
    const mico_check *check = mico_report_check(study, "best", MICO_SPLIT_FINAL);

    return check != NULL ? 100 * mico_accuracy(&check->outcome) : NAN;
}

void mico_html_studies(const mico_overview *overview, mico_str *out)
{
    heads(out,
          "<study|<searcher|trials|failed|best, search split|best, final split|<state");
    for (size_t i = 0; i < overview->n; i++) {
        const mico_study_run *study = overview->entry[i].study;
        mico_counts counts = mico_report_counts(study);

        mico_str_add(out, "<tr><td class='left'><a href='#study%zu'>", i);
        mico_add_escaped(out, study->name);
        mico_str_add(out, "</a></td>");
        text_cell(out, study->searcher);
        mico_str_add(out, "<td>%zu</td><td>%zu</td>", counts.done + counts.failed,
                     counts.failed);
        percent_cell(out, best_percent(study));
        percent_cell(out, final_percent(study));
        text_cell(out, study->complete ? "complete" : "not complete");
        mico_str_add(out, "</tr>\n");
    }
    mico_str_add(out, "</table>\n");
}

/* Median over the seeds of a group and their spread: "88.10 % (86.70 to 89.10)". */
static void spread_cell(const mico_overview *o, size_t group,
                        double (*value)(const mico_study_run *), mico_str *out)
{
    double *values = mico_xcalloc(o->n, sizeof *values), median;
    size_t n = 0, seeds = 0;

    for (size_t i = 0; i < o->n; i++) {
        if (o->entry[i].group != group)
            continue;
        seeds++;
        if (isfinite(value(o->entry[i].study)))
            values[n++] = value(o->entry[i].study);
    }
    median = mico_median(values, n);
    if (n < seeds)
        mico_str_add(out, "<td class='warn'>only %zu of %zu have one</td>", n, seeds);
    else if (n > 1)
        mico_str_add(out, "<td>%.2f %% (%.2f to %.2f)</td>", median, values[0],
                     values[n - 1]);
    else
        percent_cell(out, median);
    free(values);
}

void mico_html_groups(const mico_overview *overview, mico_str *out)
{
    if (overview->n == overview->n_groups)
        return;
    heads(out, "<searcher|seeds|median best, search split|median best, final split");
    for (size_t g = 0; g < overview->n_groups; g++) {
        size_t n = 0;

        for (size_t i = 0; i < overview->n; i++)
            n += overview->entry[i].group == g;
        mico_str_add(out, "<tr>");
        text_cell(out, overview->label[g]);
        mico_str_add(out, "<td>%zu</td>", n);
        spread_cell(overview, g, best_percent, out);
        spread_cell(overview, g, final_percent, out);
        mico_str_add(out, "</tr>\n");
    }
    mico_str_add(out, "</table>\n");
}

/* ---- provenance ------------------------------------------------------------------ */

static void origin_row(mico_str *out, const char *what, const char *path, uint64_t hash)
{
    mico_str_add(out, "<tr>");
    text_cell(out, what);
    text_cell(out, path);
    mico_str_add(out, "<td><code>%016llx</code></td></tr>\n", (unsigned long long)hash);
}

void mico_html_provenance(const mico_run *run, mico_str *out)
{
    mico_str_add(out, "<h2>Provenance</h2>\n");
    heads(out, "<what|<from|hash");
    origin_row(out, "job", run->job_path, run->job_hash);
    origin_row(out, "network", run->net_path, run->net_hash);
    origin_row(out, "data", run->data_path, run->data_hash);
    origin_row(out, "results", "digest of all finished trials", mico_run_digest(run));
    mico_str_add(out, "</table>\n");
    if (run->n_starts == 0)
        return;
    heads(out, "<started|<host|ranks|<version|<ended|<command");
    for (size_t i = 0; i < run->n_starts; i++) {
        const mico_start *s = &run->start[i];

        mico_str_add(out, "<tr>");
        text_cell(out, s->when);
        text_cell(out, s->host);
        mico_str_add(out, "<td>%u</td>", s->ranks);
        text_cell(out, s->version);
        text_cell(out, s->ended[0] != '\0' ? s->ended : "without a word (killed?)");
        text_cell(out, s->argv);
        mico_str_add(out, "</tr>\n");
    }
    mico_str_add(out, "</table>\n<p>");
    mico_add_escaped(out, run->start[run->n_starts - 1].libraries);
    mico_str_add(out, "</p>\n");
}
