# SPDX-License-Identifier: GPL-3.0-or-later
"""The safetensors format with numpy and json alone: a length, a JSON header, raw named arrays. Nothing is believed unchecked.

Bytes are: an unsigned 64-bit little-endian header length; a JSON object that maps each name to dtype, shape and data_offsets,
with free strings under "__metadata__"; then the arrays' bytes, one after another without gaps.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import BadMessage, BadSurface
from .painted import PaintedLayer
from .recipe import Recipe, recipe_from_dict
from .surface import ColorSpace, Map, Space, Surface, check_size

PROTOCOL_VERSION = 1
PROTOCOL_HEADER = "sabi-protocol"  # of every request and answer over HTTP
MAX_HEADER = 1 << 20
_TYPES = {"U8": "u1", "U16": "<u2", "F16": "<f2", "F32": "<f4"}
_NAMES = {np.dtype(v): k for k, v in _TYPES.items()}


def header(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """Length and header for `arrays`; send it, then each array's bytes in the same order."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, array in arrays.items():
        entries[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that float arrays lie aligned
    return len(text).to_bytes(8, "little") + text


def parts(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> list[bytes | memoryview]:
    """A message as buffers to send one after another; contiguous arrays are not copied."""
    return [
        header(arrays, metadata),
        *(np.ascontiguousarray(a).data.cast("B") for a in arrays.values() if a.nbytes),
    ]


def dumps(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """A message as one copy; `parts` makes none."""
    return b"".join(parts(arrays, metadata))


def header_size(start: bytes | memoryview) -> int:
    """The header's length from a message's first 8 bytes; raises BadMessage when it is missing or absurd."""
    if len(start) < 8:
        raise BadMessage("The message ends before its header.")
    size = int.from_bytes(bytes(start[:8]), "little")
    if not 2 <= size <= MAX_HEADER:
        raise BadMessage(
            f"The message claims a header of {size} bytes; at most {MAX_HEADER} are accepted.",
            "Check that both ends are Sabi of the same version; a recipe with several exemplars goes by POST /v1/jobs.",
        )
    return size


def loads(message: bytes | bytearray | memoryview | np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays (views into `message`, read-only when it is) and metadata. Raises BadMessage for anything that does not add up."""
    view = memoryview(message).cast("B")  # type: ignore[arg-type]  # arrays are buffers; numpy 1 does not say so
    described, metadata, start = read_header(view, len(view))
    body = view[start:]
    arrays = {
        name: np.frombuffer(body[begin:end], dtype).reshape(shape)
        for name, (dtype, shape, begin, end) in described.items()
    }
    return arrays, metadata


def read_header(
    start: bytes | memoryview, length: int
) -> tuple[dict[str, tuple[np.dtype, tuple[int, ...], int, int]], dict[str, str], int]:
    """What a message of `length` bytes says it holds, from its start alone, so that it can be refused before the rest is read.

    Returns name -> (type, shape, begin, end in the body), the metadata, and where the body begins. Raises BadMessage.
    """
    size = header_size(start[:8])
    if length < 8 + size:
        raise BadMessage("The message ends inside its header.")
    try:
        entries = json.loads(bytes(start[8 : 8 + size]))
    except (ValueError, RecursionError):
        raise BadMessage("The message's header is not JSON.") from None
    if not isinstance(entries, dict):
        raise BadMessage("The message's header is not a JSON object.")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise BadMessage("The message's metadata are not strings.")
    body, at, described = length - 8 - size, 0, {}
    for name, entry in sorted(entries.items(), key=lambda item: _begin(item[1])):
        dtype, shape, begin, end = _entry(name, entry)
        if begin != at or end - begin != dtype.itemsize * math.prod(shape) or end > body:
            raise BadMessage(f"The array '{name}' does not fit the message.")
        described[name] = dtype, shape, begin, end
        at = end
    if at != body:
        raise BadMessage(f"The message is {body - at} bytes longer than its arrays.")
    return described, metadata, 8 + size


def _begin(entry: Any) -> int:
    try:
        begin, end = entry["data_offsets"]
        return int(begin) if isinstance(begin, int) and isinstance(end, int) else -1
    except (TypeError, KeyError, ValueError):
        return -1


def _entry(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    try:
        dtype, shape, (begin, end) = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise BadMessage(f"The array '{name}' is described wrongly.") from None
    if len(shape) > 4 or not all(type(n) is int and 0 <= n <= 1 << 40 for n in (*shape, begin, end)):
        raise BadMessage(f"The array '{name}' is described wrongly.")
    return dtype, shape, begin, end


def digest(array: np.ndarray) -> str:
    """sha256 of an array's type, shape and bytes: what a map is called on the server."""
    array = np.ascontiguousarray(array)
    hashed = hashlib.sha256(f"{_NAMES[array.dtype.newbyteorder('<')]}{array.shape}".encode())
    hashed.update(array.data.cast("B"))
    return hashed.hexdigest()


def checked_digest(text: object) -> str:
    """A map's digest as it came over the wire. Raises BadMessage for what is none."""
    if not (isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")):
        raise BadMessage("A map's digest is not a sha256.")
    return text


def describe(surface: Surface, recipe: Recipe, digests: Mapping[str, str]) -> str:
    """A job as JSON, its maps named by digest."""
    return json.dumps(
        {
            "surface": {
                "maps": {
                    n: {"digest": digests[n], "color_space": m.color_space.value} for n, m in surface.maps.items()
                },
                "space": surface.space.value,
                "wrap": list(surface.wrap),
                "pose": list(surface.pose),
                "texels_per_metre": surface.texels_per_metre,
                "height_scale": surface.height_scale,
                "name": surface.name,
                "metadata": dict(surface.metadata),
            },
            "recipe": json.loads(recipe.to_json()),
        }
    )


def undescribe(text: str | bytes) -> tuple[dict[str, str], dict[str, Any], Recipe]:
    """Digests by map name, the surface's description for `build_surface`, and the recipe. Raises BadMessage or BadRecipe."""
    try:
        data = json.loads(text)
        surface = data["surface"]
        digests = {name: checked_digest(entry["digest"]) for name, entry in surface["maps"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadMessage("The job is not described as this version of Sabi expects.") from None
    return digests, surface, recipe_from_dict(data.get("recipe"))


def build_surface(description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Surface:
    """The surface that `describe` described, over these arrays by map name. Raises BadMessage or BadSurface."""
    try:
        for array in arrays.values():
            if array.ndim == 3:
                check_size(array.shape[0], array.shape[1])
        maps = {n: Map(arrays[n], ColorSpace(e["color_space"])) for n, e in description["maps"].items()}
        rest = {k: description[k] for k in ("texels_per_metre", "height_scale", "name")}
        return Surface(
            maps,
            Space(description["space"]),
            wrap=(bool(description["wrap"][0]), bool(description["wrap"][1])),
            pose=tuple(float(v) for v in description["pose"]),
            metadata={str(k): str(v) for k, v in description.get("metadata", {}).items()},
            **rest,
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise BadMessage("The surface is not described as this version of Sabi expects.") from None


def layers_to_arrays(layers: tuple[PaintedLayer, ...]) -> dict[str, np.ndarray]:
    """`layer0.thin`, `layer0.thick`, `layer0.growth`, `layer1.thin`, ..."""
    return {f"layer{i}.{name}": image for i, layer in enumerate(layers) for name, image in layer.images().items()}


def layers_from_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[PaintedLayer, ...]:
    """The layers that `layers_to_arrays` named; other arrays are passed over. Raises BadSurface: none, or one not whole."""
    layers: list[PaintedLayer] = []
    while any(name.startswith(f"layer{len(layers)}.") for name in arrays):
        prefix = f"layer{len(layers)}."
        layers.append(
            PaintedLayer.from_images({n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)})
        )
    if not layers:
        raise BadSurface("The result holds no painted layers.")
    return tuple(layers)
