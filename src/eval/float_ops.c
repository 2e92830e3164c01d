/* float_ops.c: every node kind in fp32, over n images in (C,H,W) order. */
#include "eval/eval_internal.h"

#include <f77blas.h>
#include <math.h>
#include <string.h>

/* A shape as three axes: leading ones where the rank is less. */
typedef struct axes {
    size_t dim[3], skip; /* skip: 3 - rank */
} axes;

static axes axes_of(const mico_shape *shape)
{
    axes a = {{1, 1, 1}, 3 - shape->rank};

    for (size_t i = 0; i < shape->rank; i++)
        a.dim[a.skip + i] = shape->dim[i];
    return a;
}

/* Position in the input that tap `tap` of output `at` reads, or SIZE_MAX on padding. */
static size_t tap_position(size_t at, size_t stride, size_t tap, size_t dilation,
                           size_t pad, size_t limit)
{
    size_t p = at * stride + tap * dilation;

    return p < pad || p - pad >= limit ? SIZE_MAX : p - pad;
}

/* c[m][n] = a[m][k] * b, b being [k][n], or [n][k] where it is transposed; rows of c
 * lie ldc apart. Through OpenBLAS' Fortran name: cblas_sgemm is also a (twenty times
 * slower) function of libgslcblas, which may stand first on the link line. Fortran's
 * matrices are by columns, so it computes the transpose of c. */
static void multiply(size_t m, size_t n, size_t k, const float *a, const float *b,
                     bool transposed, float *c, size_t ldc)
{
    blasint rows = (blasint)n, columns = (blasint)m, inner = (blasint)k;
    blasint ldb = transposed ? inner : rows, distance = (blasint)ldc;
    float one = 1, zero = 0;

    sgemm_(transposed ? "T" : "N", "N", &rows, &columns, &inner, &one, (float *)b, &ldb,
           (float *)a, &inner, &zero, c, &distance);
}

/* ---- convolution -------------------------------------------------------------------
 */

static bool is_pointwise(const mico_window *w)
{
    return w->kh == 1 && w->kw == 1 && w->stride_h == 1 && w->stride_w == 1 &&
           w->pad_top == 0 && w->pad_left == 0 && w->pad_bottom == 0 &&
           w->pad_right == 0;
}

static bool is_depthwise(const mico_node *node)
{
    return node->groups > 1 && node->c_in == node->groups;
}

/* Output rows of one im2col tile. */
static size_t patch_rows(const mico_node *node, const mico_shape *out)
{
    size_t row =
        node->c_in / node->groups * node->window.kh * node->window.kw * out->dim[2];
    size_t rows = MICO_PATCH_FLOATS / row;

    return rows < 1 ? 1 : rows > out->dim[1] ? out->dim[1] : rows;
}

size_t mico_float_patch(const mico_net *net, const mico_node *node)
{
    const mico_shape *out = &net->tensor[node->out].shape;

    if (node->kind != MICO_NODE_CONV || is_pointwise(&node->window) ||
        is_depthwise(node))
        return 0;
    return node->c_in / node->groups * node->window.kh * node->window.kw *
           patch_rows(node, out) * out->dim[2];
}

/* Smallest output position whose tap reads input position `limit` or behind, but at
 * most n; `limit` counts from the start of the padding. */
static size_t first_reaching(size_t limit, size_t tap, size_t stride, size_t n)
{
    size_t at = limit > tap ? (limit - tap + stride - 1) / stride : 0;

    return at < n ? at : n;
}

/* One patch row: n output columns of tap column j over input row x (NULL: padding). */
static void fill_row(const mico_window *w, const float *x, size_t width, size_t j,
                     size_t n, float *patch)
{
    size_t tap = j * w->dilation_w;
    size_t from = first_reaching(w->pad_left, tap, w->stride_w, n);
    size_t to = first_reaching(w->pad_left + width, tap, w->stride_w, n);

    if (x == NULL || from >= to) {
        memset(patch, 0, n * sizeof *patch);
        return;
    }
    memset(patch, 0, from * sizeof *patch);
    memset(patch + to, 0, (n - to) * sizeof *patch);
    x += from * w->stride_w + tap - w->pad_left;
    if (w->stride_w == 1)
        memcpy(patch + from, x, (to - from) * sizeof *patch);
    else
        for (size_t o = from; o < to; o++, x += w->stride_w)
            patch[o] = *x;
}

/* patch[(c, i, j)][y][x] = x[c][..][..] for output rows [first, first + rows). */
static void fill_patch(const mico_window *w, const float *x, size_t channels, size_t h,
                       size_t width, size_t out_w, size_t first, size_t rows,
                       float *patch)
{
    for (size_t c = 0; c < channels; c++, x += h * width)
        for (size_t i = 0; i < w->kh; i++)
            for (size_t j = 0; j < w->kw; j++)
                for (size_t y = first; y < first + rows; y++, patch += out_w) {
                    size_t p =
                        tap_position(y, w->stride_h, i, w->dilation_h, w->pad_top, h);

                    fill_row(w, p == SIZE_MAX ? NULL : x + p * width, width, j, out_w,
                             patch);
                }
}

/* One group of one image as matrix products over tiles of output rows. */
static void conv_group(const mico_node *node, const float *weight, const float *x,
                       size_t h, size_t w, const mico_shape *out, float *y,
                       float *patch)
{
    size_t c_in = node->c_in / node->groups, c_out = node->c_out / node->groups;
    size_t taps = c_in * node->window.kh * node->window.kw;
    size_t rows = out->dim[1], step, pixels = out->dim[1] * out->dim[2];
    bool direct = is_pointwise(&node->window);

    step = direct ? rows : patch_rows(node, out);
    for (size_t first = 0; first < rows; first += step) {
        size_t n = first + step > rows ? rows - first : step;
        size_t columns = n * out->dim[2];

        if (!direct)
            fill_patch(&node->window, x, c_in, h, w, out->dim[2], first, n, patch);
        multiply(c_out, columns, taps, weight, direct ? x : patch, false,
                 y + first * out->dim[2], pixels);
    }
}

/* Depthwise: each output channel reads one input channel. */
static void conv_depthwise(const mico_node *node, const float *weight, const float *x,
                           size_t h, size_t w, const mico_shape *out, float *y)
{
    const mico_window *win = &node->window;
    size_t multiplier = node->c_out / node->c_in;

    for (size_t c = 0; c < node->c_out; c++, weight += win->kh * win->kw) {
        const float *channel = x + c / multiplier * h * w;

        for (size_t oy = 0; oy < out->dim[1]; oy++)
            for (size_t ox = 0; ox < out->dim[2]; ox++) {
                float sum = 0;

                for (size_t i = 0; i < win->kh; i++) {
                    size_t p = tap_position(oy, win->stride_h, i, win->dilation_h,
                                            win->pad_top, h);

                    for (size_t j = 0; p != SIZE_MAX && j < win->kw; j++) {
                        size_t q = tap_position(ox, win->stride_w, j, win->dilation_w,
                                                win->pad_left, w);

                        if (q != SIZE_MAX)
                            sum += channel[p * w + q] * weight[i * win->kw + j];
                    }
                }
                *y++ = sum;
            }
    }
}

static void conv_image(const mico_net *net, const mico_node *node, const float *weight,
                       const float *x, float *y, float *patch)
{
    const mico_shape *in = &net->tensor[node->in[0]].shape;
    const mico_shape *out = &net->tensor[node->out].shape;
    size_t h = in->dim[1], w = in->dim[2], pixels = out->dim[1] * out->dim[2];
    size_t c_in = node->c_in / node->groups, c_out = node->c_out / node->groups;
    size_t taps = c_in * node->window.kh * node->window.kw;

    if (is_depthwise(node))
        conv_depthwise(node, weight, x, h, w, out, y);
    else
        for (size_t g = 0; g < node->groups; g++)
            conv_group(node, weight + g * c_out * taps, x + g * c_in * h * w, h, w, out,
                       y + g * c_out * pixels, patch);
    for (size_t c = 0; node->bias != NULL && c < node->c_out; c++)
        for (size_t i = 0; i < pixels; i++)
            y[c * pixels + i] += node->bias[c];
}

/* ---- the other kinds ---------------------------------------------------------------
 */

static void run_linear(const mico_node *node, const float *weight, const float *x,
                       float *y, size_t n)
{
    multiply(n, node->c_out, node->c_in, x, weight, true, y, node->c_out);
    for (size_t i = 0; node->bias != NULL && i < n; i++)
        for (size_t c = 0; c < node->c_out; c++)
            y[i * node->c_out + c] += node->bias[c];
}

/* Max or mean of one window; padding never wins and counts only where the node says so.
 */
static float pool_window(const mico_node *node, const float *x, size_t h, size_t w,
                         size_t oy, size_t ox)
{
    const mico_window *win = &node->window;
    float max = -INFINITY, sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < win->kh; i++) {
        size_t p = tap_position(oy, win->stride_h, i, win->dilation_h, win->pad_top, h);

        for (size_t j = 0; p != SIZE_MAX && j < win->kw; j++) {
            size_t q =
                tap_position(ox, win->stride_w, j, win->dilation_w, win->pad_left, w);

            if (q == SIZE_MAX)
                continue;
            sum += x[p * w + q];
            if (x[p * w + q] > max || isnan(x[p * w + q]))
                max = x[p * w + q];
            count++;
        }
    }
    if (count == 0) /* a window of padding only */
        return 0;
    if (node->kind == MICO_NODE_MAXPOOL)
        return max;
    return sum / (float)(node->count_include_pad ? win->kh * win->kw : count);
}

static void pool_image(const mico_net *net, const mico_node *node, const float *x,
                       float *y)
{
    const mico_shape *in = &net->tensor[node->in[0]].shape;
    const mico_shape *out = &net->tensor[node->out].shape;

    for (size_t c = 0; c < out->dim[0]; c++, x += in->dim[1] * in->dim[2])
        for (size_t oy = 0; oy < out->dim[1]; oy++)
            for (size_t ox = 0; ox < out->dim[2]; ox++)
                *y++ = pool_window(node, x, in->dim[1], in->dim[2], oy, ox);
}

static void pad_image(const mico_node *node, const axes *in, const axes *out,
                      const float *x, float *y)
{
    size_t before[3] = {0, 0, 0};

    for (size_t i = 0; in->skip + i < 3; i++)
        before[in->skip + i] = node->pad_before[i];
    memset(y, 0, out->dim[0] * out->dim[1] * out->dim[2] * sizeof *y);
    for (size_t a = 0; a < in->dim[0]; a++)
        for (size_t b = 0; b < in->dim[1]; b++, x += in->dim[2])
            memcpy(y + ((a + before[0]) * out->dim[1] + b + before[1]) * out->dim[2] +
                       before[2],
                   x, in->dim[2] * sizeof *x);
}

static void slice_image(const mico_node *node, const axes *in, const axes *out,
                        const float *x, float *y)
{
    size_t start[3] = {0, 0, 0}, step[3] = {1, 1, 1};

    for (size_t i = 0; in->skip + i < 3; i++) {
        start[in->skip + i] = node->start[i];
        step[in->skip + i] = node->step[i];
    }
    for (size_t a = 0; a < out->dim[0]; a++)
        for (size_t b = 0; b < out->dim[1]; b++) {
            const float *row =
                x + ((start[0] + a * step[0]) * in->dim[1] + start[1] + b * step[1]) *
                        in->dim[2];

            for (size_t c = 0; c < out->dim[2]; c++)
                *y++ = row[start[2] + c * step[2]];
        }
}

static void transpose_image(const mico_node *node, const axes *in, const axes *out,
                            const float *x, float *y)
{
    size_t stride_in[3] = {in->dim[1] * in->dim[2], in->dim[2], 1}, stride[3];

    for (size_t i = 0; i < 3; i++)
        stride[i] = i < in->skip ? 0 : stride_in[in->skip + node->perm[i - in->skip]];
    for (size_t a = 0; a < out->dim[0]; a++)
        for (size_t b = 0; b < out->dim[1]; b++)
            for (size_t c = 0; c < out->dim[2]; c++)
                *y++ = x[a * stride[0] + b * stride[1] + c * stride[2]];
}

static void concat_image(const mico_net *net, const mico_node *node,
                         const float *const *in, size_t image, float *y)
{
    for (size_t i = 0; i < node->n_in; i++) {
        size_t count = mico_shape_count(&net->tensor[node->in[i]].shape);

        memcpy(y, in[i] + image * count, count * sizeof *y);
        y += count;
    }
}

/* Comparisons that let a NaN through; two steps, so that they need no branches. */
static void clip_values(const float *x, float *y, size_t n, float lo, float hi)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < lo ? lo : x[i];

        y[i] = v > hi ? hi : v;
    }
}

static void run_image(const mico_net *net, const mico_node *node, const float *weight,
                      const float *x, float *y, float *patch)
{
    axes in = axes_of(&net->tensor[node->in[0]].shape);
    axes out = axes_of(&net->tensor[node->out].shape);

    switch (node->kind) {
    case MICO_NODE_CONV:
        conv_image(net, node, weight, x, y, patch);
        break;
    case MICO_NODE_MAXPOOL:
    case MICO_NODE_AVGPOOL:
        pool_image(net, node, x, y);
        break;
    case MICO_NODE_PAD:
        pad_image(node, &in, &out, x, y);
        break;
    case MICO_NODE_SLICE:
        slice_image(node, &in, &out, x, y);
        break;
    case MICO_NODE_TRANSPOSE:
        transpose_image(node, &in, &out, x, y);
        break;
    default: /* the whole batch at once: not here */
        break;
    }
}

void mico_float_node(const mico_net *net, const mico_node *node, const float *weight,
                     const float *const *in, float *out, size_t n, float *patch)
{
    size_t n_in = mico_shape_count(&net->tensor[node->in[0]].shape);
    size_t n_out = mico_shape_count(&net->tensor[node->out].shape);
    const float *x = in[0];

    switch (node->kind) {
    case MICO_NODE_LINEAR:
        run_linear(node, weight, x, out, n);
        break;
    case MICO_NODE_ADD:
        for (size_t i = 0; i < n * n_out; i++)
            out[i] = x[i] + in[1][i];
        break;
    case MICO_NODE_CLIP:
        clip_values(x, out, n * n_out, node->lo, node->hi);
        break;
    case MICO_NODE_FLATTEN:
    case MICO_NODE_RESHAPE:
        memcpy(out, x, n * n_out * sizeof *out);
        break;
    case MICO_NODE_CONCAT:
        for (size_t i = 0; i < n; i++)
            concat_image(net, node, in, i, out + i * n_out);
        break;
    default:
        for (size_t i = 0; i < n; i++)
            run_image(net, node, weight, x + i * n_in, out + i * n_out, patch);
        break;
    }
}
