/* The journal: torn, damaged, full, locked, killed; and what opening does with it. */
#include "support/store_run.h"
#include "support/suite.h"

#include "core/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

typedef struct fixture {
    store_run run;
    char folder[64], results[128], journal[128];
    mico_err err;
} fixture;

static void begin(fixture *f)
{
    store_run_make(&f->run);
    store_run_folder(f->folder);
    snprintf(f->results, sizeof f->results, "%s/x.h5", f->folder);
    snprintf(f->journal, sizeof f->journal, "%s/x.journal", f->folder);
    memset(&f->err, 0, sizeof f->err);
}

static void end(fixture *f)
{
    store_run_remove(f->folder);
    store_run_drop(&f->run);
}

static mico_store *open_how(fixture *f, mico_store_how how)
{
    mico_store *store = NULL;
    mico_status rc = mico_store_open(&store, f->results, &f->run.about, how, &f->err);

    if (rc != MICO_OK)
        printf("\n    %s\n", f->err.text);
    CU_ASSERT_EQUAL_FATAL(rc, MICO_OK);
    return store;
}

/* What opening says; the store must not open. */
static mico_status refusal(fixture *f, mico_store_how how)
{
    mico_store *store = NULL;
    mico_status rc = mico_store_open(&store, f->results, &f->run.about, how, &f->err);

    CU_ASSERT_PTR_NULL(store);
    return rc;
}

static void add_trials(mico_store *store, size_t study, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        mico_trial t = store_run_trial(i);

        CU_ASSERT_EQUAL(mico_store_propose(store, study, &t, NULL), MICO_OK);
        CU_ASSERT_EQUAL(mico_store_result(store, study, &t, NULL), MICO_OK);
    }
}

/* One of everything. */
static void fill(mico_store *store, size_t n)
{
    static const uint8_t calib[] = {1, 2, 3, 0, 5};
    mico_trial pending = store_run_trial(n);
    mico_check fp32 = store_run_check(true), best = store_run_check(false);

    CU_ASSERT_EQUAL(mico_store_calib(store, 0, calib, sizeof calib, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_store_calib(store, 0, calib, sizeof calib, NULL), MICO_OK);
    add_trials(store, 0, 0, n);
    CU_ASSERT_EQUAL(mico_store_propose(store, 0, &pending, NULL), MICO_OK);
    add_trials(store, 1, 0, n);
    CU_ASSERT_EQUAL(mico_store_check(store, 1, &fp32, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_store_check(store, 1, &best, NULL), MICO_OK);
    CU_ASSERT_EQUAL(
        mico_store_complete(store, 1,
                            mico_study_digest(&mico_store_run(store)->study[1]), NULL),
        MICO_OK);
}

static uint8_t *slurp(const char *path, size_t *n)
{
    uint8_t *bytes = NULL;

    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, n, path, 1 << 24, NULL), MICO_OK);
    return bytes;
}

static void spill(const char *path, const uint8_t *bytes, size_t n)
{
    CU_ASSERT_EQUAL_FATAL(mico_file_write(path, bytes, n, NULL), MICO_OK);
}

/* The last four bytes of a record guard all others; recompute them after a change. */
static void seal(uint8_t *record, size_t n)
{
    uint32_t crc = 0;
    mico_writer w = {0};

    for (size_t i = 0; i < n - 4; i++) { /* CRC-32 bit by bit, as in ISO 3309 */
        uint32_t v = (crc ^ 0xffffffffu) ^ record[i];

        for (int k = 0; k < 8; k++)
            v = v & 1 ? 0xedb88320u ^ (v >> 1) : v >> 1;
        crc = v ^ 0xffffffffu;
    }
    mico_put_u32(&w, crc);
    memcpy(record + n - 4, w.bytes, 4);
    mico_writer_free(&w);
}

/* Offset and total length of record k. */
static size_t find_record(const uint8_t *bytes, size_t n, size_t k, size_t *length)
{
    size_t at = 12;

    for (;;) {
        mico_reader r = {bytes, n, at, false};

        *length = (size_t)mico_get_u32(&r) + 20;
        CU_ASSERT_FATAL(at + *length <= n);
        if (k-- == 0)
            return at;
        at += *length;
    }
}

/* ---- opening -------------------------------------------------------------------- */

static void t_refusals(void)
{
    fixture f;
    mico_store *store;

    begin(&f);
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_RESUME), MICO_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "nothing to resume"));
    CU_ASSERT_FALSE(mico_file_exists(f.journal));
    CU_ASSERT_EQUAL(mico_store_open(&store, f.journal, &f.run.about, 0, &f.err),
                    MICO_EUSAGE);
    CU_ASSERT_EQUAL(mico_store_open(&store, f.folder, &f.run.about, 0, &f.err),
                    MICO_EUSAGE);
    CU_ASSERT_EQUAL(mico_store_open(&store, "", &f.run.about, 0, &f.err), MICO_EUSAGE);
    spill(f.journal, (const uint8_t *)"hello", 5);
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "not a journal"));
    spill(f.journal, (const uint8_t *)"MICOJRN1\2\0\0\0", 12);
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "version 2"));
    spill(f.journal, NULL, 0);
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EFORMAT);
    store = open_how(&f, MICO_STORE_FRESH); /* the remedy that the messages name */
    CU_ASSERT_EQUAL(mico_store_close(store, "complete", &f.err), MICO_OK);
    CU_ASSERT_TRUE(mico_file_exists(f.results));
    unlink(f.journal);
    CU_ASSERT_EQUAL_FATAL(mkdir(f.journal, 0777), 0);
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_ESTORE);
    rmdir(f.journal);
    end(&f);
}

static void t_unwritable(void)
{
    fixture f;
    char path[256];
    mico_store *store = NULL;

    begin(&f);
    snprintf(path, sizeof path, "%s/file/x.h5", f.folder);
    spill(f.results, NULL, 0);
    snprintf(path, sizeof path, "%s/below/x.h5", f.results); /* a file, not a folder */
    CU_ASSERT_EQUAL(mico_store_open(&store, path, &f.run.about, 0, &f.err),
                    MICO_ESTORE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "folder"));
    unlink(f.results);
    if (geteuid() != 0) { /* root writes everywhere */
        CU_ASSERT_EQUAL_FATAL(chmod(f.folder, 0555), 0);
        CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_ESTORE);
        chmod(f.folder, 0755);
    }
    CU_ASSERT_EQUAL(mico_store_open(&store, "/proc/no/x.h5", &f.run.about, 0, &f.err),
                    MICO_ESTORE);
    snprintf(path, sizeof path, "%s/new/folder", f.folder); /* folders are made */
    CU_ASSERT_EQUAL(mico_store_open(&store, path, &f.run.about, 0, &f.err), MICO_OK);
    CU_ASSERT_EQUAL(mico_store_close(store, "complete", &f.err), MICO_OK);
    snprintf(path, sizeof path, "%s/new", f.folder);
    store_run_remove(path);
    end(&f);
}

static void t_mismatch(void)
{
    static const struct {
        int what;
        const char *text;
    } cases[] = {{0, "the job"}, {1, "the network"},   {2, "the data set"},
                 {3, "studies"}, {4, "study study/1"}, {5, "study study/1"},
                 {6, "costs"}};
    fixture f;
    store_run other;

    begin(&f);
    CU_ASSERT_EQUAL(mico_store_close(open_how(&f, MICO_STORE_AUTO), "x", NULL),
                    MICO_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mico_store *store = NULL;
        mico_status rc;

        store_run_make(&other);
        switch (cases[i].what) {
        case 0:
            other.about.job_hash++;
            break;
        case 1:
            other.about.net_hash++;
            break;
        case 2:
            other.about.data_hash++;
            break;
        case 3:
            other.about.n_studies = 1;
            break;
        case 4:
            other.study[1].key++;
            break;
        case 5:
            other.study[1].problem.space.var[2].n = 2;
            break;
        default:
            other.study[0].problem.metric[0].table[7] += 1;
        }
        for (int how = MICO_STORE_AUTO; how <= MICO_STORE_RESUME; how += 2) {
            rc = mico_store_open(&store, f.results, &other.about, (mico_store_how)how,
                                 &f.err);
            CU_ASSERT_EQUAL(rc, MICO_EUSAGE);
            CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, cases[i].text));
            CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "--fresh"));
            CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, f.journal));
        }
        store_run_drop(&other);
    }
    end(&f);
}

static void t_bad_about(void)
{
    fixture f;

    begin(&f);
    f.run.study[0].problem.space.var_of[1] = 99;
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EBUG);
    f.run.study[0].problem.space.var_of[1] = 1;
    snprintf(f.run.study[1].name, MICO_NAME_SIZE,
             "study_0"); /* same HDF5 name as study/0 */
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EBUG);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "same name"));
    f.run.study[0].problem.metric[0].table[3] = NAN;
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EBUG);
    CU_ASSERT_FALSE(mico_file_exists(f.journal));
    end(&f);
}

/* Calls that make no sense are the caller's bug and leave no record. */
static void t_bad_calls(void)
{
    static const uint8_t calib[] = {1};
    fixture f;
    mico_store *store;
    mico_trial t = store_run_trial(0);
    mico_check check = store_run_check(false);
    size_t before, after;

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    CU_ASSERT_EQUAL(mico_store_calib(store, 0, calib, 1, NULL), MICO_OK);
    free(slurp(f.journal, &before));
    CU_ASSERT_EQUAL(mico_store_calib(store, 0, (const uint8_t *)"x", 1, &f.err),
                    MICO_EBUG);
    CU_ASSERT_EQUAL(mico_store_propose(store, 2, &t, &f.err), MICO_EBUG);
    CU_ASSERT_EQUAL(mico_store_result(store, 0, &t, &f.err), MICO_EBUG);
    CU_ASSERT_EQUAL(mico_store_check(store, 0, &check, &f.err),
                    MICO_EBUG); /* no trial 1 */
    t.id = 1;
    CU_ASSERT_EQUAL(mico_store_propose(store, 0, &t, &f.err), MICO_EBUG);
    t = store_run_trial(0);
    t.scheme.n_layers = 2;
    CU_ASSERT_EQUAL(mico_store_propose(store, 0, &t, &f.err), MICO_EBUG);
    free(slurp(f.journal, &after));
    CU_ASSERT_EQUAL(before, after);
    add_trials(store, 0, 0, 2);
    t = store_run_trial(2);
    t.dup_of = 1;
    CU_ASSERT_EQUAL(mico_store_propose(store, 0, &t, &f.err), MICO_EBUG);
    t.dup_of = 2;
    CU_ASSERT_EQUAL(mico_store_propose(store, 0, &t, &f.err), MICO_EBUG);
    t = store_run_trial(1);
    CU_ASSERT_EQUAL(mico_store_result(store, 0, &t, &f.err),
                    MICO_EBUG); /* a second one */
    CU_ASSERT_EQUAL(mico_store_complete(store, 0, 1, &f.err), MICO_OK);
    t = store_run_trial(2);
    CU_ASSERT_EQUAL(mico_store_propose(store, 0, &t, &f.err), MICO_EBUG);
    CU_ASSERT_EQUAL(mico_store_complete(store, 0, 1, &f.err), MICO_EBUG);
    CU_ASSERT_EQUAL(mico_store_close(store, "complete", &f.err), MICO_OK);
    CU_ASSERT_EQUAL(mico_store_close(NULL, "complete", &f.err), MICO_OK);
    end(&f);
}

static void t_round_trip(void)
{
    fixture f;
    mico_store *store;
    mico_run *replayed = NULL;
    const mico_run *run;
    size_t n, valid;
    uint8_t *bytes;

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    fill(store, 12);
    bytes = slurp(f.journal, &n);
    CU_ASSERT_EQUAL_FATAL(mico_journal_replay(&replayed, bytes, n, &valid, &f.err),
                          MICO_OK);
    CU_ASSERT_EQUAL(valid, n);
    CU_ASSERT_TRUE(store_run_same(replayed, mico_store_run(store)));
    CU_ASSERT_EQUAL(replayed->study[0].n_trials, 13);
    CU_ASSERT_EQUAL(replayed->study[0].trial[12].outcome.state, MICO_STATE_PENDING);
    /* about, start, calib, then propose and result in turn */
    CU_ASSERT_EQUAL(replayed->study[0].trial[2].proposed_at, 7);
    CU_ASSERT_EQUAL(replayed->study[0].trial[2].finished_at, 8);
    CU_ASSERT_EQUAL(replayed->study[0].trial[12].finished_at, 0);
    CU_ASSERT_EQUAL(mico_run_digest(replayed), mico_run_digest(mico_store_run(store)));
    CU_ASSERT_EQUAL(mico_store_close(store, "stopped: SIGUSR1", &f.err), MICO_OK);
    store = open_how(&f, MICO_STORE_RESUME);
    run = mico_store_run(store);
    CU_ASSERT_EQUAL(run->n_starts, 2);
    CU_ASSERT_STRING_EQUAL(run->start[0].ended, "stopped: SIGUSR1");
    CU_ASSERT_STRING_EQUAL(run->start[1].ended, "");
    CU_ASSERT_TRUE(store_run_same_study(&run->study[0], &replayed->study[0]));
    CU_ASSERT_TRUE(store_run_same_study(&run->study[1], &replayed->study[1]));
    CU_ASSERT_EQUAL(mico_store_close(store, "complete", &f.err), MICO_OK);
    store = open_how(&f, MICO_STORE_FRESH);
    CU_ASSERT_EQUAL(mico_store_run(store)->n_starts, 1);
    CU_ASSERT_EQUAL(mico_store_run(store)->study[0].n_trials, 0);
    CU_ASSERT_EQUAL(mico_store_close(store, "complete", &f.err), MICO_OK);
    mico_run_free(replayed);
    free(bytes);
    end(&f);
}

/* Order of recording does not matter, every recorded bit does. */
static void t_digest(void)
{
    mico_trial trials[3] = {store_run_trial(0), store_run_trial(1), store_run_trial(6)};
    mico_check checks[2] = {store_run_check(true), store_run_check(false)};
    mico_study_run study = {
        .key = 5, .n_trials = 3, .trial = trials, .n_checks = 2, .check = checks};
    mico_run run = {.n_studies = 1, .study = &study};
    uint64_t digest = mico_study_digest(&study), whole = mico_run_digest(&run);

    study.n_checks = 0;
    CU_ASSERT_EQUAL(mico_study_digest(&study), mico_trial_digest(5, &trials[0]) +
                                                   mico_trial_digest(5, &trials[1]) +
                                                   mico_trial_digest(5, &trials[2]));
    study.n_checks = 2;
    checks[0].outcome.correct--; /* fp32: depends on the machine, not counted */
    trials[0].outcome.loss = 7;
    trials[0].outcome.seconds = 7;
    trials[0].worker = 7;
    CU_ASSERT_EQUAL(mico_study_digest(&study), digest);
    checks[1].outcome.correct--;
    CU_ASSERT_NOT_EQUAL(mico_study_digest(&study), digest);
    checks[1].outcome.correct++;
    trials[1].outcome.correct--;
    CU_ASSERT_NOT_EQUAL(mico_study_digest(&study), digest);
    trials[1].outcome.correct++;
    trials[2].outcome.state = MICO_STATE_PENDING;
    CU_ASSERT_EQUAL(
        mico_study_digest(&study),
        digest -
            mico_trial_digest(5, &(mico_trial){.id = trials[2].id,
                                               .scheme = trials[2].scheme,
                                               .outcome.state = MICO_STATE_CRASHED}));
    trials[2].outcome.state = MICO_STATE_CRASHED;
    CU_ASSERT_EQUAL(mico_run_digest(&run), whole);
    study.key = 6;
    CU_ASSERT_NOT_EQUAL(mico_run_digest(&run), whole);
}

/* ---- damage --------------------------------------------------------------------- */

static void t_torn(void)
{
    fixture f;
    uint8_t *bytes, *kept;
    size_t n, valid, kept_n, first, ends = 0, length;
    mico_store *store;
    char cut[160];

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    add_trials(store, 0, 0, 3);
    bytes = slurp(f.journal, &n);
    CU_ASSERT_EQUAL(mico_store_close(store, "x", NULL), MICO_OK);
    first = find_record(bytes, n, 1, &length);
    for (size_t cut_at = 0; cut_at <= n; cut_at++) {
        mico_run *run = NULL;
        mico_status rc = mico_journal_replay(&run, bytes, cut_at, &valid, &f.err);

        if (cut_at < first) { /* not even the job is known */
            CU_ASSERT_EQUAL(rc, MICO_EFORMAT);
            CU_ASSERT_PTR_NULL(run);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(rc, MICO_OK);
        CU_ASSERT_TRUE(valid <= cut_at);
        if (valid == cut_at)
            ends++;
        mico_run_free(run);
    }
    CU_ASSERT_EQUAL(ends, 8); /* behind about, start and 3 x (propose, result) */

    snprintf(cut, sizeof cut, "%s.cut", f.journal);
    for (size_t left = n - 3; left > n - 40; left -= 7) {
        spill(f.journal, bytes, left);
        store = open_how(&f, MICO_STORE_AUTO);
        CU_ASSERT_EQUAL(mico_store_run(store)->study[0].n_trials, 3);
        CU_ASSERT_EQUAL(mico_store_run(store)->study[0].trial[2].outcome.state,
                        MICO_STATE_PENDING);
        kept = slurp(cut, &kept_n); /* nothing is thrown away */
        CU_ASSERT_EQUAL(memcmp(kept, bytes + left - kept_n, kept_n), 0);
        free(kept);
        CU_ASSERT_EQUAL(mico_store_close(store, "x", NULL), MICO_OK);
        store = open_how(&f, MICO_STORE_AUTO); /* and goes on as if never torn */
        add_trials(store, 0, 3, 5);
        CU_ASSERT_EQUAL(mico_store_close(store, "x", NULL), MICO_OK);
        CU_ASSERT_EQUAL(mico_store_close(open_how(&f, MICO_STORE_AUTO), "x", NULL),
                        MICO_OK);
    }
    free(bytes);
    end(&f);
}

/* One wrong bit anywhere: what comes before it is unharmed, nothing wrong is accepted.
 */
static void t_flips(void)
{
    fixture f;
    uint8_t *bytes;
    size_t n, valid, first, length;
    mico_store *store;

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    fill(store, 3);
    bytes = slurp(f.journal, &n);
    CU_ASSERT_EQUAL(mico_store_close(store, "x", NULL), MICO_OK);
    first = find_record(bytes, n, 1, &length);
    for (size_t at = 0; at < n; at += at < first ? 97 : 1) {
        mico_run *run = NULL;
        mico_status rc;

        bytes[at] ^= (uint8_t)(1u << at % 8);
        rc = mico_journal_replay(&run, bytes, n, &valid, &f.err);
        if (at < first) {
            CU_ASSERT_EQUAL(rc, MICO_EFORMAT);
        } else {
            CU_ASSERT_EQUAL(rc, MICO_OK);
            CU_ASSERT_TRUE(valid <= at);
        }
        mico_run_free(run);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    free(bytes);
    end(&f);
}

/* Whole records that make no sense come from another program: refused, not cut. */
static void t_nonsense(void)
{
    static const struct {
        size_t record, offset; /* byte in the record to overwrite */
        uint8_t value;
    } cases[] = {
        {1, 4, 77},   /* unknown type */
        {1, 8, 9},    /* sequence number */
        {1, 16, 200}, /* a text longer than the record */
        {2, 16, 7},   /* calibration of study 7 */
        {3, 20, 5},   /* trial 5 is the first */
        {3, 44, 9},   /* width 9 */
        {4, 20, 1},   /* result of trial 1, not proposed */
        {4, 36, 0},   /* a result that is pending */
        {4, 36, 99},  /* no such state */
        {4, 45, 255}, /* more right than there are images */
        {5, 28, 0},   /* duplicate of another scheme (all ones but the first byte) */
    };
    fixture f;
    uint8_t *bytes, *copy;
    size_t n, valid;
    mico_store *store;

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    fill(store, 3);
    bytes = slurp(f.journal, &n);
    CU_ASSERT_EQUAL(mico_store_close(store, "x", NULL), MICO_OK);
    copy = malloc(n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mico_run *run = NULL;
        size_t length, at = find_record(bytes, n, cases[i].record, &length);

        memcpy(copy, bytes, n);
        seal(copy + at, length);
        CU_ASSERT_EQUAL_FATAL(memcmp(copy, bytes, n), 0); /* our CRC is the file's */
        copy[at + cases[i].offset] = cases[i].value;
        if (cases[i].record == 4 && cases[i].offset == 45)
            memset(copy + at + 45, 255, 8);
        if (cases[i].record == 5)
            memset(copy + at + 28, 0, 8);
        seal(copy + at, length);
        CU_ASSERT_EQUAL(mico_journal_replay(&run, copy, n, &valid, &f.err),
                        MICO_EFORMAT);
        CU_ASSERT_PTR_NULL(run);
        spill(f.journal, copy, n);
        CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "record "));
    }
    free(copy);
    free(bytes);
    end(&f);
}

/* ---- a full disk, a second writer, a kill --------------------------------------- */

static void t_full(void)
{
    fixture f;
    mico_store *store;
    struct rlimit old, low;
    size_t n, done = 0, size;
    mico_status rc = MICO_OK;

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    free(slurp(f.journal, &n));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = n + 1000;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &low), 0);
    while (rc == MICO_OK && done < 100) {
        mico_trial t = store_run_trial(done);

        rc = mico_store_propose(store, 0, &t, &f.err);
        if (rc == MICO_OK)
            rc = mico_store_result(store, 0, &t, &f.err);
        done += rc == MICO_OK;
    }
    CU_ASSERT_EQUAL(rc, MICO_ESTORE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "File too large"));
    CU_ASSERT_TRUE(done > 3 && done < 100);
    free(slurp(f.journal, &size));
    CU_ASSERT_TRUE(size <= n + 1000);
    CU_ASSERT_EQUAL(mico_store_close(store, "stopped: disk full", &f.err), MICO_ESTORE);
    setrlimit(RLIMIT_FSIZE, &old);
    store = open_how(&f, MICO_STORE_AUTO);
    n = mico_store_run(store)->study[0].n_trials;
    CU_ASSERT_TRUE(n == done || n == done + 1);
    for (size_t i = 0; i < done; i++) {
        const mico_trial *have = &mico_store_run(store)->study[0].trial[i];
        mico_trial want = store_run_trial(i);

        CU_ASSERT_TRUE(store_run_same_outcome(&have->outcome, &want.outcome));
    }
    if (n == done + 1) {
        mico_trial t = store_run_trial(done);

        CU_ASSERT_EQUAL(mico_store_result(store, 0, &t, NULL), MICO_OK);
    }
    add_trials(store, 0, n, n + 20);
    CU_ASSERT_EQUAL(mico_store_close(store, "complete", &f.err), MICO_OK);
    end(&f);
}

/* A device is no place for a journal, though it opens. */
static void t_not_a_file(void)
{
    fixture f;

    if (access("/dev/full", W_OK) != 0) {
        printf("\n    skipped: no /dev/full\n");
        return;
    }
    begin(&f);
    CU_ASSERT_EQUAL_FATAL(symlink("/dev/full", f.journal), 0);
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_AUTO), MICO_ESTORE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, f.journal));
    end(&f);
}

static void t_lock(void)
{
    fixture f;
    mico_store *store;
    int status = 0;
    pid_t pid;

    begin(&f);
    store = open_how(&f, MICO_STORE_AUTO);
    for (int how = MICO_STORE_AUTO; how <= MICO_STORE_RESUME; how++) {
        CU_ASSERT_EQUAL(refusal(&f, (mico_store_how)how), MICO_ESTORE);
        CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, "another mico-sweep is running"));
        CU_ASSERT_PTR_NOT_NULL(strstr(f.err.text, f.journal));
    }
    add_trials(store, 0, 0, 2); /* unharmed by the attempts */
    CU_ASSERT_EQUAL(mico_store_close(store, "x", &f.err), MICO_OK);
    pid = fork(); /* another process holds it */
    if (pid == 0) {
        mico_store *theirs = NULL;

        if (mico_store_open(&theirs, f.results, &f.run.about, 0, NULL) != MICO_OK)
            _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
    CU_ASSERT_TRUE(WIFSTOPPED(status));
    CU_ASSERT_EQUAL(refusal(&f, MICO_STORE_FRESH), MICO_ESTORE);
    kill(pid, SIGKILL); /* and a killed one holds nothing */
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    store = open_how(&f, MICO_STORE_AUTO);
    CU_ASSERT_EQUAL(mico_store_run(store)->n_starts, 3);
    CU_ASSERT_EQUAL(mico_store_run(store)->study[0].n_trials, 2);
    CU_ASSERT_EQUAL(mico_store_close(store, "x", &f.err), MICO_OK);
    end(&f);
}

/* The child's side of the kill loop: says in shared memory what was acknowledged. */
static void write_until_killed(fixture *f, volatile uint64_t *acknowledged)
{
    mico_store *store = NULL;

    if (mico_store_open(&store, f->results, &f->run.about, 0, NULL) != MICO_OK)
        _exit(1);
    for (size_t i = mico_store_run(store)->study[0].n_trials; i < 100000; i++) {
        mico_trial t = store_run_trial(i);

        if (mico_store_propose(store, 0, &t, NULL) != MICO_OK ||
            mico_store_result(store, 0, &t, NULL) != MICO_OK)
            _exit(2);
        *acknowledged = i + 1;
    }
    _exit(3);
}

static void t_killed(void)
{
    fixture f;
    volatile uint64_t *acknowledged =
        mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mico_rng *rng = mico_rng_new(1, "kill", 0);

    CU_ASSERT_FATAL(acknowledged != MAP_FAILED);
    begin(&f);
    *acknowledged = 0;
    for (int round = 0; round < 50; round++) {
        struct timespec wait = {0, (long)(1 + mico_rng_below(rng, 12000)) * 1000};
        mico_store *store;
        const mico_study_run *study;
        pid_t pid = fork();
        size_t n;
        int status;

        if (pid == 0)
            write_until_killed(&f, acknowledged);
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        CU_ASSERT_TRUE(WIFSIGNALED(status));
        store = open_how(&f, MICO_STORE_AUTO);
        study = &mico_store_run(store)->study[0];
        n = study->n_trials;
        CU_ASSERT_TRUE(n >= *acknowledged && n <= *acknowledged + 1);
        for (size_t i = 0; i < *acknowledged; i++) {
            mico_trial want = store_run_trial(i);

            if (!store_run_same_outcome(&study->trial[i].outcome, &want.outcome))
                CU_FAIL("an acknowledged result is lost");
        }
        /* as a driver does: the one in flight is evaluated again */
        if (n > 0 && study->trial[n - 1].outcome.state == MICO_STATE_PENDING) {
            mico_trial t = store_run_trial(n - 1);

            CU_ASSERT_EQUAL(mico_store_result(store, 0, &t, NULL), MICO_OK);
        }
        *acknowledged = n;
        CU_ASSERT_EQUAL(mico_store_close(store, "x", NULL), MICO_OK);
    }
    CU_ASSERT_TRUE(*acknowledged > 0);
    mico_rng_free(rng);
    munmap((void *)acknowledged, sizeof *acknowledged);
    end(&f);
}

MICO_SUITE("store_journal", {"refusals", t_refusals}, {"unwritable", t_unwritable},
           {"mismatch", t_mismatch}, {"bad about", t_bad_about},
           {"bad calls", t_bad_calls}, {"round trip", t_round_trip},
           {"digest", t_digest}, {"torn", t_torn}, {"flips", t_flips},
           {"nonsense", t_nonsense}, {"full", t_full}, {"not a file", t_not_a_file},
           {"lock", t_lock}, {"killed", t_killed})
