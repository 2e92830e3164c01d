/* contest.h (internal): what text, page and tables of a contest share. */
#ifndef MICO_REPORT_CONTEST_H
#define MICO_REPORT_CONTEST_H

#include "report/internal.h"

/* Evaluations until a run is within mico_contest_points[reach] of the optimum, or
 * INFINITY. */
double mico_contest_evaluations(const mico_contest_case *c, const mico_contest_run *run,
                                size_t reach);

/* Points below the optimum at the end. */
double mico_contest_regret(const mico_contest_case *c, const mico_contest_run *run);

/* Sorts values. Between a finite and an infinite one lies INFINITY. */
double mico_contest_quantile(double *values, size_t n, double q);

/* "57", ">512" */
void mico_contest_count_text(double evaluations, uint64_t budget, char out[32]);
void mico_contest_p_text(double p, char out[16]);

/* The page (contest_page.c) and the tables (contest_csv.c). */
void mico_contest_page(const mico_contest *contest, const char *title, mico_str *out);
void mico_contest_csv(const mico_contest *contest, mico_str *out);
void mico_contest_runs_csv(const mico_contest *contest, mico_str *out);

#endif
