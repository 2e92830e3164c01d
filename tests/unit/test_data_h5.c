/* Tests of the data-set file of ours: hostile files first, then what is saved comes
 * back. */
#include "data/data.h"

#include "support/data_bytes.h"
#include "support/suite.h"

#include <fcntl.h>
#include <hdf5.h>
#include <sys/wait.h>
#include <time.h>

static void refuse(const char *path, mico_status status, const char *says)
{
    mico_dataset *set = NULL;
    mico_err err = {0};

    CU_ASSERT_EQUAL(mico_dataset_load(&set, path, NULL, &err), status);
    CU_ASSERT_PTR_NULL(set);
    check_says(&err, says);
    mico_dataset_free(set);
}

/* How a hostile file's array differs from images of u8 2x1x3 with labels 1 and 0. */
typedef struct array_form {
    hid_t type;
    int rank;
    hsize_t dim[5], chunk[5];
    bool unwritten;       /* late allocation: the file holds no values */
    const char *external; /* values are in this other file */
    int filter;
} array_form;

static void put_array(hid_t group, const char *name, const array_form *f,
                      const void *values)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), set;
    hid_t space = H5Screate_simple(f->rank, f->dim, NULL);

    if (f->chunk[0] != 0)
        H5Pset_chunk(plist, f->rank, f->chunk);
    if (f->filter == H5Z_FILTER_SCALEOFFSET)
        H5Pset_scaleoffset(plist, H5Z_SO_INT, 0);
    if (f->filter == H5Z_FILTER_DEFLATE)
        H5Pset_deflate(plist, 1);
    if (f->external != NULL)
        H5Pset_external(plist, f->external, 0, 1000);
    set = H5Dcreate2(group, name, f->type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    CU_ASSERT_TRUE_FATAL(set >= 0);
    if (!f->unwritten)
        H5Dwrite(set, f->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(plist);
}

static void make_file(const char *path, const array_form *images,
                      const array_form *labels)
{
    static const uint64_t values[8] = {0x00060504, 0, 0, 0, 0, 0, 0, 0};
    static const uint16_t label[4] = {1, 0, 0, 0};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "test", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    put_array(group, "images", images, values);
    if (labels != NULL)
        put_array(group, "labels", labels, label);
    H5Gclose(group);
    H5Fclose(file);
}

static void t_hostile_arrays(void)
{
    const array_form labels = {.type = H5T_NATIVE_UINT16, .rank = 1, .dim = {2}};
    const array_form good = {.type = H5T_NATIVE_UINT8, .rank = 4, .dim = {2, 1, 1, 3}};
    const hsize_t big = (hsize_t)1 << 40;
    const struct {
        array_form images;
        mico_status status;
        const char *says;
    } row[] = {
        {{.type = H5T_NATIVE_UINT16, .rank = 2, .dim = {2, 3}},
         MICO_EUNSUP,
         "type u16"},
        {{.type = H5T_NATIVE_INT32, .rank = 2, .dim = {2, 3}},
         MICO_EUNSUP,
         "type is none"},
        {{.type = H5T_NATIVE_DOUBLE, .rank = 2, .dim = {2, 3}},
         MICO_EUNSUP,
         "type is none"},
        {{.type = H5T_STD_B8LE, .rank = 2, .dim = {2, 3}}, MICO_EUNSUP, "type is none"},
        {{.type = H5T_C_S1, .rank = 2, .dim = {2, 3}}, MICO_EUNSUP, "type is none"},
        {{.type = H5T_NATIVE_UINT8, .rank = 1, .dim = {2}}, MICO_EDATA, "2 to 4 dim"},
        {{.type = H5T_NATIVE_UINT8, .rank = 5, .dim = {2, 1, 1, 1, 3}},
         MICO_EUNSUP,
         "1 to 4"},
        {{.type = H5T_NATIVE_UINT8, .rank = 2, .dim = {0, 3}}, MICO_EDATA, "no images"},
        {{.type = H5T_NATIVE_UINT8, .rank = 2, .dim = {2, big}, .unwritten = true},
         MICO_ELIMIT,
         "more than"},
        {{.type = H5T_NATIVE_UINT8,
          .rank = 2,
          .dim = {big, big << 10},
          .chunk = {1, 1},
          .unwritten = true},
         MICO_ELIMIT,
         "more than"},
        {{.type = H5T_NATIVE_UINT8, .rank = 2, .dim = {2, 1 << 30}, .unwritten = true},
         MICO_EFORMAT,
         "2147483648 bytes declared, 0 bytes stored"},
        {{.type = H5T_NATIVE_UINT8,
          .rank = 2,
          .dim = {2, 1 << 30},
          .chunk = {1, 1 << 20},
          .filter = H5Z_FILTER_DEFLATE,
          .unwritten = true},
         MICO_EFORMAT,
         "2147483648 bytes declared, 0 bytes stored"},
        {{.type = H5T_NATIVE_UINT8,
          .rank = 2,
          .dim = {2, 3},
          .chunk = {1, 3},
          .filter = H5Z_FILTER_SCALEOFFSET},
         MICO_EUNSUP,
         "filter 6"},
        {{.type = H5T_NATIVE_UINT8,
          .rank = 2,
          .dim = {2, 3},
          .external = "other.raw",
          .unwritten = true},
         MICO_EUNSUP,
         "not in this file"},
        {{.type = H5T_NATIVE_UINT8, .rank = 2, .dim = {3, 3}},
         MICO_EDATA,
         "/test: 2 labels for 3 images"},
    };
    char dir[256];
    const char *path;
    mico_dataset *set;

    scratch_make(dir);
    path = scratch_path(dir, "x.h5");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        make_file(path, &row[i].images, &labels);
        refuse(path, row[i].status, row[i].says);
    }
    make_file(path, &good, NULL);
    refuse(path, MICO_EFORMAT, "/test: labels: is not there");
    make_file(path, &good, &labels);
    CU_ASSERT_EQUAL_FATAL(mico_dataset_load(&set, path, NULL, NULL), MICO_OK);
    CU_ASSERT_EQUAL(set->test.n, 2);
    CU_ASSERT_EQUAL(set->test.shape.rank, 3);
    CU_ASSERT_EQUAL(memcmp(set->test.raw, "\4\5\6\0\0\0", 6), 0);
    CU_ASSERT_EQUAL(set->test.label[0], 1);
    CU_ASSERT_EQUAL(set->train.n, 0);
    mico_dataset_free(set);
    scratch_remove(dir);
}

static void t_nan(void)
{
    const array_form images = {.type = H5T_NATIVE_FLOAT, .rank = 2, .dim = {2, 3}};
    const array_form labels = {.type = H5T_NATIVE_UINT16, .rank = 1, .dim = {2}};
    const float bad = -__builtin_inff();
    const hsize_t at[2] = {1, 2}, one[2] = {1, 1};
    char dir[256];
    const char *path;
    hid_t file, set, space, point;

    scratch_make(dir);
    path = scratch_path(dir, "x.h5");
    make_file(path, &images, &labels);
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    set = H5Dopen2(file, "test/images", H5P_DEFAULT);
    space = H5Dget_space(set);
    point = H5Screate_simple(2, one, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, one, NULL);
    H5Dwrite(set, H5T_NATIVE_FLOAT, point, space, H5P_DEFAULT, &bad);
    H5Sclose(point);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    refuse(path, MICO_EDATA, "/test: image 1: value 2 is not a finite");
    scratch_remove(dir);
}

static void t_links(void)
{
    const array_form good = {.type = H5T_NATIVE_UINT8, .rank = 2, .dim = {2, 3}};
    const array_form labels = {.type = H5T_NATIVE_UINT16, .rank = 1, .dim = {2}};
    char dir[256];
    const char *path, *other;
    hid_t file;

    scratch_make(dir);
    path = scratch_path(dir, "x.h5");
    other = scratch_path(dir, "other.h5");
    make_file(other, &good, &labels);
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    refuse(path, MICO_EDATA, "no group /test");
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    H5Lcreate_external(other, "/test", file, "test", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    refuse(path, MICO_EDATA, "no group /test");
    make_file(path, &good, &labels);
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    H5Lcreate_soft("/test", file, "train", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    refuse(path, MICO_EUNSUP, "/train is a link");
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_array(file, "test", &labels, "abcd");
    H5Fclose(file);
    refuse(path, MICO_EFORMAT, "/test: is not a group");
    scratch_remove(dir);
}

/* ---- round trips ---------------------------------------------------------------- */

static void check_same(const mico_data *a, const mico_data *b)
{
    size_t bytes =
        a->n * mico_shape_count(&a->shape) * (a->type == MICO_RAW_F32 ? 4 : 1);

    CU_ASSERT_EQUAL_FATAL(a->n, b->n);
    if (a->n == 0)
        return;
    CU_ASSERT_EQUAL(a->type, b->type);
    CU_ASSERT_EQUAL_FATAL(a->shape.rank, b->shape.rank);
    for (size_t i = 0; i < a->shape.rank; i++)
        CU_ASSERT_EQUAL_FATAL(a->shape.dim[i], b->shape.dim[i]);
    CU_ASSERT_EQUAL(memcmp(a->raw, b->raw, bytes), 0);
    CU_ASSERT_EQUAL(memcmp(a->label, b->label, a->n * 2), 0);
    CU_ASSERT_EQUAL(a->n_classes, b->n_classes);
}

static void round_trip(const char *dir, const mico_dataset *set)
{
    const char *path = scratch_path(dir, "set.h5"),
               *again = scratch_path(dir, "again.h5");
    mico_dataset *back = NULL;
    uint8_t *bytes[2];
    size_t n[2];
    mico_err err = {0};

    CU_ASSERT_EQUAL_FATAL(mico_dataset_save(set, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_dataset_load(&back, path, NULL, &err), MICO_OK);
    check_same(&set->train, &back->train);
    check_same(&set->test, &back->test);
    /* equal data, equal bytes, also in another second */
    nanosleep(&(struct timespec){1, 50000000}, NULL);
    CU_ASSERT_EQUAL_FATAL(mico_dataset_save(back, again, &err), MICO_OK);
    mico_file_read(&bytes[0], &n[0], path, 1 << 20, NULL);
    mico_file_read(&bytes[1], &n[1], again, 1 << 20, NULL);
    CU_ASSERT_EQUAL(n[0], n[1]);
    CU_ASSERT_EQUAL(memcmp(bytes[0], bytes[1], n[0]), 0);
    free(bytes[0]);
    free(bytes[1]);
    mico_dataset_free(back);
}

static void t_round_trip(void)
{
    uint8_t raw[2 * 3 * 4 * 5];
    float values[6] = {-1.5f, 0, 3.25f, 1e-40f, 3e38f, -0.0f};
    uint16_t label[3] = {1, 65535, 2}; /* that all start at 1 is kept */
    mico_dataset set = {.test = {.n = 2,
                                 .shape = {3, {3, 4, 5}},
                                 .raw = raw,
                                 .label = label,
                                 .n_classes = 65536}};
    char dir[256];
    mico_err err;

    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 37);
    scratch_make(dir);
    CU_ASSERT_EQUAL(mico_dataset_save(&(mico_dataset){0}, "nowhere.h5", &err),
                    MICO_EDATA);
    check_says(&err, "nowhere.h5: a data set without test images");
    CU_ASSERT_EQUAL(mico_dataset_save(&set, scratch_path(dir, "no/x.h5"), &err),
                    MICO_EIO);
    round_trip(dir, &set);
    set.test.type = MICO_RAW_S8;
    set.train = set.test;
    set.train.n = 1;
    set.train.n_classes = 2;
    round_trip(dir, &set);
    set.test = (mico_data){.n = 3,
                           .shape = {1, {2}},
                           .type = MICO_RAW_F32,
                           .raw = values,
                           .label = label,
                           .n_classes = 65536};
    set.train = set.test;
    set.train.shape = (mico_shape){1, {2}};
    round_trip(dir, &set);
    scratch_remove(dir);
}

static uint8_t small_raw[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static uint16_t small_label[2] = {0, 1};
static const mico_dataset small = {.test = {.n = 2,
                                            .shape = {3, {1, 2, 2}},
                                            .raw = small_raw,
                                            .label = small_label,
                                            .n_classes = 2}};

/* Cut anywhere, a file is refused. */
static void t_cut(void)
{
    char dir[256];
    uint8_t *bytes;
    size_t n;
    mico_dataset *back;
    mico_err err = {0};

    scratch_make(dir);
    CU_ASSERT_EQUAL_FATAL(mico_dataset_save(&small, scratch_path(dir, "x.h5"), &err),
                          MICO_OK);
    mico_file_read(&bytes, &n, scratch_path(dir, "x.h5"), 1 << 20, NULL);
    for (size_t cut = 0; cut < n; cut += 97) {
        scratch_write(dir, "cut.h5", bytes, cut);
        CU_ASSERT_NOT_EQUAL(
            mico_dataset_load(&back, scratch_path(dir, "cut.h5"), NULL, &err), MICO_OK);
    }
    free(bytes);
    scratch_remove(dir);
}

/* 0 if every file with one byte changed is refused or gives the same data. */
static int load_damaged(const char *path, const uint8_t *bytes, size_t n)
{
    int fd = open(path, O_RDWR);
    size_t refused = 0;

    for (size_t i = 0; i < n; i++) {
        const uint8_t bad = bytes[i] ^ 0x55;
        mico_dataset *back;

        /* the byte before is put right again */
        if (i > 0 && pwrite(fd, &bytes[i - 1], 1, (off_t)i - 1) != 1)
            return 4;
        if (pwrite(fd, &bad, 1, (off_t)i) != 1)
            return 4;
        if (mico_dataset_load(&back, path, NULL, NULL) != MICO_OK) {
            refused++;
            continue;
        }
        if (back->test.n != 2 ||
            memcmp(back->test.raw, small_raw, sizeof small_raw) != 0 ||
            memcmp(back->test.label, small_label, sizeof small_label) != 0)
            return 1;
        mico_dataset_free(back);
    }
    close(fd);
    if (refused < n / 10) /* most bytes of a small file are unused room */
        return 2;
    return H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) == 0 ? 0 : 3;
}

/* In a child: the HDF5 library itself leaks when it refuses a file. */
static void t_damaged(void)
{
    char dir[256];
    uint8_t *bytes;
    size_t n;
    pid_t child;
    int status = -1;

    scratch_make(dir);
    CU_ASSERT_EQUAL_FATAL(mico_dataset_save(&small, scratch_path(dir, "x.h5"), NULL),
                          MICO_OK);
    mico_file_read(&bytes, &n, scratch_path(dir, "x.h5"), 1 << 20, NULL);
    child = fork();
    if (child == 0)
        _exit(load_damaged(scratch_path(dir, "x.h5"), bytes, n));
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    free(bytes);
    scratch_remove(dir);
}

static void t_version(void)
{
    const array_form good = {.type = H5T_NATIVE_UINT8, .rank = 2, .dim = {2, 3}};
    const array_form labels = {.type = H5T_NATIVE_UINT16, .rank = 1, .dim = {2}};
    const int version = 2;
    char dir[256];
    const char *path;
    hid_t file, space, attribute;

    scratch_make(dir);
    path = scratch_path(dir, "x.h5");
    make_file(path, &good, &labels);
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    space = H5Screate(H5S_SCALAR);
    attribute = H5Acreate2(file, "format_version", H5T_NATIVE_INT, space, H5P_DEFAULT,
                           H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT, &version);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Fclose(file);
    refuse(path, MICO_EUNSUP, "version 2: 1 is read");
    scratch_remove(dir);
}

MICO_SUITE("data h5", {"hostile arrays", t_hostile_arrays}, {"nan", t_nan},
           {"links", t_links}, {"version", t_version}, {"round trip", t_round_trip},
           {"cut", t_cut}, {"damaged", t_damaged})
