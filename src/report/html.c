/* The page: one file, no scripts, no references to anywhere. */
#include "report/html.h"

#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const style =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;"
    "color:#22303c;background:#fff}h1{font-size:1.6em}h2{margin-top:2.2em;border-bottom:1px "
    "solid #d5dde3}table{border-collapse:collapse;margin:.8em 0}td,th{padding:.25em "
    ".8em;text-align:right;border-bottom:1px solid #e4eaee}th{color:#51626f;font-weight:600}"
    "td:first-child,th:first-child{text-align:left}.cards{display:flex;flex-wrap:wrap;"
    "gap:1em}.card{border:1px solid #d5dde3;border-radius:8px;padding:.7em 1.2em}"
    ".card b{display:block;font-size:1.5em}.card span{color:#51626f}.figures svg{width:100%;"
    "max-width:760px;display:block;margin:1em 0;border:1px solid #e4eaee;border-radius:8px}"
    "code{background:#f2f5f7;padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}"
    "details{margin:1em 0}pre{background:#f2f5f7;padding:1em;overflow:auto}.warn{color:"
    "#a3303f}";

static void card(mico_str *out, const char *value, const char *label)
{
    mico_str_add(out, "<div class='card'><b>");
    mico_add_escaped(out, value);
    mico_str_add(out, "</b><span>");
    mico_add_escaped(out, label);
    mico_str_add(out, "</span></div>\n");
}

static void accuracy_card(mico_str *out, const mico_check *check, const char *label)
{
    char value[32];

    if (check == NULL)
        return;
    snprintf(value, sizeof value, "%.2f %%", 100 * mico_accuracy(&check->outcome));
    card(out, value, label);
}

static void cards(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    size_t best = mico_best(problem, study->trial, study->n_trials);
    mico_counts counts = mico_report_counts(study);
    char value[64], label[160];

    mico_str_add(out, "<div class='cards'>\n");
    accuracy_card(out, mico_report_check(study, "best", MICO_SPLIT_FINAL),
                  "best scheme, final split");
    accuracy_card(out, mico_report_check(study, "reference", MICO_SPLIT_FINAL),
                  "reference scheme, final split");
    accuracy_card(out, mico_report_check(study, "fp32", MICO_SPLIT_FINAL),
                  "fp32, final split");
    for (size_t k = 0; k < problem->n_constraints && best < study->n_trials; k++) {
        const mico_constraint *c = &problem->constraint[k];

        snprintf(value, sizeof value, "%.1f %%",
                 100 * mico_metric_cost(&problem->metric[c->metric],
                                        &study->trial[best].scheme) /
                     c->limit);
        snprintf(label, sizeof label, "of the limit %s", c->text);
        card(out, value, label);
    }
    snprintf(value, sizeof value, "%zu", counts.done + counts.failed);
    snprintf(label, sizeof label, "trials, %zu failed, %zu repeats for free", counts.failed,
             counts.repeats);
    card(out, value, label);
    mico_str_add(out, "</div>\n");
}

static void best_line(const mico_study_run *study, mico_str *out)
{
    size_t best = mico_best(&study->problem, study->trial, study->n_trials);
    char scheme[MICO_SCHEME_TEXT];

    if (best == study->n_trials) {
        best = mico_least_violating(&study->problem, study->trial, study->n_trials);
        mico_str_add(out, "<p class='warn'>No evaluated scheme meets the limits.</p>\n");
        if (best == study->n_trials)
            return;
        mico_str_add(out, "<p>Least violating: ");
    } else {
        mico_str_add(out, "<p>Best: ");
    }
    mico_scheme_print(&study->trial[best].scheme, scheme);
    mico_str_add(out, "trial %zu, <code>%s</code> (weight/activation bits per layer)</p>\n",
                 best, scheme);
}

static void checks_table(const mico_study_run *study, mico_str *out)
{
    mico_str_add(out, "<table><tr><th>evaluated</th><th>arithmetic</th><th>split</th>"
                      "<th>images</th><th>correct</th><th>accuracy, %%</th><th>loss</th>"
                      "</tr>\n");
    for (size_t i = 0; i < study->n_checks; i++) {
        const mico_check *c = &study->check[i];

        mico_str_add(out, "<tr><td>");
        mico_add_escaped(out, c->name);
        if (c->trial != MICO_NO_TRIAL)
            mico_str_add(out, " (trial %llu)", (unsigned long long)c->trial);
        mico_str_add(out,
                     "</td><td>%s</td><td>%s</td><td>%llu</td><td>%llu</td><td>%.2f</td>"
                     "<td>%.4f</td></tr>\n",
                     mico_mode_text(c->mode),
                     c->split == MICO_SPLIT_FINAL ? "final" : "search",
                     (unsigned long long)c->outcome.images,
                     (unsigned long long)c->outcome.correct,
                     100 * mico_accuracy(&c->outcome), c->outcome.loss);
    }
    mico_str_add(out, "</table>\n");
}

static void layers_table(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    size_t n = problem->space.n_layers;
    size_t best = mico_best(problem, study->trial, study->n_trials);
    double macs = 0, weights = 0;

    for (size_t l = 0; l < n; l++) {
        macs += problem->layer_macs[l];
        weights += study->layer_weights[l];
    }
    mico_str_add(out, "<table><tr><th>layer</th><th>kind</th><th>MACs</th><th>share</th>"
                      "<th>weights</th><th>share</th><th>weight bits</th>"
                      "<th>activation bits</th></tr>\n");
    for (size_t l = 0; l < n; l++) {
        mico_str_add(out, "<tr><td>");
        mico_add_escaped(out, problem->layer_name[l]);
        mico_str_add(out, "</td><td>");
        mico_add_escaped(out, study->layer_kind + l * MICO_NAME_SIZE);
        mico_str_add(out, "</td><td>%.0f</td><td>%.1f %%</td><td>%.0f</td><td>%.1f %%</td>",
                     problem->layer_macs[l], 100 * problem->layer_macs[l] / macs,
                     study->layer_weights[l], 100 * study->layer_weights[l] / weights);
        if (best < study->n_trials)
            mico_str_add(out, "<td>%s</td><td>%s</td></tr>\n",
                         mico_width_text(study->trial[best].scheme.bits[l]),
                         mico_width_text(study->trial[best].scheme.bits[n + l]));
        else
            mico_str_add(out, "<td>-</td><td>-</td></tr>\n");
    }
    mico_str_add(out, "</table>\n");
}

static void front_table(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    size_t *front = mico_xcalloc(study->n_trials, sizeof *front);
    size_t n = mico_front(problem, study->trial, study->n_trials, front);

    mico_str_add(out, "<details><summary>Front: %zu schemes</summary><table><tr><th>trial</th>"
                      "<th>accuracy, %%</th>",
                 n);
    for (size_t k = 0; k < problem->n_metrics; k++) {
        mico_str_add(out, "<th>");
        mico_add_escaped(out, problem->metric[k].name);
        mico_str_add(out, "</th>");
    }
    mico_str_add(out, "<th>scheme</th></tr>\n");
    for (size_t i = 0; i < n; i++) {
        const mico_trial *t = &study->trial[front[i]];
        char scheme[MICO_SCHEME_TEXT];

        mico_scheme_print(&t->scheme, scheme);
        mico_str_add(out, "<tr><td>%zu</td><td>%.2f</td>", front[i],
                     100 * mico_accuracy(&t->outcome));
        for (size_t k = 0; k < problem->n_metrics; k++)
            mico_str_add(out, "<td>%.6g</td>",
                         mico_metric_cost(&problem->metric[k], &t->scheme));
        mico_str_add(out, "<td><code>%s</code></td></tr>\n", scheme);
    }
    mico_str_add(out, "</table></details>\n");
    free(front);
}

static void study_section(const mico_study_run *study, mico_str *out)
{
    mico_str_add(out, "<h2>");
    mico_add_escaped(out, study->name);
    mico_str_add(out, "</h2>\n<p>searcher <b>");
    mico_add_escaped(out, study->searcher);
    mico_str_add(out, "</b>%s</p>\n",
                 study->complete ? "" : ", <span class='warn'>not complete</span>");
    cards(study, out);
    best_line(study, out);
    mico_str_add(out, "<div class='figures'>\n");
    mico_figure_progress(study, out);
    mico_figure_tradeoff(study, out);
    mico_figure_bits(study, out);
    mico_str_add(out, "</div>\n");
    checks_table(study, out);
    layers_table(study, out);
    front_table(study, out);
    mico_str_add(out, "<details><summary>Job of this study</summary><pre>");
    mico_add_escaped(out, study->canonical);
    mico_str_add(out, "</pre></details>\n");
}

/* Studies side by side, where there are several. */
static void compare_table(const mico_run *const *runs, size_t n_runs, mico_str *out)
{
    mico_str_add(out, "<table><tr><th>study</th><th>searcher</th><th>trials</th>"
                      "<th>best, search split</th><th>best, final split</th></tr>\n");
    for (size_t r = 0; r < n_runs; r++) {
        for (size_t s = 0; s < runs[r]->n_studies; s++) {
            const mico_study_run *study = &runs[r]->study[s];
            size_t best = mico_best(&study->problem, study->trial, study->n_trials);
            const mico_check *final = mico_report_check(study, "best", MICO_SPLIT_FINAL);

            if (study->n_trials == 0)
                continue;
            mico_str_add(out, "<tr><td>");
            mico_add_escaped(out, study->name);
            mico_str_add(out, "</td><td>");
            mico_add_escaped(out, study->searcher);
            mico_str_add(out, "</td><td>%zu</td>", study->n_trials);
            if (best < study->n_trials)
                mico_str_add(out, "<td>%.2f %%</td>",
                             100 * mico_accuracy(&study->trial[best].outcome));
            else
                mico_str_add(out, "<td>-</td>");
            if (final != NULL)
                mico_str_add(out, "<td>%.2f %%</td></tr>\n",
                             100 * mico_accuracy(&final->outcome));
            else
                mico_str_add(out, "<td>-</td></tr>\n");
        }
    }
    mico_str_add(out, "</table>\n");
}

static void provenance(const mico_run *run, mico_str *out)
{
    mico_str_add(out, "<h2>Provenance</h2>\n<p>digest <code>%016llx</code>, job ",
                 (unsigned long long)mico_run_digest(run));
    mico_add_escaped(out, run->job_path);
    mico_str_add(out, " (%016llx), network ", (unsigned long long)run->job_hash);
    mico_add_escaped(out, run->net_path);
    mico_str_add(out, " (%016llx), data ", (unsigned long long)run->net_hash);
    mico_add_escaped(out, run->data_path);
    mico_str_add(out,
                 " (%016llx)</p>\n<table><tr><th>started</th><th>host</th><th>ranks</th>"
                 "<th>version</th><th>ended</th><th>command</th></tr>\n",
                 (unsigned long long)run->data_hash);
    for (size_t i = 0; i < run->n_starts; i++) {
        const mico_start *s = &run->start[i];
        const char *texts[] = {s->version, s->ended[0] != '\0' ? s->ended : "killed", s->argv};

        mico_str_add(out, "<tr><td>%s</td><td>", s->when);
        mico_add_escaped(out, s->host);
        mico_str_add(out, "</td><td>%u</td>", s->ranks);
        for (size_t t = 0; t < 3; t++) {
            mico_str_add(out, "<td>");
            mico_add_escaped(out, texts[t]);
            mico_str_add(out, "</td>");
        }
        mico_str_add(out, "</tr>\n");
    }
    mico_str_add(out, "</table>\n");
    if (run->n_starts > 0) {
        mico_str_add(out, "<p>");
        mico_add_escaped(out, run->start[run->n_starts - 1].libraries);
        mico_str_add(out, "</p>\n");
    }
}

void mico_html_page(const mico_run *const *runs, size_t n_runs, const char *title,
                    mico_str *out)
{
    size_t n_studies = 0;

    for (size_t r = 0; r < n_runs; r++)
        n_studies += runs[r]->n_studies;
    mico_str_add(out, "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
                      "<meta name='viewport' content='width=device-width'><title>");
    mico_add_escaped(out, title);
    mico_str_add(out, "</title><style>%s</style></head><body>\n<h1>", style);
    mico_add_escaped(out, title);
    mico_str_add(out, "</h1>\n");
    if (n_studies > 1)
        compare_table(runs, n_runs, out);
    for (size_t r = 0; r < n_runs; r++)
        for (size_t s = 0; s < runs[r]->n_studies; s++)
            if (runs[r]->study[s].n_trials > 0)
                study_section(&runs[r]->study[s], out);
    for (size_t r = 0; r < n_runs; r++)
        provenance(runs[r], out);
    mico_str_add(out, "</body></html>\n");
}
