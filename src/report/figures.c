/* The figures of a study's trials: best so far, accuracy against cost. */
#include "report/internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREY   "#7d8b99"
#define BLUE   "#1f6fb2"
#define RED    "#c8374b"
#define GREEN  "#1f7a4d"
#define PURPLE "#7a5195"

static const mico_style trial_style = {MICO_SHAPE_DOT, GREY, 3, NULL};
static const mico_style outside_style = {MICO_SHAPE_HOLLOW, GREY, 3, NULL};
static const mico_style below_style = {MICO_SHAPE_DOWN, GREY, 4, NULL};
static const mico_style failed_style = {MICO_SHAPE_CROSS, RED, 3.5, NULL};
static const mico_style front_style = {MICO_SHAPE_SQUARE, BLUE, 3.5, NULL};
static const mico_style best_style = {MICO_SHAPE_DIAMOND, RED, 8, NULL};
static const mico_style line_style = {MICO_SHAPE_LINE, BLUE, 2, NULL};
static const mico_style fp32_style = {MICO_SHAPE_LINE, PURPLE, 1.5, "8 4"};
static const mico_style reference_style = {MICO_SHAPE_LINE, GREEN, 1.5, "2 3"};
static const mico_style limit_style = {MICO_SHAPE_LINE, RED, 1.5, "10 3 2 3"};

static double percent(const mico_trial *trial)
{
    return 100 * mico_accuracy(&trial->outcome);
}

static bool evaluated(const mico_trial *trial)
{
    return trial->outcome.state == MICO_STATE_DONE && trial->dup_of == MICO_NO_TRIAL;
}

static bool failed(const mico_trial *trial)
{
    return trial->outcome.state != MICO_STATE_DONE &&
           trial->outcome.state != MICO_STATE_PENDING && trial->dup_of == MICO_NO_TRIAL;
}

static void tip_text(const mico_study_run *study, const mico_trial *trial,
                     mico_str *tip)
{
    char text[MICO_SCHEME_TEXT];

    tip->len = 0;
    mico_str_add(tip, "trial %llu: ", (unsigned long long)trial->id);
    if (trial->outcome.state == MICO_STATE_DONE)
        mico_str_add(tip, "%.2f %%", percent(trial));
    else
        mico_str_add(tip, "%s: %s", mico_state_text(trial->outcome.state),
                     trial->outcome.reason);
    for (size_t k = 0; k < study->problem.n_metrics; k++) {
        const mico_metric *metric = &study->problem.metric[k];

        mico_cost_text(metric, mico_metric_cost(metric, &trial->scheme), text);
        mico_str_add(tip, "\n%s %s", metric->name, text);
    }
    mico_scheme_print(&trial->scheme, text);
    mico_str_add(tip, "\n%s", text);
}

/* ---- what both figures share ----------------------------------------------------- */

typedef struct mico_scene {
    const mico_study_run *study;
    const mico_check *fp32, *reference;
    size_t below, best; /* best: n_trials where nothing is feasible */
    double low, high;   /* of the accuracy axis, in percent */
    mico_str tip;
} mico_scene;

static bool scene_make(mico_scene *scene, const mico_study_run *study)
{
    double *values = mico_xcalloc(study->n_trials, sizeof *values);
    size_t n = 0;

    *scene = (mico_scene){.study = study};
    for (size_t i = 0; i < study->n_trials; i++)
        if (evaluated(&study->trial[i]))
            values[n++] = percent(&study->trial[i]);
    if (n > 0)
        mico_focus(values, n, &scene->low, &scene->high, &scene->below);
    free(values);
    if (n == 0)
        return false;
    scene->best = mico_best(&study->problem, study->trial, study->n_trials);
    scene->fp32 = mico_report_check(study, "fp32", MICO_SPLIT_SEARCH);
    scene->reference = mico_report_check(study, "reference", MICO_SPLIT_SEARCH);
    if (scene->fp32 != NULL)
        scene->high = fmax(scene->high, 100 * mico_accuracy(&scene->fp32->outcome));
    if (scene->reference != NULL)
        scene->high =
            fmax(scene->high, 100 * mico_accuracy(&scene->reference->outcome));
    return true;
}

static void add_keys(const mico_scene *scene, mico_plot *plot)
{
    const mico_study_run *study = scene->study;
    char scheme[16];
    size_t outside = 0, inside = 0;

    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *trial = &study->trial[i];

        if (!evaluated(trial) || percent(trial) < scene->low)
            continue;
        if (mico_report_feasible(study, trial))
            inside++;
        else
            outside++;
    }
    if (inside > 0)
        mico_plot_key(plot, &trial_style, "trial");
    if (outside > 0)
        mico_plot_key(plot, &outside_style, "beyond the limits (%zu)", outside);
    if (scene->below > 0)
        mico_plot_key(plot, &below_style, "%zu below %.1f %%, drawn at the edge",
                      scene->below, scene->low);
    if (scene->best < study->n_trials)
        mico_plot_key(plot, &best_style, "best: trial %zu, %.2f %%", scene->best,
                      percent(&study->trial[scene->best]));
    if (scene->fp32 != NULL)
        mico_plot_key(plot, &fp32_style, "fp32 %.2f %%",
                      100 * mico_accuracy(&scene->fp32->outcome));
    if (scene->reference != NULL) {
        mico_reference_text(&scene->reference->scheme, scheme);
        mico_plot_key(plot, &reference_style, "%s %.2f %%", scheme,
                      100 * mico_accuracy(&scene->reference->outcome));
    }
}

static void draw_trials(mico_scene *scene, mico_plot *plot, const double *x)
{
    const mico_study_run *study = scene->study;

    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *trial = &study->trial[i];
        double y = percent(trial);

        if (!evaluated(trial))
            continue;
        tip_text(study, trial, &scene->tip);
        if (y < scene->low)
            mico_plot_mark(plot, x[i], plot->y_min, &below_style, scene->tip.text);
        else
            mico_plot_mark(plot, x[i], y,
                           mico_report_feasible(study, trial) ? &trial_style
                                                              : &outside_style,
                           scene->tip.text);
    }
}

static void draw_references(const mico_scene *scene, mico_plot *plot)
{
    if (scene->fp32 != NULL)
        mico_plot_hline(plot, 100 * mico_accuracy(&scene->fp32->outcome), &fp32_style);
    if (scene->reference != NULL)
        mico_plot_hline(plot, 100 * mico_accuracy(&scene->reference->outcome),
                        &reference_style);
}

static void draw_best(mico_scene *scene, mico_plot *plot, const double *x)
{
    const mico_study_run *study = scene->study;

    if (scene->best == study->n_trials)
        return;
    tip_text(study, &study->trial[scene->best], &scene->tip);
    mico_plot_mark(plot, x[scene->best], percent(&study->trial[scene->best]),
                   &best_style, scene->tip.text);
}

/* ---- best so far ----------------------------------------------------------------- */

static void draw_failed(mico_scene *scene, mico_plot *plot, const double *x)
{
    for (size_t i = 0; i < scene->study->n_trials; i++) {
        if (!failed(&scene->study->trial[i]))
            continue;
        tip_text(scene->study, &scene->study->trial[i], &scene->tip);
        mico_plot_mark(plot, x[i], plot->y_min, &failed_style, scene->tip.text);
    }
}

static void draw_so_far(const mico_study_run *study, mico_plot *plot, const double *x)
{
    double *y = mico_xcalloc(study->n_trials, sizeof *y), best = -INFINITY;

    for (size_t i = 0; i < study->n_trials; i++) {
        if (evaluated(&study->trial[i]) &&
            mico_report_feasible(study, &study->trial[i]))
            best = fmax(best, percent(&study->trial[i]));
        y[i] = best;
    }
    mico_plot_steps(plot, x, y, study->n_trials, &line_style);
    free(y);
}

void mico_figure_progress(const mico_study_run *study, mico_str *out)
{
    mico_plot plot = {.out = out,
                      .title = "Best feasible accuracy so far",
                      .x_label = "trial",
                      .y_label = "accuracy on the search split, %",
                      .x_whole = true};
    size_t n_failed = mico_report_counts(study).failed;
    mico_scene scene;
    double *x;

    if (!scene_make(&scene, study))
        return;
    plot.y_min = scene.low;
    plot.y_max = scene.high;
    plot.x_max = (double)(study->n_trials - 1);
    x = mico_xcalloc(study->n_trials, sizeof *x);
    for (size_t i = 0; i < study->n_trials; i++)
        x[i] = (double)i;
    if (scene.best < study->n_trials)
        mico_plot_key(&plot, &line_style, "best so far");
    add_keys(&scene, &plot);
    if (n_failed > 0)
        mico_plot_key(&plot, &failed_style, "failed (%zu)", n_failed);
    mico_plot_begin(&plot);
    draw_references(&scene, &plot);
    draw_trials(&scene, &plot, x);
    draw_failed(&scene, &plot, x);
    draw_so_far(study, &plot, x);
    draw_best(&scene, &plot, x);
    mico_plot_end(&plot);
    free(x);
    mico_str_free(&scene.tip);
}

/* ---- accuracy against cost ------------------------------------------------------- */

static void draw_front(mico_scene *scene, mico_plot *plot, const double *cost)
{
    const mico_study_run *study = scene->study;
    size_t *front = mico_xcalloc(study->n_trials, sizeof *front);
    size_t n = mico_front(&study->problem, study->trial, study->n_trials, front);
    double *x = mico_xcalloc(n, sizeof *x), *y = mico_xcalloc(n, sizeof *y);

    for (size_t i = 0; i < n; i++) {
        x[i] = cost[front[i]];
        y[i] = percent(&study->trial[front[i]]);
    }
    mico_plot_steps(plot, x, y, n, &line_style);
    for (size_t i = 0; i < n; i++) {
        tip_text(study, &study->trial[front[i]], &scene->tip);
        if (y[i] >= scene->low)
            mico_plot_mark(plot, x[i], y[i], &front_style, scene->tip.text);
    }
    free(front);
    free(x);
    free(y);
}

static void add_limits(const mico_problem *problem, double scale, mico_plot *plot)
{
    for (size_t k = 0; k < problem->n_constraints; k++) {
        double x = scale * problem->constraint[k].limit;

        if (problem->constraint[k].metric != problem->pareto_metric)
            continue;
        mico_plot_key(plot, &limit_style, "limit: %s", problem->constraint[k].text);
        plot->x_min = fmin(plot->x_min, x);
        plot->x_max = fmax(plot->x_max, x);
    }
}

static void draw_limits(const mico_problem *problem, double scale, mico_plot *plot)
{
    for (size_t k = 0; k < problem->n_constraints; k++)
        if (problem->constraint[k].metric == problem->pareto_metric)
            mico_plot_vline(plot, scale * problem->constraint[k].limit, &limit_style);
}

void mico_figure_tradeoff(const mico_study_run *study, mico_str *out)
{
    const mico_problem *problem = &study->problem;
    char title[MICO_NAME_SIZE + 32], label[MICO_NAME_SIZE + 32];
    mico_plot plot = {.out = out,
                      .title = title,
                      .x_label = label,
                      .y_label = "accuracy on the search split, %",
                      .x_min = INFINITY,
                      .x_max = -INFINITY};
    mico_scene scene;
    double *cost, scale;

    if (problem->n_metrics == 0 || !scene_make(&scene, study))
        return;
    plot.y_min = scene.low;
    plot.y_max = scene.high;
    snprintf(title, sizeof title, "Accuracy against %s",
             problem->metric[problem->pareto_metric].name);
    scale = mico_cost_axis(&problem->metric[problem->pareto_metric], label);
    cost = mico_xcalloc(study->n_trials, sizeof *cost);
    for (size_t i = 0; i < study->n_trials; i++) {
        cost[i] = scale * mico_report_cost(study, &study->trial[i]);
        if (!evaluated(&study->trial[i]) || percent(&study->trial[i]) < scene.low)
            continue;
        plot.x_min = fmin(plot.x_min, cost[i]);
        plot.x_max = fmax(plot.x_max, cost[i]);
    }
    if (scene.best < study->n_trials)
        mico_plot_key(&plot, &front_style, "front: nothing cheaper is as accurate");
    add_keys(&scene, &plot);
    add_limits(problem, scale, &plot);
    mico_plot_begin(&plot);
    draw_references(&scene, &plot);
    draw_limits(problem, scale, &plot);
    draw_trials(&scene, &plot, cost);
    draw_front(&scene, &plot, cost);
    draw_best(&scene, &plot, cost);
    mico_plot_end(&plot);
    free(cost);
    mico_str_free(&scene.tip);
}
