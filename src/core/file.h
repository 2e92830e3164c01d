/* file.h: whole files in, whole files out. */
#ifndef MICO_CORE_FILE_H
#define MICO_CORE_FILE_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool mico_file_exists(const char *path);
bool mico_dir_exists(const char *path);

/* Makes a folder and its missing parents. */
mico_status mico_mkdirs(const char *path, mico_err *err);

/* "a/b" of "a/b/c.h5" ("." where there is no slash). */
void mico_dirname(const char *path, char *out, size_t size);

/* "c" of "a/b/c.h5": the last part without its last ending. */
void mico_stem(const char *path, char *out, size_t size);

/* Reads a file, gunzipping it where it is gzipped. The contents are followed by one
 * zero byte that *n does not count. Fails with MICO_ELIMIT above limit_bytes (so a
 * small .gz cannot fill the memory), MICO_EFORMAT where the compressed stream is
 * damaged or cut. Release *out with free(). */
mico_status mico_file_read(uint8_t **out, size_t *n, const char *path,
                           size_t limit_bytes, mico_err *err);

/* Memory that lies in a file, so that the system may drop and read back its pages: what
 * is larger than memory streams through it. Zero: none. */
typedef struct mico_map {
    void *base;
    size_t bytes;
} mico_map;

/* A plain file, read-only (an empty one gives an empty map). */
mico_status mico_map_file(mico_map *out, const char *path, mico_err *err);

/* Zeroed memory in an unnamed file of $TMPDIR, else /var/tmp, with its disk space
 * reserved. */
mico_status mico_map_spill(mico_map *out, size_t bytes, mico_err *err);
void mico_map_free(mico_map *map);

/* Replaces path by these bytes: temporary name, fsync, rename. Nobody sees half a file.
 */
mico_status mico_file_write(const char *path, const void *bytes, size_t n,
                            mico_err *err);

#endif
