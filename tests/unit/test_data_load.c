/* Tests of mico_dataset_load and _save: every form, in small and with real sets. */
#include "data/data.h"

#include "core/hash.h"
#include "support/data_bytes.h"
#include "support/suite.h"

#include <math.h>

#define REAL(name) MICO_SHARED_DIR "/data/datasets/" name
#define FASHION    "/usr/share/datasets/fashion-mnist"

static mico_dataset *load(const char *spec, const char *transform)
{
    mico_dataset *set = NULL;
    mico_err err;

    if (mico_dataset_load(&set, spec, transform, &err) != MICO_OK)
        printf("\n    %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    return set;
}

static void refuse(const char *spec, const char *transform, mico_status status,
                   const char *says)
{
    mico_dataset *set = NULL;
    mico_err err = {0};

    CU_ASSERT_EQUAL(mico_dataset_load(&set, spec, transform, &err), status);
    CU_ASSERT_PTR_NULL(set);
    check_says(&err, says);
    if (set != NULL)
        mico_dataset_free(set);
}

/* "dir/a,dir/b" */
static const char *pair(const char *dir, const char *a, const char *b)
{
    static char spec[1300];

    snprintf(spec, sizeof spec, "%s/%s,%s/%s", dir, a, dir, b);
    return spec;
}

static void check_set(const mico_data *d, size_t n, mico_raw_type type,
                      const char *shape, uint32_t crc, const size_t *histogram,
                      size_t n_classes)
{
    size_t count[256] = {0};
    char text[48];

    mico_shape_print(&d->shape, text);
    CU_ASSERT_EQUAL_FATAL(d->n, n);
    CU_ASSERT_EQUAL(d->type, type);
    CU_ASSERT_STRING_EQUAL(text, shape);
    CU_ASSERT_EQUAL_FATAL(d->n_classes, n_classes);
    CU_ASSERT_EQUAL(mico_crc32(d->raw, n * mico_shape_count(&d->shape) *
                                           (type == MICO_RAW_F32 ? 4 : 1)),
                    crc);
    for (size_t i = 0; i < n; i++)
        count[d->label[i] & 255]++;
    for (size_t c = 0; c < n_classes; c++)
        CU_ASSERT_EQUAL(count[c], histogram[c]);
}

/* ---- small files ---------------------------------------------------------------- */

static void write_idx(const char *dir, const char *name, uint8_t type, uint8_t rank,
                      const uint32_t *dim, const void *values, size_t n)
{
    data_bytes d;

    bytes_idx(&d, type, rank, dim);
    bytes_put(&d, values, n);
    scratch_write(dir, name, d.b, d.n);
}

static void write_npy(const char *dir, const char *name, const char *descr,
                      const char *shape, const void *values, size_t n)
{
    char header[200];
    data_bytes d;

    snprintf(header, sizeof header,
             "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
    bytes_npy(&d, 1, header);
    bytes_put(&d, values, n);
    scratch_write(dir, name, d.b, d.n);
}

static void t_spec_errors(void)
{
    char dir[256];

    scratch_make(dir);
    refuse("", NULL, MICO_EDATA, "no data set is named");
    refuse(scratch_path(dir, "none"), NULL, MICO_EDATA, "no such file or folder");
    refuse("a,b,c", NULL, MICO_EDATA, "one comma");
    refuse(dir, NULL, MICO_EDATA, "no data set in ");
    refuse(dir, NULL, MICO_EDATA, "looked for t10k-images* and t10k-labels*");
    refuse(pair(dir, "a", "b"), NULL, MICO_EIO, "/a: No such file");
    scratch_write(dir, "a", "", 0);
    refuse(pair(dir, "a", "a"), NULL, MICO_EFORMAT, "too short");
    refuse(scratch_path(dir, "a"), NULL, MICO_EDATA, "no images");
    scratch_write(dir, "a", "\x7f\x45\x4c\x46\0\0", 6);
    refuse(pair(dir, "a", "a"), NULL, MICO_EFORMAT, "neither an IDX nor an npy");
    refuse(scratch_path(dir, "a"), NULL, MICO_EFORMAT, "looked for an HDF5");
    scratch_write(dir, "a", "PK\3\4", 4);
    refuse(scratch_path(dir, "a"), NULL, MICO_EFORMAT, "damaged zip");
    write_idx(dir, "a", 8, 1, (const uint32_t[]){1}, "\0", 1);
    refuse(scratch_path(dir, "a"), NULL, MICO_EDATA, "one array only");
    scratch_remove(dir);
}

static void t_idx_pairs(void)
{
    const uint32_t two[1] = {2}, map[3] = {2, 1, 2}, maps[4] = {1, 2, 1, 2};
    const float good[4] = {0, 1, 2, 3};
    char dir[256];
    mico_dataset *set;

    scratch_make(dir);
    write_idx(dir, "l2", 8, 1, two, "\1\2", 2);
    write_idx(dir, "l3", 8, 1, (const uint32_t[]){3}, "\1\2\3", 3);
    write_idx(dir, "negative", 9, 1, two, "\1\xff", 2);
    write_idx(dir, "big", 12, 1, two, "\0\0\0\1\0\1\0\0", 8);
    write_idx(dir, "x", 8, 3, map, "abcd", 4);
    write_idx(dir, "none", 8, 3, (const uint32_t[]){0, 1, 2}, "", 0);
    write_idx(dir, "flatless", 8, 3, (const uint32_t[]){2, 0, 2}, "", 0);
    write_idx(dir, "wide", 11, 3, map, "aabbccdd", 8);
    write_idx(dir, "nan", 13, 2, (const uint32_t[]){2, 1}, "\0\0\0\0\x7f\xc0\0\0", 8);
    refuse(pair(dir, "x", "l3"), NULL, MICO_EDATA, "l3: 3 labels for 2 images");
    refuse(pair(dir, "x", "negative"), NULL, MICO_EDATA, "label 1 is -1");
    refuse(pair(dir, "x", "big"), NULL, MICO_EDATA, "label 1 is 65536");
    refuse(pair(dir, "x", "x"), NULL, MICO_EDATA, "labels are u8 2x1x2");
    refuse(pair(dir, "l2", "l2"), NULL, MICO_EDATA, "2 to 4 dimensions");
    refuse(pair(dir, "none", "l2"), NULL, MICO_EDATA, "no images");
    refuse(pair(dir, "flatless", "l2"), NULL, MICO_EDATA, "no images");
    refuse(pair(dir, "wide", "l2"), NULL, MICO_EUNSUP, "images of type i16");
    refuse(pair(dir, "nan", "l2"), NULL, MICO_EDATA,
           "image 1: value 0 is not a finite");

    set = load(pair(dir, "x", "l2"), NULL); /* IDX labels that start at 1 stay */
    check_set(&set->test, 2, MICO_RAW_U8, "1x1x2", mico_crc32("abcd", 4),
              (const size_t[]){0, 1, 1}, 3);
    CU_ASSERT_EQUAL(set->train.n, 0);
    CU_ASSERT_EQUAL(set->train.n_classes, 0);
    mico_dataset_free(set);

    write_idx(dir, "x", 9, 4, maps, "ab\xff\x80", 4);
    write_idx(dir, "l1", 8, 1, (const uint32_t[]){1}, "\0", 1);
    set = load(pair(dir, "x", "l1"), NULL);
    check_set(&set->test, 1, MICO_RAW_S8, "2x1x2", mico_crc32("ab\xff\x80", 4),
              (const size_t[]){1}, 1);
    mico_dataset_free(set);

    write_idx(dir, "x", 13, 2, (const uint32_t[]){2, 2},
              "\0\0\0\0\x3f\x80\0\0\x40\0\0\0\x40\x40\0\0", 16);
    set = load(pair(dir, "x", "l2"), NULL);
    check_set(&set->test, 2, MICO_RAW_F32, "2", mico_crc32(good, 16),
              (const size_t[]){0, 1, 1}, 3);
    mico_dataset_free(set);
    scratch_remove(dir);
}

static void t_idx_folder(void)
{
    const uint32_t two[1] = {2}, map[3] = {2, 2, 1};
    char dir[256];
    mico_dataset *set;
    uint64_t hash;

    scratch_make(dir);
    write_idx(dir, "test-images-idx3-ubyte", 8, 3, map, "abcd", 4);
    refuse(dir, NULL, MICO_EDATA, "is there, but no file is test-labels*");
    write_idx(dir, "test-labels-idx1-ubyte", 8, 1, two, "\1\0", 2);
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->test.n, 2);
    CU_ASSERT_EQUAL(set->train.n, 0);
    hash = set->hash;
    mico_dataset_free(set);

    write_idx(dir, "train-images-idx3-ubyte", 8, 3, (const uint32_t[]){2, 1, 2}, "efgh",
              4);
    refuse(dir, NULL, MICO_EDATA, "no file is train-labels*");
    write_idx(dir, "train-labels-idx1-ubyte", 8, 1, two, "\0\4", 2);
    refuse(dir, NULL, MICO_EDATA, "training images are u8 1x1x2, test images u8 1x2x1");
    write_idx(dir, "train-images-idx3-ubyte", 9, 3, map, "efgh", 4);
    refuse(dir, NULL, MICO_EDATA, "training images are s8");
    write_idx(dir, "train-images-idx3-ubyte", 8, 3, map, "efgh", 4);
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->train.n, 2);
    CU_ASSERT_EQUAL(set->train.n_classes, 5);
    CU_ASSERT_EQUAL(set->test.n_classes, 2);
    CU_ASSERT_NOT_EQUAL(set->hash, hash);
    hash = set->hash;
    mico_dataset_free(set);

    /* a packed twin is not a second candidate; another name is */
    scratch_write(dir, "test-labels-idx1-ubyte.gz", "nothing", 7);
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->hash, hash);
    mico_dataset_free(set);
    scratch_write(dir, "test-labels.old", "nothing", 7);
    refuse(dir, NULL, MICO_EDATA, "could be test-labels*");
    scratch_remove(dir);
}

static void t_hash(void)
{
    char dir[256];
    uint64_t hash[4];
    mico_dataset *set;

    scratch_make(dir);
    for (int i = 0; i < 4; i++) { /* another value, label, shape */
        write_idx(dir, "x", 8, 3,
                  i == 3 ? (const uint32_t[]){2, 2, 1} : (const uint32_t[]){2, 1, 2},
                  i == 1 ? "abcd" : "abce", 4);
        write_idx(dir, "y", 8, 1, (const uint32_t[]){2}, i == 2 ? "\0\1" : "\1\0", 2);
        set = load(pair(dir, "x", "y"), NULL);
        hash[i] = set->hash;
        mico_dataset_free(set);
        for (int j = 0; j < i; j++)
            CU_ASSERT_NOT_EQUAL(hash[i], hash[j]);
    }
    scratch_remove(dir);
}

static void t_npy(void)
{
    const double x[4] = {0.5, -1, 3, 1e10}, huge[4] = {0, 0, 0, 1e39};
    const float as_float[4] = {0.5f, -1, 3, 1e10f};
    const double y[2] = {1, 2}, half[2] = {1, 0.5};
    char dir[256], spec[1300];
    mico_dataset *set;
    float *v;

    scratch_make(dir);
    write_npy(dir, "X_test.npy", "<f8", "2, 2", x, sizeof x);
    refuse(dir, NULL, MICO_EDATA, "no file is y_test.npy");
    write_npy(dir, "y_test.npy", "<f8", "2,", half, sizeof half);
    refuse(dir, NULL, MICO_EDATA, "label 1 is 0.5");
    write_npy(dir, "y_test.npy", "<f8", "2,", y, sizeof y);
    write_npy(dir, "huge.npy", "<f8", "2, 2", huge, sizeof huge);
    refuse(pair(dir, "huge.npy", "y_test.npy"), NULL, MICO_EDATA, "image 1: value 1");
    write_npy(dir, "i.npy", "<i8", "2, 2", x, sizeof x);
    refuse(pair(dir, "i.npy", "y_test.npy"), NULL, MICO_EUNSUP, "images of type i64");
    set = load(dir, NULL);
    check_set(&set->test, 2, MICO_RAW_F32, "2", mico_crc32(as_float, sizeof as_float),
              (const size_t[]){1, 1}, 2); /* 1, 2 became 0, 1 */
    mico_dataset_free(set);
    /* ... but not where the training labels start at 0 */
    write_npy(dir, "X_train.npy", "<f8", "2, 2", x, sizeof x);
    write_npy(dir, "y_train.npy", "|u1", "2, 1", "\0\1", 2);
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->test.label[0], 1);
    CU_ASSERT_EQUAL(set->test.n_classes, 3);
    CU_ASSERT_EQUAL(set->train.label[0], 0);
    mico_dataset_free(set);

    snprintf(spec, sizeof spec, "%s/tests/golden/data/f2.npy,%s/y_test.npy",
             MICO_SOURCE_DIR, dir);
    set = load(spec, NULL);
    CU_ASSERT_EQUAL(set->test.shape.dim[2], 3);
    v = set->test.raw;
    CU_ASSERT_EQUAL(v[0], 65504);
    CU_ASSERT_EQUAL(v[1], 0x1p-16f); /* a subnormal half */
    CU_ASSERT_EQUAL(v[2], -0.5f);
    CU_ASSERT_EQUAL(v[3], -1.302734375f);
    CU_ASSERT_EQUAL(v[5], 0.4462890625f);
    mico_dataset_free(set);
    scratch_remove(dir);
}

static void t_npz(void)
{
    mico_dataset *set = load(MICO_SOURCE_DIR "/tests/golden/data/stored.npz", NULL);
    const float *v;

    CU_ASSERT_EQUAL(set->test.n, 4);
    CU_ASSERT_EQUAL(set->test.type, MICO_RAW_U8);
    CU_ASSERT_EQUAL(set->test.shape.rank, 3);
    CU_ASSERT_EQUAL(set->test.shape.dim[1], 2);
    CU_ASSERT_EQUAL(((uint8_t *)set->test.raw)[23], 161);
    CU_ASSERT_EQUAL(set->test.label[3], 2);
    CU_ASSERT_EQUAL(set->train.n, 0);
    mico_dataset_free(set);

    set = load(MICO_SOURCE_DIR "/tests/golden/data/packed.npz", "flat");
    CU_ASSERT_EQUAL(set->test.n, 1);
    CU_ASSERT_EQUAL(set->train.n, 3);
    CU_ASSERT_EQUAL(set->train.type, MICO_RAW_F32);
    CU_ASSERT_EQUAL(set->train.shape.rank, 1);
    CU_ASSERT_EQUAL(set->train.shape.dim[0], 6);
    v = set->train.raw;
    CU_ASSERT_EQUAL(v[17], 29.75f);
    CU_ASSERT_EQUAL(set->train.label[1], 1);
    mico_dataset_free(set);
    refuse(MICO_SOURCE_DIR "/tests/golden/data/bzip2.npz", NULL, MICO_EUNSUP,
           "method 12");
}

static void t_cifar(void)
{
    enum { TEN = 3073, HUNDRED = 3074 };
    uint8_t *b = calloc(2, HUNDRED);
    char dir[256];
    mico_dataset *set;

    scratch_make(dir);
    scratch_write(dir, "test_batch.bin", b, TEN - 1);
    refuse(dir, NULL, MICO_EFORMAT, "3072 bytes are not a whole number of 3073-byte");
    b[TEN] = 10;
    scratch_write(dir, "test_batch.bin", b, 2 * TEN);
    refuse(dir, NULL, MICO_EDATA, "test_batch.bin: record 1: label 10");
    b[TEN] = 9;
    b[TEN + 3072] = 77;
    scratch_write(dir, "test_batch.bin", b, 2 * TEN);
    for (int i = 10; i > 0; i--) { /* read in the order of their numbers */
        char name[40];

        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        b[0] = (uint8_t)(i - 1);
        scratch_write(dir, name, b, TEN);
    }
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->test.n, 2);
    CU_ASSERT_EQUAL(set->test.label[1], 9);
    CU_ASSERT_EQUAL(((uint8_t *)set->test.raw)[2 * 3072 - 1], 77);
    CU_ASSERT_EQUAL(set->train.n, 10);
    for (size_t i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(set->train.label[i], i);
    mico_dataset_free(set);
    scratch_remove(dir);

    scratch_make(dir);
    memset(b, 0, 2 * HUNDRED);
    b[0] = 19;
    b[1] = 100;
    scratch_write(dir, "test.bin", b, 2 * HUNDRED);
    refuse(dir, NULL, MICO_EDATA, "record 0: label 100 is not below 100");
    b[1] = 99;
    b[HUNDRED - 1] = 5;
    scratch_write(dir, "test.bin", b, 2 * HUNDRED);
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->test.n, 2);
    CU_ASSERT_EQUAL(set->test.n_classes, 100);
    CU_ASSERT_EQUAL(((uint8_t *)set->test.raw)[3071], 5);
    mico_dataset_free(set);
    scratch_remove(dir);
    free(b);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    scratch_write(dir, name, text, strlen(text));
}

static void t_text(void)
{
    static const struct {
        const char *text, *says;
        mico_status status;
    } row[] = {
        {"# only words\n\n", "no images", MICO_EDATA},
        {"1,2,x\n", "line 1: an integer expected as item 3", MICO_EFORMAT},
        {"1,2,\n", "line 1: an integer expected as item 3", MICO_EFORMAT},
        {"\n1,,2\n", "line 2: an integer expected as item 2", MICO_EFORMAT},
        {"1;2\n", "line 1: ',' expected after item 1", MICO_EFORMAT},
        {"1.5,2\n", "line 1: ',' expected after item 1", MICO_EFORMAT},
        {"1,2,3\n1,2\n", "line 2: 1 values where the first line has 2", MICO_EDATA},
        {"7\n", "a label but no values", MICO_EDATA},
        {"256,0\n", "value 256 is outside", MICO_EDATA},
        {"-129,0\n", "value -129 is outside", MICO_EDATA},
        {"99999999999999999999999999,0\n", "is outside", MICO_EDATA},
        {"1,-1\n", "label -1 is outside", MICO_EDATA},
        {"1,65536\n", "label 65536 is outside", MICO_EDATA},
        {"-1,128,0\n", "fit neither u8 nor s8", MICO_EDATA},
    };
    char dir[256];
    mico_dataset *set;

    scratch_make(dir);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        write_text(dir, "t", row[i].text);
        refuse(scratch_path(dir, "t"), NULL, row[i].status, row[i].says);
    }
    write_text(dir, "t", "# x,y\r\n 0, 255 ,1\r\n\r\n3,4,2 # last\r\n5,6,65535");
    set = load(scratch_path(dir, "t"), NULL);
    CU_ASSERT_EQUAL(set->test.n, 3);
    CU_ASSERT_EQUAL(set->test.type, MICO_RAW_U8);
    CU_ASSERT_EQUAL(set->test.shape.rank, 1);
    CU_ASSERT_EQUAL(set->test.shape.dim[0], 2);
    CU_ASSERT_EQUAL(memcmp(set->test.raw, "\0\xff\3\4\5\6", 6), 0);
    CU_ASSERT_EQUAL(set->test.label[0], 0); /* all start at 1: shifted */
    CU_ASSERT_EQUAL(set->test.label[2], 65534);
    CU_ASSERT_EQUAL(set->test.n_classes, 65535);
    mico_dataset_free(set);

    write_text(dir, "a.tes", "1,2,1\n");
    write_text(dir, "a.tra", "-1,2,1\n");
    set = load(dir, NULL);
    CU_ASSERT_EQUAL(set->test.type, MICO_RAW_S8); /* one type for both */
    CU_ASSERT_EQUAL(((int8_t *)set->train.raw)[0], -1);
    CU_ASSERT_EQUAL(set->train.label[0], 0);
    mico_dataset_free(set);
    write_text(dir, "a.tra", "1,2,3,1\n");
    refuse(dir, NULL, MICO_EDATA, "training images are u8 3, test images u8 2");
    write_text(dir, "b.tes", "1,2,1\n");
    refuse(dir, NULL, MICO_EDATA, "could be *.tes");
    scratch_remove(dir);
}

static void t_transforms(void)
{
    static const uint8_t x[8] = {0, 1, 2, 3, 255, 255, 255, 254};
    /* (0+1+2+3+2)>>2 and (1019+2)>>2, then a border of one */
    static const uint8_t padded[18] = {[4] = 2, [13] = 255};
    char dir[256];
    mico_dataset *set;

    scratch_make(dir);
    write_idx(dir, "y", 8, 1, (const uint32_t[]){2}, "\0\1", 2);
    write_idx(dir, "odd", 8, 3, (const uint32_t[]){2, 1, 4}, x, 8);
    write_idx(dir, "s8", 9, 3, (const uint32_t[]){2, 2, 2}, x, 8);
    refuse(pair(dir, "odd", "y"), "mean2", MICO_EDATA, "1x4 do not halve");
    refuse(pair(dir, "odd", "y"), "flat,mean2", MICO_EDATA, "is for images CxHxW");
    refuse(pair(dir, "odd", "y"), "flat,pad1", MICO_EDATA, "is for images CxHxW");
    refuse(pair(dir, "odd", "y"), "maen2", MICO_EDATA, "did you mean mean2?");
    refuse(pair(dir, "odd", "y"), "pad", MICO_EDATA, "is unknown");
    refuse(pair(dir, "odd", "y"), "pad-1", MICO_EDATA, "is unknown");
    refuse(pair(dir, "odd", "y"), "pad2000", MICO_EDATA, "at most pad1024");
    refuse(pair(dir, "odd", "y"), "pad1,,flat", MICO_EDATA, "\"\" is unknown");
    refuse(pair(dir, "s8", "y"), "mean2", MICO_EDATA, "is for u8 images, these are s8");

    write_idx(dir, "x", 8, 3, (const uint32_t[]){2, 2, 2}, x, 8);
    set = load(pair(dir, "x", "y"), " mean2 , pad1");
    check_set(&set->test, 2, MICO_RAW_U8, "1x3x3", mico_crc32(padded, 18),
              (const size_t[]){1, 1}, 2);
    mico_dataset_free(set);
    set = load(pair(dir, "x", "y"), "mean2,pad1,flat");
    check_set(&set->test, 2, MICO_RAW_U8, "9", mico_crc32(padded, 18),
              (const size_t[]){1, 1}, 2);
    mico_dataset_free(set);
    set = load(pair(dir, "x", "y"), "");
    CU_ASSERT_EQUAL(set->test.shape.dim[1], 2);
    mico_dataset_free(set);
    scratch_remove(dir);
}

/* ---- real sets ------------------------------------------------------------------ */
/* Histograms are the published class counts; CRC-32s of the image bytes were computed
 * with NumPy and zlib from the same files. */

static const size_t even_1000[10] = {1000, 1000, 1000, 1000, 1000,
                                     1000, 1000, 1000, 1000, 1000};

static void t_mnist(void)
{
    static const size_t train[10] = {5923, 6742, 5958, 6131, 5842,
                                     5421, 5918, 6265, 5851, 5949};
    static const size_t test[10] = {980, 1135, 1032, 1010, 982,
                                    892, 958,  1028, 974,  1009};
    mico_dataset *set;

    if (!mico_test_shared("MNIST"))
        return;
    set = load(REAL("mnist"), NULL);
    check_set(&set->train, 60000, MICO_RAW_U8, "1x28x28", 0xf3639b56, train, 10);
    check_set(&set->test, 10000, MICO_RAW_U8, "1x28x28", 0xe4ca5f57, test, 10);
    mico_dataset_free(set);
    set = load(REAL("mnist"), "mean2,pad1");
    check_set(&set->train, 60000, MICO_RAW_U8, "1x16x16", 0x9afc44b6, train, 10);
    check_set(&set->test, 10000, MICO_RAW_U8, "1x16x16", 0x03585b13, test, 10);
    mico_dataset_free(set);
    set = load(REAL("mnist/t10k-images-idx3-ubyte.gz") "," REAL(
                   "mnist/t10k-labels-idx1-ubyte.gz"),
               "mean2,pad1,flat");
    check_set(&set->test, 10000, MICO_RAW_U8, "256", 0x03585b13, test, 10);
    CU_ASSERT_EQUAL(set->train.n, 0);
    mico_dataset_free(set);
}

static void t_fashion(void)
{
    static const size_t train[10] = {6000, 6000, 6000, 6000, 6000,
                                     6000, 6000, 6000, 6000, 6000};
    mico_dataset *set;

    if (!mico_dir_exists(FASHION)) {
        printf("\n    skipped: package dataset-fashion-mnist is not installed\n");
        return;
    }
    set = load(FASHION, NULL);
    check_set(&set->train, 60000, MICO_RAW_U8, "1x28x28", 0xae65dccd, train, 10);
    check_set(&set->test, 10000, MICO_RAW_U8, "1x28x28", 0x12728439, even_1000, 10);
    mico_dataset_free(set);
}

static void t_cifar10(void)
{
    static const size_t train[10] = {1005, 974,  1032, 1016, 999,
                                     937,  1030, 1001, 1025, 981};
    mico_dataset *set;

    if (!mico_test_shared("CIFAR-10"))
        return;
    set = load(REAL("cifar-10-batches-bin"), NULL);
    check_set(&set->train, 10000, MICO_RAW_U8, "3x32x32", 0x4342fec4, train, 10);
    check_set(&set->test, 10000, MICO_RAW_U8, "3x32x32", 0x6e8778c0, even_1000, 10);
    mico_dataset_free(set);
}

static void t_kws(void)
{
    static const size_t test[12] = {92, 92, 81, 89, 70, 84, 75, 78, 84, 89, 80, 86};
    mico_dataset *set;

    if (!mico_test_shared("kws01"))
        return;
    set = load(REAL("kws01-mfcc/mfcc49x10-s8-idx3.gz") "," REAL(
                   "kws01-mfcc/labels-idx1-ubyte.gz"),
               NULL);
    check_set(&set->test, 1000, MICO_RAW_S8, "1x49x10", 0x56ddafc4, test, 12);
    mico_dataset_free(set);
    refuse(REAL("kws01-mfcc"), NULL, MICO_EDATA, "no data set in ");
}

static void t_har(void)
{
    static const size_t train[6] = {1226, 1073, 986, 1286, 1374, 1407};
    static const size_t test[6] = {496, 471, 420, 491, 532, 537};
    mico_dataset *set;

    if (!mico_test_shared("UCI HAR"))
        return;
    set = load(REAL("uci-har-265"), NULL);
    check_set(&set->train, 7352, MICO_RAW_F32, "265", 0x74484df0, train, 6);
    check_set(&set->test, 2947, MICO_RAW_F32, "265", 0xa65595c6, test, 6);
    mico_dataset_free(set);
    set = load(REAL("uci-har-265/X_test.npy.gz") "," REAL("uci-har-265/y_test.npy.gz"),
               NULL);
    check_set(&set->test, 2947, MICO_RAW_F32, "265", 0xa65595c6, test, 6);
    mico_dataset_free(set);
    refuse(REAL("uci-har-265"), "mean2", MICO_EDATA, "is for u8 images, these are f32");
}

static void t_optdigits(void)
{
    static const size_t train[10] = {376, 389, 380, 389, 387, 376, 377, 387, 380, 382};
    static const size_t test[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
    mico_dataset *set;

    if (!mico_test_shared("optdigits"))
        return;
    set = load(REAL("optdigits"), NULL);
    check_set(&set->train, 3823, MICO_RAW_U8, "64", 0x1e839eb9, train, 10);
    check_set(&set->test, 1797, MICO_RAW_U8, "64", 0xf3a2533c, test, 10);
    mico_dataset_free(set);
    set = load(REAL("optdigits/optdigits.tes"), NULL);
    check_set(&set->test, 1797, MICO_RAW_U8, "64", 0xf3a2533c, test, 10);
    mico_dataset_free(set);
}

MICO_SUITE("data load", {"spec errors", t_spec_errors}, {"idx pairs", t_idx_pairs},
           {"idx folder", t_idx_folder}, {"hash", t_hash}, {"npy", t_npy},
           {"npz", t_npz}, {"cifar", t_cifar}, {"text", t_text},
           {"transforms", t_transforms}, {"mnist", t_mnist},
           {"fashion-mnist", t_fashion}, {"cifar-10", t_cifar10}, {"kws01", t_kws},
           {"uci har", t_har}, {"optdigits", t_optdigits})
