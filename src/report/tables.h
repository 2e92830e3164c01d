/* tables.h (internal): CSV texts of a study. */
#ifndef MICO_REPORT_TABLES_H
#define MICO_REPORT_TABLES_H

#include "report/internal.h"

void mico_table_trials(const mico_study_run *study, mico_str *out);
void mico_table_front(const mico_study_run *study, mico_str *out);
void mico_table_layers(const mico_study_run *study, mico_str *out);
void mico_table_checks(const mico_study_run *study, mico_str *out);

#endif
