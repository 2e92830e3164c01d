/* The table of activation scales: made once, packed for the workers. */
#include "plan/plan_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define CALIB_TAG          0x4c41434du /* "MCAL" */
#define CALIB_TENSOR_BYTES ((2 + 2 * MICO_N_WIDTHS) * sizeof(double))

static mico_calib *calib_alloc(size_t n_tensors)
{
    mico_calib *calib = mico_xcalloc(1, sizeof *calib);

    calib->n_tensors = n_tensors;
    calib->tensor = mico_xcalloc(n_tensors, sizeof *calib->tensor);
    return calib;
}

mico_calib *mico_calib_new(const mico_observation *seen, size_t n_tensors,
                           const mico_quant *quant)
{
    mico_calib *calib = calib_alloc(n_tensors);

    for (size_t t = 0; t < n_tensors; t++) {
        calib->tensor[t].min = seen[t].min;
        calib->tensor[t].max = seen[t].max;
        for (size_t i = 0; i < MICO_N_WIDTHS; i++)
            for (int s = 0; s < 2; s++)
                calib->tensor[t].scale[s][i] =
                    mico_act_scale(&seen[t], mico_width_at(i), s == 1, quant);
    }
    return calib;
}

void mico_calib_free(mico_calib *calib)
{
    if (calib == NULL)
        return;
    free(calib->tensor);
    free(calib);
}

void mico_calib_put(mico_writer *w, const mico_calib *calib)
{
    mico_put_u32(w, CALIB_TAG);
    mico_put_u64(w, calib->n_tensors);
    for (size_t t = 0; t < calib->n_tensors; t++) {
        mico_put_f64(w, calib->tensor[t].min);
        mico_put_f64(w, calib->tensor[t].max);
        for (int s = 0; s < 2; s++)
            for (size_t i = 0; i < MICO_N_WIDTHS; i++)
                mico_put_f64(w, calib->tensor[t].scale[s][i]);
    }
}

/* Ranges and scales that mico_calib_new can have made. */
static bool tensor_sane(const struct mico_calib_tensor *t)
{
    if (!isfinite(t->min) || !isfinite(t->max) || t->min > t->max)
        return false;
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < MICO_N_WIDTHS; i++)
            if (!(t->scale[s][i] >= FLT_MIN && t->scale[s][i] <= FLT_MAX))
                return false;
    return true;
}

mico_status mico_calib_get(mico_reader *r, mico_calib **out, mico_err *err)
{
    mico_status rc = MICO_OK;
    mico_calib *calib = NULL;
    uint32_t tag = mico_get_u32(r);
    uint64_t n = mico_get_u64(r);

    if (r->bad || tag != CALIB_TAG || n > (r->len - r->at) / CALIB_TENSOR_BYTES) {
        r->bad = true;
        return mico_fail(err, MICO_EFORMAT,
                         "calibration: damaged or cut short; calibrate again");
    }
    calib = calib_alloc((size_t)n);
    for (size_t t = 0; t < calib->n_tensors; t++) {
        calib->tensor[t].min = mico_get_f64(r);
        calib->tensor[t].max = mico_get_f64(r);
        for (int s = 0; s < 2; s++)
            for (size_t i = 0; i < MICO_N_WIDTHS; i++)
                calib->tensor[t].scale[s][i] = mico_get_f64(r);
        if (!tensor_sane(&calib->tensor[t])) {
            r->bad = true;
            rc = mico_fail(err, MICO_EFORMAT,
                           "calibration: tensor %zu has an impossible range or scale; "
                           "calibrate again",
                           t);
            goto out;
        }
    }
    *out = calib;
    calib = NULL;
out:
    mico_calib_free(calib);
    return rc;
}
