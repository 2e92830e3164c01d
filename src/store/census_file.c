/* The HDF5 file of a census. */
#include "store/parts.h"
#include "store/store_internal.h"

#include "core/file.h"
#include "core/mem.h"
#include "core/seal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REMEDY "make it again"

#define FORMAT      1
#define MOST_BYTES  ((size_t)1 << 30)
#define ATTRIBUTE   "mico_table"
#define DESCRIPTION "every scheme of a search space, evaluated (mico bench-table)"

static void put_explained(mico_h5 *h, hid_t file, const char *name, const char *units,
                          const char *text)
{
    mico_h5_attr_text(h, file, name, "units", units);
    mico_h5_attr_text(h, file, name, "long_name", text);
}

static void put_census(mico_h5 *h, hid_t file, const mico_census *census)
{
    mico_study_run layers = {.problem = census->problem,
                             .layer_kind = census->layer_kind,
                             .layer_weights = census->layer_weights};
    hsize_t n = census->n;

    mico_h5_attr_int(h, file, ".", ATTRIBUTE, FORMAT);
    mico_h5_attr_text(h, file, ".", "title", DESCRIPTION);
    mico_h5_attr_text(h, file, ".", "version", census->version);
    mico_h5_attr_text(h, file, ".", "net", census->net);
    mico_h5_attr_hex(h, file, ".", "net_hash", census->net_hash);
    mico_h5_attr_hex(h, file, ".", "data_hash", census->data_hash);
    mico_h5_attr_hex(h, file, ".", "calibration_hash", census->calib_hash);
    mico_h5_attr_hex(h, file, ".", "digest", census->digest);
    mico_h5_attr_int(h, file, ".", "schemes", (int64_t)census->n);
    mico_h5_attr_int(h, file, ".", "images", (int64_t)census->images);
    mico_h5_attr_int(h, file, ".", "fp32_correct", census->fp32_correct);
    mico_h5_put_text(h, file, "setting", census->setting);
    mico_part_put_layers(h, file, &layers);
    mico_part_put_problem(h, file, &census->problem);
    mico_h5_put(h, file, "correct", H5T_STD_U32LE, H5T_NATIVE_UINT32, 1, &n,
                census->correct);
    put_explained(h, file, "correct", "1",
                  "images predicted correctly, by scheme in mixed-radix order of the "
                  "variables, the last one fastest; 4294967295: refused");
    if (census->loss == NULL)
        return;
    mico_h5_put(h, file, "loss", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &n,
                census->loss);
    put_explained(h, file, "loss", "nat", "mean cross-entropy");
}

mico_status mico_census_save(const mico_census *census, const char *path, mico_err *err)
{
    mico_writer image;
    hid_t file;
    mico_status rc;
    mico_h5 h;

    mico_h5_begin(&h, path, MICO_ESTORE, err);
    file = mico_part_new_file(&h);
    if (mico_h5_ok(&h))
        put_census(&h, file, census);
    image = mico_part_bytes(&h, file);
    if (file >= 0)
        H5Fclose(file);
    rc = mico_h5_end(&h);
    if (rc == MICO_OK)
        rc = mico_file_write(path, image.bytes, image.len, err);
    mico_writer_free(&image);
    return rc;
}

/* ---- reading -------------------------------------------------------------------- */

static mico_status check_bytes(const char *path, const uint8_t *bytes, size_t n,
                               mico_err *err)
{
    const mico_status rc = mico_part_check_bytes(path, bytes, n, REMEDY, err);

    if (rc == MICO_OK && mico_seal_check(bytes, n) == MICO_SEAL_NONE)
        return mico_fail(
            err, MICO_EFORMAT,
            "%s: has no seal: cut, changed by another program, or no table "
            "of mico bench-table; " REMEDY,
            path);
    return rc;
}

static void get_columns(mico_h5 *h, hid_t file, mico_census *census)
{
    size_t n = census->n;
    mico_err why;

    if (mico_h5_ok(h) &&
        mico_try_array((void **)&census->correct, n, sizeof *census->correct,
                       MICO_CENSUS_MOST * sizeof *census->correct, "counts",
                       &why) != MICO_OK)
        mico_h5_wrong(h, "%s", why.text);
    if (mico_h5_ok(h))
        mico_h5_get(h, file, "correct", H5T_NATIVE_UINT32, n, census->correct,
                    n * sizeof *census->correct);
    for (size_t i = 0; i < n && mico_h5_ok(h); i++)
        if (census->correct[i] > census->images &&
            census->correct[i] != MICO_CENSUS_REFUSED)
            mico_h5_wrong(h, "scheme %zu has %u of %llu images right", i,
                          census->correct[i], (unsigned long long)census->images);
    if (!mico_h5_has(h, file, "loss"))
        return;
    if (mico_try_array((void **)&census->loss, n, sizeof *census->loss,
                       MICO_CENSUS_MOST * sizeof *census->loss, "losses",
                       &why) != MICO_OK)
        mico_h5_wrong(h, "%s", why.text);
    if (mico_h5_ok(h))
        mico_h5_get(h, file, "loss", H5T_NATIVE_DOUBLE, n, census->loss,
                    n * sizeof *census->loss);
}

static void get_census(mico_h5 *h, hid_t file, mico_census *census)
{
    mico_study_run layers = {0};
    size_t n = 0;
    mico_err why;

    if (mico_h5_ok(h) && H5Aexists(file, ATTRIBUTE) <= 0)
        mico_h5_wrong(h,
                      "not a table of mico bench-table (no attribute " ATTRIBUTE ")");
    mico_h5_get_attr_int(h, file, ATTRIBUTE, 1, FORMAT);
    mico_h5_get_attr_in(h, file, "version", census->version, sizeof census->version);
    mico_h5_get_attr_in(h, file, "net", census->net, sizeof census->net);
    census->net_hash = mico_h5_get_attr_hex(h, file, "net_hash");
    census->data_hash = mico_h5_get_attr_hex(h, file, "data_hash");
    census->calib_hash = mico_h5_get_attr_hex(h, file, "calibration_hash");
    census->digest = mico_h5_get_attr_hex(h, file, "digest");
    census->images =
        (uint64_t)mico_h5_get_attr_int(h, file, "images", 1, MICO_CENSUS_REFUSED - 1);
    census->n =
        (size_t)mico_h5_get_attr_int(h, file, "schemes", 1, (int64_t)MICO_CENSUS_MOST);
    census->fp32_correct =
        mico_h5_get_attr_int(h, file, "fp32_correct", -1, (int64_t)census->images);
    census->setting = mico_h5_get_text(h, file, "setting");
    mico_part_get_problem(h, file, &layers.problem);
    mico_part_get_layers(h, file, &layers);
    census->problem = layers.problem;
    census->layer_kind = layers.layer_kind;
    census->layer_weights = layers.layer_weights;
    if (!mico_h5_ok(h))
        return;
    if (mico_census_count(&census->problem.space, &n, &why) != MICO_OK)
        mico_h5_wrong(h, "%s", why.text);
    else if (n != census->n)
        mico_h5_wrong(h, "%zu schemes of a space of %zu", census->n, n);
    census->problem.n_constraints = 0;
    get_columns(h, file, census);
}

mico_status mico_census_load(mico_census **out, const char *path, mico_err *err)
{
    mico_census *census = NULL;
    uint8_t *bytes = NULL;
    size_t n;
    mico_h5 h;
    hid_t file;
    mico_status rc = mico_file_read(&bytes, &n, path, MOST_BYTES, err);

    if (rc == MICO_OK)
        rc = check_bytes(path, bytes, n, err);
    if (rc != MICO_OK)
        goto out;
    census = mico_xcalloc(1, sizeof *census);
    mico_h5_begin(&h, path, MICO_EFORMAT, err);
    file = mico_part_open_bytes(&h, bytes, n, REMEDY);
    get_census(&h, file, census);
    if (file >= 0)
        H5Fclose(file);
    rc = mico_h5_end(&h);
    if (rc == MICO_OK && mico_census_digest(census) != census->digest)
        rc = mico_fail(err, MICO_EFORMAT, "%s: its digest is not that of its contents",
                       path);
    if (rc != MICO_OK)
        goto out;
    *out = census;
    census = NULL;
out:
    mico_census_free(census);
    free(bytes);
    return rc;
}
