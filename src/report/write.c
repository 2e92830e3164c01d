/* Writes the report's files into a folder. */
#include "report/html.h"
#include "report/tables.h"

#include "core/file.h"

#include <stdio.h>
#include <string.h>

typedef void (*maker)(const mico_study_run *study, mico_str *out);

static mico_status write_text(const char *dir, const char *name, const char *ending,
                              const mico_str *text, mico_err *err)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/%s%s", dir, name, ending) >= sizeof path)
        return mico_fail(err, MICO_EIO, "%s: path is too long", dir);
    return mico_file_write(path, text->text != NULL ? text->text : "", text->len, err);
}

static mico_status write_study(const mico_study_run *study, const char *dir, mico_err *err)
{
    static const struct {
        const char *ending;
        maker make;
    } parts[] = {
        {"-trials.csv", mico_table_trials},       {"-front.csv", mico_table_front},
        {"-layers.csv", mico_table_layers},       {"-checks.csv", mico_table_checks},
        {"-progress.svg", mico_figure_progress},  {"-tradeoff.svg", mico_figure_tradeoff},
        {"-bits.svg", mico_figure_bits},
    };
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && rc == MICO_OK; i++) {
        mico_str text = {0};

        parts[i].make(study, &text);
        if (text.len > 0)
            rc = write_text(dir, study->name, parts[i].ending, &text, err);
        mico_str_free(&text);
    }
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

mico_status mico_report_write(const mico_run *const *runs, size_t n_runs, const char *dir,
                              const char *title, mico_err *err)
{
    mico_str page = {0};
    char made[256];
    mico_status rc = mico_mkdirs(dir, err);

    if (rc != MICO_OK)
        return rc;
    for (size_t r = 0; r < n_runs && rc == MICO_OK; r++)
        for (size_t s = 0; s < runs[r]->n_studies && rc == MICO_OK; s++)
            if (runs[r]->study[s].n_trials > 0)
                rc = write_study(&runs[r]->study[s], dir, err);
    if (rc != MICO_OK)
        return rc;
    if (title == NULL && job_title(runs[0], made, sizeof made))
        title = made;
    if (title == NULL) {
        char stem[200];

        mico_stem(runs[0]->job_path, stem, sizeof stem);
        snprintf(made, sizeof made, "mico-sweep: %s", stem);
        title = made;
    }
    mico_html_page(runs, n_runs, title, &page);
    rc = write_text(dir, "report", ".html", &page, err);
    mico_str_free(&page);
    return rc;
}
