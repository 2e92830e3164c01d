/* Tests of the npy and npz readers, by hand-made bytes and by files that NumPy wrote.
 */
#include "data/data.h"

#include "core/hash.h"
#include "support/data_bytes.h"
#include "support/suite.h"

#include <inttypes.h>

#define GOLDEN MICO_SOURCE_DIR "/tests/golden/data"

static void expect_npy(const data_bytes *d, size_t n, mico_status status,
                       const char *says)
{
    mico_array a = {.rank = 77};
    mico_err err;
    uint8_t *bytes = bytes_exact(d, n);

    CU_ASSERT_EQUAL(mico_npy_read(&a, bytes, n, &err), status);
    check_says(&err, says);
    CU_ASSERT_EQUAL(a.rank, 77);
    free(bytes);
}

static void t_header_errors(void)
{
    static const struct {
        const char *header, *says;
        mico_status status;
    } row[] = {
        {"", "'{' expected", MICO_EFORMAT},
        {"{", "a key", MICO_EFORMAT},
        {"{}", "no 'descr'", MICO_EFORMAT},
        {"{'descr': '|u1'}", "no 'fortran_order'", MICO_EFORMAT},
        {"{'descr': '|u1', 'fortran_order': False}", "no 'shape'", MICO_EFORMAT},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,)", "',' or '}'",
         MICO_EFORMAT},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}x", "nothing more",
         MICO_EFORMAT},
        {"{'descr': '|u1', 'descr': '|u1'}", "there twice", MICO_EFORMAT},
        {"{'other': 1}", "'other' is unknown", MICO_EFORMAT},
        {"{'descr': 7}", "a type like", MICO_EFORMAT},
        {"{'descr': '|u1", "a type like", MICO_EFORMAT},
        {"{'descr': '|\\x75'}", "a type like", MICO_EFORMAT},
        {"{'descr': '<a very long type'}", "a type like", MICO_EFORMAT},
        {"{'descr': [('x', '<f4')]}", "records", MICO_EUNSUP},
        {"{'fortran_order': Maybe}", "True or False", MICO_EFORMAT},
        {"{'shape': 3}", "'(' of the shape", MICO_EFORMAT},
        {"{'shape': (3)}", "a tuple", MICO_EFORMAT},
        {"{'shape': (3 4)}", "',' or ')'", MICO_EFORMAT},
        {"{'shape': (,)}", "a size", MICO_EFORMAT},
        {"{'shape': (3,,)}", "a size", MICO_EFORMAT},
        {"{'shape': (-3,)}", "a size", MICO_EFORMAT},
        {"{'shape': (3.0,)}", "',' or ')'", MICO_EFORMAT},
        {"{'shape': (18446744073709551616,)}", "a size", MICO_EFORMAT},
        {"{'shape': (1, 1, 1, 1, 1, 1)}", "more than 5", MICO_EUNSUP},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "single number",
         MICO_EUNSUP},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", "Fortran",
         MICO_EUNSUP},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "'<c8'",
         MICO_EUNSUP},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", "'|b1'",
         MICO_EUNSUP},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "'|O'", MICO_EUNSUP},
        {"{'descr': '|i4', 'fortran_order': False, 'shape': (1,)}", "'|i4'",
         MICO_EUNSUP},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "''", MICO_EUNSUP},
        {"{'descr': 'f4', 'fortran_order': False, 'shape': (1,)}", "'f4'", MICO_EUNSUP},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         "too early", MICO_EFORMAT},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,)}",
         "too early", MICO_EFORMAT}, /* times 8 is 2^64 */
    };
    data_bytes d;

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        bytes_npy(&d, 1, row[i].header);
        expect_npy(&d, d.n, row[i].status, row[i].says);
    }
}

static void t_truncations(void)
{
    const char *header =
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }\n";
    data_bytes d;

    for (uint8_t version = 1; version <= 3; version++) {
        bytes_npy(&d, version, header);
        bytes_put(&d, "\1\0\2\0\3\0\4\0", 8);
        for (size_t n = 0; n < d.n; n++)
            expect_npy(&d, n, MICO_EFORMAT, n < 12 ? "" : "too early");
        bytes_put(&d, "", 1);
        expect_npy(&d, d.n, MICO_EFORMAT, "1 bytes too many");
    }
    d.b[6] = 4;
    expect_npy(&d, d.n, MICO_EUNSUP, "version 4.0");
    d.b[6] = 1;
    d.b[7] = 1;
    expect_npy(&d, d.n, MICO_EUNSUP, "version 1.1");
    d.b[0] = 0;
    expect_npy(&d, d.n, MICO_EFORMAT, "not an npy file");
    bytes_npy(&d, 2, header);
    memset(d.b + 8, 0xff, 4); /* a header of 4 GiB */
    expect_npy(&d, d.n, MICO_EFORMAT, "header ends too early");
}

/* What Python allows and NumPy's versions have written. */
static void t_header_forms(void)
{
    static const char *const form[] = {
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2L, 1L), }",
        "{\"shape\": ( 2 ,\t1 , ) , \"fortran_order\" :False, \"descr\" : \"=i2\"}\n",
        " {'shape':(2,1),'descr':'<i2','fortran_order':False}   \n",
    };
    data_bytes d;
    mico_array a;
    mico_err err;

    for (size_t i = 0; i < 3; i++) {
        bytes_npy(&d, 1, form[i]);
        bytes_put(&d, "\1\2\xff\xff", 4);
        CU_ASSERT_EQUAL_FATAL(mico_npy_read(&a, d.b, d.n, &err), MICO_OK);
        CU_ASSERT_EQUAL(a.rank, 2);
        CU_ASSERT_EQUAL(a.dim[0], 2);
        CU_ASSERT_EQUAL(a.dim[1], 1);
        CU_ASSERT_EQUAL(((int16_t *)a.values)[0], 513);
        CU_ASSERT_EQUAL(((int16_t *)a.values)[1], -1);
        free(a.values);
    }
}

/* ---- files that NumPy wrote ----------------------------------------------------- */

static void print_value(const mico_array *a, size_t i, char out[64])
{
    const void *p = a->values;

    if (a->kind == 'f' && a->elem_bytes >= 4)
        snprintf(out, 64, "%.17g",
                 a->elem_bytes == 4 ? (double)((const float *)p)[i]
                                    : ((const double *)p)[i]);
    else if (a->kind == 'i')
        snprintf(out, 64, "%" PRId64,
                 a->elem_bytes == 1   ? ((const int8_t *)p)[i]
                 : a->elem_bytes == 2 ? ((const int16_t *)p)[i]
                 : a->elem_bytes == 4 ? ((const int32_t *)p)[i]
                                      : ((const int64_t *)p)[i]);
    else
        snprintf(out, 64, "%" PRIu64,
                 a->elem_bytes == 1   ? ((const uint8_t *)p)[i]
                 : a->elem_bytes == 2 ? ((const uint16_t *)p)[i]
                 : a->elem_bytes == 4 ? ((const uint32_t *)p)[i]
                                      : ((const uint64_t *)p)[i]);
}

static void read_golden(mico_array *out, const char *file, const char *name)
{
    char path[600];
    uint8_t *bytes;
    size_t n;
    mico_err err = {0};
    mico_status rc;

    snprintf(path, sizeof path, GOLDEN "/%s", file);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, path, 1 << 20, &err), MICO_OK);
    rc = strcmp(name, "-") == 0 ? mico_npy_read(out, bytes, n, &err)
                                : mico_npz_read(out, bytes, n, name, &err);
    if (rc != MICO_OK)
        printf("\n    %s: %s\n", file, err.text);
    CU_ASSERT_EQUAL_FATAL(rc, MICO_OK);
    free(bytes);
}

/* One line of values.txt against the reader. */
static void check_row(char *line)
{
    char *rest, *file = strtok_r(line, " \n", &rest),
                *name = strtok_r(NULL, " \n", &rest);
    char *word, text[64];
    size_t count = 1;
    mico_array a;

    read_golden(&a, file, name);
    CU_ASSERT_EQUAL(a.kind, *strtok_r(NULL, " \n", &rest));
    CU_ASSERT_EQUAL(a.elem_bytes, strtoul(strtok_r(NULL, " \n", &rest), NULL, 10));
    CU_ASSERT_EQUAL_FATAL(a.rank, strtoul(strtok_r(NULL, " \n", &rest), NULL, 10));
    for (size_t i = 0; i < a.rank; i++) {
        CU_ASSERT_EQUAL_FATAL(a.dim[i],
                              strtoul(strtok_r(NULL, " \n", &rest), NULL, 10));
        count *= a.dim[i];
    }
    for (size_t i = 0; i < count; i++) {
        word = strtok_r(NULL, " \n", &rest);
        CU_ASSERT_PTR_NOT_NULL_FATAL(word);
        print_value(&a, i, text);
        CU_ASSERT_STRING_EQUAL(text, word);
    }
    CU_ASSERT_PTR_NULL(strtok_r(NULL, " \n", &rest));
    free(a.values);
}

static void t_numpy_files(void)
{
    FILE *f = fopen(GOLDEN "/values.txt", "r");
    char line[1024];
    size_t rows = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#')
            continue;
        check_row(line);
        rows++;
    }
    fclose(f);
    CU_ASSERT_EQUAL(rows, 21);
}

static void t_numpy_refused(void)
{
    static const char *const row[][2] = {{"fortran.npy", "Fortran"},
                                         {"bool.npy", "'|b1'"},
                                         {"complex.npy", "'<c8'"},
                                         {"record.npy", "records"},
                                         {"scalar.npy", "single number"}};

    for (size_t i = 0; i < 5; i++) {
        char path[600];
        uint8_t *bytes;
        size_t n;
        mico_array a;
        mico_err err;

        snprintf(path, sizeof path, GOLDEN "/%s", row[i][0]);
        CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, path, 1 << 20, &err), MICO_OK);
        CU_ASSERT_EQUAL(mico_npy_read(&a, bytes, n, &err), MICO_EUNSUP);
        check_says(&err, row[i][1]);
        free(bytes);
    }
}

/* ---- npz ------------------------------------------------------------------------ */

typedef struct zip_lies { /* what the archive says that is not so */
    uint16_t method, flags;
    uint32_t size_delta, packed_delta, crc_xor;
} zip_lies;

/* A zip of one stored entry, by PKWARE's APPNOTE 4.3. */
static void make_zip(data_bytes *z, const char *name, const data_bytes *content,
                     zip_lies lies)
{
    uint32_t crc = mico_crc32(content->b, content->n) ^ lies.crc_xor;
    uint32_t size = (uint32_t)content->n + lies.size_delta;
    uint32_t packed = (uint32_t)content->n + lies.packed_delta;
    size_t central;

    z->n = 0;
    for (int part = 0; part < 2; part++) {
        central = z->n;
        bytes_le(z, part == 0 ? 0x04034b50 : 0x02014b50, 4);
        if (part == 1)
            bytes_le(z, 20, 2);
        bytes_le(z, 20, 2);
        bytes_le(z, lies.flags, 2);
        bytes_le(z, lies.method, 2);
        bytes_le(z, 0x00210000, 4); /* 1980-01-01 */
        bytes_le(z, crc, 4);
        bytes_le(z, packed, 4);
        bytes_le(z, size, 4);
        bytes_le(z, strlen(name), 2);
        bytes_le(z, 0, part == 0 ? 2 : 16); /* no extras; local header at 0 */
        bytes_put(z, name, strlen(name));
        if (part == 0)
            bytes_put(z, content->b, content->n);
    }
    size = (uint32_t)(z->n - central);
    bytes_le(z, 0x06054b50, 4);
    bytes_le(z, 0, 4);
    bytes_le(z, 1, 2);
    bytes_le(z, 1, 2);
    bytes_le(z, size, 4);
    bytes_le(z, central, 4);
    bytes_le(z, 0, 2);
}

static mico_status read_npz(const data_bytes *z, size_t n, const char *name,
                            mico_err *err)
{
    uint8_t *bytes = bytes_exact(z, n);
    mico_array a = {0};
    mico_status rc = mico_npz_read(&a, bytes, n, name, err);

    free(a.values);
    free(bytes);
    return rc;
}

static void t_npz_errors(void)
{
    static const struct {
        zip_lies lies;
        mico_status status;
        const char *says;
    } row[] = {
        {{.method = 12}, MICO_EUNSUP, "method 12"},
        {{.flags = 1}, MICO_EUNSUP, "encrypted"},
        {{.crc_xor = 1}, MICO_EFORMAT, "CRC"},
        {{.size_delta = 1}, MICO_EFORMAT, "x: "},
        {{.size_delta = (uint32_t)-1}, MICO_EFORMAT, "x: "},
        {{.size_delta = 0xf0000000u}, MICO_EFORMAT, "cannot hold"},
        {{.size_delta = 0xf0000000u, .packed_delta = 0xf0000000u},
         MICO_EFORMAT,
         "cannot hold"},
        {{.method = 8}, MICO_EFORMAT, "x: "}, /* not deflated at all */
    };
    data_bytes npy, z;
    mico_err err;

    bytes_npy(&npy, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}");
    bytes_put(&npy, "\1\2\3", 3);
    make_zip(&z, "x.npy", &npy, (zip_lies){0});
    CU_ASSERT_EQUAL(read_npz(&z, z.n, "x", &err), MICO_OK);
    CU_ASSERT_EQUAL(read_npz(&z, z.n, "y", &err), MICO_EDATA);
    check_says(&err, "no array y in the npz; it has x.npy");
    for (size_t n = 0; n < z.n; n++)
        CU_ASSERT_EQUAL(read_npz(&z, n, "x", &err), MICO_EFORMAT);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        make_zip(&z, "x.npy", &npy, row[i].lies);
        CU_ASSERT_EQUAL(read_npz(&z, z.n, "x", &err), row[i].status);
        check_says(&err, row[i].says);
    }
    npy.n--;
    make_zip(&z, "x.npy", &npy, (zip_lies){0});
    CU_ASSERT_EQUAL(read_npz(&z, z.n, "x", &err), MICO_EFORMAT);
    check_says(&err, "x: values end too early");
}

static void t_npz_damaged(void)
{
    uint8_t *bytes;
    size_t n;
    mico_array a;
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(
        mico_file_read(&bytes, &n, GOLDEN "/bzip2.npz", 1 << 20, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_npz_read(&a, bytes, n, "x", &err), MICO_EUNSUP);
    check_says(&err, "method 12");
    free(bytes);
    /* every byte of a deflated archive changed: an error or the right array, no crash
     */
    CU_ASSERT_EQUAL_FATAL(
        mico_file_read(&bytes, &n, GOLDEN "/packed.npz", 1 << 20, &err), MICO_OK);
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= 0x55;
        if (mico_npz_read(&a, bytes, n, "x_train", &err) == MICO_OK) {
            CU_ASSERT_EQUAL(a.rank, 3);
            CU_ASSERT_EQUAL(((double *)a.values)[17], 29.75);
            free(a.values);
        }
        bytes[i] ^= 0x55;
    }
    free(bytes);
}

MICO_SUITE("data npy", {"header errors", t_header_errors},
           {"truncations", t_truncations}, {"header forms", t_header_forms},
           {"numpy's files", t_numpy_files}, {"numpy's refused files", t_numpy_refused},
           {"npz errors", t_npz_errors}, {"npz damaged", t_npz_damaged})
