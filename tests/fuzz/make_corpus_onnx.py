#!/usr/bin/python3
"""Writes the seeds of fuzz_onnx (needs Debian's python3-onnx): make_corpus_onnx.py"""
import os

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "onnx")


def f32(name, *shape):
    count = int(np.prod(shape)) if shape else 1
    values = (np.arange(count, dtype=np.float32) % 7 - 3) / 4
    return numpy_helper.from_array(values.reshape(shape), name)


def i64(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def save(name, shape, nodes, constants, opset=13, props=None):
    """A model x -> nodes -> y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, name, [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 7
    helper.set_model_props(model, props or {})
    with open(os.path.join(OUT, name + ".onnx"), "wb") as f:
        f.write(model.SerializeToString())


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(","), [output], name=kind.lower() + "_" + output,
                            **attributes)


os.makedirs(OUT, exist_ok=True)
save("mlp", [8], [
    node("Gemm", "x,w1,b1", "a", transB=1, alpha=0.5), node("Relu", "a", "b"),
    node("MatMul", "b,w2", "c"), node("Add", "c,b2", "d"), node("Softmax", "d", "y")],
    [f32("w1", 4, 8), f32("b1", 4), f32("w2", 4, 3), f32("b2", 3)],
    props={"preprocess_mul": "0.5", "preprocess_add": "-1", "preprocess_raw": "u8"})
save("conv", [2, 8, 8], [
    node("Conv", "x,w1,b1", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
    node("BatchNormalization", "a,s,s,s,v", "b"), node("Mul", "b,v1", "c"),
    node("Clip", "c,lo,hi", "d"),
    node("Conv", "d,w2", "e", group=4, auto_pad="SAME_UPPER", dilations=[2, 2]),
    node("Add", "e,d", "f"), node("GlobalAveragePool", "f", "g"),
    node("Flatten", "g", "h"), node("Gemm", "h,w3", "y")],
    [f32("w1", 4, 2, 3, 3), f32("b1", 4), f32("s", 4),
     numpy_helper.from_array(np.full(4, 2, np.float32), "v"), f32("v1", 1, 4, 1, 1),
     f32("w2", 4, 1, 3, 3), f32("w3", 4, 3),
     numpy_helper.from_array(np.float32(0), "lo"), numpy_helper.from_array(np.float32(6), "hi")])
save("moves", [4, 6, 8], [
    node("Slice", "x,starts,ends,axes,steps", "a"), node("Pad", "a,pads", "b"),
    node("Transpose", "b", "c", perm=[0, 2, 3, 1]), node("Reshape", "c,shape", "d"),
    node("Unsqueeze", "d,axis", "e"), node("Squeeze", "e,axis", "f"),
    node("Reshape", "f,flat", "y")],
    [i64("starts", 0, 1), i64("ends", 2**63 - 1, -1), i64("axes", 2, 3), i64("steps", 2, 1),
     i64("pads", 0, 1, 0, 0, 0, 1, 0, 0), i64("shape", 0, -1, 2), i64("axis", 2),
     i64("flat", 0, -1)])
save("pools", [3, 9, 9], [
    node("MaxPool", "x", "a", kernel_shape=[3, 3], strides=[2, 2], dilations=[2, 2], pads=[2, 2, 2, 2]),
    node("AveragePool", "x", "b", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER",
         count_include_pad=1),
    node("ReduceMean", "b", "c", axes=[2, 3], keepdims=1), node("Concat", "c,c", "d", axis=1),
    node("GlobalMaxPool", "a", "e"), node("Concat", "d,e", "f", axis=1),
    node("Dropout", "f", "g"), node("Identity", "g", "h"), node("Flatten", "h", "y")], [])
save("line", [2, 16], [
    node("Constant", "", "w", value=f32("", 3, 2, 5)), node("Conv", "x,w", "a", pads=[2, 2]),
    node("MaxPool", "a", "b", kernel_shape=[2], strides=[2], ceil_mode=1),
    node("ReduceMean", "b", "y", axes=[2], keepdims=0)], [])
save("shapes", [3, 4, 6], [
    node("Shape", "x", "s"), node("Gather", "s,zero", "n"), node("Slice", "s,one,three", "p"),
    node("Mul", "p,p", "q"), node("Div", "q,p", "r"), node("Gather", "r,zero", "c"),
    node("Cast", "c", "d", to=TensorProto.INT64), node("Concat", "n,d,rest", "t", axis=0),
    node("Reshape", "x,t", "y")],
    [i64("zero", 0), i64("one", 1), i64("three", 3), i64("rest", -1)])
save("unsupported", [4], [
    node("Sigmoid", "x", "a"), node("Tanh", "a", "b"), node("Sub", "b,k", "y")], [f32("k", 4)], opset=9)
