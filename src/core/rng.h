/* rng.h: random streams over GSL's mt19937.
 *
 * A stream is named by (seed, purpose, id): trial 17 of a study always sees the same
 * numbers, whoever evaluates it and whatever was drawn before. */
#ifndef MICO_CORE_RNG_H
#define MICO_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct mico_rng mico_rng;

mico_rng *mico_rng_new(uint64_t seed, const char *purpose, uint64_t id);
void mico_rng_free(mico_rng *rng);

/* Starts the stream (seed, purpose, id) on an existing generator. */
void mico_rng_restart(mico_rng *rng, uint64_t seed, const char *purpose, uint64_t id);

double mico_rng_uniform(mico_rng *rng);         /* [0, 1) */
size_t mico_rng_below(mico_rng *rng, size_t n); /* 0 .. n-1; n > 0 */
double mico_rng_gauss(mico_rng *rng);           /* mean 0, deviation 1 */
void mico_rng_shuffle(mico_rng *rng, size_t *index, size_t n);

#endif
