/* tune_internal.h: what the files of the tuner share: candidates, timings, the cache.
 */
#ifndef MICO_KERNELS_TUNE_INTERNAL_H
#define MICO_KERNELS_TUNE_INTERNAL_H

#include "kernels/kernels_internal.h"

#define MICO_TUNE_MOST ((size_t)4) /* candidates for one operation */
#define MICO_TUNE_KEY  ((size_t)200)

/* Entries that compete for an operation, and seconds per image. [0] is the plain one:
 * what mico_kernel_find would take. */
typedef struct mico_timing {
    char key[MICO_TUNE_KEY];
    size_t n;
    const mico_kernel *kernel[MICO_TUNE_MOST];
    double image_s[MICO_TUNE_MOST];
    bool is_new; /* measured by this process */
} mico_timing;

struct mico_tuner {
    char *cache_file, *only_isa; /* or NULL */
    bool measure, unsaved;
    size_t n, capacity;
    mico_timing *timing; /* in ascending order of their keys */
};

/* Fills in the times of t's candidates. */
void mico_tune_measure(const mico_plan *plan, const mico_op *op, mico_timing *t);

/* The timing with that key, or NULL. Adding replaces one with the same key. */
mico_timing *mico_tune_find(const mico_tuner *tuner, const char *key);
void mico_tune_add(mico_tuner *tuner, const mico_timing *timing);

/* First line of a cache file: what must be the same for its times to hold. */
void mico_tune_header(mico_str *out);

/* Adds what the cache file holds to the keys that are not known yet. A file that is
 * missing, damaged, or of another CPU or program adds nothing. */
void mico_tune_load(mico_tuner *tuner);

#endif
