/* Named random streams. */
#include "core/rng.h"

#include "core/hash.h"
#include "core/mem.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <stdlib.h>
#include <string.h>

struct mico_rng {
    gsl_rng *gsl;
};

mico_rng *mico_rng_new(uint64_t seed, const char *purpose, uint64_t id)
{
    mico_rng *rng = mico_xcalloc(1, sizeof *rng);

    rng->gsl = gsl_rng_alloc(gsl_rng_mt19937);
    mico_rng_restart(rng, seed, purpose, id);
    return rng;
}

void mico_rng_free(mico_rng *rng)
{
    if (rng == NULL)
        return;
    gsl_rng_free(rng->gsl);
    free(rng);
}

void mico_rng_restart(mico_rng *rng, uint64_t seed, const char *purpose, uint64_t id)
{
    uint64_t words[2] = {seed, id};
    uint64_t h = mico_hash(words, sizeof words, mico_hash(purpose, strlen(purpose), 0));

    /* mt19937 takes 32 bits of seed */
    gsl_rng_set(rng->gsl, (unsigned long)((h ^ (h >> 32)) & 0xffffffffu));
}

double mico_rng_uniform(mico_rng *rng)
{
    return gsl_rng_uniform(rng->gsl);
}

size_t mico_rng_below(mico_rng *rng, size_t n)
{
    return (size_t)gsl_rng_uniform_int(rng->gsl, (unsigned long)n);
}

double mico_rng_gauss(mico_rng *rng)
{
    return gsl_ran_gaussian_ziggurat(rng->gsl, 1.0);
}

void mico_rng_shuffle(mico_rng *rng, size_t *index, size_t n)
{
    gsl_ran_shuffle(rng->gsl, index, n, sizeof *index);
}
