/* Storage classes: which tensors share a format, and which clips vanish into their
 * producers: docs/INTEGER.md section 4. */
#include "plan/plan_internal.h"

/* Moves or selects codes, so that its result keeps its input's format. */
static bool keeps_format(mico_node_kind kind)
{
    switch (kind) {
    case MICO_NODE_MAXPOOL:
    case MICO_NODE_CLIP:
    case MICO_NODE_FLATTEN:
    case MICO_NODE_RESHAPE:
    case MICO_NODE_PAD:
    case MICO_NODE_SLICE:
    case MICO_NODE_TRANSPOSE:
        return true;
    default:
        return false;
    }
}

static bool is_layer(mico_node_kind kind)
{
    return kind == MICO_NODE_CONV || kind == MICO_NODE_LINEAR;
}

/* How often nodes read each tensor, and the last node that does. */
static void find_readers(const mico_net *net, size_t *n_readers, size_t *reader)
{
    for (size_t i = 0; i < net->n_nodes; i++)
        for (size_t k = 0; k < net->node[i].n_in; k++) {
            n_readers[net->node[i].in[k]]++;
            reader[net->node[i].in[k]] = i;
        }
}

/* A clip that is the only reader of a conv, linear or add is part of its clamp. */
static void find_fused(const mico_net *net, storage *s, const size_t *n_readers,
                       const size_t *reader)
{
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];

        s->clip[i] = NONE;
        if (!is_layer(node->kind) && node->kind != MICO_NODE_ADD)
            continue;
        if (node->out == net->output || n_readers[node->out] != 1 ||
            net->node[reader[node->out]].kind != MICO_NODE_CLIP)
            continue;
        s->clip[i] = reader[node->out];
        s->fused[reader[node->out]] = true;
    }
}

static void find_roots(const mico_net *net, storage *s, const size_t *n_readers)
{
    for (size_t t = 0; t < net->n_tensors; t++)
        s->root[t] = NONE;
    s->root[net->input] = net->input;
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];

        if (s->fused[i])
            continue;
        if (keeps_format(node->kind)) {
            s->root[node->out] = s->root[node->in[0]];
        } else if (s->clip[i] != NONE) {
            size_t out = net->node[s->clip[i]].out;

            s->root[out] = out;
        } else if (is_layer(node->kind) && node->out == net->output &&
                   n_readers[node->out] == 0) {
            s->logits = true;
        } else {
            s->root[node->out] = node->out;
        }
    }
}

/* Unsigned codes only where nothing of the class was ever negative. */
static void find_signs(const mico_lowering *low, storage *s)
{
    for (size_t t = 0; t < low->net->n_tensors; t++)
        s->is_signed[t] = !low->quant.unsigned_acts;
    for (size_t t = 0; t < low->net->n_tensors; t++)
        if (s->root[t] != NONE && !(low->calib->tensor[t].min >= 0))
            s->is_signed[s->root[t]] = true;
}

void plan_storage_find(mico_lowering *low)
{
    const mico_net *net = low->net;
    storage *s = &low->storage;
    mico_arena *arena = &low->arena;
    size_t *n_readers = mico_arena_alloc(arena, net->n_tensors * sizeof *n_readers);
    size_t *reader = mico_arena_alloc(arena, net->n_tensors * sizeof *reader);

    s->root = mico_arena_alloc(arena, net->n_tensors * sizeof *s->root);
    s->is_signed = mico_arena_alloc(arena, net->n_tensors * sizeof *s->is_signed);
    s->clip = mico_arena_alloc(arena, net->n_nodes * sizeof *s->clip);
    s->fused = mico_arena_alloc(arena, net->n_nodes * sizeof *s->fused);
    s->layer = mico_arena_alloc(arena, net->n_nodes * sizeof *s->layer);
    for (size_t i = 0; i < net->n_nodes; i++)
        s->layer[i] = NONE;
    for (size_t l = 0; l < net->n_layers; l++)
        s->layer[net->layer[l]] = l;
    find_readers(net, n_readers, reader);
    find_fused(net, s, n_readers, reader);
    find_roots(net, s, n_readers);
    find_signs(low, s);
}

/* Several wishes, or none: 8 bits. */
static void want(uint8_t *width, size_t root, uint8_t wish)
{
    width[root] = width[root] == 0 || width[root] == wish ? wish : 8;
}

void plan_storage_widths(const mico_lowering *low, const mico_scheme *scheme,
                         uint8_t *width)
{
    const mico_net *net = low->net;
    const storage *s = &low->storage;

    for (size_t t = 0; t < net->n_tensors; t++)
        width[t] = 0;
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];

        if (s->fused[i] || keeps_format(node->kind))
            continue;
        for (size_t k = 0; k < node->n_in; k++)
            want(width, s->root[node->in[k]],
                 is_layer(node->kind) ? scheme->bits[net->n_layers + s->layer[i]] : 8);
    }
    if (!s->logits)
        want(width, s->root[net->output], 8);
    for (size_t t = 0; t < net->n_tensors; t++)
        if (width[t] == 0)
            width[t] = 8;
}
