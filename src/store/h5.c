/* HDF5 helpers: errors, groups, attributes, arrays, columns. */
#include "store/h5.h"

#include "core/mem.h"

#include <hdf5_hl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_ROWS 1024
#define DEFLATE    4

/* ---- errors --------------------------------------------------------------------- */

void mico_h5_begin(mico_h5 *h, const char *path, mico_status failure, mico_err *err)
{
    *h = (mico_h5){.path = path, .failure = failure, .status = MICO_OK, .err = err};
    H5Eget_auto2(H5E_DEFAULT, &h->old_print, &h->old_print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    h->text = H5Tcopy(H5T_C_S1);
    if (h->text < 0 || H5Tset_size(h->text, H5T_VARIABLE) < 0 ||
        H5Tset_cset(h->text, H5T_CSET_UTF8) < 0)
        mico_h5_fail(h, "string type");
}

mico_status mico_h5_end(mico_h5 *h)
{
    if (h->text >= 0)
        H5Tclose(h->text);
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, h->old_print, h->old_print_data);
    return h->status;
}

bool mico_h5_ok(const mico_h5 *h)
{
    return h->status == MICO_OK;
}

/* The innermost message says most, e.g. "file write failed: ... No space left on
 * device". */
static herr_t take_innermost(unsigned n, const H5E_error2_t *error, void *out)
{
    if (n == 0)
        snprintf(out, 400, "%s", error->desc != NULL ? error->desc : "");
    return 0;
}

void mico_h5_fail(mico_h5 *h, const char *what)
{
    char why[400] = "";

    if (h->status != MICO_OK)
        return;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, why);
    H5Eclear2(H5E_DEFAULT);
    h->status = mico_fail(h->err, h->failure, "%s: HDF5: %s%s%s", h->path, what,
                          why[0] != '\0' ? ": " : "", why);
}

void mico_h5_wrong(mico_h5 *h, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    if (h->status != MICO_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    h->status = mico_fail(h->err, h->failure, "%s: %s", h->path, text);
}

/* ---- texts ---------------------------------------------------------------------- */

/* Length of the UTF-8 character at p (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
                             : 4;

    if (p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static bool is_utf8(const char *text)
{
    size_t n;

    for (const unsigned char *p = (const void *)text; *p != '\0'; p += n)
        if ((n = utf8_length(p)) == 0)
            return false;
    return true;
}

/* One byte that is not UTF-8 makes netCDF4 refuse a whole study: such bytes, say of a
 * cut message, become '?'. Returns a copy to use instead of texts, or NULL if all are
 * fine. */
static char **clean_texts(size_t n, const char *const *texts)
{
    char **copy = NULL;

    for (size_t i = 0; i < n; i++) {
        if (is_utf8(texts[i]))
            continue;
        if (copy == NULL) {
            copy = mico_xcalloc(n + 1, sizeof *copy);
            memcpy(copy, texts, n * sizeof *copy);
        }
        copy[i] = mico_xstrdup(texts[i]);
        for (unsigned char *p = (void *)copy[i]; *p != '\0';) {
            size_t length = utf8_length(p);

            if (length == 0)
                *p = '?';
            p += length > 0 ? length : 1;
        }
    }
    return copy;
}

static void free_texts(size_t n, const char *const *texts, char **copy)
{
    for (size_t i = 0; copy != NULL && i < n; i++)
        if (copy[i] != texts[i])
            free(copy[i]);
    free(copy);
}

/* ---- groups and attributes ------------------------------------------------------ */

hid_t mico_h5_group(mico_h5 *h, hid_t where, const char *name)
{
    hid_t plist, group;

    if (!mico_h5_ok(h))
        return -1;
    plist = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_link_creation_order(plist, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_obj_track_times(plist, false);
    group = H5Gcreate2(where, name, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Pclose(plist);
    if (group < 0)
        mico_h5_fail(h, name);
    return group;
}

hid_t mico_h5_open(mico_h5 *h, hid_t where, const char *name)
{
    hid_t group;

    if (!mico_h5_ok(h))
        return -1;
    group = H5Gopen2(where, name, H5P_DEFAULT);
    if (group < 0)
        mico_h5_fail(h, name);
    return group;
}

void mico_h5_close(hid_t group)
{
    if (group >= 0)
        H5Gclose(group);
}

static void put_attr(mico_h5 *h, hid_t where, const char *object, const char *name,
                     hid_t file_type, hid_t memory_type, hsize_t n, const void *value)
{
    hid_t holder, space, attr;

    if (!mico_h5_ok(h))
        return;
    /* 1.10.8 cannot write an attribute that H5Aopen_by_name opened: open its object */
    holder = H5Oopen(where, object, H5P_DEFAULT);
    if (H5Aexists(holder, name) > 0) {
        attr = H5Aopen(holder, name, H5P_DEFAULT);
    } else {
        space = n > 0 ? H5Screate_simple(1, &n, NULL) : H5Screate(H5S_SCALAR);
        attr = H5Acreate2(holder, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Sclose(space);
    }
    if (attr < 0 || H5Awrite(attr, memory_type, value) < 0)
        mico_h5_fail(h, name);
    if (attr >= 0)
        H5Aclose(attr);
    if (holder >= 0)
        H5Oclose(holder);
}

void mico_h5_attr_text(mico_h5 *h, hid_t where, const char *object, const char *name,
                       const char *text)
{
    char **clean = clean_texts(1, &text);

    put_attr(h, where, object, name, h->text, h->text, 0,
             clean != NULL ? (const void *)clean : &text);
    free_texts(1, &text, clean);
}

void mico_h5_attr_int(mico_h5 *h, hid_t where, const char *object, const char *name,
                      int64_t value)
{
    put_attr(h, where, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, 0, &value);
}

void mico_h5_attr_hex(mico_h5 *h, hid_t where, const char *object, const char *name,
                      uint64_t value)
{
    char text[17];

    snprintf(text, sizeof text, "%016" PRIx64, value);
    mico_h5_attr_text(h, where, object, name, text);
}

/* flag_values 0..n-1 with their meanings, as the CF conventions name such attributes.
 */
void mico_h5_attr_flags(mico_h5 *h, hid_t where, const char *object, size_t n,
                        const char *meanings)
{
    int8_t values[32];

    for (size_t i = 0; i < n && i < sizeof values; i++)
        values[i] = (int8_t)i;
    put_attr(h, where, object, "flag_values", H5T_STD_I8LE, H5T_NATIVE_INT8, n, values);
    mico_h5_attr_text(h, where, object, "flag_meanings", meanings);
}

/* ---- arrays and columns --------------------------------------------------------- */

/* The library refuses checksums on variable-length strings, whose bytes lie elsewhere.
 */
static hid_t dataset_plist(int rank, const hsize_t *chunk, hid_t type)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_obj_track_times(plist, false);
    if (rank > 0) {
        H5Pset_chunk(plist, rank, chunk);
        H5Pset_shuffle(plist);
        H5Pset_deflate(plist, DEFLATE);
        if (H5Tget_class(type) != H5T_STRING)
            H5Pset_fletcher32(plist);
    }
    return plist;
}

void mico_h5_put(mico_h5 *h, hid_t where, const char *name, hid_t file_type,
                 hid_t memory_type, int rank, const hsize_t *size, const void *values)
{
    hid_t space, plist, dataset;

    if (!mico_h5_ok(h))
        return;
    space = rank > 0 ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
    plist = dataset_plist(rank, size, file_type);
    dataset =
        H5Dcreate2(where, name, file_type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (dataset < 0 ||
        H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        mico_h5_fail(h, name);
    if (dataset >= 0)
        H5Dclose(dataset);
    H5Pclose(plist);
    H5Sclose(space);
}

void mico_h5_put_texts(mico_h5 *h, hid_t where, const char *name, size_t n,
                       const char *const *texts)
{
    char **clean = clean_texts(n, texts);
    hsize_t size = n;

    mico_h5_put(h, where, name, h->text, h->text, 1, &size,
                clean != NULL ? (const void *)clean : texts);
    free_texts(n, texts, clean);
}

void mico_h5_put_text(mico_h5 *h, hid_t where, const char *name, const char *text)
{
    char **clean = clean_texts(1, &text);

    mico_h5_put(h, where, name, h->text, h->text, 0, NULL,
                clean != NULL ? (const void *)clean : &text);
    free_texts(1, &text, clean);
}

void mico_h5_scale(mico_h5 *h, hid_t where, const char *name)
{
    hid_t dataset;

    if (!mico_h5_ok(h))
        return;
    dataset = H5Dopen2(where, name, H5P_DEFAULT);
    if (dataset < 0 || H5DSset_scale(dataset, name) < 0)
        mico_h5_fail(h, name);
    if (dataset >= 0)
        H5Dclose(dataset);
}

void mico_h5_attach(mico_h5 *h, hid_t where, const char *name, unsigned dimension,
                    const char *scale)
{
    hid_t dataset, scale_set;

    if (!mico_h5_ok(h))
        return;
    dataset = H5Dopen2(where, name, H5P_DEFAULT);
    scale_set = H5Dopen2(where, scale, H5P_DEFAULT);
    if (dataset < 0 || scale_set < 0 ||
        H5DSattach_scale(dataset, scale_set, dimension) < 0)
        mico_h5_fail(h, name);
    if (dataset >= 0)
        H5Dclose(dataset);
    if (scale_set >= 0)
        H5Dclose(scale_set);
}

void mico_h5_column(mico_h5 *h, hid_t where, const char *name, hid_t type, size_t width,
                    const char *rows, const char *columns)
{
    hsize_t size[2] = {0, width}, most[2] = {H5S_UNLIMITED, width};
    hsize_t chunk[2] = {CHUNK_ROWS, width};
    int rank = width > 0 ? 2 : 1;
    hid_t space, plist, dataset;

    if (!mico_h5_ok(h))
        return;
    space = H5Screate_simple(rank, size, most);
    plist = dataset_plist(rank, chunk, type);
    dataset = H5Dcreate2(where, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (dataset < 0)
        mico_h5_fail(h, name);
    else
        H5Dclose(dataset);
    H5Pclose(plist);
    H5Sclose(space);
    if (strcmp(name, rows) == 0)
        mico_h5_scale(h, where, name);
    else
        mico_h5_attach(h, where, name, 0, rows);
    if (columns != NULL)
        mico_h5_attach(h, where, name, 1, columns);
}

static bool write_rows(hid_t dataset, hid_t memory_type, size_t width, size_t from,
                       size_t n, const void *values)
{
    hsize_t size[2] = {n, width}, at[2] = {from, 0}, count[2] = {n - from, width};
    int rank = width > 0 ? 2 : 1;
    hid_t file, memory;
    bool good;

    if (H5Dset_extent(dataset, size) < 0)
        return false;
    if (n == from)
        return true;
    file = H5Dget_space(dataset);
    memory = H5Screate_simple(rank, count, NULL);
    good = file >= 0 && H5Sget_simple_extent_ndims(file) == rank &&
           H5Sselect_hyperslab(file, H5S_SELECT_SET, at, NULL, count, NULL) >= 0 &&
           H5Dwrite(dataset, memory_type, memory, file, H5P_DEFAULT, values) >= 0;
    H5Sclose(memory);
    H5Sclose(file);
    return good;
}

void mico_h5_rows(mico_h5 *h, hid_t where, const char *name, hid_t memory_type,
                  size_t width, size_t from, size_t n, const void *values)
{
    hid_t dataset;

    if (!mico_h5_ok(h))
        return;
    dataset = H5Dopen2(where, name, H5P_DEFAULT);
    if (dataset < 0 || !write_rows(dataset, memory_type, width, from, n, values))
        mico_h5_fail(h, name);
    if (dataset >= 0 && H5Dclose(dataset) < 0)
        mico_h5_fail(h, name);
}

void mico_h5_text_rows(mico_h5 *h, hid_t where, const char *name, size_t from, size_t n,
                       const char *const *texts)
{
    char **clean = clean_texts(n - from, texts);

    mico_h5_rows(h, where, name, h->text, 0, from, n,
                 clean != NULL ? (const void *)clean : texts);
    free_texts(n - from, texts, clean);
}

/* ---- reading -------------------------------------------------------------------- */

bool mico_h5_has(mico_h5 *h, hid_t where, const char *name)
{
    return mico_h5_ok(h) && H5Lexists(where, name, H5P_DEFAULT) > 0;
}

static hid_t open_dataset(mico_h5 *h, hid_t where, const char *name)
{
    hid_t dataset;

    if (!mico_h5_ok(h))
        return -1;
    if (H5Lexists(where, name, H5P_DEFAULT) <= 0) {
        mico_h5_wrong(h, "dataset %s is missing", name);
        return -1;
    }
    dataset = H5Dopen2(where, name, H5P_DEFAULT);
    if (dataset < 0)
        mico_h5_fail(h, name);
    return dataset;
}

size_t mico_h5_length(mico_h5 *h, hid_t where, const char *name, int rank,
                      const hsize_t *rest, size_t limit)
{
    hid_t dataset = open_dataset(h, where, name), space;
    hsize_t size[H5S_MAX_RANK];
    bool good;

    if (dataset < 0)
        return 0;
    space = H5Dget_space(dataset);
    good = space >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
           H5Sget_simple_extent_dims(space, size, NULL) == rank;
    for (int d = 1; good && d < rank; d++)
        good = size[d] == rest[d - 1];
    if (!good)
        mico_h5_wrong(h, "dataset %s has the wrong shape", name);
    else if (size[0] > limit)
        mico_h5_wrong(h, "dataset %s has %llu rows, more than %zu", name,
                      (unsigned long long)size[0], limit);
    if (space >= 0)
        H5Sclose(space);
    H5Dclose(dataset);
    return good && mico_h5_ok(h) ? (size_t)size[0] : 0;
}

/* Number of elements if the type's class is right. */
static bool shape_is(hid_t dataset, size_t cells, hid_t memory_type)
{
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    H5T_class_t class = H5Tget_class(type);
    bool good = space >= 0 && H5Sget_simple_extent_npoints(space) == (hssize_t)cells &&
                class == H5Tget_class(memory_type);

    if (class == H5T_STRING)
        good = good && H5Tis_variable_str(type) > 0;
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return good;
}

void mico_h5_get(mico_h5 *h, hid_t where, const char *name, hid_t memory_type,
                 size_t cells, void *values, size_t bytes)
{
    hid_t dataset = open_dataset(h, where, name);

    if (cells > 0)
        memset(values, 0, bytes);
    if (dataset < 0)
        return;
    if (!shape_is(dataset, cells, memory_type))
        mico_h5_wrong(h, "dataset %s has the wrong type or size", name);
    else if (cells > 0 &&
             H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        mico_h5_fail(h, name);
    H5Dclose(dataset);
}

void mico_h5_get_texts(mico_h5 *h, hid_t where, const char *name, size_t n,
                       void (*use)(void *data, size_t i, const char *text), void *data)
{
    hid_t dataset = open_dataset(h, where, name), space;
    char **texts = NULL;

    if (dataset < 0)
        return;
    space = H5Dget_space(dataset);
    if (!shape_is(dataset, n, h->text)) {
        mico_h5_wrong(h, "dataset %s has the wrong type or size", name);
    } else if (n > 0) {
        texts = calloc(n, sizeof *texts);
        if (texts == NULL)
            mico_h5_wrong(h, "dataset %s: no memory", name);
        else if (H5Dread(dataset, h->text, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) < 0)
            mico_h5_fail(h, name);
        for (size_t i = 0; mico_h5_ok(h) && i < n; i++)
            use(data, i, texts[i] != NULL ? texts[i] : "");
        if (texts != NULL)
            H5Dvlen_reclaim(h->text, space, H5P_DEFAULT, texts);
        free(texts);
    }
    H5Sclose(space);
    H5Dclose(dataset);
}

static void take_text(void *data, size_t i, const char *text)
{
    (void)i;
    *(char **)data = strdup(text);
}

char *mico_h5_get_text(mico_h5 *h, hid_t where, const char *name)
{
    char *text = NULL;

    mico_h5_get_texts(h, where, name, 1, take_text, &text);
    return text;
}

/* The attribute if it is a scalar of the class of memory_type. */
static hid_t open_attr(mico_h5 *h, hid_t where, const char *name, hid_t memory_type)
{
    hid_t attr, type, space;
    bool good;

    if (!mico_h5_ok(h))
        return -1;
    if (H5Aexists(where, name) <= 0) {
        mico_h5_wrong(h, "attribute %s is missing", name);
        return -1;
    }
    attr = H5Aopen(where, name, H5P_DEFAULT);
    if (attr < 0) {
        mico_h5_fail(h, name);
        return -1;
    }
    type = H5Aget_type(attr);
    space = H5Aget_space(attr);
    good = type >= 0 && space >= 0 && H5Sget_simple_extent_npoints(space) == 1 &&
           H5Tget_class(type) == H5Tget_class(memory_type) &&
           (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0);
    H5Tclose(type);
    H5Sclose(space);
    if (good)
        return attr;
    mico_h5_wrong(h, "attribute %s has the wrong type", name);
    H5Aclose(attr);
    return -1;
}

char *mico_h5_get_attr(mico_h5 *h, hid_t where, const char *name)
{
    hid_t attr = open_attr(h, where, name, h->text);
    char *text = NULL, *copy = NULL;

    if (attr < 0)
        return NULL;
    if (H5Aread(attr, h->text, &text) < 0)
        mico_h5_fail(h, name);
    else
        copy = strdup(text != NULL ? text : "");
    H5free_memory(text);
    H5Aclose(attr);
    return copy;
}

void mico_h5_get_attr_in(mico_h5 *h, hid_t where, const char *name, char *out,
                         size_t size)
{
    char *text = mico_h5_get_attr(h, where, name);

    out[0] = '\0';
    if (text != NULL && strlen(text) >= size)
        mico_h5_wrong(h, "attribute %s is longer than %zu bytes", name, size - 1);
    else if (text != NULL)
        memcpy(out, text, strlen(text) + 1);
    free(text);
}

int64_t mico_h5_get_attr_int(mico_h5 *h, hid_t where, const char *name, int64_t least,
                             int64_t most)
{
    hid_t attr = open_attr(h, where, name, H5T_NATIVE_INT64);
    int64_t value = least;

    if (attr < 0)
        return least;
    if (H5Aread(attr, H5T_NATIVE_INT64, &value) < 0)
        mico_h5_fail(h, name);
    else if (value < least || value > most)
        mico_h5_wrong(h, "attribute %s is %" PRId64 ", not %" PRId64 " to %" PRId64,
                      name, value, least, most);
    H5Aclose(attr);
    return mico_h5_ok(h) ? value : least;
}

uint64_t mico_h5_get_attr_hex(mico_h5 *h, hid_t where, const char *name)
{
    char text[17], *end;
    uint64_t value;

    mico_h5_get_attr_in(h, where, name, text, sizeof text);
    value = strtoull(text, &end, 16);
    if (mico_h5_ok(h) && (strlen(text) != 16 || *end != '\0'))
        mico_h5_wrong(h, "attribute %s is not 16 hexadecimal digits", name);
    return value;
}
