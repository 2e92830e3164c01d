/* internal.h: what the driver's files share. */
#ifndef MICO_DRIVER_INTERNAL_H
#define MICO_DRIVER_INTERNAL_H

#include "driver/driver.h"

/* Where a study stands; the loop keeps it, progress shows it. */
typedef struct mico_loop {
    const mico_drive *drive;
    size_t study;              /* index in job and store */
    const mico_study *ask;     /* the job's study */
    const mico_study_run *run; /* what the store knows; grows as we record */
    mico_searcher *searcher;
    uint64_t n_told, n_distinct, n_failed_told, failures_in_a_row, dups_in_a_row;
    bool exhausted;    /* the searcher has nothing more to propose */
    uint64_t *waiting; /* trial ids to dispatch, a queue in id order */
    size_t n_waiting, waiting_capacity;
    size_t n_flying;        /* trials that workers have */
    struct mico_past *past; /* by trial id */
    size_t past_capacity;
    int lost_in_a_row;          /* answers without an evaluation */
    size_t fits_most;           /* a larger bundle had too little memory; 0: none had */
    double trial_s;             /* that the last trial took; 0: not known */
    uint64_t n_sent, n_bundles; /* trials sent to workers, in how many tasks */
    uint64_t held_bytes;        /* most memory that an evaluator reported */
    double last_flush_s, flush_took_s, last_line_s, start_s;
    uint64_t done_at_start, last_percent;
    struct mico_seen *seen; /* scheme -> first trial */
    size_t n_seen, seen_capacity;
    size_t best; /* of run->trial, or SIZE_MAX */
    bool drew_line;
} mico_loop;

/* What happened to a trial that has no outcome yet. */
struct mico_past {
    uint32_t attempts; /* failed ones */
    bool alone;        /* it was in a bundle that failed */
};

/* order = arrival: outcomes are told as they come, proposals made as workers come free.
 */
bool mico_loop_arrival(const mico_loop *loop);

/* True once a signal or the wall clock says stop; err says which. */
bool mico_loop_stopping(const mico_loop *loop, mico_err *err);

/* Periodic work between replies: flush of the view when due, progress. */
mico_status mico_loop_housekeeping(mico_loop *loop, bool force, mico_err *err);

/* Draws or prints where the study stands. */
void mico_progress_show(mico_loop *loop, bool force);
void mico_progress_end(mico_loop *loop);

#endif
