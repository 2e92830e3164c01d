/* html.h (internal): the report page. */
#ifndef MICO_REPORT_HTML_H
#define MICO_REPORT_HTML_H

#include "report/internal.h"

void mico_html_page(const mico_run *const *runs, size_t n_runs, const char *title,
                    mico_str *out);

#endif
