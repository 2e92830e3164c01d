/* mico compare: searchers against each other on tables whose optimum is known. */
#include "cli/tool_compare.h"

#include "cli/common.h"
#include "cli/tool.h"
#include "cli/tool_options.h"
#include "cli/tool_selftest.h"

#include "core/file.h"
#include "core/mem.h"
#include "search/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SEEDS 5

/* ---- what is compared -------------------------------------------------------------
 */

/* --set texts: the command line's, and those that its words stand for. */
typedef struct sets {
    const char *text[80];
    size_t n;
    mico_str methods, seeds, limits;
} sets;

static void add_set(sets *s, const mico_str *text)
{
    if (text->text != NULL)
        s->text[s->n++] = text->text;
}

static void set_methods(sets *s, const char *list)
{
    mico_str_add(&s->methods, "sweep.search.method=");
    if (list != NULL) {
        mico_str_add(&s->methods, "%s", list);
    } else { /* all but the one that visits every scheme */
        for (size_t i = 0, n = 0; i < mico_n_searchers; i++)
            if (strcmp(mico_searchers[i]->name, "grid") != 0 &&
                mico_searchers[i]->missing == NULL)
                mico_str_add(&s->methods, "%s%s", n++ > 0 ? ", " : "",
                             mico_searchers[i]->name);
    }
    add_set(s, &s->methods);
}

/* "0.3,0.5" -> "bops <= 0.3 of w8a8 | bops <= 0.5 of w8a8", with the study's cost and
 * reference. */
static mico_status set_limits(sets *s, const mico_study *study, const char *list,
                              mico_err *err)
{
    mico_limit limits[8];
    const char *metric = study->objective_cost, *rest = list;
    char item[64];
    size_t n = 0;
    double share;

    if (metric[0] == '\0' &&
        mico_limits_parse(study->objective_subject_to, limits, 8, &n, err) == MICO_OK)
        metric = n > 0 ? limits[0].metric : "bops";
    mico_str_add(&s->limits, "sweep.objective.subject_to=");
    for (n = 0; mico_text_next(&rest, ',', item, sizeof item); n++) {
        if (!mico_text_double(item, &share) || !(share > 0))
            return mico_fail(err, MICO_EUSAGE,
                             "--limits: '%s' is not a share such as 0.5", item);
        mico_str_add(&s->limits, "%s%s <= %s of %s", n > 0 ? " | " : "", metric, item,
                     study->objective_reference);
    }
    add_set(s, &s->limits);
    return MICO_OK;
}

static bool all_alike(const mico_job *job, size_t offset, size_t size)
{
    for (size_t i = 1; i < job->n_studies; i++)
        if (memcmp((const char *)&job->study[i] + offset,
                   (const char *)&job->study[0] + offset, size) != 0)
            return false;
    return true;
}

/* The job, with sweeps over methods and seeds where it has none. */
static mico_status load(mico_compare *compare, const mico_options_line *o,
                        mico_err *err)
{
    sets s = {0};
    mico_job *plain = NULL;
    mico_status rc;

    for (size_t i = 0; i < o->n_sets; i++)
        s.text[s.n++] = o->set[i];
    s.text[s.n++] = "study.name=c"; /* long ones are refused, and none is needed */
    rc = mico_tool_job(&plain, o, s.text, s.n, err);
    if (rc != MICO_OK)
        goto out;
    if (o->methods != NULL || all_alike(plain, offsetof(mico_study, search_method),
                                        sizeof plain->study[0].search_method))
        set_methods(&s, o->methods);
    if (o->seeds > 0 || all_alike(plain, offsetof(mico_study, study_seed),
                                  sizeof plain->study[0].study_seed)) {
        mico_str_add(&s.seeds, "sweep.study.seed=1..%lld",
                     o->seeds > 0 ? (long long)o->seeds : (long long)DEFAULT_SEEDS);
        add_set(&s, &s.seeds);
    }
    if (o->limits != NULL)
        rc = set_limits(&s, &plain->study[0], o->limits, err);
    if (rc == MICO_OK)
        rc = mico_tool_job(&compare->job, o, s.text, s.n, err);
out:
    mico_job_free(plain);
    mico_str_free(&s.methods);
    mico_str_free(&s.seeds);
    mico_str_free(&s.limits);
    return rc;
}

/* ---- what is said -----------------------------------------------------------------
 */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *method_json(const mico_contest *contest, size_t which, size_t method)
{
    static const char *const names[MICO_CONTEST_REACHES] = {"to_optimum", "to_0.1",
                                                            "to_0.5"};
    mico_contest_sum sum;
    json_t *row = json_pack("{s:s}", "method", contest->method[method]);

    mico_contest_summarize(contest, which, method, &sum);
    for (size_t r = 0; r < MICO_CONTEST_REACHES; r++)
        json_object_set_new(row, names[r],
                            json_pack("{s:o, s:I}", "median",
                                      number(sum.reach[r].median), "runs",
                                      (json_int_t)sum.reach[r].n));
    json_object_set_new(row, "regret",
                        json_pack("[o, o, o]", number(sum.regret[0]),
                                  number(sum.regret[1]), number(sum.regret[2])));
    json_object_set_new(row, "ms_per_proposal", number(sum.ms));
    json_object_set_new(row, "p", number(sum.p));
    return row;
}

static void print_json(const mico_contest *contest, const char *folder)
{
    double *rank = mico_xcalloc(contest->n_methods, sizeof *rank);
    double p = mico_contest_friedman(contest, rank);
    json_t *cases = json_array(), *ranks = json_object();

    for (size_t c = 0; c < contest->n_cases; c++) {
        const mico_contest_case *one = &contest->cases[c];
        json_t *methods = json_array();

        for (size_t m = 0; m < contest->n_methods; m++)
            json_array_append_new(methods, method_json(contest, c, m));
        json_array_append_new(
            cases,
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:o}", "case", one->name,
                      "schemes", (json_int_t)one->schemes, "feasible",
                      (json_int_t)one->feasible, "images", (json_int_t)one->images,
                      "optimum", (json_int_t)one->optimum, "scheme", one->scheme,
                      "budget", (json_int_t)one->budget, "methods", methods));
    }
    for (size_t m = 0; m < contest->n_methods; m++)
        json_object_set_new(ranks, contest->method[m], json_real(rank[m]));
    free(rank);
    mico_json_print(json_pack("{s:s, s:I, s:o, s:o, s:o}", "folder", folder, "seeds",
                              (json_int_t)contest->n_seeds, "friedman_p", number(p),
                              "mean_ranks", ranks, "cases", cases));
}

static mico_status compare_all(const mico_options_line *o, mico_err *err)
{
    mico_compare compare = {.upstream = o->upstream, .quiet = o->json};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    char folder[4096], stem[1024], title[1100];
    mico_str text = {0};
    mico_status rc;

    mico_stem(o->operand[0], stem, sizeof stem);
    if (o->output != NULL)
        snprintf(folder, sizeof folder, "%s", o->output);
    else
        snprintf(folder, sizeof folder, "results/%s-compare", stem);
    snprintf(title, sizeof title, "Searchers compared: %s", stem);
    compare.processes = o->jobs > 0 ? (size_t)o->jobs : cores > 0 ? (size_t)cores : 1;
    rc = load(&compare, o, err);
    if (rc == MICO_OK)
        rc = mico_compare_cases(&compare, err);
    if (rc == MICO_OK)
        rc = mico_compare_run(&compare, err);
    if (rc == MICO_OK && o->also != NULL)
        rc = mico_contest_add(&compare.contest, o->also, err);
    if (rc == MICO_OK)
        rc = mico_contest_write(&compare.contest, folder,
                                o->title != NULL ? o->title : title, err);
    if (rc == MICO_OK && o->json)
        print_json(&compare.contest, folder);
    if (rc == MICO_OK && !o->json) {
        mico_contest_text(&compare.contest, &text);
        printf("%spage: %s/compare.html\n", text.text, folder);
    }
    mico_str_free(&text);
    mico_compare_free(&compare);
    return rc;
}

int mico_tool_compare(int argc, char **argv)
{
    mico_options_line o;
    mico_err err;
    mico_status rc;

    mico_options_read(&o, argc, argv,
                      "methods,seeds,limits,also,upstream-protocol,set,jobs,output,"
                      "title,json,selftest,budget,data",
                      "compare JOB.ini [options]\n"
                      "       mico compare --selftest [PROBLEM...] [options]\n\n"
                      "Runs methods x seeds x limits on the job's [net] table, whose "
                      "optimum is known, with\nits [study] budget. [sweep] of the job "
                      "counts where an option is not given; without\neither: all "
                      "searchers, 5 seeds, the job's limits.");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.selftest)
        rc = mico_tool_selftest(&o, &err);
    else if (o.budget > 0 || o.data != NULL)
        rc = mico_fail(&err, MICO_EUSAGE, "--budget and --data are for --selftest");
    else if (o.n_operands != 1)
        rc = mico_fail(&err, MICO_EUSAGE, "needs one job file");
    else
        rc = compare_all(&o, &err);
    free(o.operand);
    return mico_exit_with("mico compare", rc, &err);
}
