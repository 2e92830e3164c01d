/* tool_compare.h: how `mico compare` runs searchers on tables. */
#ifndef MICO_CLI_TOOL_COMPARE_H
#define MICO_CLI_TOOL_COMPARE_H

#include "job/job.h"
#include "report/report.h"
#include "store/store.h"

/* One problem: a table, and all of a study but its method and seed. */
typedef struct mico_bout {
    const mico_study *study; /* the first one of the case */
    const mico_census *census;
    mico_problem problem;
} mico_bout;

/* One study of the job: which cell of the contest it fills. */
typedef struct mico_cell {
    const mico_study *study;
    size_t bout, method, seed;
} mico_cell;

typedef struct mico_compare {
    mico_job *job;
    size_t n_censuses, n_bouts;
    mico_census **census;
    char **census_path;
    mico_bout *bout;
    mico_cell *cell; /* [job->n_studies] */
    mico_contest contest;
    size_t processes;
    bool upstream, quiet;
} mico_compare;

/* Groups the job's studies into cases, methods and seeds, loads their tables, finds the
 * optima (tool_compare_cases.c). */
mico_status mico_compare_cases(mico_compare *compare, mico_err *err);
void mico_compare_free(mico_compare *compare);

/* Runs all cells, in processes of their own (tool_compare_run.c). */
mico_status mico_compare_run(mico_compare *compare, mico_err *err);

/* The search of one study, outcomes looked up: what mico-sweep would do, without stores
 * and processes (tool_compare_search.c). free_inits: evaluations at the start that are
 * neither counted nor the best. run->best has room for the budget. */
mico_status mico_compare_search(mico_contest_run *run, const mico_study *study,
                                const mico_problem *problem, const mico_census *census,
                                uint64_t free_inits, mico_err *err);

/* Evaluations of a method's initial design that MiCo's protocol does not count. */
uint64_t mico_compare_free_inits(const mico_study *study);

#endif
