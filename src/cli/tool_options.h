/* tool_options.h: the options that the commands of `mico` share. */
#ifndef MICO_CLI_TOOL_OPTIONS_H
#define MICO_CLI_TOOL_OPTIONS_H

#include "core/err.h"
#include "eval/eval.h"
#include "worker/worker.h"

#include <stdbool.h>

typedef struct mico_options_line {
    const char *data, *scheme, *against, *mode, *target, *output, *mul, *add,
        *transform;
    const char *calibration, *granularity, *weight_scale, *act_range, *act_codes,
        *profile;
    const char *title;
    const char *methods, *limits, *also;
    const char *set[64];
    size_t n_sets;
    int64_t images, jobs, seeds; /* 0: all; one a core; as the job says */
    int64_t budget;              /* 0: the usual */
    bool json, profile_layers, fresh, loss, upstream, selftest;
    int n_operands;
    char **operand;
    bool done; /* --help was answered, or the line was wrong: leave with exit_code */
    int exit_code;
} mico_options_line;

/* Parses a command line. `accepts` lists the option names that the command takes, comma
 * separated; others are errors. usage is printed for --help. */
void mico_options_read(mico_options_line *o, int argc, char **argv, const char *accepts,
                       const char *usage);

/* Loads the job of operand 0 with these overrides. */
mico_status mico_tool_job(mico_job **job, const mico_options_line *o,
                          const char *const *sets, size_t n_sets, mico_err *err);

/* The profile that is asked for, else the network's own: tflite where it brings its
 * integers, integer otherwise. */
const char *mico_options_profile(const mico_options_line *o, const mico_net *net);

/* Loads a network and applies --mul and --add. */
mico_status mico_options_net(mico_net **net, const mico_options_line *o, mico_err *err);

/* Data, options and calibration of a command line, beside a network that it borrows. */
typedef struct mico_subject {
    mico_dataset *data;
    mico_quant quant;
    mico_split test;   /* all of the test set, or its first --images */
    mico_calib *calib; /* NULL unless asked for */
} mico_subject;

/* Calibrates on --calibration, else on up to 512 training images, else (with a warning)
 * on up to 512 test images. */
mico_status mico_subject_open(mico_subject *subject, const mico_net *net,
                              const mico_options_line *o, bool calibrate,
                              mico_err *err);
void mico_subject_close(mico_subject *subject);

#endif
