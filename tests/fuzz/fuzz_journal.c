/* Fuzz target: the journal's replay, with the bytes as they are and with good
 * checksums. */
#include "core/hash.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What a report does with any run that was accepted. */
static void use(const mico_run *run)
{
    if (run->n_studies == 0 || run->job_text == NULL)
        abort();
    mico_run_digest(run);
    for (size_t s = 0; s < run->n_studies; s++) {
        const mico_study_run *study = &run->study[s];
        size_t *index = malloc((study->n_trials + 1) * sizeof *index);

        if (index == NULL)
            abort();
        mico_front(&study->problem, study->trial, study->n_trials, index);
        mico_best(&study->problem, study->trial, study->n_trials);
        free(index);
    }
}

static void replay(const uint8_t *bytes, size_t n)
{
    mico_run *run = NULL;
    size_t valid = 0;
    mico_err err;

    if (mico_journal_replay(&run, bytes, n, &valid, &err) != MICO_OK) {
        if (run != NULL)
            abort();
        return;
    }
    if (run == NULL || valid > n)
        abort();
    use(run);
    mico_run_free(run);
}

/* Random changes rarely survive a CRC; so give each record its right one. */
static void seal(uint8_t *bytes, size_t n)
{
    size_t at = 12;

    while (n >= 20 && at <= n - 20) {
        mico_reader r = {bytes, n, at, false};
        uint32_t length = mico_get_u32(&r), crc;

        if (length > n - at - 20)
            return;
        crc = mico_crc32(bytes + at, (size_t)16 + length);
        for (size_t k = 0; k < 4; k++)
            bytes[at + 16 + length + k] = (uint8_t)(crc >> (8 * k));
        at += (size_t)20 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    uint8_t *sealed = malloc(n + 1);

    if (sealed == NULL)
        return 0;
    replay(bytes, n);
    if (n > 0)
        memcpy(sealed, bytes, n);
    seal(sealed, n);
    replay(sealed, n);
    free(sealed);
    return 0;
}
