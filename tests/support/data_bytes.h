/* data_bytes.h: small data files for tests: byte strings, a scratch folder, readers'
 * checks. */
#ifndef MICO_TESTS_DATA_BYTES_H
#define MICO_TESTS_DATA_BYTES_H

#include "core/err.h"
#include "core/file.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct data_bytes {
    uint8_t b[16384];
    size_t n;
} data_bytes;

static inline void bytes_put(data_bytes *d, const void *bytes, size_t n)
{
    memcpy(d->b + d->n, bytes, n);
    d->n += n;
}

static inline void bytes_be32(data_bytes *d, uint32_t v)
{
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                          (uint8_t)v};

    bytes_put(d, b, 4);
}

static inline void bytes_le(data_bytes *d, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        d->b[d->n++] = (uint8_t)(i < 8 ? v >> (8 * i) : 0);
}

/* An IDX header; values follow by bytes_put. */
static inline void bytes_idx(data_bytes *d, uint8_t type, uint8_t rank,
                             const uint32_t *dim)
{
    const uint8_t magic[4] = {0, 0, type, rank};

    d->n = 0;
    bytes_put(d, magic, 4);
    for (size_t i = 0; i < rank; i++)
        bytes_be32(d, dim[i]);
}

/* An npy header (not padded as NumPy's); values follow by bytes_put. */
static inline void bytes_npy(data_bytes *d, uint8_t version, const char *header)
{
    const uint8_t head[8] = {0x93, 'N', 'U', 'M', 'P', 'Y', version, 0};

    d->n = 0;
    bytes_put(d, head, 8);
    bytes_le(d, strlen(header), version == 1 ? 2 : 4);
    bytes_put(d, header, strlen(header));
}

/* A copy of exactly n bytes on the heap, so that a sanitizer sees a read behind it. */
static inline uint8_t *bytes_exact(const data_bytes *d, size_t n)
{
    uint8_t *p = malloc(n > 0 ? n : 1);

    memcpy(p, d->b, n);
    return p;
}

/* A new empty folder under TMPDIR. */
static inline void scratch_make(char out[256])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(out, 256, "%s/mico-test-XXXXXX", tmp != NULL ? tmp : P_tmpdir);
    if (mkdtemp(out) == NULL) {
        perror(out);
        exit(1);
    }
}

static inline void scratch_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    char path[600];

    while (d != NULL && (entry = readdir(d)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(dir);
}

/* "dir/name" in one of a few rotating buffers. */
static inline const char *scratch_path(const char *dir, const char *name)
{
    static char path[4][600];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static inline void scratch_write(const char *dir, const char *name, const void *bytes,
                                 size_t n)
{
    CU_ASSERT_EQUAL_FATAL(mico_file_write(scratch_path(dir, name), bytes, n, NULL),
                          MICO_OK);
}

/* Checks that err says `part`; prints what it says instead. */
static inline void check_says(const mico_err *err, const char *part)
{
    int found = strstr(err->text, part) != NULL;

    if (!found)
        printf("\n    \"%s\" is not in \"%s\"\n", part, err->text);
    CU_ASSERT_TRUE(found);
}

#endif
