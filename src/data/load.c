/* mico_dataset_load: what a spec names, and the checks that every data set passes. */
#include "data/data_internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t hdf5_magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

static bool begins(const uint8_t *bytes, size_t n, const void *magic, size_t magic_n)
{
    return n >= magic_n && memcmp(bytes, magic, magic_n) == 0;
}

static bool looks_npy(const uint8_t *bytes, size_t n)
{
    return begins(bytes, n, "\x93NUMPY", 6);
}

static bool looks_idx(const uint8_t *bytes, size_t n)
{
    return n >= 4 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 8 && bytes[2] <= 14;
}

static mico_status array_from(mico_array *out, const uint8_t *bytes, size_t n,
                              bool *npy, bool *viewed, mico_err *err)
{
    *npy = looks_npy(bytes, n);
    if (*npy)
        return mico_npy_view(out, bytes, n, viewed, err);
    if (looks_idx(bytes, n) || n < 4)
        return mico_idx_view(out, bytes, n, viewed, err);
    return mico_fail(err, MICO_EFORMAT, "is neither an IDX nor an npy file");
}

static mico_status array_unpacked(mico_array *out, const char *path, bool *npy,
                                  mico_err *err)
{
    uint8_t *bytes;
    size_t n;
    mico_status rc = mico_file_read(&bytes, &n, path, MICO_DATA_LIMIT_BYTES, err);

    if (rc != MICO_OK)
        return rc;
    if ((rc = array_from(out, bytes, n, npy, NULL, err)) != MICO_OK)
        mico_err_prefix(err, "%s", path);
    free(bytes);
    return rc;
}

/* A plain file stays where it is: the array is a view of it, whatever its size. */
mico_status mico_array_load(mico_array *out, const char *path, bool *npy, mico_err *err)
{
    mico_map map = {0};
    bool viewed = false;
    mico_status rc = mico_map_file(&map, path, err);

    if (rc != MICO_OK)
        return rc;
    if (begins(map.base, map.bytes, "\x1f\x8b", 2)) {
        mico_map_free(&map);
        return array_unpacked(out, path, npy, err);
    }
    rc = array_from(out, map.base, map.bytes, npy, &viewed, err);
    if (rc == MICO_OK && viewed)
        out->map = map;
    else
        mico_map_free(&map);
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", path);
    return rc;
}

mico_status mico_pair_set(mico_data *out, const char *images, const char *labels,
                          bool *from_one, mico_err *err)
{
    mico_array x = {0}, y = {0};
    bool npy;
    mico_status rc = mico_array_load(&x, images, &npy, err);

    if (rc == MICO_OK)
        rc = mico_array_load(&y, labels, &npy, err);
    if (rc == MICO_OK && (rc = mico_data_take_images(out, &x, err)) != MICO_OK)
        mico_err_prefix(err, "%s", images);
    if (rc == MICO_OK && (rc = mico_data_take_labels(out, &y, err)) != MICO_OK)
        mico_err_prefix(err, "%s", labels);
    if (rc == MICO_OK)
        *from_one = npy;
    mico_array_clear(&x);
    mico_array_clear(&y);
    return rc;
}

/* A file that holds a whole data set, by content. */
static mico_status load_bytes(mico_dataset *out, const uint8_t *bytes, size_t n,
                              bool *from_one, mico_err *err)
{
    mico_table train = {0}, test = {0};
    mico_status rc;

    *from_one = true;
    if (begins(bytes, n, "PK", 2))
        return mico_npz_sets(out, bytes, n, err);
    if (begins(bytes, n, hdf5_magic, sizeof hdf5_magic))
        return mico_fail(err, MICO_EUNSUP, "a compressed HDF5 file: gunzip it first");
    if (looks_npy(bytes, n) || looks_idx(bytes, n))
        return mico_fail(err, MICO_EDATA,
                         "one array only: give a pair \"IMAGES,LABELS\" or the folder");
    if (memchr(bytes, 0, n) != NULL)
        return mico_fail(
            err, MICO_EFORMAT,
            "no data set: looked for an HDF5 data-set file, an npz file and "
            "lines of comma separated integers");
    rc = mico_csv_read(&test, bytes, n, err);
    if (rc == MICO_OK)
        rc = mico_table_sets(out, &train, &test, err);
    mico_table_clear(&test);
    return rc;
}

static mico_status load_file(mico_dataset *out, const char *path, bool *from_one,
                             mico_err *err)
{
    uint8_t head[sizeof hdf5_magic];
    uint8_t *bytes;
    size_t n;
    FILE *f = fopen(path, "rb");
    mico_status rc;

    if (f == NULL)
        return mico_fail(err, MICO_EIO, "%s: %s", path, strerror(errno));
    n = fread(head, 1, sizeof head, f);
    fclose(f);
    if (begins(head, n, hdf5_magic, sizeof hdf5_magic)) {
        rc = mico_h5_sets(out, path, err);
    } else {
        rc = mico_file_read(&bytes, &n, path, MICO_DATA_LIMIT_BYTES, err);
        if (rc != MICO_OK)
            return rc;
        rc = load_bytes(out, bytes, n, from_one, err);
        free(bytes);
    }
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", path);
    return rc;
}

static mico_status load_spec(mico_dataset *out, const char *spec, bool *from_one,
                             mico_err *err)
{
    const char *comma = strchr(spec, ',');
    char *images;
    mico_status rc;

    if (spec[0] == '\0')
        return mico_fail(err, MICO_EDATA, "no data set is named");
    if (mico_dir_exists(spec))
        return mico_folder_sets(out, spec, from_one, err);
    if (mico_file_exists(spec))
        return load_file(out, spec, from_one, err);
    if (comma == NULL)
        return mico_fail(err, MICO_EDATA,
                         "%s: no such file or folder: give a folder, a file or a pair "
                         "\"IMAGES,LABELS\"",
                         spec);
    if (strchr(comma + 1, ',') != NULL)
        return mico_fail(err, MICO_EDATA,
                         "%s: a pair has one comma: give \"IMAGES,LABELS\"", spec);
    images = mico_xstrdup(spec);
    images[comma - spec] = '\0';
    rc = mico_pair_set(&out->test, images, comma + 1, from_one, err);
    free(images);
    return rc;
}

/* ---- what every data set passes ------------------------------------------------- */

static void label_range(const mico_data *data, unsigned *lo, unsigned *hi)
{
    *lo = MICO_LABEL_MAX;
    *hi = 0;
    for (size_t i = 0; i < data->n; i++) {
        *lo = data->label[i] < *lo ? data->label[i] : *lo;
        *hi = data->label[i] > *hi ? data->label[i] : *hi;
    }
}

static void shift_labels(mico_data *data)
{
    for (size_t i = 0; i < data->n; i++)
        data->label[i]--;
}

static void settle_labels(mico_dataset *set, bool from_one)
{
    unsigned lo, hi, lo_train, hi_train;

    label_range(&set->test, &lo, &hi);
    label_range(&set->train, &lo_train, &hi_train);
    if (from_one && lo == 1 && (set->train.n == 0 || lo_train == 1)) {
        shift_labels(&set->test);
        shift_labels(&set->train);
        hi--;
        hi_train--;
    }
    set->test.n_classes = (size_t)hi + 1;
    set->train.n_classes = set->train.n > 0 ? (size_t)hi_train + 1 : 0;
}

static mico_status check_alike(const mico_dataset *set, mico_err *err)
{
    const mico_data *a = &set->train, *b = &set->test;
    char shape_a[48], shape_b[48];

    if (a->n == 0 || (a->type == b->type && a->shape.rank == b->shape.rank &&
                      memcmp(a->shape.dim, b->shape.dim,
                             a->shape.rank * sizeof a->shape.dim[0]) == 0))
        return MICO_OK;
    mico_shape_print(&a->shape, shape_a);
    mico_shape_print(&b->shape, shape_b);
    return mico_fail(err, MICO_EDATA, "training images are %s %s, test images %s %s",
                     mico_raw_text(a->type), shape_a, mico_raw_text(b->type), shape_b);
}

static uint64_t hash_data(const mico_data *data, uint64_t seed)
{
    mico_writer w = {0};
    uint64_t h;

    mico_put_u64(&w, data->n);
    mico_put_u64(&w, data->shape.rank);
    for (size_t i = 0; i < data->shape.rank; i++)
        mico_put_u64(&w, data->shape.dim[i]);
    mico_put_text(&w, mico_raw_text(data->type));
    h = mico_hash(w.bytes, w.len, seed);
    mico_writer_free(&w);
    if (data->n == 0)
        return h;
    h = mico_hash(data->raw,
                  data->n * mico_shape_count(&data->shape) * mico_raw_bytes(data->type),
                  h);
    return mico_hash(data->label, data->n * sizeof data->label[0], h);
}

mico_status mico_dataset_load(mico_dataset **out, const char *spec,
                              const char *transform, mico_err *err)
{
    mico_dataset *set = mico_xcalloc(1, sizeof *set);
    bool from_one = false;
    mico_status rc = load_spec(set, spec, &from_one, err);

    if (rc != MICO_OK)
        goto out;
    rc = check_alike(set, err);
    if (rc == MICO_OK && transform != NULL) {
        rc = mico_data_transform(&set->test, transform, err);
        if (rc == MICO_OK && set->train.n > 0)
            rc = mico_data_transform(&set->train, transform, err);
    }
    if (rc != MICO_OK) {
        mico_err_prefix(err, "%s", spec);
        goto out;
    }
    settle_labels(set, from_one);
    set->hash = hash_data(&set->test, hash_data(&set->train, 0));
out:
    if (rc != MICO_OK) {
        mico_dataset_free(set);
        return rc;
    }
    *out = set;
    return MICO_OK;
}

void mico_dataset_free(mico_dataset *data)
{
    if (data == NULL)
        return;
    mico_data_clear(&data->train);
    mico_data_clear(&data->test);
    free(data);
}
