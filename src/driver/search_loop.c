/* One study's search: proposals in id order, dispatch as workers come free, outcomes
 * told exactly when the window says so. */
#include "driver/search_loop.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DUPS_IN_A_ROW 2000

/* ---- schemes seen: open-addressing table of trial ids -------------------------------
 */

struct mico_seen {
    uint64_t hash, id;
    bool used;
};

static struct mico_seen *seen_slot(const mico_loop *loop, const mico_scheme *scheme)
{
    uint64_t hash = mico_scheme_hash(scheme);
    size_t at = (size_t)hash & (loop->seen_capacity - 1);

    for (;; at = (at + 1) & (loop->seen_capacity - 1)) {
        struct mico_seen *s = &loop->seen[at];

        if (!s->used || (s->hash == hash &&
                         mico_scheme_equal(&loop->run->trial[s->id].scheme, scheme)))
            return s;
    }
}

static void seen_add(mico_loop *loop, const mico_trial *trial)
{
    struct mico_seen *slot;

    if (2 * (loop->n_seen + 1) > loop->seen_capacity) {
        struct mico_seen *old = loop->seen;
        size_t n_old = loop->seen_capacity;

        loop->seen_capacity = n_old > 0 ? 2 * n_old : 1024;
        loop->seen = mico_xcalloc(loop->seen_capacity, sizeof *loop->seen);
        for (size_t i = 0; i < n_old; i++)
            if (old[i].used)
                *seen_slot(loop, &loop->run->trial[old[i].id].scheme) = old[i];
        free(old);
    }
    slot = seen_slot(loop, &trial->scheme);
    *slot = (struct mico_seen){mico_scheme_hash(&trial->scheme), trial->id, true};
    loop->n_seen++;
}

static uint64_t seen_find(const mico_loop *loop, const mico_scheme *scheme)
{
    const struct mico_seen *slot;

    if (loop->seen_capacity == 0)
        return MICO_NO_TRIAL;
    slot = seen_slot(loop, scheme);
    return slot->used ? slot->id : MICO_NO_TRIAL;
}

/* ---- telling -----------------------------------------------------------------------
 */

bool mico_loop_finished(const mico_loop *loop, uint64_t id)
{
    return loop->run->trial[id].outcome.state != MICO_STATE_PENDING;
}

/* A repeat takes over the outcome of the trial that it repeats. */
static mico_status settle_repeat(mico_loop *loop, uint64_t id, mico_err *err)
{
    mico_trial trial = loop->run->trial[id];
    const mico_trial *first;

    if (trial.dup_of == MICO_NO_TRIAL || trial.outcome.state != MICO_STATE_PENDING)
        return MICO_OK;
    first = &loop->run->trial[trial.dup_of];
    if (first->outcome.state == MICO_STATE_PENDING)
        return MICO_OK;
    trial.outcome = first->outcome;
    trial.worker = first->worker;
    return mico_store_result(loop->drive->store, loop->study, &trial, err);
}

static void count_told(mico_loop *loop, const mico_trial *trial)
{
    if (trial->dup_of != MICO_NO_TRIAL)
        return;
    if (trial->outcome.state == MICO_STATE_DONE ||
        trial->outcome.state == MICO_STATE_REFUSED) {
        loop->failures_in_a_row = 0;
    } else {
        loop->failures_in_a_row++;
    }
    if (trial->outcome.state != MICO_STATE_DONE)
        loop->n_failed_told++;
}

mico_status mico_loop_tell(mico_loop *loop, uint64_t id, mico_err *err)
{
    const mico_trial *trial = &loop->run->trial[id];

    mico_search_tell(loop->searcher, trial);
    count_told(loop, trial);
    loop->n_told++;
    if (loop->ask->run_max_failures == 0 ||
        loop->failures_in_a_row < loop->ask->run_max_failures)
        return MICO_OK;
    return mico_fail(err, MICO_EUNMET,
                     "study %s: %llu trials in a row failed; the last: %s (%s)",
                     loop->run->name, (unsigned long long)loop->failures_in_a_row,
                     mico_state_text(trial->outcome.state), trial->outcome.reason);
}

/* Tells the next outcome in id order if it is known; *told false: it is not. */
static mico_status tell_next(mico_loop *loop, bool *told, mico_err *err)
{
    mico_status rc;

    *told = false;
    if (loop->n_told >= loop->run->n_trials)
        return MICO_OK;
    rc = settle_repeat(loop, loop->n_told, err);
    if (rc != MICO_OK || !mico_loop_finished(loop, loop->n_told))
        return rc;
    *told = true;
    return mico_loop_tell(loop, loop->n_told, err);
}

/* ---- asking ------------------------------------------------------------------------
 */

typedef enum step { STEP_ASK, STEP_TELL, STEP_END } step;

static bool budget_spent(const mico_loop *loop)
{
    return loop->exhausted ||
           loop->n_distinct - loop->n_failed_told >= loop->ask->study_budget;
}

/* What must happen before anything else. In fixed order the answer depends on ids and
 * outcomes only, never on timing: proposal k sees the outcomes of 0..k-W, and the
 * budget is judged by the failures among those told. */
static step next_step(const mico_loop *loop)
{
    uint64_t k = loop->run->n_trials, window = loop->ask->run_window;

    if (loop->n_told + window <= k)
        return STEP_TELL;
    if (!budget_spent(loop))
        return STEP_ASK;
    return loop->n_told < k ? STEP_TELL : STEP_END;
}

void mico_loop_enqueue(mico_loop *loop, uint64_t id)
{
    loop->waiting = mico_grow(loop->waiting, loop->n_waiting, &loop->waiting_capacity,
                              sizeof *loop->waiting);
    loop->waiting[loop->n_waiting++] = id;
}

static mico_status ask_next(mico_loop *loop, mico_err *err)
{
    mico_trial trial = {.id = loop->run->n_trials, .dup_of = MICO_NO_TRIAL};
    mico_status rc;

    if (!mico_search_ask(loop->searcher, trial.id, &trial.scheme)) {
        loop->exhausted = true;
        return MICO_OK;
    }
    trial.dup_of = seen_find(loop, &trial.scheme);
    loop->dups_in_a_row = trial.dup_of != MICO_NO_TRIAL ? loop->dups_in_a_row + 1 : 0;
    if (loop->dups_in_a_row > MAX_DUPS_IN_A_ROW)
        loop->exhausted = true;
    rc = mico_store_propose(loop->drive->store, loop->study, &trial, err);
    if (rc != MICO_OK || trial.dup_of != MICO_NO_TRIAL)
        return rc;
    loop->n_distinct++;
    seen_add(loop, &loop->run->trial[trial.id]);
    mico_loop_enqueue(loop, trial.id);
    return MICO_OK;
}

/* Asks and tells as far as the known outcomes allow; *end when the search is over. */
static mico_status advance_fixed(mico_loop *loop, bool *end, mico_err *err)
{
    for (;;) {
        step next = next_step(loop);
        mico_status rc;
        bool told = true;

        *end = next == STEP_END;
        if (*end)
            return MICO_OK;
        rc = next == STEP_ASK ? ask_next(loop, err) : tell_next(loop, &told, err);
        if (rc != MICO_OK || !told)
            return rc;
    }
}

/* Proposes what idle workers can take; outcomes were told when they arrived. Bundles
 * form of up to a window's worth of proposals. */
static mico_status advance_arrival(mico_loop *loop, bool *end, mico_err *err)
{
    mico_status rc = MICO_OK;

    while (rc == MICO_OK && !budget_spent(loop) &&
           (loop->n_waiting < mico_pool_idle(loop->drive->pool) ||
            (mico_loop_bundle_most(loop) > 1 &&
             loop->n_waiting + loop->n_flying < loop->ask->run_window)))
        rc = ask_next(loop, err);
    *end = budget_spent(loop) && loop->n_waiting == 0 && loop->n_flying == 0;
    for (uint64_t id = 0; *end && rc == MICO_OK && id < loop->run->n_trials; id++)
        rc = settle_repeat(loop, id, err);
    return rc;
}

/* ---- resuming ----------------------------------------------------------------------
 */

/* Asks for trial k again: the search is a pure function of seed and outcomes, so it
 * must propose what the journal holds. */
static mico_status ask_again(mico_loop *loop, uint64_t k, mico_err *err)
{
    const mico_trial *trial = &loop->run->trial[k];
    mico_scheme scheme;

    if (!mico_search_ask(loop->searcher, k, &scheme) ||
        !mico_scheme_equal(&scheme, &trial->scheme))
        return mico_fail(err, MICO_EUSAGE,
                         "study %s: trial %llu of the journal is not what this program "
                         "proposes (made by another version?); --fresh starts over",
                         loop->run->name, (unsigned long long)k);
    loop->dups_in_a_row = trial->dup_of != MICO_NO_TRIAL ? loop->dups_in_a_row + 1 : 0;
    loop->exhausted = loop->dups_in_a_row > MAX_DUPS_IN_A_ROW;
    if (trial->dup_of != MICO_NO_TRIAL)
        return MICO_OK;
    loop->n_distinct++;
    seen_add(loop, trial);
    if (!mico_loop_finished(loop, k))
        mico_loop_enqueue(loop, k);
    return MICO_OK;
}

/* Fixed order: the same rule that made the proposals makes them again. */
static mico_status replay_fixed(mico_loop *loop, mico_err *err)
{
    for (uint64_t k = 0; k < loop->run->n_trials; k++) {
        mico_status rc;

        while (loop->n_told + loop->ask->run_window <= k ||
               (budget_spent(loop) && loop->n_told < k)) {
            bool told;

            rc = tell_next(loop, &told, err);
            if (rc != MICO_OK)
                return rc;
            if (!told)
                return mico_fail(
                    err, MICO_EUSAGE,
                    "study %s: trial %llu of the journal was proposed before "
                    "its window allowed; --fresh starts over",
                    loop->run->name, (unsigned long long)k);
        }
        rc = ask_again(loop, k, err);
        if (rc != MICO_OK)
            return rc;
    }
    return MICO_OK;
}

typedef struct event {
    uint64_t at, id;
    bool ask;
} event;

static int by_sequence(const void *a, const void *b)
{
    const event *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* Arrival order: asks and tells happened in the order of the journal. */
static mico_status replay_arrival(mico_loop *loop, mico_err *err)
{
    size_t n = loop->run->n_trials, n_events = 0;
    event *events = mico_xcalloc(2 * n, sizeof *events);
    mico_status rc = MICO_OK;

    for (uint64_t id = 0; id < n; id++) {
        const mico_trial *trial = &loop->run->trial[id];

        events[n_events++] = (event){trial->proposed_at, id, true};
        if (mico_loop_finished(loop, id) && trial->dup_of == MICO_NO_TRIAL)
            events[n_events++] = (event){trial->finished_at, id, false};
    }
    qsort(events, n_events, sizeof *events, by_sequence);
    for (size_t i = 0; i < n_events && rc == MICO_OK; i++)
        rc = events[i].ask ? ask_again(loop, events[i].id, err)
                           : mico_loop_tell(loop, events[i].id, err);
    free(events);
    return rc;
}

mico_status mico_loop_replay(mico_loop *loop, mico_err *err)
{
    return mico_loop_arrival(loop) ? replay_arrival(loop, err)
                                   : replay_fixed(loop, err);
}

/* ---- the loop
 * ------------------------------------------------------------------------
 */

mico_status mico_loop_search(mico_loop *loop, mico_err *err)
{
    for (;;) {
        mico_reply reply;
        bool end;
        mico_status rc;

        if (mico_loop_stopping(loop, err)) {
            mico_loop_drain(loop);
            return MICO_ESTOPPED;
        }
        rc = mico_loop_arrival(loop) ? advance_arrival(loop, &end, err)
                                     : advance_fixed(loop, &end, err);
        if (rc != MICO_OK || end)
            return rc;
        rc = mico_loop_dispatch(loop, err);
        if (rc != MICO_OK)
            return rc;
        if (mico_pool_workers(loop->drive->pool) == 0)
            return mico_fail(err, MICO_ECOMM, "no worker is left");
        if (mico_pool_next(loop->drive->pool, &reply, 0.1)) {
            rc = mico_loop_take(loop, &reply, err);
            mico_reply_free(&reply);
        }
        if (rc == MICO_OK)
            rc = mico_loop_housekeeping(loop, false, err);
        if (rc != MICO_OK)
            return rc;
    }
}
