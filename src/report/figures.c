/* The figures of a study: best so far, accuracy against cost, bits per layer. */
#include "report/internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool shown(const mico_trial *trial)
{
    return trial->outcome.state == MICO_STATE_DONE && trial->dup_of == MICO_NO_TRIAL;
}

static void tip_text(const mico_study_run *study, const mico_trial *trial, char out[900])
{
    char scheme[MICO_SCHEME_TEXT];

    mico_scheme_print(&trial->scheme, scheme);
    snprintf(out, 900, "trial %llu: %.2f %%, %.6g %s, %.700s",
             (unsigned long long)trial->id, 100 * mico_accuracy(&trial->outcome),
             mico_report_cost(study, trial),
             study->problem.metric[study->problem.pareto_metric].name, scheme);
}

static void stretch(double *low, double *high, double value)
{
    if (value < *low)
        *low = value;
    if (value > *high)
        *high = value;
}

/* Accuracy axis: everything above the median minus some room, so that a few collapsed
 * schemes do not flatten the rest; those are drawn at the bottom edge. */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static bool accuracy_range(const mico_study_run *study, double *low, double *high)
{
    double *sorted = mico_xcalloc(study->n_trials, sizeof *sorted), tenth;
    size_t n = 0;

    for (size_t i = 0; i < study->n_trials; i++)
        if (shown(&study->trial[i]))
            sorted[n++] = 100 * mico_accuracy(&study->trial[i].outcome);
    if (n == 0) {
        free(sorted);
        return false;
    }
    qsort(sorted, n, sizeof *sorted, ascending);
    tenth = sorted[n / 10];
    *high = sorted[n - 1];
    *low = sorted[0] > tenth - (*high - tenth) ? sorted[0] : tenth - (*high - tenth);
    free(sorted);
    return true;
}

static void reference_lines(const mico_study_run *study, mico_plot *plot)
{
    static const char *const names[] = {"fp32", "reference"};

    for (size_t i = 0; i < 2; i++) {
        const mico_check *check = mico_report_check(study, names[i], MICO_SPLIT_SEARCH);
        char label[64], scheme[MICO_SCHEME_TEXT] = "fp32";

        if (check == NULL)
            continue;
        if (check->mode != MICO_MODE_FP32)
            mico_scheme_print(&check->scheme, scheme);
        snprintf(label, sizeof label, "%.32s %.2f %%", scheme,
                 100 * mico_accuracy(&check->outcome));
        mico_plot_hline(plot, 100 * mico_accuracy(&check->outcome),
                        i == 0 ? "#7a5195" : MICO_COLOR_MARK, label);
    }
}

static void stretch_to_references(const mico_study_run *study, double *low, double *high)
{
    static const char *const names[] = {"fp32", "reference"};

    for (size_t i = 0; i < 2; i++) {
        const mico_check *check = mico_report_check(study, names[i], MICO_SPLIT_SEARCH);

        if (check != NULL)
            stretch(low, high, 100 * mico_accuracy(&check->outcome));
    }
}

void mico_figure_progress(const mico_study_run *study, mico_str *out)
{
    mico_plot plot = {.out = out, .title = "Best feasible accuracy so far",
                      .x_label = "trial", .y_label = "accuracy on the search split, %"};
    double *x, *y, best = -1;
    size_t n = 0;

    if (!accuracy_range(study, &plot.y_min, &plot.y_max))
        return;
    stretch_to_references(study, &plot.y_min, &plot.y_max);
    plot.x_max = (double)study->n_trials;
    mico_plot_begin(&plot);
    x = mico_xcalloc(study->n_trials + 1, sizeof *x);
    y = mico_xcalloc(study->n_trials + 1, sizeof *y);
    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *trial = &study->trial[i];
        double accuracy = 100 * mico_accuracy(&trial->outcome);
        char tip[900];

        if (!shown(trial))
            continue;
        tip_text(study, trial, tip);
        mico_plot_dot(&plot, (double)i, fmax(accuracy, plot.y_min), 2.5, MICO_COLOR_TRIAL,
                      tip);
        if (accuracy > best && mico_violation(&study->problem, &trial->scheme) <= 0) {
            best = accuracy;
            x[n] = (double)i;
            y[n++] = accuracy;
        }
    }
    if (n > 0) {
        x[n] = (double)study->n_trials;
        y[n] = y[n - 1];
        n++;
    }
    mico_plot_steps(&plot, x, y, n, MICO_COLOR_LINE);
    reference_lines(study, &plot);
    mico_plot_end(&plot);
    free(x);
    free(y);
}

static void draw_front(const mico_study_run *study, mico_plot *plot)
{
    size_t *front = mico_xcalloc(study->n_trials, sizeof *front);
    size_t n = mico_front(&study->problem, study->trial, study->n_trials, front);
    double *x = mico_xcalloc(n, sizeof *x), *y = mico_xcalloc(n, sizeof *y);

    for (size_t i = 0; i < n; i++) {
        const mico_trial *trial = &study->trial[front[i]];
        char tip[900];

        x[i] = mico_report_cost(study, trial);
        y[i] = fmax(100 * mico_accuracy(&trial->outcome), plot->y_min);
        tip_text(study, trial, tip);
        mico_plot_dot(plot, x[i], y[i], 4, MICO_COLOR_LINE, tip);
    }
    mico_plot_steps(plot, x, y, n, MICO_COLOR_LINE);
    free(front);
    free(x);
    free(y);
}

static void draw_limits(const mico_study_run *study, mico_plot *plot)
{
    const mico_problem *problem = &study->problem;

    for (size_t k = 0; k < problem->n_constraints; k++)
        if (problem->constraint[k].metric == problem->pareto_metric)
            mico_plot_vline(plot, problem->constraint[k].limit, MICO_COLOR_BEST,
                            problem->constraint[k].text);
}

void mico_figure_tradeoff(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    mico_plot plot = {.out = out, .y_label = "accuracy on the search split, %",
                      .x_min = INFINITY, .x_max = -INFINITY};
    char title[128], label[128], tip[900];
    size_t best;

    if (problem->n_metrics == 0 || !accuracy_range(study, &plot.y_min, &plot.y_max))
        return;
    stretch_to_references(study, &plot.y_min, &plot.y_max);
    snprintf(title, sizeof title, "Accuracy against %s, with the front",
             problem->metric[problem->pareto_metric].name);
    snprintf(label, sizeof label, "%s, %s", problem->metric[problem->pareto_metric].name,
             problem->metric[problem->pareto_metric].unit);
    plot.title = title;
    plot.x_label = label;
    for (size_t i = 0; i < study->n_trials; i++)
        if (shown(&study->trial[i]))
            stretch(&plot.x_min, &plot.x_max, mico_report_cost(study, &study->trial[i]));
    for (size_t k = 0; k < problem->n_constraints; k++)
        if (problem->constraint[k].metric == problem->pareto_metric)
            stretch(&plot.x_min, &plot.x_max, problem->constraint[k].limit);
    mico_plot_begin(&plot);
    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *trial = &study->trial[i];

        if (!shown(trial))
            continue;
        tip_text(study, trial, tip);
        mico_plot_dot(&plot, mico_report_cost(study, trial),
                      fmax(100 * mico_accuracy(&trial->outcome), plot.y_min), 2.5,
                      MICO_COLOR_TRIAL, tip);
    }
    draw_front(study, &plot);
    draw_limits(study, &plot);
    reference_lines(study, &plot);
    best = mico_best(problem, study->trial, study->n_trials);
    if (best < study->n_trials) {
        tip_text(study, &study->trial[best], tip);
        mico_plot_dot(&plot, mico_report_cost(study, &study->trial[best]),
                      100 * mico_accuracy(&study->trial[best].outcome), 6, MICO_COLOR_BEST,
                      tip);
    }
    mico_plot_end(&plot);
}

/* Blue for many bits, pale for few; dark text where the cell is pale. */
static void cell(mico_str *out, double x, double y, double width, uint8_t bits)
{
    double share = (mico_width_bits(bits) - 1) / 7;
    int red = (int)(235 - 205 * share), green = (int)(243 - 142 * share),
        blue = (int)(251 - 79 * share);

    mico_str_add(out,
                 "<rect x='%.1f' y='%.1f' width='%.1f' height='26' rx='3' "
                 "fill='rgb(%d,%d,%d)'/><text x='%.1f' y='%.1f' text-anchor='middle' "
                 "style='fill:%s'>%s</text>\n",
                 x, y, width - 3, red, green, blue, x + (width - 3) / 2, y + 18,
                 share > 0.55 ? "#fff" : "#223", mico_width_text(bits));
}

void mico_figure_bits(const mico_study_run *study, mico_str *out)
{
    size_t n = study->problem.space.n_layers;
    size_t best = mico_best(&study->problem, study->trial, study->n_trials);
    double width = n <= 20 ? 46 : n <= 40 ? 30 : 24;

    if (best == study->n_trials)
        return;
    mico_str_add(out,
                 "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f 190' "
                 "font-family='sans-serif' font-size='12'>\n<style>text{fill:#33414e}</style>"
                 "<rect width='100%%' height='100%%' fill='#ffffff'/>\n<text x='10' y='20' "
                 "font-size='14' font-weight='bold'>Bits per layer of the best scheme"
                 "</text>\n<text x='10' y='58'>weights</text><text x='10' y='90'>"
                 "activations</text>\n",
                 100 + width * (double)n + 20);
    for (size_t l = 0; l < n; l++) {
        double x = 90 + width * (double)l;

        cell(out, x, 40, width, study->trial[best].scheme.bits[l]);
        cell(out, x, 72, width, study->trial[best].scheme.bits[n + l]);
        mico_str_add(out, "<text transform='translate(%.1f 108) rotate(60)' font-size='11'>",
                     x + width / 2 - 6);
        mico_add_escaped(out, study->problem.layer_name[l]);
        mico_str_add(out, "</text>\n");
    }
    mico_str_add(out, "</svg>\n");
}
