#!/usr/bin/env python3
"""Images a second of PyTorch and of mico on the same networks, one thread, thread CPU time.

    scripts/bench-torch.py --net resnet8.onnx --data cifar-10-batches-bin \
        [--build build-release] [--images 10000] [--subset 500] [--repeats 5] [--compile] [--json FILE]

Needs Python with torch, numpy and onnx; NET is a CIFAR-10 network in ONNX without batch norms,
DATA the folder of the binary CIFAR-10 files. Two larger networks with random weights (the
ResNet18 for 32x32 images, and MiCo's ResNet8, which has its widths) run on --subset images.

Rows: fp32 in both layouts; fake quantisation as MiCo evaluates (dynamic scale per sample and
channel of activations, weights per tensor, batch 128); the strongest fake quantisation found
(static scales, in place, both layouts; PyTorch's fused operator; torch.compile); static int8 of
torch.ao on each engine. The ratio is mico's images a second over the row's.
"""
import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import gzip
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnx
import torch
import torch.nn.functional as F

BATCH = 128
EPS = 1e-6


# ---- networks: a list of steps read from ONNX ---------------------------------------------


class Step:
    """One node: kind, names of inputs and output, attributes, weight and bias."""

    def __init__(self, node, values):
        attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        self.kind, self.out = node.op_type, node.output[0]
        self.inputs = [name for name in node.input if name not in values]
        self.relu = False
        self.dead = []  # names that nobody reads afterwards
        if self.kind in ("Conv", "Gemm"):
            self.weight = torch.from_numpy(values[node.input[1]].copy())
            self.bias = None
            if len(node.input) > 2:
                self.bias = torch.from_numpy(values[node.input[2]].copy())
            if self.kind == "Gemm" and not attrs.get("transB", 0):
                self.weight = self.weight.t().contiguous()
        if self.kind == "Conv":
            top, left, bottom, right = attrs.get("pads", [0, 0, 0, 0])
            self.pad = [top, left] if (top, left) == (bottom, right) else [0, 0]
            # F.pad's order; None where the convolution pads by itself
            self.uneven = None if (top, left) == (bottom, right) else [left, right, top, bottom]
            self.stride, self.group = list(attrs.get("strides", [1, 1])), attrs.get("group", 1)
        if self.kind == "AveragePool":
            self.kernel, self.stride = list(attrs["kernel_shape"]), list(attrs["strides"])
            assert not any(attrs.get("pads", [0])), "padded average pools are not supported"


class Net:
    def __init__(self, path):
        model = onnx.load(path)
        values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        props = {p.key: p.value for p in model.metadata_props}
        numbers = lambda key, default: [float(v) for v in props.get(key, default).split(",")]
        self.path, self.name = path, model.graph.name or os.path.basename(path)
        self.mul, self.add = numbers("preprocess_mul", "0.00392156862745098"), numbers("preprocess_add", "0")
        self.input, self.output = model.graph.input[0].name, model.graph.output[0].name
        self.steps = [Step(node, values) for node in model.graph.node]
        self.fuse_relu()
        readers = {}
        for step in self.steps:
            known = ("Conv", "Gemm", "Add", "Relu", "AveragePool", "Flatten")
            assert step.kind in known, f"{path}: operator {step.kind} is not supported here"
            for name in step.inputs:
                readers[name] = step
        for name, step in readers.items():
            step.dead.append(name)

    def fuse_relu(self):
        """Conv, Gemm or Add with a ReLU as its only reader become one step."""
        count, maker = {}, {s.out: s for s in self.steps}
        for step in self.steps:
            for name in step.inputs:
                count[name] = count.get(name, 0) + 1
        kept = []
        for step in self.steps:
            before = maker.get(step.inputs[0])
            if step.kind == "Relu" and count[step.inputs[0]] == 1 and before.kind in ("Conv", "Gemm", "Add"):
                before.relu, before.out = True, step.out
            else:
                kept.append(step)
        self.steps = kept

    def run(self, x, step_of):
        values = {self.input: x}
        for i, step in enumerate(self.steps):
            values[step.out] = step_of(i, step, [values[name] for name in step.inputs])
            for name in step.dead:
                del values[name]
        return values[self.output]


def float_step(step, ins, weight=None):
    weight = getattr(step, "weight", None) if weight is None else weight
    x = ins[0]
    if step.kind == "Conv":
        x = F.pad(x, step.uneven) if step.uneven else x
        y = F.conv2d(x, weight, step.bias, step.stride, step.pad, 1, step.group)
    elif step.kind == "Gemm":
        y = F.linear(x, weight, step.bias)
    elif step.kind == "Add":
        y = ins[0] + ins[1]
    elif step.kind == "AveragePool":
        y = F.avg_pool2d(x, step.kernel, step.stride)
    elif step.kind == "Flatten":
        y = torch.flatten(x, 1)
    else:
        y = torch.relu(x)
    return y.relu_() if step.relu else y


# ---- the ways to evaluate -----------------------------------------------------------------


def fp32(net, channels_last):
    memory = torch.channels_last if channels_last else torch.contiguous_format
    weight = [s.weight.to(memory_format=memory) if s.kind == "Conv" else None for s in net.steps]
    return lambda x: net.run(x.to(memory_format=memory), lambda i, s, ins: float_step(s, ins, weight[i]))


def weight_fake(w, bits=8):
    q = 2 ** (bits - 1)
    k = (q - 1) / w.abs().max().clamp(min=EPS)
    return (w * k).round().clamp(-q, q - 1) / k


def fake_dynamic(net, bits=8):
    """MiCo's: a scale for each (sample, channel) map, or for each row of a linear layer."""
    q = 2 ** (bits - 1)
    weight = [weight_fake(s.weight) if s.kind in ("Conv", "Gemm") else None for s in net.steps]

    def step_of(i, step, ins):
        if weight[i] is not None:
            x = ins[0]
            axes = (2, 3) if step.kind == "Conv" else (1,)
            k = (q - 1) / x.abs().amax(dim=axes, keepdim=True).clamp_(min=EPS)
            ins = [(x * k).round_().clamp_(-q, q - 1).div_(k)]
        return float_step(step, ins, weight[i])

    return lambda x: net.run(x, step_of)


def observe(net, x):
    """Smallest and largest value of every tensor."""
    seen = {net.input: (x.min().item(), x.max().item())}

    def step_of(i, step, ins):
        y = float_step(step, ins)
        seen[step.out] = (y.min().item(), y.max().item())
        return y

    net.run(x, step_of)
    return seen


def fake_static(net, seen, channels_last, fused=False):
    """Static scales. fused: torch's own fake_quantize; else three passes in place, for which the
    scale of a layer's input is folded into its weights (the values are the same)."""
    memory = torch.channels_last if channels_last else torch.contiguous_format
    scale = {name: max(abs(lo), abs(hi), EPS) / 127 for name, (lo, hi) in seen.items()}
    weight = [None] * len(net.steps)
    for i, s in enumerate(net.steps):
        if s.kind in ("Conv", "Gemm"):
            w = weight_fake(s.weight) * (1 if fused else scale[s.inputs[0]])
            weight[i] = w.to(memory_format=memory) if w.dim() == 4 else w

    def step_of(i, step, ins):
        if weight[i] is not None:
            s = scale[step.inputs[0]]
            if fused:
                ins = [torch.fake_quantize_per_tensor_affine(ins[0], s, 0, -128, 127)]
            else:
                ins = [(ins[0] * (1 / s)).round_().clamp_(-128, 127)]
        elif step.kind == "Add" and step.inputs[0] in step.dead:
            y = ins[0].add_(ins[1])
            return y.relu_() if step.relu else y
        return float_step(step, ins, weight[i])

    return lambda x: net.run(x.to(memory_format=memory), step_of)


def compiled(run):
    """torch.compile's form of it, or None where there is no compiler."""
    try:
        fast = torch.compile(run, dynamic=False)
        with torch.inference_mode():
            fast(torch.zeros(1, 3, 32, 32))
        return fast
    except Exception as error:  # whatever a missing compiler makes of it
        print(f"  torch.compile: {str(error).splitlines()[0]}", file=sys.stderr)
        return None


def int8_static(net, seen):
    """What torch.ao's converted models call: quint8 activations, qint8 weights per channel."""
    ops = torch.ops.quantized

    def params(name):
        lo, hi = min(seen[name][0], 0.0), max(seen[name][1], EPS)
        scale = (hi - lo) / 255
        return scale, int(round(-lo / scale))

    packed = {}
    for i, s in enumerate(net.steps):
        if s.kind in ("Conv", "Gemm"):
            per = s.weight.abs().amax(dim=tuple(range(1, s.weight.dim()))).clamp(min=EPS) / 127
            w = torch.quantize_per_channel(s.weight, per.double(), torch.zeros(len(per), dtype=torch.long), 0, torch.qint8)
            if s.kind == "Conv":
                packed[i] = ops.conv2d_prepack(w, s.bias, s.stride, s.pad, [1, 1], s.group)
            else:
                packed[i] = ops.linear_prepack(w, s.bias)

    def step_of(i, step, ins):
        scale, zero = params(step.out)
        x = ins[0]
        if step.kind == "Conv":
            x = F.pad(x, step.uneven) if step.uneven else x
            return (ops.conv2d_relu if step.relu else ops.conv2d)(x, packed[i], scale, zero)
        if step.kind == "Gemm":
            return (ops.linear_relu if step.relu else ops.linear)(x, packed[i], scale, zero)
        if step.kind == "Add":
            return (ops.add_relu if step.relu else ops.add)(ins[0], ins[1], scale, zero)
        return float_step(step, ins)

    first = params(net.input)

    def run(x):
        x = torch.quantize_per_tensor(x.contiguous(memory_format=torch.channels_last), *first, torch.quint8)
        return net.run(x, step_of).dequantize()

    return run


# ---- measuring ----------------------------------------------------------------------------


def measure(run, x, labels, repeats):
    """Median images a second, accuracy in percent."""
    seconds, right = [], 0
    with torch.inference_mode():
        run(x[:BATCH])
        run(x[len(x) // BATCH * BATCH :] if len(x) % BATCH else x[:BATCH])  # the last batch's size
        for r in range(repeats):
            right, start = 0, time.thread_time()
            for i in range(0, len(x), BATCH):
                right += (run(x[i : i + BATCH]).argmax(1) == labels[i : i + BATCH]).sum().item()
            seconds.append(time.thread_time() - start)
    return len(x) / statistics.median(seconds), 100 * right / len(x)


def cifar(folder):
    for name, opener in (("test_batch.bin.gz", gzip.open), ("test_batch.bin", open)):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            rows = np.frombuffer(opener(path, "rb").read(), dtype=np.uint8).reshape(-1, 3073)
            return rows[:, 1:].reshape(-1, 3, 32, 32), torch.from_numpy(rows[:, 0].astype(np.int64))
    sys.exit(f"{folder}: no test_batch.bin")


def mico_rows(net, args, images, trained):
    """(images a second of `mico eval`, accuracy, the same by bench_nets or None)"""
    command = [os.path.join(args.build, "mico"), "eval", net.path, "--data", args.data]
    command += ["--scheme", "w8a8", "--images", str(images), "--json"]
    if not trained:  # nothing to be accurate about; calibration is slow fp32
        command += ["--calibration", "test:0-31"]
    runs = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(args.repeats)]
    rate = images / statistics.median(r["seconds"] for r in runs)
    accuracy, bench = 100 * runs[0]["accuracy"], os.path.join(args.build, "tests", "bench_nets")
    if not os.path.exists(bench):
        return rate, accuracy, None
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([bench, "--only", "file", "--json", out.name, net.path], check=True, stdout=subprocess.DEVNULL)
        nets = json.load(open(out.name))["nets"]
    return rate, accuracy, next(n["images_per_s"] for n in nets if n["scheme"] == "w8a8")


def bench(net, args, images, trained):
    raw, labels = cifar(args.data)
    raw, labels = raw[:images], labels[:images]
    mul, add = (torch.tensor(v).reshape(1, -1, 1, 1) for v in (net.mul, net.add))
    x = torch.from_numpy(raw.astype(np.float32)) * mul + add
    with torch.inference_mode():
        seen = observe(net, x[:512])
    rows = []

    def row(text, run, group):
        rate, accuracy = measure(run, x, labels, args.repeats)
        rows.append({"net": net.name, "way": text, "group": group, "images": len(x), "images_per_s": rate, "accuracy": accuracy})
        print(f"  {text}: {rate:.0f} images/s", file=sys.stderr)

    row("torch fp32, NCHW", fp32(net, False), "fp32")
    row("torch fp32, NHWC", fp32(net, True), "fp32")
    row("torch fake quantisation as MiCo's (dynamic)", fake_dynamic(net), "mico")
    for layout, last in (("NCHW", False), ("NHWC", True)):
        row(f"torch fake quantisation, static, {layout}", fake_static(net, seen, last), "static")
    row("torch fake quantisation, fused static, NHWC", fake_static(net, seen, True, True), "static")
    if args.compile:
        for text, run in (("as MiCo's (dynamic)", fake_dynamic(net)), ("static, NHWC", fake_static(net, seen, True))):
            fast = compiled(run)
            if fast:
                row(f"torch.compile of fake quantisation {text}", fast, "compiled")
    for engine in ("x86", "fbgemm", "onednn"):
        if engine in torch.backends.quantized.supported_engines:
            torch.backends.quantized.engine = engine
            row(f"torch.ao int8, {engine}", int8_static(net, seen), "int8")
    rate, accuracy, cpu_rate = mico_rows(net, args, images, trained)
    rows.append({"net": net.name, "way": "mico eval, w8a8 (wall clock, packing included)", "group": "ours", "images": len(x), "images_per_s": rate, "accuracy": accuracy})
    if cpu_rate:
        rows.append({"net": net.name, "way": "mico's engine, w8a8 (bench_nets)", "group": "ours", "images": len(x), "images_per_s": cpu_rate, "accuracy": accuracy})
    for r in rows:
        r["ratio"] = (cpu_rate or rate) / r["images_per_s"]
    return rows


# ---- larger networks with random weights --------------------------------------------------


def make_resnet(path, name, blocks):
    """ResNet for 32x32 images: widths 64 to 512, `blocks` blocks a stage, batch norms folded."""
    rng, nodes, values = np.random.default_rng(1), [], []

    def const(label, array):
        values.append(onnx.numpy_helper.from_array(array.astype(np.float32), label))
        return label

    def node(kind, inputs, **attrs):
        nodes.append(onnx.helper.make_node(kind, inputs, [f"t{len(nodes)}"], name=f"n{len(nodes)}", **attrs))
        return nodes[-1].output[0]

    def conv(x, c_in, c_out, k, stride):
        n, size = len(values), (2 / (c_in * k * k)) ** 0.5
        w = const(f"w{n}", rng.normal(0, size, (c_out, c_in, k, k)))
        b = const(f"b{n}", rng.normal(0, 0.1, c_out))
        return node("Conv", [x, w, b], kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4)

    x, c_in = node("Relu", [conv("input", 3, 64, 3, 1)]), 64
    for stage, c in enumerate((64, 128, 256, 512)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = conv(node("Relu", [conv(x, c_in, c, 3, stride)]), c, c, 3, 1)
            x = x if c_in == c else conv(x, c_in, c, 1, stride)
            x, c_in = node("Relu", [node("Add", [y, x])]), c
    x = node("Flatten", [node("AveragePool", [x], kernel_shape=[4, 4], strides=[4, 4])])
    w, b = const("wf", rng.normal(0, 0.05, (10, 512))), const("bf", np.zeros(10))
    x = node("Gemm", [x, w, b], transB=1)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, name, [info("input", onnx.TensorProto.FLOAT, ["N", 3, 32, 32])], [info(x, onnx.TensorProto.FLOAT, ["N", 10])], values
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7)
    onnx.helper.set_model_props(model, {"preprocess_mul": "0.0078125", "preprocess_add": "-1"})
    onnx.save(model, path)
    return Net(path)


# ---- main ---------------------------------------------------------------------------------


def print_table(rows):
    print("| network | evaluator | images | images/s | s per 10,000 | mico is faster by | right % |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for r in rows:
        ratio = "" if r["group"] == "ours" else f"{r['ratio']:.1f}x"
        right = f"{r['accuracy']:.2f}" if r["accuracy"] > 20 else "(random)"
        print(f"| {r['net']} | {r['way']} | {r['images']} | {r['images_per_s']:.0f} | {1e4 / r['images_per_s']:.2f} | {ratio} | {right} |")


def cpu_name():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--net", required=True, help="CIFAR-10 network (ONNX)")
    parser.add_argument("--data", required=True, help="folder of the binary CIFAR-10 files")
    parser.add_argument("--build", default="build-release", help="where mico and tests/bench_nets are")
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--subset", type=int, default=500, help="images for the larger networks; 0: leave them out")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="also torch.compile (needs a C++ compiler, minutes)")
    parser.add_argument("--json")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rows = bench(Net(args.net), args, args.images, True)
    if args.subset > 0:
        with tempfile.TemporaryDirectory() as folder:
            for name, blocks in (("resnet18-cifar", 2), ("mico-resnet8", 1)):
                rows += bench(make_resnet(os.path.join(folder, name + ".onnx"), name, blocks), args, args.subset, False)
    print_table(rows)
    if args.json:
        head = {"bench": "bench-torch", "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "torch": torch.__version__}
        head["machine"] = {"cpu": cpu_name(), "host": platform.node(), "load": os.getloadavg()[0]}
        with open(args.json, "w") as file:
            json.dump({**head, "batch": BATCH, "repeats": args.repeats, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
