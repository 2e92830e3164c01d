/* ONNX import of models made here: refusals, each operator's rule, folding. */
#include "net/net.h"

#include <math.h>
#include <stdlib.h>

#include "support/net_onnx_build.h"
#include "support/suite.h"

static const float some[256] = {0.5F, -1, 2, 0.25F, -0.75F, 3, 1, -2};

/* A model of opset 13 with input x of this shape and output y. */
static ob *begin(size_t rank, const int64_t *dim)
{
    ob *b = ob_new(13);

    ob_input(b, "x", rank, dim);
    ob_output(b, "y");
    return b;
}

/* Import must fail with this status and a text that holds `part`. */
static void refuse(ob *b, mico_status status, const char *part)
{
    mico_net *net = NULL;
    mico_err err = {0};

    CU_ASSERT_EQUAL(ob_import(b, &net, &err), status);
    CU_ASSERT_PTR_NULL(net);
    if (strstr(err.text, part) == NULL)
        printf("\n    got '%s', wanted '%s'", err.text, part);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
}

static mico_net *import(ob *b)
{
    mico_net *net = NULL;
    mico_err err = {0};

    if (ob_import(b, &net, &err) != MICO_OK)
        printf("\n    %s", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(net);
    return net;
}

/* Imports; the nodes' kinds in order are `kinds`, the output's shape is `shape`. */
static void expect(ob *b, const char *kinds, const char *shape)
{
    mico_net *net = import(b);
    mico_str text = {0};
    char printed[48];

    for (size_t i = 0; i < net->n_nodes; i++)
        mico_str_add(&text, i > 0 ? " %s" : "%s", mico_node_text(&net->node[i]));
    CU_ASSERT_STRING_EQUAL(text.text, kinds);
    mico_shape_print(&net->tensor[net->output].shape, printed);
    CU_ASSERT_STRING_EQUAL(printed, shape);
    mico_str_free(&text);
    mico_net_free(net);
}

/* ---- refusals ----------------------------------------------------------------------
 */

/* graph { node { attribute { g { node { ... as deep as the bytes allow; unpacking it
 * level by level would exhaust the stack if there were more of them. */
static void nest_messages(uint8_t *bytes, size_t size)
{
    static const uint8_t tag[] = {0x0a, 0x2a, 0x32}; /* node, attribute, g */
    size_t n = 0;

    for (size_t level = 0; n + 3 <= size; level++) {
        size_t left = size - n - 3;

        bytes[n++] = level == 0 ? 0x3a : tag[(level - 1) % 3];
        bytes[n++] = (uint8_t)(0x80 | (left & 0x7f));
        bytes[n++] = (uint8_t)(left >> 7);
    }
}

static void t_not_onnx(void)
{
    mico_net *net = NULL;
    mico_err err = {0};
    uint8_t deep[4095] = {0};

    CU_ASSERT_EQUAL(mico_net_from_onnx(&net, deep, 0, "n", &err), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "holds no graph"));
    CU_ASSERT_EQUAL(mico_net_from_onnx(&net, (const uint8_t *)"hello", 5, "n", &err),
                    MICO_EFORMAT);
    CU_ASSERT_EQUAL(mico_net_from_onnx(&net, (const uint8_t *)"\x3a\x10", 2, "n", &err),
                    MICO_EFORMAT);
    nest_messages(deep, sizeof deep);
    CU_ASSERT_EQUAL(mico_net_from_onnx(&net, deep, sizeof deep, "n", &err),
                    MICO_ELIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "nested"));
}

static void t_graph_errors(void)
{
    ob *b = ob_new(5);

    refuse(b, MICO_EUNSUP, "opset 5; 6 to 21");
    b = ob_new(22);
    refuse(b, MICO_EUNSUP, "opset 22");
    b = ob_new(13);
    refuse(b, MICO_ENET, "has no input");
    b = ob_new(13);
    ob_input(b, "x", OB_DIMS(0, 4));
    refuse(b, MICO_EUNSUP, "has 0 outputs");
    b = begin(OB_DIMS(0, 4));
    refuse(b, MICO_ENET, "no node makes its output");
    b = begin(OB_DIMS(0, 4, 0, 4));
    ob_node(b, "Relu", "r", "x", "y");
    refuse(b, MICO_ENET, "dimension 2 is not a fixed number");
    b = begin(OB_DIMS(0, 4, 4, 4, 4));
    ob_node(b, "Relu", "r", "x", "y");
    refuse(b, MICO_EUNSUP, "input 'x': has 5 dimensions");
    b = begin(OB_DIMS(0, 100000, 100000, 4));
    ob_node(b, "Relu", "r", "x", "y");
    refuse(b, MICO_ELIMIT, "more than 268435456 elements");
    b = begin(OB_DIMS(0, 4));
    b->input[0]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    ob_node(b, "Relu", "r", "x", "y");
    refuse(b, MICO_EUNSUP, "of data type 7");
    b = begin(OB_DIMS(0, 4));
    b->input[0]->type = NULL;
    ob_node(b, "Relu", "r", "x", "y");
    refuse(b, MICO_ENET, "has no shape");
    b = begin(OB_DIMS(0, 4));
    ob_node(b, "Relu", "r", "lost", "y");
    refuse(b, MICO_ENET, "Relu 'r': nothing makes its input 'lost'");
    b = begin(OB_DIMS(0, 4));
    ob_node(b, "Add", "a", "x,c", "b");
    ob_node(b, "Relu", "c", "b", "c");
    ob_node(b, "Relu", "y", "c", "y");
    refuse(b, MICO_ENET, "is part of a cycle");
    b = begin(OB_DIMS(0, 4));
    ob_node(b, "Relu", "a", "x", "y");
    ob_node(b, "Relu", "b", "x", "y");
    refuse(b, MICO_ENET, "tensor 'y' is made twice");
    b = begin(OB_DIMS(0, 4));
    ob_node(b, "Relu", "a", "x", "");
    refuse(b, MICO_ENET, "node 0 has no output");
    b = begin(OB_DIMS(0, 4));
    ob_node(b, "Relu", "a", "", "y");
    refuse(b, MICO_ENET, "its input 1 is missing");
}

static void t_constants(void)
{
    ob *b = begin(OB_DIMS(0, 4));
    Onnx__TensorProto *w = ob_floats(b, "w", OB_DIMS(2, 4), some);

    w->n_float_data = 7;
    ob_int(b, ob_node(b, "Gemm", "g", "x,w", "y"), "transB", 1);
    refuse(b, MICO_ENET, "constant 'w': has data for 7 elements, its shape says 8");
    b = begin(OB_DIMS(0, 4));
    w = ob_floats(b, "w", OB_DIMS(2, 4), some);
    w->dims[0] = -2;
    ob_int(b, ob_node(b, "Gemm", "g", "x,w", "y"), "transB", 1);
    refuse(b, MICO_ENET, "dimension 0 is negative");
    b = begin(OB_DIMS(0, 4));
    w = ob_floats(b, "w", OB_DIMS(2, 4), some);
    w->dims[0] = w->dims[1] = INT64_MAX;
    ob_int(b, ob_node(b, "Gemm", "g", "x,w", "y"), "transB", 1);
    refuse(b, MICO_ELIMIT, "constant 'w': more than");
    b = begin(OB_DIMS(0, 4));
    w = ob_floats(b, "w", OB_DIMS(2, 4), some);
    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
    ob_int(b, ob_node(b, "Gemm", "g", "x,w", "y"), "transB", 1);
    refuse(b, MICO_EUNSUP, "Gemm 'g' (constant 'w' is of data type 2)");
    b = begin(OB_DIMS(0, 4));
    w = ob_floats(b, "w", OB_DIMS(2, 4), some);
    w->has_data_location = 1;
    w->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    ob_int(b, ob_node(b, "Gemm", "g", "x,w", "y"), "transB", 1);
    refuse(b, MICO_EUNSUP,
           "constant 'w': is kept in another file; save the model as one");
    b = begin(OB_DIMS(0, 4));
    ob_floats(b, "w", OB_DIMS(2, 4), (float[8]){[3] = NAN});
    ob_int(b, ob_node(b, "Gemm", "g", "x,w", "y"), "transB", 1);
    refuse(b, MICO_ENET, "linear 'g': a weight is not a finite number");
}

/* All of them, in one message, and what is behind them does not matter. */
static void t_unsupported_list(void)
{
    ob *b = begin(OB_DIMS(0, 4, 8, 8));
    mico_net *net = NULL;
    mico_err err = {0};

    ob_node(b, "Sigmoid", "act1", "x", "a");
    ob_node(b, "Conv", "c1", "a,w", "b");
    ob_node(b, "Tanh", "", "b", "c");
    ob_node(b, "Relu", "r", "c", "d")->domain = ob_text(b, "com.example");
    ob_node(b, "Sigmoid", "dead", "x", "dead");
    ob_floats(b, "w", OB_DIMS(4, 4, 1, 1), some);
    ob_node(b, "MaxPool", "p", "x", "e,indices");
    ob_node(b, "Add", "s", "d,e", "f");
    ob_node(b, "Mul", "m", "indices,f", "y");
    CU_ASSERT_EQUAL(ob_import(b, &net, &err), MICO_EUNSUP);
    CU_ASSERT_STRING_EQUAL(
        err.text, "4 nodes are not supported: Sigmoid 'act1', Tanh 'c', Relu 'r', "
                  "MaxPool 'p' (its output 2 is used)");
    b = begin(OB_DIMS(0, 4));
    for (int i = 0; i < 100; i++) {
        char in[24], out[24];

        snprintf(in, sizeof in, i > 0 ? "t%d" : "x", i);
        snprintf(out, sizeof out, i < 99 ? "t%d" : "y", i + 1);
        ob_node(b, "Erf", "", in, out);
    }
    CU_ASSERT_EQUAL(ob_import(b, &net, &err), MICO_EUNSUP);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(err.text, "100 nodes are not supported: Erf 't1', Erf"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ", and more"));
    CU_ASSERT_TRUE(strlen(err.text) < 900);
}

static void t_operator_refusals(void)
{
    ob *b = begin(OB_DIMS(0, 4, 9, 9));
    Onnx__NodeProto *n = ob_node(b, "MaxPool", "p", "x", "y");

    ob_ints(b, n, "kernel_shape", OB_DIMS(2, 2));
    ob_ints(b, n, "strides", OB_DIMS(2, 2));
    ob_int(b, n, "ceil_mode", 1);
    refuse(b, MICO_EUNSUP, "1 node is not supported: MaxPool 'p' (ceil_mode)");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_node(b, "MaxPool", "p", "x", "y");
    refuse(b, MICO_ENET, "MaxPool 'p': has no kernel_shape");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_floats(b, "w", OB_DIMS(4, 3, 1, 1), some);
    ob_node(b, "Conv", "c", "x,w", "y");
    refuse(b, MICO_ENET, "conv 'c': its input has 4 channels, its weights want 3");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_floats(b, "w", OB_DIMS(4, 4, 2), some);
    ob_node(b, "Conv", "c", "x,w", "y");
    refuse(b, MICO_ENET, "Conv 'c': its weights, biases and groups do not fit");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_input(b, "w", OB_DIMS(4, 4, 1, 1));
    ob_node(b, "Conv", "c", "x,w", "y");
    refuse(b, MICO_EUNSUP, "Conv 'c' (weights are not constant)");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_floats(b, "w", OB_DIMS(4, 4, 1, 1), some);
    n = ob_node(b, "Conv", "c", "x,w", "y");
    ob_ints(b, n, "pads", OB_DIMS(-1, 0, 0, 0));
    refuse(b, MICO_EUNSUP, "Conv 'c' (pads of -1)");
    b = begin(OB_DIMS(0, 4, 9, 9));
    n = ob_node(b, "Pad", "p", "x,pads", "y");
    ob_list(b, "pads", OB_DIMS(0, 0, 0, 0, 1 << 27, 1 << 27, 0, 0));
    refuse(b, MICO_EUNSUP, "Pad 'p' (of the batch");
    b = begin(OB_DIMS(0, 4, 9, 9));
    n = ob_node(b, "Pad", "p", "x,pads", "y");
    ob_list(b, "pads", OB_DIMS(0, 1 << 27, 1 << 27, 0, 0, 0, 0, 0));
    refuse(b, MICO_ELIMIT, "output of pad 'p': has more than");
    b = begin(OB_DIMS(0, 4, 9, 9));
    n = ob_node(b, "Slice", "s", "x,starts,ends,axes,steps", "y");
    ob_list(b, "starts", OB_DIMS(5));
    ob_list(b, "ends", OB_DIMS(INT64_MIN));
    ob_list(b, "axes", OB_DIMS(2));
    ob_list(b, "steps", OB_DIMS(-1));
    refuse(b, MICO_EUNSUP, "Slice 's' (of the batch, or backwards)");
    b = begin(OB_DIMS(0, 4, 9, 9));
    n = ob_node(b, "Reshape", "r", "x,shape", "y");
    ob_list(b, "shape", OB_DIMS(0, 4, 80));
    refuse(b, MICO_EUNSUP, "Reshape 'r' (mixes images");
    b = begin(OB_DIMS(0, 4, 9, 9));
    n = ob_node(b, "Transpose", "t", "x", "y");
    ob_ints(b, n, "perm", OB_DIMS(1, 0, 2, 3));
    refuse(b, MICO_EUNSUP, "Transpose 't' (moves the batch)");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_floats(b, "bn", OB_DIMS(4), (float[4]){1, 1, 1, 1});
    ob_node(b, "BatchNormalization", "n", "x,bn,bn,bn,bn", "y");
    refuse(b, MICO_EUNSUP, "BatchNormalization 'n' (not right behind a Conv");
    b = begin(OB_DIMS(0, 4, 9, 9));
    ob_node(b, "Softmax", "s", "x", "a");
    ob_node(b, "Relu", "r", "a", "y");
    refuse(b, MICO_EUNSUP, "Softmax 's' (only as the last node");
}

/* A batch norm whose convolution has a second reader must not be folded. */
static void t_shared_fold(void)
{
    ob *b = begin(OB_DIMS(0, 4, 9, 9));

    ob_floats(b, "w", OB_DIMS(4, 4, 1, 1), some);
    ob_floats(b, "bn", OB_DIMS(4), (float[4]){1, 1, 1, 1});
    ob_node(b, "Conv", "c", "x,w", "a");
    ob_node(b, "Identity", "i", "a", "i");
    ob_node(b, "BatchNormalization", "n", "i,bn,bn,bn,bn", "b");
    ob_node(b, "Add", "s", "a,b", "y");
    refuse(b, MICO_EUNSUP, "BatchNormalization 'n' (not right behind");
}

/* ---- shapes ------------------------------------------------------------------------
 */

static void window_case(const char *auto_pad, int64_t kernel, int64_t stride,
                        int64_t dilation, const char *shape, size_t top, size_t bottom)
{
    ob *b = begin(OB_DIMS(0, 1, 10, 10));
    Onnx__NodeProto *n = ob_node(b, "Conv", "c", "x,w", "y");
    mico_net *net;
    char text[48];

    ob_floats(b, "w", OB_DIMS(1, 1, kernel, kernel), some);
    ob_string(b, n, "auto_pad", auto_pad);
    ob_ints(b, n, "strides", OB_DIMS(stride, stride));
    ob_ints(b, n, "dilations", OB_DIMS(dilation, dilation));
    net = import(b);
    mico_shape_print(&net->tensor[net->output].shape, text);
    CU_ASSERT_STRING_EQUAL(text, shape);
    CU_ASSERT_EQUAL(net->node[0].window.pad_top, top);
    CU_ASSERT_EQUAL(net->node[0].window.pad_left, top);
    CU_ASSERT_EQUAL(net->node[0].window.pad_bottom, bottom);
    mico_net_free(net);
}

static void t_windows(void)
{
    ob *b;
    Onnx__NodeProto *n;

    /* ceil(10 / 2) = 5; padding 4 * 2 + 3 - 10 = 1 */
    window_case("SAME_UPPER", 3, 2, 1, "1x5x5", 0, 1);
    window_case("SAME_LOWER", 3, 2, 1, "1x5x5", 1, 0);
    window_case("SAME_UPPER", 3, 1, 2, "1x10x10", 2, 2);
    window_case("SAME_LOWER", 2, 1, 1, "1x10x10", 1, 0);
    window_case("SAME_UPPER", 1, 3, 1, "1x4x4", 0, 0);
    window_case("VALID", 3, 2, 1, "1x4x4", 0, 0);
    window_case("NOTSET", 3, 3, 2, "1x2x2", 0, 0);
    b = begin(OB_DIMS(0, 4, 8, 9)); /* ceil_mode that changes nothing */
    n = ob_node(b, "AveragePool", "p", "x", "y");
    ob_ints(b, n, "kernel_shape", OB_DIMS(2, 3));
    ob_ints(b, n, "strides", OB_DIMS(2, 3));
    ob_int(b, n, "ceil_mode", 1);
    expect(b, "avgpool", "4x4x3");
    b = begin(OB_DIMS(0, 2, 16)); /* 1-D: {C,1,L} */
    n = ob_node(b, "Conv", "c", "x,w", "a");
    ob_floats(b, "w", OB_DIMS(4, 1, 3), some);
    ob_int(b, n, "group", 2);
    ob_ints(b, n, "strides", OB_DIMS(2));
    ob_ints(b, n, "pads", OB_DIMS(1, 2));
    ob_node(b, "GlobalMaxPool", "g", "a", "y");
    expect(b, "conv maxpool", "4x1x1");
}

static void t_moves(void)
{
    ob *b = begin(OB_DIMS(2, 4, 6, 8));
    Onnx__NodeProto *n;

    ob_list(b, "shape", OB_DIMS(2, -1));
    ob_node(b, "Reshape", "r", "x,shape", "y");
    expect(b, "flatten", "192");
    b = begin(OB_DIMS(0, 4, 6, 8));
    ob_list(b, "shape", OB_DIMS(0, 0, -1));
    ob_list(b, "back", OB_DIMS(-1, 8, 4, 6));
    ob_node(b, "Reshape", "r", "x,shape", "a");
    n = ob_node(b, "Transpose", "t", "a", "b");
    ob_ints(b, n, "perm", OB_DIMS(0, 2, 1));
    ob_node(b, "Reshape", "q", "b,back", "y");
    expect(b, "reshape transpose reshape", "8x4x6");
    b = begin(OB_DIMS(0, 4, 1, 8));
    ob_list(b, "two", OB_DIMS(2));
    ob_list(b, "last", OB_DIMS(-1));
    ob_node(b, "Squeeze", "s", "x,two", "a");
    ob_node(b, "Unsqueeze", "u", "a,last", "y");
    expect(b, "reshape", "4x8x1"); /* {4,1,8} already is {N,4,8} */
    b = begin(OB_DIMS(0, 4, 6, 8));
    n = ob_node(b, "ReduceMean", "m", "x", "y");
    ob_ints(b, n, "axes", OB_DIMS(-1, -2));
    ob_int(b, n, "keepdims", 0);
    expect(b, "avgpool flatten", "4");
    b = begin(OB_DIMS(0, 4, 6, 8));
    n = ob_node(b, "ReduceMean", "m", "x", "y");
    ob_ints(b, n, "axes", OB_DIMS(3));
    expect(b, "avgpool", "4x6x1");
    b = begin(OB_DIMS(0, 4, 6, 8));
    ob_list(b, "starts", OB_DIMS(-4, 1, 0));
    ob_list(b, "ends", OB_DIMS(INT64_MAX, -1, INT64_MAX));
    ob_list(b, "axes", OB_DIMS(-1, 2, 0));
    ob_list(b, "steps", OB_DIMS(3, 1, 1));
    ob_node(b, "Slice", "s", "x,starts,ends,axes,steps", "y");
    expect(b, "slice", "4x4x2");
    b = begin(OB_DIMS(0, 4, 6, 8));
    ob_list(b, "pads", OB_DIMS(0, 2, 0, 1, 0, 3, 0, 0));
    ob_floats(b, "zero", 0, NULL, (float[1]){0});
    ob_node(b, "Pad", "p", "x,pads,zero", "y");
    expect(b, "pad", "9x6x9");
    b = begin(OB_DIMS(0, 4, 6, 8));
    ob_node(b, "Relu", "r", "x", "a");
    n = ob_node(b, "Concat", "c", "x,a,x", "b");
    ob_int(b, n, "axis", -3);
    ob_node(b, "Dropout", "d", "b", "e");
    ob_node(b, "GlobalAveragePool", "g", "e", "f");
    ob_node(b, "Flatten", "f", "f", "h");
    ob_node(b, "Softmax", "s", "h", "y");
    expect(b, "relu concat avgpool flatten", "12");
}

static void t_clip(void)
{
    ob *b = begin(OB_DIMS(0, 4));
    Onnx__NodeProto *n = ob_node(b, "Clip", "a", "x,zero,six", "a");
    mico_net *net;

    ob_floats(b, "zero", 0, NULL, (float[1]){0});
    ob_floats(b, "six", 0, NULL, (float[1]){6});
    ob_node(b, "Clip", "b", "a,,six", "b");
    ob_node(b, "Clip", "c", "b", "c"); /* open: left out */
    n = ob_node(b, "Clip", "d", "c", "y");
    ob_float(b, n, "min", -1.5F);
    ob_float(b, n, "max", 2.5F);
    net = import(b);
    CU_ASSERT_EQUAL_FATAL(net->n_nodes, 3);
    CU_ASSERT_STRING_EQUAL(mico_node_text(&net->node[0]), "relu6");
    CU_ASSERT_EQUAL(net->node[1].lo, -INFINITY);
    CU_ASSERT_EQUAL(net->node[1].hi, 6);
    CU_ASSERT_EQUAL(net->node[2].lo, -1.5F);
    CU_ASSERT_EQUAL(net->node[2].hi, 2.5F);
    mico_net_free(net);
}

/* ---- parameters --------------------------------------------------------------------
 */

/* alpha, beta, a scalar bias, a double matrix in raw_data, not transposed. */
static void t_gemm(void)
{
    static const double matrix[6] = {1, 2, 3, 4, 5, 6}; /* [3][2] */
    ob *b = begin(OB_DIMS(0, 3));
    Onnx__TensorProto *w = ob_floats(b, "w", OB_DIMS(3, 2), some);
    Onnx__NodeProto *n = ob_node(b, "Gemm", "g", "x,w,c", "y");
    mico_net *net;

    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
    w->n_float_data = 0;
    w->has_raw_data = 1;
    w->raw_data.len = sizeof matrix;
    w->raw_data.data = mico_arena_alloc(&b->arena, sizeof matrix);
    memcpy(w->raw_data.data, matrix, sizeof matrix);
    ob_floats(b, "c", OB_DIMS(1), (float[1]){10});
    ob_float(b, n, "alpha", 0.5F);
    ob_float(b, n, "beta", 3);
    net = import(b);
    CU_ASSERT_EQUAL(net->node[0].c_in, 3);
    CU_ASSERT_EQUAL_FATAL(net->node[0].c_out, 2);
    for (size_t o = 0; o < 2; o++) {
        CU_ASSERT_EQUAL(net->node[0].bias[o], 30);
        for (size_t i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(net->node[0].weight[o * 3 + i],
                            (float)(matrix[i * 2 + o] / 2));
    }
    mico_net_free(net);
}

/* FLOAT16 weights behind a Transpose, a bias by Add: y = x W^T + b. */
static void t_matmul(void)
{
    static const int32_t half[6] = {0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8000};
    static const float want[6] = {1,     -2, 0.333251953125F, 5.9604644775390625e-8F,
                                  65504, 0};
    ob *b = begin(OB_DIMS(0, 3));
    Onnx__TensorProto *w = ob_floats(b, "w", OB_DIMS(2, 3), some);
    Onnx__NodeProto *n = ob_node(b, "Transpose", "t", "w", "wt");
    mico_net *net;

    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
    w->n_float_data = 0;
    w->n_int32_data = 6;
    w->int32_data = mico_arena_alloc(&b->arena, sizeof half);
    memcpy(w->int32_data, half, sizeof half);
    ob_ints(b, n, "perm", OB_DIMS(1, 0));
    ob_node(b, "MatMul", "m", "x,wt", "a");
    ob_floats(b, "b", OB_DIMS(1, 2), (float[2]){-1, 4});
    ob_node(b, "Add", "plus", "b,a", "y");
    net = import(b);
    CU_ASSERT_EQUAL_FATAL(net->n_nodes, 1);
    CU_ASSERT_STRING_EQUAL(net->node[0].name, "m");
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(net->node[0].weight[i], want[i]);
    CU_ASSERT_EQUAL(net->node[0].bias[0], -1);
    CU_ASSERT_EQUAL(net->node[0].bias[1], 4);
    mico_net_free(net);
}

/* Constant nodes with plain numbers (opset 12), and a constant in another shape. */
static void t_constant_nodes(void)
{
    ob *b = begin(OB_DIMS(0, 1, 2, 3));
    Onnx__AttributeProto *a;
    mico_net *net;

    a = ob_attribute(b, ob_node(b, "Constant", "k1", "", "shape"), "value_ints");
    a->n_ints = 2;
    a->ints = mico_arena_alloc(&b->arena, 2 * sizeof *a->ints);
    a->ints[0] = 0;
    a->ints[1] = -1;
    ob_float(b, ob_node(b, "Constant", "k2", "", "two"), "value_float", 2);
    ob_floats(b, "w", OB_DIMS(2, 2, 3), some);
    ob_list(b, "matrix", OB_DIMS(-1, 2));
    ob_node(b, "Reshape", "k3", "w,matrix", "m");
    ob_node(b, "Reshape", "r", "x,shape", "flat");
    ob_node(b, "MatMul", "f", "flat,m", "a");
    ob_node(b, "Div", "d", "a,two", "y");
    net = import(b);
    CU_ASSERT_EQUAL_FATAL(net->n_nodes, 2);
    CU_ASSERT_EQUAL(net->node[1].c_in, 6);
    CU_ASSERT_EQUAL(net->node[1].c_out, 2);
    CU_ASSERT_EQUAL(net->node[1].weight[0], some[0] / 2);
    CU_ASSERT_EQUAL(net->node[1].weight[1], some[2] / 2);
    CU_ASSERT_EQUAL(net->node[1].weight[6], some[1] / 2);
    CU_ASSERT_PTR_NULL(net->node[1].bias);
    mico_net_free(net);
    b = begin(OB_DIMS(0, 4));
    ob_string(b, ob_node(b, "Constant", "k", "", "c"), "value_string", "text");
    ob_node(b, "Add", "a", "x,c", "y");
    refuse(b, MICO_EUNSUP, "Constant 'k' (without a value)");
}

/* One small constant read by many layers must not become much memory. */
static void t_many_layers(void)
{
    ob *b = begin(OB_DIMS(0, 2));

    ob_floats(b, "w", OB_DIMS(2, 2), some);
    for (int i = 0; i < 257; i++) {
        char in[24], out[24];

        snprintf(in, sizeof in, i > 0 ? "t%d,w" : "x,w", i);
        snprintf(out, sizeof out, i < 256 ? "t%d" : "y", i + 1);
        ob_node(b, "MatMul", "", in, out);
    }
    refuse(b, MICO_ELIMIT, "MatMul 'y': more than 256 quantizable layers");
}

/* Conv, batch norm, Mul, Sub folded, against the same arithmetic written out. */
static void t_fold(void)
{
    static const float w[18] = {0.1F, -0.2F, 0.3F, 0.4F, -0.5F, 0.6F, 0.7F, 0.8F, -0.9F,
                                1.1F, 1.2F,  1.3F, 1.4F, 1.5F,  1.6F, 1.7F, 1.8F, 1.9F};
    static const float bias[2] = {0.25F, -3}, gamma[2] = {1.5F, -0.7F};
    static const float beta[2] = {0.1F, 0.2F}, mean[2] = {-0.4F, 2.5F};
    static const float var[2] = {0.3F, 17}, mul[2] = {2, 0.3F};
    ob *b = begin(OB_DIMS(0, 1, 5, 5));
    Onnx__NodeProto *n;
    mico_net *net;

    ob_floats(b, "w", OB_DIMS(2, 1, 3, 3), w);
    ob_floats(b, "b", OB_DIMS(2), bias);
    ob_floats(b, "gamma", OB_DIMS(2), gamma);
    ob_floats(b, "beta", OB_DIMS(2), beta);
    ob_floats(b, "mean", OB_DIMS(2), mean);
    ob_floats(b, "var", OB_DIMS(2), var);
    ob_floats(b, "mul", OB_DIMS(1, 2, 1, 1), mul);
    ob_floats(b, "sub", 0, NULL, (float[1]){0.125F});
    ob_node(b, "Conv", "c", "x,w,b", "t1");
    n = ob_node(b, "BatchNormalization", "bn", "t1,gamma,beta,mean,var", "t2");
    ob_float(b, n, "epsilon", 1e-3F);
    ob_node(b, "Mul", "m", "t2,mul", "t3");
    ob_node(b, "Sub", "s", "t3,sub", "t4");
    ob_node(b, "Relu", "r", "t4", "y");
    net = import(b);
    CU_ASSERT_EQUAL_FATAL(net->n_nodes, 2);
    CU_ASSERT_STRING_EQUAL(net->node[0].name, "c");
    for (size_t c = 0; c < 2; c++) {
        double s = (double)gamma[c] / sqrt((double)var[c] + (double)1e-3F);
        double shift = ((double)bias[c] - (double)mean[c]) * s + (double)beta[c];

        CU_ASSERT_DOUBLE_EQUAL(net->node[0].bias[c], shift * (double)mul[c] - 0.125,
                               2e-7);
        for (size_t i = 0; i < 9; i++)
            CU_ASSERT_DOUBLE_EQUAL(net->node[0].weight[c * 9 + i],
                                   (double)w[c * 9 + i] * s * (double)mul[c], 2e-7);
    }
    mico_net_free(net);
}

static void t_old_files(void)
{
    ob *b = ob_new(6); /* an initializer listed as an input; Add with an axis */
    Onnx__NodeProto *n;

    ob_input(b, "w", OB_DIMS(2, 1, 3, 3));
    ob_input(b, "x", OB_DIMS(1, 1, 5, 5));
    ob_output(b, "y");
    ob_floats(b, "w", OB_DIMS(2, 1, 3, 3), some);
    ob_floats(b, "b", OB_DIMS(2), some);
    ob_node(b, "Conv", "c", "x,w", "a");
    n = ob_node(b, "Add", "p", "a,b", "y");
    ob_int(b, n, "broadcast", 1);
    ob_int(b, n, "axis", 1);
    expect(b, "conv", "2x3x3");
}

/* Given backwards, with names missing, long and doubled. */
static void t_names_and_order(void)
{
    ob *b = begin(OB_DIMS(0, 4));
    char longest[201];
    mico_net *net;

    memset(longest, 'n', 200);
    longest[200] = '\0';
    ob_node(b, "Relu", "same", "d", "y");
    ob_node(b, "Add", "", "c,x", "d");
    ob_node(b, "Relu", longest, "b", "c");
    ob_node(b, "Relu", longest, "a", "b");
    ob_node(b, "Relu", "same", "x", "a");
    net = import(b);
    CU_ASSERT_EQUAL_FATAL(net->n_nodes, 5);
    CU_ASSERT_STRING_EQUAL(net->node[0].name, "same");
    CU_ASSERT_EQUAL(strlen(net->node[1].name), 63);
    CU_ASSERT_PTR_NULL(strchr(net->node[1].name, '~'));
    CU_ASSERT_STRING_EQUAL(net->node[2].name + 61, "~2");
    CU_ASSERT_STRING_EQUAL(net->node[3].name, "d");
    CU_ASSERT_STRING_EQUAL(net->node[4].name, "same~4");
    CU_ASSERT_STRING_EQUAL(net->name, "built");
    mico_net_free(net);
}

static ob *with_preprocess(const char *mul, const char *add)
{
    ob *b = begin(OB_DIMS(0, 3, 2, 2));

    ob_node(b, "Relu", "r", "x", "y");
    ob_prop(b, "preprocess_raw", "u8 0..255, RGB");
    if (mul != NULL)
        ob_prop(b, "preprocess_mul", mul);
    if (add != NULL)
        ob_prop(b, "preprocess_add", add);
    return b;
}

static void t_preprocess(void)
{
    mico_net *net = import(with_preprocess("0.5, 0.25,2", "-1,0,1"));

    CU_ASSERT_EQUAL_FATAL(net->n_preprocess, 3);
    CU_ASSERT_EQUAL(net->mul[1], 0.25F);
    CU_ASSERT_EQUAL(net->add[0], -1);
    CU_ASSERT_STRING_EQUAL(net->raw, "u8 0..255, RGB");
    mico_net_free(net);
    net = import(with_preprocess(NULL, "-1"));
    CU_ASSERT_EQUAL_FATAL(net->n_preprocess, 1);
    CU_ASSERT_EQUAL(net->mul[0], 1);
    CU_ASSERT_EQUAL(net->add[0], -1);
    mico_net_free(net);
    net = import(with_preprocess(NULL, NULL));
    CU_ASSERT_EQUAL(net->n_preprocess, 0);
    mico_net_free(net);
    refuse(with_preprocess("1,2", NULL), MICO_ENET, "2 factors for 3 input channels");
    refuse(with_preprocess("1,2,3", "1"), MICO_ENET, "have 3 and 1 numbers");
    refuse(with_preprocess("1,x,3", NULL), MICO_ENET,
           "preprocess_mul: 'x' is no number");
    refuse(with_preprocess("1,2,3,4", NULL), MICO_ENET, "more than the 3 channels");
    refuse(with_preprocess("nan", NULL), MICO_ENET, "'nan' is no number");
}

/* x.view(x.size(0), size(1)*size(2)*size(3)) as exporters write it; `batch` is the
 * first dimension of the input (0: symbolic). */
static ob *with_shape_chain(int64_t batch, const char *arithmetic)
{
    ob *b = begin(OB_DIMS(batch, 3, 4, 5));

    ob_list(b, "zero", 1, (const int64_t[]){0});
    ob_list(b, "one", 1, (const int64_t[]){1});
    ob_list(b, "four", 1, (const int64_t[]){4});
    ob_list(b, "two_three", 2, (const int64_t[]){2, -1});
    ob_node(b, "Shape", "s", "x", "shape");
    ob_node(b, "Gather", "g0", "shape,zero", "n");
    ob_node(b, "Slice", "sl", "shape,one,four", "chw");
    ob_node(b, "Gather", "g1", "shape,one", "c");
    ob_node(b, "Gather", "g2", "shape,two_three", "hw");
    ob_int(b, ob_node(b, "Cast", "cast", "hw", "hw64"), "to",
           ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    ob_node(b, arithmetic, "m", "hw64,c", "by_c");
    ob_int(b, ob_node(b, "Concat", "cat", "n,by_c", "target"), "axis", 0);
    ob_node(b, "Reshape", "r", "x,target", "y");
    return b;
}

static void t_shape_arithmetic(void)
{
    ob *b = begin(OB_DIMS(0, 3, 4, 5));

    /* 3x4x5 -> {4*3, 5*3} does not have 60 elements, 4/3 x 5/3 neither */
    refuse(with_shape_chain(0, "Mul"), MICO_EUNSUP, "Reshape 'r'");
    refuse(with_shape_chain(7, "Div"), MICO_EUNSUP, "Reshape 'r'");
    ob_list(b, "zero", 1, (const int64_t[]){0});
    ob_list(b, "rest", 1, (const int64_t[]){-1});
    ob_node(b, "Shape", "s", "x", "shape");
    ob_node(b, "Gather", "g", "shape,zero", "n");
    ob_int(b, ob_node(b, "Concat", "cat", "n,rest", "target"), "axis", 0);
    ob_node(b, "Reshape", "r", "x,target", "y");
    expect(b, "flatten", "60");

    /* (3, 4*5): sizes multiplied, the batch kept */
    b = begin(OB_DIMS(9, 3, 4, 5));
    ob_list(b, "two", 1, (const int64_t[]){2});
    ob_list(b, "three", 1, (const int64_t[]){-1});
    ob_list(b, "zero", 1, (const int64_t[]){0});
    ob_node(b, "Shape", "s", "x", "shape");
    ob_node(b, "Gather", "g2", "shape,two", "h");
    ob_node(b, "Gather", "g3", "shape,three", "w");
    ob_node(b, "Mul", "m", "h,w", "hw");
    ob_node(b, "Slice", "sl", "shape,zero,two", "nc");
    ob_int(b, ob_node(b, "Concat", "cat", "nc,hw", "target"), "axis", 0);
    ob_node(b, "Reshape", "r", "x,target", "y");
    expect(b, "reshape", "3x1x20");

    b = begin(OB_DIMS(0, 3, 4, 5)); /* the batch is not known: no arithmetic with it */
    ob_list(b, "zero", 1, (const int64_t[]){0});
    ob_node(b, "Shape", "s", "x", "shape");
    ob_node(b, "Gather", "g", "shape,zero", "n");
    ob_node(b, "Mul", "m", "n,n", "target");
    ob_node(b, "Reshape", "r", "x,target", "y");
    refuse(b, MICO_EUNSUP, "Mul 'm' (of sizes that are not known)");

    b = begin(OB_DIMS(0, 3, 4, 5));
    ob_list(b, "nine", 1, (const int64_t[]){9});
    ob_node(b, "Shape", "s", "x", "shape");
    ob_node(b, "Gather", "g", "shape,nine", "n");
    ob_node(b, "Reshape", "r", "x,n", "y");
    refuse(b, MICO_EUNSUP, "Gather 'g' (index 9 of 4)");

    b = begin(OB_DIMS(0, 3));
    ob_list(b, "zero", 1, (const int64_t[]){0});
    ob_node(b, "Gather", "g", "x,zero", "y");
    refuse(b, MICO_EUNSUP, "Gather 'g' (of anything but constant integers)");

    b = begin(OB_DIMS(0, 3));
    ob_int(b, ob_node(b, "Cast", "c", "x", "y"), "to",
           ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    refuse(b, MICO_EUNSUP, "Cast 'c' (to data type 7)");
}

MICO_SUITE("net onnx", {"not onnx", t_not_onnx}, {"graph errors", t_graph_errors},
           {"constants", t_constants}, {"unsupported list", t_unsupported_list},
           {"operator refusals", t_operator_refusals}, {"shared fold", t_shared_fold},
           {"windows", t_windows}, {"moves", t_moves}, {"clip", t_clip},
           {"gemm", t_gemm}, {"matmul", t_matmul}, {"constant nodes", t_constant_nodes},
           {"many layers", t_many_layers}, {"fold", t_fold}, {"old files", t_old_files},
           {"names and order", t_names_and_order}, {"preprocess", t_preprocess},
           {"shape arithmetic", t_shape_arithmetic})
