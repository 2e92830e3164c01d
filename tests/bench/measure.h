/* measure.h: medians of thread CPU time, and what the CPU can do at most. */
#ifndef MICO_BENCH_MEASURE_H
#define MICO_BENCH_MEASURE_H

#include "core/clock.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#define BENCH_MAX_REPEATS 99

typedef struct bench_effort {
    size_t repeats; /* the median of so many, at most BENCH_MAX_REPEATS */
    double least_s; /* each at least so long */
} bench_effort;

static inline int bench_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, bench_ascending);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Median seconds of one call of run(ctx), by this thread's CPU clock. */
static inline double bench_seconds(void (*run)(void *ctx), void *ctx,
                                   bench_effort effort)
{
    double seconds[BENCH_MAX_REPEATS], start;
    size_t calls = 1;

    for (;;) { /* warms up, too */
        start = mico_cpu_s();
        for (size_t i = 0; i < calls; i++)
            run(ctx);
        if (mico_cpu_s() - start >= effort.least_s)
            break;
        calls *= 2;
    }
    for (size_t r = 0; r < effort.repeats; r++) {
        start = mico_cpu_s();
        for (size_t i = 0; i < calls; i++)
            run(ctx);
        seconds[r] = (mico_cpu_s() - start) / (double)calls;
    }
    return bench_median(seconds, effort.repeats);
}

/* ---- the most that the CPU can do ---------------------------------------------- */

#if defined(__x86_64__)
/* Ten independent chains of one instruction on registers, 32 or 64 products each. */
#define BENCH_PEAK_LOOP(name, one)                                                     \
    static inline void name(size_t n)                                                  \
    {                                                                                  \
        for (size_t i = 0; i < n; i++)                                                 \
            __asm__ volatile(one("0") one("1") one("2") one("3") one("4") one("5")     \
                                 one("6") one("7") one("8") one("9")::                 \
                                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", \
                                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10");       \
    }
#define BENCH_VNNI_ZMM(i) "vpdpbusd %%zmm14, %%zmm15, %%zmm" i "\n"
#define BENCH_VNNI_YMM(i) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" i "\n"
#define BENCH_MADDUBS(i)                                                               \
    "vpmaddubsw %%ymm14, %%ymm15, %%ymm10\n vpmaddwd %%ymm10, %%ymm13, %%ymm10\n "     \
    "vpaddd %%ymm10, %%ymm" i ", %%ymm" i "\n"
BENCH_PEAK_LOOP(bench_peak_zmm, BENCH_VNNI_ZMM)
BENCH_PEAK_LOOP(bench_peak_ymm, BENCH_VNNI_YMM)
BENCH_PEAK_LOOP(bench_peak_avx2, BENCH_MADDUBS)
#endif

/* A loop and the operations (two a multiply-accumulate) of one round of it. */
typedef struct bench_probe {
    const char *what;
    void (*loop)(size_t n);
    double ops;
} bench_probe;

/* The fastest that kernels of this isa could use (NULL: of this CPU); loop is NULL
 * where nothing is known. */
static inline bench_probe bench_probe_find(const char *isa)
{
#if defined(__x86_64__)
    const bench_probe probe[] = {{"vpdpbusd zmm", bench_peak_zmm, 1280},
                                 {"vpdpbusd ymm", bench_peak_ymm, 640},
                                 {"vpmaddubsw ymm", bench_peak_avx2, 640}};
    const char *const name[] = {"avx512vnni", "avxvnni", "avx2"};
    const size_t length[] = {6, 7, 4}; /* "avx512vpopcnt" and others have it, too */

    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if ((isa == NULL || strncmp(isa, name[i], length[i]) == 0) &&
            mico_isa_here(name[i]))
            return probe[i];
#endif
    (void)isa;
    return (bench_probe){"no peak known", NULL, 0};
}

/* Operations a second in GOPS, from about least_s of the loop; 0 where not known. */
static inline double bench_peak(bench_probe probe, double least_s)
{
    double spent = 0;

    if (probe.loop == NULL)
        return 0;
    for (size_t n = 1 << 16;; n *= 2) {
        const double start = mico_cpu_s();

        probe.loop(n);
        spent = mico_cpu_s() - start;
        if (spent >= least_s)
            return probe.ops * (double)n / spent * 1e-9;
    }
}

#endif
