/* NNF1 graphs: what they become, that their integers survive the network file, and
 * that damage of any kind ends in a message with its line. */
#include "core/file.h"
#include "core/mem.h"
#include "net/net.h"
#include "support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a small int8 network with every kind of op -----------------------------------
 */

#define WEIGHTS_BYTES 1024

static const char i8_text[] =
    "nnf 1\n"
    "name every_op\n"
    "kind i8\n"
    "# a comment\n"
    "input v0 nhwc 6 4 2 scale=0.5 zp=3\n"
    "preprocess mul=0.25 add=-1\n"
    "tensor t0 i8 3x3x2x2 offset=0\n"  /* conv: 36 bytes */
    "tensor t1 i32 3 offset=48\n"      /* 12 bytes */
    "tensor t2 f32 3 offset=64\n"      /* 12 bytes */
    "tensor t3 i8 1x3x3x3 offset=80\n" /* dwconv: 27 bytes */
    "tensor t4 f32 1 offset=112\n"
    "tensor t5 i8 4x30 offset=128\n" /* fc: 120 bytes */
    "tensor t6 i32 4 offset=256\n"
    "op conv v1 = v0 w=t0 b=t1 ws=t2 stride=1,1 pad=1,1,0,1 act=relu6 scale=0.25 "
    "zp=-128\n"
    "op dwconv v2 = v1 w=t3 ws=t4 pad=1 scale=0.125 zp=7\n"
    "op add v3 = v1 v2 act=relu scale=0.5 zp=-100\n"
    "op maxpool v4 = v3 k=2,2 stride=2,2\n"
    "op subpad v5 = v3 stride=2,2 cpad=1\n"
    "op avgpool v6 = v5 k=1,1 stride=1,1\n"
    "op flatten v7 = v6 \n"
    "op fc v8 = v7 w=t5 b=t6 ws=t4 scale=2 zp=-1\n"
    "output v8\n";

/* Integers (int8 7*i mod 251 - 125; int32 and float32 set below) at their offsets. */
static void fill_weights(uint8_t bytes[WEIGHTS_BYTES])
{
    const int32_t bias[3] = {100, -200, 300}, last[4] = {1, 2, -3, -4};
    const float scale[3] = {0.5F, 0.25F, 0.125F}, one = 0.75F;

    for (size_t i = 0; i < WEIGHTS_BYTES; i++)
        bytes[i] = (uint8_t)((int)(7 * i % 251) - 125);
    memcpy(bytes + 48, bias, sizeof bias);
    memcpy(bytes + 64, scale, sizeof scale);
    memcpy(bytes + 112, &one, sizeof one);
    memcpy(bytes + 256, last, sizeof last);
}

static mico_status load(mico_net **net, const char *text, size_t n_weights,
                        mico_err *err)
{
    uint8_t *exact =
        malloc(n_weights + 1); /* no byte to spare: checkers see overruns */
    uint8_t bytes[WEIGHTS_BYTES];
    mico_status rc;

    fill_weights(bytes);
    memcpy(exact, bytes, n_weights);
    exact = realloc(exact, n_weights > 0 ? n_weights : 1);
    *net = NULL;
    rc = mico_net_from_nnf1(net, text, strlen(text), exact, n_weights, "stem", err);
    free(exact);
    return rc;
}

static const mico_node *node_called(const mico_net *net, const char *name)
{
    for (size_t i = 0; i < net->n_nodes; i++)
        if (strcmp(net->node[i].name, name) == 0)
            return &net->node[i];
    CU_FAIL_FATAL("a node is missing");
    return NULL;
}

static int8_t weight_byte(size_t offset)
{
    return (int8_t)((int)(7 * offset % 251) - 125);
}

/* ---- what becomes of it -----------------------------------------------------------
 */

static void check_conv(const mico_net *net)
{
    const mico_node *n = node_called(net, "conv_v1");
    const float scale[3] = {0.5F, 0.25F, 0.125F};
    const int32_t bias[3] = {100, -200, 300};

    CU_ASSERT_EQUAL(n->c_in, 2);
    CU_ASSERT_EQUAL(n->c_out, 3);
    CU_ASSERT_EQUAL(n->window.kh, 3);
    CU_ASSERT_EQUAL(n->window.kw, 2);
    CU_ASSERT_EQUAL(n->window.pad_top, 1);
    CU_ASSERT_EQUAL(n->window.pad_bottom, 1);
    CU_ASSERT_EQUAL(n->window.pad_left, 0);
    CU_ASSERT_EQUAL(n->window.pad_right, 1);
    for (size_t c = 0; c < 3; c++) {
        CU_ASSERT_EQUAL(n->fixed->scale[c], scale[c]);
        CU_ASSERT_EQUAL(n->fixed->bias[c], bias[c]);
        CU_ASSERT_EQUAL(n->bias[c], (float)bias[c] * 0.5F * scale[c]);
        for (size_t i = 0; i < 2; i++)
            for (size_t p = 0; p < 6; p++) { /* stored O, kh, kw, I */
                const size_t at = (c * 2 + i) * 6 + p;
                const int8_t q = weight_byte((c * 6 + p) * 2 + i);

                CU_ASSERT_EQUAL(n->fixed->weight[at], q);
                CU_ASSERT_EQUAL(n->weight[at], scale[c] * (float)q);
            }
    }
}

static void check_depthwise(const mico_net *net)
{
    const mico_node *n = node_called(net, "conv_v2");

    CU_ASSERT_EQUAL(n->groups, 3);
    CU_ASSERT_EQUAL(n->c_in, 3);
    CU_ASSERT_EQUAL(n->c_out, 3);
    for (size_t c = 0; c < 3; c++) {
        CU_ASSERT_EQUAL(n->fixed->scale[c], 0.75F); /* one for all */
        CU_ASSERT_EQUAL(n->fixed->bias[c], 0);
        for (size_t p = 0; p < 9; p++) /* stored 1, kh, kw, C */
            CU_ASSERT_EQUAL(n->fixed->weight[c * 9 + p], weight_byte(80 + p * 3 + c));
    }
}

static void t_import(void)
{
    mico_net *net;
    mico_err err = {0};
    const mico_node *n;

    CU_ASSERT_EQUAL_FATAL(load(&net, i8_text, 272, &err), MICO_OK);
    CU_ASSERT_STRING_EQUAL(net->name, "every_op");
    CU_ASSERT_TRUE(net->has_fixed);
    CU_ASSERT_EQUAL(net->n_layers, 3);
    CU_ASSERT_EQUAL(net->tensor[net->input].shape.dim[0], 2); /* c, h, w */
    CU_ASSERT_EQUAL(net->tensor[net->input].shape.dim[1], 6);
    CU_ASSERT_EQUAL(net->tensor[net->input].fixed_zero, 3);
    CU_ASSERT_EQUAL(net->n_preprocess, 1);
    check_conv(net);
    check_depthwise(net);
    n = node_called(net, "clip_v1");
    CU_ASSERT_EQUAL(n->hi, 6);
    CU_ASSERT_EQUAL(net->tensor[n->out].fixed_scale, 0.25F);
    n = node_called(net, "pad_v5");
    CU_ASSERT_EQUAL(net->tensor[n->out].shape.dim[0], 5);
    CU_ASSERT_EQUAL(net->tensor[n->out].fixed_zero, -100);
    /* 5 x 3 x 2 is flattened in the order (h, w, c) */
    n = node_called(net, "transpose_v7");
    CU_ASSERT_EQUAL(n->perm[0], 1);
    CU_ASSERT_EQUAL(n->perm[2], 0);
    n = node_called(net, "linear_v8");
    CU_ASSERT_EQUAL(n->c_in, 30);
    CU_ASSERT_EQUAL(n->fixed->weight[119], weight_byte(128 + 119));
    CU_ASSERT_EQUAL(net->tensor[net->output].fixed_zero, -1);
    mico_net_free(net);
}

static void t_saved(void)
{
    char path[64];
    mico_net *net, *again = NULL;
    mico_err err = {0};

    snprintf(path, sizeof path, "/tmp/test_net_nnf1_%ld.h5", (long)getpid());
    CU_ASSERT_EQUAL_FATAL(load(&net, i8_text, 272, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_net_save(net, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_net_load(&again, path, &err), MICO_OK);
    CU_ASSERT_TRUE(again->has_fixed);
    CU_ASSERT_EQUAL(again->hash, net->hash);
    for (size_t t = 0; t < net->n_tensors; t++) {
        CU_ASSERT_EQUAL(again->tensor[t].fixed_scale, net->tensor[t].fixed_scale);
        CU_ASSERT_EQUAL(again->tensor[t].fixed_zero, net->tensor[t].fixed_zero);
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        const mico_node *a = mico_layer_node(net, l), *b = mico_layer_node(again, l);

        CU_ASSERT_EQUAL(
            memcmp(a->fixed->weight, b->fixed->weight, mico_layer_weights(net, l)), 0);
        CU_ASSERT_EQUAL(memcmp(a->fixed->bias, b->fixed->bias, 4 * a->c_out), 0);
        CU_ASSERT_EQUAL(memcmp(a->fixed->scale, b->fixed->scale, 4 * a->c_out), 0);
    }
    unlink(path);
    mico_net_free(net);
    mico_net_free(again);
}

/* The hash covers the integers: another zero point is another network. */
static void t_hash(void)
{
    char other[sizeof i8_text];
    mico_net *net, *changed;
    mico_err err = {0};

    memcpy(other, i8_text, sizeof other);
    memcpy(strstr(other, "scale=2 zp=-1"), "scale=2 zp=-2", 13);
    CU_ASSERT_EQUAL_FATAL(load(&net, i8_text, 272, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(load(&changed, other, 272, &err), MICO_OK);
    CU_ASSERT_NOT_EQUAL(net->hash, changed->hash);
    mico_net_free(net);
    mico_net_free(changed);
}

static void t_floats(void)
{
    static const char text[] =
        "nnf 1\r\nkind f32\r\ninput x nhwc 1 1 3\r\n"
        "tensor w f32 2x3 offset=0\r\ntensor b f32 2 offset=24\r\n"
        "op flatten f = x\r\nop fc y = f w=w b=b act=clamp01\r\n"
        "output y\r\n";
    const float values[8] = {1, 2, 3, -1, -2, -3, 0.5F, -0.5F};
    mico_net *net = NULL;
    mico_err err = {0};

    CU_ASSERT_EQUAL_FATAL(mico_net_from_nnf1(&net, text, strlen(text),
                                             (const uint8_t *)values, sizeof values,
                                             "stem", &err),
                          MICO_OK);
    CU_ASSERT_FALSE(net->has_fixed);
    CU_ASSERT_STRING_EQUAL(net->name, "stem");
    CU_ASSERT_EQUAL(memcmp(mico_layer_node(net, 0)->weight, values, 24), 0);
    CU_ASSERT_EQUAL(memcmp(mico_layer_node(net, 0)->bias, values + 6, 8), 0);
    CU_ASSERT_PTR_NULL(mico_layer_node(net, 0)->fixed);
    CU_ASSERT_EQUAL(net->node[net->n_nodes - 1].hi, 1);
    mico_net_free(net);
}

/* ---- damage -----------------------------------------------------------------------
 */

/* Replaces `old` in the network above by `new`; says what is expected. */
static const struct damage {
    const char *old, *new, *message;
} damages[] = {
    {"nnf 1", "nnf 2", "line 1 is not"},
    {"kind i8", "kind i4", "line 3: kind must be"},
    {"kind i8\n", "", "before the kind"},
    {"name every_op", "name", "line 2: a name is written"},
    {"name every_op", "nome every_op", "line 2: 'nome' is not understood"},
    {"nhwc 6 4 2", "nchw 6 4 2", "line 5: an input is written"},
    {"nhwc 6 4 2", "nhwc 6 0 2", "line 5: "},
    {"nhwc 6 4 2", "nhwc 6 -4 2", "not a sensible number"},
    {"nhwc 6 4 2", "nhwc 99999999 99999 2", "line 5: "},
    {"nhwc 6 4 2", "nhwc 6 99999999999999999999 2", "not a sensible number"},
    {"scale=0.5 zp=3", "scale=0.5", "needs scale= and zp="},
    {"scale=0.5 zp=3", "scale=0 zp=3", "is not positive"},
    {"scale=0.5 zp=3", "scale=nan zp=3", "not a sensible number"},
    {"scale=0.5 zp=3", "scale=1e-44 zp=3", "is not positive"},
    {"scale=0.5 zp=3", "scale=0.5 zp=300", "not in -128..127"},
    {"scale=0.5 zp=3", "scale=0.5 zp=3 x=1", "'x=1' is not understood"},
    {"mul=0.25 add=-1", "mul=0.25,1 add=-1", "2 factors mul and 1"},
    {"mul=0.25 add=-1", "mul=1,2,3 add=1,2,3", "factors for 2 input channels"},
    {"mul=0.25 add=-1", "mul=inf add=1", "not a sensible number"},
    {"i8 3x3x2x2", "i9 3x3x2x2", "is not f32, i8 or i32"},
    {"i8 3x3x2x2", "i8 3x3x2x2x1", "more than 4 dimensions"},
    {"i8 3x3x2x2", "i8 3x0x2x2", "no or of more than"},
    {"i8 3x3x2x2", "i8 99999x99999x99999x99999", "no or of more than"},
    {"i8 3x3x2x2", "i8 3x3x2x3", "its weights want 3"},
    {"i8 3x3x2x2", "i8 3x3x4", "its weights must be"},
    {"i8 3x3x2x2", "i32 3x3x2x2", "its weights have another type"},
    {"t0 i8 3x3x2x2 offset=0", "t0 i8 3x3x2x2 offset=1000", "is the file cut?"},
    {"t0 i8 3x3x2x2 offset=0", "t0 i8 3x3x2x2 offset=-1", "not a sensible number"},
    {"t0 i8 3x3x2x2 offset=0", "t0 i8 3x3x2x2 offset=99999999999999999999",
     "not a sensible number"},
    {"t0 i8 3x3x2x2 offset=0", "t0 i8 3x3x2x2", "line 7: a tensor is written"},
    {"tensor t1", "tensor t0", "line 8: tensor 't0' is there twice"},
    {"i32 3 offset=48", "i32 2 offset=48", "its bias has another type or not one"},
    {"f32 3 offset=64", "f32 2 offset=64", "needs ws="},
    {"f32 3 offset=64", "f32 3 offset=120", "weight scale"}, /* bytes that are none */
    {"ws=t2 ", "", "needs ws="},
    {"w=t0 ", "", "needs w="},
    {"w=t0 ", "w=t9 ", "tensor 't9' is not there"},
    {"op conv v1", "op gemm v1", "line 14: op 'gemm' is not one of"},
    {"op conv v1", "op conv v0", "the name of an earlier value"},
    {"op conv v1 = v0", "op conv v1 = v9", "nothing makes its input 'v9'"},
    {"op conv v1 = v0", "op conv v1 = v0 v0", "another number of inputs"},
    {"op conv v1 = v0", "op conv v1 v0", "line 14: an op is written"},
    {"op conv v1 = v0", "op conv a:b = v0", "characters other than"},
    {"stride=1,1", "stride=0,1", "a kernel size, stride or dilation is 0"},
    {"stride=1,1", "stride=1,1,1", "stride has 3 numbers"},
    {"pad=1,1,0,1", "pad=1,1", "pad has 2 numbers"},
    {"pad=1,1,0,1", "pad=1,1,0,2000000000", "absurd"},
    {"act=relu6", "act=gelu", "activation 'gelu' is not"},
    {"scale=0.25 zp=-128", "scale=0.25", "line 14: conv 'v1': needs scale= and zp="},
    {"i8 1x3x3x3", "i8 2x3x3x3", "its weights must be"},
    {"op add v3 = v1 v2", "op add v3 = v1", "another number of inputs"},
    {"op add v3 = v1 v2", "op add v3 = v1 v0", "its inputs differ in shape"},
    {"v4 = v3 k=2,2", "v4 = v3 k=0,2", "needs k="},
    {"v4 = v3 k=2,2", "v4 = v3 k=9,9", "a map that its kernel fits into"},
    {"v4 = v3 k=2,2", "v4 = v3 k=2,2 act=relu", "cannot have an activation"},
    {"v4 = v3 k=2,2", "v4 = v3 k=2,2 scale=3 zp=1", "keeps the scale and zp"},
    {"cpad=1", "cpad=2000000000", "absurd"},
    {"i8 4x30", "i8 4x29", "its weights want 29"},
    {"output v8", "output v99", "the output must be"},
    {"output v8\n", "", "has no output"},
    {"output v8", "output v0", "no nodes between"},
};

static void t_damaged(void)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const struct damage *d = &damages[i];
        const char *at = strstr(i8_text, d->old);
        char text[4096];
        mico_net *net;
        mico_err err = {0};

        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - i8_text), i8_text, d->new,
                 at + strlen(d->old));
        CU_ASSERT_NOT_EQUAL(load(&net, text, 272, &err), MICO_OK);
        CU_ASSERT_PTR_NULL(net);
        if (strstr(err.text, d->message) == NULL)
            printf("\n    \"%s\" -> \"%s\": %s", d->old, d->new, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, d->message));
        mico_net_free(net);
    }
}

/* Every cut of the text and of the weights. */
static void t_cut(void)
{
    size_t failed = 0;

    for (size_t n = 0; n < 272; n++) {
        mico_net *net;
        mico_err err = {0};

        failed += load(&net, i8_text, n, &err) != MICO_OK &&
                  strstr(err.text, "is the file cut?") != NULL;
        mico_net_free(net);
    }
    CU_ASSERT_EQUAL(failed, 272);
    for (size_t n = 0; n < sizeof i8_text - 12; n++) {
        char text[sizeof i8_text];
        mico_net *net;
        mico_err err = {0};

        snprintf(text, sizeof text, "%.*s", (int)n, i8_text);
        CU_ASSERT_NOT_EQUAL(load(&net, text, 272, &err), MICO_OK);
        CU_ASSERT_PTR_NULL(net);
        CU_ASSERT(err.text[0] != '\0');
        mico_net_free(net);
    }
}

/* A weight that is not a number is refused with its layer's name, here and in the
 * network file, which is written without a look at values. */
static void t_not_finite(void)
{
    static const char text[] = "nnf 1\nkind f32\ninput x nhwc 1 1 2\n"
                               "tensor w f32 1x2 offset=0\ntensor b f32 1 offset=8\n"
                               "op flatten f = x\nop fc y = f w=w b=b\noutput y\n";
    const float bad[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < 9; i++) {
        float values[3] = {1, 2, 3};
        mico_net *net = NULL, *again = NULL;
        char path[64];
        mico_err err = {0};

        snprintf(path, sizeof path, "/tmp/test_net_nnf1_%ld.h5", (long)getpid());
        CU_ASSERT_EQUAL_FATAL(mico_net_from_nnf1(&net, text, strlen(text),
                                                 (const uint8_t *)values, sizeof values,
                                                 "n", &err),
                              MICO_OK);
        values[i % 3] = bad[i / 3];
        net->node[net->layer[0]].weight = mico_net_floats(net, values, 2);
        net->node[net->layer[0]].bias = mico_net_floats(net, values + 2, 1);
        CU_ASSERT_EQUAL(mico_net_save(net, path, &err), MICO_OK);
        CU_ASSERT_EQUAL(mico_net_load(&again, path, &err), MICO_ENET);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "linear_y"));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not a finite number"));
        mico_net_free(net);
        net = NULL;
        CU_ASSERT_EQUAL(mico_net_from_nnf1(&net, text, strlen(text),
                                           (const uint8_t *)values, sizeof values, "n",
                                           &err),
                        MICO_ENET);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 7"));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'linear_y'"));
        unlink(path);
    }
}

/* ---- files ------------------------------------------------------------------------
 */

static void t_files(void)
{
    char folder[64], path[96], weights[96];
    uint8_t bytes[WEIGHTS_BYTES];
    mico_net *net = NULL;
    mico_err err = {0};

    fill_weights(bytes);
    snprintf(folder, sizeof folder, "/tmp/test_net_nnf1_%ld", (long)getpid());
    snprintf(path, sizeof path, "%s/graph.txt", folder);
    snprintf(weights, sizeof weights, "%s/weights.bin", folder);
    CU_ASSERT_EQUAL_FATAL(mico_mkdirs(folder, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_net_load(&net, folder, &err), MICO_EIO);
    CU_ASSERT_EQUAL_FATAL(mico_file_write(path, i8_text, strlen(i8_text), &err),
                          MICO_OK);
    CU_ASSERT_EQUAL(mico_net_load(&net, path, &err), MICO_EIO); /* no weights */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "weights.bin"));
    CU_ASSERT_EQUAL_FATAL(mico_file_write(weights, bytes, 271, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_net_load(&net, path, &err), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "graph.txt: line 13"));
    CU_ASSERT_EQUAL_FATAL(mico_file_write(weights, bytes, 272, &err), MICO_OK);
    for (int i = 0; i < 2; i++) { /* the graph or its folder */
        CU_ASSERT_EQUAL(mico_net_load(&net, i == 0 ? path : folder, &err), MICO_OK);
        mico_net_free(net);
        net = NULL;
    }
    unlink(path);
    unlink(weights);
    rmdir(folder);
}

MICO_SUITE("net", {"damaged", t_damaged}, {"cut", t_cut}, {"not_finite", t_not_finite},
           {"files", t_files}, {"import", t_import}, {"saved", t_saved},
           {"hash", t_hash}, {"floats", t_floats})
