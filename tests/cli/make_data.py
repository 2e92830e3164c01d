#!/usr/bin/python3
"""Files for the command-line tests, good and bad. Only Python's own library.

    make_data.py images FOLDER FASHION   600 training and 200 test images of 28x28 as IDX
    make_data.py broken FOLDER NET       files that no reader may accept
"""
import gzip
import os
import random
import struct
import sys


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def idx3(images, count=None):
    count = len(images) // 784 if count is None else count
    return struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28) + images


def idx1(labels, count=None):
    return struct.pack(">4BI", 0, 0, 8, 1, len(labels) if count is None else count) + labels


def first(path, offset, count):
    """Reads no more of a packed file than is asked for."""
    with gzip.open(path) as f:
        return f.read(offset + count)[offset:]


def patterns(seed, count):
    """Ten kinds of stripes with noise: not real, but different from each other."""
    r = random.Random(seed)
    labels = bytes(r.randrange(10) for _ in range(count))
    images = bytearray()
    for label in labels:
        for y in range(28):
            for x in range(28):
                stripe = (x * (label % 5 + 1) + y * (label // 5 + 1)) // 6 % 2
                images.append(min(255, 180 * stripe + r.randrange(60)))
    return bytes(images), labels


def make_images(folder, fashion):
    os.makedirs(folder)
    for name, count, seed in (("train", 600, 1), ("t10k", 200, 2)):
        packed = "%s/%s-images-idx3-ubyte.gz" % (fashion, name)
        if os.path.exists(packed):
            images = first(packed, 16, count * 784)
            labels = first("%s/%s-labels-idx1-ubyte.gz" % (fashion, name), 8, count)
        else:
            images, labels = patterns(seed, count)
        write("%s/%s-images-idx3-ubyte" % (folder, name), idx3(images))
        write("%s/%s-labels-idx1-ubyte" % (folder, name), idx1(labels))


def npy(descr, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def make_broken(folder, net):
    os.makedirs(folder)
    r = random.Random(7)
    at = folder + "/"
    write(at + "text", b"There is no network in here, only words.\n" * 20)
    write(at + "picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(500))
    write(at + "noise", bytes(r.randrange(256) for _ in range(4096)))
    write(at + "hdf5.h5", b"\x89HDF\r\n\x1a\n" + bytes(r.randrange(256) for _ in range(2000)))
    write(at + "empty", b"")
    with open(net, "rb") as f:
        model = f.read()
    for part in (1, 3, 10, 25, 50, 75, 99):
        write(at + "cut%02d.onnx" % part, model[:len(model) * part // 100])
    write(at + "cut-one.onnx", model[:-1])

    images, labels = patterns(3, 20)
    sets = {
        "wide": (idx3(images, 1 << 31), idx1(labels)),         # counts that nothing backs
        "short": (idx3(images, 21), idx1(labels, 21)),
        "long": (idx3(images, 19), idx1(labels, 19)),
        "unequal": (idx3(images), idx1(labels[:-1])),
        "none": (idx3(b"", 0), idx1(b"", 0)),
        "label": (idx3(images), idx1(labels[:-1] + b"\x0a")),  # the network has 10 outputs
        "type": (b"\0\0\x08\x04" + idx3(images)[4:], idx1(labels)),
    }
    for name, (x, y) in sets.items():
        write(at + name + "-images", x)
        write(at + name + "-labels", y)
    write(at + "cut-images.gz", gzip.compress(idx3(images))[:-200])
    write(at + "good-labels", idx1(labels))
    write(at + "good-images", idx3(images))
    flat = struct.pack("<784f", *(0.5,) * 784)
    write(at + "nan-x.npy", npy("<f4", "(2, 1, 28, 28)",
                                flat + flat[:400] + struct.pack("<f", float("nan")) + flat[404:]))
    write(at + "two-y.npy", npy("<i8", "(2,)", struct.pack("<2q", 1, 2)))
    write(at + "half-y.npy", npy("<f4", "(2,)", struct.pack("<2f", 1, 2.5)))
    write(at + "colour-x.npy", npy("|u1", "(2, 3, 32, 32)", bytes(2 * 3072)))
    write(at + "python-x.npy", npy("|O", "(2,)", bytes(64)))
    os.makedirs(at + "cifar")
    for name in ("data_batch_1.bin", "test_batch.bin"):
        write(at + "cifar/" + name, bytes(20 * 3073))
    os.makedirs(at + "folder")


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "images":
        make_images(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 4 and sys.argv[1] == "broken":
        make_broken(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)


main()
