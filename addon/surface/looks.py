# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one look of a material from another, so that what looks the same is baked once."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator

import bpy

from ...backend.protocol.errors import BadFile
from ..nodes.fingerprint import fingerprint
from ..pixels import images, reading
from .channels import used_images

PLACED = {
    "ShaderNodeNewGeometry",
    "ShaderNodeObjectInfo",
    "ShaderNodeVectorTransform",
    "ShaderNodeCameraData",
    "ShaderNodeTexCoord",
}


Steps = Generator[Callable[[], object], object, str]


def digest(material: bpy.types.Material) -> Steps:
    """A hexadecimal digest that changes with the material's nodes and with the pixels of its images, Sabi's own left out.

    In steps: checksums of pixels are yielded as callables for another thread, and their results sent back.
    """
    total = hashlib.blake2b(fingerprint(material).encode(), digest_size=16)
    for image in list(used_images(material.node_tree)):
        total.update((yield from _image_state(image)).encode())
    return total.hexdigest()


def sees_place(material: bpy.types.Material) -> bool:
    """Whether the material may look different where the object stands elsewhere."""
    return any(node.bl_idname in PLACED for node in _nodes(material.node_tree, set()))


def _nodes(tree: bpy.types.NodeTree, seen: set[str]) -> Iterator[bpy.types.Node]:
    for node in tree.nodes:
        yield node
        inner = getattr(node, "node_tree", None)
        if inner is not None and inner.name not in seen and "sabi_group" not in inner:
            seen.add(inner.name)
            yield from _nodes(inner, seen)


def _image_state(image: bpy.types.Image) -> Steps:
    """What tells one state of an image's pixels from another: its file's time where that decides, else the pixels' checksum."""
    state = [image.name_full, reading.facts(image).size, image.colorspace_settings.name, image.alpha_mode, image.source]
    path = images.file_of(image)
    if image.source in ("FILE", "TILED") and not image.is_dirty and image.packed_file is None and path is not None:
        files = list(images.tiles(image).values()) if image.source == "TILED" else [path]
        for file in files:
            if not file.exists():
                raise BadFile(
                    f"The image '{image.name}' is missing on disk ({file}).", "Find it with File > External Data."
                )
            facts = file.stat()
            state += [str(file), facts.st_size, facts.st_mtime_ns]
    elif image.packed_file is not None and not image.is_dirty:
        packed = image.packed_file.data
        state.append((yield lambda: hashlib.blake2b(packed, digest_size=16).hexdigest()))
    elif min(state[1]) > 0:
        count = len(image.pixels)
        values = yield lambda: images.blank(count)
        image.pixels.foreach_get(values)
        state.append((yield lambda: zlib.crc32(values)))
    return repr(state)
