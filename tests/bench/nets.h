/* nets.h: the networks of bench_nets, with random weights: speed does not depend on
 * them. */
#ifndef MICO_BENCH_NETS_H
#define MICO_BENCH_NETS_H

#include "support/eval_build.h"

static inline size_t net_conv_relu(eval_build *b, size_t x, size_t c_in, size_t c_out,
                                   size_t groups, mico_window w)
{
    return eval_relu(b, eval_conv(b, x, c_in, c_out, groups, w, true));
}

static inline size_t net_global_pool(eval_build *b, size_t x, size_t h, size_t w)
{
    const mico_window window = {h, w, h, w, 1, 1, 0, 0, 0, 0};

    return eval_flatten(b, eval_pool(b, MICO_NODE_AVGPOOL, x, window, false));
}

/* Two 3x3 and a shortcut, which is a 1x1 where the shape changes. early: pixels of
 * padding above and left of a stride of 2 (TensorFlow: 0, PyTorch: 1). */
static inline size_t net_block(eval_build *b, size_t x, size_t c_in, size_t c_out,
                               size_t stride, size_t early)
{
    const mico_window first = {
        3, 3, stride, stride, 1, 1, stride == 1 ? 1 : early, stride == 1 ? 1 : early,
        1, 1};
    size_t y = net_conv_relu(b, x, c_in, c_out, 1, first);

    y = eval_conv(b, y, c_out, c_out, 1, eval_window(3, 1, 1), true);
    if (stride > 1 || c_in != c_out)
        x = eval_conv(b, x, c_in, c_out, 1, eval_window(1, stride, 0), true);
    return eval_relu(b, eval_add(b, x, y));
}

/* Stem of `width` channels, `stages` stages of `blocks` blocks each; every stage after
 * the first halves the map and doubles the channels. */
static inline mico_net *net_resnet(size_t width, size_t stages, size_t blocks,
                                   size_t early)
{
    eval_build b;
    size_t x = eval_begin(&b, 1, 3, 32, 32), c = width;

    x = net_conv_relu(&b, x, 3, width, 1, eval_window(3, 1, 1));
    for (size_t s = 0; s < stages; s++)
        for (size_t i = 0; i < blocks; i++) {
            const bool down = s > 0 && i == 0;

            x = net_block(&b, x, c, down ? 2 * c : c, down ? 2 : 1, early);
            c = down ? 2 * c : c;
        }
    x = net_global_pool(&b, x, (size_t)32 >> (stages - 1), (size_t)32 >> (stages - 1));
    return eval_end(&b, eval_linear(&b, x, c, 10, true));
}

static inline mico_net *net_resnet8(void)
{
    return net_resnet(16, 3, 1, 0); /* MLPerf-Tiny */
}

static inline mico_net *net_resnet14(void)
{
    return net_resnet(16, 3, 2, 0);
}

static inline mico_net *net_resnet26(void)
{
    return net_resnet(16, 3, 4, 0);
}

static inline mico_net *net_resnet18(void)
{
    return net_resnet(64, 4, 2, 1);
}

static inline size_t net_bottleneck(eval_build *b, size_t x, size_t c_in, size_t c_out,
                                    size_t stride, size_t widen)
{
    const size_t c = c_in * widen;
    size_t y = x;

    y = eval_clip(b, eval_conv(b, y, c_in, c, 1, eval_window(1, 1, 0), true), 0, 6);
    y = eval_clip(b, eval_conv(b, y, c, c, c, eval_window(3, stride, 1), true), 0, 6);
    y = eval_conv(b, y, c, c_out, 1, eval_window(1, 1, 0), true);
    return stride == 1 && c_in == c_out ? eval_add(b, x, y) : y;
}

/* For 32x32 images; the first layer is a padded 1x1, so the maps are 34 wide. */
static inline mico_net *net_mobilenetv2(void)
{
    static const struct {
        size_t c, n, stride, widen;
    } stage[] = {{16, 1, 1, 1}, {24, 2, 2, 6},  {32, 3, 2, 6}, {64, 4, 2, 6},
                 {96, 3, 1, 6}, {160, 3, 1, 6}, {320, 1, 1, 6}};
    eval_build b;
    size_t x = eval_begin(&b, 1, 3, 32, 32), c = 32;

    x = eval_clip(&b, eval_conv(&b, x, 3, 32, 1, eval_window(1, 1, 1), true), 0, 6);
    for (size_t s = 0; s < sizeof stage / sizeof *stage; s++)
        for (size_t i = 0; i < stage[s].n; i++) {
            x = net_bottleneck(&b, x, c, stage[s].c, i == 0 ? stage[s].stride : 1,
                               stage[s].widen);
            c = stage[s].c;
        }
    x = eval_clip(&b, eval_conv(&b, x, c, 1280, 1, eval_window(1, 1, 0), true), 0, 6);
    return eval_end(&b, eval_linear(&b, net_global_pool(&b, x, 5, 5), 1280, 10, true));
}

/* MLPerf-Tiny keyword spotting: 49 frames of 10 features. */
static inline mico_net *net_dscnn(void)
{
    const mico_window stem = {10, 4, 2, 2, 1, 1, 4, 1, 5, 1};
    eval_build b;
    size_t x = eval_begin(&b, 1, 1, 49, 10);

    x = net_conv_relu(&b, x, 1, 64, 1, stem);
    for (size_t i = 0; i < 4; i++) {
        x = net_conv_relu(&b, x, 64, 64, 64, eval_window(3, 1, 1));
        x = net_conv_relu(&b, x, 64, 64, 1, eval_window(1, 1, 0));
    }
    return eval_end(&b, eval_linear(&b, net_global_pool(&b, x, 25, 5), 64, 12, true));
}

static inline mico_net *net_lenet(void)
{
    const mico_window half = eval_window(2, 2, 0);
    eval_build b;
    size_t x = eval_begin(&b, 1, 1, 28, 28);

    x = net_conv_relu(&b, x, 1, 6, 1, eval_window(5, 1, 2));
    x = eval_pool(&b, MICO_NODE_AVGPOOL, x, half, false);
    x = net_conv_relu(&b, x, 6, 16, 1, eval_window(5, 1, 0));
    x = eval_flatten(&b, eval_pool(&b, MICO_NODE_AVGPOOL, x, half, false));
    x = eval_relu(&b, eval_linear(&b, x, 400, 120, true));
    x = eval_relu(&b, eval_linear(&b, x, 120, 84, true));
    return eval_end(&b, eval_linear(&b, x, 84, 10, true));
}

static inline mico_net *net_mlp(void)
{
    eval_build b;
    size_t x = eval_begin(&b, 1, 784, 0, 0);

    x = eval_relu(&b, eval_linear(&b, x, 784, 256, true));
    x = eval_relu(&b, eval_linear(&b, x, 256, 128, true));
    return eval_end(&b, eval_linear(&b, x, 128, 10, true));
}

#endif
