/* Log lines: written with one write(2) so that ranks do not mix them. */
#include "core/log.h"

#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    mico_level level;
    int rank;
} setup = {MICO_LOG_INFO, -1};

void mico_log_setup(mico_level level, int rank)
{
    setup.level = level;
    setup.rank = rank;
}

void mico_log(mico_level level, const char *fmt, ...)
{
    char line[1400], when[MICO_UTC_SIZE];
    va_list ap;
    size_t used;
    int n;

    if (level > setup.level || (level >= MICO_LOG_INFO && setup.rank > 0))
        return;
    mico_utc(when);
    if (setup.rank >= 0)
        n = snprintf(line, sizeof line, "%s %c r%d ", when, "EWID"[level], setup.rank);
    else
        n = snprintf(line, sizeof line, "%s %c ", when, "EWID"[level]);
    used = (size_t)n;
    va_start(ap, fmt);
    n = vsnprintf(line + used, sizeof line - used - 1, fmt, ap);
    va_end(ap);
    if (n > 0)
        used = strlen(line);
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* nowhere left to complain */
}
