/* Tasks, replies and studies as bytes. */
#include "wire/wire_internal.h"

#include "core/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mico_reply_free(mico_reply *reply)
{
    for (uint32_t i = 0; i < reply->n; i++) {
        free(reply->item[i].right);
        reply->item[i].right = NULL;
    }
    free(reply->payload);
    reply->payload = NULL;
    reply->payload_bytes = 0;
}

void mico_reply_begin(mico_reply *reply, const mico_task *task)
{
    *reply = (mico_reply){.n = task->n, .blame = MICO_ECOMM};
    for (uint32_t i = 0; i < task->n; i++)
        reply->item[i].ticket = task->item[i].ticket;
}

void mico_reply_fail(mico_reply *reply, const mico_task *task, mico_state state,
                     const char *fmt, ...)
{
    mico_outcome outcome = {.state = state};
    size_t size = sizeof outcome.reason;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(outcome.reason, size, fmt, ap);
    va_end(ap);
    if (n >= (int)size)
        memcpy(outcome.reason + size - 4, "...", 4);
    mico_reply_begin(reply, task);
    for (uint32_t i = 0; i < task->n; i++)
        reply->item[i].outcome = outcome;
}

bool mico_reply_answers(const mico_reply *reply, const mico_task *task)
{
    if (reply->n != task->n)
        return false;
    for (uint32_t i = 0; i < task->n; i++) {
        const mico_reply_item *item = &reply->item[i];
        const mico_outcome *outcome = &item->outcome;

        if (item->ticket != task->item[i].ticket)
            return false;
        if (outcome->state != MICO_STATE_DONE || task->kind != MICO_TASK_TRIAL)
            continue;
        if (task->to > 0 && outcome->images != task->to - task->from)
            return false;
        if (task->want_right && outcome->images > 0 && item->right == NULL)
            return false;
    }
    return true;
}

static mico_status check_version(mico_reader *r, const char *what, mico_err *err)
{
    uint8_t version = mico_get_u8(r);

    if (r->bad)
        return mico_fail(err, MICO_ECOMM, "%s message: empty", what);
    if (version != MICO_WIRE_VERSION)
        return mico_fail(err, MICO_ECOMM,
                         "%s message: version %u, this program speaks %d; run the same "
                         "program on every rank",
                         what, version, MICO_WIRE_VERSION);
    return MICO_OK;
}

void mico_task_put(mico_writer *w, const mico_task *task)
{
    mico_put_u8(w, MICO_WIRE_VERSION);
    mico_put_u8(w, (uint8_t)task->kind);
    mico_put_u8(w, (uint8_t)task->mode);
    mico_put_u8(w, (uint8_t)task->split);
    mico_put_u8(w, task->want_right);
    mico_put_u64(w, task->from);
    mico_put_u64(w, task->to);
    mico_put_u32(w, task->n);
    for (uint32_t i = 0; i < task->n; i++) {
        mico_put_u64(w, task->item[i].ticket);
        mico_put_u32(w, task->item[i].attempt);
        mico_scheme_put(w, &task->item[i].scheme);
    }
}

mico_status mico_task_get(mico_reader *r, mico_task *out, mico_err *err)
{
    mico_task task = {0};
    uint8_t kind, mode, split, want_right;
    mico_status rc = check_version(r, "task", err);

    if (rc != MICO_OK)
        return rc;
    kind = mico_get_u8(r);
    mode = mico_get_u8(r);
    split = mico_get_u8(r);
    want_right = mico_get_u8(r);
    task.from = mico_get_u64(r);
    task.to = mico_get_u64(r);
    task.n = mico_get_u32(r);
    if (!r->bad && (task.n == 0 || task.n > MICO_BUNDLE_MOST))
        return mico_fail(err, MICO_ECOMM, "task message: %u schemes", task.n);
    for (uint32_t i = 0; i < task.n && !r->bad; i++) {
        task.item[i].ticket = mico_get_u64(r);
        task.item[i].attempt = mico_get_u32(r);
        mico_scheme_get(r, &task.item[i].scheme);
    }
    if (r->bad)
        return mico_fail(err, MICO_ECOMM, "task message: damaged or cut");
    if (kind != MICO_TASK_CALIBRATE && kind != MICO_TASK_TRIAL)
        return mico_fail(err, MICO_ECOMM, "task message: unknown kind %u", kind);
    if (mode > MICO_MODE_FP32 || split > MICO_SPLIT_FINAL || want_right > 1)
        return mico_fail(err, MICO_ECOMM, "task message: mode %u, split %u, bits %u",
                         mode, split, want_right);
    if (task.to > 0 && task.from >= task.to)
        return mico_fail(err, MICO_ECOMM, "task message: images %llu to %llu",
                         (unsigned long long)task.from, (unsigned long long)task.to);
    task.kind = (mico_task_kind)kind;
    task.mode = (mico_mode)mode;
    task.split = (mico_split_name)split;
    task.want_right = want_right == 1;
    *out = task;
    return MICO_OK;
}

void mico_reply_put(mico_writer *w, const mico_reply *reply)
{
    mico_put_u8(w, MICO_WIRE_VERSION);
    mico_put_u32(w, reply->worker);
    mico_put_u8(w, (uint8_t)reply->blame);
    mico_put_u64(w, reply->held_bytes);
    mico_put_u8(w, reply->payload != NULL);
    if (reply->payload != NULL)
        mico_put_bytes(w, reply->payload, reply->payload_bytes);
    mico_put_u32(w, reply->n);
    for (uint32_t i = 0; i < reply->n; i++) {
        const mico_reply_item *item = &reply->item[i];
        size_t words = item->right != NULL ? mico_bit_words(item->outcome.images) : 0;

        mico_put_u64(w, item->ticket);
        mico_outcome_put(w, &item->outcome);
        mico_put_f64(w, item->loss_sum);
        mico_put_u64(w, words);
        for (size_t k = 0; k < words; k++)
            mico_put_u64(w, item->right[k]);
    }
}

/* As many bits as images, as many of them set as correct ones. */
static mico_status get_right(mico_reader *r, mico_reply_item *item, uint64_t words,
                             mico_err *err)
{
    uint64_t images = item->outcome.images, set = 0;
    void *right;
    mico_status rc;

    if (words != mico_bit_words(images) || words > (r->len - r->at) / 8)
        return mico_fail(err, MICO_ECOMM, "reply message: %llu words for %llu images",
                         (unsigned long long)words, (unsigned long long)images);
    rc =
        mico_try_array(&right, (size_t)words, 8, MICO_MESSAGE_LIMIT, "reply bits", err);
    if (rc != MICO_OK)
        return rc;
    item->right = right;
    for (size_t k = 0; k < words; k++) {
        item->right[k] = mico_get_u64(r);
        set += (uint64_t)__builtin_popcountll(item->right[k]);
    }
    if (set != item->outcome.correct ||
        (images % 64 > 0 && item->right[words - 1] >> images % 64 != 0))
        return mico_fail(
            err, MICO_ECOMM, "reply message: bits of other images than %llu of %llu",
            (unsigned long long)item->outcome.correct, (unsigned long long)images);
    return MICO_OK;
}

static mico_status get_item(mico_reader *r, mico_reply_item *item, mico_err *err)
{
    uint64_t words;
    int state;

    item->ticket = mico_get_u64(r);
    mico_outcome_get(r, &item->outcome);
    item->loss_sum = mico_get_f64(r);
    words = mico_get_u64(r);
    if (r->bad)
        return mico_fail(err, MICO_ECOMM, "reply message: damaged or cut");
    state = (int)item->outcome.state;
    if (state <= MICO_STATE_PENDING || state >= MICO_N_STATES)
        return mico_fail(err, MICO_ECOMM, "reply message: state %d is no outcome",
                         state);
    return words > 0 ? get_right(r, item, words, err) : MICO_OK;
}

static mico_status get_payload(mico_reader *r, mico_reply *reply, mico_err *err)
{
    uint8_t has_payload = mico_get_u8(r);
    const uint8_t *bytes = NULL;
    void *copy;
    size_t n = 0;
    mico_status rc;

    if (has_payload == 1)
        bytes = mico_get_bytes(r, &n);
    if (r->bad || has_payload > 1)
        return mico_fail(err, MICO_ECOMM, "reply message: damaged or cut");
    if (bytes == NULL)
        return MICO_OK;
    rc = mico_try_array(&copy, n, 1, MICO_MESSAGE_LIMIT, "reply payload", err);
    if (rc != MICO_OK)
        return rc;
    reply->payload = memcpy(copy, bytes, n);
    reply->payload_bytes = n;
    return MICO_OK;
}

mico_status mico_reply_get(mico_reader *r, mico_reply *out, mico_err *err)
{
    mico_reply reply = {0};
    uint8_t blame;
    uint32_t n;
    mico_status rc = check_version(r, "reply", err);

    if (rc != MICO_OK)
        return rc;
    reply.worker = mico_get_u32(r);
    blame = mico_get_u8(r);
    reply.held_bytes = mico_get_u64(r);
    rc = get_payload(r, &reply, err);
    n = mico_get_u32(r);
    if (rc == MICO_OK && r->bad)
        rc = mico_fail(err, MICO_ECOMM, "reply message: damaged or cut");
    if (rc == MICO_OK && (n == 0 || n > MICO_BUNDLE_MOST || blame > MICO_EBUG))
        rc = mico_fail(err, MICO_ECOMM, "reply message: %u outcomes, status %u", n,
                       blame);
    while (rc == MICO_OK && reply.n < n)
        rc = get_item(r, &reply.item[reply.n++], err);
    if (rc != MICO_OK) {
        mico_reply_free(&reply);
        return rc;
    }
    reply.blame = (mico_status)blame;
    *out = reply;
    return MICO_OK;
}

void mico_load_put(mico_writer *w, const mico_limits *limits, const uint8_t *blob,
                   size_t n)
{
    mico_put_u8(w, MICO_WIRE_VERSION);
    mico_put_f64(w, limits->timeout_s);
    mico_put_u64(w, limits->memory_bytes);
    mico_put_bytes(w, blob, n);
}

mico_status mico_load_get(mico_reader *r, mico_limits *limits, const uint8_t **blob,
                          size_t *n, mico_err *err)
{
    mico_limits got;
    const uint8_t *bytes;
    size_t len;
    mico_status rc = check_version(r, "load", err);

    if (rc != MICO_OK)
        return rc;
    got.timeout_s = mico_get_f64(r);
    got.memory_bytes = mico_get_u64(r);
    bytes = mico_get_bytes(r, &len);
    if (!mico_reader_ok(r) || !isfinite(got.timeout_s) || got.timeout_s < 0)
        return mico_fail(err, MICO_ECOMM, "load message: damaged or cut");
    *limits = got;
    *blob = bytes;
    *n = len;
    return MICO_OK;
}
