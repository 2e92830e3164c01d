/* eval.c: the evaluator: what one network's candidates share, and the choice of a mode.
 */
#include "eval/eval_internal.h"

#include <stdlib.h>

mico_eval *mico_eval_new(const mico_net *net, const mico_calib *calib,
                         const mico_quant *quant)
{
    mico_eval *eval = mico_xcalloc(1, sizeof *eval);

    eval->net = net;
    eval->calib = calib;
    eval->quant = *quant;
    eval->options.reuse = true;
    return eval;
}

void mico_eval_free(mico_eval *eval)
{
    if (eval == NULL)
        return;
    for (size_t i = 0;
         eval->fake_weight != NULL && i < eval->net->n_layers * MICO_N_WIDTHS; i++)
        free(eval->fake_weight[i]);
    free(eval->fake_weight);
    free(eval->layer_weight);
    mico_floats_free(eval->floats);
    mico_ints_free(&eval->ints);
    mico_tuner_free(eval->tuner);
    free(eval->isa);
    free(eval);
}

void mico_eval_set_isa(mico_eval *eval, const char *isa)
{
    char *copy = isa != NULL ? mico_xstrdup(isa) : NULL;

    free(eval->isa);
    eval->isa = copy;
    mico_tuner_free(eval->tuner);
    eval->tuner = NULL;
}

void mico_eval_tune(mico_eval *eval, bool cached)
{
    mico_str path = {0};

    mico_tuner_free(eval->tuner);
    eval->tuner = mico_tuner_new(
        cached && mico_tuner_default_path(&path) ? path.text : NULL, eval->isa, true);
    mico_str_free(&path);
}

void mico_eval_tuning(const mico_eval *eval, mico_str *out)
{
    if (eval->tuner != NULL)
        mico_tuner_report(eval->tuner, out);
}

void mico_eval_set_options(mico_eval *eval, const mico_eval_options *options)
{
    eval->options = *options;
    if (options->limit_bytes > 0 && options->keep_bytes > options->limit_bytes / 2)
        eval->options.keep_bytes = options->limit_bytes / 2;
    mico_keeper_limit(&eval->ints.keeper,
                      options->reuse ? eval->options.keep_bytes : 0);
}

const mico_kernel *mico_eval_kernel(mico_eval *eval, const mico_plan *plan,
                                    const mico_op *op)
{
    if (eval->tuner != NULL)
        return mico_tuner_choose(eval->tuner, plan, op);
    return mico_kernel_find(plan, op, eval->isa);
}

uint64_t mico_eval_bytes(const mico_eval *eval)
{
    const mico_ints *ints = &eval->ints;

    return ints->packed_bytes + ints->memory_bytes + ints->scratch_bytes +
           ints->keeper.bytes + mico_lowering_bytes(ints->lowering);
}

mico_status mico_eval_floats(mico_eval *eval, mico_floats **out, mico_err *err)
{
    mico_status rc = MICO_OK;

    if (eval->floats == NULL)
        rc = mico_floats_new(&eval->floats, eval->net, err);
    if (rc == MICO_OK)
        *out = eval->floats;
    return rc;
}

mico_status mico_scheme_check(const mico_net *net, const mico_scheme *scheme,
                              mico_err *err)
{
    if (scheme->n_layers != net->n_layers)
        return mico_fail(err, MICO_ESCHEME,
                         "the scheme is for %zu layers, but network \"%s\" has %zu",
                         scheme->n_layers, net->name, net->n_layers);
    for (size_t g = 0; g < 2 * scheme->n_layers; g++)
        if (!mico_width_valid(scheme->bits[g]))
            return mico_fail(
                err, MICO_ESCHEME,
                "the scheme's %s width of layer %zu is %u; 1 to 8 and ternary"
                " are possible",
                g < scheme->n_layers ? "weight" : "activation",
                g % scheme->n_layers + 1, scheme->bits[g]);
    return MICO_OK;
}

mico_status mico_eval_fp32(mico_eval *eval, const mico_split *split,
                           mico_result *result, mico_err *err)
{
    mico_floats *floats;
    mico_status rc = mico_eval_floats(eval, &floats, err);

    return rc != MICO_OK ? rc : mico_floats_score(floats, split, NULL, result, err);
}

mico_status mico_eval_run(mico_eval *eval, mico_mode mode, const mico_scheme *scheme,
                          const mico_split *split, mico_result *result, mico_err *err)
{
    switch (mode) {
    case MICO_MODE_INT:
        return mico_eval_int(eval, scheme, split, result, err);
    case MICO_MODE_FAKE:
        return mico_eval_fake(eval, scheme, split, result, err);
    case MICO_MODE_FP32:
        return mico_eval_fp32(eval, split, result, err);
    }
    return mico_fail(err, MICO_EBUG, "evaluation mode %d does not exist", (int)mode);
}
