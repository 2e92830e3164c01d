/* Closed-form targets: BOPs, CBOPs, size. */
#include "sim/sim.h"

#include "core/mem.h"

#include <stdio.h>
#include <string.h>

/* Bit operations: MACs times both widths (ternary counts as 1.58). */
static double layer_bops(const mico_net *net, size_t l, uint8_t w, uint8_t a)
{
    return mico_layer_macs(net, l) * mico_width_bits(w) * mico_width_bits(a);
}

/* MiCo's composite bit operations: MACs * (max(w, a) + w + a). */
static double layer_cbops(const mico_net *net, size_t l, uint8_t w, uint8_t a)
{
    double wb = mico_width_bits(w), ab = mico_width_bits(a);

    return mico_layer_macs(net, l) * ((wb > ab ? wb : ab) + wb + ab);
}

/* Bits of stored weights (ternary takes 2); biases and scales are not counted. */
static double layer_size(const mico_net *net, size_t l, uint8_t w, uint8_t a)
{
    (void)a;
    return (double)mico_layer_weights(net, l) * mico_width_stored(w);
}

const mico_target mico_targets[] = {
    {"bops", "bit operations", "MACs x weight bits x activation bits", layer_bops},
    {"cbops", "bit operations", "MACs x (max(w, a) + w + a), MiCo's composite count",
     layer_cbops},
    {"size", "bits", "stored weights, without biases and scales", layer_size},
};
const size_t mico_n_targets = sizeof mico_targets / sizeof mico_targets[0];

const mico_target *mico_target_find(const char *name, mico_err *err)
{
    const char *names[sizeof mico_targets / sizeof mico_targets[0]];
    size_t near;

    for (size_t t = 0; t < mico_n_targets; t++) {
        if (strcmp(name, mico_targets[t].name) == 0)
            return &mico_targets[t];
        names[t] = mico_targets[t].name;
    }
    near = mico_text_nearest(name, names, mico_n_targets);
    mico_fail(err, MICO_EUSAGE, "unknown target '%s' (%s%s%s)", name,
              near < mico_n_targets ? "did you mean '" : "one of bops, cbops, size",
              near < mico_n_targets ? names[near] : "",
              near < mico_n_targets ? "'?" : "");
    return NULL;
}

void mico_target_metric(const mico_target *target, const mico_net *net,
                        mico_metric *out)
{
    *out = (mico_metric){0};
    snprintf(out->name, sizeof out->name, "%s", target->name);
    snprintf(out->unit, sizeof out->unit, "%s", target->unit);
    out->table =
        mico_xcalloc(net->n_layers * MICO_N_WIDTHS * MICO_N_WIDTHS, sizeof *out->table);
    for (size_t l = 0; l < net->n_layers; l++)
        for (size_t w = 0; w < MICO_N_WIDTHS; w++)
            for (size_t a = 0; a < MICO_N_WIDTHS; a++)
                out->table[(l * MICO_N_WIDTHS + w) * MICO_N_WIDTHS + a] =
                    target->layer(net, l, mico_width_at(w), mico_width_at(a));
}
