/* internal.h: what the report's files share. */
#ifndef MICO_REPORT_INTERNAL_H
#define MICO_REPORT_INTERNAL_H

#include "report/report.h"

#define MICO_COLOR_TRIAL "#9aa7b4"
#define MICO_COLOR_LINE  "#1f6fb2"
#define MICO_COLOR_BEST  "#d1495b"
#define MICO_COLOR_MARK  "#2e8b57"

/* ---- plots (svg.c) ------------------------------------------------------------------- */

/* A plot in data coordinates: set the ranges, begin, draw, end. */
typedef struct mico_plot {
    mico_str *out;
    double x_min, x_max, y_min, y_max;
    const char *title, *x_label, *y_label;
} mico_plot;

void mico_plot_begin(mico_plot *plot);
void mico_plot_dot(mico_plot *plot, double x, double y, double radius, const char *color,
                   const char *tip);
void mico_plot_steps(mico_plot *plot, const double *x, const double *y, size_t n,
                     const char *color);
void mico_plot_hline(mico_plot *plot, double y, const char *color, const char *label);
void mico_plot_vline(mico_plot *plot, double x, const char *color, const char *label);
void mico_plot_end(mico_plot *plot);

/* Adds text with &, <, >, quotes made safe for HTML and XML. */
void mico_add_escaped(mico_str *out, const char *text);

/* "1.23 G", "456 k": three significant digits with an SI prefix. */
void mico_short_number(double value, char out[32]);

/* ---- figures (figures.c): empty text where there is nothing to show -------------------- */

void mico_figure_progress(const mico_study_run *study, mico_str *out);
void mico_figure_tradeoff(const mico_study_run *study, mico_str *out);
void mico_figure_bits(const mico_study_run *study, mico_str *out);

/* ---- facts ------------------------------------------------------------------------------ */

/* The check of that name and split (and trial, unless MICO_NO_TRIAL); NULL: none done. */
const mico_check *mico_report_check(const mico_study_run *study, const char *name,
                                    mico_split_name split);

typedef struct mico_counts {
    size_t done, failed, repeats, feasible;
} mico_counts;
mico_counts mico_report_counts(const mico_study_run *study);

double mico_report_cost(const mico_study_run *study, const mico_trial *trial);

#endif
