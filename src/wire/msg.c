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
    free(reply->payload);
    reply->payload = NULL;
    reply->payload_bytes = 0;
}

void mico_reply_fail(mico_reply *reply, const mico_task *task, mico_state state,
                     const char *fmt, ...)
{
    char *reason = reply->outcome.reason;
    size_t size = sizeof reply->outcome.reason;
    va_list ap;
    int n;

    *reply = (mico_reply){.ticket = task->ticket};
    reply->outcome.state = state;
    va_start(ap, fmt);
    n = vsnprintf(reason, size, fmt, ap);
    va_end(ap);
    if (n >= (int)size)
        memcpy(reason + size - 4, "...", 4);
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
    mico_put_u64(w, task->ticket);
    mico_put_u8(w, (uint8_t)task->kind);
    mico_put_u8(w, (uint8_t)task->mode);
    mico_put_u8(w, (uint8_t)task->split);
    mico_put_u32(w, task->attempt);
    mico_put_u8(w, task->scheme.n_layers > 0); /* calibration needs no scheme */
    if (task->scheme.n_layers > 0)
        mico_scheme_put(w, &task->scheme);
}

mico_status mico_task_get(mico_reader *r, mico_task *out, mico_err *err)
{
    mico_task task;
    uint8_t kind, mode, split, has_scheme;
    mico_status rc = check_version(r, "task", err);

    if (rc != MICO_OK)
        return rc;
    memset(&task, 0, sizeof task);
    task.ticket = mico_get_u64(r);
    kind = mico_get_u8(r);
    mode = mico_get_u8(r);
    split = mico_get_u8(r);
    task.attempt = mico_get_u32(r);
    has_scheme = mico_get_u8(r);
    if (has_scheme == 1)
        mico_scheme_get(r, &task.scheme);
    if (r->bad)
        return mico_fail(err, MICO_ECOMM, "task message: damaged or cut");
    if (kind != MICO_TASK_CALIBRATE && kind != MICO_TASK_TRIAL)
        return mico_fail(err, MICO_ECOMM, "task message: unknown kind %u", kind);
    if (mode > MICO_MODE_FP32 || split > MICO_SPLIT_FINAL || has_scheme > 1)
        return mico_fail(err, MICO_ECOMM, "task message: mode %u, split %u, scheme %u",
                         mode, split, has_scheme);
    task.kind = (mico_task_kind)kind;
    task.mode = (mico_mode)mode;
    task.split = (mico_split_name)split;
    *out = task;
    return MICO_OK;
}

void mico_reply_put(mico_writer *w, const mico_reply *reply)
{
    mico_put_u8(w, MICO_WIRE_VERSION);
    mico_put_u64(w, reply->ticket);
    mico_put_u32(w, reply->worker);
    mico_outcome_put(w, &reply->outcome);
    mico_put_u8(w, reply->payload != NULL);
    if (reply->payload != NULL)
        mico_put_bytes(w, reply->payload, reply->payload_bytes);
}

mico_status mico_reply_get(mico_reader *r, mico_reply *out, mico_err *err)
{
    mico_reply reply = {0};
    const uint8_t *bytes = NULL;
    uint8_t has_payload;
    int state;
    mico_status rc = check_version(r, "reply", err);

    if (rc != MICO_OK)
        return rc;
    reply.ticket = mico_get_u64(r);
    reply.worker = mico_get_u32(r);
    mico_outcome_get(r, &reply.outcome);
    has_payload = mico_get_u8(r);
    if (has_payload == 1)
        bytes = mico_get_bytes(r, &reply.payload_bytes);
    if (r->bad || has_payload > 1)
        return mico_fail(err, MICO_ECOMM, "reply message: damaged or cut");
    state = (int)reply.outcome.state;
    if (state <= MICO_STATE_PENDING || state >= MICO_N_STATES)
        return mico_fail(err, MICO_ECOMM, "reply message: state %d is no outcome",
                         state);
    if (bytes != NULL) {
        void *copy;

        rc = mico_try_array(&copy, reply.payload_bytes, 1, MICO_MESSAGE_LIMIT,
                            "reply payload", err);
        if (rc != MICO_OK)
            return rc;
        reply.payload = memcpy(copy, bytes, reply.payload_bytes);
    }
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
