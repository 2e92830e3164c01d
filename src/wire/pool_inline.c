/* A pool of one: this process's own zygote. */
#include "wire/wire_internal.h"

#include "core/clock.h"
#include "core/mem.h"

#include <stdlib.h>

typedef struct inline_pool {
    mico_zygote *zygote;
    bool loaded, busy;
    mico_task task;
} inline_pool;

static bool is_gone(inline_pool *p)
{
    return p->zygote->channel.ended || p->zygote->channel.broken;
}

static mico_status inline_load(void *state, const mico_limits *limits,
                               const uint8_t *blob, size_t n, mico_err *err)
{
    inline_pool *p = state;

    if (p->busy)
        return mico_fail(err, MICO_EBUG, "study: cannot change while a task is out");
    mico_zygote_load(p->zygote, limits, blob, n);
    p->loaded = true;
    return MICO_OK;
}

static size_t inline_workers(void *state)
{
    inline_pool *p = state;

    if (!p->busy)
        mico_channel_pump(&p->zygote->channel); /* notices an idle zygote's death */
    return is_gone(p) ? 0 : 1;
}

static size_t inline_idle(void *state)
{
    inline_pool *p = state;

    return p->busy ? 0 : inline_workers(p);
}

static mico_status inline_submit(void *state, const mico_task *task, mico_err *err)
{
    inline_pool *p = state;

    if (!p->loaded)
        return mico_fail(err, MICO_EBUG, "task: no study was loaded");
    if (p->busy)
        return mico_fail(err, MICO_EBUG, "task: no idle worker");
    if (inline_workers(p) == 0)
        return mico_fail(err, MICO_ECOMM,
                         "no worker is left: the evaluator's keeper is gone");
    mico_zygote_task(p->zygote, task);
    p->task = *task;
    p->busy = true;
    return MICO_OK;
}

static bool inline_next(void *state, mico_reply *reply, double timeout_s)
{
    inline_pool *p = state;
    double until_s = mico_now_s() + timeout_s;

    for (;;) {
        double left_s = until_s - mico_now_s();

        mico_channel_pump(&p->zygote->channel);
        if (p->busy && mico_zygote_answer(p->zygote, &p->task, reply)) {
            p->busy = false;
            reply->worker = 0;
            return true;
        }
        /* A signal ends the wait, so that the caller can look at its flags. */
        if (left_s <= 0 || !mico_channel_wait(&p->zygote->channel, left_s))
            return false;
    }
}

static void inline_close(void *state)
{
    inline_pool *p = state;

    mico_zygote_stop(p->zygote);
    free(p);
}

static const mico_pool_type inline_type = {
    .name = "inline",
    .load = inline_load,
    .idle = inline_idle,
    .submit = inline_submit,
    .next = inline_next,
    .workers = inline_workers,
    .close = inline_close,
};

mico_pool *mico_pool_inline(mico_zygote *zygote)
{
    inline_pool *p = mico_xcalloc(1, sizeof *p);

    p->zygote = zygote;
    return mico_pool_new(&inline_type, p);
}
