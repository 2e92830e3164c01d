/* Building networks, and questions about finished ones. */
#include "net/net.h"

#include "net/net_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_text[] = {
#define NODE_TEXT(suffix, text) text,
    MICO_NODE_LIST(NODE_TEXT)
#undef NODE_TEXT
};

const char *mico_net_kind_text(mico_node_kind kind)
{
    return kind_text[kind];
}

void mico_net_copy_text(char *out, size_t size, const char *text)
{
    size_t i;

    for (i = 0; i + 1 < size && text[i] != '\0'; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '_';
    out[i] = '\0';
}

mico_net *mico_net_new(const char *name)
{
    mico_net *net = mico_xcalloc(1, sizeof *net);

    net->input = net->output = MICO_NO_TENSOR;
    mico_net_copy_text(net->name, sizeof net->name, name != NULL ? name : "");
    return net;
}

void mico_net_free(mico_net *net)
{
    if (net == NULL)
        return;
    free(net->tensor);
    free(net->node);
    free(net->mul);
    free(net->add);
    free(net->layer);
    mico_arena_free(&net->arena);
    free(net);
}

size_t mico_net_tensor(mico_net *net, const char *name)
{
    mico_tensor *t;

    net->tensor =
        mico_grow(net->tensor, net->n_tensors, &net->tensor_capacity, sizeof *t);
    t = &net->tensor[net->n_tensors];
    *t = (mico_tensor){0};
    if (name != NULL && name[0] != '\0')
        mico_net_copy_text(t->name, sizeof t->name, name);
    else
        snprintf(t->name, sizeof t->name, "t%zu", net->n_tensors);
    return net->n_tensors++;
}

mico_node *mico_net_node(mico_net *net, mico_node_kind kind, const char *name,
                         size_t n_in, const size_t *in, size_t out)
{
    mico_node *n;

    net->node = mico_grow(net->node, net->n_nodes, &net->node_capacity, sizeof *n);
    n = &net->node[net->n_nodes++];
    *n = (mico_node){.kind = kind, .n_in = n_in, .out = out, .groups = 1};
    n->window = (mico_window){.kh = 1,
                              .kw = 1,
                              .stride_h = 1,
                              .stride_w = 1,
                              .dilation_h = 1,
                              .dilation_w = 1};
    n->lo = -INFINITY;
    n->hi = INFINITY;
    for (size_t a = 0; a < MICO_MAX_RANK; a++) {
        n->step[a] = 1;
        n->perm[a] = a;
    }
    for (size_t i = 0; i < n_in && i < MICO_MAX_INPUTS; i++)
        n->in[i] = in[i];
    if (name != NULL && name[0] != '\0')
        mico_net_copy_text(n->name, sizeof n->name, name);
    else
        snprintf(n->name, sizeof n->name, "%s%zu",
                 kind < MICO_N_NODE_KINDS ? kind_text[kind] : "node", net->n_nodes);
    return n;
}

const float *mico_net_floats(mico_net *net, const float *values, size_t n)
{
    float *copy = mico_arena_alloc(&net->arena, n * sizeof *copy);

    if (n > 0)
        memcpy(copy, values, n * sizeof *copy);
    return copy;
}

mico_status mico_net_set_preprocess(mico_net *net, const float *mul, const float *add,
                                    size_t n, mico_err *err)
{
    const mico_shape *in;

    if (net->input >= net->n_tensors)
        return mico_fail(err, MICO_ENET, "preprocessing: the network has no input yet");
    in = &net->tensor[net->input].shape;
    if (n > 1 && (in->rank == 0 || n != in->dim[0]))
        return mico_fail(
            err, MICO_ENET,
            "preprocessing: %zu factors for %zu input channels; give one, or "
            "one for each channel",
            n, in->rank > 0 ? in->dim[0] : 0);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(mul[i]) || !isfinite(add[i]))
            return mico_fail(err, MICO_ENET, "preprocessing: factor %zu is not finite",
                             i);
    free(net->mul);
    free(net->add);
    net->mul = mico_xcalloc(n, sizeof *net->mul);
    net->add = mico_xcalloc(n, sizeof *net->add);
    if (n > 0) {
        memcpy(net->mul, mul, n * sizeof *mul);
        memcpy(net->add, add, n * sizeof *add);
    }
    net->n_preprocess = n;
    if (net->hash != 0) /* finished: the hash covers the preprocessing */
        net->hash = mico_net_hash(net);
    return MICO_OK;
}

/* ---- questions ---------------------------------------------------------------------
 */

size_t mico_shape_count(const mico_shape *shape)
{
    size_t count = 1;

    for (size_t a = 0; a < shape->rank && a < MICO_MAX_RANK; a++)
        count *= shape->dim[a];
    return count;
}

void mico_shape_print(const mico_shape *shape, char out[48])
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t a = 0; a < shape->rank && a < MICO_MAX_RANK && used < 48; a++)
        used += (size_t)snprintf(out + used, 48 - used, a > 0 ? "x%zu" : "%zu",
                                 shape->dim[a]);
}

const char *mico_node_text(const mico_node *node)
{
    if (node->kind == MICO_NODE_CLIP && node->lo == 0) {
        if (isinf(node->hi))
            return "relu";
        if (node->hi == 6)
            return "relu6";
    }
    return node->kind < MICO_N_NODE_KINDS ? kind_text[node->kind] : "unknown";
}

const mico_node *mico_layer_node(const mico_net *net, size_t l)
{
    return &net->node[net->layer[l]];
}

size_t mico_layer_weights(const mico_net *net, size_t l)
{
    const mico_node *n = mico_layer_node(net, l);

    return n->c_out * (n->c_in / n->groups) * n->window.kh * n->window.kw;
}

double mico_layer_macs(const mico_net *net, size_t l)
{
    const mico_node *n = mico_layer_node(net, l);
    size_t taps = n->c_in / n->groups * n->window.kh * n->window.kw;

    return (double)mico_shape_count(&net->tensor[n->out].shape) * (double)taps;
}

size_t mico_net_params(const mico_net *net)
{
    size_t params = 0;

    for (size_t l = 0; l < net->n_layers; l++) {
        const mico_node *n = mico_layer_node(net, l);

        params += mico_layer_weights(net, l) + (n->bias != NULL ? n->c_out : 0);
    }
    return params;
}
