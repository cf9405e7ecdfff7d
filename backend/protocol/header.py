# SPDX-License-Identifier: GPL-3.0-or-later
"""What an ONNX file says before it is loaded: its opsets and metadata, read from the protobuf without loading the graph.

onnxruntime's Python API tells no opset, and loading is slow and trusts the file; this walks the outermost message only.
Fields of ModelProto (onnx.proto): 7 graph, 8 opset_import {1 domain, 2 version}, 14 metadata_props {1 key, 2 value}.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import NetworkError

CARD_KEY = "sabi.card"  # of the metadata entry in which a network says of itself what it is
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Header:
    opsets: dict[str, int] = field(default_factory=dict)  # domain -> version, "" is ONNX's own
    metadata: dict[str, str] = field(default_factory=dict)
    has_graph: bool = False


def read_header(model: bytes) -> Header:
    """Raises NetworkError when `model` is not an ONNX file or is cut short."""
    opsets, metadata, has_graph = {}, {}, False
    for number, value in _fields(memoryview(model)):
        if number == 7:
            has_graph = isinstance(value, memoryview)
        elif number == 8:
            entry = dict(_fields(_message(value)))
            opsets[_text(entry.get(1, memoryview(b"")))] = _integer(entry.get(2, 0))
        elif number == 14:
            entry = dict(_fields(_message(value)))
            metadata[_text(entry.get(1, memoryview(b"")))] = _text(entry.get(2, memoryview(b"")))
    if not has_graph or not opsets:
        raise _not_onnx()
    return Header(opsets, metadata, has_graph)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            integer, at = _varint(data, at)
            yield number, integer
        elif kind == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise _not_onnx()
            yield number, data[at : at + length]
            at += length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise _not_onnx()


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise _not_onnx()
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _not_onnx()


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise _not_onnx()
    return value


def _integer(value: memoryview | int) -> int:
    if not isinstance(value, int):
        raise _not_onnx()
    return value


def _text(value: memoryview | int) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError:
        raise _not_onnx() from None


def _not_onnx() -> NetworkError:
    return NetworkError("The file is not an ONNX network, or it is damaged.")
