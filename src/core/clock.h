/* clock.h: monotonic seconds for durations, UTC text for humans. */
#ifndef MICO_CORE_CLOCK_H
#define MICO_CORE_CLOCK_H

#define MICO_UTC_SIZE 24

/* Seconds since an arbitrary start; never goes back. */
double mico_now_s(void);

/* CPU seconds of the calling thread. */
double mico_cpu_s(void);

/* "2026-11-24T20:31:07Z" */
void mico_utc(char out[MICO_UTC_SIZE]);

void mico_sleep_s(double seconds);

#endif
