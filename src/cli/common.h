/* common.h: what both programs share. */
#ifndef MICO_CLI_COMMON_H
#define MICO_CLI_COMMON_H

#include "core/err.h"
#include "core/text.h"
#include "job/job.h"
#include "net/net.h"
#include "store/store.h"
#include "trial/trial.h"

#include <jansson.h>

/* "mico-sweep 0.1.0 (git abc)" and, one a line, the libraries it runs with. */
void mico_version_text(const char *program, mico_str *out);
void mico_libraries_text(mico_str *out); /* "HDF5 1.10.8, GSL 2.7.1, ..." */

/* Quiets what libraries print or abort by themselves; once, at the start of main. */
void mico_tame_libraries(void);

/* Prints "program: text" for a failed status; returns its exit code. */
int mico_exit_with(const char *program, mico_status rc, const mico_err *err);

/* The exit code, or 2 with a message where standard output could not be written; last.
 */
int mico_exit_flushed(const char *program, int code);

/* Prints an object on stdout, compact, with a newline; takes it. */
void mico_json_print(json_t *object);

/* Space, metrics, limits and features of a study over its network. Limits relative to a
 * scheme become absolute here. */
mico_status mico_problem_make(mico_problem *out, const mico_study *study,
                              const mico_net *net, mico_err *err);

/* The same of a study whose trials are looked up in a table: layers and costs are the
 * table's, the space is what both table and study allow. */
mico_status mico_problem_of_table(mico_problem *out, const mico_study *study,
                                  const mico_census *census, mico_err *err);

/* Kind ([n_layers * MICO_NAME_SIZE] characters) and number of weights of each layer. */
void mico_describe_layers(const mico_net *net, char **kind, double **weights);

#endif
