#!/usr/bin/env python3
"""Golden numbers of the quantisers (docs/INTEGER.md sections 2 and 3), computed with numpy.

    /usr/bin/python3 make_quantize.py > quantize.txt

Lines (numbers in hexadecimal floating point where they are not integers):
    weights NAME N w...
    w WIDTH RULE SCALE q...            of the weights above; RULE 0 mse, 1 mico
    seen NAME MIN MAX MEAN BIN_WIDTH N bin:count...
    a WIDTH SIGNED RULE SCALE          RULE 0 mse, 1 max, 2 percentile (0.999)
    x WIDTH SIGNED SCALE N x:q...      single activations
"""
import math
import sys

import numpy as np

EPS = 1e-5
BINS = 4096
WIDTHS = ["1", "t", "2", "3", "4", "5", "6", "7", "8"]


def limits(width, signed=True):
    if width == "t":
        return (-1, 1) if signed else (0, 2)
    n = int(width)
    if n == 1:
        return (-1, 1) if signed else (0, 1)
    return (-(2 ** (n - 1)), 2 ** (n - 1) - 1) if signed else (0, 2**n - 1)


def running(values):
    """Left-to-right sum in double precision."""
    return float(np.cumsum(np.asarray(values, dtype=np.float64))[-1])


def quantize_weights(w, width, scale):
    if width == "1":
        return np.where(w >= 0, 1, -1)
    lo, hi = limits(width)
    return np.clip(np.rint(w / scale), lo, hi).astype(int)


def mico_scale(w, width):
    if width in ("1", "t", "2"):
        return max(running(np.abs(w)) / len(w), EPS)
    return max(float(np.max(np.abs(w))), EPS) / limits(width)[1]


def mse_scale(w, width):
    def error(s):
        e = w - s * quantize_weights(w, width, s)
        return running(e * e)

    best = mico_scale(w, width)
    if width == "1":
        return best
    least = error(best)
    full = max(float(np.max(np.abs(w))), EPS) / limits(width)[1]
    for k in range(100, 0, -1):
        s = full * k / 100
        if error(s) < least:
            least, best = error(s), s
    return best


def act_scale(seen, width, signed, rule):
    lo, top = limits(width, signed)
    peak = max(abs(seen["min"]), abs(seen["max"]))
    counts = seen["bins"].astype(np.float64)
    if peak == 0:
        return EPS
    if signed and (width == "1" or (width in ("t", "2") and rule != 0)):
        return max(seen["mean"], EPS)
    if rule == 1:
        return max(peak, EPS) / top
    if rule == 2:
        below = np.cumsum(counts)
        i = int(np.argmax(below >= 0.999 * below[-1]))
        return max(min((i + 1) * seen["width"], peak), EPS) / top

    centre = (np.arange(BINS) + 0.5) * seen["width"]

    def moment(values):
        return np.concatenate([[0.0], np.cumsum(values)])

    n, x, xx = moment(counts), moment(counts * centre), moment(counts * centre * centre)

    def error(s):
        total, first = 0.0, 0
        for q in range(top + 1):
            last = BINS
            if q < top:
                last = math.floor((q + 0.5) * s / seen["width"] - 0.5)
                last = min(max(last + 1, 0), BINS)
            v = q * s
            total += ((xx[last] - xx[first]) - 2 * v * (x[last] - x[first])
                      + v * v * (n[last] - n[first]))
            first = last
            if first == BINS:
                break
        return total

    def scale(k):
        return max(peak * k / 1024, EPS) / top

    least, best = math.inf, 1024
    for k in range(1024, 15, -16):
        if error(scale(k)) < least:
            least, best = error(scale(k)), k
    for k in range(best + 15, best - 16, -1):
        if 1 <= k <= 1024 and error(scale(k)) < least:
            least, best = error(scale(k)), k
    return scale(best)


def observe(x):
    x = np.asarray(x, dtype=np.float64)
    peak = float(np.max(np.abs(x)))
    width = peak / BINS if peak > 0 else 1.0
    i = np.minimum((np.abs(x) / width).astype(int), BINS - 1)
    return {"min": float(x.min()), "max": float(x.max()), "mean": running(np.abs(x)) / len(x),
            "width": width, "bins": np.bincount(i, minlength=BINS)}


def print_weights(name, w):
    w = np.asarray(w, dtype=np.float32).astype(np.float64)
    print("weights", name, len(w), *[float(v).hex() for v in w])
    for width in WIDTHS:
        for rule, scale_of in enumerate((mse_scale, mico_scale)):
            s = scale_of(w, width)
            print("w", width, rule, s.hex(), *quantize_weights(w, width, s))


def print_seen(name, x):
    seen = observe(x)
    full = [f"{i}:{c}" for i, c in enumerate(seen["bins"]) if c > 0]
    print("seen", name, seen["min"].hex(), seen["max"].hex(), seen["mean"].hex(),
          seen["width"].hex(), len(full), *full)
    for width in WIDTHS:
        for signed in (1, 0):
            for rule in (0, 1, 2):
                print("a", width, signed, rule, act_scale(seen, width, signed, rule).hex())


def print_activations(rng):
    for width in WIDTHS:
        for signed in (1, 0):
            lo, hi = limits(width, signed)
            scale = float(rng.uniform(0.01, 2))
            x = rng.normal(0, 0.7 * hi * scale, 40)
            # exact ties at a power-of-two scale, and zero
            if width != "1":
                scale = 0.25
                x = np.concatenate([x, (np.arange(-9, 10) + 0.5) * scale, [0.0]])
            else:
                x = np.concatenate([x, [0.0, 1e-30, -1e-30, scale / 2]])
            if width == "1" and signed:
                q = np.where(x > 0, 1, -1)
            else:
                q = np.clip(np.rint(x / scale), lo, hi).astype(int)
            print("x", width, signed, scale.hex(), len(x),
                  *[f"{float(v).hex()}:{i}" for v, i in zip(x, q)])


def main():
    rng = np.random.default_rng(20240611)
    print(f"# made by make_quantize.py with numpy {np.__version__}, Python "
          f"{sys.version.split()[0]}: /usr/bin/python3 make_quantize.py > quantize.txt")
    print_weights("normal", rng.normal(0, 0.1, 64))
    print_weights("laplace", rng.laplace(0, 0.02, 48))
    print_weights("uniform", rng.uniform(-1, 1, 33))
    print_weights("outlier", np.concatenate([rng.normal(0, 0.01, 40), [3.0]]))
    print_weights("one_sided", rng.uniform(-0.5, 0.01, 30))
    print_weights("zeros", np.zeros(9))
    print_weights("single", [-0.75])
    print_weights("ties", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, -3.5, 127.0, 0.0]))
    print_weights("tiny", rng.normal(0, 1e-7, 20))
    print_seen("relu", np.maximum(rng.normal(0, 1, 4000), 0))
    print_seen("normal", rng.normal(0.3, 2, 3000))
    print_seen("heavy", rng.standard_t(2, 3000) * 0.01)
    print_seen("uniform", rng.uniform(0, 6, 2000))
    print_seen("constant", np.full(100, 2.5))
    print_seen("zeros", np.zeros(10))
    print_seen("image", rng.integers(0, 256, 3000) / 255)
    print_activations(rng)


main()
