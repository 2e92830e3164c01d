/* Evaluators of studies with a table: each trial is looked up. */
#include "cli/sweep_table.h"

#include "core/mem.h"
#include "job/job.h"
#include "store/store.h"
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of both. */
typedef struct evaluator {
    mico_census *census;
    void *worker;
} evaluator;

static void *load(const uint8_t *blob, size_t n, mico_err *err)
{
    mico_reader r = {.bytes = blob, .len = n};
    evaluator *e = mico_xcalloc(1, sizeof *e);
    mico_job *job = NULL;
    const uint8_t *calib;
    size_t calib_bytes;

    if (mico_study_get(&r, &job, &calib, &calib_bytes, err) == MICO_OK) {
        if (job->study[0].net_table[0] == '\0')
            e->worker = mico_worker_service.load(blob, n, err);
        else
            mico_census_load(&e->census, job->study[0].net_table, err);
    }
    mico_job_free(job);
    if (e->worker != NULL || e->census != NULL)
        return e;
    free(e);
    return NULL;
}

static void refuse(mico_outcome *outcome, const char *why)
{
    outcome->state = MICO_STATE_REFUSED;
    snprintf(outcome->reason, sizeof outcome->reason, "%s", why);
}

static void answer(const mico_census *census, const mico_task *task,
                   const mico_scheme *scheme, mico_outcome *outcome)
{
    if (task->kind == MICO_TASK_CALIBRATE)
        outcome->state = MICO_STATE_DONE;
    else if (task->split != MICO_SPLIT_SEARCH)
        refuse(outcome, "the table knows the search split only");
    else if (task->from != 0 || (task->to != 0 && task->to != census->images))
        refuse(outcome, "the table knows the whole split only");
    else if (task->mode == MICO_MODE_INT)
        mico_census_answer(census, scheme, outcome);
    else if (task->mode == MICO_MODE_FP32 && census->fp32_correct >= 0)
        *outcome = (mico_outcome){.state = MICO_STATE_DONE,
                                  .images = census->images,
                                  .correct = (uint64_t)census->fp32_correct};
    else
        refuse(outcome, "the table knows integer arithmetic only");
}

static void serve(void *state, const mico_task *task, mico_reply *reply)
{
    evaluator *e = state;

    if (e->census == NULL) {
        mico_worker_service.serve(e->worker, task, reply);
        return;
    }
    if (task->kind == MICO_TASK_CALIBRATE) { /* nothing to calibrate, but something */
        reply->payload = mico_xcalloc(1, 1);
        reply->payload_bytes = 1;
    }
    for (uint32_t i = 0; i < task->n; i++) {
        mico_outcome *outcome = &reply->item[i].outcome;

        answer(e->census, task, &task->item[i].scheme, outcome);
        reply->item[i].loss_sum = outcome->loss * (double)outcome->images;
    }
}

const mico_service mico_table_service = {.load = load, .serve = serve};
