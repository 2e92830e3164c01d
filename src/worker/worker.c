/* The evaluator's service: loads a study, answers its tasks. */
#include "worker/worker.h"

#include "core/mem.h"
#include "eval/eval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct worker {
    mico_world world;
    mico_calib *calib;
    mico_eval *eval;
} worker;

static void worker_free(worker *w)
{
    mico_eval_free(w->eval);
    mico_calib_free(w->calib);
    mico_world_close(&w->world);
    free(w);
}

static void *load(const uint8_t *blob, size_t n, mico_err *err)
{
    mico_reader r = {.bytes = blob, .len = n};
    worker *w = mico_xcalloc(1, sizeof *w);
    mico_job *job = NULL;
    const uint8_t *calib;
    size_t calib_bytes;
    mico_status rc;

    rc = mico_study_get(&r, &job, &calib, &calib_bytes, err);
    if (rc != MICO_OK)
        goto out;
    rc = mico_world_open(&w->world, &job->study[0], err);
    if (rc != MICO_OK)
        goto out;
    if (calib_bytes > 0) {
        mico_reader c = {.bytes = calib, .len = calib_bytes};

        rc = mico_calib_get(&c, &w->calib, err);
        if (rc == MICO_OK && w->calib->n_tensors != w->world.net->n_tensors)
            rc = mico_fail(err, MICO_EFORMAT, "calibration is of another network");
        if (rc != MICO_OK)
            goto out;
    }
    w->eval = mico_eval_new(w->world.net, w->calib, &w->world.quant);
    mico_eval_set_isa(w->eval, getenv("MICO_ISA"));
out:
    mico_job_free(job);
    if (rc != MICO_OK) {
        worker_free(w);
        return NULL;
    }
    return w;
}

static void refuse(mico_outcome *outcome, mico_status rc, const mico_err *err)
{
    outcome->state = rc == MICO_ESCHEME  ? MICO_STATE_REFUSED
                     : rc == MICO_ENOMEM ? MICO_STATE_OUT_OF_MEMORY
                                         : MICO_STATE_BAD_OUTPUT;
    snprintf(outcome->reason, sizeof outcome->reason, "%.199s", err->text);
}

static void calibrate(worker *w, mico_reply *reply)
{
    mico_writer packed = {0};
    mico_calib *calib;
    mico_err err;
    mico_status rc = mico_calibrate(&calib, w->world.net, &w->world.splits.calibration,
                                    &w->world.quant, &err);

    if (rc != MICO_OK) {
        refuse(&reply->outcome, rc, &err);
        return;
    }
    mico_calib_put(&packed, calib);
    mico_calib_free(calib);
    reply->payload = packed.bytes;
    reply->payload_bytes = packed.len;
    reply->outcome.state = MICO_STATE_DONE;
}

static void evaluate(worker *w, const mico_task *task, mico_reply *reply)
{
    const mico_split *split = task->split == MICO_SPLIT_FINAL ? &w->world.splits.final
                                                              : &w->world.splits.search;
    mico_result result = {0};
    mico_err err;
    mico_status rc;

    if (task->mode == MICO_MODE_INT && w->calib == NULL)
        rc = mico_fail(&err, MICO_EBUG, "no calibration was loaded");
    else if (task->mode != MICO_MODE_FP32 &&
             task->scheme.n_layers != w->world.net->n_layers)
        rc = mico_fail(&err, MICO_EBUG, "scheme of %zu layers for a network of %zu",
                       task->scheme.n_layers, w->world.net->n_layers);
    else
        rc = mico_eval_run(w->eval, task->mode, &task->scheme, split, &result, &err);
    if (rc != MICO_OK) {
        refuse(&reply->outcome, rc, &err);
        return;
    }
    reply->outcome.state = MICO_STATE_DONE;
    reply->outcome.images = result.images;
    reply->outcome.correct = result.correct;
    reply->outcome.loss = result.loss;
    reply->outcome.seconds = result.seconds;
}

static void serve(void *state, const mico_task *task, mico_reply *reply)
{
    if (task->kind == MICO_TASK_CALIBRATE)
        calibrate(state, reply);
    else
        evaluate(state, task, reply);
}

const mico_service mico_worker_service = {.load = load, .serve = serve};
