/* The HDF5 view: equal to the run after each flush, rebuilt when damaged, read back. */
#include "support/store_run.h"
#include "support/suite.h"

#include "core/clock.h"
#include "core/rng.h"

#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

typedef struct fixture {
    store_run run;
    char folder[64], results[128];
    mico_err err;
    mico_store *store;
} fixture;

static void open_store(fixture *f)
{
    mico_status rc =
        mico_store_open(&f->store, f->results, &f->run.about, MICO_STORE_AUTO, &f->err);

    CU_ASSERT_EQUAL_FATAL(rc, MICO_OK);
}

static void begin(fixture *f)
{
    store_run_make(&f->run);
    store_run_folder(f->folder);
    snprintf(f->results, sizeof f->results, "%s/x.h5", f->folder);
    memset(&f->err, 0, sizeof f->err);
    open_store(f);
}

static void end(fixture *f)
{
    if (f->store != NULL)
        CU_ASSERT_EQUAL(mico_store_close(f->store, "complete", &f->err), MICO_OK);
    store_run_remove(f->folder);
    store_run_drop(&f->run);
}

static void propose(fixture *f, size_t study, size_t id)
{
    mico_trial t = store_run_trial(id);

    CU_ASSERT_EQUAL(mico_store_propose(f->store, study, &t, NULL), MICO_OK);
}

static void answer(fixture *f, size_t study, size_t id)
{
    mico_trial t = store_run_trial(id);

    CU_ASSERT_EQUAL(mico_store_result(f->store, study, &t, NULL), MICO_OK);
}

static void flush(fixture *f)
{
    CU_ASSERT_EQUAL_FATAL(mico_store_flush(f->store, &f->err), MICO_OK);
}

static bool view_is_run(fixture *f)
{
    mico_run *loaded = NULL;
    bool same;

    if (mico_results_load(&loaded, f->results, &f->err) != MICO_OK) {
        printf("\n    %s\n", f->err.text);
        return false;
    }
    same = store_run_same(loaded, mico_store_run(f->store)) &&
           mico_run_digest(loaded) == mico_run_digest(mico_store_run(f->store));
    mico_run_free(loaded);
    return same;
}

/* A column of doubles as the file has it, NaN included. */
static size_t column(const char *path, const char *name, double *out, size_t room)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    hssize_t n = H5Sget_simple_extent_npoints(space);

    CU_ASSERT_FATAL(n >= 0 && (size_t)n <= room);
    CU_ASSERT_TRUE(
        H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    return (size_t)n;
}

static void t_flushes(void)
{
    fixture f;

    begin(&f);
    flush(&f); /* empty */
    CU_ASSERT_TRUE(view_is_run(&f));
    for (size_t id = 0; id < 60; id++) {
        propose(&f, 0, id);
        if (id >= 4)
            answer(&f, 0, id - 4);
        if (id % 3 == 0) { /* answers out of order, holes in between */
            propose(&f, 1, id / 3);
            if (id % 2 == 0)
                answer(&f, 1, id / 3);
        }
        if (id % 7 == 0 || id > 55) {
            flush(&f);
            CU_ASSERT_TRUE(view_is_run(&f));
        }
    }
    for (size_t id = 1; id < 20; id += 2)
        answer(&f, 1, id);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    flush(&f); /* nothing new */
    CU_ASSERT_TRUE(view_is_run(&f));
    end(&f);
}

static void t_everything(void)
{
    static const uint8_t calib[] = {9, 0, 8};
    mico_check fp32 = store_run_check(true), best = store_run_check(false);
    fixture f;

    begin(&f);
    for (size_t id = 0; id < 3; id++) {
        propose(&f, 1, id);
        answer(&f, 1, id);
    }
    flush(&f);
    CU_ASSERT_EQUAL(mico_store_calib(f.store, 1, calib, 3, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_store_check(f.store, 1, &fp32, NULL), MICO_OK);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    CU_ASSERT_EQUAL(mico_store_check(f.store, 1, &best, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_store_complete(f.store, 1, 0xfedcba9876543210u, NULL),
                    MICO_OK);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    CU_ASSERT_EQUAL(mico_store_close(f.store, "stopped: SIGTERM", NULL), MICO_OK);
    open_store(&f); /* rebuilt, now with two starts */
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    end(&f);
}

/* Derived columns against their definitions, over flushes that split them. */
static void t_derived(void)
{
    double accuracy[64], best[64], bops[64], violation[64], feasible[64], front[64];
    fixture f;
    const mico_study_run *study;
    double running = NAN;
    size_t n, n_front;

    begin(&f);
    flush(&f);
    for (size_t id = 0; id < 40; id++) {
        propose(&f, 0, id);
        if (id != 20 && id != 39)
            answer(&f, 0, id);
        if (id % 9 == 8)
            flush(&f);
    }
    answer(&f, 0, 20);
    flush(&f);
    study = &mico_store_run(f.store)->study[0];
    n = column(f.results, "studies/study_0/accuracy", accuracy, 64);
    CU_ASSERT_EQUAL_FATAL(n, 40);
    column(f.results, "studies/study_0/best_so_far", best, 64);
    column(f.results, "studies/study_0/bops", bops, 64);
    column(f.results, "studies/study_0/violation", violation, 64);
    column(f.results, "studies/study_0/feasible", feasible, 64);
    n_front = column(f.results, "studies/study_0/front", front, 64);
    for (size_t i = 0; i < n; i++) {
        const mico_trial *t = &study->trial[i];
        double sum = 0;

        for (size_t l = 0; l < STORE_RUN_LAYERS; l++) /* table of store_run_problem */
            sum += (double)(mico_width_index(t->scheme.bits[l]) + 1) *
                   (double)(mico_width_index(t->scheme.bits[STORE_RUN_LAYERS + l]) + 1);
        CU_ASSERT_EQUAL(bops[i], sum);
        CU_ASSERT_EQUAL(violation[i], sum > 120 ? sum / 120 - 1 : 0);
        CU_ASSERT_EQUAL(feasible[i] != 0, sum <= 120);
        if (t->outcome.state == MICO_STATE_DONE) {
            CU_ASSERT_EQUAL(accuracy[i], (double)t->outcome.correct / 1000.0);
            if (sum <= 120 && !(running >= accuracy[i]))
                running = accuracy[i];
        } else {
            CU_ASSERT_TRUE(isnan(accuracy[i]));
        }
        CU_ASSERT_TRUE(store_run_same_double(best[i], running));
    }
    CU_ASSERT_TRUE(n_front > 0);
    for (size_t i = 1; i < n_front; i++) { /* better accuracy at higher cost only */
        CU_ASSERT_TRUE(bops[(size_t)front[i]] > bops[(size_t)front[i - 1]]);
        CU_ASSERT_TRUE(accuracy[(size_t)front[i]] > accuracy[(size_t)front[i - 1]]);
    }
    end(&f);
}

static void spill(const char *path, const void *bytes, size_t n)
{
    CU_ASSERT_EQUAL_FATAL(mico_file_write(path, bytes, n, NULL), MICO_OK);
}

/* Whatever happens to the view, the next flush has a good one again. */
static void t_damaged(void)
{
    fixture f;
    uint8_t *bytes = NULL;
    hid_t reader;
    size_t n;

    begin(&f);
    propose(&f, 0, 0);
    answer(&f, 0, 0);
    flush(&f);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, f.results, 1 << 24, NULL),
                          MICO_OK);
    propose(&f, 0, 1);
    unlink(f.results); /* gone */
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    propose(&f, 0, 2);
    spill(f.results, "garbage", 7);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    propose(&f, 0, 3);
    spill(f.results, bytes, n / 2); /* cut */
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    propose(&f, 0, 4);
    spill(f.results, bytes, n); /* an old one: fewer rows than we left */
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    free(bytes);
    propose(&f, 0, 5);
    reader = H5Fopen(f.results, H5F_ACC_RDONLY, H5P_DEFAULT); /* somebody looks at it */
    CU_ASSERT_FATAL(reader >= 0);
    flush(&f); /* neither waits for the other */
    H5Fclose(reader);
    CU_ASSERT_TRUE(view_is_run(&f));
    CU_ASSERT_EQUAL(mico_store_close(f.store, "x", NULL), MICO_OK);
    spill(f.results, "garbage", 7);
    open_store(&f);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    end(&f);
}

static void t_full_disk(void)
{
    fixture f;
    struct rlimit old, low;
    struct stat st;

    begin(&f);
    flush(&f);
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(stat(f.results, &st), 0);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur =
        (rlim_t)st.st_size; /* much more than the journal, no more for the view */
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &low), 0);
    for (size_t id = 0; id < 40; id++) {
        propose(&f, 0, id);
        answer(&f, 0, id);
    }
    CU_ASSERT_EQUAL(mico_store_flush(f.store, &f.err), MICO_ESTORE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, f.results));
    CU_ASSERT_EQUAL(mico_store_flush(f.store, &f.err), MICO_ESTORE);
    setrlimit(RLIMIT_FSIZE, &old);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    end(&f);
}

/* What is rewritten at each flush must not pile up, in the file or in the library. */
static void t_no_leak(void)
{
    fixture f;
    struct stat extended, rebuilt;
    ssize_t objects;

    begin(&f);
    propose(&f, 0, 0);
    flush(&f);
    objects = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
    for (size_t i = 1; i < 200; i++) {
        propose(&f, 0, i);
        if (i > 6)
            answer(&f, 0, i - 6);
        flush(&f);
    }
    CU_ASSERT_EQUAL(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), objects);
    stat(f.results, &extended);
    CU_ASSERT_EQUAL(mico_store_close(f.store, "", NULL), MICO_OK);
    open_store(&f);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    stat(f.results, &rebuilt);
    CU_ASSERT_TRUE(extended.st_size < rebuilt.st_size + rebuilt.st_size / 4);
    end(&f);
}

/* One byte that is not UTF-8 would hide a whole study from netCDF4. */
static void t_utf8(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\303\251 \342\202\254 \360\237\230\200",
         "\303\251 \342\202\254 \360\237\230\200"},
        {"cut \303", "cut ?"},
        {"cut \342\202", "cut ??"},
        {"\377\200x", "??x"},
        {"\300\257", "??"},           /* overlong */
        {"\340\200\257", "???"},      /* overlong */
        {"\355\240\200", "???"},      /* surrogate */
        {"\364\220\200\200", "????"}, /* beyond Unicode */
    };
    size_t n = sizeof cases / sizeof cases[0];
    mico_run *loaded = NULL;
    fixture f;

    begin(&f);
    for (size_t i = 0; i < n; i++) {
        mico_trial t = store_run_trial(i);

        t.dup_of = MICO_NO_TRIAL;
        t.outcome = (mico_outcome){.state = MICO_STATE_CRASHED};
        snprintf(t.outcome.reason, sizeof t.outcome.reason, "%s", cases[i].in);
        CU_ASSERT_EQUAL(mico_store_propose(f.store, 0, &t, NULL), MICO_OK);
        CU_ASSERT_EQUAL(mico_store_result(f.store, 0, &t, NULL), MICO_OK);
    }
    flush(&f);
    CU_ASSERT_EQUAL_FATAL(mico_results_load(&loaded, f.results, &f.err), MICO_OK);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_STRING_EQUAL(loaded->study[0].trial[i].outcome.reason, cases[i].out);
    mico_run_free(loaded);
    end(&f);
}

/* ---- reading what is not ours --------------------------------------------------- */

static mico_status load_error(fixture *f, const char *path)
{
    mico_run *run = NULL;
    mico_status rc = mico_results_load(&run, path, &f->err);

    CU_ASSERT_PTR_NULL(run);
    CU_ASSERT_PTR_NOT_NULL(strstr(f->err.text, path));
    return rc;
}

static void t_not_ours(void)
{
    fixture f;
    char path[160];
    hid_t file;

    begin(&f);
    snprintf(path, sizeof path, "%s/other.h5", f.folder);
    CU_ASSERT_EQUAL(load_error(&f, path), MICO_EIO);
    CU_ASSERT_EQUAL(load_error(&f, f.folder), MICO_EIO);
    spill(path, "", 0);
    CU_ASSERT_EQUAL(load_error(&f, path), MICO_EFORMAT);
    spill(path, "not hdf5 at all", 15);
    CU_ASSERT_EQUAL(load_error(&f, path), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "not an HDF5 file"));
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    CU_ASSERT_EQUAL(load_error(&f, path), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "mico_format"));
    end(&f);
}

/* Any changed byte and any cut is noticed before HDF5 sees it. */
static void t_flipped(void)
{
    uint8_t *bytes = NULL;
    mico_run *run = NULL;
    fixture f;
    size_t n;

    begin(&f);
    flush(&f);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, f.results, 1 << 24, NULL),
                          MICO_OK);
    for (size_t at = 0; at < n - 16; at += at < 2000 ? 97 : 9973) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        spill(f.results, bytes, n);
        bytes[at] ^= (uint8_t)(1u << at % 8);
        CU_ASSERT_EQUAL(load_error(&f, f.results), MICO_EFORMAT);
    }
    for (size_t left = 0; left < n - 16; left += 30011) {
        spill(f.results, bytes, left);
        CU_ASSERT_EQUAL(load_error(&f, f.results), MICO_EFORMAT);
    }
    spill(f.results, bytes, n - 16); /* without its seal it is still a good HDF5 file */
    CU_ASSERT_EQUAL(mico_results_load(&run, f.results, &f.err), MICO_OK);
    mico_run_free(run);
    free(bytes);
    end(&f);
}

/* Changes one thing in a good file. */
typedef void (*breaker)(hid_t file);

static void set_int(hid_t file, const char *object, const char *name, int value)
{
    hid_t holder = H5Oopen(file, object, H5P_DEFAULT);
    hid_t attr = H5Aopen(holder, name, H5P_DEFAULT);

    CU_ASSERT_TRUE(H5Awrite(attr, H5T_NATIVE_INT, &value) >= 0);
    H5Aclose(attr);
    H5Oclose(holder);
}

static void set_row(hid_t file, const char *name, hsize_t row, hsize_t col, int value)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    hsize_t at[2] = {row, col}, one[2] = {1, 1};
    hid_t memory = H5Screate_simple(1, one, NULL);

    H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, one, NULL);
    CU_ASSERT_TRUE(H5Dwrite(set, H5T_NATIVE_INT, memory, space, H5P_DEFAULT, &value) >=
                   0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(set);
}

static void resize(hid_t file, const char *name, hsize_t rows)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);

    CU_ASSERT_TRUE(H5Dset_extent(set, &rows) >= 0);
    H5Dclose(set);
}

static void break_version(hid_t file)
{
    set_int(file, ".", "mico_format", 2);
}

static void break_layers(hid_t file)
{
    set_int(file, "studies/study_0/problem", "layers", 4);
}

static void break_huge_layers(hid_t file)
{
    set_int(file, "studies/study_0/problem", "layers", 100000);
}

static void break_index(hid_t file)
{
    set_int(file, "studies/study_0", "index", 1);
}

static void break_gene(hid_t file)
{
    set_row(file, "studies/study_0/problem/variable_of", 2, 0, 6);
}

static void break_width(hid_t file)
{
    set_row(file, "studies/study_0/weight_bits", 1, 1, 9);
}

static void break_state(hid_t file)
{
    set_row(file, "studies/study_0/state", 1, 0, 8);
}

static void break_correct(hid_t file)
{
    set_row(file, "studies/study_0/correct", 0, 0, 1001);
}

static void break_duplicate(hid_t file)
{
    set_row(file, "studies/study_0/duplicate_of", 1, 0, 1);
}

static void break_worker(hid_t file)
{
    set_row(file, "studies/study_0/worker", 1, 0, -1);
}

static void break_id(hid_t file)
{
    set_row(file, "studies/study_0/trial", 1, 0, 2);
}

static void break_rows(hid_t file)
{
    resize(file, "studies/study_0/loss", 2);
}

static void break_many_rows(hid_t file)
{
    resize(file, "studies/study_0/trial", (hsize_t)1 << 60);
}

static void break_million_rows(hid_t file)
{
    resize(file, "studies/study_0/trial", 1000000);
}

static void break_missing(hid_t file)
{
    H5Ldelete(file, "studies/study_0/images", H5P_DEFAULT);
}

static void break_type(hid_t file)
{
    H5Ldelete(file, "studies/study_0/reason", H5P_DEFAULT);
    H5Lcreate_hard(file, "studies/study_0/images", file, "studies/study_0/reason",
                   H5P_DEFAULT, H5P_DEFAULT);
}

static void break_group(hid_t file)
{
    H5Ldelete(file, "studies/study_0/job", H5P_DEFAULT);
    H5Gclose(
        H5Gcreate2(file, "studies/study_0/job", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void break_stranger(hid_t file)
{
    H5Gclose(H5Gcreate2(file, "studies/other", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void break_key(hid_t file)
{
    H5Adelete_by_name(file, "studies/study_0", "key", H5P_DEFAULT);
}

static void break_limit(hid_t file)
{
    set_row(file, "studies/study_0/problem/constraint_cost", 0, 0, 1);
}

static void break_check(hid_t file)
{
    set_row(file, "studies/study_0/checks/trial", 0, 0, 3);
}

static void t_wrong(void)
{
    static const struct {
        breaker change;
        const char *text;
    } cases[] = {
        {break_version, "mico_format"},
        {break_layers, "variable_of"},
        {break_huge_layers, "layers"},
        {break_index, "index 1"},
        {break_gene, "gene 2"},
        {break_width, "width 9"},
        {break_state, "state"},
        {break_correct, "1001 of 1000"},
        {break_duplicate, "trial 1"},
        {break_worker, "worker"},
        {break_id, "trial numbers"},
        {break_rows, "loss"},
        {break_many_rows, "rows"},
        {break_million_rows, "trial numbers"},
        {break_missing, "images"},
        {break_type, "reason"},
        {break_group, "job"},
        {break_stranger, "other"},
        {break_key, "key"},
        {break_limit, "constraint 0"},
        {break_check, "check 0"},
    };
    mico_check best = store_run_check(false);
    fixture f;
    uint8_t *good = NULL;
    size_t n;

    begin(&f);
    for (size_t id = 0; id < 3; id++) {
        propose(&f, 0, id);
        answer(&f, 0, id);
    }
    CU_ASSERT_EQUAL(mico_store_check(f.store, 0, &best, NULL), MICO_OK);
    flush(&f);
    CU_ASSERT_TRUE(view_is_run(&f));
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&good, &n, f.results, 1 << 24, NULL), MICO_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hid_t file;

        spill(f.results, good, n);
        file = H5Fopen(f.results, H5F_ACC_RDWR, H5P_DEFAULT);
        CU_ASSERT_FATAL(file >= 0);
        cases[i].change(file);
        H5Fclose(file);
        CU_ASSERT_EQUAL(load_error(&f, f.results), MICO_EFORMAT);
        if (strstr(f.err.text, cases[i].text) == NULL) {
            printf("\n    case %zu, no '%s': %s\n", i, cases[i].text, f.err.text);
            CU_FAIL("the message does not name the fault");
        }
    }
    free(good);
    end(&f);
}

/* ---- a kill while flushing ------------------------------------------------------ */

/* The file as the person's tools see it. */
static void t_python(void)
{
    mico_check fp32 = store_run_check(true), best = store_run_check(false);
    char command[512];
    fixture f;
    int status;

    begin(&f);
    flush(&f); /* an empty one first */
    snprintf(command, sizeof command,
             "/usr/bin/python3 " MICO_SOURCE_DIR "/tests/cli/check_results.py %s",
             f.results);
    for (int round = 0; round < 2; round++) {
        fflush(stdout);
        status = system(command);
        if (status != 0 && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
            printf("\n    skipped: no python3 with h5py and xarray\n");
            break;
        }
        CU_ASSERT_EQUAL(status, 0);
        for (size_t id = 0; id < 50; id++) {
            propose(&f, round == 0, id);
            if (id < 48)
                answer(&f, round == 0, id);
        }
        CU_ASSERT_EQUAL(mico_store_check(f.store, 1, &fp32, NULL), MICO_OK);
        if (round == 0)
            CU_ASSERT_EQUAL(mico_store_check(f.store, 1, &best, NULL), MICO_OK);
        flush(&f);
    }
    end(&f);
}

/* ---- a kill while flushing ------------------------------------------------------ */

static void t_killed(void)
{
    mico_rng *rng = mico_rng_new(2, "kill", 0);
    volatile int *started = mmap(NULL, sizeof *started, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fixture f;
    char path[160], other[160];
    size_t total = 0;

    CU_ASSERT_FATAL((void *)started != MAP_FAILED);
    begin(&f);
    CU_ASSERT_EQUAL(mico_store_close(f.store, "x", NULL), MICO_OK);
    f.store = NULL;
    for (int round = 0; round < 20; round++) {
        struct timespec wait = {0, (long)(5000 + mico_rng_below(rng, 40000)) * 1000};
        pid_t pid;
        int status;

        *started = 0;
        pid = fork();

        if (pid == 0) {
            if (mico_store_open(&f.store, f.results, &f.run.about, 0, NULL) != MICO_OK)
                _exit(1);
            for (size_t i = mico_store_run(f.store)->study[0].n_trials;; i++) {
                mico_trial t = store_run_trial(i);

                if (mico_store_propose(f.store, 0, &t, NULL) != MICO_OK ||
                    mico_store_flush(f.store, NULL) != MICO_OK)
                    _exit(2);
                *started = 1;
            }
        }
        for (int i = 0; i < 10000 && !*started; i++) /* at most 10 s */
            mico_sleep_s(0.001);
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        CU_ASSERT_TRUE(WIFSIGNALED(status));
        if (mico_file_exists(f.results)) { /* good even before it is repaired */
            mico_run *loaded = NULL;

            CU_ASSERT_EQUAL(mico_results_load(&loaded, f.results, &f.err), MICO_OK);
            mico_run_free(loaded);
        }
        open_store(&f);
        flush(&f);
        CU_ASSERT_TRUE(view_is_run(&f));
        total = mico_store_run(f.store)->study[0].n_trials;
        CU_ASSERT_EQUAL(mico_store_close(f.store, "x", NULL), MICO_OK);
        f.store = NULL;
    }
    CU_ASSERT_TRUE(total > 0);
    snprintf(path, sizeof path, "%s.tmp77", f.results);
    spill(path, "left behind", 11);
    snprintf(other, sizeof other, "%s.tmp-mine", f.results);
    spill(other, "somebody's", 10);
    open_store(&f);
    CU_ASSERT_FALSE(mico_file_exists(path));
    CU_ASSERT_TRUE(mico_file_exists(other));
    munmap((void *)started, sizeof *started);
    mico_rng_free(rng);
    end(&f);
}

MICO_SUITE("store_h5", {"flushes", t_flushes}, {"everything", t_everything},
           {"derived", t_derived}, {"damaged", t_damaged}, {"full disk", t_full_disk},
           {"no leak", t_no_leak}, {"utf-8", t_utf8}, {"not ours", t_not_ours},
           {"flipped", t_flipped}, {"wrong", t_wrong}, {"python", t_python},
           {"killed", t_killed})
