/* npy, NumPy's array file: a Python dict literal as header (NEP 1), then the values. */
#include "data/data_internal.h"

#include <string.h>

#define NPY_MAX_RANK 5
#define NPY_DESCR    8

/* The header as text that is read from `at` on. */
typedef struct npy_text {
    const char *text;
    size_t len, at;
} npy_text;

typedef struct npy_header {
    char descr[NPY_DESCR];
    bool fortran_order;
    size_t rank, dim[NPY_MAX_RANK];
    bool have_descr, have_order, have_shape;
} npy_header;

static mico_status bad_header(const npy_text *t, const char *expected, mico_err *err)
{
    return mico_fail(err, MICO_EFORMAT, "npy header: %s expected at character %zu",
                     expected, t->at);
}

static void skip_space(npy_text *t)
{
    while (t->at < t->len && (t->text[t->at] == ' ' || t->text[t->at] == '\t' ||
                              t->text[t->at] == '\n' || t->text[t->at] == '\r'))
        t->at++;
}

/* Takes c (after white space) if it comes next. */
static bool take_char(npy_text *t, char c)
{
    skip_space(t);
    if (t->at >= t->len || t->text[t->at] != c)
        return false;
    t->at++;
    return true;
}

static bool take_word(npy_text *t, const char *word)
{
    size_t n = strlen(word);

    skip_space(t);
    if (t->len - t->at < n || memcmp(t->text + t->at, word, n) != 0)
        return false;
    t->at += n;
    return true;
}

/* 'text' or "text" without escapes. */
static bool take_string(npy_text *t, char *out, size_t size)
{
    size_t n = 0;
    char quote;

    skip_space(t);
    if (t->at >= t->len || (t->text[t->at] != '\'' && t->text[t->at] != '"'))
        return false;
    quote = t->text[t->at++];
    while (t->at < t->len && t->text[t->at] != quote) {
        char c = t->text[t->at++];

        if (c == '\\' || c < ' ' || c > '~' || n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return t->at < t->len && t->text[t->at++] == quote;
}

/* Digits, with the L that Python 2 wrote after some. */
static bool take_size(npy_text *t, size_t *out)
{
    size_t v = 0, begin;

    skip_space(t);
    begin = t->at;
    while (t->at < t->len && t->text[t->at] >= '0' && t->text[t->at] <= '9') {
        size_t digit = (size_t)(t->text[t->at++] - '0');

        if (v > (SIZE_MAX - digit) / 10)
            return false;
        v = 10 * v + digit;
    }
    if (t->at == begin)
        return false;
    if (t->at < t->len && t->text[t->at] == 'L')
        t->at++;
    *out = v;
    return true;
}

/* (), (3,), (3, 4), (3, 4,) */
static mico_status take_shape(npy_text *t, npy_header *h, mico_err *err)
{
    size_t commas = 0;

    if (!take_char(t, '('))
        return bad_header(t, "'(' of the shape", err);
    while (!take_char(t, ')')) {
        if (h->rank > commas)
            return bad_header(t, "',' or ')'", err);
        if (h->rank == NPY_MAX_RANK)
            return mico_fail(err, MICO_EUNSUP, "npy array of more than %d dimensions",
                             NPY_MAX_RANK);
        if (!take_size(t, &h->dim[h->rank]))
            return bad_header(t, "a size", err);
        h->rank++;
        if (take_char(t, ','))
            commas++;
    }
    if (h->rank == 1 && commas == 0)
        return bad_header(t, "a tuple, \"(N,)\",", err);
    return MICO_OK;
}

static mico_status take_entry(npy_text *t, npy_header *h, mico_err *err)
{
    char key[16];

    if (!take_string(t, key, sizeof key) || !take_char(t, ':'))
        return bad_header(t, "a key and ':'", err);
    if (strcmp(key, "descr") == 0 && !h->have_descr) {
        h->have_descr = true;
        if (take_char(t, '['))
            return mico_fail(err, MICO_EUNSUP,
                             "npy array of records: store images and labels apart");
        return take_string(t, h->descr, sizeof h->descr)
                   ? MICO_OK
                   : bad_header(t, "a type like '<f4'", err);
    }
    if (strcmp(key, "fortran_order") == 0 && !h->have_order) {
        h->have_order = true;
        h->fortran_order = take_word(t, "True");
        return h->fortran_order || take_word(t, "False")
                   ? MICO_OK
                   : bad_header(t, "True or False", err);
    }
    if (strcmp(key, "shape") == 0 && !h->have_shape) {
        h->have_shape = true;
        return take_shape(t, h, err);
    }
    return mico_fail(err, MICO_EFORMAT,
                     "npy header: key '%s' is unknown or there twice", key);
}

static mico_status parse_header(npy_text *t, npy_header *h, mico_err *err)
{
    mico_status rc;

    if (!take_char(t, '{'))
        return bad_header(t, "'{'", err);
    while (!take_char(t, '}')) {
        rc = take_entry(t, h, err);
        if (rc != MICO_OK)
            return rc;
        if (!take_char(t, ',')) {
            if (!take_char(t, '}'))
                return bad_header(t, "',' or '}'", err);
            break;
        }
    }
    skip_space(t);
    if (t->at != t->len)
        return bad_header(t, "nothing more", err);
    if (!h->have_descr || !h->have_order || !h->have_shape)
        return mico_fail(err, MICO_EFORMAT, "npy header: no '%s'",
                         !h->have_descr   ? "descr"
                         : !h->have_order ? "fortran_order"
                                          : "shape");
    return MICO_OK;
}

/* "<f4", "|u1", ">i8", "=f8" (the writer's own order: taken as little endian) */
static bool parse_descr(const char *descr, mico_array *out, bool *big_endian)
{
    static const char *const known[] = {"u1", "u2", "u4", "u8", "i1", "i2",
                                        "i4", "i8", "f2", "f4", "f8"};

    if (strchr("<>|=", descr[0]) == NULL || descr[0] == '\0')
        return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(descr + 1, known[i]) == 0) {
            out->kind = known[i][0];
            out->elem_bytes = (size_t)(known[i][1] - '0');
        }
    }
    *big_endian = descr[0] == '>';
    return out->elem_bytes != 0 && (descr[0] != '|' || out->elem_bytes == 1);
}

/* Splits a file in header text and values. */
static mico_status split_npy(const uint8_t *bytes, size_t n, npy_text *header,
                             size_t *values, mico_err *err)
{
    size_t prefix, len;

    if (n < 10)
        return mico_fail(err, MICO_EFORMAT, "%zu bytes: too short for an npy file", n);
    if (memcmp(bytes, "\x93NUMPY", 6) != 0)
        return mico_fail(err, MICO_EFORMAT,
                         "not an npy file: no \\x93NUMPY at its start");
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return mico_fail(err, MICO_EUNSUP,
                         "npy version %u.%u: 1.0, 2.0 and 3.0 are read", bytes[6],
                         bytes[7]);
    prefix = bytes[6] == 1 ? 10 : 12;
    if (n < prefix)
        return mico_fail(err, MICO_EFORMAT, "%zu bytes: too short for an npy file", n);
    len = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (prefix == 12)
        len |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (len > n - prefix)
        return mico_fail(err, MICO_EFORMAT,
                         "npy header ends too early: %zu bytes declared, %zu there",
                         len, n - prefix);
    *header = (npy_text){(const char *)bytes + prefix, len, 0};
    *values = prefix + len;
    return MICO_OK;
}

mico_status mico_npy_view(mico_array *out, const uint8_t *bytes, size_t n, bool *viewed,
                          mico_err *err)
{
    npy_header h = {0};
    mico_array made = {0};
    npy_text text;
    bool big_endian;
    size_t values = 0;
    mico_status rc = split_npy(bytes, n, &text, &values, err);

    if (rc == MICO_OK)
        rc = parse_header(&text, &h, err);
    if (rc != MICO_OK)
        return rc;
    if (!parse_descr(h.descr, &made, &big_endian))
        return mico_fail(err, MICO_EUNSUP,
                         "npy type '%s': u1 to u8, i1 to i8, f2, f4 and f8 are read",
                         h.descr);
    if (h.rank == 0)
        return mico_fail(err, MICO_EUNSUP, "npy file of a single number, not an array");
    if (h.fortran_order && h.rank > 1)
        return mico_fail(err, MICO_EUNSUP,
                         "npy array in Fortran order: store it with "
                         "numpy.ascontiguousarray");
    made.rank = h.rank;
    memcpy(made.dim, h.dim, sizeof h.dim);
    rc = mico_array_fill(&made, bytes + values, n - values, big_endian, viewed, err);
    if (rc == MICO_OK)
        *out = made;
    return rc;
}

mico_status mico_npy_read(mico_array *out, const uint8_t *bytes, size_t n,
                          mico_err *err)
{
    return mico_npy_view(out, bytes, n, NULL, err);
}
