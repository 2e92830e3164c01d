/* h5.h: HDF5 with one error check at the end.
 *
 *     mico_h5 h;
 *     mico_h5_begin(&h, path, MICO_ESTORE, err);
 *     mico_h5_attr_int(&h, group, ".", "complete", 1);
 *     ...
 *     rc = mico_h5_end(&h);
 *
 * The first failure is worded and kept; later calls do nothing. The library's own
 * messages on stderr are off between begin and end. Only integers, float64 and
 * variable-length UTF-8 strings are written: netCDF4 and xarray read nothing else
 * reliably. */
#ifndef MICO_STORE_H5_H
#define MICO_STORE_H5_H

#include "core/err.h"

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mico_h5 {
    const char *path;
    mico_status failure; /* what a failure is called */
    mico_status status;
    mico_err *err;
    hid_t text; /* variable-length UTF-8 string type */
    H5E_auto2_t old_print;
    void *old_print_data;
} mico_h5;

void mico_h5_begin(mico_h5 *h, const char *path, mico_status failure, mico_err *err);
mico_status mico_h5_end(mico_h5 *h);
bool mico_h5_ok(const mico_h5 *h);

/* Notes a failure with what HDF5 said about it. */
void mico_h5_fail(mico_h5 *h, const char *what);

/* Notes a failure in our own words. */
void mico_h5_wrong(mico_h5 *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- groups, attributes, small datasets ---- */

hid_t mico_h5_group(mico_h5 *h, hid_t where, const char *name); /* makes it */
hid_t mico_h5_open(mico_h5 *h, hid_t where, const char *name);  /* opens it */
void mico_h5_close(hid_t group);

/* Attributes of an object; replaced where they exist. */
void mico_h5_attr_text(mico_h5 *h, hid_t where, const char *object, const char *name,
                       const char *text);
void mico_h5_attr_int(mico_h5 *h, hid_t where, const char *object, const char *name,
                      int64_t value);
void mico_h5_attr_hex(mico_h5 *h, hid_t where, const char *object, const char *name,
                      uint64_t value);
void mico_h5_attr_flags(mico_h5 *h, hid_t where, const char *object, size_t n,
                        const char *meanings);

/* A scalar string; an array of strings. */
void mico_h5_put_text(mico_h5 *h, hid_t where, const char *name, const char *text);
void mico_h5_put_texts(mico_h5 *h, hid_t where, const char *name, size_t n,
                       const char *const *texts);

/* A whole array of fixed size. */
void mico_h5_put(mico_h5 *h, hid_t where, const char *name, hid_t file_type,
                 hid_t memory_type, int rank, const hsize_t *size, const void *values);

/* ---- columns: [rows] or [rows, width], rows unlimited ---- */

/* Makes an empty column. Dimension 0 gets the scale `rows` and dimension 1 the scale
 * `columns` (names in `where` or above it). The column named `rows` becomes that scale.
 */
void mico_h5_column(mico_h5 *h, hid_t where, const char *name, hid_t type, size_t width,
                    const char *rows, const char *columns);

/* Writes rows from..n and makes the column n rows long. */
void mico_h5_rows(mico_h5 *h, hid_t where, const char *name, hid_t memory_type,
                  size_t width, size_t from, size_t n, const void *values);

void mico_h5_text_rows(mico_h5 *h, hid_t where, const char *name, size_t from, size_t n,
                       const char *const *texts);

/* Turns a fixed-size array into a dimension scale, gives a dimension its scale. */
void mico_h5_scale(mico_h5 *h, hid_t where, const char *name);
void mico_h5_attach(mico_h5 *h, hid_t where, const char *name, unsigned dimension,
                    const char *scale);

/* ---- reading ---- */

bool mico_h5_has(mico_h5 *h, hid_t where, const char *name);

/* First dimension of a dataset of this rank whose other dimensions are as given. */
size_t mico_h5_length(mico_h5 *h, hid_t where, const char *name, int rank,
                      const hsize_t *rest, size_t limit);

/* Reads a whole dataset of `cells` numbers; zeroes it on failure. */
void mico_h5_get(mico_h5 *h, hid_t where, const char *name, hid_t memory_type,
                 size_t cells, void *values, size_t bytes);

/* Calls use(data, i, text) for each of n strings. */
void mico_h5_get_texts(mico_h5 *h, hid_t where, const char *name, size_t n,
                       void (*use)(void *data, size_t i, const char *text), void *data);

/* A string of any length (free()), or NULL; of bounded length; integers; hex digits. */
char *mico_h5_get_text(mico_h5 *h, hid_t where, const char *name);
char *mico_h5_get_attr(mico_h5 *h, hid_t where, const char *name);
void mico_h5_get_attr_in(mico_h5 *h, hid_t where, const char *name, char *out,
                         size_t size);
int64_t mico_h5_get_attr_int(mico_h5 *h, hid_t where, const char *name, int64_t least,
                             int64_t most);
uint64_t mico_h5_get_attr_hex(mico_h5 *h, hid_t where, const char *name);

#endif
