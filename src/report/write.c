/* Writes the report's files into a folder. */
#include "report/html.h"
#include "report/tables.h"

#include "core/file.h"
#include "core/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef void (*maker)(const mico_study_run *study, mico_str *out);
typedef char file_stem[MICO_NAME_SIZE + 24];

static mico_status write_text(const char *dir, const char *name, const char *ending,
                              const mico_str *text, mico_err *err)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/%s%s", dir, name, ending) >=
        sizeof path)
        return mico_fail(err, MICO_EIO, "%s: path is too long", dir);
    return mico_file_write(path, text->text != NULL ? text->text : "", text->len, err);
}

static mico_status write_study(const mico_study_run *study, const char *dir,
                               const char *stem, mico_err *err)
{
    static const struct {
        const char *ending;
        maker make;
    } parts[] = {
        {"-trials.csv", mico_table_trials},
        {"-front.csv", mico_table_front},
        {"-layers.csv", mico_table_layers},
        {"-checks.csv", mico_table_checks},
        {"-progress.svg", mico_figure_progress},
        {"-tradeoff.svg", mico_figure_tradeoff},
        {"-bits.svg", mico_figure_bits},
    };
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && rc == MICO_OK; i++) {
        mico_str text = {0};

        parts[i].make(study, &text);
        if (text.len > 0)
            rc = write_text(dir, stem, parts[i].ending, &text, err);
        mico_str_free(&text);
    }
    return rc;
}

/* The study's name as a file name: letters, digits and a few signs, never hidden; with
 * a number where an earlier study has that name already. Compared without regard to
 * case, since some file systems do not tell cases apart. */
static void make_stem(const char *name, file_stem *stems, size_t n)
{
    size_t same = 0, len;

    snprintf(stems[n], sizeof stems[n], "%.*s", MICO_NAME_SIZE - 1, name);
    for (char *c = stems[n]; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("-_+=", *c) == NULL &&
            (*c != '.' || c == stems[n]))
            *c = '_';
    if (stems[n][0] == '\0')
        snprintf(stems[n], sizeof stems[n], "study");
    len = strlen(stems[n]);
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(stems[i], stems[n]) != 0)
            continue;
        snprintf(stems[n] + len, sizeof stems[n] - len, "~%zu", ++same + 1);
        i = (size_t)-1; /* again: the numbered name may be taken too */
    }
}

static mico_status write_studies(const mico_overview *overview, const char *dir,
                                 mico_err *err)
{
    file_stem *stems = mico_xcalloc(overview->n, sizeof *stems);
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < overview->n && rc == MICO_OK; i++) {
        make_stem(overview->entry[i].study->name, stems, i);
        rc = write_study(overview->entry[i].study, dir, stems[i], err);
    }
    if (rc == MICO_OK && overview->n > 1) {
        mico_str text = {0};

        mico_figure_compare(overview, &text);
        if (text.len > 0) /* a study's files have other endings */
            rc = write_text(dir, "compare", ".svg", &text, err);
        mico_str_free(&text);
    }
    free(stems);
    return rc;
}

/* [report] title of the job's canonical text, where it gives one. */
static bool job_title(const mico_run *run, char *out, size_t size)
{
    const char *at = strstr(run->job_text, "[report]\ntitle = ");

    if (at == NULL)
        return false;
    at += strlen("[report]\ntitle = ");
    snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
    return out[0] != '\0';
}

static void make_title(const mico_run *run, char *out, size_t size)
{
    char stem[200];

    if (job_title(run, out, size))
        return;
    mico_stem(run->job_path, stem, sizeof stem);
    snprintf(out, size, "mico-sweep: %s", stem);
}

mico_status mico_report_write(const mico_run *const *runs, size_t n_runs,
                              const char *dir, const char *title, mico_err *err)
{
    mico_overview overview;
    mico_str page = {0};
    char made[256];
    mico_status rc;

    if (n_runs == 0)
        return mico_fail(err, MICO_EUSAGE, "nothing to report on");
    rc = mico_mkdirs(dir, err);
    if (rc != MICO_OK)
        return rc;
    overview = mico_overview_make(runs, n_runs);
    rc = write_studies(&overview, dir, err);
    mico_overview_free(&overview);
    if (rc != MICO_OK)
        return rc;
    if (title == NULL) {
        make_title(runs[0], made, sizeof made);
        title = made;
    }
    mico_html_page(runs, n_runs, title, &page);
    rc = write_text(dir, "report", ".html", &page, err);
    mico_str_free(&page);
    return rc;
}
