#!/usr/bin/python3
"""Prints how many records of a type (default 5: results) a journal holds: journal.py FILE [TYPE]

Layout: docs/FORMAT.md. A torn tail, as of a running writer, is not counted.
"""
import struct
import sys

with open(sys.argv[1], "rb") as f:
    data = f.read()
wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 5
at, found = 12, 0
while at + 20 <= len(data):
    length, kind = struct.unpack_from("<II", data, at)
    at += 20 + length
    found += at <= len(data) and kind == wanted
print(found)
