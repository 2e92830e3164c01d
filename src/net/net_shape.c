/* The rule of each node kind: what it demands of its inputs, and its output's shape. */
#include "net/net_internal.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#define MAX_WIDE_STEPS ((size_t)1 << 16) /* bounds the time for absurd dilations */

/* A node under inspection, with the shapes it reads and the one it makes. */
typedef struct inspection {
    const mico_node *node;
    const mico_shape *in[MICO_MAX_INPUTS];
    mico_shape out;
    mico_err *err;
} inspection;

mico_status mico_net_check_shape(const mico_shape *shape, const char *what,
                                 mico_err *err)
{
    size_t count = 1;

    if (shape->rank < 1 || shape->rank > MICO_MAX_RANK)
        return mico_fail(err, MICO_ENET, "%s: has rank %zu; only 1 to 3 exist", what,
                         shape->rank);
    for (size_t a = 0; a < shape->rank; a++) {
        if (shape->dim[a] == 0)
            return mico_fail(err, MICO_ENET, "%s: dimension %zu is 0", what, a);
        if (shape->dim[a] > NET_MAX_ELEMENTS / count)
            return mico_fail(err, MICO_ELIMIT, "%s: has more than %zu elements", what,
                             NET_MAX_ELEMENTS);
        count *= shape->dim[a];
    }
    return MICO_OK;
}

/* Fails with the node's kind and name in front. */
static mico_status refuse(const inspection *x, const char *why)
{
    return mico_fail(x->err, MICO_ENET, "%s '%s': %s", mico_node_text(x->node),
                     x->node->name, why);
}

static mico_status refuse_shape(const inspection *x, const mico_shape *got,
                                const char *want)
{
    char text[48];

    mico_shape_print(got, text);
    return mico_fail(x->err, MICO_ENET, "%s '%s': its input is %s, it needs %s",
                     mico_node_text(x->node), x->node->name, text, want);
}

static bool same_shape(const mico_shape *a, const mico_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (size_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

static bool all_finite(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* Output positions of a window along one axis (floor rule), 0 where it does not fit. No
 * operand exceeds NET_MAX_ELEMENTS, so nothing here overflows 64 bits. */
static size_t window_steps(size_t in, size_t k, size_t stride, size_t dilation,
                           size_t before, size_t after)
{
    size_t reach = (k - 1) * dilation + 1;

    return in + before + after < reach ? 0 : (in + before + after - reach) / stride + 1;
}

static mico_status window_shape(inspection *x)
{
    const mico_window *w = &x->node->window;
    const size_t field[] = {w->kh,         w->kw,         w->stride_h, w->stride_w,
                            w->dilation_h, w->dilation_w, w->pad_top,  w->pad_left,
                            w->pad_bottom, w->pad_right};
    const mico_shape *in = x->in[0];

    if (in->rank != 3)
        return refuse_shape(x, in, "channels x height x width");
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++) {
        if (i < 6 && field[i] == 0)
            return refuse(x, "a kernel size, stride or dilation is 0");
        if (field[i] > NET_MAX_ELEMENTS)
            return refuse(x, "a kernel size, stride, dilation or padding is absurd");
    }
    x->out.rank = 3;
    x->out.dim[0] = x->node->kind == MICO_NODE_CONV ? x->node->c_out : in->dim[0];
    x->out.dim[1] = window_steps(in->dim[1], w->kh, w->stride_h, w->dilation_h,
                                 w->pad_top, w->pad_bottom);
    x->out.dim[2] = window_steps(in->dim[2], w->kw, w->stride_w, w->dilation_w,
                                 w->pad_left, w->pad_right);
    if (x->out.dim[1] == 0 || x->out.dim[2] == 0)
        return refuse_shape(x, in, "a map that its kernel fits into");
    return MICO_OK;
}

/* True if each of the `steps` windows along an axis holds at least one real element; a
 * pool over padding alone has no value. The first window skips the most taps and the
 * last begins the latest; between, only a dilation wider than the input can step over
 * it. */
static bool windows_filled(size_t in, size_t k, size_t stride, size_t dilation,
                           size_t before, size_t steps)
{
    if ((before + dilation - 1) / dilation >= k || (steps - 1) * stride >= before + in)
        return false;
    if (dilation <= in)
        return true;
    for (size_t o = 0; o < steps && o * stride < before; o++) {
        size_t gap = before - o * stride;

        if (o == MAX_WIDE_STEPS ||
            (gap + dilation - 1) / dilation * dilation >= gap + in)
            return false;
    }
    return true;
}

static mico_status infer_pool(inspection *x)
{
    const mico_window *w = &x->node->window;
    mico_status rc = window_shape(x);

    if (rc != MICO_OK)
        return rc;
    if (x->node->kind == MICO_NODE_AVGPOOL &&
        (w->dilation_h != 1 || w->dilation_w != 1))
        return refuse(x, "average pooling has no dilation here");
    if ((rc = mico_net_check_shape(&x->out, x->node->name, x->err)) != MICO_OK)
        return rc;
    if (!windows_filled(x->in[0]->dim[1], w->kh, w->stride_h, w->dilation_h, w->pad_top,
                        x->out.dim[1]) ||
        !windows_filled(x->in[0]->dim[2], w->kw, w->stride_w, w->dilation_w,
                        w->pad_left, x->out.dim[2]))
        return refuse(x, "a window lies wholly in the padding");
    return MICO_OK;
}

/* Conv and linear: the weights exist, are not too many, and are numbers. */
static mico_status check_weights(const inspection *x)
{
    const mico_node *n = x->node;
    size_t factor[4] = {n->c_out, 0, n->window.kh, n->window.kw};
    size_t count = 1;

    if (n->c_in == 0 || n->c_out == 0 || n->groups == 0 || n->c_in % n->groups != 0 ||
        n->c_out % n->groups != 0)
        return refuse(x, "channels and groups do not fit together");
    factor[1] = n->c_in / n->groups;
    for (size_t i = 0; i < 4; i++) {
        if (factor[i] > NET_MAX_ELEMENTS / count)
            return mico_fail(x->err, MICO_ELIMIT, "%s '%s': more than %zu weights",
                             mico_node_text(n), n->name, NET_MAX_ELEMENTS);
        count *= factor[i];
    }
    if (n->weight == NULL)
        return refuse(x, "has no weights");
    if (!all_finite(n->weight, count))
        return refuse(x, "a weight is not a finite number");
    if (n->bias != NULL && !all_finite(n->bias, n->c_out))
        return refuse(x, "a bias is not a finite number");
    return MICO_OK;
}

static mico_status infer_conv(inspection *x)
{
    mico_status rc = window_shape(x);

    if (rc != MICO_OK)
        return rc;
    if (x->in[0]->dim[0] != x->node->c_in)
        return mico_fail(x->err, MICO_ENET,
                         "conv '%s': its input has %zu channels, its weights want %zu",
                         x->node->name, x->in[0]->dim[0], x->node->c_in);
    return check_weights(x);
}

static mico_status infer_linear(inspection *x)
{
    const mico_node *n = x->node;

    if (x->in[0]->rank != 1)
        return refuse_shape(x, x->in[0], "a flat vector; put a flatten before it");
    if (x->in[0]->dim[0] != n->c_in)
        return mico_fail(
            x->err, MICO_ENET,
            "linear '%s': its input has %zu features, its weights want %zu", n->name,
            x->in[0]->dim[0], n->c_in);
    if (n->groups != 1 || n->window.kh != 1 || n->window.kw != 1)
        return refuse(x, "a linear layer has neither groups nor a kernel");
    x->out = (mico_shape){.rank = 1, .dim = {n->c_out}};
    return check_weights(x);
}

static mico_status infer_add(inspection *x)
{
    char a[48], b[48];

    x->out = *x->in[0];
    if (same_shape(x->in[0], x->in[1]))
        return MICO_OK;
    mico_shape_print(x->in[0], a);
    mico_shape_print(x->in[1], b);
    return mico_fail(x->err, MICO_ENET,
                     "add '%s': its inputs differ in shape: %s and %s", x->node->name,
                     a, b);
}

static mico_status infer_concat(inspection *x)
{
    size_t channels = 0;

    x->out = *x->in[0];
    for (size_t i = 0; i < x->node->n_in; i++) {
        mico_shape rest = *x->in[i];

        channels += rest.dim[0];
        rest.dim[0] = x->in[0]->dim[0];
        if (!same_shape(&rest, x->in[0]))
            return refuse(x, "its inputs differ in more than their channels");
    }
    x->out.dim[0] = channels;
    return MICO_OK;
}

static mico_status infer_clip(inspection *x)
{
    x->out = *x->in[0];
    if (!(x->node->lo <= x->node->hi) || x->node->lo == INFINITY ||
        x->node->hi == -INFINITY)
        return refuse(x, "its lower limit is above the upper one");
    return MICO_OK;
}

static mico_status infer_flatten(inspection *x)
{
    x->out = (mico_shape){.rank = 1, .dim = {mico_shape_count(x->in[0])}};
    return MICO_OK;
}

static mico_status infer_reshape(inspection *x)
{
    mico_status rc = mico_net_check_shape(&x->node->shape, x->node->name, x->err);
    char text[48];

    if (rc != MICO_OK)
        return rc;
    x->out = x->node->shape;
    if (mico_shape_count(&x->out) == mico_shape_count(x->in[0]))
        return MICO_OK;
    mico_shape_print(x->in[0], text);
    return mico_fail(
        x->err, MICO_ENET,
        "reshape '%s': its input of %s and its output have different numbers "
        "of elements",
        x->node->name, text);
}

static mico_status infer_pad(inspection *x)
{
    x->out = *x->in[0];
    for (size_t a = 0; a < x->out.rank; a++) {
        if (x->node->pad_before[a] > NET_MAX_ELEMENTS ||
            x->node->pad_after[a] > NET_MAX_ELEMENTS)
            return refuse(x, "its padding is absurd");
        x->out.dim[a] += x->node->pad_before[a] + x->node->pad_after[a];
    }
    return MICO_OK;
}

static mico_status infer_slice(inspection *x)
{
    const mico_node *n = x->node;

    x->out = *x->in[0];
    for (size_t a = 0; a < x->out.rank; a++) {
        if (n->step[a] == 0 || n->step[a] > NET_MAX_ELEMENTS ||
            n->start[a] >= n->stop[a] || n->stop[a] > x->out.dim[a])
            return mico_fail(
                x->err, MICO_ENET,
                "slice '%s': %zu..%zu by %zu is no part of axis %zu, which has "
                "%zu elements",
                n->name, n->start[a], n->stop[a], n->step[a], a, x->out.dim[a]);
        x->out.dim[a] = (n->stop[a] - n->start[a] - 1) / n->step[a] + 1;
    }
    return MICO_OK;
}

static mico_status infer_transpose(inspection *x)
{
    bool seen[MICO_MAX_RANK] = {false};

    x->out.rank = x->in[0]->rank;
    for (size_t a = 0; a < x->out.rank; a++) {
        size_t from = x->node->perm[a];

        if (from >= x->out.rank || seen[from])
            return refuse(x, "its permutation does not name each axis once");
        seen[from] = true;
        x->out.dim[a] = x->in[0]->dim[from];
    }
    return MICO_OK;
}

static const struct {
    size_t min_in, max_in;
    mico_status (*infer)(inspection *x);
} rules[MICO_N_NODE_KINDS] = {
    [MICO_NODE_CONV] = {1, 1, infer_conv},
    [MICO_NODE_LINEAR] = {1, 1, infer_linear},
    [MICO_NODE_ADD] = {2, 2, infer_add},
    [MICO_NODE_CONCAT] = {1, MICO_MAX_INPUTS, infer_concat},
    [MICO_NODE_MAXPOOL] = {1, 1, infer_pool},
    [MICO_NODE_AVGPOOL] = {1, 1, infer_pool},
    [MICO_NODE_CLIP] = {1, 1, infer_clip},
    [MICO_NODE_FLATTEN] = {1, 1, infer_flatten},
    [MICO_NODE_RESHAPE] = {1, 1, infer_reshape},
    [MICO_NODE_PAD] = {1, 1, infer_pad},
    [MICO_NODE_SLICE] = {1, 1, infer_slice},
    [MICO_NODE_TRANSPOSE] = {1, 1, infer_transpose},
};

mico_status mico_net_infer_node(mico_net *net, const mico_node *node, mico_err *err)
{
    inspection x = {.node = node, .err = err};
    char what[MICO_NET_NAME + 32];
    mico_status rc;

    if (node->kind >= MICO_N_NODE_KINDS)
        return refuse(&x, "is of no known kind");
    if (node->n_in < rules[node->kind].min_in || node->n_in > rules[node->kind].max_in)
        return mico_fail(err, MICO_ENET,
                         "%s '%s': has %zu inputs, which is not allowed",
                         mico_node_text(node), node->name, node->n_in);
    for (size_t i = 0; i < node->n_in; i++)
        x.in[i] = &net->tensor[node->in[i]].shape;
    if ((rc = rules[node->kind].infer(&x)) != MICO_OK)
        return rc;
    snprintf(what, sizeof what, "output of %s '%s'", mico_node_text(node), node->name);
    if ((rc = mico_net_check_shape(&x.out, what, err)) != MICO_OK)
        return rc;
    net->tensor[node->out].shape = x.out;
    return MICO_OK;
}
