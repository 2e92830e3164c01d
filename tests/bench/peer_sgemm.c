/* peer_sgemm.c: OpenBLAS in float32 on the unrolled matrix, the unrolling for free. */
#include "bench/peers.h"

#include <cblas.h>
#include <stdlib.h>

typedef struct sgemm {
    blasint m, n, k;
    float *a, *b, *c;
} sgemm;

static void sgemm_version(char *out, size_t size)
{
    snprintf(out, size, "%s, kernels of %s", openblas_get_config(),
             openblas_get_corename());
}

static void *sgemm_open(const bench_shape *s, size_t batch)
{
    const size_t m = batch * s->oh * s->ow, n = s->c_out, k = s->taps;
    sgemm *g;

    if (s->groups > 1 || m * k > (size_t)1 << 28)
        return NULL;
    g = mico_xcalloc(1, sizeof *g);
    *g = (sgemm){(blasint)m,
                 (blasint)n,
                 (blasint)k,
                 mico_xcalloc(m * k, sizeof(float)),
                 mico_xcalloc(n * k, sizeof(float)),
                 mico_xcalloc(m * n, sizeof(float))};
    for (size_t i = 0; i < m * k; i++)
        g->a[i] = (float)(i % 251) - 125;
    for (size_t i = 0; i < n * k; i++)
        g->b[i] = (float)(i % 241) - 120;
    return g;
}

static void sgemm_run(void *ctx)
{
    const sgemm *g = ctx;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, g->m, g->n, g->k, 1.0f, g->a,
                g->k, g->b, g->k, 0.0f, g->c, g->n);
}

static void sgemm_close(void *ctx)
{
    sgemm *g = ctx;

    free(g->a);
    free(g->b);
    free(g->c);
    free(g);
}

const bench_peer bench_sgemm = {
    "openblas_sgemm", "sgemm", sgemm_version, sgemm_open, sgemm_run, sgemm_close, NULL};
