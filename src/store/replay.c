/* A whole journal's bytes back into a run. */
#include "store/store_internal.h"

#include "core/hash.h"

#include <inttypes.h>
#include <string.h>

/* One record behind its head, or NULL: cut or damaged from here on. */
static const uint8_t *next_record(mico_reader *r, uint64_t *sequence, uint32_t *type,
                                  uint32_t *n)
{
    const uint8_t *begin = r->bytes + r->at;
    mico_reader tail = {0};

    *n = mico_get_u32(r);
    *type = mico_get_u32(r);
    *sequence = mico_get_u64(r);
    if (r->bad || r->len - r->at < (uint64_t)*n + 4)
        return NULL;
    tail.bytes = begin + MICO_RECORD_HEAD + *n;
    tail.len = 4;
    if (mico_get_u32(&tail) != mico_crc32(begin, (size_t)MICO_RECORD_HEAD + *n))
        return NULL;
    r->at += (size_t)*n + 4;
    return begin + MICO_RECORD_HEAD;
}

static mico_status replay_header(mico_reader *r, mico_run **out, mico_err *err)
{
    uint32_t version, type, n;
    uint64_t sequence;
    const uint8_t *payload;

    if (r->len < MICO_JOURNAL_HEADER || memcmp(r->bytes, MICO_JOURNAL_MAGIC, 8) != 0)
        return mico_fail(err, MICO_EFORMAT, "not a journal of mico-sweep");
    r->at = 8;
    version = mico_get_u32(r);
    if (version != MICO_JOURNAL_VERSION)
        return mico_fail(err, MICO_EFORMAT,
                         "journal version %" PRIu32 ", this program reads version %d",
                         version, MICO_JOURNAL_VERSION);
    payload = next_record(r, &sequence, &type, &n);
    if (payload == NULL || type != MICO_RECORD_ABOUT || sequence != 0)
        return mico_fail(err, MICO_EFORMAT,
                         "the journal's first record is cut or damaged");
    return mico_about_get(out, payload, n, err);
}

mico_status mico_replay(mico_run **out, const uint8_t *bytes, size_t n,
                        mico_replayed *end, mico_err *err)
{
    mico_reader r = {bytes, n, 0, false};
    mico_run *run = NULL;
    mico_status rc = replay_header(&r, &run, err);
    uint64_t sequence = 1;
    size_t good;

    if (rc != MICO_OK)
        return rc;
    for (good = r.at; good < n; good = r.at, sequence++) {
        mico_reader payload = {0};
        uint32_t type, payload_bytes;
        uint64_t number;
        mico_event event;

        payload.bytes = next_record(&r, &number, &type, &payload_bytes);
        if (payload.bytes == NULL)
            break;
        payload.len = payload_bytes;
        mico_event_get(&payload, type, &event);
        event.sequence = number;
        /* whole but without meaning: no torn write, but another program's or version's
         */
        if (payload.bad || number != sequence)
            rc = mico_fail(err, MICO_EFORMAT, "its contents make no sense");
        else
            rc = mico_event_admit(run, &event, err);
        if (rc != MICO_OK) {
            mico_err_prefix(err, "record %" PRIu64 " (type %" PRIu32 ")", sequence,
                            type);
            mico_run_free(run);
            return rc;
        }
        mico_event_commit(run, &event);
    }
    *end = (mico_replayed){good, sequence};
    *out = run;
    return MICO_OK;
}

mico_status mico_journal_replay(mico_run **out, const uint8_t *bytes, size_t n,
                                size_t *valid_bytes, mico_err *err)
{
    mico_replayed end;
    mico_status rc = mico_replay(out, bytes, n, &end, err);

    if (rc == MICO_OK)
        *valid_bytes = end.bytes;
    return rc;
}
