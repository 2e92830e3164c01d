/* internal.h: what the report's files share. */
#ifndef MICO_REPORT_INTERNAL_H
#define MICO_REPORT_INTERNAL_H

#include "report/report.h"

/* The page's style sheet (html.c). */
extern const char *const mico_html_style;

/* ---- words (words.c) ------------------------------------------------------------- */

/* Adds text that is safe inside elements and quoted attributes of HTML and XML: markup
 * as references, control characters and broken UTF-8 as "?". */
void mico_add_escaped(mico_str *out, const char *text);

/* A field of CSV: quoted where it holds a comma, quote or line end. */
void mico_csv_field(mico_str *out, const char *text);

/* As many whole characters of UTF-8 as room says: longer text loses its middle. */
void mico_cut_middle(const char *text, size_t room, char *out, size_t size);

/* "w8a8", or "reference" for schemes that are not that short. */
void mico_reference_text(const mico_scheme *scheme, char out[16]);

/* A cost for people: "340.8 M"; bits in bytes: "54.2 KiB". */
void mico_cost_text(const mico_metric *metric, double cost, char out[48]);

/* Axis of a metric: the label, and what to multiply a cost by (bits become KiB). */
double mico_cost_axis(const mico_metric *metric, char label[MICO_NAME_SIZE + 32]);

/* ---- facts (facts.c) ------------------------------------------------------------- */

/* The finished check of that name and split; NULL: none. */
const mico_check *mico_report_check(const mico_study_run *study, const char *name,
                                    mico_split_name split);

typedef struct mico_counts {
    size_t done, failed, repeats, pending;
    size_t state[MICO_N_STATES]; /* without repeats */
    double seconds;              /* evaluation time of all of them */
} mico_counts;
mico_counts mico_report_counts(const mico_study_run *study);

/* The trial to show: the best, else the least violating (*feasible false); n_trials
 * where nothing was evaluated. */
size_t mico_report_chosen(const mico_study_run *study, bool *feasible);

bool mico_report_feasible(const mico_study_run *study, const mico_trial *trial);

/* On the study's pareto metric; 0 where it has no metrics. */
double mico_report_cost(const mico_study_run *study, const mico_trial *trial);

/* Share of a constraint's limit that a scheme uses, in percent. */
double mico_report_used(const mico_problem *problem, size_t constraint,
                        const mico_scheme *scheme);

/* Studies of all runs that have trials; groups are studies that differ only in name and
 * seed. */
typedef struct mico_entry {
    const mico_study_run *study;
    size_t group;
} mico_entry;

typedef struct mico_overview {
    size_t n, n_groups;
    mico_entry *entry;
    const char **label; /* [n_groups] the searcher, or a study's name if not unique */
} mico_overview;

mico_overview mico_overview_make(const mico_run *const *runs, size_t n_runs);
void mico_overview_free(mico_overview *overview);

double mico_median(double *values, size_t n); /* sorts them */

/* ---- plots (svg.c) --------------------------------------------------------------- */

typedef enum mico_shape {
    MICO_SHAPE_DOT,
    MICO_SHAPE_HOLLOW,
    MICO_SHAPE_SQUARE,
    MICO_SHAPE_DIAMOND,
    MICO_SHAPE_DOWN,
    MICO_SHAPE_CROSS,
    MICO_SHAPE_LINE,
    MICO_SHAPE_NONE, /* a key that is only a remark */
} mico_shape;

/* Shapes and dashes differ wherever colors do: figures must survive a black printer. */
typedef struct mico_style {
    mico_shape shape;
    const char *color;
    double size; /* radius, or width of a line */
    const char *dash;
} mico_style;

#define MICO_PLOT_KEYS 12

/* A plot in data coordinates: set labels, ranges and keys, begin, draw, end. What lies
 * outside the ranges is drawn at the edge. */
typedef struct mico_plot {
    mico_str *out;
    const char *title, *x_label, *y_label;
    double x_min, x_max, y_min, y_max; /* begin adds a margin */
    bool x_whole;                      /* ticks at whole numbers only */
    size_t n_keys;
    struct {
        mico_style style;
        char text[160];
    } key[MICO_PLOT_KEYS];
} mico_plot;

/* A line of the legend below the plot. */
void mico_plot_key(mico_plot *plot, const mico_style *style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void mico_plot_begin(mico_plot *plot);
void mico_plot_mark(mico_plot *plot, double x, double y, const mico_style *style,
                    const char *tip);
/* A staircase: each y holds until the next x. Points that are not finite are left out.
 */
void mico_plot_steps(mico_plot *plot, const double *x, const double *y, size_t n,
                     const mico_style *style);
/* The area between two staircases. */
void mico_plot_band(mico_plot *plot, const double *x, const double *low,
                    const double *high, size_t n, const char *color);
void mico_plot_hline(mico_plot *plot, double y, const mico_style *style);
void mico_plot_vline(mico_plot *plot, double x, const mico_style *style);
void mico_plot_end(mico_plot *plot);

/* Opens the element; height in the units of a drawing MICO_SVG_WIDTH wide. */
#define MICO_SVG_WIDTH 760.0
void mico_svg_begin(mico_str *out, double height, const char *title);

/* ---- rank tests (ranks.c) -------------------------------------------------------- */

/* Two-sided Wilcoxon signed-rank test of pairs; zero differences are left out. Exact,
 * conditional on ties, for up to 100 pairs, else the normal approximation. 1 where no
 * pair differs. */
double mico_wilcoxon(const double *a, const double *b, size_t n);

/* Friedman's chi-square (corrected for ties) of value[block * k + treatment] and its p
 * value; mean ranks (room for k; ties share). NaN where nothing differs. */
double mico_friedman(const double *value, size_t blocks, size_t k, double *mean_rank,
                     double *chi_square);

/* ---- figures: nothing is added where there is nothing to show -------------------- */

/* Sorts values; the range that shows the better half well: what lies far below the
 * median is left out. *below is how many values do. */
void mico_focus(double *values, size_t n, double *low, double *high, size_t *below);

void mico_figure_progress(const mico_study_run *study, mico_str *out);
void mico_figure_tradeoff(const mico_study_run *study, mico_str *out);
void mico_figure_bits(const mico_study_run *study, mico_str *out);
void mico_figure_compare(const mico_overview *overview, mico_str *out);

#endif
