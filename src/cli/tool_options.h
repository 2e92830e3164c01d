/* tool_options.h: the options that the commands of `mico` share. */
#ifndef MICO_CLI_TOOL_OPTIONS_H
#define MICO_CLI_TOOL_OPTIONS_H

#include "core/err.h"
#include "eval/eval.h"
#include "worker/worker.h"

#include <stdbool.h>

typedef struct mico_options_line {
    const char *data, *scheme, *mode, *target, *output, *mul, *add, *transform;
    const char *calibration, *granularity, *weight_scale, *act_range, *act_codes,
        *profile;
    const char *title;
    int64_t images; /* 0: all */
    bool json;
    int n_operands;
    char **operand;
    bool done; /* --help was answered, or the line was wrong: leave with exit_code */
    int exit_code;
} mico_options_line;

/* Parses a command line. `accepts` lists the option names that the command takes, comma
 * separated; others are errors. usage is printed for --help. */
void mico_options_read(mico_options_line *o, int argc, char **argv, const char *accepts,
                       const char *usage);

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
