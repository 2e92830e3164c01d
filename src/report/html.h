/* html.h (internal): the report page and its tables. */
#ifndef MICO_REPORT_HTML_H
#define MICO_REPORT_HTML_H

#include "report/internal.h"

void mico_html_page(const mico_run *const *runs, size_t n_runs, const char *title,
                    mico_str *out);

/* Tables (html_tables.c): nothing is added where there is nothing to show. */
void mico_html_checks(const mico_study_run *study, mico_str *out);
void mico_html_failures(const mico_study_run *study, mico_str *out);
void mico_html_layers(const mico_study_run *study, mico_str *out);
void mico_html_front(const mico_study_run *study, mico_str *out);
void mico_html_studies(const mico_overview *overview, mico_str *out);
void mico_html_groups(const mico_overview *overview, mico_str *out);
void mico_html_provenance(const mico_run *run, mico_str *out);

#endif
