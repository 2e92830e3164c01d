/* wire_service.h: a service whose tasks do what their ticket says, good and bad.
 *
 * A ticket is (deed << 32 | number). A good answer to a trial is 1000 images of which
 * number % 1000 are correct. The blob names how loading goes: "ok", "fail", "job",
 * "crash", "exit", "oom", "hang", "slow", or "check" + bytes whose sum must be right.
 */
#ifndef MICO_TESTS_WIRE_SERVICE_H
#define MICO_TESTS_WIRE_SERVICE_H

#include "core/clock.h"
#include "core/mem.h"
#include "wire/wire_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* X(deed, the state it must end with) */
#define DEED_LIST(X)                                                                   \
    X(DO_WELL, DONE)                                                                   \
    X(DO_SLOWLY, DONE)                                                                 \
    X(DO_PAYLOAD, DONE)                                                                \
    X(DO_REFUSE, REFUSED)                                                              \
    X(DO_SEGV, CRASHED)                                                                \
    X(DO_ABORT, CRASHED)                                                               \
    X(DO_EXIT, CRASHED)                                                                \
    X(DO_EXIT_0, CRASHED)                                                              \
    X(DO_HANG, TIMEOUT)                                                                \
    X(DO_HANG_FAMILY, TIMEOUT)                                                         \
    X(DO_CRASH_FAMILY, CRASHED)                                                        \
    X(DO_EAT, OUT_OF_MEMORY)                                                           \
    X(DO_KILLED, OUT_OF_MEMORY)                                                        \
    X(DO_OTHER_TICKET, BAD_OUTPUT)                                                     \
    X(DO_NO_STATE, BAD_OUTPUT)                                                         \
    X(DO_TOO_GOOD, BAD_OUTPUT)                                                         \
    X(DO_GARBAGE, BAD_OUTPUT)                                                          \
    X(DO_FLOOD, BAD_OUTPUT)                                                            \
    X(DO_TALK_TWICE, DONE)

enum deed {
#define DEED_ENUM(deed, state) deed,
    DEED_LIST(DEED_ENUM)
#undef DEED_ENUM
        N_DEEDS
};

static const mico_state deed_state[] = {
#define DEED_STATE(deed, state) MICO_STATE_##state,
    DEED_LIST(DEED_STATE)
#undef DEED_STATE
};

#define PAYLOAD_BYTES ((size_t)3 << 20)

/* Memory that test, zygote and evaluator all see. */
struct shared {
    volatile pid_t zygote, evaluator, child;
    volatile int loads;
};

static struct shared *shared;

static inline void shared_open(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
}

#if defined(__SANITIZE_ADDRESS__)
#define BITE_BYTES ((size_t)1 << 60)
const char *__asan_default_options(void);

/* Under it there is no memory limit: an absurd size stands for eating up everything. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#else
#define BITE_BYTES ((size_t)32 << 20)
#endif

static inline void eat_memory(void)
{
    volatile size_t bytes = BITE_BYTES;

    for (;;) {
        char *p = mico_xcalloc(1, bytes);

        memset(p, 1, 4096);
    }
}

static inline void *service_load(const uint8_t *blob, size_t n, mico_err *err)
{
    char *text = mico_xcalloc(n + 1, 1);

    memcpy(text, blob, n);
    if (shared != NULL) {
        shared->loads++;
        shared->evaluator = getpid();
        shared->zygote = getppid();
    }
    if (strcmp(text, "fail") == 0) {
        mico_fail(err, MICO_EDATA, "no such data set: moon.npz");
        return NULL;
    }
    if (strcmp(text, "job") == 0) {
        mico_fail(err, MICO_EJOB, "such a job cannot work");
        return NULL;
    }
    if (strcmp(text, "crash") == 0)
        raise(SIGSEGV);
    if (strcmp(text, "exit") == 0)
        _exit(4);
    if (strcmp(text, "oom") == 0)
        eat_memory();
    if (strcmp(text, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(text, "slow") == 0)
        mico_sleep_s(0.6);
    if (strcmp(text, "check") == 0) {
        uint32_t sum = 0, want;

        for (size_t i = 10; i < n; i++)
            sum = sum * 31 + blob[i];
        memcpy(&want, blob + 6, sizeof want);
        if (sum != want) {
            mico_fail(err, MICO_EDATA, "blob damaged");
            return NULL;
        }
    }
    return text;
}

static inline void say(const void *bytes, size_t n)
{
    for (int fd = 3; fd < 64; fd++) {
        int type;
        socklen_t len = sizeof type;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
            send(fd, bytes, n, 0);
    }
}

static inline void beget(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    if (shared != NULL)
        shared->child = pid;
}

static inline void misbehave(enum deed deed, mico_reply *reply, uint32_t i)
{
    switch (deed) {
    case DO_CRASH_FAMILY:
        beget();
        raise(SIGBUS);
        break;
    case DO_SEGV:
        raise(SIGSEGV);
        break;
    case DO_ABORT:
        abort();
    case DO_EXIT:
        _exit(3);
    case DO_EXIT_0:
        _exit(0);
    case DO_HANG_FAMILY:
        beget();
        for (;;)
            pause();
    case DO_HANG:
        for (;;)
            pause();
    case DO_EAT:
        eat_memory();
        break;
    case DO_KILLED:
        raise(SIGKILL);
        break;
    case DO_OTHER_TICKET:
        reply->item[i].ticket++;
        break;
    case DO_NO_STATE:
        reply->item[i].outcome.state = MICO_STATE_PENDING;
        break;
    case DO_TOO_GOOD:
        reply->item[i].outcome.correct = 1001;
        break;
    case DO_GARBAGE:
        say("\x05\0\0\0\x04hello", 10);
        break;
    case DO_FLOOD:
        say("\xff\xff\xff\xff\x04", 5);
        break;
    default:
        break;
    }
}

/* The payload is a function of the ticket. */
static inline uint8_t payload_byte(uint64_t ticket, size_t i)
{
    return (uint8_t)(i * 7 + ticket);
}

/* The task's images of 1000 in all; the first ones of the split are right. */
static inline void serve_item(const mico_task *task, mico_reply *reply, uint32_t i)
{
    mico_reply_item *item = &reply->item[i];
    enum deed deed = (enum deed)(item->ticket >> 32);
    uint64_t correct = (item->ticket & 0xffffffff) % 1000;
    uint64_t to = task->to > 0 ? task->to : 1000;

    item->outcome.state = MICO_STATE_DONE;
    item->outcome.images = to - task->from;
    if (task->want_right)
        item->right = mico_xcalloc(mico_bit_words(item->outcome.images), 8);
    for (uint64_t image = task->from; image < to && image < correct; image++) {
        item->outcome.correct++;
        if (task->want_right)
            item->right[(image - task->from) / 64] |= (uint64_t)1
                                                      << (image - task->from) % 64;
    }
    if (deed == DO_REFUSE)
        item->outcome.state = MICO_STATE_REFUSED;
    if (deed == DO_SLOWLY)
        mico_sleep_s(0.05);
    if (deed == DO_PAYLOAD) {
        reply->payload_bytes = PAYLOAD_BYTES;
        reply->payload = mico_xcalloc(PAYLOAD_BYTES, 1);
        for (size_t k = 0; k < PAYLOAD_BYTES; k++)
            reply->payload[k] = payload_byte(item->ticket, k);
    }
    misbehave(deed, reply, i);
    if (deed == DO_TALK_TWICE) { /* the second time is out of turn */
        mico_writer w = {0};
        uint8_t header[5] = {0, 0, 0, 0, MICO_MSG_REPLY};

        mico_reply_put(&w, reply);
        header[0] = (uint8_t)w.len;
        say(header, 5);
        say(w.bytes, w.len);
        mico_writer_free(&w);
    }
}

static inline void service_serve(void *state, const mico_task *task, mico_reply *reply)
{
    (void)state;
    for (uint32_t i = 0; i < task->n; i++)
        serve_item(task, reply, i);
}

static const mico_service test_service = {service_load, service_serve};

static inline void add_deed(mico_task *task, enum deed deed, uint32_t number)
{
    mico_task_item *item = &task->item[task->n++];

    item->ticket = (uint64_t)deed << 32 | number;
    item->scheme.n_layers = 2;
    memset(item->scheme.bits, 8, 4);
}

static inline mico_task make_task(enum deed deed, uint32_t number)
{
    mico_task task = {.kind = MICO_TASK_TRIAL};

    add_deed(&task, deed, number);
    return task;
}

/* Same numbers everywhere; about one in eleven is bad. */
static inline enum deed choose_deed(uint32_t number)
{
    /* Few hang: each costs its time limit. */
    static const enum deed bad[] = {
        DO_SEGV,        DO_ABORT,    DO_EXIT,         DO_HANG,   DO_EAT,
        DO_HANG_FAMILY, DO_NO_STATE, DO_GARBAGE,      DO_KILLED, DO_OTHER_TICKET,
        DO_FLOOD,       DO_REFUSE,   DO_CRASH_FAMILY, DO_EXIT_0, DO_TOO_GOOD,
        DO_SEGV,        DO_EXIT,     DO_ABORT,        DO_EAT,    DO_GARBAGE};
    uint32_t x = number * 2654435761u;

    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    return x % 11 == 0 ? bad[x / 11 % (sizeof bad / sizeof bad[0])] : DO_WELL;
}

/* True if the outcome is what its ticket's deed must lead to. */
static inline bool item_is_right(const mico_reply_item *item)
{
    enum deed deed = (enum deed)(item->ticket >> 32);

    if (deed >= N_DEEDS || item->outcome.state != deed_state[deed])
        return false;
    if (item->outcome.state == MICO_STATE_DONE)
        return item->outcome.images == 1000 &&
               item->outcome.correct == (item->ticket & 0xffffffff) % 1000;
    return true;
}

static inline bool reply_is_right(const mico_reply *reply)
{
    bool right = reply->n > 0;

    for (uint32_t i = 0; i < reply->n; i++)
        right = right && item_is_right(&reply->item[i]);
    return right;
}

#endif
