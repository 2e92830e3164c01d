/* Versions, library manners, JSON, exits. */
#include "cli/common.h"

#include "version.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_version.h>
#include <hdf5.h>
#include <protobuf-c/protobuf-c.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <zip.h>
#include <zlib.h>

void mico_libraries_text(mico_str *out)
{
    unsigned major, minor, release;

    H5get_libversion(&major, &minor, &release);
    mico_str_add(out,
                 "HDF5 %u.%u.%u, GSL %s, jansson %s, protobuf-c %s, libzip %s, zlib %s",
                 major, minor, release, gsl_version, JANSSON_VERSION,
                 protobuf_c_version(), zip_libzip_version(), zlibVersion());
}

void mico_version_text(const char *program, mico_str *out)
{
    mico_str_add(out, "%s %s (git %s)\n", program, MICO_VERSION, MICO_COMMIT);
    mico_libraries_text(out);
    mico_str_add(out, "\n");
}

void mico_tame_libraries(void)
{
    gsl_set_error_handler_off();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failed write, not a death */
}

int mico_exit_with(const char *program, mico_status rc, const mico_err *err)
{
    if (rc != MICO_OK)
        fprintf(stderr, "%s: %s\n", program, err->text);
    return mico_status_exit(rc);
}

int mico_exit_flushed(const char *program, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "%s: standard output cannot be written\n", program);
    return code != 0 ? code : 2;
}

void mico_json_print(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER |
                                        JSON_REAL_PRECISION(17));

    puts(text != NULL ? text : "{}");
    free(text);
    json_decref(object);
}
