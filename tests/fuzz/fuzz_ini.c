/* Fuzz target: the job reader. What it accepts, it accepts again in its own full form.
 */
#include "job/job.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    mico_job *job = NULL, *again = NULL;
    mico_str errors = {0};
    mico_limit limits[8];
    size_t n_limits;
    mico_err err;

    if (mico_job_parse(&job, (const char *)bytes, n, "fuzz.ini", NULL, 0, &errors) !=
        MICO_OK) {
        if (job != NULL || errors.len == 0)
            abort(); /* a failure sets no output and says why */
        mico_str_free(&errors);
        return 0;
    }
    if (errors.len != 0 || job->n_studies == 0)
        abort();
    for (size_t s = 0; s < job->n_studies; s++)
        mico_limits_parse(job->study[s].objective_subject_to, limits, 8, &n_limits,
                          &err);
    if (mico_job_parse(&again, job->canonical, strlen(job->canonical), "fuzz.ini", NULL,
                       0, &errors) != MICO_OK ||
        strcmp(job->canonical, again->canonical) != 0 || job->hash != again->hash)
        abort();
    mico_job_free(again);
    mico_job_free(job);
    mico_str_free(&errors);
    return 0;
}
