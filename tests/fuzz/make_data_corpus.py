#!/usr/bin/env python3
"""Writes the seeds of fuzz_idx and fuzz_npz: corpus/idx/* and corpus/npz/*.

Run in this folder: python3 make_data_corpus.py (numpy)."""
import io
import os
import struct
import zipfile

import numpy


def write(folder, name, data):
    os.makedirs(os.path.join("corpus", folder), exist_ok=True)
    with open(os.path.join("corpus", folder, name), "wb") as f:
        f.write(data)


def idx(code, dims, values):
    return bytes([0, 0, code, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + values


def npy(array, version=None):
    f = io.BytesIO()
    numpy.lib.format.write_array(f, array, version=version)
    return f.getvalue()


def npz(method, **arrays):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", method) as z:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            z.writestr(info, npy(array))
    return f.getvalue()


def main():
    for code, size in ((8, 1), (9, 1), (11, 2), (12, 4), (13, 4), (14, 8)):
        write("idx", f"type{code:02x}", idx(code, (3, 2), bytes(range(6 * size))))
    write("idx", "rank1", idx(8, (5,), b"abcde"))
    write("idx", "rank4", idx(9, (1, 2, 2, 1), b"abcd"))
    write("idx", "overflow", idx(14, (2**31, 2**31, 4, 1), b""))

    for kind in ("u1", "<i2", ">i4", "<u8", "<f2", "<f4", ">f8"):
        write("npz", "npy-" + kind.strip("<>"), b"\0" + npy(numpy.arange(6).reshape(2, 3).astype(kind)))
    write("npz", "npy-v2", b"\0" + npy(numpy.arange(3, dtype="u1"), (2, 0)))
    write("npz", "npy-fortran", b"\0" + npy(numpy.asfortranarray(numpy.eye(2))))
    write("npz", "npy-record", b"\0" + npy(numpy.zeros(1, dtype=[("x", "<f4")])))
    x = numpy.zeros((2, 40), dtype="u1")
    write("npz", "npz-stored", b"\1" + npz(zipfile.ZIP_STORED, x=x[:, :4], y=x[:, 0]))
    write("npz", "npz-deflated", b"\1" + npz(zipfile.ZIP_DEFLATED, x=x))
    write("npz", "npz-bzip2", b"\1" + npz(zipfile.ZIP_BZIP2, x=x))


main()
