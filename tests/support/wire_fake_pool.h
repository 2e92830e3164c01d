/* wire_fake_pool.h: a pool without processes, for tests of whoever uses one.
 *
 * N virtual workers call evaluate() in this process. Time is virtual too: each task
 * takes a random number of ticks, so replies come back delayed and in another order,
 * the same for the same seed.
 *
 *     wire_fake fake = {.n_workers = 4, .seed = 1, .evaluate = f, .context = &x};
 *     mico_pool *pool = wire_fake_pool(&fake);      fake must outlive the pool
 *     ... mico_pool_close(pool); CU_ASSERT_EQUAL(fake.n_submitted, ...) */
#ifndef MICO_TESTS_WIRE_FAKE_POOL_H
#define MICO_TESTS_WIRE_FAKE_POOL_H

#include "core/mem.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_FAKE_WORKERS 64

typedef struct wire_fake {
    /* What the test chooses. */
    size_t n_workers; /* 1 .. WIRE_FAKE_WORKERS */
    uint64_t seed;
    /* Answers scheme i of a task; reply->item[i] holds its ticket and state DONE.
     * payload: malloc'ed. */
    void (*evaluate)(void *context, const mico_task *task, uint32_t i,
                     mico_reply *reply);
    void *context;
    /* The state an attempt ends with; MICO_STATE_DONE lets it be evaluated. NULL: DONE.
     * A refusal concerns its scheme alone, anything else brings down its bundle. */
    mico_state (*fate)(void *context, const mico_task *task, uint32_t i);
    uint64_t
        lose_at[WIRE_FAKE_WORKERS]; /* worker w is lost with its k-th task (0: never) */
    unsigned slow;    /* next() comes back without a reply in about slow of 100 calls */
    uint64_t fail_at; /* the k-th submit fails with MICO_ECOMM (0: never) */
    bool refuse_load;

    /* What happened. */
    uint64_t n_loads, n_submitted, n_answered, n_lost; /* tasks */
    uint64_t n_evaluated, n_died;                      /* schemes; bundles of several */
    uint32_t largest;                                  /* bundle */
    mico_limits limits;
    uint8_t *blob; /* of the last load; freed at close */
    size_t blob_bytes;
    bool closed;

    /* Its own business. */
    uint64_t random, tick;
    struct {
        bool lost, busy;
        uint64_t n_tasks, due;
        mico_task *task; /* a large thing */
    } worker[WIRE_FAKE_WORKERS];
} wire_fake;

/* splitmix64 */
static inline uint64_t wire_fake_random(wire_fake *f)
{
    uint64_t z = f->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline bool wire_fake_any_busy(const wire_fake *f)
{
    for (size_t w = 0; w < f->n_workers; w++)
        if (f->worker[w].busy)
            return true;
    return false;
}

static inline mico_status wire_fake_load(void *state, const mico_limits *limits,
                                         const uint8_t *blob, size_t n, mico_err *err)
{
    wire_fake *f = (wire_fake *)state;

    if (wire_fake_any_busy(f))
        return mico_fail(err, MICO_EBUG, "study: cannot change while a task is out");
    if (f->refuse_load)
        return mico_fail(err, MICO_ECOMM, "fake pool: told to refuse the study");
    free(f->blob);
    f->blob = (uint8_t *)mico_xcalloc(n, 1);
    if (n > 0)
        memcpy(f->blob, blob, n);
    f->blob_bytes = n;
    f->limits = *limits;
    f->n_loads++;
    return MICO_OK;
}

static inline size_t wire_fake_idle(void *state)
{
    wire_fake *f = (wire_fake *)state;
    size_t n = 0;

    for (size_t w = 0; w < f->n_workers; w++)
        n += !f->worker[w].lost && !f->worker[w].busy;
    return n;
}

static inline size_t wire_fake_alive(void *state)
{
    wire_fake *f = (wire_fake *)state;
    size_t n = 0;

    for (size_t w = 0; w < f->n_workers; w++)
        n += !f->worker[w].lost;
    return n;
}

static inline mico_status wire_fake_submit(void *state, const mico_task *task,
                                           mico_err *err)
{
    wire_fake *f = (wire_fake *)state;

    if (f->n_loads == 0)
        return mico_fail(err, MICO_EBUG, "task: no study was loaded");
    if (wire_fake_alive(f) == 0)
        return mico_fail(err, MICO_ECOMM, "no worker is left");
    if (wire_fake_idle(f) == 0)
        return mico_fail(err, MICO_EBUG, "task: no idle worker");
    if (f->fail_at > 0 && f->n_submitted + 1 == f->fail_at) {
        f->fail_at = 0;
        return mico_fail(err, MICO_ECOMM, "fake pool: told to fail here");
    }
    for (size_t w = 0; w < f->n_workers; w++) {
        if (f->worker[w].lost || f->worker[w].busy)
            continue;
        f->worker[w].busy = true;
        f->worker[w].n_tasks++;
        f->worker[w].task = (mico_task *)mico_xcalloc(1, sizeof *task);
        *f->worker[w].task = *task;
        f->worker[w].due = f->tick + 1 + wire_fake_random(f) % (1000 * task->n);
        break;
    }
    f->n_submitted++;
    f->largest = task->n > f->largest ? task->n : f->largest;
    return MICO_OK;
}

/* What the whole task ends with: the worst fate of its schemes. */
static inline mico_state wire_fake_end(const wire_fake *f, const mico_task *task)
{
    for (uint32_t i = 0; i < task->n && f->fate != NULL; i++) {
        mico_state state = f->fate(f->context, task, i);

        if (state != MICO_STATE_DONE && state != MICO_STATE_REFUSED)
            return state;
    }
    return MICO_STATE_DONE;
}

static inline void wire_fake_answer(wire_fake *f, size_t w, mico_reply *reply)
{
    mico_task *task = f->worker[w].task;
    mico_state end = wire_fake_end(f, task);

    *reply = (mico_reply){.worker = (uint32_t)w, .n = task->n, .blame = MICO_ECOMM};
    if (f->lose_at[w] > 0 && f->worker[w].n_tasks >= f->lose_at[w]) {
        f->worker[w].lost = true;
        f->n_lost++;
        end = MICO_STATE_INFRASTRUCTURE;
    }
    f->n_died += task->n > 1 && end != MICO_STATE_DONE;
    for (uint32_t i = 0; i < task->n; i++) {
        mico_outcome *outcome = &reply->item[i].outcome;

        reply->item[i].ticket = task->item[i].ticket;
        outcome->state = end == MICO_STATE_DONE && f->fate != NULL
                             ? f->fate(f->context, task, i)
                             : end;
        if (outcome->state == MICO_STATE_DONE) {
            f->n_evaluated++;
            f->evaluate(f->context, task, i, reply);
        } else {
            snprintf(outcome->reason, sizeof outcome->reason, "fake: %s",
                     mico_state_text(outcome->state));
        }
    }
    free(task);
    f->worker[w].task = NULL;
    f->worker[w].busy = false;
    f->n_answered++;
}

static inline bool wire_fake_next(void *state, mico_reply *reply, double timeout_s)
{
    wire_fake *f = (wire_fake *)state;
    size_t first = f->n_workers;

    (void)timeout_s;
    for (size_t w = 0; w < f->n_workers; w++)
        if (f->worker[w].busy &&
            (first == f->n_workers || f->worker[w].due < f->worker[first].due))
            first = w;
    if (first == f->n_workers || wire_fake_random(f) % 100 < f->slow)
        return false;
    f->tick = f->worker[first].due > f->tick ? f->worker[first].due : f->tick;
    wire_fake_answer(f, first, reply);
    return true;
}

static inline void wire_fake_close(void *state)
{
    wire_fake *f = (wire_fake *)state;

    for (size_t w = 0; w < f->n_workers; w++) {
        free(f->worker[w].task);
        f->worker[w].task = NULL;
    }
    free(f->blob);
    f->blob = NULL;
    f->closed = true;
}

static inline mico_pool *wire_fake_pool(wire_fake *f)
{
    static const mico_pool_type type = {
        .name = "fake",
        .load = wire_fake_load,
        .idle = wire_fake_idle,
        .submit = wire_fake_submit,
        .next = wire_fake_next,
        .workers = wire_fake_alive,
        .close = wire_fake_close,
    };

    f->random = f->seed;
    return mico_pool_new(&type, f);
}

#endif
