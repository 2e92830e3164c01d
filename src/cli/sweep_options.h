/* sweep_options.h: the command line of mico-sweep. */
#ifndef MICO_CLI_SWEEP_OPTIONS_H
#define MICO_CLI_SWEEP_OPTIONS_H

#include "core/err.h"
#include "driver/driver.h"
#include "store/store.h"

#include <stdbool.h>

#define MICO_MAX_SETS 256

typedef struct mico_sweep_options {
    const char *job, *output, *list;
    const char *set[MICO_MAX_SETS];
    size_t n_sets;
    mico_store_how how;
    bool dry_run, print_job, json, help, version, quiet;
    mico_progress progress;
    size_t only_study; /* index, or MICO_ALL_STUDIES */
} mico_sweep_options;

mico_status mico_sweep_options_read(mico_sweep_options *o, int argc, char **argv,
                                    mico_err *err);
void mico_sweep_usage(mico_str *out);

/* --list: searchers, targets, kernels, keys. */
mico_status mico_sweep_list(const char *what, mico_str *out, mico_err *err);

#endif
