/* data_internal.h: what the readers of this folder share. */
#ifndef MICO_DATA_DATA_INTERNAL_H
#define MICO_DATA_DATA_INTERNAL_H

#include "data/data.h"

#define MICO_LABEL_MAX 65535

/* Deflate cannot shrink its input further than this; what declares more lies. */
#define MICO_DEFLATE_RATIO 1032

/* ---- arrays (array.c) ----------------------------------------------------------- */

void mico_array_clear(mico_array *array);

/* False where the product overflows. */
bool mico_array_count(const mico_array *array, size_t *out);
void mico_array_print(const mico_array *array, char out[160]); /* "u8 60000x28x28" */

/* Room for the values of an array of that size: on the heap, or in a file where they
 * are many. */
mico_status mico_array_alloc(mico_array *array, size_t count, mico_err *err);

/* array has its rank, dimensions and type: takes its values from exactly n bytes. view:
 * points into the bytes where they can be used as they are (*viewed says so). */
mico_status mico_array_fill(mico_array *array, const uint8_t *bytes, size_t n,
                            bool big_endian, bool *viewed, mico_err *err);

/* As mico_idx_read and mico_npy_read; viewed: see mico_array_fill, NULL always copies.
 */
mico_status mico_idx_view(mico_array *out, const uint8_t *bytes, size_t n, bool *viewed,
                          mico_err *err);
mico_status mico_npy_view(mico_array *out, const uint8_t *bytes, size_t n, bool *viewed,
                          mico_err *err);

/* ---- one set (array.c) ---------------------------------------------------------- */

size_t mico_raw_bytes(mico_raw_type type);
const char *mico_raw_text(mico_raw_type type);
void mico_data_clear(mico_data *data);

/* Replaces the raw values by others on the heap. */
void mico_data_replace(mico_data *data, void *raw);

/* Sets n, shape, type and raw; takes the values out of the array where the type allows.
 */
mico_status mico_data_take_images(mico_data *data, mico_array *images, mico_err *err);

/* Sets label; as many as images. */
mico_status mico_data_take_labels(mico_data *data, const mico_array *labels,
                                  mico_err *err);
mico_status mico_data_check_finite(const mico_data *data, mico_err *err);
mico_status mico_data_transform(mico_data *data, const char *transform, mico_err *err);

/* ---- forms ---------------------------------------------------------------------- */

/* Appends the records of a CIFAR batch: label_bytes is 1 (CIFAR-10) or 2 (CIFAR-100, of
 * which the second, fine label counts). */
mico_status mico_cifar_append(mico_data *data, const uint8_t *bytes, size_t n,
                              size_t label_bytes, mico_err *err);

/* Lines of comma separated integers, the last one a label. */
typedef struct mico_table {
    size_t n, columns; /* columns without the label */
    int lo, hi;        /* of the values */
    int16_t *value;
    uint16_t *label;
} mico_table;

mico_status mico_csv_read(mico_table *out, const uint8_t *bytes, size_t n,
                          mico_err *err);
void mico_table_clear(mico_table *table);

/* train may have n = 0. One type for both, u8 if no value is negative. */
mico_status mico_table_sets(mico_dataset *out, mico_table *train, mico_table *test,
                            mico_err *err);

mico_status mico_npz_sets(mico_dataset *out, const uint8_t *bytes, size_t n,
                          mico_err *err);
mico_status mico_h5_sets(mico_dataset *out, const char *path, mico_err *err);

/* An IDX or npy file by content; *npy says which. */
mico_status mico_array_load(mico_array *out, const char *path, bool *npy,
                            mico_err *err);

/* *from_one: whether labels that start at 1 are to be shifted. */
mico_status mico_pair_set(mico_data *out, const char *images, const char *labels,
                          bool *from_one, mico_err *err);
mico_status mico_folder_sets(mico_dataset *out, const char *path, bool *from_one,
                             mico_err *err);

#endif
