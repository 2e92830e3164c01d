/* A search whose trials are looked up: the driver's rules of asking and telling in
 * fixed order, without stores, pools and clocks. */
#include "cli/tool_compare.h"

#include "core/clock.h"
#include "core/mem.h"
#include "driver/driver.h"
#include "search/search.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DUPS_IN_A_ROW 2000 /* as in driver/search_loop.c */

typedef struct looked_up {
    const mico_problem *problem;
    const mico_census *census;
    mico_searcher *searcher;
    mico_contest_run *run;
    uint64_t budget, window, free_inits;
    mico_trial *trial;
    size_t n, capacity;
    uint64_t *seen; /* [census->n] 1 + first trial of each scheme */
    uint64_t n_told, n_distinct, n_failed_told, dups_in_a_row;
    uint32_t best;
    double search_s;
    bool exhausted;
} looked_up;

uint64_t mico_compare_free_inits(const mico_study *study)
{
    const char *name = study->search_method;
    bool upstream = strncmp(name, "mico", 4) == 0 || strcmp(name, "bo") == 0 ||
                    strncmp(name, "regress", 7) == 0;

    return upstream ? study->search_inits : 0;
}

/* Evaluations are counted in the order of the proposals. */
static void count(looked_up *l, const mico_trial *trial)
{
    mico_contest_run *run = l->run;

    l->n_distinct++;
    if (l->n_distinct <= l->free_inits)
        return;
    if (trial->outcome.state == MICO_STATE_DONE && trial->outcome.correct > l->best &&
        mico_violation(l->problem, &trial->scheme) <= 0)
        l->best = (uint32_t)trial->outcome.correct;
    if (run->n < l->budget)
        run->best[run->n++] = l->best;
}

static mico_status ask(looked_up *l, mico_err *err)
{
    mico_trial *trial;
    double start_s = mico_cpu_s();
    bool more;
    size_t at;

    l->trial = mico_grow(l->trial, l->n, &l->capacity, sizeof *l->trial);
    trial = &l->trial[l->n];
    *trial = (mico_trial){.id = l->n, .dup_of = MICO_NO_TRIAL};
    more = mico_search_ask(l->searcher, trial->id, &trial->scheme);
    l->search_s += mico_cpu_s() - start_s;
    if (!more) {
        l->exhausted = true;
        return MICO_OK;
    }
    at = mico_census_find(l->census, &trial->scheme);
    if (at == l->census->n)
        return mico_fail(err, MICO_EBUG, "a proposal that the table does not hold");
    mico_census_answer(l->census, &trial->scheme, &trial->outcome);
    l->n++;
    l->dups_in_a_row = l->seen[at] > 0 ? l->dups_in_a_row + 1 : 0;
    l->exhausted = l->dups_in_a_row > MAX_DUPS_IN_A_ROW;
    if (l->seen[at] > 0) {
        trial->dup_of = l->seen[at] - 1;
        return MICO_OK;
    }
    l->seen[at] = trial->id + 1;
    count(l, trial);
    return MICO_OK;
}

static void tell(looked_up *l)
{
    const mico_trial *trial = &l->trial[l->n_told++];
    double start_s = mico_cpu_s();

    mico_search_tell(l->searcher, trial);
    l->search_s += mico_cpu_s() - start_s;
    if (trial->dup_of == MICO_NO_TRIAL && trial->outcome.state != MICO_STATE_DONE)
        l->n_failed_told++;
}

mico_status mico_compare_search(mico_contest_run *run, const mico_study *study,
                                const mico_problem *problem, const mico_census *census,
                                uint64_t free_inits, mico_err *err)
{
    mico_search_options options;
    looked_up l = {.problem = problem,
                   .census = census,
                   .run = run,
                   .budget = study->study_budget,
                   .window = study->run_window,
                   .free_inits = free_inits};
    mico_status rc;

    mico_driver_search_options(study, &options);
    options.budget += free_inits;
    rc = mico_search_new(&l.searcher, problem, &options, err);
    if (rc != MICO_OK)
        return rc;
    l.seen = mico_xcalloc(census->n, sizeof *l.seen);
    while (rc == MICO_OK) {
        bool spent = l.exhausted ||
                     l.n_distinct - l.n_failed_told >= study->study_budget + free_inits;

        if (l.n_told + l.window <= l.n || (spent && l.n_told < l.n))
            tell(&l);
        else if (spent)
            break;
        else
            rc = ask(&l, err);
    }
    run->proposals = l.n;
    run->search_s = l.search_s;
    mico_search_free(l.searcher);
    free(l.trial);
    free(l.seen);
    return rc;
}
