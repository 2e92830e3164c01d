/* The hash that names a network: structure, parameters and preprocessing, not names. */
#include "net/net_internal.h"

#include "core/hash.h"
#include "core/pack.h"

#include <stdlib.h>

static void put_sizes(mico_writer *w, const size_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mico_put_u64(w, values[i]);
}

static void put_floats(mico_writer *w, const float *values, size_t n)
{
    mico_put_u64(w, values != NULL ? mico_hash(values, n * sizeof *values, n) : 0);
}

static void put_window(mico_writer *w, const mico_window *v)
{
    const size_t field[] = {v->kh,         v->kw,         v->stride_h, v->stride_w,
                            v->dilation_h, v->dilation_w, v->pad_top,  v->pad_left,
                            v->pad_bottom, v->pad_right};

    put_sizes(w, field, sizeof field / sizeof field[0]);
}

/* Only what the kind uses, so that leftovers in other fields change nothing. */
static void put_node(mico_writer *w, const mico_node *n, size_t rank_in)
{
    mico_put_u32(w, (uint32_t)n->kind);
    switch (n->kind) {
    case MICO_NODE_CONV:
    case MICO_NODE_LINEAR:
        put_sizes(w, (const size_t[]){n->c_in, n->c_out, n->groups}, 3);
        put_window(w, &n->window);
        put_floats(w, n->weight,
                   n->c_out * (n->c_in / n->groups) * n->window.kh * n->window.kw);
        put_floats(w, n->bias, n->c_out);
        break;
    case MICO_NODE_AVGPOOL:
    case MICO_NODE_MAXPOOL:
        put_window(w, &n->window);
        mico_put_u8(w, n->kind == MICO_NODE_AVGPOOL && n->count_include_pad);
        break;
    case MICO_NODE_CLIP:
        mico_put_f64(w, (double)n->lo);
        mico_put_f64(w, (double)n->hi);
        break;
    case MICO_NODE_RESHAPE:
        mico_put_u64(w, n->shape.rank);
        put_sizes(w, n->shape.dim, n->shape.rank);
        break;
    case MICO_NODE_PAD:
        put_sizes(w, n->pad_before, rank_in);
        put_sizes(w, n->pad_after, rank_in);
        break;
    case MICO_NODE_SLICE:
        put_sizes(w, n->start, rank_in);
        put_sizes(w, n->stop, rank_in);
        put_sizes(w, n->step, rank_in);
        break;
    case MICO_NODE_TRANSPOSE:
        put_sizes(w, n->perm, rank_in);
        break;
    default:
        break;
    }
}

/* The integers of an int8 network, in the order of its nodes. */
static void put_fixed(mico_writer *w, const mico_net *net)
{
    mico_put_f64(w, (double)net->tensor[net->input].fixed_scale);
    mico_put_u32(w, (uint32_t)net->tensor[net->input].fixed_zero);
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *n = &net->node[i];
        size_t taps = n->window.kh * n->window.kw * (n->c_in / n->groups);

        mico_put_f64(w, (double)net->tensor[n->out].fixed_scale);
        mico_put_u32(w, (uint32_t)net->tensor[n->out].fixed_zero);
        if (n->fixed == NULL)
            continue;
        mico_put_u64(w, mico_hash(n->fixed->weight, n->c_out * taps, 0));
        mico_put_u64(w, mico_hash(n->fixed->bias, n->c_out * sizeof(int32_t), 1));
        put_floats(w, n->fixed->scale, n->c_out);
    }
}

uint64_t mico_net_hash(const mico_net *net)
{
    size_t *number = mico_xcalloc(net->n_tensors, sizeof *number);
    const mico_shape *in = &net->tensor[net->input].shape;
    mico_writer w = {0};
    uint64_t hash;

    /* A tensor is known by the node that made it, whatever its index: 0 is the input.
     */
    mico_put_u64(&w, in->rank);
    put_sizes(&w, in->dim, in->rank);
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *n = &net->node[i];

        mico_put_u64(&w, n->n_in);
        for (size_t k = 0; k < n->n_in; k++)
            mico_put_u64(&w, number[n->in[k]]);
        number[n->out] = i + 1;
        put_node(&w, n, net->tensor[n->in[0]].shape.rank);
    }
    mico_put_u64(&w, number[net->output]);
    mico_put_u64(&w, net->n_preprocess);
    for (size_t i = 0; i < net->n_preprocess; i++) {
        mico_put_f64(&w, (double)net->mul[i]);
        mico_put_f64(&w, (double)net->add[i]);
    }
    if (net->has_fixed)
        put_fixed(&w, net);
    hash = mico_hash(w.bytes, w.len, 0);
    mico_writer_free(&w);
    free(number);
    return hash;
}
