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

#endif
