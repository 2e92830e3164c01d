/* tool_pair.h: two schemes side by side on the same images, a racing comparison. */
#ifndef MICO_CLI_TOOL_PAIR_H
#define MICO_CLI_TOOL_PAIR_H

#include "eval/eval.h"

#include <jansson.h>

#define MICO_PAIR_POINTS 64 /* ranges double, so this is never reached */

typedef struct mico_pair {
    size_t n;
    struct mico_pair_point {
        uint64_t images, only[2]; /* predicted correctly by one of the two alone */
    } at[MICO_PAIR_POINTS];
    uint64_t correct[2];
} mico_pair;

/* Evaluates both as one bundle, in ranges of images that double. */
mico_status mico_pair_run(mico_pair *pair, mico_eval *eval,
                          const mico_scheme *const scheme[2], const mico_split *split,
                          mico_err *err);
void mico_pair_print(const mico_pair *pair, const char *const name[2]);
json_t *mico_pair_json(const mico_pair *pair);

#endif
