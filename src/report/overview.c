/* Several studies side by side: groups of seeds, the figure that compares them. */
#include "report/internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Same job texts but for the lines of name, seed and title? */
static bool same_but_seed(const char *a, const char *b)
{
    static const char *const ignored[] = {"name = ", "seed = ", "title = "};

    while (*a != '\0' && *b != '\0') {
        size_t na = strcspn(a, "\n"), nb = strcspn(b, "\n");
        bool skip = false;

        for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
            skip = skip || (starts(a, ignored[i]) && starts(b, ignored[i]));
        if (!skip && (na != nb || memcmp(a, b, na) != 0))
            return false;
        a += na + (a[na] == '\n');
        b += nb + (b[nb] == '\n');
    }
    return *a == *b;
}

static size_t group_of(mico_overview *o, const mico_study_run *study)
{
    for (size_t i = 0; i < o->n; i++)
        if (same_but_seed(o->entry[i].study->canonical, study->canonical))
            return o->entry[i].group;
    return o->n_groups++;
}

static const mico_study_run *first_of(const mico_overview *o, size_t group)
{
    size_t i = 0;

    while (o->entry[i].group != group)
        i++;
    return o->entry[i].study;
}

static void name_groups(mico_overview *o)
{
    for (size_t g = 0; g < o->n_groups; g++) {
        const mico_study_run *study = first_of(o, g);

        o->label[g] = study->searcher;
        for (size_t h = 0; h < o->n_groups; h++)
            if (h != g && strcmp(first_of(o, h)->searcher, study->searcher) == 0)
                o->label[g] = study->name;
    }
}

mico_overview mico_overview_make(const mico_run *const *runs, size_t n_runs)
{
    mico_overview o = {0};
    size_t room = 0;

    for (size_t r = 0; r < n_runs; r++)
        room += runs[r]->n_studies;
    o.entry = mico_xcalloc(room, sizeof *o.entry);
    for (size_t r = 0; r < n_runs; r++) {
        for (size_t s = 0; s < runs[r]->n_studies; s++) {
            const mico_study_run *study = &runs[r]->study[s];
            mico_entry *entry = &o.entry[o.n];

            if (study->n_trials == 0)
                continue;
            *entry = (mico_entry){study, group_of(&o, study)};
            o.n++;
        }
    }
    o.label = mico_xcalloc(o.n_groups, sizeof *o.label);
    name_groups(&o);
    return o;
}

void mico_overview_free(mico_overview *overview)
{
    free(overview->entry);
    free(overview->label);
    *overview = (mico_overview){0};
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double mico_median(double *values, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, ascending);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void mico_focus(double *values, size_t n, double *low, double *high, size_t *below)
{
    double median = mico_median(values, n), floor_at;

    *high = values[n - 1];
    floor_at = median - fmax(3 * (*high - median), 1);
    *low = fmax(values[0], floor_at);
    *below = 0;
    while (values[*below] < *low)
        (*below)++;
}

/* ---- the figure ------------------------------------------------------------------ */

static const struct {
    const char *color, *dash;
} looks[] = {{"#1f6fb2", NULL},       {"#d1495b", "8 4"},        {"#2e8b57", "2 3"},
             {"#7a5195", "10 3 2 3"}, {"#b5651d", "4 2"},        {"#33414e", "12 5"},
             {"#0f8b8d", "1 4"},      {"#c2185b", "6 2 2 2 2 2"}};

#define N_LOOKS (sizeof looks / sizeof looks[0])

/* Best feasible accuracy, in percent, after each trial; -inf before the first. */
static double *best_so_far(const mico_study_run *study)
{
    double *y = mico_xcalloc(study->n_trials, sizeof *y), best = -INFINITY;

    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *trial = &study->trial[i];

        if (trial->outcome.state == MICO_STATE_DONE &&
            mico_report_feasible(study, trial))
            best = fmax(best, 100 * mico_accuracy(&trial->outcome));
        y[i] = best;
    }
    return y;
}

static void draw_median(mico_plot *plot, const mico_overview *o, double **curve,
                        size_t group, const double *x)
{
    size_t length = SIZE_MAX;
    double *at = mico_xcalloc(o->n, sizeof *at), *y;
    mico_style style = {MICO_SHAPE_LINE, looks[group].color, 2.5, looks[group].dash};

    for (size_t i = 0; i < o->n; i++)
        if (o->entry[i].group == group && o->entry[i].study->n_trials < length)
            length = o->entry[i].study->n_trials;
    y = mico_xcalloc(length, sizeof *y);
    for (size_t t = 0; t < length; t++) {
        size_t n = 0;

        for (size_t i = 0; i < o->n; i++)
            if (o->entry[i].group == group)
                at[n++] = curve[i][t];
        y[t] = mico_median(at, n);
    }
    mico_plot_steps(plot, x, y, length, &style);
    free(y);
    free(at);
}

static void add_keys(mico_plot *plot, const mico_overview *o, size_t below)
{
    static const mico_style thin = {MICO_SHAPE_LINE, "#9aa7b4", 0.8, NULL};
    static const mico_style remark = {MICO_SHAPE_NONE, "", 0, NULL};

    for (size_t g = 0; g < o->n_groups && g < N_LOOKS; g++) {
        mico_style style = {MICO_SHAPE_LINE, looks[g].color, 2.5, looks[g].dash};
        size_t n = 0;

        for (size_t i = 0; i < o->n; i++)
            n += o->entry[i].group == g;
        if (n > 1)
            mico_plot_key(plot, &style, "%s (median of %zu seeds)", o->label[g], n);
        else
            mico_plot_key(plot, &style, "%s", o->label[g]);
    }
    if (o->n_groups > N_LOOKS)
        mico_plot_key(plot, &remark, "%zu more are not drawn", o->n_groups - N_LOOKS);
    if (o->n > o->n_groups)
        mico_plot_key(plot, &thin, "one seed");
    if (below > 0)
        mico_plot_key(plot, &remark,
                      "what is below the axis runs along its lower edge");
}

static bool find_range(const mico_overview *o, double **curve, mico_plot *plot,
                       size_t *below)
{
    size_t n = 0, n_values = 0;
    double *values;

    for (size_t i = 0; i < o->n; i++)
        n += o->entry[i].study->n_trials;
    values = mico_xcalloc(n, sizeof *values);
    for (size_t i = 0; i < o->n; i++)
        for (size_t t = 0; t < o->entry[i].study->n_trials; t++) {
            if (isfinite(curve[i][t]))
                values[n_values++] = curve[i][t];
            plot->x_max = fmax(plot->x_max, (double)t);
        }
    if (n_values > 0)
        mico_focus(values, n_values, &plot->y_min, &plot->y_max, below);
    free(values);
    return n_values > 0;
}

void mico_figure_compare(const mico_overview *o, mico_str *out)
{
    mico_plot plot = {.out = out,
                      .title = "Best feasible accuracy so far, all studies",
                      .x_label = "trial",
                      .y_label = "accuracy on the search split, %",
                      .x_whole = true};
    double **curve = mico_xcalloc(o->n, sizeof *curve), *x;
    size_t below = 0;

    for (size_t i = 0; i < o->n; i++)
        curve[i] = best_so_far(o->entry[i].study);
    if (o->n < 2 || !find_range(o, curve, &plot, &below))
        goto out;
    add_keys(&plot, o, below);
    x = mico_xcalloc((size_t)plot.x_max + 1, sizeof *x);
    for (size_t t = 0; t <= (size_t)plot.x_max; t++)
        x[t] = (double)t;
    mico_plot_begin(&plot);
    for (size_t i = 0; i < o->n; i++) {
        if (o->n > o->n_groups && o->entry[i].group < N_LOOKS) {
            mico_style thin = {MICO_SHAPE_LINE, looks[o->entry[i].group].color, 0.8,
                               NULL};

            mico_plot_steps(&plot, x, curve[i], o->entry[i].study->n_trials, &thin);
        }
    }
    for (size_t g = 0; g < o->n_groups && g < N_LOOKS; g++)
        draw_median(&plot, o, curve, g, x);
    mico_plot_end(&plot);
    free(x);
out:
    for (size_t i = 0; i < o->n; i++)
        free(curve[i]);
    free(curve);
}
