/* Tests of core: errors, memory, text, packing, random streams, files. */
#include "support/suite.h"

#include "core/err.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/pack.h"
#include "core/rng.h"
#include "core/seal.h"
#include "core/text.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

static void t_err(void)
{
    mico_err err;
    char long_text[2000];

    CU_ASSERT_EQUAL(mico_fail(&err, MICO_EJOB, "line %d", 7), MICO_EJOB);
    CU_ASSERT_STRING_EQUAL(err.text, "line 7");
    mico_err_prefix(&err, "%s", "a.ini");
    CU_ASSERT_STRING_EQUAL(err.text, "a.ini: line 7");
    mico_err_append(&err, "; %s", "sorry");
    CU_ASSERT_STRING_EQUAL(err.text, "a.ini: line 7; sorry");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    mico_fail(&err, MICO_EIO, "%s", long_text);
    CU_ASSERT_STRING_EQUAL(err.text + sizeof err.text - 5, "x...");
    CU_ASSERT_EQUAL(mico_fail(NULL, MICO_EIO, "nobody listens"), MICO_EIO);
    CU_ASSERT_EQUAL(mico_status_exit(MICO_EJOB), 2);
    CU_ASSERT_EQUAL(mico_status_exit(MICO_ESTOPPED), 75);
    CU_ASSERT_EQUAL(mico_status_exit(MICO_EUNMET), 1);
}

static void t_try_array(void)
{
    mico_err err;
    void *p = NULL;

    CU_ASSERT_EQUAL(mico_try_array(&p, SIZE_MAX, 8, 1 << 20, "table", &err),
                    MICO_ELIMIT);
    CU_ASSERT_EQUAL(mico_try_array(&p, 1025, 1024, 1 << 20, "table", &err),
                    MICO_ELIMIT);
    CU_ASSERT_PTR_NULL(p);
    CU_ASSERT_EQUAL_FATAL(mico_try_array(&p, 1024, 1024, 1 << 20, "table", &err),
                          MICO_OK);
    CU_ASSERT_EQUAL(((char *)p)[(1 << 20) - 1], 0);
    free(p);
}

static void t_arena(void)
{
    mico_arena arena = {0};
    char *a = mico_arena_alloc(&arena, 3), *b = mico_arena_alloc(&arena, 1 << 20);

    CU_ASSERT_EQUAL((uintptr_t)a % 64, 0);
    CU_ASSERT_EQUAL((uintptr_t)b % 64, 0);
    memset(b, 1, 1 << 20);
    CU_ASSERT_EQUAL(a[2], 0);
    CU_ASSERT_STRING_EQUAL(mico_arena_strdup(&arena, "kept"), "kept");
    mico_arena_free(&arena);
    CU_ASSERT_PTR_NULL(arena.head);
}

static void t_numbers(void)
{
    double s;
    uint64_t n;
    int64_t i;

    CU_ASSERT_FALSE(mico_text_int("12x", &i));
    CU_ASSERT_FALSE(mico_text_int("", &i));
    CU_ASSERT_FALSE(mico_text_int("99999999999999999999", &i));
    CU_ASSERT_TRUE(mico_text_int("-12", &i));
    CU_ASSERT_EQUAL(i, -12);
    CU_ASSERT_FALSE(mico_text_double("nan", &s));
    CU_ASSERT_FALSE(mico_text_double("1e999", &s));
    CU_ASSERT_FALSE(mico_text_bytes("4 parsecs", &n));
    CU_ASSERT_FALSE(mico_text_bytes("-4", &n));
    CU_ASSERT_TRUE(mico_text_bytes("1.5 KiB", &n));
    CU_ASSERT_EQUAL(n, 1536);
    CU_ASSERT_TRUE(mico_text_bytes("2MB", &n));
    CU_ASSERT_EQUAL(n, 2000000);
    CU_ASSERT_FALSE(mico_text_seconds("3 fortnights", &s));
    CU_ASSERT_FALSE(mico_text_seconds("", &s));
    CU_ASSERT_TRUE(mico_text_seconds("3h30m", &s));
    CU_ASSERT_EQUAL(s, 12600);
    CU_ASSERT_TRUE(mico_text_seconds("250ms", &s));
    CU_ASSERT_EQUAL(s, 0.25);
    CU_ASSERT_TRUE(mico_text_seconds("10min", &s));
    CU_ASSERT_EQUAL(s, 600);
    CU_ASSERT_TRUE(mico_text_seconds("90", &s));
    CU_ASSERT_EQUAL(s, 90);
}

static void t_words(void)
{
    static const char *const words[] = {"method", "inits", "candidates"};
    const char *rest = " a , bc,,d ";
    char item[3];

    CU_ASSERT_EQUAL(mico_text_distance("methd", "method"), 1);
    CU_ASSERT_EQUAL(mico_text_distance("mehtod", "method"), 1);
    CU_ASSERT_EQUAL(mico_text_distance("", "abc"), 3);
    CU_ASSERT_EQUAL(mico_text_nearest("methode", words, 3), 0);
    CU_ASSERT_EQUAL(mico_text_nearest("zzzz", words, 3), 3);
    CU_ASSERT_TRUE(mico_text_next(&rest, ',', item, sizeof item));
    CU_ASSERT_STRING_EQUAL(item, "a");
    CU_ASSERT_TRUE(mico_text_next(&rest, ',', item, sizeof item));
    CU_ASSERT_STRING_EQUAL(item, "bc");
    CU_ASSERT_TRUE(mico_text_next(&rest, ',', item, sizeof item));
    CU_ASSERT_STRING_EQUAL(item, "");
    CU_ASSERT_TRUE(mico_text_next(&rest, ',', item, sizeof item));
    CU_ASSERT_STRING_EQUAL(item, "d");
    CU_ASSERT_FALSE(mico_text_next(&rest, ',', item, sizeof item));
}

static void t_pack(void)
{
    mico_writer w = {0};
    char text[8], small[3];

    mico_put_u8(&w, 200);
    mico_put_u32(&w, 0xfeedbeefu);
    mico_put_f64(&w, -0.1);
    mico_put_text(&w, "hello");
    for (size_t cut = 0; cut <= w.len; cut++) {
        mico_reader r = {.bytes = w.bytes, .len = cut};
        uint8_t a = mico_get_u8(&r);
        uint32_t b = mico_get_u32(&r);
        double c = mico_get_f64(&r);

        mico_get_text(&r, text, sizeof text);
        CU_ASSERT_EQUAL(mico_reader_ok(&r), cut == w.len);
        if (cut == w.len) {
            CU_ASSERT_EQUAL(a, 200);
            CU_ASSERT_EQUAL(b, 0xfeedbeefu);
            CU_ASSERT_EQUAL(c, -0.1);
            CU_ASSERT_STRING_EQUAL(text, "hello");
        }
    }
    {
        mico_reader r = {.bytes = w.bytes, .len = w.len, .at = 13};

        mico_get_text(&r, small, sizeof small);
        CU_ASSERT_TRUE(r.bad);
    }
    CU_ASSERT_EQUAL(w.bytes[1], 0xef); /* little-endian whatever the machine */
    mico_writer_free(&w);
}

static void t_seal(void)
{
    mico_writer w = {0};

    for (int i = 0; i < 40; i++)
        mico_put_u8(&w, (uint8_t)i);
    CU_ASSERT_EQUAL(mico_seal_check(w.bytes, 10), MICO_SEAL_NONE);
    CU_ASSERT_EQUAL(mico_seal_check(w.bytes, w.len), MICO_SEAL_NONE);
    mico_seal_put(&w);
    CU_ASSERT_EQUAL(w.len, 40 + MICO_SEAL_BYTES);
    CU_ASSERT_EQUAL(mico_seal_check(w.bytes, w.len), MICO_SEAL_GOOD);
    CU_ASSERT_EQUAL(mico_seal_check(w.bytes, w.len - 1), MICO_SEAL_NONE);
    w.bytes[7] ^= 1;
    CU_ASSERT_EQUAL(mico_seal_check(w.bytes, w.len), MICO_SEAL_BROKEN);
    mico_writer_free(&w);
}

static void t_rng(void)
{
    mico_rng *a = mico_rng_new(7, "ask", 3), *b = mico_rng_new(1, "tell", 9);
    double first = mico_rng_uniform(a);
    size_t order[10], sum = 0;

    mico_rng_uniform(b);
    mico_rng_restart(b, 7, "ask", 3);
    CU_ASSERT_EQUAL(mico_rng_uniform(b), first);
    mico_rng_restart(b, 7, "ask", 4);
    CU_ASSERT_NOT_EQUAL(mico_rng_uniform(b), first);
    for (size_t i = 0; i < 10; i++)
        order[i] = i;
    mico_rng_shuffle(a, order, 10);
    for (size_t i = 0; i < 10; i++)
        sum += order[i];
    CU_ASSERT_EQUAL(sum, 45);
    for (size_t i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(mico_rng_below(a, 3) < 3);
    mico_rng_free(a);
    mico_rng_free(b);
}

static void t_hash(void)
{
    /* published check values: XXH64 of "" with seed 0, CRC-32 of "123456789" */
    CU_ASSERT_EQUAL(mico_hash("", 0, 0), 0xef46db3751d8e999u);
    CU_ASSERT_EQUAL(mico_crc32("123456789", 9), 0xcbf43926u);
}

static void t_file(void)
{
    char folder[] = "/tmp/mico-core-XXXXXX", path[64];
    uint8_t *bytes = NULL;
    size_t n;
    mico_err err;
    gzFile f;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.gz", folder);
    CU_ASSERT_EQUAL(mico_file_read(&bytes, &n, path, 100, &err), MICO_EIO);
    CU_ASSERT_EQUAL(mico_file_read(&bytes, &n, folder, 100, &err), MICO_EIO);
    CU_ASSERT_EQUAL_FATAL(mico_file_write(path, "plain", 5, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, path, 5, &err), MICO_OK);
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT_STRING_EQUAL((char *)bytes, "plain");
    free(bytes);
    CU_ASSERT_EQUAL(mico_file_read(&bytes, &n, path, 4, &err), MICO_ELIMIT);
    f = gzopen(path, "wb");
    for (int i = 0; i < 100000; i++)
        gzwrite(f, "squeezed ", 9);
    gzclose(f);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, path, 1 << 20, &err), MICO_OK);
    CU_ASSERT_EQUAL(n, 900000);
    free(bytes);
    CU_ASSERT_EQUAL(mico_file_read(&bytes, &n, path, 899999, &err), MICO_ELIMIT);
    CU_ASSERT_EQUAL(truncate(path, 400), 0);
    CU_ASSERT_EQUAL(mico_file_read(&bytes, &n, path, 1 << 20, &err), MICO_EFORMAT);
    unlink(path);
    snprintf(path, sizeof path, "%s/a/b", folder);
    CU_ASSERT_EQUAL(mico_mkdirs(path, &err), MICO_OK);
    CU_ASSERT_TRUE(mico_dir_exists(path));
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", folder);
    rmdir(path);
    CU_ASSERT_EQUAL(mico_mkdirs("/proc/nothing/here", &err), MICO_EIO);
    rmdir(folder);
}

static void t_paths(void)
{
    char out[32];

    mico_stem("a/b.c/resnet.ini", out, sizeof out);
    CU_ASSERT_STRING_EQUAL(out, "resnet");
    mico_stem(".hidden", out, sizeof out);
    CU_ASSERT_STRING_EQUAL(out, ".hidden");
    mico_dirname("a/b/c", out, sizeof out);
    CU_ASSERT_STRING_EQUAL(out, "a/b");
    mico_dirname("c", out, sizeof out);
    CU_ASSERT_STRING_EQUAL(out, ".");
    mico_dirname("/c", out, sizeof out);
    CU_ASSERT_STRING_EQUAL(out, "/");
}

MICO_SUITE("core", {"err", t_err}, {"try_array", t_try_array}, {"arena", t_arena},
           {"numbers", t_numbers}, {"words", t_words}, {"pack", t_pack},
           {"seal", t_seal}, {"rng", t_rng}, {"hash", t_hash}, {"file", t_file},
           {"paths", t_paths})
