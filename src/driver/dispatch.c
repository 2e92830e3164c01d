/* Trials on their way: bundles of schemes that share work to the workers, outcomes
 * back.
 *
 * How trials are bundled never shows in the results: an outcome of a scheme does not
 * depend on its neighbours, and what fails in company is tried alone. So sizes may
 * follow from the number of workers and from the time that evaluations take. */
#include "driver/search_loop.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LOST_IN_A_ROW 5
#define STOP_GRACE_S      5.0
#define CONSIDERED        1024 /* trials to choose a bundle from */
#define BUNDLE_S          20.0 /* an automatic bundle should take no longer: it can be lost */

/* ---- what is known of a trial that is not done yet ---------------------------------
 */

static struct mico_past *past_of(mico_loop *loop, uint64_t id)
{
    while (id >= loop->past_capacity) {
        size_t old = loop->past_capacity;

        loop->past =
            mico_grow(loop->past, old, &loop->past_capacity, sizeof *loop->past);
        memset(loop->past + old, 0, (loop->past_capacity - old) * sizeof *loop->past);
    }
    return &loop->past[id];
}

/* Tried again, or suspected of having brought down a bundle. */
static bool goes_alone(mico_loop *loop, uint64_t id)
{
    const struct mico_past *past = past_of(loop, id);

    return past->alone || past->attempts > 0;
}

/* ---- dispatch ----------------------------------------------------------------------
 */

size_t mico_loop_bundle_most(const mico_loop *loop)
{
    size_t most = MICO_BUNDLE_MOST;

    if (loop->ask->run_bundle > 0 && loop->ask->run_bundle < most)
        most = (size_t)loop->ask->run_bundle;
    if (loop->fits_most > 0 && loop->fits_most < most)
        most = loop->fits_most;
    if (loop->ask->run_bundle == 0 && loop->trial_s * (double)most > BUNDLE_S)
        most = (size_t)(BUNDLE_S / loop->trial_s);
    return most > 0 ? most : 1;
}

typedef struct entry {
    uint64_t id;
    const mico_scheme *scheme;
} entry;

/* Neighbours share the first layers, and so their work. */
static int by_prefix(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int order = mico_scheme_order(x->scheme, y->scheme);

    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The chunk of `size` neighbours that the oldest waiting trial belongs to, so that
 * nothing waits for ever; a suspect goes alone. Ids in ascending order. Only trials not
 * much younger are considered, whatever the window. */
static size_t choose_bundle(mico_loop *loop, size_t size, uint64_t *chosen)
{
    entry sorted[CONSIDERED];
    size_t n = 0, at = 0, first;
    uint64_t oldest = UINT64_MAX;

    for (size_t i = 0; i < loop->n_waiting; i++)
        oldest = loop->waiting[i] < oldest ? loop->waiting[i] : oldest;
    if (size == 1 || goes_alone(loop, oldest)) {
        chosen[0] = oldest;
        return 1;
    }
    for (size_t i = 0; i < loop->n_waiting; i++) {
        uint64_t id = loop->waiting[i];

        if (id - oldest < CONSIDERED && !goes_alone(loop, id))
            sorted[n++] = (entry){id, &loop->run->trial[id].scheme};
    }
    qsort(sorted, n, sizeof *sorted, by_prefix);
    while (sorted[at].id != oldest)
        at++;
    size = size < n ? size : n;
    first = at / size * size;
    first = first + size > n ? n - size : first;
    for (size_t i = 0; i < size; i++)
        chosen[i] = sorted[first + i].id;
    qsort(chosen, size, sizeof *chosen, by_id);
    return size;
}

static void leave_queue(mico_loop *loop, const uint64_t *ids, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < loop->n_waiting; i++)
        if (bsearch(&loop->waiting[i], ids, n, sizeof *ids, by_id) == NULL)
            loop->waiting[kept++] = loop->waiting[i];
    loop->n_waiting = kept;
}

static mico_status send_bundle(mico_loop *loop, const uint64_t *ids, size_t n,
                               mico_err *err)
{
    mico_task task = {.kind = MICO_TASK_TRIAL,
                      .mode = MICO_MODE_INT,
                      .split = MICO_SPLIT_SEARCH,
                      .n = (uint32_t)n};
    mico_status rc;

    for (size_t i = 0; i < n; i++) {
        task.item[i].ticket = ids[i];
        task.item[i].attempt = past_of(loop, ids[i])->attempts;
        task.item[i].scheme = loop->run->trial[ids[i]].scheme;
    }
    rc = mico_pool_submit(loop->drive->pool, &task, err);
    if (rc != MICO_OK)
        return rc;
    leave_queue(loop, ids, n);
    loop->n_flying += n;
    loop->n_sent += n;
    loop->n_bundles++;
    return MICO_OK;
}

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Schemes of the bundles that are made now. An even share of all trials that are open
 * would leave nothing for a worker that is done early, while the window waits for the
 * others: three quarters of it, but no less than a share of those that wait for each
 * worker, and something for each idle one. */
static size_t bundle_size(const mico_loop *loop)
{
    size_t workers = mico_pool_workers(loop->drive->pool);
    size_t idle = mico_pool_idle(loop->drive->pool);
    size_t waiting = loop->n_waiting, most = mico_loop_bundle_most(loop), size, least;

    if (workers == 0 || idle == 0)
        return 1;
    size = ceil_div(3 * (waiting + loop->n_flying), 4 * workers);
    least = ceil_div(waiting, workers);
    size = size < least ? least : size;
    size = size < ceil_div(waiting, idle) ? size : ceil_div(waiting, idle);
    return size < most ? size : most;
}

mico_status mico_loop_dispatch(mico_loop *loop, mico_err *err)
{
    size_t size = bundle_size(loop);
    mico_status rc = MICO_OK;

    while (rc == MICO_OK && loop->n_waiting > 0 &&
           mico_pool_idle(loop->drive->pool) > 0) {
        uint64_t ids[MICO_BUNDLE_MOST];
        size_t n = choose_bundle(loop, size, ids);

        rc = send_bundle(loop, ids, n, err);
    }
    return rc;
}

/* ---- replies -----------------------------------------------------------------------
 */

static void note_best(mico_loop *loop, uint64_t id)
{
    size_t n = loop->run->n_trials;
    mico_trial two[2];

    if (loop->best == SIZE_MAX) {
        loop->best = mico_best(&loop->run->problem, loop->run->trial, n);
        if (loop->best == n)
            loop->best = SIZE_MAX;
        return;
    }
    two[0] = loop->run->trial[loop->best];
    two[1] = loop->run->trial[id];
    if (mico_best(&loop->run->problem, two, 2) == 1)
        loop->best = (size_t)id;
}

/* Whether the outcome is about the scheme itself, in whatever company it was had. */
static bool is_verdict(mico_state state)
{
    return state == MICO_STATE_DONE || state == MICO_STATE_REFUSED;
}

/* A lost rank is never a scheme's fault and does not count. */
static mico_status take_loss(mico_loop *loop, const mico_reply *reply, mico_err *err)
{
    const mico_outcome *outcome = &reply->item[0].outcome;

    if (reply->blame == MICO_EJOB)
        return mico_fail(err, MICO_EJOB, "[run] memory: %s", outcome->reason);
    mico_log(MICO_LOG_WARN, "trial %llu%s: %s; trying again",
             (unsigned long long)reply->item[0].ticket,
             reply->n > 1 ? " and its bundle" : "", outcome->reason);
    if (++loop->lost_in_a_row >= MAX_LOST_IN_A_ROW)
        return mico_fail(err, MICO_ECOMM, "%s (%d attempts in a row)", outcome->reason,
                         MAX_LOST_IN_A_ROW);
    for (uint32_t i = 0; i < reply->n; i++)
        mico_loop_enqueue(loop, reply->item[i].ticket);
    return MICO_OK;
}

/* The bundle failed, but nobody knows because of which scheme: each is tried alone, and
 * no attempt counts. */
static void take_apart(mico_loop *loop, const mico_reply *reply, uint32_t n_open)
{
    const mico_reply_item *failed = NULL;

    for (uint32_t i = 0; i < reply->n; i++) {
        const mico_reply_item *item = &reply->item[i];

        if (is_verdict(item->outcome.state))
            continue;
        failed = failed != NULL ? failed : item;
        past_of(loop, item->ticket)->alone = true;
        mico_loop_enqueue(loop, item->ticket);
    }
    if (failed->outcome.state == MICO_STATE_OUT_OF_MEMORY)
        loop->fits_most = reply->n / 2;
    mico_log(MICO_LOG_WARN, "trial %llu in a bundle of %u: %s (%s); %u are tried alone",
             (unsigned long long)failed->ticket, reply->n,
             mico_state_text(failed->outcome.state), failed->outcome.reason, n_open);
}

/* A crash may be bad luck of the machine: it is tried again `retries` times. */
static mico_status take_outcome(mico_loop *loop, const mico_reply *reply, uint32_t i,
                                mico_err *err)
{
    const mico_outcome *outcome = &reply->item[i].outcome;
    mico_trial trial = loop->run->trial[reply->item[i].ticket];
    mico_status rc;

    trial.attempts = ++past_of(loop, trial.id)->attempts;
    if (outcome->state == MICO_STATE_CRASHED &&
        trial.attempts <= loop->ask->run_retries) {
        mico_log(MICO_LOG_WARN, "trial %llu: %s (%s); attempt %u of %llu",
                 (unsigned long long)trial.id, mico_state_text(outcome->state),
                 outcome->reason, trial.attempts + 1,
                 (unsigned long long)loop->ask->run_retries + 1);
        mico_loop_enqueue(loop, trial.id);
        return MICO_OK;
    }
    trial.outcome = *outcome;
    trial.worker = reply->worker;
    rc = mico_store_result(loop->drive->store, loop->study, &trial, err);
    if (rc != MICO_OK)
        return rc;
    if (outcome->state == MICO_STATE_DONE)
        loop->trial_s = outcome->seconds;
    note_best(loop, trial.id);
    return mico_loop_arrival(loop) ? mico_loop_tell(loop, trial.id, err) : MICO_OK;
}

mico_status mico_loop_take(mico_loop *loop, const mico_reply *reply, mico_err *err)
{
    uint32_t n_open = 0;
    mico_status rc = MICO_OK;

    /* an answer that nobody waits for any more (they come as a whole or not at all) */
    if (reply->item[0].ticket >= loop->run->n_trials ||
        mico_loop_finished(loop, reply->item[0].ticket))
        return MICO_OK;
    loop->n_flying -= reply->n;
    if (reply->item[0].outcome.state == MICO_STATE_INFRASTRUCTURE)
        return take_loss(loop, reply, err);
    loop->lost_in_a_row = 0;
    for (uint32_t i = 0; i < reply->n && rc == MICO_OK; i++) {
        if (reply->n > 1 && !is_verdict(reply->item[i].outcome.state))
            n_open++;
        else
            rc = take_outcome(loop, reply, i, err);
    }
    if (rc == MICO_OK && n_open > 0)
        take_apart(loop, reply, n_open);
    loop->held_bytes =
        reply->held_bytes > loop->held_bytes ? reply->held_bytes : loop->held_bytes;
    return rc;
}

void mico_loop_drain(mico_loop *loop)
{
    double until_s = mico_now_s() + STOP_GRACE_S;
    mico_err ignored;

    loop->n_waiting = 0;
    while (loop->n_flying > 0 && mico_now_s() < until_s) {
        mico_reply reply;

        if (!mico_pool_next(loop->drive->pool, &reply, 0.1))
            continue;
        if (mico_loop_take(loop, &reply, &ignored) != MICO_OK)
            until_s = 0;
        mico_reply_free(&reply);
    }
}
