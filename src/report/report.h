/* report.h: a run for people: summary text, CSV tables, one self-contained HTML page.
 *
 * Reads results files only; needs no network, data or MPI. */
#ifndef MICO_REPORT_REPORT_H
#define MICO_REPORT_REPORT_H

#include "core/err.h"
#include "core/text.h"
#include "store/store.h"

/* Human summary of a run: per study the best scheme, accuracies, costs, front size. */
void mico_report_summary(const mico_run *run, mico_str *out);

/* Writes report.html, per study NAME-trials.csv, -front.csv, -layers.csv, -checks.csv
 * and -progress.svg, -tradeoff.svg, -bits.svg (where there is something to draw), and
 * compare.svg for several studies, into folder dir (made if missing). NAME is the
 * study's with odd characters replaced, numbered (NAME~2) where it is taken. runs may
 * be several results files. title NULL: made from the job. The files depend on the runs
 * alone. */
mico_status mico_report_write(const mico_run *const *runs, size_t n_runs,
                              const char *dir, const char *title, mico_err *err);

/* ---- contests: searchers on problems whose optimum is known ------------------------
 */

typedef struct mico_contest_run {
    size_t n;           /* evaluations */
    uint32_t *best;     /* [n] right answers of the best feasible one so far; 0: none */
    uint64_t proposals; /* repeats included */
    double search_s;    /* CPU time of the searcher itself; NaN: not known */
} mico_contest_run;

/* One problem: a table and its limits. */
typedef struct mico_contest_case {
    char name[200];
    char scheme[MICO_SCHEME_TEXT];      /* an optimal one */
    uint64_t schemes, feasible, images; /* of the space; of them; of the table */
    uint64_t optimum;                   /* right answers of the best feasible scheme */
    uint64_t budget;
    mico_contest_run *run; /* [method * n_seeds + seed] */
} mico_contest_case;

typedef struct mico_contest {
    size_t n_methods, n_seeds, n_cases;
    char (*method)[MICO_NAME_SIZE];
    uint64_t *seed;
    mico_contest_case *cases;
    bool upstream; /* the best excludes the initial design */
} mico_contest;

/* Evaluations until the best so far is this close to the optimum: medians over seeds,
 * INFINITY where the median run does not get there within its budget. */
typedef struct mico_contest_reach {
    double median;
    size_t n; /* runs that get there */
} mico_contest_reach;

#define MICO_CONTEST_REACHES 3 /* the optimum, 0.1 and 0.5 points below it */
extern const double mico_contest_points[MICO_CONTEST_REACHES];

typedef struct mico_contest_sum {
    mico_contest_reach reach[MICO_CONTEST_REACHES];
    double regret[3]; /* points below the optimum at the end: quartiles over seeds */
    double ms;        /* searcher's time per proposal, mean; NaN: not known */
    double p;         /* Wilcoxon signed-rank test of evaluations to within 0.1 points
                         (runs that do not get there behind the others, by regret),
                         paired by seed, against the first method; NaN for that one */
} mico_contest_sum;

void mico_contest_summarize(const mico_contest *contest, size_t which, size_t method,
                            mico_contest_sum *out);

/* Friedman test over all cases and seeds of the same quantity: mean ranks (room for
 * n_methods, 1 is best) and the p value (NaN for fewer than two methods). */
double mico_contest_friedman(const mico_contest *contest, double *mean_rank);

void mico_contest_text(const mico_contest *contest, mico_str *out);

/* Writes compare.html, compare.csv and runs.csv into folder dir. */
mico_status mico_contest_write(const mico_contest *contest, const char *dir,
                               const char *title, mico_err *err);

/* Adds the methods of a runs.csv (ours or another program's) with runs of exactly the
 * contest's cases and seeds. */
mico_status mico_contest_add(mico_contest *contest, const char *path, mico_err *err);
void mico_contest_free(mico_contest *contest);

#endif
