/* The evaluator's process: loads the study once, then answers tasks until told to go.
 */
#include "wire/wire_internal.h"

#include "core/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* AddressSanitizer reserves terabytes of addresses, so it cannot live under RLIMIT_AS.
 */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

static void leave_oom(size_t bytes)
{
    (void)bytes;
    _exit(MICO_EXIT_OOM);
}

static void limit_resources(uint64_t memory_bytes)
{
    struct rlimit none = {1, 1}; /* unlike 0 also where cores go to a pipe: core(5) */
    struct rlimit memory = {(rlim_t)memory_bytes, (rlim_t)memory_bytes};

    setrlimit(RLIMIT_CORE, &none);
    if (memory_bytes > 0 && !UNDER_ASAN)
        setrlimit(RLIMIT_AS, &memory);
    mico_oom_hook(leave_oom);
}

static void flush(mico_channel *c)
{
    while (mico_channel_unsent(c) && !c->ended)
        mico_channel_wait(c, -1);
}

/* The next task; does not return once the zygote is gone or says anything else. */
static void next_task(mico_channel *c, mico_task *task)
{
    mico_frame f;
    mico_reader r;

    while (!mico_channel_take(c, &f)) {
        if (c->ended || c->broken)
            _exit(0);
        mico_channel_wait(c, -1);
    }
    r = (mico_reader){.bytes = f.bytes, .len = f.n};
    if (f.type != MICO_MSG_TASK || mico_task_get(&r, task, NULL) != MICO_OK)
        _exit(1);
}

static void send_reply(mico_channel *c, const mico_reply *reply)
{
    mico_writer w = {0};

    mico_reply_put(&w, reply);
    mico_channel_send(c, MICO_MSG_REPLY, w.bytes, w.len);
    mico_writer_free(&w);
    flush(c);
}

/* ---- a test aid: faults on demand --------------------------------------- */

/* MICO_FAULT="crash@17,hang@18,oom@19,exit@20,garbage@21" makes the evaluator fail in
 * that way at these tickets, so that tests of the whole program can watch it recover.
 * Only the first attempt fails; "crash!@17" fails at every attempt. */
static bool fault_is(const char *item, const mico_task *task, char *kind, size_t size)
{
    size_t len = strcspn(item, "@,");
    bool always = len > 0 && item[len - 1] == '!';
    char *end;

    if (item[len] != '@' || strtoull(item + len + 1, &end, 10) != task->ticket ||
        end == item + len + 1 || (task->attempt > 0 && !always))
        return false;
    snprintf(kind, size, "%.*s", (int)(len - always), item);
    return true;
}

static void fail_so(const char *kind, mico_channel *c)
{
    if (strcmp(kind, "crash") == 0)
        raise(SIGSEGV);
    else if (strcmp(kind, "hang") == 0)
        for (;;)
            pause();
    else if (strcmp(kind, "oom") == 0)
        leave_oom(0);
    else if (strcmp(kind, "exit") == 0)
        _exit(3);
    else if (strcmp(kind, "garbage") == 0)
        mico_channel_send(c, MICO_MSG_REPLY, "garbage", 7);
}

static void apply_faults(const mico_task *task, mico_channel *c)
{
    const char *item = getenv("MICO_FAULT");
    char kind[16];

    while (item != NULL) {
        if (fault_is(item, task, kind, sizeof kind))
            fail_so(kind, c);
        item = strchr(item, ',');
        item = item != NULL ? item + 1 : NULL;
    }
}

/* ------------------------------------------------------------------------- */

_Noreturn void mico_evaluator_run(int fd, const mico_service *service,
                                  const uint8_t *blob, size_t n, uint64_t memory_bytes)
{
    mico_err err = {MICO_EBUG, "no reason given"};
    mico_channel c;
    void *state;

    mico_channel_open(&c, fd);
    limit_resources(memory_bytes);
    state = service->load(blob, n, &err);
    if (state == NULL) {
        mico_channel_send(&c, MICO_MSG_FAILED, err.text, strlen(err.text));
        flush(&c);
        _exit(0);
    }
    mico_channel_send(&c, MICO_MSG_READY, NULL, 0);
    flush(&c);
    for (;;) {
        mico_task task;
        mico_reply reply = {0};

        next_task(&c, &task);
        apply_faults(&task, &c);
        reply.ticket = task.ticket;
        service->serve(state, &task, &reply);
        if (reply.payload_bytes > MICO_MESSAGE_LIMIT - 1024) {
            size_t bytes = reply.payload_bytes;

            mico_reply_free(&reply);
            mico_reply_fail(&reply, &task, MICO_STATE_BAD_OUTPUT,
                            "an answer of %zu bytes is above the limit", bytes);
        }
        send_reply(&c, &reply);
        mico_reply_free(&reply);
    }
}
