/* eval_bench.h: a network with data, calibration and evaluator, ready to run. */
#ifndef MICO_TESTS_EVAL_BENCH_H
#define MICO_TESTS_EVAL_BENCH_H

#include "eval/eval.h"
#include "support/eval_nets.h"

#include <stdio.h>
#include <string.h>

typedef struct bench {
    mico_net *net;
    mico_data data;
    mico_calib *calib;
    mico_eval *eval;
} bench;

static inline bool bench_open(bench *b, mico_net *net, mico_raw_type type,
                              const mico_quant *quant)
{
    float mul[3] = {0.017f, 0.0175f, 0.0174f}, add[3] = {-2.1f, -2.03f, -1.8f};
    size_t n = net != NULL && net->tensor[net->input].shape.dim[0] == 3 ? 3 : 1;
    mico_split split;
    mico_err err = {MICO_OK, ""};

    memset(b, 0, sizeof *b);
    if ((b->net = net) == NULL ||
        mico_net_set_preprocess(net, mul, add, n, &err) != MICO_OK)
        return false;
    b->data = eval_data(net, 24, type, 11);
    split = (mico_split){&b->data, 0, 8};
    if (mico_calibrate(&b->calib, net, &split, quant, &err) != MICO_OK) {
        printf("\n    %s\n", err.text);
        return false;
    }
    b->eval = mico_eval_new(net, b->calib, quant);
    return true;
}

static inline void bench_close(bench *b)
{
    mico_eval_free(b->eval);
    mico_calib_free(b->calib);
    eval_data_free(&b->data);
    mico_net_free(b->net);
}

#endif
