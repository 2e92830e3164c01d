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
    bool limited, has_blas; /* [run] memory is set; the BLAS library has its buffer */
    mico_answer answer[MICO_BUNDLE_MOST]; /* of the bundle that runs */
} worker;

static void worker_free(worker *w)
{
    mico_eval_free(w->eval);
    mico_calib_free(w->calib);
    mico_world_close(&w->world);
    free(w);
}

/* Of [run] memory, which limits the whole process, what is left for the buffers of a
 * run once program and images are there; a quarter of it goes into packed weights. */
static uint64_t buffer_limit(uint64_t memory_bytes)
{
    uint64_t used = mico_used_bytes();
    uint64_t left = used < memory_bytes ? memory_bytes - used : memory_bytes;

    return left - left / 4;
}

static void set_options(mico_eval *eval, const mico_study *study)
{
    mico_eval_options options = {.reuse = strcmp(study->run_reuse, "on") == 0,
                                 .keep_bytes = study->run_keep_bytes};

    if (study->run_memory_bytes > 0)
        options.limit_bytes = buffer_limit(study->run_memory_bytes);
    mico_eval_set_options(eval, &options);
    mico_world_tune(eval);
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
    set_options(w->eval, &job->study[0]);
    w->limited = job->study[0].run_memory_bytes > 0;
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

/* Nothing was evaluated. Where the limit has no room for the buffers of one scheme,
 * that is not the scheme's fault (no other would fit) but the job's; several may fit
 * alone. */
static void refuse_all(mico_reply *reply, mico_status rc, const mico_err *err)
{
    for (uint32_t i = 0; i < reply->n; i++) {
        refuse(&reply->item[i].outcome, rc, err);
        if (rc == MICO_ELIMIT)
            reply->item[i].outcome.state =
                reply->n > 1 ? MICO_STATE_OUT_OF_MEMORY : MICO_STATE_INFRASTRUCTURE;
    }
    if (rc == MICO_ELIMIT)
        reply->blame = MICO_EJOB;
}

/* What fp32 needs and integers do not. */
static mico_status prepare_floats(worker *w, mico_err *err)
{
    mico_status rc = MICO_OK;

    if (w->limited && !w->has_blas)
        rc = mico_worker_claim_blas(err);
    w->has_blas = w->has_blas || rc == MICO_OK;
    return rc;
}

static void calibrate(worker *w, mico_reply *reply)
{
    mico_writer packed = {0};
    mico_calib *calib;
    mico_err err;
    mico_status rc = prepare_floats(w, &err);

    if (rc == MICO_OK)
        rc = mico_calibrate(&calib, w->world.net, &w->world.splits.calibration,
                            &w->world.quant, &err);
    if (rc != MICO_OK) {
        refuse_all(reply, rc, &err);
        return;
    }
    mico_calib_put(&packed, calib);
    mico_calib_free(calib);
    reply->payload = packed.bytes;
    reply->payload_bytes = packed.len;
    reply->item[0].outcome.state = MICO_STATE_DONE;
}

/* The task's images as a split of its own. */
static mico_status find_images(const worker *w, const mico_task *task, mico_split *out,
                               mico_err *err)
{
    const mico_split *split = task->split == MICO_SPLIT_FINAL ? &w->world.splits.final
                                                              : &w->world.splits.search;
    uint64_t to = task->to > 0 ? task->to : split->count;

    if (to > split->count || task->from >= to)
        return mico_fail(err, MICO_EBUG, "images %llu to %llu of a split of %zu",
                         (unsigned long long)task->from, (unsigned long long)to,
                         split->count);
    *out = *split;
    out->first += (size_t)task->from;
    out->count = (size_t)(to - task->from);
    return MICO_OK;
}

static mico_status check_task(const worker *w, const mico_task *task, mico_err *err)
{
    if (task->mode == MICO_MODE_INT && w->calib == NULL)
        return mico_fail(err, MICO_EBUG, "no calibration was loaded");
    for (uint32_t i = 0; i < task->n && task->mode != MICO_MODE_FP32; i++)
        if (task->item[i].scheme.n_layers != w->world.net->n_layers)
            return mico_fail(err, MICO_EBUG,
                             "scheme of %zu layers for a network of %zu",
                             task->item[i].scheme.n_layers, w->world.net->n_layers);
    return MICO_OK;
}

/* Fills the answers; fails as a whole where nothing was evaluated. */
static mico_status run_bundle(worker *w, const mico_task *task, const mico_split *split,
                              mico_err *err)
{
    const mico_scheme *scheme[MICO_BUNDLE_MOST];

    mico_status rc;

    for (uint32_t i = 0; i < task->n; i++)
        scheme[i] = &task->item[i].scheme;
    if (task->mode == MICO_MODE_INT)
        return mico_eval_bundle(w->eval, scheme, w->answer, task->n, split,
                                split->count, err);
    rc = prepare_floats(w, err);
    if (rc != MICO_OK)
        return rc;
    for (uint32_t i = 0; i < task->n; i++) {
        mico_answer *a = &w->answer[i];

        a->status =
            mico_eval_run(w->eval, task->mode, scheme[i], split, &a->result, &a->err);
        if (a->status != MICO_OK && a->status != MICO_ESCHEME)
            return mico_fail(err, a->status, "%s", a->err.text);
    }
    return MICO_OK;
}

static void take_answer(mico_reply_item *item, const mico_answer *answer)
{
    const mico_result *result = &answer->result;

    if (answer->status != MICO_OK) {
        refuse(&item->outcome, answer->status, &answer->err);
        return;
    }
    item->outcome.state = MICO_STATE_DONE;
    item->outcome.images = result->images;
    item->outcome.correct = result->correct;
    item->outcome.loss = result->loss;
    item->outcome.seconds = result->seconds;
    item->loss_sum = result->loss_sum;
}

static void evaluate(worker *w, const mico_task *task, mico_reply *reply)
{
    mico_split split;
    mico_err err;
    mico_status rc = check_task(w, task, &err);

    if (rc == MICO_OK)
        rc = find_images(w, task, &split, &err);
    if (rc != MICO_OK) {
        refuse_all(reply, rc, &err);
        return;
    }
    for (uint32_t i = 0; i < task->n; i++) {
        mico_reply_item *item = &reply->item[i];

        if (task->want_right)
            item->right =
                mico_xcalloc(MICO_RIGHT_WORDS(split.count), sizeof *item->right);
        w->answer[i] = (mico_answer){.result = {.right = item->right}};
    }
    rc = run_bundle(w, task, &split, &err);
    if (rc == MICO_OK)
        for (uint32_t i = 0; i < task->n; i++)
            take_answer(&reply->item[i], &w->answer[i]);
    else
        refuse_all(reply, rc, &err);
    for (uint32_t i = 0; i < task->n; i++) {
        mico_reply_item *item = &reply->item[i];

        if (item->outcome.state != MICO_STATE_DONE) {
            free(item->right);
            item->right = NULL;
        }
    }
}

/* What one evaluator of this study needs beside the program itself. */
static uint64_t held_bytes(const worker *w)
{
    return mico_world_bytes(&w->world) + mico_eval_bytes(w->eval);
}

static void serve(void *state, const mico_task *task, mico_reply *reply)
{
    if (task->kind == MICO_TASK_CALIBRATE)
        calibrate(state, reply);
    else
        evaluate(state, task, reply);
    reply->held_bytes = held_bytes(state);
}

const mico_service mico_worker_service = {.load = load, .serve = serve};
