/* columns.h: the columns of trials, checks and starts: one table each, for view and
 * reader.
 *
 * Names here are names in everybody's analysis scripts: add, never rename. */
#ifndef MICO_STORE_COLUMNS_H
#define MICO_STORE_COLUMNS_H

#include "store/h5.h"
#include "store/store.h"

typedef enum mico_column_kind {
    MICO_COLUMN_U64,  /* int64 in the file, so UINT64_MAX (no trial) is -1 */
    MICO_COLUMN_U32,  /* int64 */
    MICO_COLUMN_ENUM, /* int8 with flag_values and flag_meanings */
    MICO_COLUMN_F64,
    MICO_COLUMN_TEXT, /* char[size] in memory */
} mico_column_kind;

/* From which state on a number means something; NaN in the file before that. */
typedef enum mico_column_when {
    MICO_WHEN_ALWAYS,
    MICO_WHEN_ENDED,
    MICO_WHEN_DONE
} mico_column_when;

typedef struct mico_column {
    const char *name;
    mico_column_kind kind;
    size_t offset, size; /* size: of the text, or number of the enum's values */
    mico_column_when when;
    const char *units, *text, *meanings;
} mico_column;

typedef struct mico_table {
    const char *dimension; /* its column is the row number and the dimension scale */
    size_t row_bytes;
    size_t state; /* offset of a mico_outcome's state; SIZE_MAX: none */
    size_t n_columns;
    const mico_column *column; /* written in this order; the last one's length counts */
} mico_table;

extern const mico_table mico_trial_table, mico_check_table, mico_start_table;

/* Makes the empty columns. */
void mico_table_make(mico_h5 *h, hid_t group, const mico_table *table);

/* Writes rows from..n of an array of table->row_bytes elements. */
void mico_table_write(mico_h5 *h, hid_t group, const mico_table *table,
                      const void *rows, size_t from, size_t n);

/* Number of rows; checks that the row numbers are 0, 1, 2, ... */
size_t mico_table_rows(mico_h5 *h, hid_t group, const mico_table *table, size_t limit);
void mico_table_read(mico_h5 *h, hid_t group, const mico_table *table, void *rows,
                     size_t n);

/* Attributes that explain a column; NULL leaves one out. */
void mico_column_explain(mico_h5 *h, hid_t group, const char *name, const char *units,
                         const char *text);

/* ---- widths: [rows, layer] of u8 ---- */

void mico_bits_make(mico_h5 *h, hid_t group, const char *dimension, const char *layer,
                    size_t n_layers);

/* Schemes lie row_bytes apart. */
void mico_bits_write(mico_h5 *h, hid_t group, const mico_scheme *first,
                     size_t row_bytes, size_t n_layers, size_t from, size_t n);
void mico_bits_read(mico_h5 *h, hid_t group, mico_scheme *first, size_t row_bytes,
                    size_t n_layers, size_t n);

#endif
