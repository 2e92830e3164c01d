/* The paired comparison of `mico eval --against`: McNemar's test as images come by. */
#include "cli/tool_pair.h"

#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_IMAGES 64
#define CLEAR        6.635 /* chi squared with one degree of freedom: 1 % */

mico_status mico_pair_run(mico_pair *pair, mico_eval *eval,
                          const mico_scheme *const scheme[2], const mico_split *split,
                          mico_err *err)
{
    const size_t words = MICO_RIGHT_WORDS(split->count);
    uint64_t *right = mico_xcalloc(2 * words, sizeof *right), to = 0;
    mico_answer answer[2] = {{.result.right = right}, {.result.right = right + words}};
    mico_status rc = MICO_OK;

    *pair = (mico_pair){0};
    while (rc == MICO_OK && to < split->count) {
        struct mico_pair_point *at = &pair->at[pair->n++];

        to = to == 0 ? FIRST_IMAGES : 2 * to;
        to = to < split->count ? to : split->count;
        rc = mico_eval_bundle(eval, scheme, answer, 2, split, to, err);
        for (size_t k = 0; k < 2 && rc == MICO_OK; k++)
            if (answer[k].status != MICO_OK) {
                *err = answer[k].err;
                rc = answer[k].status;
            }
        at->images = to;
        mico_right_pair(right, right + words, to, &at->only[0], &at->only[1]);
    }
    for (size_t k = 0; k < 2; k++)
        pair->correct[k] = answer[k].result.correct;
    free(right);
    return rc;
}

/* (b - c)^2 / (b + c); 0 where the two never differ. */
static double mcnemar(const struct mico_pair_point *at)
{
    const double b = (double)at->only[0], c = (double)at->only[1];

    return b + c > 0 ? (b - c) * (b - c) / (b + c) : 0;
}

void mico_pair_print(const mico_pair *pair, const char *const name[2])
{
    printf("A: %s\nB: %s\n%9s %9s %9s %9s\n", name[0], name[1], "images", "only A",
           "only B", "McNemar");
    for (size_t i = 0; i < pair->n; i++) {
        const struct mico_pair_point *at = &pair->at[i];

        printf("%9llu %9llu %9llu %9.2f%s\n", (unsigned long long)at->images,
               (unsigned long long)at->only[0], (unsigned long long)at->only[1],
               mcnemar(at), mcnemar(at) > CLEAR ? "  clear at 1 %" : "");
    }
    printf("A %llu, B %llu of %llu correct\n", (unsigned long long)pair->correct[0],
           (unsigned long long)pair->correct[1],
           (unsigned long long)pair->at[pair->n - 1].images);
}

json_t *mico_pair_json(const mico_pair *pair)
{
    json_t *ranges = json_array();

    for (size_t i = 0; i < pair->n; i++) {
        const struct mico_pair_point *at = &pair->at[i];

        json_array_append_new(
            ranges, json_pack("{s:I, s:I, s:I, s:f}", "images", (json_int_t)at->images,
                              "only_first", (json_int_t)at->only[0], "only_second",
                              (json_int_t)at->only[1], "mcnemar", mcnemar(at)));
    }
    return json_pack("{s:[I, I], s:o}", "correct", (json_int_t)pair->correct[0],
                     (json_int_t)pair->correct[1], "ranges", ranges);
}
