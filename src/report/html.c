/* The page: one file, no scripts, no references to anywhere. */
#include "report/html.h"

#include <stdio.h>
#include <string.h>

const char *const mico_html_style =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em "
    "auto;padding:0 "
    "1em;color:#22303c;background:#fff}h1{font-size:1.6em;margin:0}h2{margin:1.8em 0 "
    ".5em;border-bottom:1px solid #d5dde3}h1+h2{margin-top:.6em}h3{font-size:1em;"
    "margin:1.6em 0 .2em}h1,h2,p{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;margin:.8em 0}td,th{padding:.25em .8em;"
    "text-align:right;border-bottom:1px solid #e4eaee;overflow-wrap:anywhere}"
    "th{color:#51626f;font-weight:600;overflow-wrap:normal}"
    "th.left,td.left{text-align:left}"
    ".cards{display:flex;flex-wrap:wrap;gap:.6em}.card{border:1px solid #d5dde3;"
    "border-radius:8px;padding:.4em .9em}.card b{display:block;font-size:1.35em}"
    ".card span{color:#51626f;font-size:.87em}"
    "svg{width:100%;max-width:860px;display:block;margin:1em 0;border:1px solid "
    "#e4eaee;"
    "border-radius:8px}code{background:#f2f5f7;padding:.1em .3em;border-radius:3px;"
    "overflow-wrap:anywhere}details{margin:1em 0}pre{background:#f2f5f7;padding:1em;"
    "overflow:auto}.warn{color:#a3303f}a{color:#1f6fb2}"
    "@media print{svg,tr,.card{break-inside:avoid}body{max-width:none;margin:0}}";

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

static void limit_cards(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    bool feasible;
    size_t chosen = mico_report_chosen(study, &feasible);
    char value[64], label[160];

    for (size_t k = 0; k < problem->n_constraints && chosen < study->n_trials; k++) {
        snprintf(value, sizeof value, "%.1f %%",
                 mico_report_used(problem, k, &study->trial[chosen].scheme));
        snprintf(label, sizeof label, "of the limit %s", problem->constraint[k].text);
        card(out, value, label);
    }
}

static void cards(const mico_study_run *study, mico_str *out)
{
    const mico_check *reference =
        mico_report_check(study, "reference", MICO_SPLIT_FINAL);
    mico_counts counts = mico_report_counts(study);
    char value[64], label[160], scheme[16];

    mico_str_add(out, "<div class='cards'>\n");
    accuracy_card(out, mico_report_check(study, "best", MICO_SPLIT_FINAL),
                  "best scheme, final split");
    if (reference != NULL) {
        mico_reference_text(&reference->scheme, scheme);
        snprintf(label, sizeof label, "%s, final split", scheme);
        accuracy_card(out, reference, label);
    }
    accuracy_card(out, mico_report_check(study, "fp32", MICO_SPLIT_FINAL),
                  "fp32, final split");
    limit_cards(study, out);
    snprintf(value, sizeof value, "%zu", counts.done + counts.failed);
    snprintf(label, sizeof label, "trials, %zu failed, %zu repeated for free",
             counts.failed, counts.repeats);
    card(out, value, label);
    mico_text_duration(counts.seconds, value);
    card(out, value, "of evaluation, all ranks together");
    mico_str_add(out, "</div>\n");
}

static void best_line(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    bool feasible;
    size_t chosen = mico_report_chosen(study, &feasible);
    char text[MICO_SCHEME_TEXT];

    if (chosen == study->n_trials) {
        mico_str_add(out, "<p class='warn'>No trial was evaluated.</p>\n");
        return;
    }
    if (!feasible)
        mico_str_add(out,
                     "<p class='warn'>No evaluated scheme meets the limits.</p>\n");
    mico_scheme_print(&study->trial[chosen].scheme, text);
    mico_str_add(out,
                 "<p>%s: trial %zu, <code>%s</code> (weight/activation bits of each "
                 "layer)",
                 feasible ? "Best" : "Least violating", chosen, text);
    for (size_t k = 0; k < problem->n_metrics; k++) {
        const mico_metric *metric = &problem->metric[k];

        mico_cost_text(metric, mico_metric_cost(metric, &study->trial[chosen].scheme),
                       text);
        mico_str_add(out, ", ");
        mico_add_escaped(out, metric->name);
        mico_str_add(out, " %s", text);
    }
    mico_str_add(out, ".</p>\n");
}

static void study_section(const mico_study_run *study, size_t index, mico_str *out)
{
    mico_counts counts = mico_report_counts(study);

    mico_str_add(out, "<h2 id='study%zu'>", index);
    mico_add_escaped(out, study->name);
    mico_str_add(out, "</h2>\n<p>searcher <b>");
    mico_add_escaped(out, study->searcher);
    mico_str_add(out, "</b>");
    if (!study->complete)
        mico_str_add(out, ", <span class='warn'>not complete</span>");
    if (counts.pending > 0)
        mico_str_add(out, ", %zu trials pending", counts.pending);
    mico_str_add(out, "</p>\n");
    cards(study, out);
    best_line(study, out);
    mico_figure_progress(study, out);
    mico_figure_tradeoff(study, out);
    mico_figure_bits(study, out);
    mico_html_failures(study, out);
    mico_html_checks(study, out);
    mico_html_layers(study, out);
    mico_html_front(study, out);
    mico_str_add(out, "<details><summary>Job of this study</summary><pre>");
    mico_add_escaped(out, study->canonical);
    mico_str_add(out, "</pre></details>\n");
}

void mico_html_page(const mico_run *const *runs, size_t n_runs, const char *title,
                    mico_str *out)
{
    mico_overview overview = mico_overview_make(runs, n_runs);

    mico_str_add(out, "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'/>"
                      "<meta name='viewport' content='width=device-width'/><title>");
    mico_add_escaped(out, title);
    mico_str_add(out, "</title><style>%s</style></head><body>\n<h1>", mico_html_style);
    mico_add_escaped(out, title);
    mico_str_add(out, "</h1>\n");
    if (overview.n == 0)
        mico_str_add(out, "<p class='warn'>No study has trials yet.</p>\n");
    if (overview.n > 1) {
        mico_html_groups(&overview, out);
        mico_figure_compare(&overview, out);
        mico_html_studies(&overview, out);
    }
    for (size_t i = 0; i < overview.n; i++)
        study_section(overview.entry[i].study, i, out);
    for (size_t r = 0; r < n_runs; r++)
        mico_html_provenance(runs[r], out);
    mico_str_add(out, "</body></html>\n");
    mico_overview_free(&overview);
}
