#!/usr/bin/python3
"""Writes fake_golden.txt: upstream's fake quantisation by NumPy, for test_eval_fake.

Written from the formulas of MiCo-python (MiCoQLayers.py) alone, in float32 and in their order
of operations. Run:  /usr/bin/python3 make_fake_golden.py > fake_golden.txt
With "--torch" (a Python that has torch) nothing is written: every number is computed again
by torch operators and the largest differences are printed.

Contents, one record a line:
    weights WIDTH N hex...       quantised float32 bits of the numbers w(1, 0..N-1)
    acts WIDTH ROWS N hex...     the same of rows of x(2, ...), one scale a row
    salt S                       of the network's parameters
    logits W A IMAGE v...        of the network at weight width W, activation width A
"""
import datetime
import sys

import numpy as np

WIDTHS = ["1", "t", "2", "3", "4", "5", "6", "7", "8"]
EPS = np.float32(1e-5)
F = np.float32
CHECKED = ("torch 2.13.0+cpu differs by at most 1.2e-7 in weights, 2.4e-7 in activations and"
           " 2e-5 in logits (--torch)")


def number(salt, i):
    """A value in [-2, 2), a multiple of 1/512 (so that sums are exact)."""
    v = (i * 2654435761 + salt * 40503) % 2**32
    v ^= v >> 15
    v = v * 2246822519 % 2**32
    v ^= v >> 13
    return F((v % 2048 - 1024) / 512)


def numbers(salt, *shape):
    n = int(np.prod(shape))
    return np.array([number(salt, i) for i in range(n)], F).reshape(shape)


def mean(x, axis=None):
    return np.mean(np.abs(x).astype(np.float64), axis=axis, keepdims=True).astype(F)


def quantise_weights(w, width):
    if width == "1":
        return np.sign(w) * np.maximum(mean(w), EPS)
    if width == "t":
        m = np.maximum(mean(w), EPS)
        return np.clip(np.rint(w / m), F(-1), F(1)) * m
    q = F(2 ** (int(width) - 1))
    stat = mean(w) if width == "2" else np.max(np.abs(w), keepdims=True)
    k = (q - F(1)) / np.maximum(stat, EPS)
    return np.clip(np.rint(w * k), -q, q - F(1)) * (F(1) / k)


def quantise_acts(x, width, axis, margins=None):
    m, top = mean(x, axis), np.max(np.abs(x), axis=axis, keepdims=True)
    if width == "1":
        y = np.sign(x) * m
        if margins is not None:
            near = np.abs(x[x != 0])
            margins.append(near.min() if near.size else 1.0)
        return np.where(y == 0, -m, y)
    if width in ("t", "2"):
        m = np.maximum(m, EPS)
        scaled, lo, hi = x / m, F(-1 if width == "t" else -2), F(1)
        y = np.clip(np.rint(scaled), lo, hi) * m
    else:
        q = F(2 ** (int(width) - 1))
        k = (q - F(1)) / np.maximum(top, EPS)
        scaled = x * k
        y = np.clip(np.rint(scaled), -q, q - F(1)) / k
    if margins is not None:  # distance to the nearest rounding boundary, relative
        size = np.maximum(np.abs(scaled), F(1))
        margins.append((np.abs(scaled - np.floor(scaled) - F(0.5)) / size).min())
    assert y.dtype == F
    return y


def conv(x, w, b, stride, pad, groups):
    """x (C,H,W); sums in double, one rounding."""
    c_out, depth, kh, kw = w.shape
    x = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad)))
    oh, ow = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    y = np.zeros((c_out, oh, ow))
    for o in range(c_out):
        first = o // (c_out // groups) * depth
        for i in range(oh):
            for j in range(ow):
                box = x[first:first + depth, i * stride:i * stride + kh,
                        j * stride:j * stride + kw]
                y[o, i, j] = np.sum(box * w[o]) + b[o]
    return y.astype(F)


class Net:
    """conv 2->4 3x3 pad 1, relu, depthwise 3x3 stride 2, relu, flatten, linear 16->5."""

    def __init__(self, salt):
        self.w = [numbers(salt + 3, 4, 2, 3, 3), numbers(salt + 4, 4, 1, 3, 3),
                  numbers(salt + 5, 5, 16)]
        self.b = [numbers(salt + 6, 4), numbers(salt + 7, 4), numbers(salt + 8, 5)]
        self.images = numbers(salt + 9, 3, 2, 5, 6)

    def run(self, image, width_w, width_a, margins):
        w = [quantise_weights(v, width_w) for v in self.w]
        x = quantise_acts(image, width_a, (1, 2), margins)
        x = np.maximum(conv(x, w[0], self.b[0], 1, 1, 1), F(0))
        x = quantise_acts(x, width_a, (1, 2), margins)
        x = np.maximum(conv(x, w[1], self.b[1], 2, 0, 4), F(0)).reshape(1, -1)
        x = quantise_acts(x, width_a, 1, margins)[0].astype(np.float64)
        return w[2].astype(np.float64) @ x + self.b[2]


def bits(x):
    return " ".join("%08x" % v for v in np.ascontiguousarray(x, F).view(np.uint32).ravel())


def make():
    """A salt for which no hidden activation is so near to a rounding boundary that another
    order of float sums could move it to the other side."""
    for salt in range(100, 200):
        net, margins, out = Net(salt), [], []
        for w in WIDTHS:
            for a in WIDTHS:
                for i in range(3):
                    out.append((w, a, i, net.run(net.images[i], w, a, margins)))
        if min(margins) > 1e-5:
            return salt, out
    sys.exit("no salt keeps away from the rounding boundaries")


def main():
    stamp = datetime.date.today().isoformat()
    print("# make_fake_golden.py, NumPy %s, Python %d.%d, %s: /usr/bin/python3 "
          "make_fake_golden.py > fake_golden.txt; %s"
          % (np.__version__, *sys.version_info[:2], stamp, CHECKED))
    for width in WIDTHS:
        print("weights", width, 60, bits(quantise_weights(numbers(1, 60), width)))
    print("acts_zero 1 1 3", bits(quantise_acts(np.zeros((1, 3), F), "1", 1)))
    for width in WIDTHS:
        print("acts", width, 6, 20, bits(quantise_acts(numbers(2, 6, 20), width, 1)))
    salt, logits = make()
    print("salt", salt)
    for w, a, i, v in logits:
        print("logits", w, a, i, " ".join("%.9g" % x for x in v))


def check_torch():
    import torch
    import torch.nn.functional as nn

    def weights(w, width):
        m = torch.clamp(w.abs().mean(), min=1e-5)
        if width == "1":
            return torch.sign(w) * m
        if width == "t":
            return torch.clamp(torch.round(w / m), -1, 1) * m
        q = 2 ** (int(width) - 1)
        k = (q - 1) / (m if width == "2" else torch.clamp(w.abs().max(), min=1e-5))
        return torch.clamp(torch.round(w * k), -q, q - 1) * (1 / k)

    def acts(x, width, dims):
        m = x.abs().mean(dim=dims, keepdim=True)
        if width == "1":
            y = torch.sign(x) * m
            return torch.where(y == 0, -m, y)
        if width in ("t", "2"):
            m = torch.clamp(m, min=1e-5)
            return torch.clamp(torch.round(x / m), -1 if width == "t" else -2, 1) * m
        q = 2 ** (int(width) - 1)
        k = (q - 1) / torch.clamp(x.abs().amax(dim=dims, keepdim=True), min=1e-5)
        return torch.clamp(torch.round(x * k), -q, q - 1) / k

    worst = [0.0, 0.0, 0.0]
    t = torch.from_numpy
    for width in WIDTHS:
        w, x = numbers(1, 60), numbers(2, 6, 20)
        worst[0] = max(worst[0], np.abs(weights(t(w), width).numpy()
                                        - quantise_weights(w, width)).max())
        worst[1] = max(worst[1], np.abs(acts(t(x), width, (1,)).numpy()
                                        - quantise_acts(x, width, 1)).max())
    salt, logits = make()
    net = Net(salt)
    for ww, aw, i, want in logits:
        w = [weights(t(v), ww) for v in net.w]
        b = [t(v) for v in net.b]
        x = t(net.images[i:i + 1])
        x = torch.relu(nn.conv2d(acts(x, aw, (2, 3)), w[0], b[0], 1, 1))
        x = torch.relu(nn.conv2d(acts(x, aw, (2, 3)), w[1], b[1], 2, 0, 1, 4)).flatten(1)
        x = nn.linear(acts(x, aw, (1,)), w[2], b[2])[0]
        worst[2] = max(worst[2], np.abs(x.numpy() - want).max())
    print("torch %s: largest difference of weights %g, activations %g, logits %g"
          % (torch.__version__, *worst))


if __name__ == "__main__":
    check_torch() if "--torch" in sys.argv else main()
