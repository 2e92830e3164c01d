/* Tests of the driver with a fake pool: same trace for any number of workers and any
 * delays, resume, failures, limits that nothing meets. */
#include "support/suite.h"
#include "support/wire_fake_pool.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/mem.h"
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define LAYERS 4

typedef struct bench {
    char folder[64], results[96];
    mico_job *job;
    mico_study_run study;
    wire_fake fake;
    volatile sig_atomic_t stop;
    uint64_t stop_after; /* evaluations; 0: never */
    uint64_t crash_every, refuse_every;
    mico_state bad_state;
    uint32_t most_in_a_bundle; /* that memory has room for; 0: any number */
    uint64_t in_company;       /* attempts behind the first one, made in company */
    uint64_t digest;
    size_t n_trials, n_repeats, n_failed, n_checks;
    bool complete;
} bench;

/* Accuracy grows with every width, first layers matter most; deterministic. */
static void evaluate(void *context, const mico_task *task, uint32_t i,
                     mico_reply *reply)
{
    bench *b = context;
    const mico_scheme *scheme = &task->item[i].scheme;
    mico_outcome *outcome = &reply->item[i].outcome;
    double loss = 0;

    if (task->kind == MICO_TASK_CALIBRATE) {
        reply->payload = mico_xcalloc(8, 1);
        reply->payload_bytes = 8;
        return;
    }
    for (size_t l = 0; l < LAYERS && task->mode != MICO_MODE_FP32; l++) {
        loss += pow(2, -scheme->bits[l]) * (double)(LAYERS - l);
        loss += pow(2, -scheme->bits[LAYERS + l]);
    }
    outcome->images = task->split == MICO_SPLIT_FINAL ? 1000 : 2000;
    outcome->correct = (uint64_t)((double)outcome->images * 0.95 * exp(-loss));
    if (b->stop_after > 0 && b->fake.n_evaluated >= b->stop_after)
        b->stop = SIGUSR1;
}

/* Some schemes always fail, so that failures do not depend on who evaluates them. */
static mico_state fate(void *context, const mico_task *task, uint32_t i)
{
    bench *b = context;
    uint64_t hash = mico_scheme_hash(&task->item[i].scheme);

    if (task->kind == MICO_TASK_CALIBRATE || task->mode == MICO_MODE_FP32)
        return MICO_STATE_DONE;
    b->in_company += task->item[i].attempt > 0 && task->n > 1;
    if (b->most_in_a_bundle > 0 && task->n > b->most_in_a_bundle)
        return MICO_STATE_OUT_OF_MEMORY;
    if (b->crash_every > 0 && hash % b->crash_every == 0)
        return b->bad_state;
    return b->refuse_every > 0 && hash % b->refuse_every == 1 ? MICO_STATE_REFUSED
                                                              : MICO_STATE_DONE;
}

static void make_problem(mico_problem *p, const char *limit)
{
    mico_err err;

    *p = (mico_problem){.n_metrics = 1};
    p->space.n_layers = LAYERS;
    p->space.n_vars = 2 * LAYERS;
    for (size_t g = 0; g < 2 * LAYERS; g++) {
        p->space.var_of[g] = (uint16_t)g;
        mico_options_parse(&p->space.var[g], "2,4,6,8", &err);
    }
    snprintf(p->metric[0].name, MICO_NAME_SIZE, "bops");
    p->metric[0].table =
        mico_xcalloc(LAYERS * MICO_N_WIDTHS * MICO_N_WIDTHS, sizeof(double));
    p->layer_macs = mico_xcalloc(LAYERS, sizeof(double));
    p->layer_name = mico_xcalloc(LAYERS, MICO_NAME_SIZE);
    for (size_t l = 0; l < LAYERS; l++) {
        p->layer_macs[l] = 100;
        for (size_t w = 0; w < MICO_N_WIDTHS; w++)
            for (size_t a = 0; a < MICO_N_WIDTHS; a++)
                p->metric[0].table[(l * MICO_N_WIDTHS + w) * MICO_N_WIDTHS + a] =
                    100 * mico_width_bits(mico_width_at(w)) *
                    mico_width_bits(mico_width_at(a));
    }
    if (limit[0] != '\0') {
        p->n_constraints = 1;
        snprintf(p->constraint[0].text, sizeof p->constraint[0].text, "bops <= %s",
                 limit);
        p->constraint[0].limit = strtod(limit, NULL);
    }
}

/* set: extra lines of the job. */
static void open_bench(bench *b, const char *set, const char *limit)
{
    mico_str text = {0}, errors = {0};

    *b = (bench){0};
    mico_log_setup(MICO_LOG_ERROR, -1);
    snprintf(b->folder, sizeof b->folder, "/tmp/mico-driver-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(b->folder));
    snprintf(b->results, sizeof b->results, "%s/r.h5", b->folder);
    mico_str_add(&text,
                 "[net]\npath = x\n[data]\npath = y\n[study]\nbudget = 60\n[search]\n"
                 "inits = 8\ncandidates = 60\ntrees = 20\n%s\n",
                 set);
    CU_ASSERT_EQUAL_FATAL(
        mico_job_parse(&b->job, text.text, text.len, "t.ini", NULL, 0, &errors),
        MICO_OK);
    mico_str_free(&text);
    make_problem(&b->study.problem, limit);
    snprintf(b->study.name, sizeof b->study.name, "t");
    b->study.key = b->job->study[0].key;
    b->study.canonical = b->job->study[0].canonical;
    b->study.searcher = b->job->study[0].search_method;
    b->study.layer_kind = mico_xcalloc(LAYERS, MICO_NAME_SIZE);
    b->study.layer_weights = mico_xcalloc(LAYERS, sizeof(double));
    b->fake = (wire_fake){.n_workers = 1, .evaluate = evaluate, .fate = fate};
}

static void close_bench(bench *b)
{
    char path[128];

    unlink(b->results);
    snprintf(path, sizeof path, "%s/r.journal", b->folder);
    unlink(path);
    rmdir(b->folder);
    mico_problem_free(&b->study.problem);
    free(b->study.layer_kind);
    free(b->study.layer_weights);
    mico_job_free(b->job);
}

static mico_status run(bench *b, mico_store_how how, mico_err *err)
{
    mico_about about = {.job_text = b->job->canonical,
                        .job_path = "t.ini",
                        .job_hash = b->job->hash,
                        .net_path = "x",
                        .data_path = "y",
                        .n_studies = 1,
                        .study = &b->study};
    mico_drive drive = {.job = b->job,
                        .only_study = MICO_ALL_STUDIES,
                        .progress = MICO_PROGRESS_NEVER,
                        .stop = &b->stop,
                        .started_s = mico_now_s()};
    const mico_study_run *study;
    mico_err closing;
    mico_status rc;

    b->stop = 0;
    b->fake.context = b;
    snprintf(about.start.when, sizeof about.start.when, "2026-01-01T00:00:00Z");
    CU_ASSERT_EQUAL_FATAL(mico_store_open(&drive.store, b->results, &about, how, err),
                          MICO_OK);
    drive.pool = wire_fake_pool(&b->fake);
    rc = mico_driver_run(&drive, err);
    mico_pool_close(drive.pool);
    study = &mico_store_run(drive.store)->study[0];
    b->digest = mico_study_digest(study);
    b->complete = study->complete;
    b->n_checks = study->n_checks;
    b->n_trials = b->n_repeats = b->n_failed = 0;
    for (size_t i = 0; i < study->n_trials; i++) {
        b->n_repeats += study->trial[i].dup_of != MICO_NO_TRIAL;
        b->n_trials += study->trial[i].dup_of == MICO_NO_TRIAL;
        b->n_failed += study->trial[i].dup_of == MICO_NO_TRIAL &&
                       study->trial[i].outcome.state != MICO_STATE_DONE;
    }
    CU_ASSERT_EQUAL(mico_store_close(drive.store, "test", &closing), MICO_OK);
    return rc;
}

typedef struct trouble {
    uint64_t crash_every, refuse_every;
    mico_state bad_state;
    uint32_t most_in_a_bundle;
} trouble;

/* Runs a job undisturbed and says what became of it; compare the digests. */
static bench run_through(const char *set, size_t n_workers, uint64_t seed, trouble t)
{
    bench b;
    mico_err err;

    open_bench(&b, set, "9000");
    b.fake.n_workers = n_workers;
    b.fake.seed = seed;
    b.fake.slow = (unsigned)(seed % 3) * 20;
    b.crash_every = t.crash_every;
    b.refuse_every = t.refuse_every;
    b.bad_state = t.bad_state;
    b.most_in_a_bundle = t.most_in_a_bundle;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
    CU_ASSERT_TRUE(b.complete);
    CU_ASSERT_EQUAL(b.n_trials - b.n_failed, 60);
    CU_ASSERT_EQUAL(b.n_checks, 5);
    CU_ASSERT_EQUAL(b.in_company, 0);
    close_bench(&b);
    return b;
}

static uint64_t digest_with(const char *set, size_t n_workers, uint64_t seed,
                            uint64_t crash_every)
{
    trouble t = {.crash_every = crash_every, .bad_state = MICO_STATE_CRASHED};

    return run_through(set, n_workers, seed, t).digest;
}

static void t_same_trace(void)
{
    static const char *const methods[] = {"random", "mico", "regevo", "grid"};

    for (size_t m = 0; m < 4; m++) {
        char set[64];
        uint64_t first;

        snprintf(set, sizeof set, "method = %s", methods[m]);
        first = digest_with(set, 1, 1, 0);
        for (uint64_t seed = 2; seed < 6; seed++)
            CU_ASSERT_EQUAL(digest_with(set, 1 + 3 * (size_t)seed, seed, 0), first);
        CU_ASSERT_NOT_EQUAL(digest_with("method = random\n[run]\nretries = 0", 1, 1, 0),
                            1);
    }
}

/* Failed trials cost no budget, and do not make the trace depend on timing. */
static void t_failures(void)
{
    uint64_t first = digest_with("method = regevo", 1, 1, 5);

    CU_ASSERT_EQUAL(digest_with("method = regevo", 7, 3, 5), first);
    CU_ASSERT_EQUAL(digest_with("method = regevo", 16, 9, 5), first);
    CU_ASSERT_NOT_EQUAL(digest_with("method = regevo", 1, 1, 0), first);
}

/* Whoever shares a bundle with a scheme that crashes, hangs or eats memory loses
 * nothing: the same outcomes as one by one, for every way to make bundles. */
static void t_bundles(void)
{
    static const char *const bundles[] = {"1", "3", "0"};
    static const trouble troubles[] = {
        {0, 0, MICO_STATE_DONE, 0},       {6, 0, MICO_STATE_CRASHED, 0},
        {6, 5, MICO_STATE_CRASHED, 0},    {0, 4, MICO_STATE_DONE, 0},
        {7, 0, MICO_STATE_TIMEOUT, 0},    {7, 5, MICO_STATE_OUT_OF_MEMORY, 0},
        {7, 5, MICO_STATE_BAD_OUTPUT, 0}, {0, 0, MICO_STATE_DONE, 3},
        {6, 5, MICO_STATE_CRASHED, 3}};

    for (size_t t = 0; t < sizeof troubles / sizeof troubles[0]; t++) {
        uint64_t wanted = 0, failed = 0;

        for (size_t k = 0; k < 3; k++)
            for (size_t workers = 1; workers <= 4; workers += 3) {
                char set[96];
                bench b;

                if (workers == (k == 0 ? 4u : k == 1 ? 1u : 0u))
                    continue; /* enough is enough */

                snprintf(set, sizeof set,
                         "method = regevo\npopulation = 10\ntournament = 4\n"
                         "[run]\nbundle = %s\nreuse = %s",
                         bundles[k], k % 2 ? "on" : "off");
                b = run_through(set, workers, 3 * t + k + workers, troubles[t]);
                if (k == 0 && workers == 1) {
                    wanted = b.digest;
                    failed = b.n_failed;
                }
                CU_ASSERT_EQUAL(b.digest, wanted);
                CU_ASSERT_EQUAL(b.n_failed, failed);
                CU_ASSERT(b.fake.largest <= (k == 0 ? 1u : k == 1 ? 3u : 8u));
                if (k == 2 && workers == 1)
                    CU_ASSERT_EQUAL(b.fake.largest, 8); /* the window */
                if (k == 0 || (t == 0 || t == 3))
                    CU_ASSERT_EQUAL(b.fake.n_died, 0);
                if (t == 7) /* 8, 4, and then it fits */
                    CU_ASSERT(b.fake.n_died <= 1 + workers);
            }
        CU_ASSERT_EQUAL(failed > 0, t > 0 && t != 7);
    }
}

static size_t shared_layers(const mico_scheme *x, const mico_scheme *y)
{
    size_t l = 0;

    while (l < LAYERS && x->bits[l] == y->bits[l] &&
           x->bits[LAYERS + l] == y->bits[LAYERS + l])
        l++;
    return l;
}

static double shared_of_last_run[2];

static void evaluate_and_look(void *context, const mico_task *task, uint32_t i,
                              mico_reply *reply)
{
    evaluate(context, task, i, reply);
    if (task->kind != MICO_TASK_TRIAL || task->item[i].ticket > 1000)
        return;
    shared_of_last_run[1]++;
    if (i > 0)
        CU_ASSERT(task->item[i].ticket > task->item[i - 1].ticket);
    for (uint32_t k = 0; k < i; k++)
        shared_of_last_run[0] +=
            (double)shared_layers(&task->item[k].scheme, &task->item[i].scheme);
}

/* Of many that wait, those that share first layers go together. */
static void t_neighbours(void)
{
    double shared[2];

    for (int k = 0; k < 2; k++) {
        bench b;
        mico_err err;

        /* one window's worth of trials in bundles of four */
        open_bench(&b, "method = random\n[run]\nwindow = 60\nbundle = 4", "9000");
        b.fake.evaluate = evaluate_and_look;
        if (k == 1) /* what comes first comes first: nothing to choose from */
            b.job->study[0].run_window = 4;
        memset(shared_of_last_run, 0, sizeof shared_of_last_run);
        CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
        CU_ASSERT_EQUAL(b.n_trials, 60);
        CU_ASSERT_EQUAL(b.fake.largest, 4);
        shared[k] = shared_of_last_run[0] / shared_of_last_run[1];
        close_bench(&b);
    }
    CU_ASSERT(shared[0] > 2 * shared[1]);
}

/* A lost rank puts a whole bundle back, and no attempt counts. */
static void t_lost_bundles(void)
{
    trouble none = {0};
    uint64_t wanted = run_through("method = mico", 1, 1, none).digest;
    bench b;
    mico_err err;

    open_bench(&b, "method = mico", "9000");
    b.fake.n_workers = 3;
    b.fake.lose_at[1] = 7;
    b.fake.lose_at[2] = 4;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
    CU_ASSERT_EQUAL(b.digest, wanted);
    CU_ASSERT_EQUAL(b.fake.n_lost, 2);
    CU_ASSERT_EQUAL(b.n_failed, 0);
    close_bench(&b);
}

static void t_window_matters(void)
{
    CU_ASSERT_NOT_EQUAL(digest_with("method = mico\n[run]\nwindow = 1", 1, 1, 0),
                        digest_with("method = mico\n[run]\nwindow = 16", 1, 1, 0));
}

/* Stopped at any point and resumed, a run ends with the digest of an undisturbed one.
 */
static void t_resume(void)
{
    static const char *const sets[] = {"method = mico", "method = regevo",
                                       "method = regevo\n[run]\nwindow = 3"};

    for (size_t i = 0; i < 3; i++) {
        bench undisturbed =
            run_through(sets[i], 1, 1, (trouble){7, 0, MICO_STATE_CRASHED, 0});
        uint64_t all = undisturbed.fake.n_evaluated, wanted = undisturbed.digest;

        for (uint64_t after = 2; after < 60; after += 11) {
            bench b;
            mico_err err;
            uint64_t evaluated;

            open_bench(&b, sets[i], "9000");
            b.fake.n_workers = 5;
            b.fake.seed = after;
            b.crash_every = 7;
            b.bad_state = MICO_STATE_CRASHED;
            b.stop_after = after;
            CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_ESTOPPED);
            CU_ASSERT_FALSE(b.complete);
            evaluated = b.fake.n_evaluated;
            b.stop_after = 0;
            b.fake = (wire_fake){
                .n_workers = 2, .seed = 3, .evaluate = evaluate, .fate = fate};
            CU_ASSERT_EQUAL(run(&b, MICO_STORE_RESUME, &err), MICO_OK);
            CU_ASSERT_EQUAL(b.digest, wanted);
            /* nothing is evaluated twice */
            CU_ASSERT_EQUAL(evaluated + b.fake.n_evaluated, all);
            /* a complete run is not run again */
            b.fake.n_evaluated = 0;
            CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
            CU_ASSERT_EQUAL(b.fake.n_evaluated, 0);
            CU_ASSERT_EQUAL(b.digest, wanted);
            close_bench(&b);
        }
    }
}

static void t_arrival(void)
{
    for (uint64_t seed = 1; seed < 8; seed++) {
        bench b;
        mico_err err;

        open_bench(&b, "method = regevo\n[run]\norder = arrival", "9000");
        b.fake.n_workers = 6;
        b.fake.seed = seed;
        b.stop_after = 8 * seed;
        CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_ESTOPPED);
        b.stop_after = 0;
        CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
        CU_ASSERT_TRUE(b.complete);
        CU_ASSERT_EQUAL(b.n_trials, 60);
        close_bench(&b);
    }
}

/* The space has fewer feasible schemes than the budget: the search just ends. */
static void t_exhausted(void)
{
    static const char *const methods[] = {"grid", "random", "mico", "regevo"};

    for (size_t m = 0; m < 4; m++) {
        char set[64];
        bench b;
        mico_err err;

        snprintf(set, sizeof set, "method = %s", methods[m]);
        open_bench(&b, set, "2000"); /* 1600 is the least; few widenings fit */
        CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
        CU_ASSERT_TRUE(b.n_trials >= 1 && b.n_trials <= 9);
        CU_ASSERT_TRUE(b.complete);
        close_bench(&b);
    }
}

static void t_nothing_meets(void)
{
    bench b;
    mico_err err;

    open_bench(&b, "method = random", "100");
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_EUNMET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "bops"));
    close_bench(&b);
}

static void t_all_fail(void)
{
    bench b;
    mico_err err;

    open_bench(&b, "method = random\n[run]\nmax_failures = 6", "9000");
    b.crash_every = 1;
    b.bad_state = MICO_STATE_TIMEOUT;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_EUNMET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "6 trials in a row failed"));
    close_bench(&b);
}

/* Lost workers cost nothing but time, until none is left. */
static void t_lost_workers(void)
{
    uint64_t wanted = digest_with("method = mico", 1, 1, 0);
    bench b;
    mico_err err;

    open_bench(&b, "method = mico", "9000");
    b.fake.n_workers = 4;
    b.fake.lose_at[0] = 3;
    b.fake.lose_at[2] = 9;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
    CU_ASSERT_EQUAL(b.fake.n_lost, 2);
    CU_ASSERT_EQUAL(b.digest, wanted);
    close_bench(&b);

    open_bench(&b, "method = mico", "9000");
    b.fake.n_workers = 2;
    b.fake.lose_at[0] = 6;
    b.fake.lose_at[1] = 5;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_ECOMM);
    b.fake = (wire_fake){.n_workers = 3, .evaluate = evaluate, .fate = fate};
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
    CU_ASSERT_EQUAL(b.digest, wanted);
    close_bench(&b);
}

static void t_pool_errors(void)
{
    bench b;
    mico_err err;

    open_bench(&b, "method = mico", "9000");
    b.fake.refuse_load = true;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_ECOMM);
    b.fake.refuse_load = false;
    b.fake.fail_at = 8;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_ECOMM);
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_OK);
    CU_ASSERT_EQUAL(b.digest, digest_with("method = mico", 1, 1, 0));
    close_bench(&b);
}

static void t_wall_clock(void)
{
    bench b;
    mico_err err;

    open_bench(&b, "method = random\n[study]\nwallclock = 1ms", "9000");
    b.job->study[0].study_wallclock_s = 1e-9;
    CU_ASSERT_EQUAL(run(&b, MICO_STORE_AUTO, &err), MICO_ESTOPPED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "wall clock"));
    close_bench(&b);
}

MICO_SUITE("driver", {"same trace", t_same_trace}, {"failures", t_failures},
           {"bundles", t_bundles}, {"neighbours", t_neighbours},
           {"lost bundles", t_lost_bundles}, {"window matters", t_window_matters},
           {"resume", t_resume}, {"arrival", t_arrival}, {"exhausted", t_exhausted},
           {"nothing meets", t_nothing_meets}, {"all fail", t_all_fail},
           {"lost workers", t_lost_workers}, {"pool errors", t_pool_errors},
           {"wall clock", t_wall_clock})
