#!/usr/bin/env python3
"""Trains the small CNN of the quick start on Fashion-MNIST and writes it as ONNX.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 numpy onnx
    venv/bin/python scripts/train_fashion.py jobs/nets/fashion_cnn.onnx

Only the 60,000 training images are used; the last epoch is kept, nothing is selected on
the test set. Batch norms stay in the file: importing it folds them.
"""
import gzip
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

DATA = "/usr/share/datasets/fashion-mnist"
EPOCHS, BATCH, LR = 8, 128, 4e-3


def read_idx(name, offset, shape):
    with gzip.open(f"{DATA}/{name}-ubyte.gz") as f:
        return np.frombuffer(f.read(), np.uint8, offset=offset).reshape(shape)


class Net(nn.Module):
    """conv16 - conv24/2 - [conv24 + skip] - conv32/2 - [conv32 + skip] - pool - fc."""

    def __init__(self):
        super().__init__()
        chans = [("conv1", 1, 16, 1), ("conv2", 16, 24, 2), ("conv3", 24, 24, 1),
                 ("conv4", 24, 32, 2), ("conv5", 32, 32, 1)]
        self.names = [c[0] for c in chans]
        for name, cin, cout, stride in chans:
            setattr(self, name, nn.Conv2d(cin, cout, 3, stride, 1, bias=False))
            setattr(self, name + "_bn", nn.BatchNorm2d(cout))
        self.fc = nn.Linear(32, 10)

    def block(self, name, x):
        return getattr(self, name + "_bn")(getattr(self, name)(x))

    def forward(self, x):
        x = F.relu(self.block("conv1", x))
        x = F.relu(self.block("conv2", x))
        x = F.relu(self.block("conv3", x) + x)
        x = F.relu(self.block("conv4", x))
        x = F.relu(self.block("conv5", x) + x)
        return self.fc(x.mean((2, 3)))


def augment(x):
    """Horizontal flips and shifts by up to 2 pixels."""
    flip = torch.rand(len(x), 1, 1, 1) < 0.5
    x = torch.where(flip, x.flip(3), x)
    padded = F.pad(x, (2, 2, 2, 2))
    dy, dx = torch.randint(0, 5, (2,)).tolist()
    return padded[:, :, dy:dy + 28, dx:dx + 28]


def train():
    torch.manual_seed(0)
    x = torch.tensor(read_idx("train-images-idx3", 16, (-1, 1, 28, 28)) / 255.0,
                     dtype=torch.float32)
    y = torch.tensor(read_idx("train-labels-idx1", 8, (-1,)).astype(np.int64))
    net = Net().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    for epoch in range(EPOCHS):
        net.train()
        total = 0.0
        for index in torch.randperm(len(x))[:steps // EPOCHS * BATCH].view(-1, BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(augment(x[index])), y[index], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / (steps // EPOCHS):.4f}", flush=True)
    return net.eval()


def test_accuracy(net):
    x = torch.tensor(read_idx("t10k-images-idx3", 16, (-1, 1, 28, 28)) / 255.0,
                     dtype=torch.float32)
    y = read_idx("t10k-labels-idx1", 8, (-1,))
    with torch.no_grad():
        return int((net(x).argmax(1).numpy() == y).sum())


def export(net, path, correct):
    nodes, params = [], []

    def param(name, tensor):
        params.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(name, x):
        layer, bn = getattr(net, name), getattr(net, name + "_bn")
        y = node("Conv", [x, param(name + ".weight", layer.weight)], name,
                 kernel_shape=[3, 3], strides=list(layer.stride), pads=[1, 1, 1, 1])
        return node("BatchNormalization",
                    [y, param(name + ".gamma", bn.weight), param(name + ".beta", bn.bias),
                     param(name + ".mean", bn.running_mean),
                     param(name + ".var", bn.running_var)],
                    name + "_bn", epsilon=bn.eps)

    x = node("Relu", [conv("conv1", "input")], "relu1")
    x = node("Relu", [conv("conv2", x)], "relu2")
    x = node("Relu", [node("Add", [conv("conv3", x), x], "add3")], "relu3")
    x = node("Relu", [conv("conv4", x)], "relu4")
    x = node("Relu", [node("Add", [conv("conv5", x), x], "add5")], "relu5")
    x = node("Flatten", [node("GlobalAveragePool", [x], "pool")], "flat", axis=1)
    nodes.append(helper.make_node("Gemm", [x, param("fc.weight", net.fc.weight),
                                           param("fc.bias", net.fc.bias)],
                                  ["output"], name="fc", transB=1))
    graph = helper.make_graph(
        nodes, "fashion_cnn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 10])], params)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)],
                              producer_name="mico-sweep train_fashion.py")
    model.ir_version = 7
    helper.set_model_props(model, {
        "preprocess_mul": repr(float(np.float32(1 / 255))), "preprocess_add": "0",
        "preprocess_raw": "u8 0..255", "dataset": "Fashion-MNIST",
        "fp32_correct": f"{correct} of 10000"})
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    network = train()
    right = test_accuracy(network)
    print(f"test: {right} of 10000 correct")
    export(network, sys.argv[1], right)
