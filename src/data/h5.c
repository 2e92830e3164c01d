/* The data-set file of ours: HDF5 with /train and /test, each `images` and `labels`. */
#include "data/data_internal.h"

#include "core/mem.h"
#include "core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FORMAT_ATTRIBUTE "format_version"
#define FORMAT_VERSION   1
#define CHUNK_BYTES      ((size_t)1 << 20)

static hid_t file_type(mico_raw_type type)
{
    return type == MICO_RAW_U8   ? H5T_STD_U8LE
           : type == MICO_RAW_S8 ? H5T_STD_I8LE
                                 : H5T_IEEE_F32LE;
}

static hid_t memory_type(mico_raw_type type)
{
    return type == MICO_RAW_U8   ? H5T_NATIVE_UINT8
           : type == MICO_RAW_S8 ? H5T_NATIVE_INT8
                                 : H5T_NATIVE_FLOAT;
}

/* ---- reading -------------------------------------------------------------------- */

/* An object of this very file: no soft or external link leads a reader elsewhere. */
static bool is_hard_link(hid_t at, const char *name)
{
    H5L_info_t info;

    return H5Lexists(at, name, H5P_DEFAULT) > 0 &&
           H5Lget_info(at, name, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

/* Refuses values that lie outside the file and storage that cannot hold what the
 * dimensions declare: the memory is taken on their word. */
static mico_status check_storage(hid_t set, const hsize_t *dim, int rank, size_t bytes,
                                 mico_err *err)
{
    hid_t plist = H5Dget_create_plist(set);
    H5D_layout_t layout = H5Pget_layout(plist);
    hsize_t chunk[H5S_MAX_RANK];
    hsize_t stored = H5Dget_storage_size(set);
    int filters = H5Pget_nfilters(plist);
    bool deflated = false;
    mico_status rc = MICO_OK;

    if (layout == H5D_VIRTUAL || layout < 0 || H5Pget_external_count(plist) != 0)
        rc = mico_fail(err, MICO_EUNSUP, "its values are not in this file");
    if (rc == MICO_OK && layout == H5D_CHUNKED &&
        H5Pget_chunk(plist, H5S_MAX_RANK, chunk) != rank)
        rc = mico_fail(err, MICO_EFORMAT, "damaged chunk layout");
    for (int i = 0; rc == MICO_OK && layout == H5D_CHUNKED && i < rank; i++) {
        if (chunk[i] > dim[i])
            rc = mico_fail(err, MICO_EFORMAT, "chunks are larger than the array");
    }
    for (int i = 0; rc == MICO_OK && i < filters; i++) {
        unsigned flags;
        size_t n_values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, 0, NULL, NULL);

        if (filter == H5Z_FILTER_DEFLATE && !deflated)
            deflated = true;
        else if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            rc = mico_fail(err, MICO_EUNSUP,
                           "filter %d: deflate, shuffle and fletcher32 are read",
                           (int)filter);
    }
    if (rc == MICO_OK && bytes / (deflated ? MICO_DEFLATE_RATIO : 1) > stored)
        rc = mico_fail(err, MICO_EFORMAT, "%zu bytes declared, %zu bytes stored", bytes,
                       (size_t)stored);
    H5Pclose(plist);
    return rc;
}

static bool known_type(hid_t type, mico_array *out)
{
    H5T_class_t class = H5Tget_class(type);
    size_t size = H5Tget_size(type);

    out->elem_bytes = size;
    if (class == H5T_FLOAT) {
        out->kind = 'f';
        return size == 4;
    }
    out->kind = H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i';
    return class == H5T_INTEGER && H5Tget_precision(type) == 8 * size &&
           (size == 1 || (size == 2 && out->kind == 'u'));
}

static mico_status read_values(mico_array *out, hid_t set, mico_err *err)
{
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    int rank = H5Sget_simple_extent_ndims(space);
    hsize_t dim[H5S_MAX_RANK];
    size_t count;
    hid_t memory;
    mico_array made = {0};
    mico_status rc = MICO_OK;

    if (!known_type(type, &made))
        rc = mico_fail(err, MICO_EUNSUP, "type is none of u8, s8, f32 and u16");
    else if (rank < 1 || rank > 4 ||
             H5Sget_simple_extent_dims(space, dim, NULL) != rank)
        rc = mico_fail(err, MICO_EUNSUP, "1 to 4 dimensions are read");
    if (rc != MICO_OK)
        goto out;
    made.rank = (size_t)rank;
    for (int i = 0; i < rank; i++)
        made.dim[i] = (size_t)dim[i];
    if (!mico_array_count(&made, &count) ||
        count > MICO_DATA_LIMIT_BYTES / made.elem_bytes)
        rc = mico_fail(err, MICO_ELIMIT, "more than %zu bytes", MICO_DATA_LIMIT_BYTES);
    else
        rc = check_storage(set, dim, rank, count * made.elem_bytes, err);
    if (rc == MICO_OK)
        rc = mico_array_alloc(&made, count, err);
    if (rc != MICO_OK)
        goto out;
    memory = made.kind == 'f'       ? H5T_NATIVE_FLOAT
             : made.kind == 'i'     ? H5T_NATIVE_INT8
             : made.elem_bytes == 1 ? H5T_NATIVE_UINT8
                                    : H5T_NATIVE_UINT16;
    if (count > 0 &&
        H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, made.values) < 0) {
        mico_array_clear(&made);
        rc = mico_fail(err, MICO_EFORMAT, "values are damaged or cut");
    }
out:
    H5Sclose(space);
    H5Tclose(type);
    if (rc == MICO_OK)
        *out = made;
    return rc;
}

static mico_status read_array(mico_array *out, hid_t group, const char *name,
                              mico_err *err)
{
    hid_t set = is_hard_link(group, name) ? H5Oopen(group, name, H5P_DEFAULT) : -1;
    mico_status rc;

    if (set >= 0 && H5Iget_type(set) == H5I_DATASET)
        rc = read_values(out, set, err);
    else
        rc = mico_fail(err, MICO_EFORMAT, "is not there");
    if (set >= 0)
        H5Oclose(set);
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", name);
    return rc;
}

static mico_status read_set(mico_data *out, hid_t file, const char *name, mico_err *err)
{
    mico_array images = {0}, labels = {0};
    hid_t group = H5Oopen(file, name, H5P_DEFAULT);
    mico_status rc;

    if (group < 0 || H5Iget_type(group) != H5I_GROUP)
        rc = mico_fail(err, MICO_EFORMAT, "is not a group");
    else if ((rc = read_array(&images, group, "images", err)) == MICO_OK)
        rc = read_array(&labels, group, "labels", err);
    if (rc == MICO_OK && (rc = mico_data_take_images(out, &images, err)) == MICO_OK)
        rc = mico_data_take_labels(out, &labels, err);
    if (rc != MICO_OK)
        mico_err_prefix(err, "/%s", name);
    mico_array_clear(&images);
    mico_array_clear(&labels);
    if (group >= 0)
        H5Oclose(group);
    return rc;
}

/* A file without the attribute is taken as version 1. */
static mico_status check_version(hid_t file, mico_err *err)
{
    long long version = -1;
    hid_t attribute, space;

    if (H5Aexists(file, FORMAT_ATTRIBUTE) <= 0)
        return MICO_OK;
    attribute = H5Aopen(file, FORMAT_ATTRIBUTE, H5P_DEFAULT);
    space = H5Aget_space(attribute);
    if (H5Sget_simple_extent_npoints(space) == 1)
        H5Aread(attribute, H5T_NATIVE_LLONG, &version);
    H5Sclose(space);
    H5Aclose(attribute);
    return version == FORMAT_VERSION
               ? MICO_OK
               : mico_fail(err, MICO_EUNSUP,
                           "data-set file of version %lld: %d is read", version,
                           FORMAT_VERSION);
}

static mico_status read_file(mico_dataset *out, const char *path, mico_err *err)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file;
    mico_status rc;

    /* a file that is only read needs no lock, which some cluster file systems lack */
    H5Pset_file_locking(access, false, true);
    file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (file < 0)
        return mico_fail(err, MICO_EFORMAT, "cannot be opened as an HDF5 file");
    if (!is_hard_link(file, "test"))
        rc = mico_fail(err, MICO_EDATA,
                       "no group /test in this HDF5 file: it is no data-set file");
    else if ((rc = check_version(file, err)) == MICO_OK)
        rc = read_set(&out->test, file, "test", err);
    if (rc == MICO_OK && H5Lexists(file, "train", H5P_DEFAULT) > 0)
        rc = is_hard_link(file, "train")
                 ? read_set(&out->train, file, "train", err)
                 : mico_fail(err, MICO_EUNSUP, "/train is a link to elsewhere");
    H5Fclose(file);
    return rc;
}

mico_status mico_h5_sets(mico_dataset *out, const char *path, mico_err *err)
{
    mico_status rc;

    H5E_BEGIN_TRY
    {
        rc = read_file(out, path, err);
    }
    H5E_END_TRY
    return rc;
}

/* ---- writing -------------------------------------------------------------------- */

/* Deflated in checksummed chunks of about CHUNK_BYTES, without times: equal data, equal
 * bytes. */
static bool write_array(hid_t group, const char *name, hid_t stored_as, hid_t memory,
                        const hsize_t *dim, int rank, const void *values)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(rank, dim, NULL);
    hsize_t chunk[4] = {1};
    size_t row_bytes = H5Tget_size(stored_as);
    hid_t set;
    bool ok;

    for (int i = 1; i < rank; i++) {
        chunk[i] = dim[i];
        row_bytes *= (size_t)dim[i];
    }
    chunk[0] = row_bytes < CHUNK_BYTES ? CHUNK_BYTES / row_bytes : 1;
    chunk[0] = chunk[0] < dim[0] ? chunk[0] : dim[0];
    ok = H5Pset_chunk(plist, rank, chunk) >= 0 && H5Pset_shuffle(plist) >= 0 &&
         H5Pset_deflate(plist, 4) >= 0 && H5Pset_fletcher32(plist) >= 0 &&
         H5Pset_obj_track_times(plist, false) >= 0;
    set = H5Dcreate2(group, name, stored_as, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    ok = ok && set >= 0 &&
         H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
    ok = set >= 0 && H5Dclose(set) >= 0 && ok;
    H5Sclose(space);
    H5Pclose(plist);
    return ok;
}

static bool write_set(hid_t file, const char *name, const mico_data *data)
{
    hsize_t dim[4] = {data->n};
    int rank = (int)data->shape.rank + 1;
    hid_t group, plist;
    bool ok;

    if (data->n == 0)
        return true;
    for (int i = 1; i < rank; i++)
        dim[i] = data->shape.dim[i - 1];
    plist = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(plist, false);
    group = H5Gcreate2(file, name, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Pclose(plist);
    ok = group >= 0 &&
         write_array(group, "images", file_type(data->type), memory_type(data->type),
                     dim, rank, data->raw) &&
         write_array(group, "labels", H5T_STD_U16LE, H5T_NATIVE_UINT16, dim, 1,
                     data->label);
    return group >= 0 && H5Gclose(group) >= 0 && ok;
}

static bool write_version(hid_t file)
{
    const unsigned version = FORMAT_VERSION;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, FORMAT_ATTRIBUTE, H5T_STD_U32LE, space,
                                 H5P_DEFAULT, H5P_DEFAULT);
    bool ok = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_UINT, &version) >= 0;

    ok = attribute >= 0 && H5Aclose(attribute) >= 0 && ok;
    H5Sclose(space);
    return ok;
}

static mico_status write_file(const mico_dataset *data, const char *path, mico_err *err)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE),
          file;
    bool ok;

    H5Pset_obj_track_times(create, false);
    /* the formats before 1.10 keep no checksums of their structure, and a damaged one
     * can take the HDF5 library down */
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    H5Pclose(access);
    H5Pclose(create);
    ok = file >= 0 && write_version(file) && write_set(file, "train", &data->train) &&
         write_set(file, "test", &data->test);
    ok = file >= 0 && H5Fclose(file) >= 0 && ok;
    return ok ? MICO_OK
              : mico_fail(err, MICO_EIO, "%s: cannot write this HDF5 file", path);
}

/* Brings a written file to the disk, then to its name: nobody sees half a file. */
static mico_status move_file(const char *from, const char *to, mico_err *err)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int saved = errno;

    if (fd >= 0)
        close(fd);
    if (ok && rename(from, to) == 0)
        return MICO_OK;
    saved = ok ? errno : saved;
    return mico_fail(err, MICO_EIO, "%s: cannot write: %s", to, strerror(saved));
}

mico_status mico_dataset_save(const mico_dataset *data, const char *path, mico_err *err)
{
    mico_str temporary = {0};
    mico_status rc = MICO_OK;

    if (data->test.n == 0)
        return mico_fail(err, MICO_EDATA, "%s: a data set without test images", path);
    mico_str_add(&temporary, "%s.tmp%ld", path, (long)getpid());
    H5E_BEGIN_TRY
    {
        rc = write_file(data, temporary.text, err);
    }
    H5E_END_TRY
    if (rc == MICO_OK)
        rc = move_file(temporary.text, path, err);
    if (rc != MICO_OK)
        unlink(temporary.text);
    mico_str_free(&temporary);
    return rc;
}
