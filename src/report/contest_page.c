/* A contest as one HTML page: a table and best-so-far curves for each case. */
#include "report/contest.h"

#include "core/file.h"
#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *color, *dash;
} looks[] = {{"#1f6fb2", NULL},       {"#d1495b", "8 4"},      {"#2e8b57", "2 3"},
             {"#7a5195", "10 3 2 3"}, {"#b5651d", "4 2"},      {"#33414e", "12 5"},
             {"#0f8b8d", "1 4"},      {"#c2185b", "6 2 2 2 2"}};
#define N_LOOKS (sizeof looks / sizeof looks[0])

/* ---- curves -----------------------------------------------------------------------
 */

/* Quartiles over seeds of the best so far after each evaluation, in percent; NaN before
 * three quarters (for the lowest) of the runs have one. A run that ended keeps its
 * best. */
typedef struct curve {
    double *x, *low, *middle, *high;
    size_t n;
} curve;

static curve make_curve(const mico_contest *contest, const mico_contest_case *c,
                        size_t method)
{
    const mico_contest_run *runs = &c->run[method * contest->n_seeds];
    size_t n_seeds = contest->n_seeds;
    double *values = mico_xcalloc(n_seeds, sizeof *values);
    curve out = {0};

    for (size_t s = 0; s < n_seeds; s++)
        out.n = runs[s].n > out.n ? runs[s].n : out.n;
    out.x = mico_xcalloc(4 * out.n + 1, sizeof *out.x);
    out.low = out.x + out.n;
    out.middle = out.low + out.n;
    out.high = out.middle + out.n;
    for (size_t i = 0; i < out.n; i++) {
        for (size_t s = 0; s < n_seeds; s++) {
            size_t at = i < runs[s].n ? i : runs[s].n - 1;
            uint32_t best = runs[s].n > 0 ? runs[s].best[at] : 0;

            values[s] = best > 0 ? 100 * (double)best / (double)c->images : -INFINITY;
        }
        out.x[i] = (double)(i + 1);
        out.low[i] = mico_contest_quantile(values, n_seeds, 0.25);
        out.middle[i] = mico_contest_quantile(values, n_seeds, 0.5);
        out.high[i] = mico_contest_quantile(values, n_seeds, 0.75);
    }
    free(values);
    return out;
}

/* The lower end of what is worth showing: a median a sixteenth through. */
static double floor_of(const curve *c)
{
    for (size_t i = c->n / 16; i < c->n; i++)
        if (isfinite(c->middle[i]))
            return c->middle[i];
    return INFINITY;
}

static void draw(const mico_contest *contest, const mico_contest_case *c, mico_str *out)
{
    static const mico_style limit = {MICO_SHAPE_LINE, "#7d8b99", 1.2, "5 3"};
    double optimum = 100 * (double)c->optimum / (double)c->images;
    mico_plot plot = {.out = out,
                      .title = c->name,
                      .x_label = "evaluations",
                      .y_label = "best feasible accuracy so far, %",
                      .x_whole = true,
                      .x_max = (double)c->budget,
                      .y_min = optimum,
                      .y_max = optimum};
    curve *curves = mico_xcalloc(contest->n_methods, sizeof *curves);

    for (size_t m = 0; m < contest->n_methods; m++) {
        const mico_style style = {MICO_SHAPE_LINE, looks[m % N_LOOKS].color, 2.2,
                                  looks[m % N_LOOKS].dash};

        curves[m] = make_curve(contest, c, m);
        plot.y_min = fmin(plot.y_min, floor_of(&curves[m]));
        mico_plot_key(&plot, &style, "%s", contest->method[m]);
    }
    mico_plot_key(&plot, &limit, "optimum; bands: quartiles of %zu seeds",
                  contest->n_seeds);
    mico_plot_begin(&plot);
    for (size_t m = 0; m < contest->n_methods; m++)
        mico_plot_band(&plot, curves[m].x, curves[m].low, curves[m].high, curves[m].n,
                       looks[m % N_LOOKS].color);
    mico_plot_hline(&plot, optimum, &limit);
    for (size_t m = 0; m < contest->n_methods; m++) {
        const mico_style style = {MICO_SHAPE_LINE, looks[m % N_LOOKS].color, 2.2,
                                  looks[m % N_LOOKS].dash};

        mico_plot_steps(&plot, curves[m].x, curves[m].middle, curves[m].n, &style);
        free(curves[m].x);
    }
    mico_plot_end(&plot);
    free(curves);
}

/* ---- tables -----------------------------------------------------------------------
 */

static void rows(const mico_contest *contest, size_t which, mico_str *out)
{
    const mico_contest_case *c = &contest->cases[which];

    mico_str_add(out, "<table><tr><th class='left'>method</th>");
    for (size_t r = 0; r < MICO_CONTEST_REACHES; r++)
        mico_str_add(out,
                     r == 0 ? "<th>to the optimum</th><th>runs</th>"
                            : "<th>to within %.1f</th><th>runs</th>",
                     mico_contest_points[r]);
    mico_str_add(out, "<th>regret, points</th><th>quartiles</th><th>ms a proposal</th>"
                      "<th>p against ");
    mico_add_escaped(out, contest->method[0]);
    mico_str_add(out, "</th></tr>\n");
    for (size_t m = 0; m < contest->n_methods; m++) {
        mico_contest_sum sum;
        char text[32], p[16];

        mico_contest_summarize(contest, which, m, &sum);
        mico_str_add(out, "<tr><td class='left'>");
        mico_add_escaped(out, contest->method[m]);
        mico_str_add(out, "</td>");
        for (size_t r = 0; r < MICO_CONTEST_REACHES; r++) {
            mico_contest_count_text(sum.reach[r].median, c->budget, text);
            mico_str_add(out, "<td>");
            mico_add_escaped(out, text);
            mico_str_add(out, "</td><td>%zu/%zu</td>", sum.reach[r].n,
                         contest->n_seeds);
        }
        mico_contest_p_text(sum.p, p);
        snprintf(text, sizeof text, isnan(sum.ms) ? "-" : "%.3f", sum.ms);
        mico_str_add(
            out, "<td>%.2f</td><td>%.2f&ndash;%.2f</td><td>%s</td><td>%s</td></tr>\n",
            sum.regret[1], sum.regret[0], sum.regret[2], text, p);
    }
    mico_str_add(out, "</table>\n");
}

void mico_contest_page(const mico_contest *contest, const char *title, mico_str *out)
{
    mico_str text = {0};

    mico_str_add(out, "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'/>"
                      "<meta name='viewport' content='width=device-width'/><title>");
    mico_add_escaped(out, title);
    mico_str_add(out, "</title><style>%s</style></head><body>\n<h1>", mico_html_style);
    mico_add_escaped(out, title);
    mico_str_add(out,
                 "</h1>\n<p>Median evaluations over %zu seeds until the best "
                 "feasible scheme so far is the optimum, or within 0.1 or 0.5 "
                 "points of it; every scheme of the space is known, so the optimum "
                 "is.</p>\n",
                 contest->n_seeds);
    for (size_t c = 0; c < contest->n_cases; c++) {
        const mico_contest_case *one = &contest->cases[c];

        mico_str_add(out, "<h2>");
        mico_add_escaped(out, one->name);
        mico_str_add(out,
                     "</h2>\n<p>Optimum %.2f %%: <code>%s</code>; %llu of %llu schemes "
                     "are feasible; %llu evaluations.</p>\n",
                     100 * (double)one->optimum / (double)one->images, one->scheme,
                     (unsigned long long)one->feasible,
                     (unsigned long long)one->schemes, (unsigned long long)one->budget);
        rows(contest, c, out);
        draw(contest, one, out);
    }
    mico_contest_text(contest, &text);
    mico_str_add(out, "<details><summary>As text</summary><pre>");
    mico_add_escaped(out, text.text != NULL ? text.text : "");
    mico_str_add(out, "</pre></details>\n</body></html>\n");
    mico_str_free(&text);
}

/* ---- files ------------------------------------------------------------------------
 */

static mico_status write_text(const char *dir, const char *name, mico_str *text,
                              mico_err *err)
{
    char path[4096];
    mico_status rc;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        rc = mico_fail(err, MICO_EIO, "%s: path is too long", dir);
    else
        rc =
            mico_file_write(path, text->text != NULL ? text->text : "", text->len, err);
    mico_str_free(text);
    return rc;
}

mico_status mico_contest_write(const mico_contest *contest, const char *dir,
                               const char *title, mico_err *err)
{
    mico_str text = {0};
    mico_status rc = mico_mkdirs(dir, err);

    if (rc != MICO_OK)
        return rc;
    mico_contest_page(contest, title, &text);
    rc = write_text(dir, "compare.html", &text, err);
    if (rc == MICO_OK) {
        mico_contest_csv(contest, &text);
        rc = write_text(dir, "compare.csv", &text, err);
    }
    if (rc == MICO_OK) {
        mico_contest_runs_csv(contest, &text);
        rc = write_text(dir, "runs.csv", &text, err);
    }
    return rc;
}
