# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes that an artist has painted over Sabi's images: found, and laid on the images that take their place.

An image notes the length and the digest of the file that Sabi wrote (WRITTEN): where it is another, or has unsaved changes, it
was painted on. What was painted is where it differs from what Sabi wrote, which is kept beside it (BARE) from when strokes are
first saved or carried. Where that is no longer known, the painted image itself goes on showing. Images that were painted on are
never removed: what has no place any more stays in the file, the artist's own.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.painted import CHANNELS
from ..nodes import on_object
from ..nodes.on_object import BARE, WRITTEN
from . import images


def written(path: Path) -> Generator[Callable[[], object], object, str]:
    """What `note` keeps of a file that Sabi has written, or of the files of tiles, found out in a step for another thread."""
    return (yield lambda: _described(*(file.read_bytes() for file in images.files_of(path) if file.is_file())))


def note(image: bpy.types.Image, file: str) -> None:
    """Remembers what an image's file is as Sabi wrote it, by `written`."""
    image[WRITTEN] = file


def painted_on(image: bpy.types.Image) -> bool:
    """Whether anyone has painted on an image since Sabi wrote it. Quick: of what was saved it looks at the length alone."""
    written = image.get(WRITTEN)
    if written is None:
        return False
    length = int(written.split()[0])  # 0 for tiles of an older Sabi, which did not look
    return BARE in image or image.is_dirty or (length > 0 and _size(image) != length)


def carry(old: bpy.types.Image, new: bpy.types.Image) -> bool:
    """Lays what was painted on `old` on `new`, whatever their sizes. False, with nothing done, where that cannot be told."""
    bare = old.get(BARE) or _as_written(old)
    if bare is None or new.source == "TILED":
        return False
    painted, before = _pixels(old), _pixels(bare)
    if BARE not in old:
        bpy.data.images.remove(bare)
    touched = (painted != before).any(axis=2)
    if touched.any():
        new[BARE] = _as_written(new)
        values = _pixels(new)
        (height, width), (rows, columns) = values.shape[:2], painted.shape[:2]
        here = np.ix_(np.arange(height) * rows // height, np.arange(width) * columns // width)
        values[touched[here]] = painted[here][touched[here]]
        new.pixels.foreach_set(values.reshape(-1))
        new.update()
        save(new)
    old.pop(WRITTEN)  # it may go
    return True


def carry_all(obj: bpy.types.Object, effects: Sequence[str], made: Sequence[bpy.types.Image]) -> list[bpy.types.Image]:
    """The images to show in place of an object's: `made`, three for each layer of these effects, with its strokes laid on.

    A layer's strokes follow it by its effect. Where they cannot be told from the rest, the painted image stands in for the new.
    """
    applied = on_object.weathered(obj)
    return list(made) if applied is None else carry_from(on_object.group_node(applied.materials[0]), effects, made)


def carry_from(group: bpy.types.Node, effects: Sequence[str], made: Sequence[bpy.types.Image]) -> list[bpy.types.Image]:
    """As `carry_all`, from one group node."""
    chosen = list(made)
    old = on_object.painted_nodes(group.node_tree)
    free = list(enumerate(effects))
    for label in on_object.layer_labels(group):
        number, _, effect = label.partition(" ")
        place = next((place for place in free if place[1] == effect), None)
        if place is None:
            continue
        free.remove(place)
        for channel, name in enumerate(CHANNELS):
            node = old.get(f"{number} {name}")
            if node is None or node.image is None or not painted_on(node.image):
                continue
            index = len(CHANNELS) * place[0] + channel
            if not carry(node.image, chosen[index]):
                chosen[index] = node.image
    return chosen


def release(image: bpy.types.Image) -> bool:
    """Leaves an image that was painted on to the artist, though nothing shows it any more. False where it was not."""
    if not painted_on(image):
        return False
    image.use_fake_user = True
    for key in [key for key in (WRITTEN, BARE) if key in image]:
        del image[key]
    return True


def save(image: bpy.types.Image) -> None:
    """Keeps an image's pixels where its file is: in the .blend or beside it."""
    if image.packed_files or not image.filepath:
        images.pack_again(image)
    else:
        image.save()


def secure(image: bpy.types.Image) -> None:
    """Saves strokes that were not, and keeps beside them what they are painted over."""
    if WRITTEN in image and BARE not in image and (bare := _as_written(image)) is not None:
        image[BARE] = bare
    save(image)


def _as_written(image: bpy.types.Image) -> bpy.types.Image | None:
    """A new, packed image as Sabi wrote this one; None where its bytes are others by now."""
    data = _bytes(image)
    if data is None or _described(data) != image.get(WRITTEN):
        return None
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        path = Path(folder) / "bare.png"
        path.write_bytes(data)
        bare = bpy.data.images.load(str(path), check_existing=False)
        bare.name = f"{image.name} bare"
        bare.colorspace_settings.name, bare.alpha_mode = image.colorspace_settings.name, image.alpha_mode
        images.pack(bare)
    return bare


def _pixels(image: bpy.types.Image) -> np.ndarray:
    """float32 [H, W, 4], the bottom row first."""
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], image.channels)


def _bytes(image: bpy.types.Image) -> bytes | None:
    """The image's file; None for tiles, which are many, and where there is none."""
    if image.source == "TILED":
        return None
    if image.packed_file is not None:
        return bytes(image.packed_file.data)
    path = images.file_of(image)
    return path.read_bytes() if path is not None and path.is_file() else None


def _size(image: bpy.types.Image) -> int:
    """Of the image's file, or of the files of its tiles together."""
    if image.packed_files:
        return sum(kept.packed_file.size for kept in image.packed_files)
    path = images.file_of(image)
    return sum(file.stat().st_size for file in images.files_of(path) if file.is_file()) if path is not None else 0


def _described(*files: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for data in files:
        digest.update(data)
    return f"{sum(map(len, files))} {digest.hexdigest()}"
