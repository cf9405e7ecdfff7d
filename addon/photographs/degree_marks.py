# SPDX-License-Identifier: GPL-3.0-or-later
"""How weathered a photograph is around each texel, from marks painted over it in the Image Editor.

New marks are a copy of the photograph to paint on: red where it is weathered, green where it is clean, yellow half of it.
What has not been painted is no mark, so the copy shows the artist where to paint.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...backend.protocol.errors import BadFile
from ...backend.protocol.surface import ColorSpace, Map
from .. import work
from ..jobs import Job
from ..pixels import images
from ..preferences import service, service_settings
from ..progress import Progress
from . import shown

OF = "sabi_photograph"  # custom property of marks: the image that they are on
_TOUCHED = 8  # of 255: a texel that differs more from the photograph has been painted


class DegreeJob(Job[np.ndarray]):
    """A photograph and its marks on their way through the backend; gives the degree, uint8 [H, W, 1]."""

    def __init__(self, photograph: Map, marks: np.ndarray | None, method: str, invert: bool) -> None:
        self._asked = photograph, marks, method, invert
        settings = service_settings()
        super().__init__(lambda: service.connect(settings))

    def _work(self) -> np.ndarray:
        client = self._connect()
        self._check_stop()
        self._tell(Progress("Comparing with the marks", 0.3))
        photograph, marks, method, invert = self._asked
        return client.degree(photograph, marks, method=method, invert=invert)

    def _abandon(self) -> None:
        """It takes a second: the backend may finish what nobody waits for."""


def encoded(photograph: Map) -> np.ndarray:
    """The picture as 8-bit colour, as a screen shows it."""
    if photograph.array.dtype == np.uint8:
        return photograph.array
    values = photograph.floats()
    values = images.encode_srgb(values) if photograph.color_space is ColorSpace.LINEAR else np.clip(values, 0, 1)
    return np.rint(values * 255).astype(np.uint8)


def marks_on(photograph: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """RGBA uint8 from a copy [H, W, 3] of an encoded photograph that was painted on: alpha 255 where it was."""
    if painted.shape != photograph.shape:
        raise BadFile("The marks are not of the photograph's size.", "Make new marks for it.")
    touched = np.abs(painted.astype(np.int16) - photograph).max(axis=2, keepdims=True) > _TOUCHED
    return np.concatenate([painted, touched * np.uint8(255)], axis=2)


def marks_of(photograph: bpy.types.Image) -> bpy.types.Image | None:
    """The newest marks on a photograph."""
    return next((image for image in reversed(bpy.data.images) if image.get(OF) == photograph), None)


def new_marks(photograph: bpy.types.Image) -> bpy.types.Image:
    """A copy to paint on, shown in place of the photograph and of marks that were there."""
    marks = images.write(Map(encoded(shown.single(photograph)), ColorSpace.SRGB), f"{photograph.name} marks")
    marks[OF] = photograph
    show(marks, {photograph, marks_of(photograph)})
    return marks


def degree_from_marks(photograph: bpy.types.Image, method: str, invert: bool) -> work.Steps:
    """Steps that end with a new image of data: how weathered the photograph is around each texel."""
    yield Progress("Reading the photograph")
    picture, marks, name = shown.single(photograph), marks_of(photograph), photograph.name
    painted = None
    if method != "RARITY" and marks is not None:
        painted = marks_on(encoded(picture), images.read(marks).array)
        if method == "MANIFOLD" and not painted[..., 3].any():
            painted = None
    if method == "MARKS" and painted is None:
        raise BadFile("The photograph has no marks yet.", "Press New Degree Marks and paint on the copy.")
    degree = yield from DegreeJob(picture, painted, method.lower(), invert).steps(service.doubt)
    result = images.write(Map(degree, ColorSpace.DATA), f"{name} degree")
    show(result, {photograph, marks})
    work.undo_step("Degree")
    return work.Outcome(f"Made the image '{result.name}'")


def show(image: bpy.types.Image, in_place_of: set[bpy.types.Image | None]) -> None:
    """In the editors that show one of these; there are none without a window."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.image in in_place_of - {None}:
                area.spaces.active.image = image
