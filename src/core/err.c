/* Status texts and the caller-owned error holder. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *text;
    int exit_code;
} statuses[] = {
#define MICO_STATUS_ROW(suffix, text, code) {text, code},
    MICO_STATUS_LIST(MICO_STATUS_ROW)
#undef MICO_STATUS_ROW
};

const char *mico_status_text(mico_status status)
{
    return statuses[status].text;
}

int mico_status_exit(mico_status status)
{
    return statuses[status].exit_code;
}

/* A text that does not fit ends in "..." so that nobody takes a cut for the whole. */
static void mark_cut(mico_err *err, size_t wanted)
{
    if (wanted >= sizeof err->text)
        memcpy(err->text + sizeof err->text - 4, "...", 4);
}

mico_status mico_fail(mico_err *err, mico_status status, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (err == NULL)
        return status;
    err->status = status;
    va_start(ap, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    mark_cut(err, n < 0 ? 0 : (size_t)n);
    return status;
}

void mico_err_prefix(mico_err *err, const char *fmt, ...)
{
    char old[sizeof err->text];
    va_list ap;
    int n;
    size_t used;

    if (err == NULL)
        return;
    memcpy(old, err->text, sizeof old);
    va_start(ap, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    used = strlen(err->text);
    n = snprintf(err->text + used, sizeof err->text - used, ": %s", old);
    mark_cut(err, used + (n < 0 ? 0 : (size_t)n));
}

void mico_err_append(mico_err *err, const char *fmt, ...)
{
    va_list ap;
    size_t used;
    int n;

    if (err == NULL)
        return;
    used = strlen(err->text);
    va_start(ap, fmt);
    n = vsnprintf(err->text + used, sizeof err->text - used, fmt, ap);
    va_end(ap);
    mark_cut(err, used + (n < 0 ? 0 : (size_t)n));
}
