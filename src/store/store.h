/* store.h: what a run has found, kept: an append-only journal and its HDF5 view.
 *
 * The journal (RESULTS.journal beside RESULTS.h5) is the truth: one writer, one
 * write(2) a record, CRC-32 on each; a torn tail is cut when it is opened again. A
 * proposal is recorded before it is sent, a result before the searcher sees it. The
 * HDF5 file is a view for people and their tools, replaced as a whole at each flush, so
 * that no reader and no kill ever meets half of it. docs/FORMAT.md has both layouts.
 *
 *     rc = mico_store_open(&store, "results/x.h5", &about, MICO_STORE_AUTO, &err);
 *     run = mico_store_run(store);          what earlier starts left behind
 *     mico_store_propose(store, 0, &trial, &err);
 *     mico_store_result(store, 0, &trial, &err);
 *     mico_store_flush(store, &err);
 *     mico_store_close(store, "complete", &err);
 */
#ifndef MICO_STORE_STORE_H
#define MICO_STORE_STORE_H

#include "core/err.h"
#include "core/text.h"
#include "trial/trial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Evaluations beside the search: references and the winner, on both splits. */
typedef struct mico_check {
    char name[MICO_NAME_SIZE]; /* "fp32", "w8a8", "best", "front" */
    mico_mode mode;
    mico_split_name split;
    uint64_t trial;     /* the search trial it repeats, or MICO_NO_TRIAL */
    mico_scheme scheme; /* n_layers = 0 for fp32 */
    mico_outcome outcome;
} mico_check;

typedef struct mico_study_run {
    char name[MICO_NAME_SIZE];
    uint64_t key;          /* of the study, network and data: same key, same numbers */
    char *canonical;       /* the study's job text */
    char *searcher;        /* method */
    mico_problem problem;  /* layers, space, metrics, constraints (owned copy) */
    char *layer_kind;      /* n_layers * MICO_NAME_SIZE characters: kind texts */
    double *layer_weights; /* [n_layers] */
    uint8_t *calib;        /* packed calibration, NULL until known */
    size_t calib_bytes;
    size_t n_trials, trial_capacity;
    mico_trial *trial; /* by id */
    size_t n_checks;
    mico_check *check;
    bool complete;   /* search and checks are done */
    uint64_t digest; /* valid when complete */
} mico_study_run;

typedef struct mico_start { /* one (re)start of the program */
    char when[32], host[64], version[128], argv[1024], libraries[256],
        environment[1024];
    uint32_t ranks;
    char ended[64]; /* "complete", "stopped: SIGUSR1", "" (killed) */
} mico_start;

typedef struct mico_run {
    char *job_text; /* canonical */
    char job_path[4096];
    uint64_t job_hash;
    uint64_t net_hash, data_hash;
    char net_path[4096], data_path[4096];
    size_t n_studies;
    mico_study_run *study;
    size_t n_starts;
    mico_start *start;
} mico_run;

/* Identity of the job and its studies; strings are borrowed during open only. */
typedef struct mico_about {
    const char *job_text, *job_path;
    uint64_t job_hash, net_hash, data_hash;
    const char *net_path, *data_path;
    size_t n_studies;
    const mico_study_run *study; /* set: name to searcher, problem, layer_* */
    mico_start start;
} mico_about;

typedef enum mico_store_how {
    MICO_STORE_AUTO,
    MICO_STORE_FRESH,
    MICO_STORE_RESUME
} mico_store_how;

typedef struct mico_store mico_store;

/* AUTO resumes where the journal belongs to the same job and studies (job, network and
 * data hashes, study keys), starts where there is none, and fails (MICO_EUSAGE, naming
 * what differs and --fresh) otherwise. FRESH starts over. RESUME insists on a journal.
 * A second writer on the same journal fails (file lock). */
mico_status mico_store_open(mico_store **out, const char *path, const mico_about *about,
                            mico_store_how how, mico_err *err);

/* Everything known; owned by the store, valid until close. */
const mico_run *mico_store_run(const mico_store *store);

mico_status mico_store_calib(mico_store *store, size_t study, const uint8_t *bytes,
                             size_t n, mico_err *err);
mico_status mico_store_propose(mico_store *store, size_t study, const mico_trial *trial,
                               mico_err *err);
/* outcome, worker and attempts of the proposed trial with this id */
mico_status mico_store_result(mico_store *store, size_t study, const mico_trial *trial,
                              mico_err *err);
mico_status mico_store_check(mico_store *store, size_t study, const mico_check *check,
                             mico_err *err);
mico_status mico_store_complete(mico_store *store, size_t study, uint64_t digest,
                                mico_err *err);

/* Makes the journal durable and brings the HDF5 view up to date. */
mico_status mico_store_flush(mico_store *store, mico_err *err);

/* Records how this start ended, flushes, closes. store is gone even on failure. */
mico_status mico_store_close(mico_store *store, const char *ended, mico_err *err);

/* Reads a journal's bytes into a run without touching any file (resume, fuzz target).
 * *valid_bytes is where a torn tail starts. */
mico_status mico_journal_replay(mico_run **out, const uint8_t *bytes, size_t n,
                                size_t *valid_bytes, mico_err *err);

/* Reads a results file (HDF5) back into a run. */
mico_status mico_results_load(mico_run **out, const char *path, mico_err *err);
void mico_run_free(mico_run *run);

/* Sum of mico_trial_digest over finished trials, mixed with integer checks. */
uint64_t mico_study_digest(const mico_study_run *study);
uint64_t mico_run_digest(const mico_run *run);

/* ---- census: every scheme of a small space, evaluated ------------------------------
 */

#define MICO_CENSUS_MOST    ((size_t)1 << 24) /* schemes */
#define MICO_CENSUS_REFUSED UINT32_MAX /* in place of a count: cannot be lowered */

/* A table that stands for a network and its data: searchers whose trials are looked up
 * in it have a known optimum. Schemes stand in mixed-radix order of the space's
 * variables, the last one fastest. */
typedef struct mico_census {
    char version[128]; /* of the program that made it */
    char net[MICO_NAME_SIZE];
    uint64_t net_hash, data_hash, calib_hash;
    char *setting; /* images and quantiser options: "section.key = value" lines */
    mico_problem problem; /* layers, space and costs; no constraints */
    char *layer_kind;     /* as in mico_study_run */
    double *layer_weights;
    uint64_t images;      /* that each scheme was evaluated on */
    int64_t fp32_correct; /* of them; -1: not known */
    size_t n;
    uint32_t *correct; /* [n] */
    double *loss;      /* [n], NaN where refused; or NULL */
    uint64_t digest;   /* of network, data, setting, space and counts */
} mico_census;

/* Number of schemes of a space; MICO_ELIMIT above MICO_CENSUS_MOST. */
mico_status mico_census_count(const mico_space *space, size_t *n, mico_err *err);
void mico_census_levels(const mico_space *space, size_t index, uint8_t *levels);
size_t mico_census_index(const mico_space *space, const uint8_t *levels);

/* Where a scheme stands in the census; n where its space does not hold it. */
size_t mico_census_find(const mico_census *census, const mico_scheme *scheme);

/* What an evaluation of the scheme would have said; MICO_STATE_BAD_OUTPUT where the
 * census does not hold it. */
void mico_census_answer(const mico_census *census, const mico_scheme *scheme,
                        mico_outcome *outcome);

/* The setting of a study's job text. */
char *mico_census_setting(const char *canonical);
uint64_t mico_census_digest(const mico_census *census);

/* From a finished study that evaluated every scheme (searcher grid without limits). */
mico_status mico_census_from_run(mico_census **out, const mico_run *run, size_t study,
                                 mico_err *err);

/* HDF5, sealed. Saving sets nothing; load checks everything, the digest too. */
mico_status mico_census_save(const mico_census *census, const char *path,
                             mico_err *err);
mico_status mico_census_load(mico_census **out, const char *path, mico_err *err);
void mico_census_free(mico_census *census);

#endif
