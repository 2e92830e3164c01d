/* Tasks, replies and studies survive packing; damaged ones are refused. */
#include "support/suite.h"

#include "wire/wire_internal.h"

#include <stdlib.h>

/* A bundle of three on some of the images. */
static mico_task sample_task(void)
{
    static const uint8_t bits[3][6] = {{8, 4, MICO_TERNARY, 1, 2, 5},
                                       {8, 4, MICO_TERNARY, 1, 2, 6},
                                       {2, 2, 2, 2, 2, 2}};
    mico_task task = {.kind = MICO_TASK_TRIAL,
                      .mode = MICO_MODE_FAKE,
                      .split = MICO_SPLIT_FINAL,
                      .from = 30,
                      .to = 100,
                      .want_right = true,
                      .n = 3};

    for (uint32_t i = 0; i < 3; i++) {
        task.item[i].ticket = 0x0123456789abcdefu + i;
        task.item[i].attempt = 7 * i;
        task.item[i].scheme.n_layers = 3;
        memcpy(task.item[i].scheme.bits, bits[i], 6);
    }
    return task;
}

/* Done with bits, refused, done without bits. */
static mico_reply sample_reply(uint8_t *payload, size_t n)
{
    static uint64_t right[2] = {0xf0f0f0f000000001u, 0x2a};
    mico_reply reply = {
        .worker = 63,
        .blame = MICO_ECOMM,
        .held_bytes = 123456789012u,
        .payload = payload,
        .payload_bytes = n,
        .n = 3,
        .item = {{.ticket = 42,
                  .outcome = {MICO_STATE_DONE, 70, 20, 0.25, 1.5, ""},
                  .loss_sum = 17.5,
                  .right = right},
                 {.ticket = 40, .outcome = {.state = MICO_STATE_REFUSED}},
                 {.ticket = 41,
                  .outcome = {MICO_STATE_DONE, 10000, 9876, 0.5, 2.5, ""},
                  .loss_sum = 5000}}};

    strcpy(reply.item[1].outcome.reason, "an accumulator could overflow");
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
    CU_ASSERT_EQUAL(task.item[0].ticket, 0x0123456789abcdefu);
    CU_ASSERT_PTR_EQUAL(reply.payload, payload);
    mico_writer_free(&a);
    mico_writer_free(&b);
    mico_writer_free(&c);
}

static void t_foreign(void)
{
    /* version, kind, mode, split, want_right, from (8), to (8), n (4), then for each
     * scheme ticket (8), attempt (4), length (8), widths (6) */
    static const struct {
        size_t at;
        uint8_t value;
        const char *text;
    } damage[] = {{0, 9, "version 9"},       {1, 0, "unknown kind 0"},
                  {1, 3, "unknown kind 3"},  {2, 3, "mode 3"},
                  {3, 2, "split 2"},         {4, 2, "bits 2"},
                  {5, 100, "images 100 to"}, {13, 30, "images 30 to 30"},
                  {21, 0, "0 schemes"},      {21, 65, "65 schemes"},
                  {22, 1, "259 schemes"},    {21, 4, "damaged"},
                  {37, 5, "damaged"},        {40, 1, "damaged"},
                  {45, 99, "damaged"},       {102, 99, "damaged"}};
    mico_task task = sample_task();
    mico_writer w = {0};
    mico_err err;

    mico_task_put(&w, &task);
    CU_ASSERT_EQUAL_FATAL(w.len, 25 + 3 * 26); /* a scheme takes two bytes a layer */
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        uint8_t *p = copy_of(w.bytes, w.len);

        p[damage[i].at] = damage[i].value;
        CU_ASSERT_EQUAL(unpack_task(p, w.len, &task, &err), MICO_ECOMM);
        if (strstr(err.text, damage[i].text) == NULL)
            CU_FAIL("text");
        free(p);
    }
    mico_writer_free(&w);
}

/* Replies that no worker may give. */
static void t_senseless_reply(void)
{
    uint64_t right[2] = {0xf0f0f0f000000001u, 0x2a};
    mico_reply reply, got;
    mico_writer w = {0};
    mico_err err;

    for (int k = 0; k < 9; k++) {
        static const char *const texts[] = {"state 0",
                                            "damaged",
                                            "0 outcomes",
                                            "65 outcomes",
                                            "status 200",
                                            "bits of other images than 21 of 70",
                                            "bits of other",
                                            "1 words for 10000 images",
                                            "words for 70 images"};

        reply = sample_reply(NULL, 0);
        reply.item[0].right = right;
        right[1] = 0x2a;
        if (k == 0)
            reply.item[2].outcome.state = MICO_STATE_PENDING;
        if (k == 1)
            reply.item[0].outcome.correct = 71;
        if (k == 2)
            reply.n = 0;
        if (k == 4)
            reply.blame = (mico_status)200;
        if (k == 5)
            reply.item[0].outcome.correct++;
        if (k == 6)
            right[1] = 0x8a; /* image 71 of 70 */
        w.len = 0;
        mico_reply_put(&w, &reply);
        if (k == 3)
            w.bytes[1 + 4 + 1 + 8 + 1] = 65;
        if (k == 7)
            w.bytes[w.len - 8] = 1; /* words of the last scheme */
        if (k == 8) {
            /* as many words as no message can hold: refused before they are allocated
             */
            reply.n = 1;
            w.len = 0;
            mico_reply_put(&w, &reply);
            memset(w.bytes + w.len - 3 * 8, 0xff, 8);
        }
        err.text[0] = '\0';
        CU_ASSERT_EQUAL(unpack_reply(w.bytes, w.len, &got, &err), MICO_ECOMM);
        if (strstr(err.text, texts[k]) == NULL) {
            printf("\n    %s\n", err.text);
            CU_FAIL("text");
        }
    }
    mico_writer_free(&w);
}

static void t_random_bytes(void)
{
    uint32_t x = 12345;
    mico_writer w = {0};
    mico_task task = sample_task();
    uint8_t payload[9] = {0};
    mico_reply reply = sample_reply(payload, sizeof payload);
    unsigned refused = 0, taken = 0;
    size_t task_bytes;

    mico_task_put(&w, &task);
    task_bytes = w.len;
    mico_reply_put(&w, &reply);
    for (int round = 0; round < 20000; round++) {
        uint8_t *p = copy_of(w.bytes, w.len);
        size_t n = round % 2 == 0 ? task_bytes : (x >> 8) % w.len;
        mico_reply got;

        for (int i = 0; i < 1 + round % 30; i++) {
            x = x * 1664525u + 1013904223u;
            p[(x >> 8) % w.len] = (uint8_t)(x >> 24);
        }
        p[0] = p[n] = MICO_WIRE_VERSION;
        refused += unpack_task(p, w.len, &task, NULL) != MICO_OK;
        if (unpack_reply(p + n, w.len - n, &got, NULL) == MICO_OK) {
            CU_ASSERT(got.n >= 1 && got.n <= MICO_BUNDLE_MOST);
            for (uint32_t i = 0; i < got.n; i++)
                CU_ASSERT(got.item[i].outcome.correct <= got.item[i].outcome.images);
            mico_reply_free(&got);
            taken++;
        }
        free(p);
    }
    CU_ASSERT(refused > 1000 && taken > 10);
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
    CU_ASSERT_EQUAL(task2.kind, MICO_TASK_TRIAL);
    CU_ASSERT_EQUAL(task2.mode, MICO_MODE_FAKE);
    CU_ASSERT_EQUAL(task2.split, MICO_SPLIT_FINAL);
    CU_ASSERT(task2.from == 30 && task2.to == 100 && task2.want_right);
    CU_ASSERT_EQUAL_FATAL(task2.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(task2.item[i].ticket, task.item[i].ticket);
        CU_ASSERT_EQUAL(task2.item[i].attempt, 7 * i);
        CU_ASSERT(mico_scheme_equal(&task.item[i].scheme, &task2.item[i].scheme));
    }

    w.len = 0;
    mico_reply_put(&w, &reply);
    r = (mico_reader){.bytes = w.bytes, .len = w.len};
    CU_ASSERT_EQUAL_FATAL(mico_reply_get(&r, &reply2, &err), MICO_OK);
    CU_ASSERT(mico_reader_ok(&r));
    CU_ASSERT(reply2.worker == 63 && reply2.blame == MICO_ECOMM);
    CU_ASSERT_EQUAL(reply2.held_bytes, 123456789012u);
    CU_ASSERT_EQUAL_FATAL(reply2.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const mico_reply_item *a = &reply.item[i], *b = &reply2.item[i];

        CU_ASSERT(a->ticket == b->ticket && a->loss_sum == b->loss_sum);
        CU_ASSERT_EQUAL(memcmp(&a->outcome, &b->outcome, sizeof a->outcome), 0);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(reply2.item[0].right);
    CU_ASSERT_EQUAL(memcmp(reply2.item[0].right, reply.item[0].right, 16), 0);
    CU_ASSERT_PTR_NULL(reply2.item[1].right);
    CU_ASSERT_PTR_NULL(reply2.item[2].right);
    CU_ASSERT_EQUAL_FATAL(reply2.payload_bytes, sizeof payload);
    CU_ASSERT(memcmp(reply2.payload, payload, sizeof payload) == 0);
    mico_reply_free(&reply2);
    CU_ASSERT_PTR_NULL(reply2.payload);
    CU_ASSERT_PTR_NULL(reply2.item[0].right);
    mico_writer_free(&w);
}

/* The largest bundle of the largest network. */
static void t_full(void)
{
    static mico_task task, task2;
    static mico_reply reply, reply2;
    mico_writer w = {0};
    mico_err err;

    task = (mico_task){.kind = MICO_TASK_TRIAL, .n = MICO_BUNDLE_MOST};
    for (uint32_t i = 0; i < MICO_BUNDLE_MOST; i++) {
        task.item[i].ticket = 1000 - i;
        task.item[i].scheme.n_layers = MICO_MAX_LAYERS;
        for (size_t g = 0; g < MICO_MAX_GENES; g++)
            task.item[i].scheme.bits[g] = (uint8_t)(1 + (g + i) % 8);
    }
    mico_task_put(&w, &task);
    CU_ASSERT_EQUAL_FATAL(unpack_task(w.bytes, w.len, &task2, &err), MICO_OK);
    CU_ASSERT_EQUAL(memcmp(&task, &task2, sizeof task), 0);
    w.len = 0;
    mico_reply_fail(&reply, &task, MICO_STATE_CRASHED, "all of them");
    mico_reply_put(&w, &reply);
    CU_ASSERT_EQUAL_FATAL(unpack_reply(w.bytes, w.len, &reply2, &err), MICO_OK);
    CU_ASSERT_EQUAL(memcmp(&reply, &reply2, sizeof reply), 0);
    mico_writer_free(&w);
}

static void t_without_scheme_or_payload(void)
{
    mico_task task = {.kind = MICO_TASK_CALIBRATE, .n = 1, .item = {{.ticket = 1}}};
    mico_task task2;
    mico_reply reply = sample_reply(NULL, 0), reply2;
    mico_writer w = {0};
    mico_err err;

    mico_task_put(&w, &task);
    CU_ASSERT_EQUAL_FATAL(unpack_task(w.bytes, w.len, &task2, &err), MICO_OK);
    CU_ASSERT_EQUAL(task2.kind, MICO_TASK_CALIBRATE);
    CU_ASSERT_EQUAL(task2.item[0].scheme.n_layers, 0);
    w.len = 0;
    mico_reply_put(&w, &reply);
    CU_ASSERT_EQUAL_FATAL(unpack_reply(w.bytes, w.len, &reply2, &err), MICO_OK);
    CU_ASSERT_PTR_NULL(reply2.payload);
    CU_ASSERT_EQUAL(reply2.payload_bytes, 0);
    mico_reply_free(&reply2);
    mico_writer_free(&w);
}

/* Which replies answer a task. */
static void t_answers(void)
{
    mico_task task = sample_task();
    mico_reply reply;
    uint64_t right[2] = {0};

    task.item[0].ticket = 42;
    task.item[1].ticket = 40;
    task.item[2].ticket = 41;
    reply = sample_reply(NULL, 0);
    CU_ASSERT_FALSE(mico_reply_answers(&reply, &task)); /* 10000 images of 70 */
    reply.item[2].outcome.images = 70;
    CU_ASSERT_FALSE(mico_reply_answers(&reply, &task)); /* and no bits */
    reply.item[2].right = right;
    CU_ASSERT_TRUE(mico_reply_answers(&reply, &task));
    reply.item[0].right = NULL;
    CU_ASSERT_FALSE(mico_reply_answers(&reply, &task));
    task.want_right = false;
    CU_ASSERT_TRUE(mico_reply_answers(&reply, &task));
    reply.item[0].outcome.images = 69;
    CU_ASSERT_FALSE(mico_reply_answers(&reply, &task));
    task.to = 0;
    CU_ASSERT_TRUE(mico_reply_answers(&reply, &task));
    reply.item[1].ticket = 44;
    CU_ASSERT_FALSE(mico_reply_answers(&reply, &task));
    reply.item[1].ticket = 40;
    reply.n = 2;
    CU_ASSERT_FALSE(mico_reply_answers(&reply, &task));
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
    CU_ASSERT_EQUAL(reply.n, 3);
    CU_ASSERT_EQUAL(reply.blame, MICO_ECOMM);
    for (uint32_t i = 0; i < 3; i++) {
        const mico_outcome *outcome = &reply.item[i].outcome;

        CU_ASSERT_EQUAL(reply.item[i].ticket, task.item[i].ticket);
        CU_ASSERT_EQUAL(outcome->state, MICO_STATE_INFRASTRUCTURE);
        CU_ASSERT_EQUAL(strlen(outcome->reason), sizeof outcome->reason - 1);
        CU_ASSERT_STRING_EQUAL(outcome->reason + sizeof outcome->reason - 5, "x...");
        CU_ASSERT_PTR_NULL(reply.item[i].right);
    }
    CU_ASSERT_PTR_NULL(reply.payload);
}

MICO_SUITE("wire messages", {"truncation", t_truncation}, {"foreign bytes", t_foreign},
           {"senseless replies", t_senseless_reply}, {"random bytes", t_random_bytes},
           {"round trip", t_round_trip}, {"full bundle", t_full},
           {"answers", t_answers},
           {"no scheme, no payload", t_without_scheme_or_payload}, {"study", t_study},
           {"failure reply", t_failure_reply})
