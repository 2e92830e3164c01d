/* All studies of a job, one after the other: calibrate, reference, search, final
 * checks. */
#include "driver/search_loop.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FRONT_CHECKS 32

bool mico_loop_arrival(const mico_loop *loop)
{
    return strcmp(loop->ask->run_order, "arrival") == 0;
}

bool mico_loop_stopping(const mico_loop *loop, mico_err *err)
{
    const mico_drive *drive = loop->drive;
    double limit_s = loop->ask->study_wallclock_s;

    if (*drive->stop != 0) {
        mico_fail(err, MICO_ESTOPPED, "stopped by %s", strsignal(*drive->stop));
        return true;
    }
    if (limit_s > 0 && mico_now_s() - drive->started_s > limit_s) {
        char text[32];

        mico_text_duration(limit_s, text);
        mico_fail(err, MICO_ESTOPPED, "stopped by the wall clock limit of %s", text);
        return true;
    }
    return false;
}

mico_status mico_loop_housekeeping(mico_loop *loop, bool force, mico_err *err)
{
    double now_s = mico_now_s();
    mico_status rc = MICO_OK;

    mico_progress_show(loop, force);
    /* a large view takes long to write: at most a twentieth of the time goes into it */
    if (force || now_s - loop->last_flush_s >
                     fmax(loop->ask->run_flush_s, 20 * loop->flush_took_s)) {
        rc = mico_store_flush(loop->drive->store, err);
        loop->last_flush_s = mico_now_s();
        loop->flush_took_s = loop->last_flush_s - now_s;
    }
    return rc;
}

/* ---- tasks beside the search
 * --------------------------------------------------------- */

/* The one scheme that must fit does not: better to say so than to see all trials fail.
 * Nothing is recorded, so that another limit may try again. */
static mico_status no_memory(const mico_loop *loop, mico_reply *reply, mico_err *err)
{
    mico_status rc;

    if (loop->ask->run_memory_bytes > 0)
        rc = mico_fail(err, MICO_EJOB, "[run] memory = %.0f MiB is too little: %s",
                       (double)loop->ask->run_memory_bytes / 1048576.0,
                       reply->item[0].outcome.reason);
    else
        rc = mico_fail(err, MICO_EJOB, "%s; [run] memory sets another limit",
                       reply->item[0].outcome.reason);
    mico_reply_free(reply);
    return rc;
}

/* Waits for the answer to `task`; lost ranks are replaced, crashes tried again. */
static mico_status await(mico_loop *loop, mico_task *task, mico_reply *reply,
                         mico_err *err)
{
    mico_pool *pool = loop->drive->pool;
    uint64_t tries = 0;

    for (;;) {
        mico_state state;
        mico_status rc;

        while (mico_pool_idle(pool) == 0) {
            if (mico_pool_workers(pool) == 0)
                return mico_fail(err, MICO_ECOMM, "no worker is left");
            if (mico_loop_stopping(loop, err))
                return MICO_ESTOPPED;
            mico_sleep_s(0.01);
            if (mico_pool_next(pool, reply, 0))
                mico_reply_free(reply);
        }
        task->item[0].attempt = (uint32_t)tries;
        rc = mico_pool_submit(pool, task, err);
        if (rc != MICO_OK)
            return rc;
        for (;;) {
            if (mico_loop_stopping(loop, err))
                return MICO_ESTOPPED;
            mico_progress_show(loop, false);
            if (!mico_pool_next(pool, reply, 0.1))
                continue;
            if (reply->item[0].ticket == task->item[0].ticket)
                break;
            mico_reply_free(reply);
        }
        state = reply->item[0].outcome.state;
        if (state != MICO_STATE_DONE && reply->blame == MICO_EJOB)
            return no_memory(loop, reply, err);
        if ((state != MICO_STATE_CRASHED && state != MICO_STATE_INFRASTRUCTURE) ||
            tries >= loop->ask->run_retries)
            return MICO_OK;
        mico_log(MICO_LOG_WARN, "%s; trying again", reply->item[0].outcome.reason);
        mico_reply_free(reply);
        tries++;
    }
}

static mico_status load_study(mico_loop *loop, mico_err *err)
{
    mico_limits limits = {.timeout_s = loop->ask->run_timeout_s,
                          .memory_bytes = loop->ask->run_memory_bytes};
    mico_writer blob = {0};
    mico_status rc;

    mico_study_put(&blob, loop->ask, loop->drive->job->path, loop->run->calib,
                   loop->run->calib_bytes);
    rc = mico_pool_load(loop->drive->pool, &limits, blob.bytes, blob.len, err);
    mico_writer_free(&blob);
    return rc;
}

/* Loads the study into the pool, with its calibration (made and recorded if unknown).
 */
static mico_status calibrate(mico_loop *loop, mico_err *err)
{
    mico_task task = {
        .kind = MICO_TASK_CALIBRATE, .n = 1, .item = {{.ticket = MICO_NO_TRIAL - 1}}};
    mico_reply reply = {0};
    const mico_outcome *outcome = &reply.item[0].outcome;
    mico_status rc = load_study(loop, err);

    if (rc != MICO_OK || loop->run->calib != NULL)
        return rc;
    rc = await(loop, &task, &reply, err);
    if (rc != MICO_OK)
        return rc;
    if (outcome->state != MICO_STATE_DONE)
        rc = mico_fail(
            err, outcome->state == MICO_STATE_INFRASTRUCTURE ? MICO_ECOMM : MICO_ENET,
            "calibration: %s: %s", mico_state_text(outcome->state), outcome->reason);
    else
        rc = mico_store_calib(loop->drive->store, loop->study, reply.payload,
                              reply.payload_bytes, err);
    mico_reply_free(&reply);
    /* evaluators that hold the study without its calibration load it again */
    return rc == MICO_OK ? load_study(loop, err) : rc;
}

static const mico_check *known_check(const mico_study_run *run, const mico_check *check)
{
    for (size_t i = 0; i < run->n_checks; i++)
        if (strcmp(run->check[i].name, check->name) == 0 &&
            run->check[i].split == check->split && run->check[i].trial == check->trial)
            return &run->check[i];
    return NULL;
}

/* Dispatches checks that have no outcome yet and waits for them. */
static mico_status run_checks(mico_loop *loop, const mico_check *checks, size_t n,
                              mico_err *err)
{
    for (size_t i = 0; i < n; i++) {
        mico_check check = checks[i];
        mico_task task = {
            .kind = MICO_TASK_TRIAL,
            .mode = check.mode,
            .split = check.split,
            .n = 1,
            .item = {{.ticket = MICO_NO_TRIAL - 2 - i, .scheme = check.scheme}}};
        mico_reply reply = {0};
        mico_status rc;

        if (known_check(loop->run, &check) != NULL)
            continue;
        rc = await(loop, &task, &reply, err);
        if (rc != MICO_OK)
            return rc;
        check.outcome = reply.item[0].outcome;
        if (reply.held_bytes > loop->held_bytes)
            loop->held_bytes = reply.held_bytes;
        mico_reply_free(&reply);
        if (check.outcome.state == MICO_STATE_INFRASTRUCTURE)
            return mico_fail(err, MICO_ECOMM, "%s: %s", check.name,
                             check.outcome.reason);
        rc = mico_store_check(loop->drive->store, loop->study, &check, err);
        if (rc != MICO_OK)
            return rc;
        if (check.outcome.state != MICO_STATE_DONE)
            mico_log(MICO_LOG_WARN, "%s on the %s split: %s (%s)", check.name,
                     check.split == MICO_SPLIT_FINAL ? "final" : "search",
                     mico_state_text(check.outcome.state), check.outcome.reason);
    }
    return MICO_OK;
}

static void add_check(mico_check *checks, size_t *n, const char *name, mico_mode mode,
                      mico_split_name split, uint64_t trial, const mico_scheme *scheme)
{
    mico_check *c = &checks[(*n)++];

    *c = (mico_check){.mode = mode, .split = split, .trial = trial};
    snprintf(c->name, sizeof c->name, "%s", name);
    if (scheme != NULL)
        c->scheme = *scheme;
}

/* fp32 and the reference scheme, so that a wrong preprocessing shows before the search.
 */
static mico_status run_references(mico_loop *loop, mico_err *err)
{
    mico_check checks[4];
    mico_scheme reference;
    size_t n = 0;
    const mico_check *fp32, *quantized;
    mico_status rc = mico_scheme_parse(&reference, loop->ask->objective_reference,
                                       loop->run->problem.space.n_layers, err);

    if (rc != MICO_OK)
        return rc;
    for (int split = MICO_SPLIT_SEARCH; split <= MICO_SPLIT_FINAL; split++) {
        add_check(checks, &n, "fp32", MICO_MODE_FP32, (mico_split_name)split,
                  MICO_NO_TRIAL, NULL);
        add_check(checks, &n, "reference", MICO_MODE_INT, (mico_split_name)split,
                  MICO_NO_TRIAL, &reference);
    }
    rc = run_checks(loop, checks, n, err);
    if (rc != MICO_OK)
        return rc;
    fp32 = known_check(loop->run, &checks[0]);
    quantized = known_check(loop->run, &checks[1]);
    mico_log(MICO_LOG_INFO, "%s: search split of %llu images: fp32 %.2f %%, %s %.2f %%",
             loop->run->name, (unsigned long long)fp32->outcome.images,
             100 * mico_accuracy(&fp32->outcome), loop->ask->objective_reference,
             100 * mico_accuracy(&quantized->outcome));
    if (loop->held_bytes > 0)
        mico_log(MICO_LOG_INFO,
                 "%s: an evaluator holds %.1f MiB of images, weights and buffers",
                 loop->run->name, (double)loop->held_bytes / 1048576.0);
    loop->trial_s = quantized->outcome.seconds;
    return MICO_OK;
}

/* The winner, and where a front was asked for its members, on images never searched on.
 */
static mico_status run_finals(mico_loop *loop, mico_err *err)
{
    const mico_study_run *run = loop->run;
    mico_check *checks = mico_xcalloc(MAX_FRONT_CHECKS + 1, sizeof *checks);
    size_t *front = mico_xcalloc(run->n_trials, sizeof *front);
    size_t n = 0, n_front, best;
    mico_status rc;

    best = mico_best(&run->problem, run->trial, run->n_trials);
    if (best < run->n_trials)
        add_check(checks, &n, "best", MICO_MODE_INT, MICO_SPLIT_FINAL, best,
                  &run->trial[best].scheme);
    n_front = mico_front(&run->problem, run->trial, run->n_trials, front);
    for (size_t i = 0;
         run->problem.goal == MICO_GOAL_PARETO && i < n_front && i < MAX_FRONT_CHECKS;
         i++)
        add_check(checks, &n, "front", MICO_MODE_INT, MICO_SPLIT_FINAL, front[i],
                  &run->trial[front[i]].scheme);
    rc = run_checks(loop, checks, n, err);
    free(front);
    free(checks);
    return rc;
}

/* ---- studies
 * ------------------------------------------------------------------------- */

void mico_driver_search_options(const mico_study *study, mico_search_options *out)
{
    *out = (mico_search_options){
        .seed = study->study_seed,
        .budget = study->study_budget,
        .n_inits = study->search_inits,
        .n_candidates = study->search_candidates,
        .n_trees = study->search_trees,
        .population = study->search_population,
        .tournament = study->search_tournament,
        .initial = strcmp(study->search_initial, "minmax") == 0   ? MICO_INITIAL_MINMAX
                   : strcmp(study->search_initial, "random") == 0 ? MICO_INITIAL_RANDOM
                                                                  : MICO_INITIAL_ORTH,
        .sampler = strcmp(study->search_sampler, "random") == 0 ? MICO_SAMPLER_RANDOM
                                                                : MICO_SAMPLER_NEAR,
        .raw_features = strcmp(study->search_features, "off") == 0,
        .mean_only = strcmp(study->search_ucb, "off") == 0,
        .roi = study->search_roi,
        .max_roi = study->search_max_roi,
    };
    snprintf(out->method, sizeof out->method, "%.31s", study->search_method);
}

/* What the searcher has to say of its result. */
static void log_note(mico_loop *loop)
{
    mico_str note = {0};

    mico_search_note(loop->searcher, &note);
    if (note.len > 0)
        mico_log(MICO_LOG_INFO, "%s: %s", loop->run->name, note.text);
    mico_str_free(&note);
}

static mico_status run_study(mico_loop *loop, mico_err *err)
{
    mico_search_options options;
    mico_status rc;

    mico_driver_search_options(loop->ask, &options);
    rc = mico_search_new(&loop->searcher, &loop->run->problem, &options, err);
    if (rc != MICO_OK)
        return rc;
    rc = mico_loop_replay(loop, err);
    if (rc != MICO_OK)
        return rc;
    if (loop->run->n_trials > 0) {
        loop->best =
            mico_best(&loop->run->problem, loop->run->trial, loop->run->n_trials);
        if (loop->best == loop->run->n_trials)
            loop->best = SIZE_MAX;
        mico_log(MICO_LOG_INFO, "%s: resuming behind %zu trials", loop->run->name,
                 loop->run->n_trials);
    }
    loop->done_at_start = loop->n_distinct - loop->n_waiting;
    rc = calibrate(loop, err);
    if (rc == MICO_OK)
        rc = run_references(loop, err);
    if (rc == MICO_OK)
        rc = mico_loop_search(loop, err);
    if (rc == MICO_OK && loop->n_bundles > 0)
        mico_log(
            MICO_LOG_INFO,
            "%s: %llu evaluations in %llu bundles; an evaluator held up to %.1f MiB",
            loop->run->name, (unsigned long long)loop->n_sent,
            (unsigned long long)loop->n_bundles, (double)loop->held_bytes / 1048576.0);
    if (rc == MICO_OK) {
        log_note(loop);
        rc = run_finals(loop, err);
    }
    if (rc != MICO_OK)
        return rc;
    rc = mico_store_complete(loop->drive->store, loop->study,
                             mico_study_digest(loop->run), err);
    if (rc == MICO_OK)
        rc = mico_loop_housekeeping(loop, true, err);
    return rc;
}

static mico_status no_feasible(const mico_study_run *run, mico_err *err)
{
    char scheme[MICO_SCHEME_TEXT];
    size_t least = mico_least_violating(&run->problem, run->trial, run->n_trials);

    if (least == run->n_trials)
        return mico_fail(err, MICO_EUNMET, "study %s: no trial could be evaluated",
                         run->name);
    mico_scheme_print(&run->trial[least].scheme, scheme);
    return mico_fail(
        err, MICO_EUNMET,
        "study %s: no evaluated scheme meets the limits; the least violating, "
        "trial %zu, exceeds them by %.1f %%: %.600s",
        run->name, least,
        100 * mico_violation(&run->problem, &run->trial[least].scheme), scheme);
}

mico_status mico_driver_run(const mico_drive *drive, mico_err *err)
{
    const mico_run *run = mico_store_run(drive->store);
    mico_status result = MICO_OK;

    for (size_t s = 0; s < run->n_studies; s++) {
        mico_loop loop = {.drive = drive, .study = s, .best = SIZE_MAX};
        mico_status rc = MICO_OK;

        if (drive->only_study != MICO_ALL_STUDIES && drive->only_study != s)
            continue;
        loop.ask = &drive->job->study[s];
        loop.run = &run->study[s];
        loop.start_s = loop.last_flush_s = mico_now_s();
        if (!run->study[s].complete)
            rc = run_study(&loop, err);
        mico_progress_end(&loop);
        mico_search_free(loop.searcher);
        free(loop.waiting);
        free(loop.past);
        free(loop.seen);
        if (rc == MICO_OK &&
            mico_best(&run->study[s].problem, run->study[s].trial,
                      run->study[s].n_trials) == run->study[s].n_trials)
            rc = no_feasible(&run->study[s], err);
        /* a study that finds nothing must not keep the others from running */
        if (rc == MICO_EUNMET && s + 1 < run->n_studies)
            mico_log(MICO_LOG_ERROR, "%s", err->text);
        if (rc == MICO_EUNMET)
            result = rc;
        else if (rc != MICO_OK)
            return rc;
    }
    return result;
}
