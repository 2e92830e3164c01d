/* peer_onednn.c: oneDNN 2.x convolution and inner product, requantised to 8 bit. */
#include "bench/peers.h"

#ifdef BENCH_ONEDNN
#include "core/rng.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

enum { SRC, WEIGHTS, BIAS, DST, N_MEMORIES };
static const int arguments[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS,
                                DNNL_ARG_DST};

typedef struct onednn {
    char how[48]; /* oneDNN's name of what it chose */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[N_MEMORIES];
    dnnl_exec_arg_t arg[N_MEMORIES];
} onednn;

static void onednn_version(char *out, size_t size)
{
    const dnnl_version_t *v = dnnl_version();

    snprintf(out, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

/* ReLU after per-channel output scales, as a quantised network has it. */
static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr, size_t c_out)
{
    float *scale = mico_xcalloc(c_out, sizeof *scale);
    dnnl_post_ops_t post = NULL;
    dnnl_status_t rc = dnnl_primitive_attr_create(attr);

    for (size_t o = 0; o < c_out; o++)
        scale[o] = 1e-4f * (1 + (float)o * 1e-3f);
    if (rc == dnnl_success)
        rc = dnnl_primitive_attr_set_output_scales(*attr, (dnnl_dim_t)c_out, 1 << 1,
                                                   scale);
    if (rc == dnnl_success)
        rc = dnnl_post_ops_create(&post);
    if (rc == dnnl_success)
        rc = dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0, 0);
    if (rc == dnnl_success)
        rc = dnnl_primitive_attr_set_post_ops(*attr, post);
    dnnl_post_ops_destroy(post);
    free(scale);
    return rc;
}

/* The layer with every layout left to the library ("any"). */
static dnnl_status_t make_desc(dnnl_primitive_desc_t *pd, const bench_shape *s,
                               size_t batch, dnnl_data_type_t type, dnnl_engine_t e,
                               dnnl_primitive_attr_t attr)
{
    const bool fc = strcmp(s->kind, "fc") == 0;
    const dnnl_dim_t g = (dnnl_dim_t)s->groups, in = (dnnl_dim_t)s->c_in,
                     out = (dnnl_dim_t)s->c_out, n = (dnnl_dim_t)batch,
                     kh = (dnnl_dim_t)s->kh, kw = (dnnl_dim_t)s->kw;
    const dnnl_dims_t src = {n, in, (dnnl_dim_t)s->h, (dnnl_dim_t)s->w};
    const dnnl_dims_t dst = {n, out, (dnnl_dim_t)s->oh, (dnnl_dim_t)s->ow};
    const dnnl_dims_t dense = {out, in, kh, kw}, bias = {out};
    const dnnl_dims_t grouped = {g, out / g, in / g, kh, kw};
    const dnnl_dims_t stride = {(dnnl_dim_t)s->stride_h, (dnnl_dim_t)s->stride_w};
    const dnnl_dims_t before = {(dnnl_dim_t)s->pad_top, (dnnl_dim_t)s->pad_left};
    const dnnl_dims_t after = {(dnnl_dim_t)s->pad_bottom, (dnnl_dim_t)s->pad_right};
    const int rank = fc ? 2 : 4;
    dnnl_memory_desc_t md[N_MEMORIES];
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t inner;

    if (dnnl_memory_desc_init_by_tag(&md[SRC], rank, src, type, dnnl_format_tag_any) ||
        dnnl_memory_desc_init_by_tag(&md[DST], rank, dst, type, dnnl_format_tag_any) ||
        dnnl_memory_desc_init_by_tag(&md[WEIGHTS], g > 1 ? 5 : rank,
                                     g > 1 ? grouped : dense, dnnl_s8,
                                     dnnl_format_tag_any) ||
        dnnl_memory_desc_init_by_tag(&md[BIAS], 1, bias, dnnl_s32, dnnl_format_tag_any))
        return dnnl_invalid_arguments;
    if (fc) {
        if (dnnl_inner_product_forward_desc_init(&inner, dnnl_forward_inference,
                                                 &md[SRC], &md[WEIGHTS], &md[BIAS],
                                                 &md[DST]))
            return dnnl_invalid_arguments;
        return dnnl_primitive_desc_create(pd, &inner, attr, e, NULL);
    }
    if (dnnl_convolution_forward_desc_init(
            &conv, dnnl_forward_inference, dnnl_convolution_direct, &md[SRC],
            &md[WEIGHTS], &md[BIAS], &md[DST], stride, before, after))
        return dnnl_invalid_arguments;
    return dnnl_primitive_desc_create(pd, &conv, attr, e, NULL);
}

/* Memory in the layout that the primitive asks for, random inside: what is timed does
 * not depend on which weight lies where. */
static dnnl_status_t make_memory(onednn *o, dnnl_primitive_desc_t pd, mico_rng *rng)
{
    const dnnl_query_t query[] = {dnnl_query_src_md, dnnl_query_weights_md,
                                  dnnl_query_weights_md, dnnl_query_dst_md};

    for (int m = 0; m < N_MEMORIES; m++) {
        const dnnl_memory_desc_t *md =
            dnnl_primitive_desc_query_md(pd, query[m], m == BIAS);
        size_t bytes = dnnl_memory_desc_get_size(md);
        dnnl_status_t rc =
            dnnl_memory_create(&o->memory[m], md, o->engine, DNNL_MEMORY_ALLOCATE);
        void *data;

        if (rc == dnnl_success)
            rc = dnnl_memory_get_data_handle(o->memory[m], &data);
        if (rc != dnnl_success)
            return rc;
        for (size_t i = 0; i < bytes; i++)
            ((uint8_t *)data)[i] = m == BIAS ? 0 : (uint8_t)mico_rng_below(rng, 256);
        o->arg[m] = (dnnl_exec_arg_t){arguments[m], o->memory[m]};
    }
    return dnnl_success;
}

static void onednn_close(void *ctx)
{
    onednn *o = ctx;

    for (int m = 0; m < N_MEMORIES; m++)
        dnnl_memory_destroy(o->memory[m]);
    dnnl_primitive_destroy(o->primitive);
    dnnl_stream_destroy(o->stream);
    dnnl_engine_destroy(o->engine);
    free(o);
}

static void *onednn_open(const bench_shape *s, size_t batch, dnnl_data_type_t type)
{
    onednn *o = mico_xcalloc(1, sizeof *o);
    mico_rng *rng = mico_rng_new(1, "onednn", 0);
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    const char *how = NULL;
    dnnl_status_t rc = dnnl_engine_create(&o->engine, dnnl_cpu, 0);

    if (rc == dnnl_success)
        rc = dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags);
    if (rc == dnnl_success)
        rc = make_attr(&attr, s->c_out);
    if (rc == dnnl_success)
        rc = make_desc(&pd, s, batch, type, o->engine, attr);
    if (rc == dnnl_success)
        rc = dnnl_primitive_create(&o->primitive, pd);
    if (rc == dnnl_success)
        rc = make_memory(o, pd, rng);
    if (rc == dnnl_success)
        rc = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &how);
    if (rc == dnnl_success)
        snprintf(o->how, sizeof o->how, "%s", how);
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    mico_rng_free(rng);
    if (rc == dnnl_success)
        return o;
    onednn_close(o);
    return NULL;
}

static void *open_u8(const bench_shape *s, size_t batch)
{
    return onednn_open(s, batch, dnnl_u8);
}

static void *open_s8(const bench_shape *s, size_t batch)
{
    return onednn_open(s, batch, dnnl_s8);
}

static void onednn_run(void *ctx)
{
    onednn *o = ctx;

    dnnl_primitive_execute(o->primitive, o->stream, N_MEMORIES, o->arg);
    dnnl_stream_wait(o->stream);
}

static const char *onednn_how(void *ctx)
{
    return ((onednn *)ctx)->how;
}

const bench_peer bench_onednn_u8s8 = {"onednn_u8s8", "oneDNN u8", onednn_version,
                                      open_u8,       onednn_run,  onednn_close,
                                      onednn_how};
const bench_peer bench_onednn_s8s8 = {"onednn_s8s8", "oneDNN s8", onednn_version,
                                      open_s8,       onednn_run,  onednn_close,
                                      onednn_how};
#else
const bench_peer bench_onednn_u8s8 = {.key = "onednn_u8s8", .title = "oneDNN u8"};
const bench_peer bench_onednn_s8s8 = {.key = "onednn_s8s8", .title = "oneDNN s8"};
#endif
