/* sweep_setup.h: everything rank 0 checks and opens before a run starts. */
#ifndef MICO_CLI_SWEEP_SETUP_H
#define MICO_CLI_SWEEP_SETUP_H

#include "cli/sweep_options.h"
#include "job/job.h"
#include "store/store.h"

typedef struct mico_setup {
    mico_job *job;
    mico_study_run *study; /* [job->n_studies] as the store wants them */
    char **splits;         /* [job->n_studies] which images do what, for people */
    uint64_t net_hash, data_hash;
    char results[4096];
} mico_setup;

/* Loads the job. err has the last of its errors; those before are on stderr already. */
mico_status mico_setup_job(mico_setup *setup, const mico_sweep_options *o,
                           mico_err *err);

/* Loads the job, its network and data; makes every study's problem; checks that each
 * can be met. */
mico_status mico_setup_make(mico_setup *setup, const mico_sweep_options *o,
                            mico_err *err);

/* Opens (or resumes) the store under results. */
mico_status mico_setup_store(mico_store **out, const mico_setup *setup,
                             const mico_sweep_options *o, int argc, char **argv,
                             uint32_t ranks, mico_err *err);

/* What --dry-run prints. */
void mico_setup_describe(const mico_setup *setup, mico_str *out);
void mico_setup_free(mico_setup *setup);

#endif
