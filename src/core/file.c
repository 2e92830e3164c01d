/* Whole-file reading (plain or gzip) and atomic writing. */
#include "core/file.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

bool mico_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool mico_dir_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

mico_status mico_mkdirs(const char *path, mico_err *err)
{
    char part[4096];
    size_t n = strlen(path);

    if (n >= sizeof part)
        return mico_fail(err, MICO_EIO, "%s: path is too long", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && !mico_dir_exists(part))
            return mico_fail(err, MICO_EIO, "cannot make the folder %s: %s", part,
                             strerror(errno));
    }
    return MICO_OK;
}

void mico_dirname(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        snprintf(out, size, ".");
    else
        snprintf(out, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

void mico_stem(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    snprintf(out, size, "%.*s", (int)(dot > name ? dot - name : (long)strlen(name)),
             name);
}

mico_status mico_file_read(uint8_t **out, size_t *n, const char *path,
                           size_t limit_bytes, mico_err *err)
{
    size_t used = 0, capacity = 1 << 16;
    uint8_t *buf = NULL;
    mico_status rc = MICO_OK;
    gzFile f;
    int got, zerr = Z_OK;

    if (mico_dir_exists(path))
        return mico_fail(err, MICO_EIO, "%s: is a folder, not a file", path);
    f = gzopen(path, "rb");
    if (f == NULL)
        return mico_fail(err, errno == ENOMEM ? MICO_ENOMEM : MICO_EIO, "%s: %s", path,
                         strerror(errno != 0 ? errno : ENOMEM));
    gzbuffer(f, 1 << 17);
    buf = malloc(capacity + 1);
    for (;;) {
        if (buf == NULL) {
            rc = mico_fail(err, MICO_ENOMEM, "%s: no memory for its contents", path);
            break;
        }
        got = gzread(f, buf + used, (unsigned)(capacity - used));
        if (got < 0) {
            const char *text = gzerror(f, &zerr);

            rc = mico_fail(err, zerr == Z_ERRNO ? MICO_EIO : MICO_EFORMAT, "%s: %s",
                           path, zerr == Z_ERRNO ? strerror(errno) : text);
            break;
        }
        used += (size_t)got;
        if (used > limit_bytes) {
            rc = mico_fail(err, MICO_ELIMIT, "%s: more than %zu bytes", path,
                           limit_bytes);
            break;
        }
        if (used < capacity) {
            if (got > 0)
                continue;
            gzerror(f, &zerr);
            if (zerr == Z_BUF_ERROR)
                rc = mico_fail(err, MICO_EFORMAT, "%s: compressed data end too early",
                               path);
            break;
        }
        capacity *= 2;
        {
            uint8_t *more = realloc(buf, capacity + 1);

            if (more == NULL)
                free(buf);
            buf = more;
        }
    }
    gzclose_r(f);
    if (rc != MICO_OK) {
        free(buf);
        return rc;
    }
    buf[used] = 0;
    *out = buf;
    *n = used;
    return MICO_OK;
}

/* Maps and closes fd. */
static mico_status map_fd(mico_map *out, int fd, size_t bytes, bool spill,
                          const char *path, mico_err *err)
{
    void *base = mmap(NULL, bytes, spill ? PROT_READ | PROT_WRITE : PROT_READ,
                      spill ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    const int saved = errno;

    close(fd);
    if (base == MAP_FAILED)
        return mico_fail(err, saved == ENOMEM ? MICO_ENOMEM : MICO_EIO,
                         "%s: cannot map %zu bytes: %s", path, bytes, strerror(saved));
    *out = (mico_map){base, bytes};
    return MICO_OK;
}

mico_status mico_map_file(mico_map *out, const char *path, mico_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        mico_status rc = mico_fail(err, MICO_EIO, "%s: %s", path,
                                   fd < 0 ? strerror(errno) : "is not a plain file");

        if (fd >= 0)
            close(fd);
        return rc;
    }
    if (st.st_size > 0)
        return map_fd(out, fd, (size_t)st.st_size, false, path, err);
    close(fd);
    *out = (mico_map){0};
    return MICO_OK;
}

mico_status mico_map_spill(mico_map *out, size_t bytes, mico_err *err)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int fd, rc;

    if (folder == NULL || folder[0] == '\0')
        folder = "/var/tmp"; /* not /tmp, which may be memory */
    if ((size_t)snprintf(path, sizeof path, "%s/mico-XXXXXX", folder) >= sizeof path)
        return mico_fail(err, MICO_EIO, "%s: path is too long", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return mico_fail(err, MICO_EIO, "%s: %s", path, strerror(errno));
    unlink(path);
    rc = posix_fallocate(fd, 0, (off_t)bytes); /* a full disk must not show as SIGBUS */
    if (rc != 0) {
        close(fd);
        return mico_fail(err, MICO_EIO, "%s: no room for %zu bytes: %s", folder, bytes,
                         strerror(rc));
    }
    return map_fd(out, fd, bytes, true, folder, err);
}

void mico_map_free(mico_map *map)
{
    if (map->base != NULL)
        munmap(map->base, map->bytes);
    *map = (mico_map){0};
}

mico_status mico_file_write(const char *path, const void *bytes, size_t n,
                            mico_err *err)
{
    char temporary[4096];
    const uint8_t *p = bytes;
    size_t left = n;
    int fd, saved;

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp%ld", path,
                         (long)getpid()) >= sizeof temporary)
        return mico_fail(err, MICO_EIO, "%s: path is too long", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return mico_fail(err, MICO_EIO, "%s: %s", path, strerror(errno));
    while (left > 0) {
        ssize_t done = write(fd, p, left);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            goto failed;
        p += done;
        left -= (size_t)done;
    }
    if (fsync(fd) != 0)
        goto failed;
    if (close(fd) != 0 || rename(temporary, path) != 0) {
        fd = -1;
        goto failed;
    }
    return MICO_OK;
failed:
    saved = errno;
    if (fd >= 0)
        close(fd);
    unlink(temporary);
    return mico_fail(err, MICO_EIO, "%s: cannot write: %s", path, strerror(saved));
}
