/* Clocks. */
#include "core/clock.h"

#include <time.h>

static double read_clock_s(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double mico_now_s(void)
{
    return read_clock_s(CLOCK_MONOTONIC);
}

double mico_cpu_s(void)
{
    return read_clock_s(CLOCK_THREAD_CPUTIME_ID);
}

void mico_utc(char out[MICO_UTC_SIZE])
{
    time_t t = time(NULL);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, MICO_UTC_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void mico_sleep_s(double seconds)
{
    struct timespec t;

    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}
