/* mico report: what a run found, for people. */
#include "cli/common.h"
#include "cli/tool.h"
#include "cli/tool_options.h"

#include "core/file.h"
#include "core/mem.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "results/x.h5" -> "results/x-report" */
static void default_folder(const char *results, char out[4096])
{
    char folder[2048], stem[1024];

    mico_dirname(results, folder, sizeof folder);
    mico_stem(results, stem, sizeof stem);
    snprintf(out, 4096, "%s/%s-report", folder, stem);
}

static mico_status write_report(const mico_options_line *o, mico_run **runs,
                                mico_err *err)
{
    char folder[4096];
    mico_str text = {0};
    mico_status rc;

    for (int i = 0; i < o->n_operands; i++) {
        rc = mico_results_load(&runs[i], o->operand[i], err);
        if (rc != MICO_OK)
            return rc;
    }
    if (o->output != NULL)
        snprintf(folder, sizeof folder, "%s", o->output);
    else
        default_folder(o->operand[0], folder);
    rc = mico_report_write((const mico_run *const *)runs, (size_t)o->n_operands, folder,
                           o->title, err);
    if (rc != MICO_OK)
        return rc;
    for (int i = 0; i < o->n_operands; i++)
        mico_report_summary(runs[i], &text);
    fputs(text.text, stdout);
    printf("report: %s/report.html\n", folder);
    mico_str_free(&text);
    return MICO_OK;
}

int mico_tool_report(int argc, char **argv)
{
    mico_options_line o;
    mico_run **runs;
    mico_err err;
    mico_status rc;

    mico_options_read(&o, argc, argv, "output,title", "report RESULTS.h5... [-o DIR]");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    runs = mico_xcalloc((size_t)o.n_operands, sizeof *runs);
    if (o.n_operands == 0)
        rc = mico_fail(&err, MICO_EUSAGE, "needs at least one results file");
    else
        rc = write_report(&o, runs, &err);
    for (int i = 0; i < o.n_operands; i++)
        mico_run_free(runs[i]);
    free(runs);
    free(o.operand);
    return mico_exit_with("mico report", rc, &err);
}
