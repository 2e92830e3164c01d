/* Columns of trials, checks and starts to and from HDF5. */
#include "store/columns.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(mico_state) == 4 && sizeof(mico_mode) == 4 &&
                   sizeof(mico_split_name) == 4,
               "enum columns are read and written as 32-bit numbers");

#define AT(type, member) offsetof(type, member)
#define TEXT(type, member)                                                             \
    MICO_COLUMN_TEXT, AT(type, member), sizeof(((type *)0)->member)

#define STATES                                                                         \
    "pending done refused crashed timeout out-of-memory bad-output infrastructure"

/* clang-format off */
static const mico_column trial_columns[] = {
    {"duplicate_of", MICO_COLUMN_U64, AT(mico_trial, dup_of), 0, MICO_WHEN_ALWAYS, NULL,
     "earlier trial with the same scheme, -1 if none", NULL},
    {"images", MICO_COLUMN_U64, AT(mico_trial, outcome.images), 0, MICO_WHEN_ALWAYS, "1",
     "images evaluated", NULL},
    {"correct", MICO_COLUMN_U64, AT(mico_trial, outcome.correct), 0, MICO_WHEN_ALWAYS, "1",
     "images classified correctly", NULL},
    {"loss", MICO_COLUMN_F64, AT(mico_trial, outcome.loss), 0, MICO_WHEN_DONE, "nat",
     "mean cross-entropy", NULL},
    {"seconds", MICO_COLUMN_F64, AT(mico_trial, outcome.seconds), 0, MICO_WHEN_ENDED, "s",
     "evaluation time on the worker", NULL},
    {"worker", MICO_COLUMN_U32, AT(mico_trial, worker), 0, MICO_WHEN_ALWAYS, NULL,
     "rank that evaluated it", NULL},
    {"attempts", MICO_COLUMN_U32, AT(mico_trial, attempts), 0, MICO_WHEN_ALWAYS, NULL,
     "times it was sent to a worker", NULL},
    {"proposed_at", MICO_COLUMN_U64, AT(mico_trial, proposed_at), 0, MICO_WHEN_ALWAYS, NULL,
     "journal record that proposed it", NULL},
    {"finished_at", MICO_COLUMN_U64, AT(mico_trial, finished_at), 0, MICO_WHEN_ALWAYS, NULL,
     "journal record of its result, 0 if none", NULL},
    {"reason", TEXT(mico_trial, outcome.reason), MICO_WHEN_ALWAYS, NULL,
     "why it failed", NULL},
    {"state", MICO_COLUMN_ENUM, AT(mico_trial, outcome.state), MICO_N_STATES,
     MICO_WHEN_ALWAYS, NULL, "how it ended", STATES},
};

static const mico_column check_columns[] = {
    {"name", TEXT(mico_check, name), MICO_WHEN_ALWAYS, NULL, "what is checked", NULL},
    {"mode", MICO_COLUMN_ENUM, AT(mico_check, mode), MICO_MODE_FP32 + 1, MICO_WHEN_ALWAYS,
     NULL, "arithmetic", "int fake fp32"},
    {"split", MICO_COLUMN_ENUM, AT(mico_check, split), MICO_SPLIT_FINAL + 1,
     MICO_WHEN_ALWAYS, NULL, "images used", "search final"},
    {"trial", MICO_COLUMN_U64, AT(mico_check, trial), 0, MICO_WHEN_ALWAYS, NULL,
     "trial that it repeats, -1 if none", NULL},
    {"images", MICO_COLUMN_U64, AT(mico_check, outcome.images), 0, MICO_WHEN_ALWAYS, "1",
     "images evaluated", NULL},
    {"correct", MICO_COLUMN_U64, AT(mico_check, outcome.correct), 0, MICO_WHEN_ALWAYS, "1",
     "images classified correctly", NULL},
    {"loss", MICO_COLUMN_F64, AT(mico_check, outcome.loss), 0, MICO_WHEN_DONE, "nat",
     "mean cross-entropy", NULL},
    {"seconds", MICO_COLUMN_F64, AT(mico_check, outcome.seconds), 0, MICO_WHEN_ENDED, "s",
     "evaluation time on the worker", NULL},
    {"reason", TEXT(mico_check, outcome.reason), MICO_WHEN_ALWAYS, NULL,
     "why it failed", NULL},
    {"state", MICO_COLUMN_ENUM, AT(mico_check, outcome.state), MICO_N_STATES,
     MICO_WHEN_ALWAYS, NULL, "how it ended", STATES},
};

static const mico_column start_columns[] = {
    {"when", TEXT(mico_start, when), MICO_WHEN_ALWAYS, NULL, "UTC", NULL},
    {"host", TEXT(mico_start, host), MICO_WHEN_ALWAYS, NULL, "host of rank 0", NULL},
    {"ranks", MICO_COLUMN_U32, AT(mico_start, ranks), 0, MICO_WHEN_ALWAYS, NULL,
     "MPI ranks", NULL},
    {"version", TEXT(mico_start, version), MICO_WHEN_ALWAYS, NULL, "program", NULL},
    {"argv", TEXT(mico_start, argv), MICO_WHEN_ALWAYS, NULL, "command line", NULL},
    {"libraries", TEXT(mico_start, libraries), MICO_WHEN_ALWAYS, NULL, NULL, NULL},
    {"environment", TEXT(mico_start, environment), MICO_WHEN_ALWAYS, NULL, NULL, NULL},
    {"ended", TEXT(mico_start, ended), MICO_WHEN_ALWAYS, NULL,
     "how this start ended; empty: running or killed", NULL},
};
/* clang-format on */

#define COLUMNS(array) sizeof(array) / sizeof(array)[0], array

const mico_table mico_trial_table = {
    "trial", sizeof(mico_trial), AT(mico_trial, outcome.state), COLUMNS(trial_columns)};
const mico_table mico_check_table = {
    "check", sizeof(mico_check), AT(mico_check, outcome.state), COLUMNS(check_columns)};
const mico_table mico_start_table = {"start", sizeof(mico_start), SIZE_MAX,
                                     COLUMNS(start_columns)};

/* ---- writing -------------------------------------------------------------------- */

void mico_column_explain(mico_h5 *h, hid_t group, const char *name, const char *units,
                         const char *text)
{
    if (units != NULL && units[0] != '\0')
        mico_h5_attr_text(h, group, name, "units", units);
    if (text != NULL)
        mico_h5_attr_text(h, group, name, "long_name", text);
}

static hid_t file_type(const mico_h5 *h, mico_column_kind kind)
{
    switch (kind) {
    case MICO_COLUMN_F64:
        return H5T_IEEE_F64LE;
    case MICO_COLUMN_TEXT:
        return h->text;
    case MICO_COLUMN_ENUM:
        return H5T_STD_I8LE;
    default:
        return H5T_STD_I64LE;
    }
}

void mico_table_make(mico_h5 *h, hid_t group, const mico_table *table)
{
    mico_h5_column(h, group, table->dimension, H5T_STD_I64LE, 0, table->dimension,
                   NULL);
    for (size_t c = 0; c < table->n_columns; c++) {
        const mico_column *column = &table->column[c];

        mico_h5_column(h, group, column->name, file_type(h, column->kind), 0,
                       table->dimension, NULL);
        mico_column_explain(h, group, column->name, column->units, column->text);
        if (column->meanings != NULL)
            mico_h5_attr_flags(h, group, column->name, column->size, column->meanings);
    }
}

/* Whether a column that needs it was measured in this row. */
static bool measured(const mico_table *table, const mico_column *column,
                     const char *row)
{
    uint32_t state;

    if (column->when == MICO_WHEN_ALWAYS || table->state == SIZE_MAX)
        return true;
    memcpy(&state, row + table->state, sizeof state);
    return column->when == MICO_WHEN_DONE ? state == MICO_STATE_DONE
                                          : state != MICO_STATE_PENDING;
}

static int64_t get_int(const mico_column *column, const char *row)
{
    uint64_t wide;
    uint32_t narrow;

    if (column->kind == MICO_COLUMN_U64) {
        memcpy(&wide, row + column->offset, sizeof wide);
        return (int64_t)wide;
    }
    memcpy(&narrow, row + column->offset, sizeof narrow);
    return narrow;
}

static void write_ints(mico_h5 *h, hid_t group, const mico_table *table,
                       const mico_column *column, const char *rows, size_t from,
                       size_t n)
{
    int64_t *values = mico_xcalloc(n - from, sizeof *values);

    for (size_t i = from; i < n; i++)
        values[i - from] = get_int(column, rows + i * table->row_bytes);
    mico_h5_rows(h, group, column->name, H5T_NATIVE_INT64, 0, from, n, values);
    free(values);
}

static void write_doubles(mico_h5 *h, hid_t group, const mico_table *table,
                          const mico_column *column, const char *rows, size_t from,
                          size_t n)
{
    double *values = mico_xcalloc(n - from, sizeof *values);

    for (size_t i = from; i < n; i++) {
        const char *row = rows + i * table->row_bytes;

        memcpy(&values[i - from], row + column->offset, sizeof *values);
        if (!measured(table, column, row))
            values[i - from] = NAN;
    }
    mico_h5_rows(h, group, column->name, H5T_NATIVE_DOUBLE, 0, from, n, values);
    free(values);
}

static void write_texts(mico_h5 *h, hid_t group, const mico_table *table,
                        const mico_column *column, const char *rows, size_t from,
                        size_t n)
{
    const char **values = mico_xcalloc(n - from, sizeof *values);

    for (size_t i = from; i < n; i++)
        values[i - from] = rows + i * table->row_bytes + column->offset;
    mico_h5_text_rows(h, group, column->name, from, n, values);
    free(values);
}

void mico_table_write(mico_h5 *h, hid_t group, const mico_table *table,
                      const void *rows, size_t from, size_t n)
{
    int64_t *index = mico_xcalloc(n - from, sizeof *index);

    for (size_t i = from; i < n; i++)
        index[i - from] = (int64_t)i;
    mico_h5_rows(h, group, table->dimension, H5T_NATIVE_INT64, 0, from, n, index);
    free(index);
    for (size_t c = 0; c < table->n_columns; c++) {
        const mico_column *column = &table->column[c];

        if (column->kind == MICO_COLUMN_F64)
            write_doubles(h, group, table, column, rows, from, n);
        else if (column->kind == MICO_COLUMN_TEXT)
            write_texts(h, group, table, column, rows, from, n);
        else
            write_ints(h, group, table, column, rows, from, n);
    }
}

/* ---- reading -------------------------------------------------------------------- */

size_t mico_table_rows(mico_h5 *h, hid_t group, const mico_table *table, size_t limit)
{
    size_t n = mico_h5_length(h, group, table->dimension, 1, NULL, limit);
    int64_t *index = mico_xcalloc(n, sizeof *index);

    /* also bounds n by what the file really holds, before anything larger is allocated
     */
    mico_h5_get(h, group, table->dimension, H5T_NATIVE_INT64, n, index,
                n * sizeof *index);
    for (size_t i = 0; i < n && mico_h5_ok(h); i++)
        if (index[i] != (int64_t)i)
            mico_h5_wrong(h, "%s numbers are not 0, 1, 2, ...", table->dimension);
    free(index);
    return mico_h5_ok(h) ? n : 0;
}

static void set_int(mico_h5 *h, const mico_column *column, char *row, int64_t value)
{
    uint64_t wide = (uint64_t)value;
    uint32_t narrow = (uint32_t)value;

    if (column->kind == MICO_COLUMN_U64) {
        memcpy(row + column->offset, &wide, sizeof wide);
        return;
    }
    if (value < 0 || value > UINT32_MAX ||
        (column->kind == MICO_COLUMN_ENUM && (uint64_t)value >= column->size))
        mico_h5_wrong(h, "column %s holds the impossible value %lld", column->name,
                      (long long)value);
    else
        memcpy(row + column->offset, &narrow, sizeof narrow);
}

static void read_ints(mico_h5 *h, hid_t group, const mico_table *table,
                      const mico_column *column, char *rows, size_t n)
{
    int64_t *values = mico_xcalloc(n, sizeof *values);

    mico_h5_get(h, group, column->name, H5T_NATIVE_INT64, n, values,
                n * sizeof *values);
    for (size_t i = 0; i < n && mico_h5_ok(h); i++)
        set_int(h, column, rows + i * table->row_bytes, values[i]);
    free(values);
}

static void read_doubles(mico_h5 *h, hid_t group, const mico_table *table,
                         const mico_column *column, char *rows, size_t n)
{
    double *values = mico_xcalloc(n, sizeof *values);

    mico_h5_get(h, group, column->name, H5T_NATIVE_DOUBLE, n, values,
                n * sizeof *values);
    for (size_t i = 0; i < n && mico_h5_ok(h); i++) {
        char *row = rows + i * table->row_bytes;

        if (measured(table, column, row))
            memcpy(row + column->offset, &values[i], sizeof values[i]);
    }
    free(values);
}

typedef struct text_target {
    mico_h5 *h;
    const mico_table *table;
    const mico_column *column;
    char *rows;
} text_target;

static void take_row_text(void *data, size_t i, const char *text)
{
    text_target *t = data;

    if (strlen(text) >= t->column->size)
        mico_h5_wrong(t->h, "column %s holds a text of %zu bytes", t->column->name,
                      strlen(text));
    else
        memcpy(t->rows + i * t->table->row_bytes + t->column->offset, text,
               strlen(text) + 1);
}

void mico_table_read(mico_h5 *h, hid_t group, const mico_table *table, void *rows,
                     size_t n)
{
    for (size_t c = table->n_columns;
         c-- > 0;) { /* state, the last, tells the others */
        const mico_column *column = &table->column[c];
        text_target target = {h, table, column, rows};

        if (column->kind == MICO_COLUMN_F64)
            read_doubles(h, group, table, column, rows, n);
        else if (column->kind == MICO_COLUMN_TEXT)
            mico_h5_get_texts(h, group, column->name, n, take_row_text, &target);
        else
            read_ints(h, group, table, column, rows, n);
    }
}

/* ---- widths --------------------------------------------------------------------- */

static const char *const bits_names[] = {"weight_bits", "act_bits"};

void mico_bits_make(mico_h5 *h, hid_t group, const char *dimension, const char *layer,
                    size_t n_layers)
{
    for (size_t k = 0; k < 2; k++) {
        mico_h5_column(h, group, bits_names[k], H5T_STD_U8LE, n_layers, dimension,
                       layer);
        mico_h5_attr_int(h, group, bits_names[k], "ternary_code", MICO_TERNARY);
        mico_column_explain(h, group, bits_names[k], "bit",
                            k == 0 ? "weight width; 15 is ternary, 0 is float"
                                   : "activation width; 15 is ternary, 0 is float");
    }
}

void mico_bits_write(mico_h5 *h, hid_t group, const mico_scheme *first,
                     size_t row_bytes, size_t n_layers, size_t from, size_t n)
{
    uint8_t *bits = mico_xcalloc(n - from, n_layers);

    for (size_t k = 0; k < 2; k++) {
        memset(bits, 0, (n - from) * n_layers);
        for (size_t i = from; i < n; i++) {
            const mico_scheme *scheme =
                (const void *)((const char *)first + i * row_bytes);

            if (scheme->n_layers == n_layers)
                memcpy(bits + (i - from) * n_layers, scheme->bits + k * n_layers,
                       n_layers);
        }
        mico_h5_rows(h, group, bits_names[k], H5T_NATIVE_UINT8, n_layers, from, n,
                     bits);
    }
    free(bits);
}

void mico_bits_read(mico_h5 *h, hid_t group, mico_scheme *first, size_t row_bytes,
                    size_t n_layers, size_t n)
{
    hsize_t layers = n_layers;
    uint8_t *bits;

    for (size_t k = 0; k < 2; k++)
        if (mico_h5_length(h, group, bits_names[k], 2, &layers, n) != n)
            mico_h5_wrong(h, "dataset %s has the wrong size", bits_names[k]);
    if (!mico_h5_ok(h))
        return;
    bits = mico_xcalloc(n, n_layers);
    for (size_t k = 0; k < 2; k++) {
        mico_h5_get(h, group, bits_names[k], H5T_NATIVE_UINT8, n * n_layers, bits,
                    n * n_layers);
        for (size_t i = 0; i < n; i++) {
            mico_scheme *scheme = (void *)((char *)first + i * row_bytes);

            scheme->n_layers = n_layers;
            memcpy(scheme->bits + k * n_layers, bits + i * n_layers, n_layers);
        }
    }
    free(bits);
}
