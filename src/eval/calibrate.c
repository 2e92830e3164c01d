/* calibrate.c: two fp32 passes over the calibration images: ranges, then histograms. */
#include "eval/eval_internal.h"

#include <math.h>
#include <stdlib.h>

typedef struct watch {
    mico_observation *seen;
    size_t bad_tensor; /* first tensor with a value that is not finite */
} watch;

/* First pass. Sums run in image and element order, in double. */
static void see_range(void *ctx, size_t tensor, const float *values, size_t count)
{
    watch *w = ctx;
    mico_observation *seen = &w->seen[tensor];
    double min = seen->count > 0 ? seen->min : INFINITY;
    double max = seen->count > 0 ? seen->max : -INFINITY, sum = seen->mean_abs;

    for (size_t i = 0; i < count; i++) {
        double x = values[i];

        if (!isfinite(x) && w->bad_tensor == MICO_NO_TENSOR)
            w->bad_tensor = tensor;
        min = x < min ? x : min;
        max = x > max ? x : max;
        sum += fabs(x);
    }
    seen->min = min;
    seen->max = max;
    seen->mean_abs = sum; /* the sum until all is seen */
    seen->count += count;
}

/* Second pass. The largest |x| would open one more bin; it counts in the last. */
static void see_bins(void *ctx, size_t tensor, const float *values, size_t count)
{
    mico_observation *seen = &((watch *)ctx)->seen[tensor];

    for (size_t i = 0; i < count; i++) {
        double at = seen->bin_width > 0 ? fabs((double)values[i]) / seen->bin_width : 0;
        size_t bin = at < MICO_HISTOGRAM_BINS ? (size_t)at : MICO_HISTOGRAM_BINS - 1;

        seen->bins[bin]++;
    }
}

mico_status mico_calibrate(mico_calib **out, const mico_net *net,
                           const mico_split *split, const mico_quant *quant,
                           mico_err *err)
{
    watch w = {NULL, MICO_NO_TENSOR};
    void *seen = NULL;
    mico_status rc;

    if (split->count == 0)
        return mico_fail(err, MICO_EDATA,
                         "the calibration split is empty; give it images");
    if ((rc = mico_try_array(&seen, net->n_tensors, sizeof(mico_observation),
                             MICO_EVAL_LIMIT_BYTES, "histograms", err)) != MICO_OK)
        goto out;
    w.seen = seen;
    if ((rc = mico_forward_fp32(net, split->data, split->first, split->count, NULL,
                                see_range, &w, err)) != MICO_OK)
        goto out;
    if (w.bad_tensor != MICO_NO_TENSOR) {
        rc = mico_fail(
            err, MICO_ENET,
            "tensor \"%s\" of network \"%s\" is not finite for some calibration"
            " image; check the weights and the preprocessing",
            net->tensor[w.bad_tensor].name, net->name);
        goto out;
    }
    for (size_t t = 0; t < net->n_tensors; t++) {
        mico_observation *o = &w.seen[t];

        if (o->count > 0)
            o->mean_abs /= (double)o->count;
        o->bin_width = fmax(fabs(o->min), fabs(o->max)) / MICO_HISTOGRAM_BINS;
    }
    if ((rc = mico_forward_fp32(net, split->data, split->first, split->count, NULL,
                                see_bins, &w, err)) != MICO_OK)
        goto out;
    *out = mico_calib_new(w.seen, net->n_tensors, quant);
out:
    free(seen);
    return rc;
}
