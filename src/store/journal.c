/* The journal as a file: lock, append, cut, sync. */
#include "store/store_internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening -------------------------------------------------------------------- */

/* File systems without flock (some Lustre mounts) go unlocked: better than no run. */
static mico_status lock_file(int fd, const char *path, mico_err *err)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        if (errno == ENOSYS || errno == EOPNOTSUPP)
            break;
        if (errno == EWOULDBLOCK)
            return mico_fail(
                err, MICO_ESTORE,
                "%s: another mico-sweep is running on it; wait for its end or "
                "choose another results file",
                path);
        return mico_fail(err, MICO_ESTORE, "%s: cannot lock: %s", path,
                         strerror(errno));
    }
    return MICO_OK;
}

static bool same_file(int fd, const char *path)
{
    struct stat ours, theirs;

    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 &&
           ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

mico_status mico_journal_open(mico_journal *journal, const char *path, mico_err *err)
{
    *journal = (mico_journal){.path = mico_xstrdup(path), .fd = -1};
    for (;;) {
        int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
        mico_status rc;

        if (fd < 0 && errno == ENOENT)
            return MICO_OK;
        if (fd < 0)
            return mico_fail(err, MICO_ESTORE, "%s: cannot open: %s", path,
                             strerror(errno));
        rc = lock_file(fd, path, err);
        if (rc == MICO_OK && same_file(fd, path)) {
            journal->fd = fd;
            return MICO_OK;
        }
        close(fd);
        if (rc != MICO_OK)
            return rc;
        /* replaced by a --fresh start between open and lock: take the new one */
    }
}

static mico_status read_all(const mico_journal *journal, uint8_t **out, size_t *n,
                            mico_err *err)
{
    struct stat st;
    void *bytes = NULL;
    size_t at = 0, size;
    mico_status rc;

    if (fstat(journal->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return mico_fail(err, MICO_ESTORE, "%s: not a regular file", journal->path);
    size = (size_t)st.st_size;
    rc = mico_try_array(&bytes, size, 1, MICO_STORE_MAX_JOURNAL, journal->path, err);
    if (rc != MICO_OK)
        return rc;
    while (at < size) {
        ssize_t got = pread(journal->fd, (uint8_t *)bytes + at, size - at, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(bytes);
            return mico_fail(err, MICO_ESTORE, "%s: cannot read: %s", journal->path,
                             strerror(errno));
        }
        if (got == 0)
            break;
        at += (size_t)got;
    }
    *out = bytes;
    *n = at;
    return MICO_OK;
}

/* What is cut is kept beside the journal: where the damage was not a torn last write, a
 * person may want it. */
static mico_status cut_tail(const mico_journal *journal, const uint8_t *tail, size_t n,
                            mico_err *err)
{
    char kept[PATH_MAX + 8];
    mico_status rc;

    snprintf(kept, sizeof kept, "%s.cut", journal->path);
    rc = mico_file_write(kept, tail, n, err);
    if (rc != MICO_OK)
        return mico_recast(err, MICO_ESTORE, "cannot set the journal's torn end aside");
    if (ftruncate(journal->fd, (off_t)journal->size) != 0)
        return mico_fail(err, MICO_ESTORE, "%s: cannot cut its torn end: %s",
                         journal->path, strerror(errno));
    return MICO_OK;
}

mico_status mico_journal_resume(mico_journal *journal, mico_run **out, mico_err *err)
{
    mico_run *run = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    mico_replayed end;
    mico_status rc = read_all(journal, &bytes, &n, err);

    if (rc != MICO_OK)
        return rc;
    rc = mico_replay(&run, bytes, n, &end, err);
    if (rc != MICO_OK) {
        mico_err_prefix(err, "%s", journal->path);
        mico_err_append(err, "; give --fresh to start over, or another results file");
        goto out;
    }
    journal->size = end.bytes;
    journal->sequence = end.records;
    if (end.bytes < n)
        rc = cut_tail(journal, bytes + end.bytes, n - end.bytes, err);
    if (rc == MICO_OK)
        *out = run;
    else
        mico_run_free(run);
out:
    free(bytes);
    return rc;
}

/* ---- writing -------------------------------------------------------------------- */

/* One write(2) unless the kernel takes less. */
static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static void put_raw(mico_writer *w, const uint8_t *bytes, size_t n)
{
    w->bytes = mico_xrealloc(w->bytes, w->len + n + 4, 1);
    w->capacity = w->len + n + 4;
    if (n > 0)
        memcpy(w->bytes + w->len, bytes, n);
    w->len += n;
}

static void frame_record(mico_writer *w, mico_record type, uint64_t sequence,
                         const mico_writer *payload)
{
    size_t begin = w->len;

    mico_put_u32(w, (uint32_t)payload->len);
    mico_put_u32(w, (uint32_t)type);
    mico_put_u64(w, sequence);
    put_raw(w, payload->bytes, payload->len);
    mico_put_u32(w, mico_crc32(w->bytes + begin, w->len - begin));
}

mico_status mico_journal_append(mico_journal *journal, mico_record type,
                                const mico_writer *payload, mico_err *err)
{
    mico_writer w = {0};
    mico_status rc = MICO_OK;

    if (journal->broken)
        return mico_fail(
            err, MICO_ESTORE,
            "%s: an earlier write failed half way; start again to repair it",
            journal->path);
    if (payload->len > UINT32_MAX - 64)
        return mico_fail(err, MICO_ELIMIT, "%s: a record of %zu bytes", journal->path,
                         payload->len);
    frame_record(&w, type, journal->sequence, payload);
    if (write_all(journal->fd, w.bytes, w.len)) {
        journal->size += w.len;
        journal->sequence++;
    } else {
        int saved = errno;

        journal->broken = ftruncate(journal->fd, (off_t)journal->size) != 0;
        rc = mico_fail(
            err, MICO_ESTORE,
            "%s: cannot write: %s; nothing recorded is lost: make room and start "
            "again",
            journal->path, strerror(saved));
    }
    mico_writer_free(&w);
    return rc;
}

mico_status mico_journal_sync(mico_journal *journal, mico_err *err)
{
    while (fdatasync(journal->fd) != 0) {
        if (errno == EINTR)
            continue;
        if (errno == EINVAL || errno == ENOSYS) /* a file system that cannot */
            break;
        return mico_fail(err, MICO_ESTORE, "%s: cannot write: %s", journal->path,
                         strerror(errno));
    }
    return MICO_OK;
}

/* ---- making one ----------------------------------------------------------------- */

/* Puts the finished file in place: over the journal that we hold locked, or else only
 * where nobody was faster. */
static bool place_file(const char *temporary, const char *path, bool replace)
{
    if (replace)
        return rename(temporary, path) == 0;
    if (link(temporary, path) == 0) {
        unlink(temporary);
        return true;
    }
    if (errno == EEXIST)
        return false;
    return rename(temporary, path) == 0; /* a file system without hard links */
}

mico_status mico_journal_create(mico_journal *journal, const mico_writer *about,
                                mico_err *err)
{
    char temporary[PATH_MAX];
    mico_writer w = {0};
    mico_status rc = MICO_OK;
    int fd = -1;

    if (about->len > UINT32_MAX - 64)
        return mico_fail(err, MICO_ELIMIT, "%s: the job is %zu bytes long",
                         journal->path, about->len);
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp%ld", journal->path,
                         (long)getpid()) >= sizeof temporary)
        return mico_fail(err, MICO_ESTORE, "%s: path is too long", journal->path);
    put_raw(&w, (const uint8_t *)MICO_JOURNAL_MAGIC, 8);
    mico_put_u32(&w, MICO_JOURNAL_VERSION);
    frame_record(&w, MICO_RECORD_ABOUT, 0, about);
    fd = open(temporary, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = mico_fail(err, MICO_ESTORE, "%s: cannot make it: %s", journal->path,
                       strerror(errno));
        goto out;
    }
    rc = lock_file(fd, journal->path, err);
    if (rc != MICO_OK)
        goto out;
    if (!write_all(fd, w.bytes, w.len) || fsync(fd) != 0 ||
        !place_file(temporary, journal->path, journal->fd >= 0)) {
        rc = mico_fail(err, MICO_ESTORE, "%s: cannot make it: %s", journal->path,
                       strerror(errno));
        goto out;
    }
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = fd;
    journal->size = w.len;
    journal->sequence = 1;
    journal->broken = false;
out:
    if (rc != MICO_OK && fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    mico_writer_free(&w);
    return rc;
}

void mico_journal_close(mico_journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->path);
    *journal = (mico_journal){.fd = -1};
}
