/* driver.h: the one loop: ask, propose, dispatch, record, tell.
 *
 * The proposal for trial k is made from the outcomes of trials 0..k-W, told in id
 * order, where W (the window) is fixed in the job: the trace does not depend on ranks
 * or timing. Everything durable goes through the store first; restart is replay. */
#ifndef MICO_DRIVER_DRIVER_H
#define MICO_DRIVER_DRIVER_H

#include "core/err.h"
#include "job/job.h"
#include "search/search.h"
#include "store/store.h"
#include "wire/wire.h"

#include <signal.h>

typedef enum mico_progress {
    MICO_PROGRESS_AUTO,
    MICO_PROGRESS_ALWAYS,
    MICO_PROGRESS_NEVER
} mico_progress;

#define MICO_ALL_STUDIES SIZE_MAX

typedef struct mico_drive {
    const mico_job *job;
    size_t only_study; /* index, or MICO_ALL_STUDIES */
    mico_store *store; /* its run holds the studies' problems */
    mico_pool *pool;
    mico_progress progress;
    volatile sig_atomic_t *stop; /* set by a signal handler to the signal's number */
    double started_s;            /* mico_now_s at program start (wall clock limit) */
} mico_drive;

/* The searcher's options as a study's keys give them. */
void mico_driver_search_options(const mico_study *study, mico_search_options *out);

/* Runs all (remaining) studies. MICO_OK: complete. MICO_EUNMET: a study found nothing
 * feasible or failed too often. MICO_ESTOPPED: asked to stop, resumable; the text says
 * by what. */
mico_status mico_driver_run(const mico_drive *drive, mico_err *err);

#endif
