/* log.h: one line a message on stderr: UTC time, level letter, rank, text.
 *
 * Only programs, driver and worker log; every other module returns errors. */
#ifndef MICO_CORE_LOG_H
#define MICO_CORE_LOG_H

typedef enum mico_level {
    MICO_LOG_ERROR,
    MICO_LOG_WARN,
    MICO_LOG_INFO,
    MICO_LOG_DEBUG,
} mico_level;

/* Sets what is printed and the rank that is printed with it (rank < 0: no rank).
 * Messages of INFO and below come from rank 0 only. */
void mico_log_setup(mico_level level, int rank);

void mico_log(mico_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
