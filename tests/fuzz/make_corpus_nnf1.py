#!/usr/bin/python3
"""Writes the seeds of fuzz_nnf1: text of the graph, a zero byte, weights."""
import os
import struct

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "nnf1")


def ints(n):
    return bytes((7 * i + 3) % 256 for i in range(n))


def save(name, lines, weights):
    text = "\n".join(["nnf 1", "name " + name] + lines) + "\n"
    with open(os.path.join(OUT, name + ".nnf1"), "wb") as f:
        f.write(text.encode() + b"\0" + weights)


def main():
    os.makedirs(OUT, exist_ok=True)
    save("ops", [
        "kind i8", "input v0 nhwc 4 4 2 scale=0.5 zp=3", "preprocess mul=1 add=0",
        "tensor w0 i8 3x3x3x2 offset=0", "tensor b0 i32 3 offset=64",
        "tensor s i32 1 offset=80", "tensor s0 f32 1 offset=80",
        "tensor w1 i8 1x3x3x3 offset=96", "tensor w2 i8 2x20 offset=128",
        "op conv v1 = v0 w=w0 b=b0 ws=s0 pad=1,1,1,1 act=relu6 scale=0.25 zp=-128",
        "op dwconv v2 = v1 w=w1 ws=s0 pad=1,1,1,1 scale=0.1 zp=0",
        "op add v3 = v1 v2 act=relu scale=0.3 zp=-100",
        "op maxpool v4 = v3 k=2,2 stride=2,2",
        "op subpad v5 = v3 stride=2,2 cpad=1",
        "op avgpool v6 = v5 k=1,1", "op flatten v7 = v6",
        "op fc v8 = v7 w=w2 ws=s0 scale=0.2 zp=-1", "output v8",
    ], ints(80) + struct.pack("<f", 0.01) + ints(100))
    save("floats", [
        "kind f32", "input x nhwc 1 1 3", "preprocess mul=1,2,3 add=0,0,1",
        "tensor w f32 2x3 offset=0", "tensor b f32 2 offset=24",
        "op flatten f = x", "op fc y = f w=w b=b act=clamp01", "output y",
    ], struct.pack("<8f", *[i / 4 - 1 for i in range(8)]))


if __name__ == "__main__":
    main()
