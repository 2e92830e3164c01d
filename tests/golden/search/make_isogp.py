"""Writes isogp.txt: Gaussian processes computed by matrix inversion, for test_search_isogp.

    python3 make_isogp.py > isogp.txt

Cases: kernel, points, dimensions, test points, length, variance, noise; rows of
coordinates and y; log likelihood, mean; rows of test coordinates, mean, variance.
"""
import sys

import numpy as np


def kernel(name, a, b, length, variance):
    r = np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(2)) / length
    if name == "gauss":
        return variance * np.exp(-0.5 * r * r)
    t = np.sqrt(5.0) * r
    return variance * (1 + t + t * t / 3) * np.exp(-t)


def case(name, rng, n, d, n_test, length, variance, noise):
    x = np.unique(rng.integers(4, 9, size=(4 * n, d)), axis=0)
    x = rng.permutation(x)[: n + n_test].astype(float)
    y = 0.8 + 0.02 * x[:n].mean(1) + 0.01 * rng.standard_normal(n)
    x, test = x[:n], x[n:]
    k = kernel(name, x, x, length, variance) + noise * np.eye(n)
    inverse = np.linalg.inv(k)
    one = np.ones(n)
    mean = 0.0 if name == "gauss" else one @ inverse @ y / (one @ inverse @ one)
    rest = y - mean
    likelihood = (-0.5 * rest @ inverse @ rest - 0.5 * np.linalg.slogdet(k)[1]
                  - 0.5 * n * np.log(2 * np.pi))
    cross = kernel(name, test, x, length, variance)
    means = mean + cross @ inverse @ rest
    variances = variance - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    print(name, n, d, len(test), repr(length), repr(variance), repr(noise))
    for row, value in zip(x, y):
        print(*row, repr(float(value)))
    print(repr(float(likelihood)), repr(float(mean)))
    for row, m, v in zip(test, means, variances):
        print(*row, repr(float(m)), repr(float(v)))


def main():
    rng = np.random.default_rng(5)
    print(f"made by make_isogp.py with numpy {np.__version__} "
          f"(Python {sys.version.split()[0]}): python3 make_isogp.py > isogp.txt")
    case("matern", rng, 1, 2, 3, 2.0, 0.7, 0.1)
    case("matern", rng, 12, 4, 6, 3.5, 0.02, 1e-3)
    case("matern", rng, 60, 10, 9, 1.25, 0.5, 1e-4)
    case("gauss", rng, 10, 3, 6, 1.0, 1.0, 1e-10)
    case("gauss", rng, 40, 8, 6, 1.0, 1.0, 1e-10)


main()
