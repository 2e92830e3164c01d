/* NNF1 graphs: from one op line to nodes of the network. */
#include "net/nnf1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mico_status refuse(const nnf1 *x, const nnf1_op *op, const char *why)
{
    return mico_fail(x->err, MICO_ENET, "%.40s '%s': %s", op->kind, op->out, why);
}

/* ---- nodes and values -------------------------------------------------------------
 */

/* A new value with the fixed scale and zero of the op, or of value `like`. */
static mico_status add_value(nnf1 *x, const nnf1_op *op, const char *name, size_t like,
                             size_t *out)
{
    float scale = op->scale;
    int32_t zero = op->zero;

    if (nnf1_value(x, name) != MICO_NO_TENSOR)
        return refuse(x, op, "its output has the name of an earlier value");
    if (like != MICO_NO_TENSOR) {
        scale = x->net->tensor[like].fixed_scale;
        zero = x->net->tensor[like].fixed_zero;
        if ((op->has_scale && op->scale != scale) || (op->has_zero && op->zero != zero))
            return refuse(x, op,
                          "keeps the scale and zp of its input, but names "
                          "others");
    } else if (x->net->has_fixed && !(op->has_scale && op->has_zero)) {
        return refuse(x, op, "needs scale= and zp= in an i8 network");
    }
    *out = mico_net_tensor(x->net, name);
    x->net->tensor[*out].fixed_scale = scale;
    x->net->tensor[*out].fixed_zero = zero;
    return MICO_OK;
}

/* A node `kind`_`value`[:what] from one value to another. */
static mico_node *add_node(nnf1 *x, mico_node_kind kind, const nnf1_op *op,
                           const char *what, size_t n_in, const size_t *in, size_t out)
{
    char name[MICO_NET_NAME];

    snprintf(name, sizeof name, "%s_%s%s", mico_net_kind_text(kind), op->out, what);
    return mico_net_node(x->net, kind, name, n_in, in, out);
}

static mico_status infer(nnf1 *x, const mico_node *node)
{
    return mico_net_infer_node(x->net, node, x->err);
}

/* Where the main node of an op with an activation writes: the value before it. */
static mico_status add_result(nnf1 *x, const nnf1_op *op, size_t *out)
{
    char name[MICO_NET_NAME];

    snprintf(name, sizeof name, "%s%s", op->out,
             op->act != NNF1_ACT_NONE ? ":sum" : "");
    return add_value(x, op, name, MICO_NO_TENSOR, out);
}

static mico_status add_activation(nnf1 *x, const nnf1_op *op, size_t sum)
{
    static const float most[] = {[NNF1_ACT_RELU6] = 6, [NNF1_ACT_CLAMP01] = 1};
    mico_node *clip;
    size_t out;
    mico_status rc;

    if (op->act == NNF1_ACT_NONE)
        return MICO_OK;
    if ((rc = add_value(x, op, op->out, MICO_NO_TENSOR, &out)) != MICO_OK)
        return rc;
    clip = add_node(x, MICO_NODE_CLIP, op, "", 1, &sum, out);
    clip->lo = 0;
    if (op->act != NNF1_ACT_RELU)
        clip->hi = most[op->act];
    return infer(x, clip);
}

/* ---- parameters -------------------------------------------------------------------
 */

static uint32_t word_at(const nnf1_tensor *t, size_t i)
{
    const uint8_t *p = t->bytes + 4 * i;

    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static float float_at(const nnf1_tensor *t, size_t i)
{
    uint32_t bits = word_at(t, i);
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Index in the file of the weight of output c, input i, tap p. */
static size_t weight_index(const mico_node *n, bool depthwise, size_t c, size_t i,
                           size_t p)
{
    size_t depth = n->c_in / n->groups, area = n->window.kh * n->window.kw;

    return depthwise ? p * n->c_out + c : (c * area + p) * depth + i;
}

/* Weights in the network's order [c_out][c_in/groups][kh][kw]; q of an i8 network as
 * integers, and w = scale * q. */
static void read_weights(nnf1 *x, const nnf1_op *op, mico_node *n, bool depthwise,
                         const float *scale, int8_t *q)
{
    size_t depth = n->c_in / n->groups, area = n->window.kh * n->window.kw;
    float *w = mico_arena_alloc(&x->net->arena, op->w->count * sizeof *w);
    size_t at = 0;

    for (size_t c = 0; c < n->c_out; c++)
        for (size_t i = 0; i < depth; i++)
            for (size_t p = 0; p < area; p++, at++) {
                size_t from = weight_index(n, depthwise, c, i, p);

                if (q == NULL) {
                    w[at] = float_at(op->w, from);
                    continue;
                }
                memcpy(&q[at], op->w->bytes + from, 1);
                w[at] = scale[c] * (float)q[at];
            }
    n->weight = w;
}

static void read_fixed(nnf1 *x, const nnf1_op *op, mico_node *n, bool depthwise)
{
    float s_in = x->net->tensor[n->in[0]].fixed_scale;
    float *scale = mico_xcalloc(n->c_out, sizeof *scale);
    float *bias = mico_arena_alloc(&x->net->arena, n->c_out * sizeof *bias);
    int32_t *b = mico_xcalloc(n->c_out, sizeof *b);
    int8_t *q = mico_xcalloc(op->w->count, 1);

    for (size_t c = 0; c < n->c_out; c++) {
        uint32_t bits = op->b != NULL ? word_at(op->b, c) : 0;

        memcpy(&b[c], &bits, sizeof bits);
        scale[c] = float_at(op->ws, op->ws->count > 1 ? c : 0);
        bias[c] = (float)((double)b[c] * ((double)s_in * (double)scale[c]));
    }
    read_weights(x, op, n, depthwise, scale, q);
    n->bias = bias;
    n->fixed = mico_net_fixed(x->net, q, op->w->count, b, scale, n->c_out);
    free(scale);
    free(b);
    free(q);
}

static mico_status check_parameters(const nnf1 *x, const nnf1_op *op, size_t c_out)
{
    bool fixed = x->net->has_fixed;

    if (op->w->type != (fixed ? NNF1_I8 : NNF1_F32))
        return refuse(x, op, "its weights have another type than the network");
    if (op->b != NULL &&
        (op->b->type != (fixed ? NNF1_I32 : NNF1_F32) || op->b->count != c_out))
        return refuse(x, op, "its bias has another type or not one value a channel");
    if (fixed && (op->ws == NULL || op->ws->type != NNF1_F32 ||
                  (op->ws->count != 1 && op->ws->count != c_out)))
        return refuse(x, op, "needs ws= with one f32 scale, or one a channel");
    if (!fixed && op->ws != NULL)
        return refuse(x, op, "has weight scales in an f32 network");
    return MICO_OK;
}

static void read_parameters(nnf1 *x, const nnf1_op *op, mico_node *n, bool depthwise)
{
    float *bias;

    if (x->net->has_fixed) {
        read_fixed(x, op, n, depthwise);
        return;
    }
    read_weights(x, op, n, depthwise, NULL, NULL);
    if (op->b == NULL)
        return;
    bias = mico_arena_alloc(&x->net->arena, n->c_out * sizeof *bias);
    for (size_t c = 0; c < n->c_out; c++)
        bias[c] = float_at(op->b, c);
    n->bias = bias;
}

/* ---- kinds ------------------------------------------------------------------------
 */

static void set_window(mico_window *w, size_t kh, size_t kw, const nnf1_op *op)
{
    w->kh = kh;
    w->kw = kw;
    w->stride_h = op->stride[0];
    w->stride_w = op->stride[1];
    w->pad_top = op->pad[0];
    w->pad_bottom = op->pad[1];
    w->pad_left = op->pad[2];
    w->pad_right = op->pad[3];
}

/* conv, dwconv, fc: w is O,kh,kw,I, or 1,kh,kw,C, or O,I. */
static mico_status add_layer(nnf1 *x, const nnf1_op *op, const size_t *in)
{
    bool depthwise = strcmp(op->kind, "dwconv") == 0;
    bool linear = strcmp(op->kind, "fc") == 0;
    const nnf1_tensor *w = op->w;
    size_t c_out, sum;
    mico_node *n;
    mico_status rc;

    if (w == NULL)
        return refuse(x, op, "needs w=");
    if (w->rank != (linear ? 2 : 4) || (depthwise && w->dim[0] != 1))
        return refuse(x, op,
                      "its weights must be O,kh,kw,I of a conv, 1,kh,kw,C of a "
                      "dwconv, O,I of an fc");
    c_out = depthwise ? w->dim[3] : w->dim[0];
    if ((rc = check_parameters(x, op, c_out)) != MICO_OK ||
        (rc = add_result(x, op, &sum)) != MICO_OK)
        return rc;
    n = add_node(x, linear ? MICO_NODE_LINEAR : MICO_NODE_CONV, op, "", 1, in, sum);
    n->c_out = c_out;
    n->c_in = depthwise ? x->net->tensor[in[0]].shape.dim[0] : w->dim[w->rank - 1];
    n->groups = depthwise ? n->c_in : 1;
    if (!linear)
        set_window(&n->window, w->dim[1], w->dim[2], op);
    if (n->c_out % n->groups != 0)
        return refuse(x, op, "its channels are no multiple of its input's");
    if (w->count > NET_MAX_ELEMENTS - x->n_weights_used)
        return mico_fail(x->err, MICO_ELIMIT, "more than %zu weights in all",
                         NET_MAX_ELEMENTS);
    x->n_weights_used += w->count;
    read_parameters(x, op, n, depthwise);
    if ((rc = infer(x, n)) != MICO_OK)
        return rc;
    return add_activation(x, op, sum);
}

static mico_status add_add(nnf1 *x, const nnf1_op *op, const size_t *in)
{
    size_t sum;
    mico_status rc = add_result(x, op, &sum);

    if (rc == MICO_OK)
        rc = infer(x, add_node(x, MICO_NODE_ADD, op, "", 2, in, sum));
    return rc != MICO_OK ? rc : add_activation(x, op, sum);
}

static mico_status add_pool(nnf1 *x, const nnf1_op *op, const size_t *in)
{
    mico_node_kind kind =
        strcmp(op->kind, "avgpool") == 0 ? MICO_NODE_AVGPOOL : MICO_NODE_MAXPOOL;
    mico_node *n;
    size_t out;
    mico_status rc;

    if (op->k[0] == 0 || op->k[1] == 0)
        return refuse(x, op, "needs k=H,W");
    if ((rc = add_value(x, op, op->out, in[0], &out)) != MICO_OK)
        return rc;
    n = add_node(x, kind, op, "", 1, in, out);
    set_window(&n->window, op->k[0], op->k[1], op);
    return infer(x, n);
}

/* NNF1 flattens in the order (h, w, c), the network in (c, h, w). */
static mico_status add_flatten(nnf1 *x, const nnf1_op *op, const size_t *in)
{
    const mico_shape *s = &x->net->tensor[in[0]].shape;
    char name[MICO_NET_NAME];
    size_t from = in[0], out;
    mico_status rc;

    if (s->rank == 3 && s->dim[0] > 1 && s->dim[1] * s->dim[2] > 1) {
        mico_node *n;

        snprintf(name, sizeof name, "%s:hwc", op->out);
        if ((rc = add_value(x, op, name, in[0], &out)) != MICO_OK)
            return rc;
        n = add_node(x, MICO_NODE_TRANSPOSE, op, "", 1, in, out);
        n->perm[0] = 1;
        n->perm[1] = 2;
        n->perm[2] = 0;
        if ((rc = infer(x, n)) != MICO_OK)
            return rc;
        from = out;
    }
    if ((rc = add_value(x, op, op->out, in[0], &out)) != MICO_OK)
        return rc;
    return infer(x, add_node(x, MICO_NODE_FLATTEN, op, "", 1, &from, out));
}

/* Every stride-th pixel, then cpad channels of zeros on each side. */
static mico_status add_subpad(nnf1 *x, const nnf1_op *op, const size_t *in)
{
    const mico_shape s = x->net->tensor[in[0]].shape;
    char name[MICO_NET_NAME];
    size_t cut, out;
    mico_node *n;
    mico_status rc;

    if (s.rank != 3)
        return refuse(x, op, "needs a map");
    snprintf(name, sizeof name, "%s:cut", op->out);
    if ((rc = add_value(x, op, name, in[0], &cut)) != MICO_OK)
        return rc;
    n = add_node(x, MICO_NODE_SLICE, op, "", 1, in, cut);
    for (size_t a = 0; a < 3; a++) {
        n->stop[a] = s.dim[a];
        n->step[a] = a > 0 ? op->stride[a - 1] : 1;
    }
    if ((rc = infer(x, n)) != MICO_OK ||
        (rc = add_value(x, op, op->out, in[0], &out)) != MICO_OK)
        return rc;
    n = add_node(x, MICO_NODE_PAD, op, "", 1, &cut, out);
    n->pad_before[0] = n->pad_after[0] = op->cpad;
    return infer(x, n);
}

mico_status nnf1_add_op(nnf1 *x, const nnf1_op *op)
{
    static const struct {
        const char *kind;
        size_t n_in;
        bool act; /* takes an activation */
        mico_status (*add)(nnf1 *x, const nnf1_op *op, const size_t *in);
    } kinds[] = {{"conv", 1, true, add_layer},       {"dwconv", 1, true, add_layer},
                 {"fc", 1, true, add_layer},         {"add", 2, true, add_add},
                 {"maxpool", 1, false, add_pool},    {"avgpool", 1, false, add_pool},
                 {"flatten", 1, false, add_flatten}, {"subpad", 1, false, add_subpad}};
    size_t in[2], k = 0;

    while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].kind, op->kind) != 0)
        k++;
    if (k == sizeof kinds / sizeof *kinds)
        return mico_fail(x->err, MICO_EUNSUP,
                         "op '%.40s' is not one of conv, dwconv, fc, add, maxpool, "
                         "avgpool, flatten, subpad",
                         op->kind);
    if (op->n_in != kinds[k].n_in)
        return refuse(x, op, "has another number of inputs than its kind");
    if (op->act != NNF1_ACT_NONE && !kinds[k].act)
        return refuse(x, op, "cannot have an activation");
    if (x->net->n_nodes + 2 > NET_MAX_NODES)
        return mico_fail(x->err, MICO_ELIMIT, "more than %zu nodes", NET_MAX_NODES);
    for (size_t i = 0; i < op->n_in; i++) {
        in[i] = nnf1_value(x, op->in[i]);
        if (in[i] == MICO_NO_TENSOR)
            return mico_fail(x->err, MICO_ENET,
                             "%s '%s': nothing makes its input "
                             "'%.40s'",
                             op->kind, op->out, op->in[i]);
    }
    return kinds[k].add(x, op, in);
}
