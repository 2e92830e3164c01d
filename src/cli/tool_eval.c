/* mico eval: accuracy and loss of one scheme on the test set. */
#include "cli/common.h"
#include "cli/tool.h"
#include "cli/tool_options.h"

#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALIBRATION_IMAGES 512

static mico_status calibration_split(mico_split *out, const mico_dataset *data,
                                     const char *text, mico_err *err)
{
    const mico_data *set = data->train.n > 0 ? &data->train : &data->test;

    if (text != NULL)
        return mico_split_parse(out, data, text, "--calibration", err);
    out->data = set;
    out->first = 0;
    out->count = set->n < CALIBRATION_IMAGES ? set->n : CALIBRATION_IMAGES;
    if (set == &data->test)
        fprintf(stderr,
                "mico: no training set: activation ranges come from the first %zu test "
                "images; --calibration chooses others\n",
                out->count);
    return MICO_OK;
}

mico_status mico_subject_open(mico_subject *subject, const mico_net *net,
                              const mico_options_line *o, bool calibrate, mico_err *err)
{
    mico_subject s = {0};
    mico_split calibration;
    mico_status rc =
        mico_world_quant(&s.quant, o->granularity, o->weight_scale, o->act_range,
                         o->act_codes, mico_quant_default.percentile, err);

    if (rc != MICO_OK)
        return rc;
    rc = mico_dataset_load(&s.data, o->data, o->transform, err);
    if (rc == MICO_OK) {
        rc = mico_data_fits(&s.data->test, net, err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "%s", o->data);
    }
    if (rc == MICO_OK && (uint64_t)o->images > s.data->test.n)
        rc = mico_fail(err, MICO_EUSAGE, "--images %lld: the test set has %zu",
                       (long long)o->images, s.data->test.n);
    if (rc == MICO_OK && calibrate) {
        rc = calibration_split(&calibration, s.data, o->calibration, err);
        if (rc == MICO_OK)
            rc = mico_data_fits(calibration.data, net, err);
        if (rc == MICO_OK)
            rc = mico_calibrate(&s.calib, net, &calibration, &s.quant, err);
    }
    if (rc != MICO_OK) {
        mico_subject_close(&s);
        return rc;
    }
    s.test = (mico_split){&s.data->test, 0,
                          o->images > 0 ? (size_t)o->images : s.data->test.n};
    *subject = s;
    return MICO_OK;
}

void mico_subject_close(mico_subject *subject)
{
    mico_dataset_free(subject->data);
    mico_calib_free(subject->calib);
    *subject = (mico_subject){0};
}

static mico_status evaluate(const mico_options_line *o, mico_result *result,
                            mico_err *err)
{
    mico_subject subject = {0};
    mico_net *net = NULL;
    mico_eval *eval = NULL;
    mico_scheme scheme = {0};
    mico_mode mode;
    mico_status rc;

    if (!mico_mode_parse(o->mode, &mode))
        return mico_fail(err, MICO_EUSAGE, "--mode %s: must be int, fake or fp32",
                         o->mode);
    if (strcmp(o->profile, "integer") != 0)
        return mico_fail(err, MICO_EUSAGE, "--profile %s: there is only 'integer'",
                         o->profile);
    if (mode != MICO_MODE_FP32 && o->scheme == NULL)
        return mico_fail(err, MICO_EUSAGE, "mode %s needs --scheme", o->mode);
    rc = mico_options_net(&net, o, err);
    if (rc == MICO_OK && mode != MICO_MODE_FP32)
        rc = mico_scheme_parse(&scheme, o->scheme, net->n_layers, err);
    if (rc == MICO_OK)
        rc = mico_subject_open(&subject, net, o, mode == MICO_MODE_INT, err);
    if (rc == MICO_OK) {
        eval = mico_eval_new(net, subject.calib, &subject.quant);
        mico_eval_set_isa(eval, getenv("MICO_ISA"));
        rc = mico_eval_run(eval, mode, &scheme, &subject.test, result, err);
    }
    mico_eval_free(eval);
    mico_subject_close(&subject);
    mico_net_free(net);
    return rc;
}

int mico_tool_eval(int argc, char **argv)
{
    mico_options_line o;
    mico_result result = {0};
    mico_err err;
    mico_status rc;

    mico_options_read(
        &o, argc, argv,
        "data,scheme,mode,profile,images,mul,add,transform,calibration,"
        "granularity,weight-scale,act-range,act-codes,json",
        "eval NET --data DATA --scheme S [--mode int|fake|fp32] [--images N] "
        "[--json]");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.n_operands != 1 || o.data == NULL)
        rc = mico_fail(&err, MICO_EUSAGE, "needs NET and --data DATA");
    else
        rc = evaluate(&o, &result, &err);
    if (rc == MICO_OK && o.json)
        mico_json_print(
            json_pack("{s:I, s:I, s:f, s:f, s:f, s:s}", "images",
                      (json_int_t)result.images, "correct", (json_int_t)result.correct,
                      "accuracy", (double)result.correct / (double)result.images,
                      "loss", result.loss, "seconds", result.seconds, "mode", o.mode));
    else if (rc == MICO_OK)
        printf("%llu of %llu correct: %.2f %%, loss %.4f, %.2f s\n",
               (unsigned long long)result.correct, (unsigned long long)result.images,
               100.0 * (double)result.correct / (double)result.images, result.loss,
               result.seconds);
    free(o.operand);
    return mico_exit_with("mico eval", rc, &err);
}
