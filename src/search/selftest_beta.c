/* NumPy's legacy beta variates, which published benchmark problems are made of.
 *
 * numpy.random.RandomState is frozen (NEP 19): MT19937 seeded with init_genrand
 * (Matsumoto and Nishimura 1998), 53-bit uniforms, the polar method for normals,
 * Marsaglia and Tsang's (2000) for gamma and Johnk's (1964) for beta variates. */
#include "search/selftest_internal.h"

#include <math.h>

#define N 624
#define M 397

typedef struct twister {
    uint32_t state[N];
    size_t at;
    double gauss; /* the second of a pair */
    bool has_gauss;
} twister;

static void seed_twister(twister *t, uint32_t seed)
{
    *t = (twister){.at = N};
    for (uint32_t i = 0; i < N; i++) {
        t->state[i] = seed;
        seed = 1812433253U * (seed ^ (seed >> 30)) + i + 1;
    }
}

static uint32_t next_word(twister *t)
{
    uint32_t y;

    if (t->at == N) {
        for (size_t i = 0; i < N; i++) {
            y = (t->state[i] & 0x80000000U) | (t->state[(i + 1) % N] & 0x7fffffffU);
            t->state[i] =
                t->state[(i + M) % N] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfU : 0);
        }
        t->at = 0;
    }
    y = t->state[t->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
}

static double next_uniform(twister *t)
{
    double a = next_word(t) >> 5, b = next_word(t) >> 6;

    return (a * 67108864.0 + b) / 9007199254740992.0;
}

static double next_gauss(twister *t)
{
    double x, y, r2, f;

    if (t->has_gauss) {
        t->has_gauss = false;
        return t->gauss;
    }
    do {
        x = 2.0 * next_uniform(t) - 1.0;
        y = 2.0 * next_uniform(t) - 1.0;
        r2 = x * x + y * y;
    } while (r2 >= 1.0 || r2 == 0.0);
    f = sqrt(-2.0 * log(r2) / r2);
    t->gauss = f * x;
    t->has_gauss = true;
    return f * y;
}

/* shape >= 1 */
static double next_gamma(twister *t, double shape)
{
    double b = shape - 1. / 3., c = 1. / sqrt(9 * b);

    if (shape <= 1.0)
        return -log(1.0 - next_uniform(t));
    for (;;) {
        double x, v, u;

        do {
            x = next_gauss(t);
            v = 1.0 + c * x;
        } while (v <= 0.0);
        v = v * v * v;
        u = next_uniform(t);
        if (u < 1.0 - 0.0331 * (x * x) * (x * x) ||
            log(u) < 0.5 * x * x + b * (1. - v + log(v)))
            return b * v;
    }
}

/* Of a <= 1 and b <= 1 (both, else both must be at least 1). */
static double next_beta(twister *t, double a, double b)
{
    double x, y;

    if (a > 1.0 || b > 1.0) {
        x = next_gamma(t, a);
        return x / (x + next_gamma(t, b));
    }
    do {
        x = pow(next_uniform(t), 1.0 / a);
        y = pow(next_uniform(t), 1.0 / b);
    } while (x + y > 1.0 || x + y <= 0);
    return x / (x + y);
}

void mico_selftest_beta(uint32_t seed, double a, double b, size_t n, double *out)
{
    twister t;

    seed_twister(&t, seed);
    for (size_t i = 0; i < n; i++)
        out[i] = next_beta(&t, a, b);
}
