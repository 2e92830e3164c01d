/* report_check.h: strict readers for what the report writes: XML, CSV, and a made-up
 * run. */
#ifndef MICO_TESTS_REPORT_CHECK_H
#define MICO_TESTS_REPORT_CHECK_H

#include "support/store_run.h"

#include <ctype.h>
#include <stdbool.h>

/* ---- well-formed XML
 * ----------------------------------------------------------------- */

/* One reference ("&amp;"), or 0 where it is none that XML knows without a DTD. */
static inline size_t report_reference(const char *at)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(at, known[i], strlen(known[i])) == 0)
            return strlen(known[i]);
    return 0;
}

/* Skips ` name='value'`; NULL where it is not one. */
static inline const char *report_attribute(const char *at)
{
    char quote;

    while (isalnum((unsigned char)*at) || *at == '-' || *at == ':')
        at++;
    if (*at++ != '=')
        return NULL;
    quote = *at++;
    if (quote != '\'' && quote != '"')
        return NULL;
    for (; *at != quote; at++)
        if (*at == '\0' || *at == '<' || (*at == '&' && report_reference(at) == 0))
            return NULL;
    return at + 1;
}

/* Where the text stops being well-formed (every element closed in order, attributes
 * quoted, markup escaped, no control characters), or NULL where all of it is. */
static inline const char *report_malformed(const char *text)
{
    char open[64][32];
    size_t depth = 0;
    const char *at = text;

    if (strncmp(at, "<!DOCTYPE html>", 15) == 0)
        at += 15;
    while (*at != '\0') {
        const char *begin = at;
        char name[32];
        size_t n = 0;
        bool closing;

        if (*at == '&' && report_reference(at) == 0)
            return at;
        if (*at != '<') {
            if ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t')
                return at;
            at++;
            continue;
        }
        closing = *++at == '/';
        at += closing;
        while (isalnum((unsigned char)*at) && n < sizeof name - 1)
            name[n++] = *at++;
        name[n] = '\0';
        while (!closing && at != NULL && *at == ' ')
            at = report_attribute(at + 1);
        if (n == 0 || at == NULL || depth == 64)
            return begin;
        if (at[0] == '/' && at[1] == '>' && !closing) {
            at += 2;
        } else if (*at++ != '>') {
            return begin;
        } else if (!closing) {
            strcpy(open[depth++], name);
        } else if (depth == 0 || strcmp(open[--depth], name) != 0) {
            return begin;
        }
    }
    return depth == 0 ? NULL : at;
}

/* How often a text occurs. */
static inline size_t report_count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

/* ---- CSV of RFC 4180, with \n as the line end
 * ---------------------------------------- */

typedef struct report_csv {
    size_t n_rows, n_columns;
    char *cell[128][24];
    bool ragged; /* rows of different lengths, or broken quoting */
} report_csv;

static inline void report_csv_read(report_csv *csv, const char *text)
{
    size_t column = 0;

    memset(csv, 0, sizeof *csv);
    while (*text != '\0') {
        char *cell = mico_xcalloc(strlen(text) + 1, 1), *out = cell;
        bool quoted = *text == '"';

        text += quoted;
        while (*text != '\0' && (quoted || (*text != ',' && *text != '\n'))) {
            if (quoted && *text == '"' && *++text != '"')
                break;
            csv->ragged = csv->ragged || (!quoted && *text == '"');
            *out++ = *text++;
        }
        csv->ragged = csv->ragged || (*text != ',' && *text != '\n');
        csv->cell[csv->n_rows][column++] = cell;
        if (*text == '\n') {
            if (csv->n_rows == 0)
                csv->n_columns = column;
            csv->ragged = csv->ragged || column != csv->n_columns;
            csv->n_rows++;
            column = 0;
        }
        text += *text != '\0';
    }
}

static inline void report_csv_free(report_csv *csv)
{
    for (size_t r = 0; r < 128; r++)
        for (size_t c = 0; c < 24; c++)
            free(csv->cell[r][c]);
}

/* The cell of that column in data row r (0: below the head); "?" where there is none.
 */
static inline const char *report_csv_at(const report_csv *csv, size_t r,
                                        const char *column)
{
    for (size_t c = 0; c < csv->n_columns; c++)
        if (strcmp(csv->cell[0][c], column) == 0 && r + 1 < csv->n_rows)
            return csv->cell[r + 1][c];
    return "?";
}

/* ---- a made-up run
 * ------------------------------------------------------------------- */

/* The studies of store_run.h with n trials each and the checks fp32 and best. */
typedef struct report_run {
    store_run made;
    mico_run run;
    mico_check check[2];
} report_run;

static inline void report_run_make(report_run *r, size_t n_trials)
{
    memset(r, 0, sizeof *r);
    store_run_make(&r->made);
    r->check[0] = store_run_check(true);
    r->check[1] = store_run_check(false);
    r->run.job_text = (char *)r->made.about.job_text;
    snprintf(r->run.job_path, sizeof r->run.job_path, "%s", r->made.about.job_path);
    snprintf(r->run.net_path, sizeof r->run.net_path, "%s", r->made.about.net_path);
    snprintf(r->run.data_path, sizeof r->run.data_path, "%s", r->made.about.data_path);
    r->run.n_studies = STORE_RUN_STUDIES;
    r->run.study = r->made.study;
    r->run.n_starts = 1;
    r->run.start = &r->made.about.start;
    for (size_t s = 0; s < STORE_RUN_STUDIES; s++) {
        mico_study_run *study = &r->run.study[s];

        study->n_trials = n_trials;
        study->trial = mico_xcalloc(n_trials, sizeof *study->trial);
        for (size_t t = 0; t < n_trials; t++)
            study->trial[t] = store_run_trial(t);
        study->n_checks = 2;
        study->check = r->check;
    }
}

static inline void report_run_drop(report_run *r)
{
    for (size_t s = 0; s < STORE_RUN_STUDIES; s++)
        free(r->made.study[s].trial);
    store_run_drop(&r->made);
}

#endif
