/* Text: a line of comma separated integers per image, the last one its label. */
#include "data/data_internal.h"

#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MIN (-128)
#define VALUE_MAX 255

typedef struct table_reader {
    const char *at, *end;
    size_t line;
    mico_table table;
    size_t value_capacity, label_capacity, n_values;
} table_reader;

static void skip_blanks(table_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* An optional minus and digits, with blanks around; big ones are cut, not wrapped. */
static bool take_number(table_reader *r, long *out)
{
    bool negative;
    long v = 0;
    const char *begin;

    skip_blanks(r);
    negative = r->at < r->end && *r->at == '-';
    if (negative)
        r->at++;
    begin = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        if (v < 100000000)
            v = 10 * v + (*r->at - '0');
        r->at++;
    }
    *out = negative ? -v : v;
    if (r->at == begin)
        return false;
    skip_blanks(r);
    return true;
}

static bool ends_line(const table_reader *r)
{
    return r->at == r->end || *r->at == '\n' || *r->at == '#';
}

static mico_status keep_value(table_reader *r, long v, mico_err *err)
{
    mico_table *t = &r->table;

    if (v < VALUE_MIN || v > VALUE_MAX)
        return mico_fail(err, MICO_EDATA, "line %zu: value %ld is outside %d to %d",
                         r->line, v, VALUE_MIN, VALUE_MAX);
    t->value = mico_grow(t->value, r->n_values, &r->value_capacity, sizeof *t->value);
    t->value[r->n_values++] = (int16_t)v;
    if ((int)v < t->lo)
        t->lo = (int)v;
    if ((int)v > t->hi)
        t->hi = (int)v;
    return MICO_OK;
}

static mico_status keep_label(table_reader *r, long v, size_t columns, mico_err *err)
{
    mico_table *t = &r->table;

    if (v < 0 || v > MICO_LABEL_MAX)
        return mico_fail(err, MICO_EDATA, "line %zu: label %ld is outside 0 to %d",
                         r->line, v, MICO_LABEL_MAX);
    if (columns == 0)
        return mico_fail(err, MICO_EDATA, "line %zu: a label but no values", r->line);
    if (t->n > 0 && columns != t->columns)
        return mico_fail(err, MICO_EDATA,
                         "line %zu: %zu values where the first line has %zu", r->line,
                         columns, t->columns);
    t->columns = columns;
    t->label = mico_grow(t->label, t->n, &r->label_capacity, sizeof *t->label);
    t->label[t->n++] = (uint16_t)v;
    return MICO_OK;
}

static mico_status read_line(table_reader *r, mico_err *err)
{
    mico_status rc = MICO_OK;

    for (size_t columns = 0; rc == MICO_OK; columns++) {
        long v;

        if (!take_number(r, &v))
            return mico_fail(
                err, MICO_EFORMAT,
                "line %zu: an integer expected as item %zu (comma separated "
                "integers, the label last)",
                r->line, columns + 1);
        if (ends_line(r))
            return keep_label(r, v, columns, err);
        if (*r->at++ != ',')
            return mico_fail(err, MICO_EFORMAT, "line %zu: ',' expected after item %zu",
                             r->line, columns + 1);
        rc = keep_value(r, v, err);
    }
    return rc;
}

mico_status mico_csv_read(mico_table *out, const uint8_t *bytes, size_t n,
                          mico_err *err)
{
    table_reader r = {.at = (const char *)bytes,
                      .end = (const char *)bytes + n,
                      .line = 1,
                      .table = {.lo = VALUE_MAX, .hi = VALUE_MIN}};
    mico_status rc = MICO_OK;

    for (; rc == MICO_OK && r.at < r.end; r.line++) {
        const char *newline;

        skip_blanks(&r);
        if (!ends_line(&r))
            rc = read_line(&r, err);
        newline = memchr(r.at, '\n', (size_t)(r.end - r.at));
        r.at = newline != NULL ? newline + 1 : r.end;
    }
    if (rc == MICO_OK && r.table.n == 0)
        rc = mico_fail(err, MICO_EDATA, "no images: no line of integers");
    if (rc != MICO_OK) {
        mico_table_clear(&r.table);
        return rc;
    }
    *out = r.table;
    return MICO_OK;
}

void mico_table_clear(mico_table *table)
{
    free(table->value);
    free(table->label);
    *table = (mico_table){0};
}

static void table_to_data(mico_data *out, mico_table *table, mico_raw_type type)
{
    size_t count = table->n * table->columns;
    uint8_t *raw;

    if (table->n == 0)
        return;
    raw = mico_xcalloc(count, 1);
    for (size_t i = 0; i < count; i++)
        raw[i] = (uint8_t)table->value[i]; /* s8: the same bits */
    out->n = table->n;
    out->shape = (mico_shape){1, {table->columns}};
    out->type = type;
    out->raw = raw;
    out->label = table->label;
    table->label = NULL;
}

mico_status mico_table_sets(mico_dataset *out, mico_table *train, mico_table *test,
                            mico_err *err)
{
    int lo = test->lo, hi = test->hi;

    if (train->n > 0) {
        lo = train->lo < lo ? train->lo : lo;
        hi = train->hi > hi ? train->hi : hi;
    }
    if (lo < 0 && hi > 127)
        return mico_fail(err, MICO_EDATA,
                         "values from %d to %d fit neither u8 nor s8: rescale them", lo,
                         hi);
    table_to_data(&out->train, train, lo < 0 ? MICO_RAW_S8 : MICO_RAW_U8);
    table_to_data(&out->test, test, lo < 0 ? MICO_RAW_S8 : MICO_RAW_U8);
    return MICO_OK;
}
