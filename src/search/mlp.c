/* The perceptron's passes, all of which come down to adding multiples of rows. */
#include "search/mlp.h"

#include "core/mem.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#define LANES 4 /* of one vector */

typedef float vec __attribute__((vector_size(LANES * sizeof(float)),
                                 aligned(sizeof(float)), may_alias));
typedef int32_t bits __attribute__((vector_size(LANES * sizeof(float)),
                                    aligned(sizeof(float)), may_alias));

/* A matrix whose elements are row * i + column * k apart. */
typedef struct matrix {
    const float *at;
    size_t row, column;
} matrix;

/* ---- the one kernel ---------------------------------------------------------------
 */

/* The nonzero elements of row i of a; returns how many. */
static inline size_t gather(matrix a, size_t i, size_t n_inner, float *factor,
                            uint32_t *at)
{
    size_t n = 0;

    for (size_t k = 0; k < n_inner; k++) {
        factor[n] = a.at[i * a.row + k * a.column];
        at[n] = (uint32_t)k;
        n += factor[n] != 0;
    }
    return n;
}

/* c += sum over k of factor[k] * (row at[k] of b), for the first 16 numbers of rows. */
static void add_panel(size_t m, const float *factor, const uint32_t *at, const float *b,
                      size_t stride, float *c)
{
    vec *out = (vec *)c, s0 = out[0], s1 = out[1], s2 = out[2], s3 = out[3];

    for (size_t k = 0; k < m; k++) {
        const vec *row = (const vec *)(b + at[k] * stride);

        s0 += factor[k] * row[0];
        s1 += factor[k] * row[1];
        s2 += factor[k] * row[2];
        s3 += factor[k] * row[3];
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
    out[3] = s3;
}

#if defined(__x86_64__)
/* The same for 64 numbers; without fused multiply-adds, so bit for bit the same. */
__attribute__((target("avx2"))) static void add_panel_avx2(size_t m,
                                                           const float *factor,
                                                           const uint32_t *at,
                                                           const float *b,
                                                           size_t stride, float *c)
{
    typedef float wide __attribute__((vector_size(32), aligned(4), may_alias));
    wide *out = (wide *)c, s0 = out[0], s1 = out[1], s2 = out[2], s3 = out[3];
    wide s4 = out[4], s5 = out[5], s6 = out[6], s7 = out[7];

    for (size_t k = 0; k < m; k++) {
        const wide *row = (const wide *)(b + at[k] * stride);

        s0 += factor[k] * row[0];
        s1 += factor[k] * row[1];
        s2 += factor[k] * row[2];
        s3 += factor[k] * row[3];
        s4 += factor[k] * row[4];
        s5 += factor[k] * row[5];
        s6 += factor[k] * row[6];
        s7 += factor[k] * row[7];
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
    out[3] = s3;
    out[4] = s4;
    out[5] = s5;
    out[6] = s6;
    out[7] = s7;
}
#endif

/* c[i] += sum over k of a[i][k] b[k], rows of b and c being stride long. After a ReLU
 * half of a is 0: those rows of b are left out. */
static void multiply(size_t n, size_t n_inner, matrix a, const float *b, size_t stride,
                     float *c)
{
    float *factor = mico_xcalloc(n_inner + 1, sizeof *factor);
    uint32_t *at = mico_xcalloc(n_inner + 1, sizeof *at);
    void (*panel)(size_t, const float *, const uint32_t *, const float *, size_t,
                  float *) = add_panel;
    size_t width = 4 * LANES;

#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        panel = add_panel_avx2;
        width = 64;
    }
#endif
    for (size_t i = 0; i < n; i++) {
        const size_t m = gather(a, i, n_inner, factor, at);

        for (size_t j = 0; j < stride; j += width)
            panel(m, factor, at, b + j, stride, c + i * stride + j);
    }
    free(factor);
    free(at);
}

/* ---- parameters -------------------------------------------------------------------
 */

typedef struct layers {
    float *w1, *b1, *w2, *b2, *w3, *b3;
} layers;

static layers layers_of(const mico_mlp *mlp, float *param)
{
    layers l = {.w1 = param};

    l.b1 = l.w1 + mlp->n_in * mlp->stride;
    l.w2 = l.b1 + mlp->stride;
    l.b2 = l.w2 + mlp->n_hidden * mlp->stride;
    l.w3 = l.b2 + mlp->stride;
    l.b3 = l.w3 + mlp->stride;
    return l;
}

static void fill(float *row, size_t n, double limit, mico_rng *rng)
{
    for (size_t j = 0; j < n; j++)
        row[j] = (float)(limit * (2 * mico_rng_uniform(rng) - 1));
}

void mico_mlp_init(mico_mlp *mlp, size_t n_in, size_t n_hidden, mico_rng *rng)
{
    const double in = 1 / sqrt((double)n_in), hidden = 1 / sqrt((double)n_hidden);
    layers l;

    *mlp = (mico_mlp){.n_in = n_in, .n_hidden = n_hidden, .decay = {1, 1}};
    mlp->stride = (n_hidden + MICO_MLP_LANES - 1) / MICO_MLP_LANES * MICO_MLP_LANES;
    mlp->n_params = (n_in + n_hidden + 3) * mlp->stride + MICO_MLP_LANES;
    mlp->param = mico_xaligned(mlp->n_params * sizeof(float));
    mlp->first = mico_xaligned(mlp->n_params * sizeof(float));
    mlp->second = mico_xaligned(mlp->n_params * sizeof(float));
    l = layers_of(mlp, mlp->param);
    for (size_t i = 0; i < n_in; i++)
        fill(l.w1 + i * mlp->stride, n_hidden, in, rng);
    fill(l.b1, n_hidden, in, rng);
    for (size_t i = 0; i < n_hidden; i++)
        fill(l.w2 + i * mlp->stride, n_hidden, hidden, rng);
    fill(l.b2, n_hidden, hidden, rng);
    fill(l.w3, n_hidden, hidden, rng);
    fill(l.b3, 1, hidden, rng);
}

void mico_mlp_free(mico_mlp *mlp)
{
    free(mlp->param);
    free(mlp->first);
    free(mlp->second);
    *mlp = (mico_mlp){0};
}

void mico_mlp_copy(mico_mlp *to, const mico_mlp *from)
{
    *to = *from;
    to->param = mico_xaligned(from->n_params * sizeof(float));
    memcpy(to->param, from->param, from->n_params * sizeof(float));
    to->first = to->second = NULL;
}

void mico_mlp_mix(mico_mlp *to, const mico_mlp *from, float part)
{
    for (size_t i = 0; i < to->n_params; i += LANES) {
        vec *t = (vec *)(to->param + i);

        *t = (1 - part) * *t + part * *(const vec *)(from->param + i);
    }
}

void mico_mlp_pass_init(mico_mlp_pass *pass, const mico_mlp *mlp)
{
    pass->h1 = mico_xaligned(MICO_MLP_BATCH * mlp->stride * sizeof(float));
    pass->h2 = mico_xaligned(MICO_MLP_BATCH * mlp->stride * sizeof(float));
}

void mico_mlp_pass_free(mico_mlp_pass *pass)
{
    free(pass->h1);
    free(pass->h2);
}

/* ---- forward ----------------------------------------------------------------------
 */

static void start_rows(float *rows, const float *bias, size_t n, size_t stride)
{
    for (size_t i = 0; i < n; i++)
        memcpy(rows + i * stride, bias, stride * sizeof *rows);
}

/* Clears what is not above 0 in h; n is a multiple of LANES. */
static void mask(float *x, const float *h, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        const bits above = *(const vec *)(h + i) > 0;

        *(bits *)(x + i) &= above;
    }
}

static float dot(const float *a, const float *b, size_t n)
{
    vec sum = {0};
    float all = 0;

    for (size_t i = 0; i < n; i += LANES)
        sum += *(const vec *)(a + i) * *(const vec *)(b + i);
    for (size_t i = 0; i < LANES; i++)
        all += sum[i];
    return all;
}

void mico_mlp_forward(const mico_mlp *mlp, const float *x, size_t n,
                      mico_mlp_pass *pass)
{
    const layers l = layers_of(mlp, mlp->param);
    const size_t s = mlp->stride;

    start_rows(pass->h1, l.b1, n, s);
    multiply(n, mlp->n_in, (matrix){x, mlp->n_in, 1}, l.w1, s, pass->h1);
    mask(pass->h1, pass->h1, n * s);
    start_rows(pass->h2, l.b2, n, s);
    multiply(n, mlp->n_hidden, (matrix){pass->h1, s, 1}, l.w2, s, pass->h2);
    mask(pass->h2, pass->h2, n * s);
    for (size_t i = 0; i < n; i++)
        pass->out[i] = *l.b3 + dot(pass->h2 + i * s, l.w3, s);
}

/* ---- backward ---------------------------------------------------------------------
 */

#define TILE 16

/* to[n][stride] = transposed from[n][stride], in tiles that stay cached. */
static void transpose(const float *from, size_t n, size_t stride, float *to)
{
    for (size_t i = 0; i < n; i += TILE)
        for (size_t j = 0; j < n; j += TILE)
            for (size_t r = i; r < i + TILE && r < n; r++)
                for (size_t c = j; c < j + TILE && c < n; c++)
                    to[c * stride + r] = from[r * stride + c];
}

static void add_to_bias(const float *rows, size_t n, size_t stride, float *bias)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < stride; j += LANES)
            *(vec *)(bias + j) += *(const vec *)(rows + i * stride + j);
}

/* By the second layer's sums, from those by the output. */
static void through_output(const mico_mlp *mlp, const layers *l, size_t n,
                           const mico_mlp_pass *pass, const float *by_out, float *by_z2,
                           layers *gradient)
{
    const size_t s = mlp->stride;

    for (size_t i = 0; i < n; i++) {
        const float *h = pass->h2 + i * s;

        for (size_t j = 0; j < s; j += LANES) {
            *(vec *)(by_z2 + i * s + j) = by_out[i] * *(const vec *)(l->w3 + j);
            if (gradient != NULL)
                *(vec *)(gradient->w3 + j) += by_out[i] * *(const vec *)(h + j);
        }
        if (gradient != NULL)
            *gradient->b3 += by_out[i];
    }
    mask(by_z2, pass->h2, n * s);
}

/* By the first layer's sums. */
static void through_second(const mico_mlp *mlp, const layers *l, size_t n,
                           const mico_mlp_pass *pass, const float *by_z2, float *by_z1)
{
    const size_t s = mlp->stride;
    float *turned = mico_xaligned(mlp->n_hidden * s * sizeof *turned);

    transpose(l->w2, mlp->n_hidden, s, turned);
    memset(by_z1, 0, n * s * sizeof *by_z1);
    multiply(n, mlp->n_hidden, (matrix){by_z2, s, 1}, turned, s, by_z1);
    mask(by_z1, pass->h1, n * s);
    free(turned);
}

void mico_mlp_backward(const mico_mlp *mlp, const float *x, size_t n,
                       const mico_mlp_pass *pass, const float *by_out, float *by_param,
                       float *by_x)
{
    const layers l = layers_of(mlp, mlp->param);
    const size_t s = mlp->stride;
    float *by_z2 = mico_xaligned(2 * n * s * sizeof *by_z2), *by_z1 = by_z2 + n * s;
    layers g = {0};

    if (by_param != NULL) {
        memset(by_param, 0, mlp->n_params * sizeof *by_param);
        g = layers_of(mlp, by_param);
    }
    through_output(mlp, &l, n, pass, by_out, by_z2, by_param != NULL ? &g : NULL);
    through_second(mlp, &l, n, pass, by_z2, by_z1);
    if (by_param != NULL) {
        add_to_bias(by_z2, n, s, g.b2);
        multiply(mlp->n_hidden, n, (matrix){pass->h1, 1, s}, by_z2, s, g.w2);
        add_to_bias(by_z1, n, s, g.b1);
        multiply(mlp->n_in, n, (matrix){x, 1, mlp->n_in}, by_z1, s, g.w1);
    }
    for (size_t i = 0; by_x != NULL && i < n; i++)
        for (size_t f = 0; f < mlp->n_in; f++)
            by_x[i * mlp->n_in + f] = dot(by_z1 + i * s, l.w1 + f * s, s);
    free(by_z2);
}

/* ---- Adam -------------------------------------------------------------------------
 */

#define ADAM_FIRST  0.9F
#define ADAM_SECOND 0.999F
#define ADAM_LEAST  1e-8F

void mico_mlp_adam(mico_mlp *mlp, const float *by_param, double rate)
{
    float step, scale;

    mlp->decay[0] *= (double)ADAM_FIRST;
    mlp->decay[1] *= (double)ADAM_SECOND;
    step = (float)(rate / (1 - mlp->decay[0]));
    scale = (float)(1 / sqrt(1 - mlp->decay[1]));
    for (size_t i = 0; i < mlp->n_params; i += LANES) {
        const vec g = *(const vec *)(by_param + i);
        vec *m = (vec *)(mlp->first + i), *v = (vec *)(mlp->second + i), root;

        *m = ADAM_FIRST * *m + (1 - ADAM_FIRST) * g;
        *v = ADAM_SECOND * *v + (1 - ADAM_SECOND) * g * g;
#if defined(__x86_64__)
        root = (vec)_mm_sqrt_ps((__m128)*v);
#else
        for (size_t k = 0; k < LANES; k++)
            root[k] = sqrtf((*v)[k]);
#endif
        *(vec *)(mlp->param + i) -= step * *m / (scale * root + ADAM_LEAST);
    }
}
