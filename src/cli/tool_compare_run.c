/* The runs of a contest, in a process a core; results come back in shared memory. */
#include "cli/tool_compare.h"

#include "core/clock.h"
#include "core/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)4 << 30)
#define REDRAW_S   0.2
#define PLAIN_S    60.0

typedef struct slot {
    bool done;
    size_t n;
    uint64_t proposals;
    double search_s;
    char error[400];
} slot;

typedef struct shared {
    atomic_size_t next, n_done;
    slot slot[]; /* a cell each; then each cell's best so far, budget of them */
} shared;

/* Where the answers of cell i begin, in bytes; of the number of cells: the size. */
static size_t offset_of(const mico_compare *compare, size_t i)
{
    size_t at = sizeof(shared) + compare->job->n_studies * sizeof(slot);

    for (size_t k = 0; k < i && at < MOST_BYTES; k++) {
        uint64_t budget = compare->cell[k].study->study_budget;

        at += budget < MOST_BYTES ? (size_t)budget * sizeof(uint32_t) : MOST_BYTES;
    }
    return at;
}

static _Noreturn void child(const mico_compare *compare, shared *all)
{
    size_t n = compare->job->n_studies, i;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((i = atomic_fetch_add(&all->next, 1)) < n) {
        const mico_cell *cell = &compare->cell[i];
        const mico_bout *bout = &compare->bout[cell->bout];
        slot *out = &all->slot[i];
        void *best = (char *)all + offset_of(compare, i);
        mico_contest_run run = {.best = best};
        mico_err err;

        if (mico_compare_search(&run, cell->study, &bout->problem, bout->census,
                                compare->upstream ? mico_compare_free_inits(cell->study)
                                                  : 0,
                                &err) != MICO_OK)
            snprintf(out->error, sizeof out->error, "%.399s", err.text);
        out->n = run.n;
        out->proposals = run.proposals;
        out->search_s = run.search_s;
        out->done = true;
        atomic_fetch_add(&all->n_done, 1);
    }
    _exit(0);
}

/* A redrawn line on a terminal, a plain one now and then elsewhere. */
static void show(const mico_compare *compare, const shared *all, double start_s,
                 double *shown_s)
{
    bool terminal = isatty(STDERR_FILENO);
    size_t done = atomic_load(&all->n_done), total = compare->job->n_studies;
    double now_s = mico_now_s();
    char left[32] = "-";

    if (compare->quiet || now_s - *shown_s < (terminal ? REDRAW_S : PLAIN_S))
        return;
    *shown_s = now_s;
    if (done > 0)
        mico_text_duration((now_s - start_s) / (double)done * (double)(total - done),
                           left);
    fprintf(stderr, "%s%zu of %zu runs  eta %s%s", terminal ? "\r" : "", done, total,
            left, terminal ? "\033[K" : "\n");
    fflush(stderr);
}

static void wait_all(const mico_compare *compare, const shared *all, const pid_t *pid,
                     size_t n)
{
    double start_s = mico_now_s(), shown_s = start_s;

    for (size_t k = 0; k < n;) {
        if (waitpid(pid[k], NULL, WNOHANG) != 0) {
            k++;
            continue;
        }
        show(compare, all, start_s, &shown_s);
        mico_sleep_s(0.02);
    }
    if (!compare->quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static mico_status take(mico_compare *compare, const shared *all, mico_err *err)
{
    for (size_t i = 0; i < compare->job->n_studies; i++) {
        const mico_cell *cell = &compare->cell[i];
        const slot *from = &all->slot[i];
        mico_contest *contest = &compare->contest;
        mico_contest_run *run = &contest->cases[cell->bout]
                                     .run[cell->method * contest->n_seeds + cell->seed];

        if (from->error[0] != '\0')
            return mico_fail(err, MICO_EBUG, "%s, seed %llu: %s",
                             cell->study->search_method,
                             (unsigned long long)cell->study->study_seed, from->error);
        if (!from->done)
            return mico_fail(err, MICO_ECOMM, "searcher %s died on '%s', seed %llu",
                             cell->study->search_method,
                             contest->cases[cell->bout].name,
                             (unsigned long long)cell->study->study_seed);
        *run = (mico_contest_run){
            .n = from->n, .proposals = from->proposals, .search_s = from->search_s};
        run->best = mico_xcalloc(run->n + 1, sizeof *run->best);
        memcpy(run->best, (const char *)all + offset_of(compare, i),
               run->n * sizeof *run->best);
    }
    return MICO_OK;
}

mico_status mico_compare_run(mico_compare *compare, mico_err *err)
{
    size_t bytes = offset_of(compare, compare->job->n_studies), n = 0;
    pid_t *pid = NULL;
    shared *all;
    mico_status rc = MICO_OK;

    if (bytes >= MOST_BYTES)
        return mico_fail(err, MICO_ELIMIT,
                         "runs times budget is too much to remember; lower [study] "
                         "budget");
    all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return mico_fail(err, MICO_ENOMEM, "no memory for the results: %s",
                         strerror(errno));
    pid = mico_xcalloc(compare->processes, sizeof *pid);
    fflush(NULL);
    for (; n < compare->processes; n++) {
        pid[n] = fork();
        if (pid[n] == 0)
            child(compare, all);
        if (pid[n] < 0)
            break;
    }
    if (n == 0)
        rc = mico_fail(err, MICO_EIO, "no process: %s", strerror(errno));
    wait_all(compare, all, pid, n);
    if (rc == MICO_OK)
        rc = take(compare, all, err);
    free(pid);
    munmap(all, bytes);
    return rc;
}
