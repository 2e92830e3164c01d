/* Building networks: every refusal of mico_net_finish, then shapes, order and counts.
 */
#include "net/net.h"

#include <math.h>
#include <stdlib.h>

#include "support/suite.h"

/* A network in the making whose latest tensor is `at`. */
typedef struct chain {
    mico_net *net;
    size_t at;
} chain;

static chain start(size_t rank, size_t c, size_t h, size_t w)
{
    chain k = {mico_net_new("net"), 0};

    k.at = k.net->input = mico_net_tensor(k.net, "x");
    k.net->tensor[k.at].shape = (mico_shape){rank, {c, h, w}};
    return k;
}

static mico_node *add(chain *k, mico_node_kind kind, const char *name)
{
    size_t out = mico_net_tensor(k->net, NULL);
    mico_node *n = mico_net_node(k->net, kind, name, 1, &k->at, out);

    k->at = k->net->output = out;
    return n;
}

static mico_node *add_conv(chain *k, const char *name, size_t c_in, size_t c_out,
                           size_t groups, size_t kernel)
{
    size_t count = c_out * (c_in / groups) * kernel * kernel;
    float *w = calloc(count, sizeof *w);
    const float *own = mico_net_floats(k->net, w, count);
    mico_node *n = add(k, MICO_NODE_CONV, name);

    free(w);
    n->c_in = c_in;
    n->c_out = c_out;
    n->groups = groups;
    n->window.kh = n->window.kw = kernel;
    n->weight = own;
    return n;
}

static mico_node *add_linear(chain *k, const char *name, size_t c_in, size_t c_out)
{
    mico_node *n = add_conv(k, name, c_in, c_out, 1, 1);

    n->kind = MICO_NODE_LINEAR;
    return n;
}

/* Finishes the network, which must fail with this status and a text that holds `part`.
 */
static void refuse(chain *k, mico_status status, const char *part)
{
    mico_err err = {0};

    CU_ASSERT_EQUAL(mico_net_finish(k->net, &err), status);
    if (strstr(err.text, part) == NULL)
        printf("\n    got '%s', wanted '%s'", err.text, part);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    mico_net_free(k->net);
}

static void finish(chain *k)
{
    mico_err err = {0};

    if (mico_net_finish(k->net, &err) != MICO_OK)
        printf("\n    %s", err.text);
    CU_ASSERT_EQUAL_FATAL(err.status, MICO_OK);
}

/* Finishes, and checks the output's shape. */
static void expect_shape(chain *k, const char *want)
{
    char text[48];

    finish(k);
    mico_shape_print(&k->net->tensor[k->net->output].shape, text);
    CU_ASSERT_STRING_EQUAL(text, want);
    mico_net_free(k->net);
}

static void t_ends(void)
{
    chain k = {mico_net_new(NULL), 0};

    refuse(&k, MICO_ENET, "has no input");
    k = start(3, 1, 8, 8);
    refuse(&k, MICO_ENET, "has no output");
    k = start(3, 1, 8, 8);
    k.net->output = k.net->input;
    refuse(&k, MICO_ENET, "has no nodes");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a");
    k.net->output = mico_net_tensor(k.net, "lost");
    refuse(&k, MICO_ENET, "nothing makes its output 'lost'");
    k = start(4, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a");
    refuse(&k, MICO_ENET, "network input: has rank 4");
    k = start(3, 1, 0, 8);
    add(&k, MICO_NODE_CLIP, "a");
    refuse(&k, MICO_ENET, "dimension 1 is 0");
    k = start(3, SIZE_MAX / 2, SIZE_MAX / 2, 8);
    add(&k, MICO_NODE_CLIP, "a");
    refuse(&k, MICO_ELIMIT, "more than");
    k = start(3, 1, 1 << 14, (1 << 14) + 1);
    add(&k, MICO_NODE_CLIP, "a");
    refuse(&k, MICO_ELIMIT, "more than 268435456 elements");
}

static void t_structure(void)
{
    size_t many[MICO_MAX_INPUTS + 1] = {0};
    chain k = start(3, 1, 8, 8);

    add(&k, MICO_NODE_CLIP, "a")->in[0] = 77;
    refuse(&k, MICO_ENET, "'a': names a tensor that is not there");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a")->out = SIZE_MAX;
    refuse(&k, MICO_ENET, "'a': names a tensor that is not there");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a");
    add(&k, MICO_NODE_CLIP, "b")->out = k.net->input;
    refuse(&k, MICO_ENET, "'b': writes to the network's input");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a");
    add(&k, MICO_NODE_CLIP, "b");
    k.net->node[0].out = k.net->node[1].out;
    refuse(&k, MICO_ENET, "is made by both 'a' and 'b'");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a");
    add(&k, MICO_NODE_CLIP, "a");
    refuse(&k, MICO_ENET, "node 'a': its name is used twice");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a");
    add(&k, MICO_NODE_CLIP, "b");
    k.net->node[0].in[0] = k.at;
    refuse(&k, MICO_ENET, "is part of a cycle");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a")->in[0] = mico_net_tensor(k.net, "lost");
    refuse(&k, MICO_ENET, "'a': nothing makes its input 'lost'");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a")->n_in = 0;
    refuse(&k, MICO_ENET, "'a': has 0 inputs");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_CLIP, "a")->kind = (mico_node_kind)99;
    refuse(&k, MICO_ENET, "'a': is of no known kind");
    k = start(3, 1, 8, 8);
    add(&k, MICO_NODE_ADD, "a");
    refuse(&k, MICO_ENET, "add 'a': has 1 inputs");
    k = start(3, 1, 8, 8);
    k.net->output = mico_net_tensor(k.net, "y");
    mico_net_node(k.net, MICO_NODE_CONCAT, "a", MICO_MAX_INPUTS + 1, many,
                  k.net->output);
    refuse(&k, MICO_ENET, "'a': has 17 inputs");
}

static void t_convolutions(void)
{
    chain k = start(1, 64, 0, 0);

    add_conv(&k, "c", 64, 8, 1, 1);
    refuse(&k, MICO_ENET, "conv 'c': its input is 64, it needs channels");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 3, 8, 1, 3);
    refuse(&k, MICO_ENET, "conv 'c': its input has 4 channels, its weights want 3");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->groups = 3;
    refuse(&k, MICO_ENET, "channels and groups");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->groups = 0;
    refuse(&k, MICO_ENET, "channels and groups");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->weight = NULL;
    refuse(&k, MICO_ENET, "conv 'c': has no weights");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->weight =
        mico_net_floats(k.net, (float[288]){[287] = NAN}, 288);
    refuse(&k, MICO_ENET, "a weight is not a finite number");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->bias =
        mico_net_floats(k.net, (float[8]){[7] = -INFINITY}, 8);
    refuse(&k, MICO_ENET, "a bias is not a finite number");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->window.stride_w = 0;
    refuse(&k, MICO_ENET, "is 0");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->window.dilation_h = SIZE_MAX;
    refuse(&k, MICO_ENET, "absurd");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->window.dilation_h = 4;
    refuse(&k, MICO_ENET, "a map that its kernel fits into");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 3)->window.pad_left = (size_t)1 << 28;
    refuse(&k, MICO_ELIMIT, "output of conv 'c'");
    k = start(3, 4, 8, 8);
    add_conv(&k, "c", 4, 8, 1, 1)->c_out = (size_t)1 << 27;
    refuse(&k, MICO_ELIMIT, "more than");
}

static void t_others(void)
{
    chain k = start(3, 4, 8, 8);
    mico_node *n;

    add_linear(&k, "f", 256, 10);
    refuse(&k, MICO_ENET, "linear 'f': its input is 4x8x8, it needs a flat vector");
    k = start(1, 20, 0, 0);
    add_linear(&k, "f", 21, 10);
    refuse(&k, MICO_ENET, "linear 'f': its input has 20 features, its weights want 21");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_MAXPOOL, "p")->window.pad_top = 1;
    refuse(&k, MICO_ENET, "maxpool 'p': a window lies wholly in the padding");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_AVGPOOL, "p")->window.pad_right = 1;
    refuse(&k, MICO_ENET, "a window lies wholly in the padding");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_AVGPOOL, "p")->window.dilation_h = 2;
    refuse(&k, MICO_ENET, "no dilation");
    k = start(3, 4, 8, 8);
    n = add(&k, MICO_NODE_CLIP, "r");
    n->lo = 1;
    n->hi = 0;
    refuse(&k, MICO_ENET, "clip 'r': its lower limit is above the upper one");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_CLIP, "r")->lo = NAN;
    refuse(&k, MICO_ENET, "lower limit");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_RESHAPE, "r")->shape = (mico_shape){2, {4, 65}};
    refuse(&k, MICO_ENET, "reshape 'r': its input of 4x8x8");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_RESHAPE, "r")->shape = (mico_shape){7, {4}};
    refuse(&k, MICO_ENET, "r: has rank 7");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_PAD, "p")->pad_before[0] = SIZE_MAX;
    refuse(&k, MICO_ENET, "absurd");
    k = start(3, 4, 8, 8);
    n = add(&k, MICO_NODE_SLICE, "s");
    n->stop[0] = n->stop[1] = 4;
    n->stop[2] = 9;
    refuse(&k, MICO_ENET, "slice 's': 0..9 by 1 is no part of axis 2");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_TRANSPOSE, "t")->perm[2] = 1;
    refuse(&k, MICO_ENET, "name each axis once");
    k = start(3, 4, 8, 8);
    add(&k, MICO_NODE_CLIP, "r");
    k.net->n_preprocess = 3;
    refuse(&k, MICO_ENET, "preprocesses 3 channels, its input has 4");
}

/* Nodes whose inputs must agree. */
static void t_two_inputs(void)
{
    chain k = start(3, 4, 8, 8);
    mico_node *n = add(&k, MICO_NODE_SLICE, "s");

    n->stop[0] = 4;
    n->stop[1] = 8;
    n->stop[2] = 8;
    n->step[2] = 2;
    n = add(&k, MICO_NODE_ADD, "a");
    n->n_in = 2;
    n->in[1] = k.net->input;
    refuse(&k, MICO_ENET, "add 'a': its inputs differ in shape: 4x8x4 and 4x8x8");

    k = start(3, 4, 8, 8);
    n = add(&k, MICO_NODE_MAXPOOL, "p");
    n->window.kh = n->window.kw = 2;
    n = add(&k, MICO_NODE_CONCAT, "c");
    n->n_in = 2;
    n->in[1] = k.net->input;
    refuse(&k, MICO_ENET, "concat 'c': its inputs differ in more than their channels");

    k = start(3, 4, 8, 8);
    add_conv(&k, "w", 4, 9, 1, 1);
    n = add(&k, MICO_NODE_CONCAT, "c");
    n->n_in = 2;
    n->in[1] = k.net->input;
    expect_shape(&k, "13x8x8");
}

static void t_too_many_layers(void)
{
    chain k = start(1, 1, 0, 0);

    for (int l = 0; l < 256; l++)
        add_linear(&k, NULL, 1, 1);
    finish(&k);
    CU_ASSERT_EQUAL(k.net->n_layers, 256);
    CU_ASSERT_EQUAL(mico_net_params(k.net), 256);
    mico_net_free(k.net);
    k = start(1, 1, 0, 0);
    for (int l = 0; l < 257; l++)
        add_linear(&k, NULL, 1, 1);
    refuse(&k, MICO_ELIMIT, "257 quantizable layers; at most 256");
}

static void t_shapes(void)
{
    chain k = start(3, 3, 32, 32);
    mico_node *n = add_conv(&k, "c", 3, 16, 1, 3);

    n->window.stride_h = n->window.stride_w = 2;
    n->window.pad_bottom = n->window.pad_right = 1;
    expect_shape(&k, "16x16x16");
    k = start(3, 4, 10, 12);
    n = add_conv(&k, "c", 4, 8, 4, 3);
    n->window.dilation_h = 2;
    n->window.pad_top = n->window.pad_bottom = 2;
    n->window.stride_w = 3;
    expect_shape(&k, "8x10x4");
    k = start(3, 4, 7, 7); /* floor((7 - 2) / 2) + 1 */
    n = add(&k, MICO_NODE_MAXPOOL, "p");
    n->window = (mico_window){2, 2, 2, 2, 1, 1, 0, 0, 0, 0};
    expect_shape(&k, "4x3x3");
    k = start(3, 4, 7, 9);
    n = add(&k, MICO_NODE_AVGPOOL, "p");
    n->window.kh = 7;
    n->window.kw = 9;
    add(&k, MICO_NODE_FLATTEN, "f");
    expect_shape(&k, "4");
    k = start(3, 4, 7, 9);
    add(&k, MICO_NODE_FLATTEN, "f");
    expect_shape(&k, "252");
    k = start(3, 4, 7, 9);
    n = add(&k, MICO_NODE_PAD, "p");
    n->pad_before[0] = 8;
    n->pad_after[0] = 1;
    n->pad_after[2] = 2;
    expect_shape(&k, "13x7x11");
    k = start(3, 4, 7, 9);
    n = add(&k, MICO_NODE_SLICE, "s");
    memcpy(n->start, (size_t[]){1, 0, 3}, sizeof n->start);
    memcpy(n->stop, (size_t[]){4, 7, 9}, sizeof n->stop);
    memcpy(n->step, (size_t[]){1, 2, 4}, sizeof n->step);
    expect_shape(&k, "3x4x2");
    k = start(3, 4, 7, 9);
    n = add(&k, MICO_NODE_TRANSPOSE, "t");
    memcpy(n->perm, (size_t[]){2, 0, 1}, sizeof n->perm);
    expect_shape(&k, "9x4x7");
    k = start(3, 4, 7, 9);
    add(&k, MICO_NODE_RESHAPE, "r")->shape = (mico_shape){2, {6, 42}};
    expect_shape(&k, "6x42");
}

/* Nodes given backwards, with dead ones between: sorted, dropped, tensors renumbered.
 */
static void t_order(void)
{
    chain k = start(1, 3, 0, 0);
    mico_net *net = k.net;
    size_t dead = mico_net_tensor(net, "dead"), a = mico_net_tensor(net, "a");
    size_t b = mico_net_tensor(net, "b"), deader = mico_net_tensor(net, "deader");
    size_t y = mico_net_tensor(net, "y"), lost = mico_net_tensor(net, "lost");

    mico_net_node(net, MICO_NODE_ADD, "last", 2, (size_t[]){b, a}, y);
    mico_net_node(net, MICO_NODE_CLIP, "dead", 1, &a, dead);
    mico_net_node(net, MICO_NODE_CLIP, "deader", 1, &lost, deader);
    mico_net_node(net, MICO_NODE_CLIP, "first", 1, &net->input, a)->lo = 0;
    mico_net_node(net, MICO_NODE_CLIP, "second", 1, &a, b)->hi = 6;
    net->output = y;
    finish(&k);
    CU_ASSERT_EQUAL_FATAL(net->n_nodes, 3);
    CU_ASSERT_STRING_EQUAL(net->node[0].name, "first");
    CU_ASSERT_STRING_EQUAL(net->node[1].name, "second");
    CU_ASSERT_STRING_EQUAL(net->node[2].name, "last");
    CU_ASSERT_EQUAL_FATAL(net->n_tensors, 4);
    CU_ASSERT_STRING_EQUAL(net->tensor[net->node[2].in[0]].name, "b");
    CU_ASSERT_STRING_EQUAL(net->tensor[net->node[2].in[1]].name, "a");
    CU_ASSERT_STRING_EQUAL(net->tensor[net->output].name, "y");
    CU_ASSERT_STRING_EQUAL(mico_node_text(&net->node[0]), "relu");
    CU_ASSERT_STRING_EQUAL(mico_node_text(&net->node[1]), "clip");
    CU_ASSERT_EQUAL(net->n_layers, 0);
    mico_net_free(net);
}

/* LeNet-5 on 28x28, whose counts are well known: 61,706 parameters, 416,520 multiply-
 * accumulates with padding 2 in the first layer. */
static mico_net *lenet5(void)
{
    static const float bias[120] = {0};
    chain k = start(3, 1, 28, 28);
    mico_window pool = {2, 2, 2, 2, 1, 1, 0, 0, 0, 0};
    mico_node *n = add_conv(&k, "c1", 1, 6, 1, 5);

    n->window.pad_top = n->window.pad_left = 2;
    n->window.pad_bottom = n->window.pad_right = 2;
    n->bias = mico_net_floats(k.net, bias, 6);
    add(&k, MICO_NODE_CLIP, NULL)->lo = 0;
    add(&k, MICO_NODE_AVGPOOL, NULL)->window = pool;
    add_conv(&k, "c3", 6, 16, 1, 5)->bias = mico_net_floats(k.net, bias, 16);
    add(&k, MICO_NODE_AVGPOOL, NULL)->window = pool;
    add(&k, MICO_NODE_FLATTEN, NULL);
    add_linear(&k, "f5", 400, 120)->bias = mico_net_floats(k.net, bias, 120);
    add_linear(&k, "f6", 120, 84)->bias = mico_net_floats(k.net, bias, 84);
    add_linear(&k, "f7", 84, 10)->bias = mico_net_floats(k.net, bias, 10);
    finish(&k);
    return k.net;
}

static void t_counts(void)
{
    static const size_t weights[] = {150, 2400, 48000, 10080, 840};
    static const double macs[] = {117600, 240000, 48000, 10080, 840};
    mico_net *net = lenet5();

    CU_ASSERT_EQUAL_FATAL(net->n_layers, 5);
    for (size_t l = 0; l < 5; l++) {
        CU_ASSERT_EQUAL(mico_layer_weights(net, l), weights[l]);
        CU_ASSERT_EQUAL(mico_layer_macs(net, l), macs[l]);
    }
    CU_ASSERT_EQUAL(mico_net_params(net), 61706);
    CU_ASSERT_STRING_EQUAL(mico_layer_node(net, 2)->name, "f5");
    CU_ASSERT_STRING_EQUAL(net->node[1].name, "clip2");
    mico_net_free(net);
}

static void t_hash(void)
{
    mico_net *a = lenet5(), *b = lenet5();
    const float half = 0.5F, zero = 0, nan = NAN;
    float *weight = malloc(150 * sizeof *weight);
    uint64_t first = a->hash;
    mico_err err = {0};

    CU_ASSERT_NOT_EQUAL(first, 0);
    CU_ASSERT_EQUAL(first, b->hash);
    CU_ASSERT_EQUAL(mico_net_set_preprocess(b, &half, &zero, 1, &err), MICO_OK);
    CU_ASSERT_NOT_EQUAL(first, b->hash);
    CU_ASSERT_EQUAL(mico_net_set_preprocess(b, NULL, NULL, 0, &err), MICO_OK);
    CU_ASSERT_EQUAL(first, b->hash);
    b->node[1].hi = 6;
    CU_ASSERT_EQUAL(mico_net_finish(b, &err), MICO_OK);
    CU_ASSERT_NOT_EQUAL(first, b->hash);
    b->node[1].hi = INFINITY;
    memset(weight, 0, 150 * sizeof *weight);
    weight[149] = 1e-30F;
    b->node[0].weight = weight;
    CU_ASSERT_EQUAL(mico_net_finish(b, &err), MICO_OK);
    CU_ASSERT_NOT_EQUAL(first, b->hash);

    CU_ASSERT_EQUAL(mico_net_set_preprocess(a, &nan, &zero, 1, &err), MICO_ENET);
    CU_ASSERT_EQUAL(
        mico_net_set_preprocess(a, (float[2]){1, 1}, (float[2]){0}, 2, &err),
        MICO_ENET);
    CU_ASSERT_EQUAL(first, a->hash);
    mico_net_free(a);
    mico_net_free(b);
    mico_net_free(NULL);
    free(weight);
}

static void t_names(void)
{
    mico_net *net = mico_net_new("a\tb\xc3\xa9");
    char text[48];

    CU_ASSERT_STRING_EQUAL(net->name, "a_b__");
    mico_net_tensor(net, NULL);
    CU_ASSERT_STRING_EQUAL(net->tensor[0].name, "t0");
    CU_ASSERT_STRING_EQUAL(
        mico_net_node(net, MICO_NODE_PAD, "", 1, &net->n_nodes, 0)->name, "pad1");
    net->node[0].kind = MICO_NODE_CLIP;
    net->node[0].lo = 0;
    net->node[0].hi = 6;
    CU_ASSERT_STRING_EQUAL(mico_node_text(&net->node[0]), "relu6");
    mico_shape_print(&(mico_shape){3, {16, 32, 8}}, text);
    CU_ASSERT_STRING_EQUAL(text, "16x32x8");
    mico_shape_print(&(mico_shape){3, {SIZE_MAX, SIZE_MAX, SIZE_MAX}}, text);
    CU_ASSERT_EQUAL(strlen(text), 47);
    CU_ASSERT_EQUAL(mico_shape_count(&(mico_shape){2, {16, 32, 0}}), 512);
    mico_net_free(net);
}

MICO_SUITE("net graph", {"ends", t_ends}, {"structure", t_structure},
           {"convolutions", t_convolutions}, {"others", t_others},
           {"two inputs", t_two_inputs}, {"too many layers", t_too_many_layers},
           {"shapes", t_shapes}, {"order", t_order}, {"counts", t_counts},
           {"hash", t_hash}, {"names", t_names})
