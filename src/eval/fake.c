/* fake.c: upstream's fake quantisation, in float32 and in upstream's order of
 * operations.
 *
 * Symmetric, no zero point, round half to even, statistics not below EPS. Means are
 * summed in double and rounded once: torch's own float sums depend on the machine. */
#include "core/clock.h"
#include "eval/eval_internal.h"

#include <math.h>

#define EPS 1e-5f

static float mean_abs(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs((double)x[i]);
    return (float)(sum / (double)n);
}

static float max_abs(const float *x, size_t n)
{
    float max = 0;

    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > max || isnan(x[i]))
            max = fabsf(x[i]);
    return max;
}

/* NaN passes through all of these, so that it reaches the logits and is reported. */
static float at_least_eps(float v)
{
    return v < EPS ? EPS : v;
}

static float clip(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static float sign(float v)
{
    return v > 0 ? 1.0f : v < 0 ? -1.0f : v;
}

void mico_fake_weights(float *out, const float *w, size_t n, uint8_t width)
{
    float lo, hi, k, s;

    if (width == 1 || width == MICO_TERNARY) {
        s = at_least_eps(mean_abs(w, n));
        for (size_t i = 0; i < n; i++)
            out[i] = (width == 1 ? sign(w[i]) : clip(rintf(w[i] / s), -1, 1)) * s;
        return;
    }
    lo = -(float)(1 << (width - 1));
    hi = -lo - 1;
    k = hi / at_least_eps(width == 2 ? mean_abs(w, n) : max_abs(w, n));
    s = 1 / k;
    for (size_t i = 0; i < n; i++)
        out[i] = clip(rintf(w[i] * k), lo, hi) * s;
}

void mico_fake_acts(float *out, const float *x, size_t rows, size_t n, uint8_t width)
{
    for (size_t r = 0; r < rows; r++, out += n, x += n) {
        if (width == 1) {
            float m = mean_abs(x, n); /* no EPS here */

            for (size_t i = 0; i < n; i++) {
                float y = sign(x[i]) * m;

                out[i] = y == 0 ? -m : y;
            }
        } else if (width == MICO_TERNARY || width == 2) {
            float m = at_least_eps(mean_abs(x, n)), lo = width == 2 ? -2 : -1;

            for (size_t i = 0; i < n; i++)
                out[i] = clip(rintf(x[i] / m), lo, 1) * m;
        } else {
            float lo = -(float)(1 << (width - 1)), hi = -lo - 1;
            float k = hi / at_least_eps(max_abs(x, n));

            for (size_t i = 0; i < n; i++)
                out[i] = clip(rintf(x[i] * k), lo, hi) / k;
        }
    }
}

/* Quantised weights of every layer of the scheme, kept by width. */
static void choose_weights(mico_eval *eval, const mico_scheme *scheme)
{
    const mico_net *net = eval->net;

    if (eval->fake_weight == NULL) {
        eval->fake_weight =
            mico_xcalloc(net->n_layers * MICO_N_WIDTHS, sizeof *eval->fake_weight);
        eval->layer_weight = mico_xcalloc(net->n_layers, sizeof *eval->layer_weight);
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        uint8_t width = scheme->bits[l];
        float **kept = &eval->fake_weight[l * MICO_N_WIDTHS + mico_width_index(width)];

        if (*kept == NULL) {
            size_t n = mico_layer_weights(net, l);

            *kept = mico_xcalloc(n, sizeof **kept);
            mico_fake_weights(*kept, mico_layer_node(net, l)->weight, n, width);
        }
        eval->layer_weight[l] = *kept;
    }
}

mico_status mico_eval_fake(mico_eval *eval, const mico_scheme *scheme,
                           const mico_split *split, mico_result *result, mico_err *err)
{
    double start_s = mico_now_s();
    mico_fake fake = {NULL, scheme};
    mico_floats *floats;
    mico_status rc;

    if ((rc = mico_scheme_check(eval->net, scheme, err)) != MICO_OK ||
        (rc = mico_eval_floats(eval, &floats, err)) != MICO_OK)
        return rc;
    choose_weights(eval, scheme);
    fake.weight = eval->layer_weight;
    if ((rc = mico_floats_score(floats, split, &fake, result, err)) == MICO_OK)
        result->seconds = mico_now_s() - start_s;
    return rc;
}
