/* internal.h: what parsing and expansion of a job share. */
#ifndef MICO_JOB_INTERNAL_H
#define MICO_JOB_INTERNAL_H

#include "job/keys.h"

/* Values as given, in table order; NULL: not given. */
typedef struct mico_values {
    char *text[64]; /* at least mico_n_keys */
    int line[64];
} mico_values;

typedef struct mico_sweep_axis {
    const mico_key *key;
    size_t n;
    char **value;
} mico_sweep_axis;

typedef struct mico_sweep {
    size_t n_axes;
    mico_sweep_axis axis[8];
} mico_sweep;

/* Adds an axis from "section.key" and its list of values; one that is there already may
 * only be replaced. */
mico_status mico_sweep_add(mico_sweep *sweep, const char *name, const char *values,
                           bool replace, mico_err *err);
void mico_sweep_free(mico_sweep *sweep);

/* Fills job->study and canonical texts from values and sweep; errors get one line each.
 */
void mico_sweep_expand(mico_job *job, const mico_values *values,
                       const mico_sweep *sweep, const char *name, mico_str *errors);

#endif
