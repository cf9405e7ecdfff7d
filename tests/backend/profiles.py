# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour profiles (ICC, version 2) of three primaries and one gamma, as bytes."""

import struct

import numpy as np
import OpenImageIO

ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))  # XYZ under D50
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
D50 = (0.9642, 1.0, 0.8249)


def profile(primaries=ADOBE_RGB, gamma=2.2, name=b"Wide"):
    said = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + bytes(1 + 4 + 4 + 2 + 1 + 67)
    tags = {b"desc": said, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": _place(D50)}
    tags |= {channel + b"XYZ": _place(place) for channel, place in zip((b"r", b"g", b"b"), primaries, strict=True)}
    tags |= {c + b"TRC": b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) for c in (b"r", b"g", b"b")}
    table, data = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(tag))
        data += tag + bytes(-len(tag) % 4)
    head = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(data), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return head.ljust(128, b"\0") + table + data


def embedded(pixels, data=None):
    """What a file of these texels says of itself: that it has the profile."""
    height, width, channels = pixels.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, str(pixels.dtype))
    values = np.frombuffer(profile() if data is None else data, np.uint8)
    spec.attribute("ICCProfile", OpenImageIO.TypeDesc(f"uint8[{len(values)}]"), values)
    return spec


def _place(xyz):
    return b"XYZ " + bytes(4) + _fixed(xyz)


def _fixed(values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
