/* err.h: what can go wrong, said once.
 *
 * A fallible function returns a mico_status and fills the caller's mico_err (which may
 * be NULL). The function that first detects the error words it; callers only add where
 * it happened:
 *
 *     mico_err err;
 *     if (mico_net_load(&net, path, &err) != MICO_OK)
 *         fprintf(stderr, "%s\n", err.text);
 *
 * Outputs are set only on success. Texts are lower case, name the subject first and the
 * remedy last. */
#ifndef MICO_CORE_ERR_H
#define MICO_CORE_ERR_H

/* X(suffix, text, exit code of a program that ends with it). 0 done, 1 a request could
 * not be met, 2 bad input, 70 our own bug, 75 stopped early and resumable. */
#define MICO_STATUS_LIST(X)                                                            \
    X(OK, "ok", 0)                                                                     \
    X(EUSAGE, "usage", 2)                                                              \
    X(EJOB, "job file", 2)                                                             \
    X(ENET, "network", 2)                                                              \
    X(EDATA, "data set", 2)                                                            \
    X(ESCHEME, "scheme", 2)                                                            \
    X(EUNSUP, "not supported", 2)                                                      \
    X(ELIMIT, "too large", 2)                                                          \
    X(EIO, "input/output", 2)                                                          \
    X(EFORMAT, "file format", 2)                                                       \
    X(EUNMET, "request not met", 1)                                                    \
    X(ENOMEM, "out of memory", 1)                                                      \
    X(ESTORE, "results store", 75)                                                     \
    X(ECOMM, "communication", 75)                                                      \
    X(ESTOPPED, "stopped early", 75)                                                   \
    X(EBUG, "internal error", 70)

typedef enum mico_status {
#define MICO_STATUS_ENUM(suffix, text, code) MICO_##suffix,
    MICO_STATUS_LIST(MICO_STATUS_ENUM)
#undef MICO_STATUS_ENUM
} mico_status;

typedef struct mico_err {
    mico_status status;
    char text[1000];
} mico_err;

/* Short text of a status, e.g. "job file". */
const char *mico_status_text(mico_status status);

/* Exit code of a program that ends with `status`. */
int mico_status_exit(mico_status status);

/* Stores status and formatted text in err (if not NULL); returns status, so that a
 * failing line is one statement. */
mico_status mico_fail(mico_err *err, mico_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<formatted>: " in front of the text that err holds. */
void mico_err_prefix(mico_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends formatted text (cut at the holder's size, marked by "..."). */
void mico_err_append(mico_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
