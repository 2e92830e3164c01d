/* npz: npy files in a zip, read from memory by libzip. */
#include "data/data_internal.h"

#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* An open archive and its size, which bounds what its entries can hold. */
typedef struct npz {
    zip_t *zip;
    size_t n;
} npz;

static mico_status open_npz(npz *out, const uint8_t *bytes, size_t n, mico_err *err)
{
    zip_error_t problem;
    zip_source_t *source;
    mico_status rc = MICO_OK;

    if (n < 4 || memcmp(bytes, "PK", 2) != 0)
        return mico_fail(err, MICO_EFORMAT, "not an npz file: no zip archive");
    zip_error_init(&problem);
    source = zip_source_buffer_create(bytes, n, 0, &problem);
    out->zip =
        source != NULL ? zip_open_from_source(source, ZIP_RDONLY, &problem) : NULL;
    out->n = n;
    if (out->zip == NULL) {
        rc = mico_fail(err, MICO_EFORMAT, "damaged zip archive: %s",
                       zip_error_strerror(&problem));
        zip_source_free(source);
    }
    zip_error_fini(&problem);
    return rc;
}

/* Index of NAME.npy, letter case ignored if there is no exact match; -1 if none. */
static zip_int64_t find_entry(const npz *z, const char *name)
{
    char file[128];
    zip_int64_t at;

    if ((size_t)snprintf(file, sizeof file, "%s.npy", name) >= sizeof file)
        return -1;
    at = zip_name_locate(z->zip, file, 0);
    return at >= 0 ? at : zip_name_locate(z->zip, file, ZIP_FL_NOCASE);
}

static mico_status no_entry(const npz *z, const char *wanted, mico_err *err)
{
    zip_int64_t n = zip_get_num_entries(z->zip, 0);

    mico_fail(err, MICO_EDATA, "no array %s in the npz; it has", wanted);
    for (zip_int64_t i = 0; i < n && i < 16; i++) {
        const char *name = zip_get_name(z->zip, (zip_uint64_t)i, 0);

        mico_err_append(err, "%s %.60s", i > 0 ? "," : "", name != NULL ? name : "?");
    }
    if (n <= 0 || n > 16)
        mico_err_append(err, n <= 0 ? " nothing" : ", ...");
    return MICO_EDATA;
}

/* Refuses what numpy does not write and sizes that cannot be true. */
static mico_status check_entry(const npz *z, zip_uint64_t at, size_t *size,
                               mico_err *err)
{
    const zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    zip_stat_t st;

    zip_stat_init(&st);
    if (zip_stat_index(z->zip, at, 0, &st) != 0 || (st.valid & needed) != needed)
        return mico_fail(err, MICO_EFORMAT, "damaged zip entry");
    if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
        st.encryption_method != ZIP_EM_NONE)
        return mico_fail(err, MICO_EUNSUP, "encrypted zip entry");
    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
        return mico_fail(err, MICO_EUNSUP,
                         "zip compression method %u: stored and deflated are read",
                         st.comp_method);
    if (st.size > MICO_DATA_LIMIT_BYTES)
        return mico_fail(err, MICO_ELIMIT, "%zu bytes unpacked: above the limit of %zu",
                         (size_t)st.size, MICO_DATA_LIMIT_BYTES);
    if (st.comp_size > z->n || st.size / MICO_DEFLATE_RATIO > st.comp_size)
        return mico_fail(
            err, MICO_EFORMAT,
            "%zu bytes declared as %zu packed ones, which an archive of %zu "
            "bytes cannot hold",
            (size_t)st.size, (size_t)st.comp_size, z->n);
    *size = (size_t)st.size;
    return MICO_OK;
}

static mico_status unpack_entry(const npz *z, zip_uint64_t at, uint8_t **out, size_t *n,
                                mico_err *err)
{
    void *bytes = NULL;
    zip_file_t *file = NULL;
    zip_int64_t got = 0;
    size_t size = 0, used = 0;
    mico_status rc = check_entry(z, at, &size, err);

    if (rc == MICO_OK)
        rc = mico_try_array(&bytes, size + 1, 1, MICO_DATA_LIMIT_BYTES + 1, "zip entry",
                            err);
    if (rc != MICO_OK)
        goto out;
    file = zip_fopen_index(z->zip, at, 0);
    if (file == NULL) {
        rc = mico_fail(err, MICO_EFORMAT, "zip entry: %s", zip_strerror(z->zip));
        goto out;
    }
    /* one byte more than declared, so that the end, where libzip compares the checksum,
     * is reached */
    while (used <= size &&
           (got = zip_fread(file, (uint8_t *)bytes + used, size + 1 - used)) > 0)
        used += (size_t)got;
    if (got < 0)
        rc = mico_fail(err, MICO_EFORMAT, "zip entry: %s", zip_file_strerror(file));
    else if (used != size)
        rc = mico_fail(err, MICO_EFORMAT, "zip entry has not the %zu bytes it declares",
                       size);
out:
    if (file != NULL)
        zip_fclose(file);
    if (rc != MICO_OK) {
        free(bytes);
        return rc;
    }
    *out = bytes;
    *n = size;
    return MICO_OK;
}

static mico_status read_entry(mico_array *out, const npz *z, const char *name,
                              mico_err *err)
{
    zip_int64_t at = find_entry(z, name);
    uint8_t *bytes;
    size_t n;
    mico_status rc;

    if (at < 0)
        return no_entry(z, name, err);
    rc = unpack_entry(z, (zip_uint64_t)at, &bytes, &n, err);
    if (rc == MICO_OK) {
        rc = mico_npy_read(out, bytes, n, err);
        free(bytes);
    }
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", name);
    return rc;
}

mico_status mico_npz_read(mico_array *out, const uint8_t *bytes, size_t n,
                          const char *name, mico_err *err)
{
    npz z;
    mico_status rc = open_npz(&z, bytes, n, err);

    if (rc != MICO_OK)
        return rc;
    rc = read_entry(out, &z, name, err);
    zip_discard(z.zip);
    return rc;
}

static mico_status read_set(mico_data *out, const npz *z, const char *images,
                            const char *labels, mico_err *err)
{
    mico_array x = {0}, y = {0};
    mico_status rc = read_entry(&x, z, images, err);

    if (rc == MICO_OK)
        rc = read_entry(&y, z, labels, err);
    if (rc == MICO_OK && (rc = mico_data_take_images(out, &x, err)) != MICO_OK)
        mico_err_prefix(err, "%s", images);
    if (rc == MICO_OK && (rc = mico_data_take_labels(out, &y, err)) != MICO_OK)
        mico_err_prefix(err, "%s", labels);
    mico_array_clear(&x);
    mico_array_clear(&y);
    return rc;
}

mico_status mico_npz_sets(mico_dataset *out, const uint8_t *bytes, size_t n,
                          mico_err *err)
{
    static const char *const test_names[][2] = {
        {"x_test", "y_test"}, {"x", "y"}, {"images", "labels"}};
    npz z;
    size_t i = 0;
    mico_status rc = open_npz(&z, bytes, n, err);

    if (rc != MICO_OK)
        return rc;
    while (i < 3 && find_entry(&z, test_names[i][0]) < 0)
        i++;
    if (i == 3)
        rc = no_entry(&z, "x_test, x or images", err);
    else
        rc = read_set(&out->test, &z, test_names[i][0], test_names[i][1], err);
    if (rc == MICO_OK && i == 0 &&
        (find_entry(&z, "x_train") >= 0 || find_entry(&z, "y_train") >= 0))
        rc = read_set(&out->train, &z, "x_train", "y_train", err);
    zip_discard(z.zip);
    return rc;
}
