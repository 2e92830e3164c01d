/* machine.h: what a bench ran on, for its table and its JSON. */
#ifndef MICO_BENCH_MACHINE_H
#define MICO_BENCH_MACHINE_H

#include "core/clock.h"
#include "kernels/kernels.h"
#include "version.h"

#include <cblas.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* True where OpenBLAS chose kernels that do not use this CPU's vectors: 0.3.21 does not
 * know newer Intel CPUs and runs its SSE3 kernels there, at a quarter of the speed. */
static inline bool bench_blas_is_slow(void)
{
    const char *core = openblas_get_corename();

    return mico_isa_here("avx512vnni") && strcasecmp(core, "skylakex") != 0 &&
           strcasecmp(core, "cooperlake") != 0 &&
           strcasecmp(core, "sapphirerapids") != 0;
}

/* One thread everywhere, and OpenBLAS with the kernels of this CPU. Libraries read
 * these variables when they are loaded, so the program starts once more. */
static inline void bench_environment(char **argv)
{
    if (getenv("MICO_BENCH_STARTED") != NULL)
        return;
    setenv("MICO_BENCH_STARTED", "1", 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (bench_blas_is_slow())
        setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 0);
    execv("/proc/self/exe", argv);
    perror("bench: cannot start again"); /* the numbers hold, peers may be slow */
}

/* The first "model name" of /proc/cpuinfo. */
static inline void bench_cpu(char *out, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];

    snprintf(out, size, "unknown CPU");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 2);
        break;
    }
    if (file != NULL)
        fclose(file);
}

static inline void bench_loads(double load[3])
{
    if (getloadavg(load, 3) != 3)
        load[0] = load[1] = load[2] = -1;
}

/* {"bench": ..., "date": ..., "machine": {...}, "version": ...} */
static inline json_t *bench_head(const char *bench)
{
    char cpu[128], host[64] = "?", date[MICO_UTC_SIZE];
    double load[3];

    bench_cpu(cpu, sizeof cpu);
    gethostname(host, sizeof host - 1);
    mico_utc(date);
    bench_loads(load);
    printf("%s of mico-sweep %s (git %s), %s\n%s, load %.1f, one thread, CPU time\n",
           bench, MICO_VERSION, MICO_COMMIT, date, cpu, load[0]);
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:i, s:f}}", "bench", bench,
                     "version", MICO_VERSION, "git", MICO_COMMIT, "date", date,
                     "machine", "cpu", cpu, "host", host, "cpus",
                     (int)sysconf(_SC_NPROCESSORS_ONLN), "load", load[0]);
}

/* Writes root to path (NULL: nowhere) and releases it; returns the exit code. */
static inline int bench_write(json_t *root, const char *path)
{
    int rc = 0;

    if (path != NULL && json_dump_file(root, path, JSON_INDENT(1)) != 0) {
        fprintf(stderr, "bench: %s cannot be written\n", path);
        rc = 1;
    }
    json_decref(root);
    return rc;
}

#endif
