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

#define LEAST_BYTES ((uint64_t)1 << 20) /* beside program and libraries */

static void leave_oom(size_t bytes)
{
    (void)bytes;
    _exit(MICO_EXIT_OOM);
}

uint64_t mico_used_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Under a limit that does not even hold what is there, the stack cannot grow. */
static mico_status check_memory(uint64_t memory_bytes, mico_err *err)
{
    uint64_t used = mico_used_bytes();

    if (memory_bytes == 0 || UNDER_ASAN || used + LEAST_BYTES <= memory_bytes)
        return MICO_OK;
    return mico_fail(err, MICO_EJOB, "the program alone takes %.0f MiB of addresses",
                     (double)used / 1048576.0);
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

static void send_failure(mico_channel *c, const mico_err *err)
{
    mico_writer w = {0};

    mico_put_u8(&w, (uint8_t)err->status);
    mico_put_text(&w, err->text);
    mico_channel_send(c, MICO_MSG_FAILED, w.bytes, w.len);
    mico_writer_free(&w);
    flush(c);
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

static void send_reply(mico_channel *c, const mico_task *task, const mico_reply *reply)
{
    mico_writer w = {0};

    mico_reply_put(&w, reply);
    if (w.len > MICO_MESSAGE_LIMIT) {
        mico_reply failure;

        mico_reply_fail(&failure, task, MICO_STATE_BAD_OUTPUT,
                        "an answer of %zu bytes is above the limit", w.len);
        w.len = 0;
        mico_reply_put(&w, &failure);
    }
    mico_channel_send(c, MICO_MSG_REPLY, w.bytes, w.len);
    mico_writer_free(&w);
    flush(c);
}

/* ---- a test aid: faults on demand --------------------------------------- */

/* MICO_FAULT="crash@17,hang@18,oom@19,exit@20,garbage@21" makes the evaluator fail in
 * that way at these tickets, so that tests of the whole program can watch it recover.
 * Only the first attempt fails; "crash!@17" fails at every attempt. In a bundle one
 * such ticket is enough. */
static bool fault_is(const char *item, const mico_task *task, char *kind, size_t size)
{
    size_t len = strcspn(item, "@,");
    bool always = len > 0 && item[len - 1] == '!', hit = false;
    unsigned long long ticket;
    char *end;

    if (item[len] != '@')
        return false;
    ticket = strtoull(item + len + 1, &end, 10);
    if (end == item + len + 1)
        return false;
    for (uint32_t i = 0; i < task->n; i++)
        hit = hit || (task->item[i].ticket == ticket &&
                      (task->item[i].attempt == 0 || always));
    snprintf(kind, size, "%.*s", (int)(len - always), item);
    return hit;
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
    void *state = NULL;

    mico_channel_open(&c, fd);
    if (check_memory(memory_bytes, &err) == MICO_OK) {
        limit_resources(memory_bytes);
        state = service->load(blob, n, &err);
    }
    if (state == NULL) {
        send_failure(&c, &err);
        _exit(0);
    }
    mico_channel_send(&c, MICO_MSG_READY, NULL, 0);
    flush(&c);
    for (;;) {
        mico_task task;
        mico_reply reply;

        next_task(&c, &task);
        apply_faults(&task, &c);
        mico_reply_begin(&reply, &task);
        service->serve(state, &task, &reply);
        send_reply(&c, &task, &reply);
        mico_reply_free(&reply);
    }
}
