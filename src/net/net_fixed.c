/* The fixed integers of an int8 network: storage and checks. */
#include "net/net_internal.h"

#include <float.h>
#include <string.h>

const mico_fixed *mico_net_fixed(mico_net *net, const int8_t *weight, size_t n,
                                 const int32_t *bias, const float *scale, size_t c_out)
{
    mico_fixed *fixed = mico_arena_alloc(&net->arena, sizeof *fixed);
    int8_t *own_weight = mico_arena_alloc(&net->arena, n);
    int32_t *own_bias = mico_arena_alloc(&net->arena, c_out * sizeof *own_bias);

    memcpy(own_weight, weight, n);
    memcpy(own_bias, bias, c_out * sizeof *bias);
    *fixed = (mico_fixed){own_weight, own_bias, mico_net_floats(net, scale, c_out)};
    return fixed;
}

/* Denormal scales would lose bits in every ratio of scales. */
static bool is_scale(float s)
{
    return s >= FLT_MIN && s <= FLT_MAX;
}

static mico_status check_tensor(const mico_tensor *t, mico_err *err)
{
    if (!is_scale(t->fixed_scale))
        return mico_fail(err, MICO_ENET,
                         "tensor '%s': its scale %g is not a positive number; an int8 "
                         "network needs one for every tensor",
                         t->name, (double)t->fixed_scale);
    if (t->fixed_zero < -128 || t->fixed_zero > 127)
        return mico_fail(err, MICO_ENET,
                         "tensor '%s': its zero point %d is outside of -128..127",
                         t->name, (int)t->fixed_zero);
    return MICO_OK;
}

static mico_status check_layer(const mico_node *n, mico_err *err)
{
    if (n->fixed == NULL)
        return mico_fail(err, MICO_ENET,
                         "%s '%s': has no integer weights, but its network has scales",
                         mico_node_text(n), n->name);
    for (size_t c = 0; c < n->c_out; c++)
        if (!is_scale(n->fixed->scale[c]))
            return mico_fail(err, MICO_ENET,
                             "%s '%s': the weight scale %g of channel %zu is not a "
                             "positive number",
                             mico_node_text(n), n->name, (double)n->fixed->scale[c], c);
    return MICO_OK;
}

mico_status mico_net_check_fixed(const mico_net *net, mico_err *err)
{
    mico_status rc = MICO_OK;

    if (!net->has_fixed)
        return MICO_OK;
    for (size_t t = 0; t < net->n_tensors && rc == MICO_OK; t++)
        rc = check_tensor(&net->tensor[t], err);
    for (size_t l = 0; l < net->n_layers && rc == MICO_OK; l++)
        rc = check_layer(mico_layer_node(net, l), err);
    return rc;
}
