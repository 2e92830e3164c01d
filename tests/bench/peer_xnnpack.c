/* peer_xnnpack.c: XNNPACK's signed 8-bit operators, without a thread pool. */
#include "bench/peers.h"

#ifdef BENCH_XNNPACK
#include "core/rng.h"

#include <stdlib.h>
#include <xnnpack.h>

#define IN_SCALE  0.05f
#define OUT_SCALE 1.0f

typedef struct xnnpack {
    xnn_operator_t op;
    int8_t *in, *out;
} xnnpack;

static void xnnpack_version(char *out, size_t size)
{
    snprintf(out, size, "XNNPACK %s", BENCH_XNNPACK);
}

static void xnnpack_close(void *ctx)
{
    xnnpack *x = ctx;

    xnn_delete_operator(x->op);
    free(x->in);
    free(x->out);
    free(x);
}

static enum xnn_status make_op(xnnpack *x, const bench_shape *s, const int8_t *weights,
                               const float *scale, const int32_t *bias)
{
    if (strcmp(s->kind, "fc") == 0)
        return xnn_create_fully_connected_nc_qs8(s->c_in, s->c_out, s->c_in, s->c_out,
                                                 0, IN_SCALE, scale[0], weights, bias,
                                                 0, OUT_SCALE, 0, 127, 0, &x->op);
    return xnn_create_convolution2d_nhwc_qc8(
        (uint32_t)s->pad_top, (uint32_t)s->pad_right, (uint32_t)s->pad_bottom,
        (uint32_t)s->pad_left, (uint32_t)s->kh, (uint32_t)s->kw, (uint32_t)s->stride_h,
        (uint32_t)s->stride_w, 1, 1, (uint32_t)s->groups, s->c_in / s->groups,
        s->c_out / s->groups, s->c_in, s->c_out, 0, IN_SCALE, scale, weights, bias, 0,
        OUT_SCALE, 0, 127, 0, &x->op);
}

static enum xnn_status setup_op(xnnpack *x, const bench_shape *s, size_t batch)
{
    if (strcmp(s->kind, "fc") == 0)
        return xnn_setup_fully_connected_nc_qs8(x->op, batch, x->in, x->out, NULL);
    return xnn_setup_convolution2d_nhwc_qc8(x->op, batch, s->h, s->w, x->in, x->out,
                                            NULL);
}

static int8_t *random_bytes(mico_rng *rng, size_t n)
{
    int8_t *bytes = mico_xcalloc(n + XNN_EXTRA_BYTES, 1);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (int8_t)((int)mico_rng_below(rng, 255) - 127);
    return bytes;
}

static void *xnnpack_open(const bench_shape *s, size_t batch)
{
    xnnpack *x = mico_xcalloc(1, sizeof *x);
    mico_rng *rng = mico_rng_new(1, "xnnpack", 0);
    int8_t *weights = random_bytes(rng, s->c_out * s->taps);
    float *scale = mico_xcalloc(s->c_out, sizeof *scale);
    int32_t *bias = mico_xcalloc(s->c_out, sizeof *bias);
    enum xnn_status rc;

    for (size_t o = 0; o < s->c_out; o++)
        scale[o] = 2e-3f * (1 + (float)o * 1e-3f);
    x->in = random_bytes(rng, batch * s->c_in * s->h * s->w);
    x->out = mico_xcalloc(batch * s->c_out * s->oh * s->ow + XNN_EXTRA_BYTES, 1);
    rc = xnn_initialize(NULL);
    if (rc == xnn_status_success)
        rc = make_op(x, s, weights, scale, bias);
    if (rc == xnn_status_success)
        rc = setup_op(x, s, batch);
    free(weights);
    free(scale);
    free(bias);
    mico_rng_free(rng);
    if (rc == xnn_status_success)
        return x;
    xnnpack_close(x);
    return NULL;
}

static void xnnpack_run(void *ctx)
{
    xnn_run_operator(((xnnpack *)ctx)->op, NULL);
}

const bench_peer bench_xnnpack = {"xnnpack_qs8", "XNNPACK",   xnnpack_version,
                                  xnnpack_open,  xnnpack_run, xnnpack_close,
                                  NULL};
#else
const bench_peer bench_xnnpack = {.key = "xnnpack_qs8", .title = "XNNPACK"};
#endif
