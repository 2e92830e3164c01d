/* mico-sweep: the search, alone or under mpirun. Rank 0 checks the job, opens the store
 * and drives; every rank has a zygote that was forked before MPI started. */
#include "cli/common.h"
#include "cli/sweep_setup.h"
#include "cli/sweep_table.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "report/report.h"
#include "wire/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "mico-sweep"

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    if (stop_signal != 0)
        _exit(mico_status_exit(MICO_ESTOPPED)); /* the second one is not patient */
    stop_signal = number;
}

static void catch_signals(bool driver)
{
    struct sigaction action = {0};

    action.sa_handler = driver ? on_signal : SIG_IGN;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static int environment_number(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int64_t value;

    return text != NULL && mico_text_int(text, &value) && value >= 0 && value < 1 << 30
               ? (int)value
               : otherwise;
}

/* Rank and number of ranks as the launcher (mpirun, or srun with PMIx) announces them
 * before MPI starts; n_ranks 0: no launcher. */
static void launched_as(int *rank, int *n_ranks)
{
    *rank =
        environment_number("OMPI_COMM_WORLD_RANK", environment_number("PMIX_RANK", -1));
    *n_ranks = *rank < 0 ? 0
                         : environment_number("OMPI_COMM_WORLD_SIZE",
                                              environment_number("SLURM_NTASKS", 1));
    if (*rank < 0)
        *rank = 0;
}

/* ---- results
 * ------------------------------------------------------------------------- */

static json_t *best_json(const mico_study_run *study)
{
    const mico_problem *problem = &study->problem;
    size_t best = mico_best(problem, study->trial, study->n_trials);
    char scheme[MICO_SCHEME_TEXT];
    json_t *cost, *row;

    if (best == study->n_trials)
        return json_null();
    mico_scheme_print(&study->trial[best].scheme, scheme);
    cost = json_object();
    for (size_t k = 0; k < problem->n_metrics; k++)
        json_object_set_new(cost, problem->metric[k].name,
                            json_real(mico_metric_cost(&problem->metric[k],
                                                       &study->trial[best].scheme)));
    row =
        json_pack("{s:I, s:s, s:f, s:o}", "trial", (json_int_t)best, "scheme", scheme,
                  "accuracy", mico_accuracy(&study->trial[best].outcome), "cost", cost);
    for (size_t i = 0; i < study->n_checks; i++)
        if (study->check[i].trial == best && study->check[i].split == MICO_SPLIT_FINAL)
            json_object_set_new(row, "final_accuracy",
                                json_real(mico_accuracy(&study->check[i].outcome)));
    return row;
}

static void count_trials(const mico_study_run *study, uint64_t *trials,
                         uint64_t *failed)
{
    for (size_t i = 0; i < study->n_trials; i++) {
        const mico_trial *t = &study->trial[i];

        if (t->dup_of != MICO_NO_TRIAL || t->outcome.state == MICO_STATE_PENDING)
            continue;
        (*trials)++;
        *failed += t->outcome.state != MICO_STATE_DONE;
    }
}

/* The study whose winner is the most accurate; 0 where none has one. */
static size_t best_study(const mico_run *run)
{
    size_t best = 0;
    double highest = -1;

    for (size_t s = 0; s < run->n_studies; s++) {
        const mico_study_run *study = &run->study[s];
        size_t b = mico_best(&study->problem, study->trial, study->n_trials);

        if (b < study->n_trials && mico_accuracy(&study->trial[b].outcome) > highest) {
            highest = mico_accuracy(&study->trial[b].outcome);
            best = s;
        }
    }
    return best;
}

static void print_json(const mico_run *run, const char *results, double seconds)
{
    uint64_t trials = 0, failed = 0;
    char digest[17];
    json_t *root, *studies = json_array();

    for (size_t s = 0; s < run->n_studies; s++) {
        count_trials(&run->study[s], &trials, &failed);
        json_array_append_new(studies,
                              json_pack("{s:s, s:o}", "name", run->study[s].name,
                                        "best", best_json(&run->study[s])));
    }
    snprintf(digest, sizeof digest, "%016llx",
             (unsigned long long)mico_run_digest(run));
    root =
        json_pack("{s:s, s:s, s:I, s:I, s:o, s:f, s:o}", "results", results, "digest",
                  digest, "trials", (json_int_t)trials, "failed", (json_int_t)failed,
                  "best", best_json(&run->study[best_study(run)]), "seconds", seconds,
                  "studies", studies);
    mico_json_print(root);
}

static void print_summary(const mico_run *run, const char *results, double seconds)
{
    mico_str text = {0};
    char duration[32];

    mico_report_summary(run, &text);
    mico_text_duration(seconds, duration);
    printf("%sdigest   %016llx\nresults  %s  (%s)\n",
           text.text != NULL ? text.text : "", (unsigned long long)mico_run_digest(run),
           results, duration);
    mico_str_free(&text);
}

/* ---- rank 0
 * -------------------------------------------------------------------------- */

typedef struct program {
    mico_sweep_options options;
    mico_setup setup;
    mico_store *store;
    mico_pool *pool;
    double started_s;
} program;

static mico_status drive(program *p, mico_err *err)
{
    mico_drive drive = {.job = p->setup.job,
                        .only_study = p->options.only_study,
                        .store = p->store,
                        .pool = p->pool,
                        .progress = p->options.quiet ? MICO_PROGRESS_NEVER
                                                     : p->options.progress,
                        .stop = &stop_signal,
                        .started_s = p->started_s};
    mico_status rc = mico_driver_run(&drive, err);
    mico_err closing;
    char ended[64];
    double seconds = mico_now_s() - p->started_s;

    if (rc == MICO_OK || rc == MICO_EUNMET) {
        const mico_run *run = mico_store_run(p->store);

        if (p->options.json)
            print_json(run, p->setup.results, seconds);
        else
            print_summary(run, p->setup.results, seconds);
        fflush(stdout);
    }
    snprintf(ended, sizeof ended, "%.63s", rc == MICO_OK ? "complete" : err->text);
    if (mico_store_close(p->store, ended, &closing) != MICO_OK &&
        (rc == MICO_OK || rc == MICO_EUNMET)) {
        rc = closing.status;
        *err = closing;
    }
    p->store = NULL;
    if (rc == MICO_ESTOPPED)
        mico_err_append(err, "; nothing is lost, the same command goes on from here");
    return rc;
}

/* Answers that need no run: to stdout, before MPI. *answered false: there is a run to
 * do. */
static mico_status answer(program *p, bool *answered, mico_err *err)
{
    const mico_sweep_options *o = &p->options;
    mico_str text = {0};
    mico_status rc = MICO_OK;

    *answered = true;
    if (o->help)
        mico_sweep_usage(&text);
    else if (o->version)
        mico_version_text(PROGRAM, &text);
    else if (o->list != NULL)
        rc = mico_sweep_list(o->list, &text, err);
    else
        *answered = false;
    if (rc == MICO_OK && text.text != NULL)
        fputs(text.text, stdout);
    mico_str_free(&text);
    return rc;
}

static mico_status print_job(program *p, mico_err *err)
{
    mico_status rc = mico_setup_job(&p->setup, &p->options, err);

    if (rc == MICO_OK)
        fputs(p->setup.job->canonical, stdout);
    return rc;
}

static mico_status dry_run(program *p, mico_err *err)
{
    mico_str text = {0};
    mico_status rc = mico_setup_make(&p->setup, &p->options, err);

    if (rc == MICO_OK) {
        mico_setup_describe(&p->setup, &text);
        fputs(text.text, stdout);
    }
    mico_str_free(&text);
    return rc;
}

static mico_status run_driver(program *p, mico_zygote *zygote, int argc, char **argv,
                              int n_ranks, mico_err *err)
{
    bool dedicated;
    int rank;
    mico_status rc = mico_setup_make(&p->setup, &p->options, err);

    if (rc == MICO_OK)
        rc = mico_setup_store(&p->store, &p->setup, &p->options, argc, argv,
                              n_ranks > 0 ? (uint32_t)n_ranks : 1, err);
    if (rc != MICO_OK) {
        mico_zygote_stop(zygote);
        return rc;
    }
    catch_signals(true);
    dedicated = strcmp(p->setup.job->study[0].run_driver, "dedicated") == 0;
    if (n_ranks == 0) {
        if (dedicated)
            mico_log(MICO_LOG_WARN,
                     "[run] driver = dedicated needs mpirun with 2 or more "
                     "ranks; rank 0 evaluates");
        p->pool = mico_pool_inline(zygote);
        rc = drive(p, err);
        mico_pool_close(p->pool);
        return rc;
    }
    rc = mico_mpi_start(&argc, &argv, &rank, &n_ranks, err);
    catch_signals(true); /* MPI may have installed its own */
    if (dedicated && n_ranks > 1) {
        mico_zygote_stop(zygote);
        zygote = NULL;
    }
    if (rc == MICO_OK)
        rc = mico_pool_mpi(&p->pool, zygote, err);
    if (rc == MICO_OK)
        rc = drive(p, err);
    if (p->pool != NULL)
        mico_pool_close(p->pool);
    return rc;
}

/* Where a rank was lost, MPI cannot be finalized: the job is ended with our code. */
static int leave_mpi(int code)
{
    fflush(NULL);
    if (!mico_mpi_end())
        mico_mpi_abort(code);
    return code;
}

static int run_worker(mico_zygote *zygote, int argc, char **argv)
{
    int rank, n_ranks;
    mico_err err;
    mico_status rc;

    /* TERM must still work in there: rank 0 may refuse the job while we wait for it */
    signal(SIGUSR1, SIG_IGN);
    rc = mico_mpi_start(&argc, &argv, &rank, &n_ranks, &err);
    catch_signals(false);
    mico_log_setup(MICO_LOG_WARN, rank);
    if (rc == MICO_OK)
        rc = mico_mpi_serve(zygote, &err);
    if (rc != MICO_OK)
        mico_log(MICO_LOG_ERROR, "%s", err.text);
    return leave_mpi(mico_status_exit(rc));
}

int main(int argc, char **argv)
{
    program p = {.started_s = mico_now_s()};
    mico_zygote *zygote = NULL;
    int rank, n_ranks, code;
    bool answered = false;
    mico_err err;
    mico_status rc;

    mico_tame_libraries();
    launched_as(&rank, &n_ranks);
    rc = mico_sweep_options_read(&p.options, argc, argv, &err);
    if (rank != 0 &&
        (rc != MICO_OK || p.options.help || p.options.version ||
         p.options.list != NULL || p.options.print_job || p.options.dry_run))
        return 0; /* rank 0 speaks for all */
    if (rc == MICO_OK)
        rc = answer(&p, &answered, &err);
    if (rc == MICO_OK && !answered && p.options.print_job)
        rc = print_job(&p, &err);
    else if (rc == MICO_OK && !answered && p.options.dry_run)
        rc = dry_run(&p, &err);
    else if (rc == MICO_OK && !answered) {
        mico_log_setup(p.options.quiet ? MICO_LOG_WARN : MICO_LOG_INFO, -1);
        rc = mico_zygote_start(&zygote, &mico_table_service, &err);
        if (rc == MICO_OK && rank != 0)
            return run_worker(zygote, argc, argv);
        if (rc == MICO_OK)
            rc = run_driver(&p, zygote, argc, argv, n_ranks, &err);
    }
    code = mico_exit_flushed(PROGRAM, mico_exit_with(PROGRAM, rc, &err));
    mico_setup_free(&p.setup);
    return p.pool != NULL && n_ranks > 0 ? leave_mpi(code) : code;
}
