/* mico eval: accuracy and loss of one scheme on the test set. */
#include "cli/common.h"
#include "cli/tool.h"
#include "cli/tool_options.h"
#include "cli/tool_pair.h"

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
    mico_status rc = mico_world_quant(&s.quant, mico_options_profile(o, net),
                                      o->granularity, o->weight_scale, o->act_range,
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

/* The network's own integers are one scheme only, which need not be said. */
static mico_status read_scheme(mico_scheme *scheme, const mico_options_line *o,
                               const mico_net *net, mico_err *err)
{
    const char *text = o->scheme;

    if (text == NULL && strcmp(o->profile, mico_profile_text(MICO_PROFILE_TFLITE)) == 0)
        text = "w8a8";
    if (text == NULL)
        return mico_fail(err, MICO_EUSAGE, "mode %s needs --scheme", o->mode);
    return mico_scheme_parse(scheme, text, net->n_layers, err);
}

/* ---- times of the steps ------------------------------------------------------------
 */

/* All results of one evaluation. */
typedef struct report {
    mico_result result;
    mico_step_time *steps; /* of --profile-layers, or NULL */
    size_t n_steps;
    mico_str tuning;
    mico_pair pair; /* of --against */
} report;

static json_t *steps_json(const report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_steps; i++) {
        const mico_step_time *t = &r->steps[i];
        const double image_s = t->seconds / (double)r->result.images;

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:b, s:f, s:f, s:f}", "name", t->name,
                            "op", t->op, "kernel", t->kernel, "fused_add",
                            (int)t->fused_add, "macs", t->macs, "image_us",
                            1e6 * image_s, "gops", 2e-9 * t->macs / image_s));
    }
    return list;
}

static void print_steps(const report *r)
{
    double all_s = 0;

    for (size_t i = 0; i < r->n_steps; i++)
        all_s += r->steps[i].seconds;
    printf("%-24s %-8s %5s %10s %9s %7s %6s  %s\n", "layer", "op", "w/a", "kMAC",
           "us/image", "GOPS", "time", "kernel");
    for (size_t i = 0; i < r->n_steps; i++) {
        const mico_step_time *t = &r->steps[i];
        const double image_s = t->seconds / (double)r->result.images;
        char widths[16] = "", gops[16] = "", macs[24] = "";

        if (t->macs > 0) {
            snprintf(widths, sizeof widths, "%s/%s", mico_width_text(t->weight_width),
                     mico_width_text(t->act_width));
            snprintf(macs, sizeof macs, "%.1f", t->macs * 1e-3);
            snprintf(gops, sizeof gops, "%.1f", 2e-9 * t->macs / image_s);
        }
        printf("%-24s %-8s %5s %10s %9.3f %7s %5.1f%%  %s%s\n", t->name, t->op, widths,
               macs, 1e6 * image_s, gops, 100 * t->seconds / all_s, t->kernel,
               t->fused_add ? " + add" : "");
    }
    if (r->tuning.len > 0)
        printf("%s", r->tuning.text);
}

static mico_status run(mico_eval *eval, const mico_options_line *o, mico_mode mode,
                       const mico_scheme *scheme, const mico_split *split, report *r,
                       mico_err *err)
{
    mico_scheme other;
    mico_status rc;

    if (o->against != NULL) {
        rc = mico_scheme_parse(&other, o->against, scheme->n_layers, err);
        return rc != MICO_OK
                   ? rc
                   : mico_pair_run(&r->pair, eval,
                                   (const mico_scheme *const[2]){scheme, &other}, split,
                                   err);
    }
    if (!o->profile_layers)
        return mico_eval_run(eval, mode, scheme, split, &r->result, err);
    rc = mico_eval_times(eval, scheme, split, &r->result, &r->steps, &r->n_steps, err);
    mico_eval_tuning(eval, &r->tuning);
    return rc;
}

/* Sets o->profile to the one that is used. */
static mico_status evaluate(mico_options_line *o, report *r, mico_err *err)
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
    if (mode != MICO_MODE_INT && o->profile[0] != '\0' &&
        strcmp(o->profile, "integer") != 0)
        return mico_fail(err, MICO_EUSAGE,
                         "--profile %s is an arithmetic of mode int, not of mode %s",
                         o->profile, o->mode);
    if (mode != MICO_MODE_INT && o->profile_layers)
        return mico_fail(err, MICO_EUSAGE, "--profile-layers is for mode int, not %s",
                         o->mode);
    if (o->against != NULL && (mode != MICO_MODE_INT || o->profile_layers))
        return mico_fail(err, MICO_EUSAGE,
                         "--against is for mode int, without --profile-layers");
    rc = mico_options_net(&net, o, err);
    if (rc == MICO_OK)
        o->profile = mode == MICO_MODE_INT ? mico_options_profile(o, net)
                                           : mico_profile_text(MICO_PROFILE_INTEGER);
    if (rc == MICO_OK && mode != MICO_MODE_FP32)
        rc = read_scheme(&scheme, o, net, err);
    if (rc == MICO_OK)
        rc = mico_subject_open(&subject, net, o, mode == MICO_MODE_INT, err);
    if (rc == MICO_OK) {
        eval = mico_eval_new(net, subject.calib, &subject.quant);
        mico_world_tune(eval);
        rc = run(eval, o, mode, &scheme, &subject.test, r, err);
    }
    mico_eval_free(eval);
    mico_subject_close(&subject);
    mico_net_free(net);
    return rc;
}

int mico_tool_eval(int argc, char **argv)
{
    mico_options_line o;
    report r = {0};
    const mico_result *result = &r.result;
    mico_err err;
    mico_status rc;

    mico_options_read(
        &o, argc, argv,
        "data,scheme,against,mode,profile,images,mul,add,transform,calibration,"
        "granularity,weight-scale,act-range,act-codes,profile-layers,json",
        "eval NET --data DATA --scheme S [--mode int|fake|fp32] [--profile P] "
        "[--images N] [--profile-layers] [--against S] [--json]");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.n_operands != 1 || o.data == NULL)
        rc = mico_fail(&err, MICO_EUSAGE, "needs NET and --data DATA");
    else
        rc = evaluate(&o, &r, &err);
    if (rc == MICO_OK && o.against != NULL) {
        if (o.json)
            mico_json_print(mico_pair_json(&r.pair));
        else
            mico_pair_print(&r.pair,
                            (const char *const[2]){o.scheme != NULL ? o.scheme : "w8a8",
                                                   o.against});
    } else if (rc == MICO_OK && o.json) {
        json_t *out = json_pack(
            "{s:I, s:I, s:f, s:f, s:f, s:s, s:s}", "images", (json_int_t)result->images,
            "correct", (json_int_t)result->correct, "accuracy",
            (double)result->correct / (double)result->images, "loss", result->loss,
            "seconds", result->seconds, "mode", o.mode, "profile", o.profile);

        if (o.profile_layers)
            json_object_set_new(out, "layers", steps_json(&r));
        mico_json_print(out);
    } else if (rc == MICO_OK) {
        if (o.profile_layers)
            print_steps(&r);
        printf("%llu of %llu correct: %.2f %%, loss %.4f, %.2f s\n",
               (unsigned long long)result->correct, (unsigned long long)result->images,
               100.0 * (double)result->correct / (double)result->images, result->loss,
               result->seconds);
    }
    free(r.steps);
    mico_str_free(&r.tuning);
    free(o.operand);
    return mico_exit_with("mico eval", rc, &err);
}
