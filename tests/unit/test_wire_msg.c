/* Tasks, replies and studies survive packing; damaged ones are refused. */
#include "support/suite.h"

#include "wire/wire_internal.h"

#include <stdlib.h>

static mico_task sample_task(void)
{
    mico_task task = {.ticket = 0x0123456789abcdefu,
                      .kind = MICO_TASK_TRIAL,
                      .mode = MICO_MODE_FAKE,
                      .split = MICO_SPLIT_FINAL,
                      .attempt = 7};

    task.scheme.n_layers = 3;
    memcpy(task.scheme.bits, (uint8_t[]){8, 4, MICO_TERNARY, 1, 2, 5}, 6);
    return task;
}

static mico_reply sample_reply(uint8_t *payload, size_t n)
{
    mico_reply reply = {.ticket = 42,
                        .worker = 63,
                        .outcome = {MICO_STATE_DONE, 10000, 9876, 0.25, 1.5, ""},
                        .payload = payload,
                        .payload_bytes = n};

    strcpy(reply.outcome.reason, "none");
    return reply;
}

static mico_status unpack_task(const uint8_t *bytes, size_t n, mico_task *out,
                               mico_err *err)
{
    mico_reader r = {.bytes = bytes, .len = n};

    return mico_task_get(&r, out, err);
}

static mico_status unpack_reply(const uint8_t *bytes, size_t n, mico_reply *out,
                                mico_err *err)
{
    mico_reader r = {.bytes = bytes, .len = n};

    return mico_reply_get(&r, out, err);
}

/* A copy of exactly n bytes, so that reading behind them is caught by the sanitizers.
 */
static uint8_t *copy_of(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);

    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}

static void t_truncation(void)
{
    uint8_t payload[20] = {1, 2, 3};
    mico_task task = sample_task();
    mico_reply reply = sample_reply(payload, sizeof payload);
    mico_writer a = {0}, b = {0}, c = {0};
    mico_err err;

    mico_task_put(&a, &task);
    mico_reply_put(&b, &reply);
    mico_load_put(&c, &(mico_limits){10, 1 << 20}, payload, sizeof payload);
    for (size_t n = 0; n < a.len; n++) {
        uint8_t *p = copy_of(a.bytes, n);

        err.text[0] = '\0';
        CU_ASSERT_EQUAL(unpack_task(p, n, &task, &err), MICO_ECOMM);
        CU_ASSERT(strstr(err.text, "task message: ") == err.text);
        free(p);
    }
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *p = copy_of(b.bytes, n);

        CU_ASSERT_EQUAL(unpack_reply(p, n, &reply, &err), MICO_ECOMM);
        free(p);
    }
    for (size_t n = 0; n < c.len; n++) {
        mico_limits limits;
        const uint8_t *blob;
        size_t blob_bytes;
        uint8_t *p = copy_of(c.bytes, n);
        mico_reader r = {.bytes = p, .len = n};

        CU_ASSERT_EQUAL(mico_load_get(&r, &limits, &blob, &blob_bytes, &err),
                        MICO_ECOMM);
        free(p);
    }
    /* Outputs are set only on success. */
    CU_ASSERT_EQUAL(task.ticket, 0x0123456789abcdefu);
    CU_ASSERT_PTR_EQUAL(reply.payload, payload);
    mico_writer_free(&a);
    mico_writer_free(&b);
    mico_writer_free(&c);
}

static void t_foreign(void)
{
    /* version, ticket, kind, mode, split, attempt, has_scheme, scheme */
    static const struct {
        size_t at;
        uint8_t value;
        const char *text;
    } damage[] = {{0, 9, "version 9"},      {9, 0, "unknown kind 0"},
                  {9, 3, "unknown kind 3"}, {10, 3, "mode 3"},
                  {11, 2, "split 2"},       {16, 2, "scheme 2"},
                  {25, 99, "damaged"}};
    mico_task task = sample_task();
    mico_writer w = {0};
    mico_err err;

    mico_task_put(&w, &task);
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        uint8_t *p = copy_of(w.bytes, w.len);

        if (damage[i].at < 20)
            p[damage[i].at] = damage[i].value;
        else
            p[w.len - 1] = damage[i].value; /* the last width */
        CU_ASSERT_EQUAL(unpack_task(p, w.len, &task, &err), MICO_ECOMM);
        CU_ASSERT(strstr(err.text, damage[i].text) != NULL);
        free(p);
    }
    mico_writer_free(&w);
}

static void t_senseless_reply(void)
{
    mico_reply reply, got;
    mico_writer w = {0};
    mico_err err;

    reply = sample_reply(NULL, 0);
    reply.outcome.state = MICO_STATE_PENDING;
    mico_reply_put(&w, &reply);
    CU_ASSERT_EQUAL(unpack_reply(w.bytes, w.len, &got, &err), MICO_ECOMM);
    CU_ASSERT(strstr(err.text, "state 0") != NULL);
    w.len = 0;
    reply = sample_reply(NULL, 0);
    reply.outcome.correct = reply.outcome.images + 1;
    mico_reply_put(&w, &reply);
    CU_ASSERT_EQUAL(unpack_reply(w.bytes, w.len, &got, &err), MICO_ECOMM);
    mico_writer_free(&w);
}

static void t_random_bytes(void)
{
    uint32_t x = 12345;
    mico_writer w = {0};
    mico_task task = sample_task();
    uint8_t payload[9] = {0};
    mico_reply reply = sample_reply(payload, sizeof payload);
    unsigned refused = 0;

    mico_task_put(&w, &task);
    mico_reply_put(&w, &reply);
    for (int round = 0; round < 20000; round++) {
        uint8_t *p = copy_of(w.bytes, w.len);
        size_t n = (x >> 8) % w.len;
        mico_reply got;

        for (int i = 0; i < 1 + round % 30; i++) {
            x = x * 1664525u + 1013904223u;
            p[(x >> 8) % w.len] = (uint8_t)(x >> 24);
        }
        p[0] = p[n] = MICO_WIRE_VERSION;
        refused += unpack_task(p, w.len, &task, NULL) != MICO_OK;
        if (unpack_reply(p + n, w.len - n, &got, NULL) == MICO_OK) {
            CU_ASSERT(got.outcome.correct <= got.outcome.images);
            mico_reply_free(&got);
        }
        free(p);
    }
    CU_ASSERT(refused > 1000);
    mico_writer_free(&w);
}

static void t_round_trip(void)
{
    uint8_t payload[300];
    mico_task task = sample_task(), task2;
    mico_reply reply = sample_reply(payload, sizeof payload), reply2;
    mico_writer w = {0};
    mico_reader r;
    mico_err err;

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 31);
    mico_task_put(&w, &task);
    r = (mico_reader){.bytes = w.bytes, .len = w.len};
    CU_ASSERT_EQUAL_FATAL(mico_task_get(&r, &task2, &err), MICO_OK);
    CU_ASSERT(mico_reader_ok(&r));
    CU_ASSERT_EQUAL(task2.ticket, task.ticket);
    CU_ASSERT_EQUAL(task2.kind, MICO_TASK_TRIAL);
    CU_ASSERT_EQUAL(task2.mode, MICO_MODE_FAKE);
    CU_ASSERT_EQUAL(task2.split, MICO_SPLIT_FINAL);
    CU_ASSERT_EQUAL(task2.attempt, 7);
    CU_ASSERT(mico_scheme_equal(&task.scheme, &task2.scheme));

    w.len = 0;
    mico_reply_put(&w, &reply);
    r = (mico_reader){.bytes = w.bytes, .len = w.len};
    CU_ASSERT_EQUAL_FATAL(mico_reply_get(&r, &reply2, &err), MICO_OK);
    CU_ASSERT(mico_reader_ok(&r));
    CU_ASSERT_EQUAL(reply2.ticket, 42);
    CU_ASSERT_EQUAL(reply2.worker, 63);
    CU_ASSERT_EQUAL(reply2.outcome.state, MICO_STATE_DONE);
    CU_ASSERT_EQUAL(reply2.outcome.images, 10000);
    CU_ASSERT_EQUAL(reply2.outcome.correct, 9876);
    CU_ASSERT_EQUAL(reply2.outcome.loss, 0.25);
    CU_ASSERT_EQUAL(reply2.outcome.seconds, 1.5);
    CU_ASSERT_STRING_EQUAL(reply2.outcome.reason, "none");
    CU_ASSERT_EQUAL_FATAL(reply2.payload_bytes, sizeof payload);
    CU_ASSERT(memcmp(reply2.payload, payload, sizeof payload) == 0);
    mico_reply_free(&reply2);
    CU_ASSERT_PTR_NULL(reply2.payload);
    mico_writer_free(&w);
}

static void t_without_scheme_or_payload(void)
{
    mico_task task = {.ticket = 1, .kind = MICO_TASK_CALIBRATE}, task2;
    mico_reply reply = sample_reply(NULL, 0), reply2;
    mico_writer w = {0};
    mico_err err;

    mico_task_put(&w, &task);
    CU_ASSERT_EQUAL_FATAL(unpack_task(w.bytes, w.len, &task2, &err), MICO_OK);
    CU_ASSERT_EQUAL(task2.kind, MICO_TASK_CALIBRATE);
    CU_ASSERT_EQUAL(task2.scheme.n_layers, 0);
    w.len = 0;
    mico_reply_put(&w, &reply);
    CU_ASSERT_EQUAL_FATAL(unpack_reply(w.bytes, w.len, &reply2, &err), MICO_OK);
    CU_ASSERT_PTR_NULL(reply2.payload);
    CU_ASSERT_EQUAL(reply2.payload_bytes, 0);
    mico_writer_free(&w);
}

static void t_study(void)
{
    mico_limits limits = {2.5, 123456789012u}, limits2;
    const uint8_t *blob;
    size_t n;
    mico_writer w = {0};
    mico_reader r;
    mico_err err;

    mico_load_put(&w, &(mico_limits){-1, 0}, (const uint8_t *)"x", 1);
    r = (mico_reader){.bytes = w.bytes, .len = w.len};
    CU_ASSERT_EQUAL(mico_load_get(&r, &limits2, &blob, &n, &err), MICO_ECOMM);
    w.len = 0;
    mico_load_put(&w, &limits, (const uint8_t *)"study", 5);
    r = (mico_reader){.bytes = w.bytes, .len = w.len};
    CU_ASSERT_EQUAL_FATAL(mico_load_get(&r, &limits2, &blob, &n, &err), MICO_OK);
    CU_ASSERT_EQUAL(limits2.timeout_s, 2.5);
    CU_ASSERT_EQUAL(limits2.memory_bytes, 123456789012u);
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT(memcmp(blob, "study", 5) == 0);
    mico_put_u8(&w, 0); /* something behind it */
    r = (mico_reader){.bytes = w.bytes, .len = w.len};
    CU_ASSERT_EQUAL(mico_load_get(&r, &limits2, &blob, &n, &err), MICO_ECOMM);
    mico_writer_free(&w);
}

static void t_failure_reply(void)
{
    mico_task task = sample_task();
    mico_reply reply;
    char longtext[400];

    memset(longtext, 'x', sizeof longtext);
    longtext[sizeof longtext - 1] = '\0';
    mico_reply_fail(&reply, &task, MICO_STATE_INFRASTRUCTURE, "%s", longtext);
    CU_ASSERT_EQUAL(reply.ticket, task.ticket);
    CU_ASSERT_EQUAL(reply.outcome.state, MICO_STATE_INFRASTRUCTURE);
    CU_ASSERT_EQUAL(strlen(reply.outcome.reason), sizeof reply.outcome.reason - 1);
    CU_ASSERT_STRING_EQUAL(reply.outcome.reason + sizeof reply.outcome.reason - 5,
                           "x...");
    CU_ASSERT_PTR_NULL(reply.payload);
}

MICO_SUITE("wire messages", {"truncation", t_truncation}, {"foreign bytes", t_foreign},
           {"senseless replies", t_senseless_reply}, {"random bytes", t_random_bytes},
           {"round trip", t_round_trip},
           {"no scheme, no payload", t_without_scheme_or_payload}, {"study", t_study},
           {"failure reply", t_failure_reply})
