/* Tests of the IDX reader: damaged headers first, then every type. */
#include "data/data.h"

#include "support/data_bytes.h"
#include "support/suite.h"

static void expect_fail(const data_bytes *d, size_t n, mico_status status,
                        const char *says)
{
    mico_array a = {.rank = 77};
    mico_err err;
    uint8_t *bytes = bytes_exact(d, n);

    CU_ASSERT_EQUAL(mico_idx_read(&a, bytes, n, &err), status);
    CU_ASSERT_EQUAL(err.status, status);
    check_says(&err, says);
    CU_ASSERT_EQUAL(a.rank, 77); /* outputs only on success */
    free(bytes);
}

static void t_header_errors(void)
{
    const uint32_t dim[5] = {2, 3, 1, 1, 1};
    data_bytes d = {.n = 0};

    expect_fail(&d, 0, MICO_EFORMAT, "too short");
    bytes_idx(&d, 8, 2, dim);
    bytes_put(&d, "abcdef", 6);
    for (size_t n = 0; n < d.n; n++)
        expect_fail(&d, n, MICO_EFORMAT, n < 4 ? "too short" : "too early");
    bytes_put(&d, "g", 1);
    expect_fail(&d, d.n, MICO_EFORMAT, "1 bytes too many");
    d.b[0] = 1;
    expect_fail(&d, d.n, MICO_EFORMAT, "begins with 01 00");
    bytes_idx(&d, 0x0a, 2, dim);
    expect_fail(&d, d.n, MICO_EFORMAT, "type code 0x0a");
    bytes_idx(&d, 8, 0, dim);
    expect_fail(&d, d.n, MICO_EUNSUP, "0 dimensions");
    bytes_idx(&d, 8, 5, dim);
    bytes_put(&d, "abcdef", 6);
    expect_fail(&d, d.n, MICO_EUNSUP, "5 dimensions");
}

/* Products that overflow 64 bits, or are merely enormous, cost no memory. */
static void t_huge(void)
{
    const uint32_t overflow[4] = {0xffffffffu, 0xffffffffu, 0xffffffffu, 2};
    const uint32_t wraps[4] = {0x80000000u, 0x80000000u, 4, 1}; /* 2^64 */
    const uint32_t large[2] = {0xffffffffu, 0xffffffffu};
    data_bytes d;

    bytes_idx(&d, 0x0e, 4, overflow);
    bytes_put(&d, "0123456789", 10);
    expect_fail(&d, d.n, MICO_EFORMAT, "too early");
    bytes_idx(&d, 8, 4, wraps);
    expect_fail(&d, d.n, MICO_EFORMAT, "too early");
    bytes_idx(&d, 0x0e, 2, large);
    expect_fail(&d, d.n, MICO_EFORMAT, "too early");
}

static void read_ok(mico_array *out, const data_bytes *d)
{
    uint8_t *bytes = bytes_exact(d, d->n);
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(mico_idx_read(out, bytes, d->n, &err), MICO_OK);
    free(bytes);
}

static void t_bytes(void)
{
    const uint32_t dim[3] = {1, 2, 3};
    const uint8_t v[6] = {0, 1, 127, 128, 254, 255};
    data_bytes d;
    mico_array a;

    bytes_idx(&d, 8, 3, dim);
    bytes_put(&d, v, 6);
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.rank, 3);
    CU_ASSERT_EQUAL(a.dim[0], 1);
    CU_ASSERT_EQUAL(a.dim[1], 2);
    CU_ASSERT_EQUAL(a.dim[2], 3);
    CU_ASSERT_EQUAL(a.kind, 'u');
    CU_ASSERT_EQUAL(a.elem_bytes, 1);
    CU_ASSERT_EQUAL(memcmp(a.values, v, 6), 0);
    free(a.values);

    bytes_idx(&d, 9, 1, (const uint32_t[]){6});
    bytes_put(&d, v, 6);
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.kind, 'i');
    CU_ASSERT_EQUAL(((int8_t *)a.values)[3], -128);
    CU_ASSERT_EQUAL(((int8_t *)a.values)[5], -1);
    free(a.values);
}

static void t_wide(void)
{
    const uint32_t dim[1] = {2};
    data_bytes d;
    mico_array a;

    bytes_idx(&d, 0x0b, 1, dim);
    bytes_put(&d, "\x01\x02\xff\xfe", 4);
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.elem_bytes, 2);
    CU_ASSERT_EQUAL(((int16_t *)a.values)[0], 258);
    CU_ASSERT_EQUAL(((int16_t *)a.values)[1], -2);
    free(a.values);

    bytes_idx(&d, 0x0c, 1, dim);
    bytes_put(&d, "\x00\x01\x00\x02\xff\xff\xff\x00", 8);
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.elem_bytes, 4);
    CU_ASSERT_EQUAL(((int32_t *)a.values)[0], 65538);
    CU_ASSERT_EQUAL(((int32_t *)a.values)[1], -256);
    free(a.values);

    bytes_idx(&d, 0x0d, 1, dim);
    bytes_put(&d, "\x3f\xc0\x00\x00\xc0\x20\x00\x00", 8);
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.kind, 'f');
    CU_ASSERT_EQUAL(((float *)a.values)[0], 1.5f);
    CU_ASSERT_EQUAL(((float *)a.values)[1], -2.5f);
    free(a.values);

    bytes_idx(&d, 0x0e, 1, dim);
    bytes_put(&d, "\x3f\xf8\x00\x00\x00\x00\x00\x00\xc0\x04\x00\x00\x00\x00\x00\x00",
              16);
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.elem_bytes, 8);
    CU_ASSERT_EQUAL(((double *)a.values)[0], 1.5);
    CU_ASSERT_EQUAL(((double *)a.values)[1], -2.5);
    free(a.values);
}

static void t_empty_array(void)
{
    data_bytes d;
    mico_array a;

    bytes_idx(&d, 8, 2, (const uint32_t[]){0, 5});
    read_ok(&a, &d);
    CU_ASSERT_EQUAL(a.dim[0], 0);
    free(a.values);
}

MICO_SUITE("data idx", {"header errors", t_header_errors}, {"huge sizes", t_huge},
           {"bytes", t_bytes}, {"wide types", t_wide}, {"empty array", t_empty_array})
