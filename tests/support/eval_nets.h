/* eval_nets.h: three small networks of the kinds that people search on. */
#ifndef MICO_TESTS_EVAL_NETS_H
#define MICO_TESTS_EVAL_NETS_H

#include "support/eval_build.h"

static inline mico_net *eval_lenet(uint64_t seed)
{
    mico_window pool = eval_window(2, 2, 0);
    eval_build b;
    size_t x = eval_begin(&b, seed, 1, 20, 20);

    x = eval_relu(&b, eval_conv(&b, x, 1, 6, 1, eval_window(5, 1, 2), true));
    x = eval_pool(&b, MICO_NODE_AVGPOOL, x, pool, false);
    x = eval_relu(&b, eval_conv(&b, x, 6, 16, 1, eval_window(5, 1, 0), false));
    x = eval_flatten(&b, eval_pool(&b, MICO_NODE_AVGPOOL, x, pool, false));
    x = eval_relu(&b, eval_linear(&b, x, 144, 40, true));
    x = eval_relu(&b, eval_linear(&b, x, 40, 21, false));
    return eval_end(&b, eval_linear(&b, x, 21, 10, true));
}

static inline size_t eval_residual(eval_build *b, size_t x, size_t c_in, size_t c_out,
                                   size_t stride)
{
    size_t y = eval_conv(b, x, c_in, c_out, 1, eval_window(3, stride, 1), true);

    y = eval_conv(b, eval_relu(b, y), c_out, c_out, 1, eval_window(3, 1, 1), true);
    if (stride > 1)
        x = eval_conv(b, x, c_in, c_out, 1, eval_window(1, stride, 0), true);
    return eval_relu(b, eval_add(b, x, y));
}

static inline mico_net *eval_resnet(uint64_t seed)
{
    eval_build b;
    size_t x = eval_begin(&b, seed, 3, 16, 16);

    x = eval_relu(&b, eval_conv(&b, x, 3, 16, 1, eval_window(3, 1, 1), true));
    x = eval_residual(&b, x, 16, 16, 1);
    x = eval_residual(&b, x, 16, 32, 2);
    x = eval_residual(&b, x, 32, 64, 2);
    x = eval_pool(&b, MICO_NODE_AVGPOOL, x, eval_window(4, 4, 0), false);
    return eval_end(&b, eval_linear(&b, eval_flatten(&b, x), 64, 10, true));
}

/* Strided slice, then zero channels on both sides: a shortcut without parameters. */
static inline size_t eval_option_a(eval_build *b, size_t x, size_t c, size_t h)
{
    mico_node *node = eval_node(b, MICO_NODE_SLICE, 1, &x);
    size_t out = node->out;

    for (size_t a = 0; a < 3; a++) {
        node->stop[a] = a == 0 ? c : h;
        node->step[a] = a == 0 ? 1 : 2;
    }
    node = eval_node(b, MICO_NODE_PAD, 1, &out);
    node->pad_before[0] = c / 2;
    node->pad_after[0] = c / 2;
    return node->out;
}

/* Every node kind: depthwise, grouped and dilated convolutions, relu6, max and average
 * pools with padding, concat, slice, pad, transpose, reshape, an 8-bit network output.
 */
static inline mico_net *eval_zoo(uint64_t seed)
{
    mico_window dilated = {3, 2, 1, 1, 2, 1, 2, 0, 2, 1};
    eval_build b;
    size_t x = eval_begin(&b, seed, 2, 12, 12), y, both[2];
    mico_node *node;

    x = eval_clip(&b, eval_conv(&b, x, 2, 8, 2, dilated, true), 0, 6);
    y = eval_conv(&b, x, 8, 8, 8, eval_window(3, 1, 1), true);
    both[0] = eval_pool(&b, MICO_NODE_MAXPOOL, x, eval_window(3, 1, 1), false);
    both[1] = eval_clip(&b, y, -1, 2);
    x = eval_node(&b, MICO_NODE_CONCAT, 2, both)->out;
    y = eval_conv(&b, x, 16, 32, 4, eval_window(3, 2, 1), false);
    x = eval_relu(&b, eval_add(&b, eval_option_a(&b, x, 16, 12), y));
    both[0] = eval_pool(&b, MICO_NODE_AVGPOOL, x, eval_window(3, 2, 1), false);
    both[1] = eval_pool(&b, MICO_NODE_AVGPOOL, x, eval_window(3, 2, 1), true);
    x = eval_node(&b, MICO_NODE_CONCAT, 2, both)->out;
    node = eval_node(&b, MICO_NODE_TRANSPOSE, 1, &x);
    memcpy(node->perm, (size_t[]){1, 2, 0}, sizeof node->perm);
    x = eval_conv(&b, node->out, 3, 5, 1, eval_window(1, 1, 0), true);
    node = eval_node(&b, MICO_NODE_RESHAPE, 1, &x);
    node->shape = (mico_shape){3, {20, 6, 8}};
    x = eval_flatten(&b, eval_clip(&b, node->out, -3, INFINITY));
    x = eval_linear(&b, x, 960, 9, true);
    return eval_end(&b, eval_clip(&b, x, -INFINITY, 40));
}

#endif
