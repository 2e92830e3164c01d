/* What `mico bench-table` has so far: an append-only file beside the table.
 *
 *     u32 n, n bytes of header, u32 crc32
 *     record*: u32 n, n bytes of part, u32 crc32
 *
 * The first record that is cut or damaged ends it. */
#include "cli/tool_bench.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MAGIC      UINT64_C(0x3154524150434d) /* "MCPART1" */
#define MOST_BYTES ((size_t)1 << 32)

static mico_status trouble(const mico_bench_partial *partial, const char *what,
                           mico_err *err)
{
    return mico_fail(err, MICO_ESTORE, "%s: cannot %s: %s", partial->path, what,
                     strerror(errno));
}

static mico_status append(mico_bench_partial *partial, const mico_writer *payload,
                          mico_err *err)
{
    mico_writer w = {0};
    off_t end = lseek(partial->fd, 0, SEEK_END);
    ssize_t written;
    mico_status rc = MICO_OK;

    mico_put_u32(&w, (uint32_t)payload->len);
    for (size_t i = 0; i < payload->len; i++)
        mico_put_u8(&w, payload->bytes[i]);
    mico_put_u32(&w, mico_crc32(payload->bytes, payload->len));
    written = write(partial->fd, w.bytes, w.len);
    if (written != (ssize_t)w.len) {
        rc = trouble(partial, "write", err);
        if (end >= 0 && ftruncate(partial->fd, end) != 0) /* the reader cuts it, too */
            mico_err_append(err, "; half a record is left");
    }
    mico_writer_free(&w);
    return rc;
}

/* The next record's payload, or false at the end of what is good. */
static bool next_record(mico_reader *file, mico_reader *payload)
{
    size_t at = file->at;
    mico_reader r = *file;
    uint32_t n = mico_get_u32(&r);

    if (r.bad || n > r.len - r.at || r.len - r.at - n < 4)
        return false;
    *payload = (mico_reader){.bytes = file->bytes + at + 4, .len = n};
    r.at += n;
    if (mico_get_u32(&r) != mico_crc32(payload->bytes, n))
        return false;
    *file = r;
    return true;
}

static mico_status begin(mico_bench_partial *partial, uint64_t identity,
                         const uint8_t *calib, size_t calib_bytes, mico_err *err)
{
    mico_writer header = {0};
    mico_status rc;

    mico_put_u64(&header, MAGIC);
    mico_put_u64(&header, identity);
    mico_put_bytes(&header, calib, calib_bytes);
    rc = ftruncate(partial->fd, 0) == 0 ? append(partial, &header, err)
                                        : trouble(partial, "empty", err);
    mico_writer_free(&header);
    return rc;
}

static mico_status read_header(mico_bench_partial *partial, mico_reader *r,
                               uint64_t identity, uint8_t **calib, size_t *calib_bytes,
                               mico_err *err)
{
    bool foreign = mico_get_u64(r) != MAGIC || mico_get_u64(r) != identity;
    size_t n;
    const uint8_t *bytes = mico_get_bytes(r, &n);

    if (foreign || !mico_reader_ok(r))
        return mico_fail(
            err, MICO_EUSAGE,
            "%s belongs to another job, network or data set; --fresh starts "
            "over",
            partial->path);
    free(*calib);
    *calib = mico_xcalloc(n + 1, 1);
    memcpy(*calib, bytes, n);
    *calib_bytes = n;
    return MICO_OK;
}

/* Reads what is there; *good is where a torn tail starts, 0: there is nothing. */
static mico_status resume(mico_bench_partial *partial, uint64_t identity,
                          uint8_t **calib, size_t *calib_bytes,
                          bool (*take)(void *ctx, const mico_bench_part *part),
                          void *ctx, size_t *good, mico_err *err)
{
    uint8_t *bytes = NULL;
    size_t n;
    mico_reader file, payload;
    mico_bench_part *part = mico_xcalloc(1, sizeof *part);
    mico_status rc = mico_file_read(&bytes, &n, partial->path, MOST_BYTES, err);

    *good = 0;
    file = (mico_reader){.bytes = bytes, .len = n};
    if (rc == MICO_OK && next_record(&file, &payload)) {
        rc = read_header(partial, &payload, identity, calib, calib_bytes, err);
        while (rc == MICO_OK && next_record(&file, &payload))
            if (!mico_bench_part_get(&payload, part) || !take(ctx, part))
                rc = mico_fail(
                    err, MICO_EFORMAT,
                    "%s holds a record that makes no sense; --fresh starts over",
                    partial->path);
        *good = file.at;
    }
    free(part);
    free(bytes);
    return rc;
}

mico_status mico_bench_partial_open(
    mico_bench_partial *partial, const char *path, bool fresh, uint64_t identity,
    uint8_t **calib, size_t *calib_bytes,
    bool (*take)(void *ctx, const mico_bench_part *part), void *ctx, mico_err *err)
{
    size_t good = 0;
    mico_status rc = MICO_OK;

    snprintf(partial->path, sizeof partial->path, "%s.partial", path);
    partial->fd = open(partial->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (partial->fd < 0)
        return trouble(partial, "open", err);
    if (flock(partial->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        rc = mico_fail(err, MICO_EUSAGE, "%s is being written by another program",
                       partial->path);
    if (rc == MICO_OK && !fresh)
        rc = resume(partial, identity, calib, calib_bytes, take, ctx, &good, err);
    if (rc == MICO_OK && good == 0)
        rc = begin(partial, identity, *calib, *calib_bytes, err);
    else if (rc == MICO_OK && ftruncate(partial->fd, (off_t)good) != 0)
        rc = trouble(partial, "cut", err);
    if (rc != MICO_OK)
        mico_bench_partial_close(partial, false);
    return rc;
}

mico_status mico_bench_partial_add(mico_bench_partial *partial,
                                   const mico_bench_part *part, mico_err *err)
{
    mico_writer w = {0};
    mico_status rc;

    mico_bench_part_put(&w, part);
    rc = append(partial, &w, err);
    mico_writer_free(&w);
    return rc;
}

void mico_bench_partial_close(mico_bench_partial *partial, bool remove)
{
    if (partial->fd >= 0)
        close(partial->fd);
    if (remove)
        unlink(partial->path);
    partial->fd = -1;
}
