/* From the studies of a job to the cases, methods and seeds of a contest. */
#include "cli/tool_compare.h"

#include "cli/common.h"
#include "core/file.h"
#include "core/mem.h"
#include "driver/driver.h"
#include "search/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A study's text without its name, seed and method: equal texts are one case. */
static char *case_text(const mico_study *study)
{
    static const char *const left_out[] = {"[study]name", "[study]seed",
                                           "[search]method"};
    char section[64] = "";
    mico_str out = {0};

    for (const char *line = study->canonical; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        char key[128];
        bool keep = true;

        if (line[0] == '[')
            snprintf(section, sizeof section, "%.*s", (int)n, line);
        snprintf(key, sizeof key, "%s%.*s", section, (int)strcspn(line, " \n"), line);
        for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
            keep = keep && strcmp(key, left_out[i]) != 0;
        if (keep)
            mico_str_add(&out, "%.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    return out.text != NULL ? out.text : mico_xstrdup("");
}

/* ---- tables -----------------------------------------------------------------------
 */

static mico_status find_census(mico_compare *compare, const mico_study *study,
                               const mico_census **out, mico_err *err)
{
    size_t i = 0, n = compare->n_censuses;
    mico_status rc;

    if (study->net_table[0] == '\0')
        return mico_fail(err, MICO_EUSAGE,
                         "compares on tables only: [net] table is missing; mico "
                         "bench-table makes one");
    while (i < n && strcmp(compare->census_path[i], study->net_table) != 0)
        i++;
    if (i == n) {
        compare->census =
            mico_xrealloc(compare->census, n + 1, sizeof *compare->census);
        compare->census_path =
            mico_xrealloc(compare->census_path, n + 1, sizeof *compare->census_path);
        rc = mico_census_load(&compare->census[n], study->net_table, err);
        if (rc != MICO_OK)
            return rc;
        compare->census_path[n] = mico_xstrdup(study->net_table);
        compare->n_censuses++;
    }
    *out = compare->census[i];
    return MICO_OK;
}

/* ---- cases ------------------------------------------------------------------------
 */

/* The best feasible scheme, by looking at all of them. */
static mico_status find_optimum(mico_contest_case *out, const mico_bout *bout,
                                mico_err *err)
{
    const mico_problem *problem = &bout->problem;
    size_t n;
    mico_status rc = mico_census_count(&problem->space, &n, err);

    if (rc != MICO_OK)
        return rc;
    out->schemes = n;
    out->images = bout->census->images;
    for (size_t i = 0; i < n; i++) {
        uint8_t levels[MICO_MAX_GENES];
        mico_scheme scheme;
        size_t at;

        mico_census_levels(&problem->space, i, levels);
        mico_space_scheme(&problem->space, levels, &scheme);
        if (mico_violation(problem, &scheme) > 0)
            continue;
        out->feasible++;
        at = mico_census_find(bout->census, &scheme);
        if (at < bout->census->n && bout->census->correct[at] != MICO_CENSUS_REFUSED &&
            bout->census->correct[at] > out->optimum) {
            out->optimum = bout->census->correct[at];
            mico_scheme_print(&scheme, out->scheme);
        }
    }
    if (out->optimum == 0)
        return mico_fail(err, MICO_EUNMET, "%s: no feasible scheme gets anything right",
                         out->name);
    return MICO_OK;
}

static void name_case(mico_contest *contest, size_t which, const mico_study *study)
{
    mico_contest_case *c = &contest->cases[which];
    size_t same = 1;
    char stem[64];

    mico_stem(study->net_table, stem, sizeof stem);
    snprintf(c->name, sizeof c->name, "%s, %.100s", stem,
             study->objective_subject_to[0] != '\0' ? study->objective_subject_to
                                                    : "no limit");
    for (size_t i = 0; i < which; i++)
        same += strncmp(contest->cases[i].name, c->name, strlen(c->name)) == 0;
    if (same > 1)
        snprintf(c->name + strlen(c->name), sizeof c->name - strlen(c->name), " (%zu)",
                 same);
}

/* A new case with this study's problem; its optimum is not known yet. */
static mico_status add_case(mico_compare *compare, const mico_study *study,
                            mico_err *err)
{
    mico_contest *contest = &compare->contest;
    size_t n = compare->n_bouts;
    mico_bout *bout = &compare->bout[n];
    mico_status rc;

    *bout = (mico_bout){.study = study};
    rc = find_census(compare, study, &bout->census, err);
    if (rc == MICO_OK)
        rc = mico_problem_of_table(&bout->problem, study, bout->census, err);
    if (rc != MICO_OK)
        return rc;
    compare->n_bouts++;
    contest->n_cases++;
    contest->cases[n] = (mico_contest_case){.budget = study->study_budget};
    name_case(contest, n, study);
    return MICO_OK;
}

/* Tries the searcher: limits that cannot be met, methods that are not known. */
static mico_status check_searcher(const mico_cell *cell, const mico_bout *bout,
                                  mico_err *err)
{
    mico_search_options options;
    mico_searcher *searcher;
    mico_status rc;

    mico_driver_search_options(cell->study, &options);
    rc = mico_search_new(&searcher, &bout->problem, &options, err);
    if (rc == MICO_OK)
        mico_search_free(searcher);
    return rc;
}

static size_t find_method(mico_contest *contest, const char *name)
{
    size_t m = 0;

    while (m < contest->n_methods && strcmp(contest->method[m], name) != 0)
        m++;
    if (m < contest->n_methods)
        return m;
    contest->method = mico_xrealloc(contest->method, m + 1, sizeof *contest->method);
    snprintf(contest->method[m], sizeof contest->method[m], "%.63s", name);
    return contest->n_methods++;
}

static size_t find_seed(mico_contest *contest, uint64_t seed)
{
    size_t s = 0;

    while (s < contest->n_seeds && contest->seed[s] != seed)
        s++;
    if (s < contest->n_seeds)
        return s;
    contest->seed = mico_xrealloc(contest->seed, s + 1, sizeof *contest->seed);
    contest->seed[s] = seed;
    return contest->n_seeds++;
}

/* Every case, method and seed once. */
static mico_status make_runs(mico_compare *compare, mico_err *err)
{
    mico_contest *contest = &compare->contest;
    size_t per_case = contest->n_methods * contest->n_seeds;

    if (compare->job->n_studies != per_case * contest->n_cases)
        return mico_fail(
            err, MICO_EUSAGE,
            "the job makes %zu studies, not each of %zu cases with each of "
            "%zu methods and %zu seeds once",
            compare->job->n_studies, contest->n_cases, contest->n_methods,
            contest->n_seeds);
    for (size_t c = 0; c < contest->n_cases; c++)
        contest->cases[c].run = mico_xcalloc(per_case, sizeof *contest->cases[c].run);
    return MICO_OK;
}

mico_status mico_compare_cases(mico_compare *compare, mico_err *err)
{
    mico_contest *contest = &compare->contest;
    size_t n = compare->job->n_studies, n_texts = 0;
    char **text = mico_xcalloc(n, sizeof *text);
    mico_status rc = MICO_OK;

    compare->bout = mico_xcalloc(n, sizeof *compare->bout);
    compare->cell = mico_xcalloc(n, sizeof *compare->cell);
    contest->cases = mico_xcalloc(n, sizeof *contest->cases);
    contest->upstream = compare->upstream;
    for (size_t i = 0; i < n && rc == MICO_OK; i++) {
        mico_cell *cell = &compare->cell[i];
        size_t c = 0;

        cell->study = &compare->job->study[i];
        cell->method = find_method(contest, cell->study->search_method);
        cell->seed = find_seed(contest, cell->study->study_seed);
        text[n_texts] = case_text(cell->study);
        while (strcmp(text[c], text[n_texts]) != 0)
            c++;
        cell->bout = c;
        if (c == n_texts) {
            n_texts++;
            rc = add_case(compare, cell->study, err);
        } else {
            free(text[n_texts]);
        }
        if (rc == MICO_OK)
            rc = check_searcher(cell, &compare->bout[c], err);
        if (rc == MICO_OK && contest->cases[c].schemes == 0)
            rc = find_optimum(&contest->cases[c], &compare->bout[c], err);
    }
    for (size_t i = 0; i < n_texts; i++)
        free(text[i]);
    free(text);
    return rc == MICO_OK ? make_runs(compare, err) : rc;
}

void mico_compare_free(mico_compare *compare)
{
    mico_contest_free(&compare->contest);
    for (size_t i = 0; i < compare->n_censuses; i++) {
        mico_census_free(compare->census[i]);
        free(compare->census_path[i]);
    }
    free(compare->census);
    free(compare->census_path);
    for (size_t i = 0; i < compare->n_bouts; i++)
        mico_problem_free(&compare->bout[i].problem);
    free(compare->bout);
    free(compare->cell);
    mico_job_free(compare->job);
    *compare = (mico_compare){0};
}
