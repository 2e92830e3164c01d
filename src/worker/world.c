/* A study made real: network, data, splits, options. */
#include "worker/worker.h"

#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "a,b,c" into floats; at most max. */
static mico_status parse_floats(const char *text, const char *what, float *out,
                                size_t max, size_t *n, mico_err *err)
{
    const char *rest = text;
    char item[64];

    *n = 0;
    while (mico_text_next(&rest, ',', item, sizeof item)) {
        double v;

        if (!mico_text_double(item, &v))
            return mico_fail(err, MICO_EUSAGE, "%s: '%s' is not a number", what, item);
        if (*n == max)
            return mico_fail(err, MICO_EUSAGE, "%s: more than %zu numbers", what, max);
        out[(*n)++] = (float)v;
    }
    return MICO_OK;
}

mico_status mico_world_preprocess(mico_net *net, const char *mul, const char *add,
                                  mico_err *err)
{
    float m[64], a[64];
    size_t n_mul, n_add, n;
    mico_status rc;

    if (mul[0] == '\0' && add[0] == '\0')
        return MICO_OK;
    rc = parse_floats(mul, "mul", m, 64, &n_mul, err);
    if (rc == MICO_OK)
        rc = parse_floats(add, "add", a, 64, &n_add, err);
    if (rc != MICO_OK)
        return rc;
    n = n_mul > n_add ? n_mul : n_add;
    if ((n_mul > 1 && n_mul != n) || (n_add > 1 && n_add != n))
        return mico_fail(err, MICO_EUSAGE,
                         "mul has %zu numbers and add %zu; give one each "
                         "or one per channel",
                         n_mul, n_add);
    for (size_t i = n_mul; i < n; i++)
        m[i] = n_mul == 1 ? m[0] : 1;
    for (size_t i = n_add; i < n; i++)
        a[i] = n_add == 1 ? a[0] : 0;
    return mico_net_set_preprocess(net, m, a, n, err);
}

/* MICO_EUSAGE with a list of all profiles. */
static mico_status no_profile(const char *text, mico_err *err)
{
    char list[128] = "";

    for (unsigned p = 0; p < MICO_N_PROFILES; p++) {
        const size_t n = strlen(list);

        snprintf(list + n, sizeof list - n, "%s%s", p > 0 ? ", " : "",
                 mico_profile_text((mico_profile)p));
    }
    return mico_fail(err, MICO_EUSAGE, "profile: '%s' is not one of %s", text, list);
}

mico_status mico_world_quant(mico_quant *quant, const char *profile,
                             const char *granularity, const char *weight_scale,
                             const char *act_range, const char *act_codes,
                             double percentile, mico_err *err)
{
    static const char *const ranges[] = {
        [MICO_RANGE_MSE] = "mse",
        [MICO_RANGE_MAX] = "max",
        [MICO_RANGE_PERCENTILE] = "percentile",
    };
    mico_profile found;
    size_t range;

    if (!mico_profile_parse(profile, &found))
        return no_profile(profile, err);
    for (range = 0; range < sizeof ranges / sizeof ranges[0]; range++)
        if (strcmp(act_range, ranges[range]) == 0)
            break;
    if (range == sizeof ranges / sizeof ranges[0])
        return mico_fail(err, MICO_EUSAGE,
                         "range of activations: '%s' is not one of mse, "
                         "max, percentile",
                         act_range);
    if (strcmp(granularity, "channel") != 0 && strcmp(granularity, "tensor") != 0)
        return mico_fail(err, MICO_EUSAGE, "granularity: '%s' is not channel or tensor",
                         granularity);
    if (strcmp(weight_scale, "mse") != 0 && strcmp(weight_scale, "mico") != 0)
        return mico_fail(err, MICO_EUSAGE, "scale of weights: '%s' is not mse or mico",
                         weight_scale);
    if (strcmp(act_codes, "signed") != 0 && strcmp(act_codes, "unsigned") != 0)
        return mico_fail(err, MICO_EUSAGE,
                         "codes of activations: '%s' is not signed or "
                         "unsigned",
                         act_codes);
    *quant = mico_quant_default;
    quant->profile = found;
    quant->granularity =
        strcmp(granularity, "tensor") == 0 ? MICO_PER_TENSOR : MICO_PER_CHANNEL;
    quant->weight_rule =
        strcmp(weight_scale, "mico") == 0 ? MICO_WEIGHT_MICO : MICO_WEIGHT_MSE;
    quant->range_rule = (mico_range_rule)range;
    quant->percentile = percentile;
    quant->unsigned_acts = strcmp(act_codes, "unsigned") == 0;
    return MICO_OK;
}

mico_status mico_world_open(mico_world *world, const mico_study *study, mico_err *err)
{
    mico_world w = {0};
    mico_status rc;

    rc = mico_world_quant(&w.quant, study->space_profile, study->space_granularity,
                          study->space_weight_scale, study->space_act_range,
                          study->space_act_codes, study->space_percentile, err);
    if (rc != MICO_OK)
        goto out;
    rc = mico_net_load(&w.net, study->net_path, err);
    if (rc != MICO_OK)
        goto out;
    rc = mico_world_preprocess(w.net, study->net_mul, study->net_add, err);
    if (rc != MICO_OK)
        goto out;
    if (w.net->n_layers == 0) {
        rc = mico_fail(err, MICO_ENET,
                       "%s: has no quantizable layer (convolution or linear)",
                       study->net_path);
        goto out;
    }
    rc = mico_dataset_load(
        &w.data, study->data_path,
        study->data_transform[0] != '\0' ? study->data_transform : NULL, err);
    if (rc != MICO_OK)
        goto out;
    rc = mico_data_fits(&w.data->test, w.net, err);
    if (rc == MICO_OK && w.data->train.n > 0)
        rc = mico_data_fits(&w.data->train, w.net, err);
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", study->data_path);
    else
        rc = mico_splits_resolve(&w.splits, w.data, study->data_calibration,
                                 study->data_search, study->data_final, err);
out:
    if (rc != MICO_OK)
        mico_world_close(&w);
    else
        *world = w;
    return rc;
}

static uint64_t data_bytes(const mico_data *data)
{
    uint64_t value = data->type == MICO_RAW_F32 ? sizeof(float) : 1;

    return data->n == 0 ? 0
                        : data->n * (value * mico_shape_count(&data->shape) +
                                     sizeof *data->label);
}

uint64_t mico_world_bytes(const mico_world *world)
{
    uint64_t bytes = data_bytes(&world->data->train) + data_bytes(&world->data->test);

    for (size_t l = 0; l < world->net->n_layers; l++)
        bytes += mico_layer_weights(world->net, l) * sizeof(float);
    return bytes;
}

void mico_world_close(mico_world *world)
{
    mico_net_free(world->net);
    mico_dataset_free(world->data);
    *world = (mico_world){0};
}

void mico_world_tune(mico_eval *eval)
{
    const char *tune = getenv("MICO_TUNE");

    mico_eval_set_isa(eval, getenv("MICO_ISA"));
    if (tune == NULL || strcmp(tune, "off") != 0)
        mico_eval_tune(eval, true);
}
