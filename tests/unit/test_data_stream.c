/* Tests of data that need not fit into memory: views of files, spilled arrays. */
#include "data/data.h"
#include "support/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIXELS 784
#define IMAGES 900000 /* 706 MB, most of it a hole in the file */

/* An npy file of u8 with this header text and size; byte `at` of its values is 7. */
static bool write_sparse(const char *path, const char *shape, size_t n, size_t at)
{
    char header[128];
    int used =
        snprintf(header + 10, sizeof header - 10,
                 "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }", shape);
    FILE *f = fopen(path, "wb");
    bool ok = f != NULL;

    memset(header + 10 + used, ' ', (size_t)(sizeof header - 10) - (size_t)used);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    header[sizeof header - 1] = '\n';
    ok = ok && fwrite(header, sizeof header, 1, f) == 1 &&
         fseek(f, (long)at, SEEK_CUR) == 0 && fputc(7, f) == 7;
    ok = f != NULL && fclose(f) == 0 && ok;
    return ok && truncate(path, (off_t)(sizeof header + n)) == 0;
}

static int load_in_little_memory(const char *spec)
{
    const struct rlimit limit = {64 << 20, 64 << 20};
    mico_dataset *set;
    mico_err err;
    const uint8_t *raw;
    bool ok;

#ifdef __SANITIZE_ADDRESS__ /* has no room for its own books under a limit */
    (void)limit;
#else
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        return 2;
#endif
    if (mico_dataset_load(&set, spec, NULL, &err) != MICO_OK) {
        printf("\n    %s\n", err.text);
        return 3;
    }
    raw = set->test.raw;
    ok = set->test.n == IMAGES && raw[(size_t)(IMAGES - 1) * PIXELS + 5] == 7 &&
         raw[0] == 0 && set->test.label[IMAGES - 1] == 7 && set->test.label[1] == 0;
    mico_dataset_free(set);
    return ok ? 0 : 4;
}

/* 706 MB of images in a process that may have 64 MB. */
static void t_larger_than_memory(void)
{
    char x[64], y[64], spec[160], shape[64];
    int status = -1;
    pid_t child;

    snprintf(x, sizeof x, "/var/tmp/mico-test-x-%ld.npy", (long)getpid());
    snprintf(y, sizeof y, "/var/tmp/mico-test-y-%ld.npy", (long)getpid());
    snprintf(spec, sizeof spec, "%s,%s", x, y);
    snprintf(shape, sizeof shape, "(%d, 28, 28)", IMAGES);
    CU_ASSERT_FATAL(write_sparse(x, shape, (size_t)IMAGES * PIXELS,
                                 (size_t)(IMAGES - 1) * PIXELS + 5));
    snprintf(shape, sizeof shape, "(%d,)", IMAGES);
    CU_ASSERT_FATAL(write_sparse(y, shape, IMAGES, IMAGES - 1));
    fflush(NULL);
    child = fork();
    if (child == 0) {
        status = load_in_little_memory(spec);
        fflush(NULL);
        _exit(status);
    }
    CU_ASSERT(waitpid(child, &status, 0) == child);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    unlink(x);
    unlink(y);
}

static void t_spill(void)
{
    mico_map map = {0};
    mico_err err;

    setenv("TMPDIR", "/no/such/folder", 1);
    CU_ASSERT_EQUAL(mico_map_spill(&map, 4096, &err), MICO_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such/folder"));
    CU_ASSERT_PTR_NULL(map.base);
    unsetenv("TMPDIR");
    CU_ASSERT_EQUAL(mico_map_spill(&map, (size_t)1 << 60, &err), MICO_EIO);
    CU_ASSERT_EQUAL_FATAL(mico_map_spill(&map, 1 << 20, &err), MICO_OK);
    ((uint8_t *)map.base)[(1 << 20) - 1] = 9;
    CU_ASSERT_EQUAL(((uint8_t *)map.base)[0], 0);
    CU_ASSERT_EQUAL(((uint8_t *)map.base)[(1 << 20) - 1], 9);
    mico_map_free(&map);
    CU_ASSERT_PTR_NULL(map.base);
    mico_map_free(&map);
}

static void t_map_file(void)
{
    mico_map map = {0};
    mico_err err;

    CU_ASSERT_EQUAL(mico_map_file(&map, "/no/such/file", &err), MICO_EIO);
    CU_ASSERT_EQUAL(mico_map_file(&map, "/tmp", &err), MICO_EIO);
    CU_ASSERT_EQUAL(mico_map_file(&map, "/dev/null", &err), MICO_EIO);
    CU_ASSERT_EQUAL_FATAL(mico_map_file(&map, MICO_SOURCE_DIR "/LICENSE", &err),
                          MICO_OK);
    CU_ASSERT(map.bytes > 1000);
    mico_map_free(&map);
}

MICO_SUITE("data_stream", {"map file", t_map_file}, {"spill", t_spill},
           {"larger than memory", t_larger_than_memory})
