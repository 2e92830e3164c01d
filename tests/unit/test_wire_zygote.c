/* Evaluators that crash, hang, eat memory and talk nonsense cost one task each. */
#include "support/suite.h"
#include "support/wire_service.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define TIMEOUT_S    0.4
#define MEMORY_BYTES ((uint64_t)1 << 30)

static const mico_limits limits = {TIMEOUT_S, MEMORY_BYTES};

static mico_pool *open_pool(double load_timeout_s)
{
    mico_zygote *zygote;
    mico_err err;

    if (mico_zygote_start_with(&zygote, &test_service, load_timeout_s, &err) != MICO_OK)
        return NULL;
    return mico_pool_inline(zygote);
}

static void load(mico_pool *pool, const char *blob)
{
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(
        mico_pool_load(pool, &limits, (const uint8_t *)blob, strlen(blob), &err),
        MICO_OK);
}

/* Submits, waits, checks what holds for every reply. */
static mico_reply ask(mico_pool *pool, const mico_task *task)
{
    mico_reply reply = {0};
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(mico_pool_submit(pool, task, &err), MICO_OK);
    CU_ASSERT_TRUE_FATAL(mico_pool_next(pool, &reply, 20));
    CU_ASSERT_EQUAL(reply.item[0].ticket, task->item[0].ticket);
    return reply;
}

static mico_reply ask_deed(mico_pool *pool, enum deed deed, uint32_t number)
{
    mico_task task = make_task(deed, number);
    mico_reply reply = ask(pool, &task);

    if (!reply_is_right(&reply))
        printf("\n    deed %d: state %d, %s\n", (int)deed,
               (int)reply.item[0].outcome.state, reply.item[0].outcome.reason);
    CU_ASSERT(reply_is_right(&reply));
    return reply;
}

/* True once the process is gone (not even a zombie is left). */
static bool vanishes(pid_t pid)
{
    for (int i = 0; i < 400; i++) {
        waitpid(-1, NULL, WNOHANG); /* orphans come to us: see t_open */
        if (kill(pid, 0) != 0 && errno == ESRCH)
            return true;
        mico_sleep_s(0.01);
    }
    return false;
}

static void t_misuse(void)
{
    mico_pool *pool = open_pool(10);
    mico_task task = make_task(DO_SLOWLY, 1);
    mico_reply reply;
    mico_err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_EBUG);
    CU_ASSERT_EQUAL(
        mico_pool_load(pool, &limits, (const uint8_t *)"x", (size_t)65 << 20, &err),
        MICO_ELIMIT);
    load(pool, "ok");
    CU_ASSERT_EQUAL(mico_pool_workers(pool), 1);
    CU_ASSERT_EQUAL(mico_pool_idle(pool), 1);
    CU_ASSERT_FALSE(mico_pool_next(pool, &reply, 0.01));
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_pool_idle(pool), 0);
    CU_ASSERT_EQUAL(mico_pool_workers(pool), 1);
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_EBUG);
    CU_ASSERT_EQUAL(mico_pool_load(pool, &limits, (const uint8_t *)"ok", 2, &err),
                    MICO_EBUG);
    CU_ASSERT_FALSE(mico_pool_next(pool, &reply, 0));
    CU_ASSERT_TRUE(mico_pool_next(pool, &reply, 10));
    CU_ASSERT(reply_is_right(&reply));
    CU_ASSERT_EQUAL(mico_pool_idle(pool), 1);
    mico_pool_close(pool);
    mico_pool_close(NULL);
}

static void t_load_fails(void)
{
    static const struct {
        const char *blob, *text;
    } cases[] = {
        {"fail", "loading the study: no such data set: moon.npz"},
        {"crash", "loading the study: SIGSEGV"},
        {"exit", "loading the study: exit code 4"},
        {"job", "loading the study: such a job cannot work"},
        {"oom", "loading the study: no memory left (limit 1024 MiB)"},
        {"hang", "loading the study: no end after 0.7 s"},
    };
    mico_pool *pool = open_pool(0.7);
    mico_task task = make_task(DO_WELL, 5);

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mico_reply reply;

        load(pool, cases[i].blob);
        reply = ask(pool, &task);
        CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_INFRASTRUCTURE);
        CU_ASSERT_STRING_EQUAL(reply.item[0].outcome.reason, cases[i].text);
        /* where another job would help, no other attempt does */
        CU_ASSERT_EQUAL(reply.blame, strcmp(cases[i].blob, "oom") == 0 ||
                                             strcmp(cases[i].blob, "job") == 0
                                         ? MICO_EJOB
                                         : MICO_ECOMM);
        CU_ASSERT(vanishes(shared->evaluator));
    }
    /* Loading for longer than a trial may take is no fault of the trial. */
    load(pool, "slow");
    ask_deed(pool, DO_WELL, 6);
    mico_pool_close(pool);
}

static void t_each_deed(void)
{
    static const struct {
        enum deed deed;
        const char *text;
    } reasons[] = {
        {DO_SEGV, "SIGSEGV"},
        {DO_ABORT, "SIGABRT"},
        {DO_EXIT, "exit code 3"},
        {DO_EXIT_0, "exit code 0"},
        {DO_HANG, "after 0.4 s"},
        {DO_EAT, "no memory left (limit 1024 MiB)"},
        {DO_KILLED, "killed from outside, as when a machine is out of memory"},
        {DO_OTHER_TICKET, "reply to another task"},
        {DO_NO_STATE, "reply message: state 0 is no outcome"},
        {DO_GARBAGE, "reply message: version 104, this program speaks 2; run the same "
                     "program on every rank"},
        {DO_FLOOD, "a message above the limit"},
    };
    mico_pool *pool = open_pool(10);

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    for (uint32_t d = 0; d < N_DEEDS; d++) {
        mico_reply reply = ask_deed(pool, (enum deed)d, d);

        for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
            if ((uint32_t)reasons[i].deed == d)
                CU_ASSERT_STRING_EQUAL(reply.item[0].outcome.reason, reasons[i].text);
        if (d == DO_HANG)
            CU_ASSERT(reply.item[0].outcome.seconds > 0.39 &&
                      reply.item[0].outcome.seconds < 2);
        mico_reply_free(&reply);
        if (d == DO_TALK_TWICE)
            mico_sleep_s(0.2); /* what it says now is nobody's fault but its own */
        ask_deed(pool, DO_WELL, 1000 + d);
    }
    mico_pool_close(pool);
}

static void t_keeps_evaluator(void)
{
    mico_pool *pool = open_pool(10);
    pid_t first;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    shared->loads = 0;
    load(pool, "ok");
    ask_deed(pool, DO_WELL, 1);
    first = shared->evaluator;
    CU_ASSERT_EQUAL(getpgid(first), first);
    for (uint32_t i = 0; i < 50; i++)
        ask_deed(pool, DO_WELL, i);
    CU_ASSERT_EQUAL(shared->loads, 1);
    ask_deed(pool, DO_SEGV, 2);
    ask_deed(pool, DO_WELL, 3);
    CU_ASSERT_EQUAL(shared->loads, 2);
    /* A new study ends the old evaluator; one that dies between tasks is replaced. */
    first = shared->evaluator;
    load(pool, "ok");
    ask_deed(pool, DO_WELL, 4);
    CU_ASSERT(vanishes(first));
    kill(shared->evaluator, SIGKILL);
    CU_ASSERT(vanishes(shared->evaluator));
    ask_deed(pool, DO_WELL, 5);
    CU_ASSERT_EQUAL(shared->loads, 4);
    first = shared->evaluator;
    mico_pool_close(pool);
    CU_ASSERT(kill(first, 0) != 0 && errno == ESRCH);
}

static void t_no_process_left(void)
{
    static const enum deed family[] = {DO_HANG_FAMILY, DO_CRASH_FAMILY};
    mico_pool *pool = open_pool(10);

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    for (size_t i = 0; i < 2; i++) {
        ask_deed(pool, family[i], 1);
        CU_ASSERT(shared->child > 0);
        CU_ASSERT(vanishes(shared->child));
        CU_ASSERT(vanishes(shared->evaluator));
        CU_ASSERT(kill(-shared->evaluator, 0) != 0 && errno == ESRCH);
    }
    mico_pool_close(pool);
}

static void t_large(void)
{
    size_t n = (size_t)40 << 20;
    uint8_t *blob = malloc(n);
    mico_pool *pool = open_pool(30);
    mico_task task = make_task(DO_PAYLOAD, 9);
    mico_reply reply;
    uint32_t sum = 0;
    size_t wrong = 0;
    mico_err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    memcpy(blob, "check", 6);
    for (size_t i = 10; i < n; i++) {
        blob[i] = (uint8_t)(i * 2654435761u >> 13);
        sum = sum * 31 + blob[i];
    }
    memcpy(blob + 6, &sum, sizeof sum);
    CU_ASSERT_EQUAL_FATAL(mico_pool_load(pool, &limits, blob, n, &err), MICO_OK);
    free(blob);
    reply = ask(pool, &task);
    CU_ASSERT_EQUAL_FATAL(reply.payload_bytes, PAYLOAD_BYTES);
    for (size_t i = 0; i < PAYLOAD_BYTES; i++)
        wrong += reply.payload[i] != payload_byte(reply.item[0].ticket, i);
    CU_ASSERT_EQUAL(wrong, 0);
    mico_reply_free(&reply);
    mico_pool_close(pool);
}

static void t_faults_on_demand(void)
{
    static const mico_state expect[][2] = {{MICO_STATE_CRASHED, MICO_STATE_DONE},
                                           {MICO_STATE_TIMEOUT, MICO_STATE_DONE},
                                           {MICO_STATE_OUT_OF_MEMORY, MICO_STATE_DONE},
                                           {MICO_STATE_CRASHED, MICO_STATE_DONE},
                                           {MICO_STATE_BAD_OUTPUT, MICO_STATE_DONE},
                                           {MICO_STATE_CRASHED, MICO_STATE_CRASHED},
                                           {MICO_STATE_DONE, MICO_STATE_DONE}};
    mico_pool *pool;

    setenv("MICO_FAULT", "crash@1,hang@2,oom@3,exit@4,garbage@5,crash!@6,nonsense,@,77",
           1);
    pool = open_pool(10);
    unsetenv("MICO_FAULT");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    for (uint32_t i = 0; i < 7; i++)
        for (uint32_t attempt = 0; attempt < 2; attempt++) {
            mico_task task = make_task(DO_WELL, i + 1);
            mico_reply reply;

            task.item[0].attempt = attempt;
            reply = ask(pool, &task);
            CU_ASSERT_EQUAL(reply.item[0].outcome.state, expect[i][attempt]);
        }
    /* in a bundle one such ticket is enough */
    {
        mico_task task = make_task(DO_WELL, 9);
        mico_reply reply;

        add_deed(&task, DO_WELL, 1);
        reply = ask(pool, &task);
        CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_CRASHED);
        task.item[1].attempt = 1;
        reply = ask(pool, &task);
        CU_ASSERT(reply_is_right(&reply));
    }
    mico_pool_close(pool);
}

/* Five schemes, the second and the third with deeds of their own. */
static mico_task make_bundle(enum deed second, enum deed third)
{
    mico_task task = make_task(DO_WELL, 100);

    add_deed(&task, second, 901);
    add_deed(&task, third, 302);
    add_deed(&task, DO_WELL, 703);
    add_deed(&task, DO_WELL, 4);
    return task;
}

/* A bundle that dies has one state for all; a refusal concerns one scheme. */
static void t_bundles(void)
{
    static const struct {
        enum deed deed;
        const char *text;
    } deaths[] = {
        {DO_SEGV, "SIGSEGV"},
        {DO_HANG, "after 2.0 s"}, /* five times that of one scheme */
        {DO_EAT, "no memory left (limit 1024 MiB)"},
        {DO_NO_STATE, "reply message: state 0 is no outcome"},
        {DO_OTHER_TICKET, "reply to another task"},
        {DO_GARBAGE, "reply message: version 104, this program speaks 2; run the same "
                     "program on every rank"},
    };
    mico_pool *pool = open_pool(10);

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    for (size_t k = 0; k < sizeof deaths / sizeof deaths[0]; k++) {
        mico_task task = make_bundle(DO_WELL, deaths[k].deed);
        mico_reply reply = ask(pool, &task);

        CU_ASSERT_EQUAL_FATAL(reply.n, 5);
        CU_ASSERT_EQUAL(reply.blame, deaths[k].deed == DO_EAT ? MICO_EJOB : MICO_ECOMM);
        for (uint32_t i = 0; i < 5; i++) {
            CU_ASSERT_EQUAL(reply.item[i].ticket, task.item[i].ticket);
            CU_ASSERT_EQUAL(reply.item[i].outcome.state, deed_state[deaths[k].deed]);
            CU_ASSERT_STRING_EQUAL(reply.item[i].outcome.reason, deaths[k].text);
            if (deaths[k].deed == DO_HANG) /* divided among them */
                CU_ASSERT(reply.item[i].outcome.seconds > 0.39 &&
                          reply.item[i].outcome.seconds < 1);
        }
        mico_reply_free(&reply);
    }
    {
        mico_task task = make_bundle(DO_REFUSE, DO_SLOWLY);
        mico_reply reply = ask(pool, &task);

        CU_ASSERT_EQUAL_FATAL(reply.n, 5);
        CU_ASSERT(reply_is_right(&reply));
        CU_ASSERT_EQUAL(reply.item[1].outcome.state, MICO_STATE_REFUSED);
        CU_ASSERT_EQUAL(reply.item[2].outcome.correct, 302);
    }
    mico_pool_close(pool);
}

/* The whole split in three tasks says what one task says, with bits or without. */
static void t_ranges(void)
{
    static const uint64_t cut[] = {0, 130, 131, 1000};
    mico_partial whole = {0}, sum = {0};
    mico_pool *pool = open_pool(10);
    mico_task task = make_bundle(DO_WELL, DO_WELL);
    mico_reply reply;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    reply = ask(pool, &task);
    CU_ASSERT_PTR_NULL(reply.item[1].right);
    mico_reply_free(&reply);
    task.want_right = true;
    reply = ask(pool, &task);
    mico_partial_add(&whole, &reply.item[1]);
    mico_reply_free(&reply);
    for (size_t k = 0; k < 3; k++) {
        task.from = cut[k];
        task.to = cut[k + 1];
        reply = ask(pool, &task);
        CU_ASSERT_EQUAL(reply.item[1].outcome.images, task.to - task.from);
        mico_partial_add(&sum, &reply.item[1]);
        mico_reply_free(&reply);
    }
    CU_ASSERT(sum.images == 1000 && whole.images == 1000);
    CU_ASSERT(sum.correct == 901 && whole.correct == 901);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sum.right);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.right);
    CU_ASSERT_EQUAL(memcmp(sum.right, whole.right, 16 * 8), 0);
    mico_partial_free(&sum);
    mico_partial_free(&whole);
    mico_pool_close(pool);
}

static void t_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP};
    mico_pool *pool = open_pool(10);
    pid_t zygote, evaluator;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    ask_deed(pool, DO_WELL, 1);
    zygote = shared->zygote;
    evaluator = shared->evaluator;
    CU_ASSERT_EQUAL(getpgid(zygote), zygote); /* out of reach of the terminal */
    for (size_t i = 0; i < 5; i++)
        kill(zygote, signals[i]);
    kill(evaluator, SIGINT);
    kill(evaluator, SIGTERM);
    kill(evaluator, SIGUSR1);
    kill(evaluator, SIGUSR2);
    ask_deed(pool, DO_SLOWLY, 2);
    CU_ASSERT_EQUAL(shared->evaluator, evaluator);
    mico_pool_close(pool);
}

static void t_zygote_dies(void)
{
    mico_pool *pool = open_pool(10);
    mico_task task = make_task(DO_HANG, 3);
    mico_reply reply;
    mico_err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    load(pool, "ok");
    ask_deed(pool, DO_WELL, 1);
    CU_ASSERT_EQUAL_FATAL(mico_pool_submit(pool, &task, &err), MICO_OK);
    kill(shared->zygote, SIGKILL);
    CU_ASSERT_TRUE_FATAL(mico_pool_next(pool, &reply, 10));
    CU_ASSERT_EQUAL(reply.item[0].ticket, task.item[0].ticket);
    CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_INFRASTRUCTURE);
    CU_ASSERT_EQUAL(mico_pool_workers(pool), 0);
    CU_ASSERT_EQUAL(mico_pool_idle(pool), 0);
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_ECOMM);
    CU_ASSERT_FALSE(mico_pool_next(pool, &reply, 0.01));
    CU_ASSERT(vanishes(shared->evaluator));
    mico_pool_close(pool);
}

static void t_parent_dies(void)
{
    pid_t parent;

    shared->evaluator = shared->child = 0;
    fflush(NULL);
    parent = fork();
    if (parent == 0) {
        mico_pool *pool = open_pool(10);
        mico_limits forever = {0, 0};
        mico_task task = make_task(DO_HANG_FAMILY, 1);

        mico_pool_load(pool, &forever, (const uint8_t *)"ok", 2, NULL);
        mico_pool_submit(pool, &task, NULL);
        for (;;)
            pause();
    }
    for (int i = 0; i < 1000 && shared->child == 0; i++)
        mico_sleep_s(0.01);
    CU_ASSERT_FATAL(shared->child > 0);
    CU_ASSERT_EQUAL(kill(shared->zygote, 0), 0);
    kill(parent, SIGKILL);
    CU_ASSERT(vanishes(shared->evaluator));
    CU_ASSERT(vanishes(shared->child));
    CU_ASSERT(vanishes(shared->zygote));
}

static void t_many(void)
{
    static const mico_limits quick = {0.3, MEMORY_BYTES};
    const uint32_t n = 2000;
    unsigned count[MICO_N_STATES] = {0};
    mico_pool *pool = open_pool(10);
    mico_err err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
    CU_ASSERT_EQUAL_FATAL(mico_pool_load(pool, &quick, (const uint8_t *)"ok", 2, &err),
                          MICO_OK);
    for (uint32_t i = 0; i < n; i++) {
        mico_reply reply = ask_deed(pool, choose_deed(i), i);

        count[reply.item[0].outcome.state]++;
    }
    printf("\n    done %u, refused %u, crashed %u, timeout %u, memory %u, bad %u\n",
           count[MICO_STATE_DONE], count[MICO_STATE_REFUSED], count[MICO_STATE_CRASHED],
           count[MICO_STATE_TIMEOUT], count[MICO_STATE_OUT_OF_MEMORY],
           count[MICO_STATE_BAD_OUTPUT]);
    CU_ASSERT(count[MICO_STATE_DONE] > n * 85 / 100 && count[MICO_STATE_DONE] < n);
    CU_ASSERT(count[MICO_STATE_CRASHED] > 0 && count[MICO_STATE_TIMEOUT] > 0);
    CU_ASSERT(count[MICO_STATE_OUT_OF_MEMORY] > 0 && count[MICO_STATE_BAD_OUTPUT] > 0);
    CU_ASSERT(vanishes(shared->child));
    mico_pool_close(pool);
}

/* The test becomes the reaper of orphans: process 1 of some containers takes its time.
 */
static void t_open(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    shared_open();
    CU_ASSERT_PTR_NOT_NULL(shared);
}

MICO_SUITE("wire zygote", {"shared memory", t_open}, {"misuse", t_misuse},
           {"load fails", t_load_fails}, {"each deed", t_each_deed},
           {"keeps its evaluator", t_keeps_evaluator},
           {"no process left", t_no_process_left}, {"large messages", t_large},
           {"faults on demand", t_faults_on_demand}, {"bundles", t_bundles},
           {"ranges of images", t_ranges}, {"signals", t_signals},
           {"zygote dies", t_zygote_dies}, {"parent dies", t_parent_dies},
           {"2,000 tasks", t_many})
