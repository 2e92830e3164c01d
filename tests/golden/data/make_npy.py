#!/usr/bin/env python3
"""Writes the small .npy and .npz files beside it and values.txt, what numpy says they hold.

Run in this folder: python3 make_npy.py (numpy 1.24). Only values.txt is text, so it is the
file that names program, version and command in its first line."""
import io
import zipfile

import numpy

ROWS = []


def note(file, name, array):
    dims = " ".join(str(d) for d in array.shape)
    flat = array.astype(array.dtype.newbyteorder("=")).ravel(order="C")
    if array.dtype.kind != "f":
        values = " ".join(str(int(v)) for v in flat)
    elif array.dtype.itemsize == 2:  # their bits: C has no type for them
        values = " ".join(str(int(v)) for v in flat.view("u2"))
    else:
        values = " ".join("%.17g" % float(v) for v in flat)
    ROWS.append(f"{file} {name} {array.dtype.kind} {array.dtype.itemsize} "
                f"{array.ndim} {dims} {values}")


def save(file, array, version=None):
    with open(file, "wb") as f:
        numpy.lib.format.write_array(f, array, version=version)
    note(file, "-", array)


def main():
    rng = numpy.random.default_rng(1)
    for t in "u1 u2 u4 u8 i1 i2 i4 i8".split():
        info = numpy.iinfo(t)
        a = numpy.array([[info.min, info.max, 0], [1, 2, 100]], dtype="<" + t)
        save(t + ".npy", a)
    for t in "f2 f4 f8".split():
        a = rng.standard_normal((2, 1, 3)).astype("<" + t)
        a[0, 0, 0] = numpy.finfo(t).max
        a[0, 0, 1] = numpy.finfo(t).tiny / 4
        a[0, 0, 2] = -0.5
        save(t + ".npy", a)
    save("big_i4.npy", numpy.arange(-3, 3, dtype=">i4").reshape(3, 2))
    save("big_f8.npy", numpy.array([1.5, -2.25], dtype=">f8"))
    save("version2.npy", numpy.arange(5, dtype="<u2"), (2, 0))
    save("version3.npy", numpy.arange(5, dtype="<u2"), (3, 0))
    numpy.save("fortran.npy", numpy.asfortranarray(numpy.eye(3, dtype="<f4")))
    numpy.save("bool.npy", numpy.array([True, False]))
    numpy.save("complex.npy", numpy.array([1j], dtype="<c8"))
    numpy.save("record.npy", numpy.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
    numpy.save("scalar.npy", numpy.array(7.0))

    x = (numpy.arange(4 * 2 * 3) * 7 % 256).astype("u1").reshape(4, 2, 3)
    y = numpy.array([1, 2, 1, 3], dtype="<i8")
    numpy.savez("stored.npz", x=x, y=y)
    note("stored.npz", "x", x)
    note("stored.npz", "y", y)
    packed = dict(x_train=x[:3].astype("<f8") / 4, y_train=y[:3], x_test=x[3:].astype("<f8"),
                  y_test=numpy.array([[1]], dtype="u1"))
    numpy.savez_compressed("packed.npz", **packed)
    for name, array in packed.items():
        note("packed.npz", name, array)
    with zipfile.ZipFile("bzip2.npz", "w", zipfile.ZIP_BZIP2) as z:
        f = io.BytesIO()
        numpy.save(f, x)
        info = zipfile.ZipInfo("x.npy", (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_BZIP2
        z.writestr(info, f.getvalue())
    with open("values.txt", "w") as f:
        f.write(f"# made by make_npy.py with numpy {numpy.__version__}: python3 make_npy.py\n")
        f.write("# file array kind bytes rank dimensions... values...\n")
        f.write("\n".join(ROWS) + "\n")


main()
