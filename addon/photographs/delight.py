# SPDX-License-Identifier: GPL-3.0-or-later
"""The Image Editor's image without the light on it, as a new image; the artist's stays as it is."""

from __future__ import annotations

import bpy

from ...backend.protocol.surface import Map
from .. import work
from ..jobs import Job
from ..pixels import images
from ..preferences import service, service_settings
from ..progress import Progress
from . import shown
from .degree_marks import show


class DelightJob(Job[tuple[Map, tuple[str, ...]]]):
    """A picture on its way through the backend; gives it back without its light, and warnings."""

    def __init__(self, picture: Map, amount: float) -> None:
        self._asked = picture, amount
        settings = service_settings()
        super().__init__(lambda: service.connect(settings))

    def _work(self) -> tuple[Map, tuple[str, ...]]:
        client = self._connect()
        self._check_stop()
        self._tell(Progress("Taking the light off", 0.3))
        picture, amount = self._asked
        texels, warnings = client.delight(picture, amount)
        return Map(texels, picture.color_space), warnings

    def _abandon(self) -> None:
        """It takes seconds: the backend may finish what nobody waits for."""


def delight(picture: bpy.types.Image, amount: float) -> work.Steps:
    """Steps that end with a new image, shown where the picture was."""
    yield Progress("Reading the image")
    name = picture.name
    given = shown.colours(picture)
    made, warnings = yield from DelightJob(given, amount).steps(service.doubt)
    result = images.write(made, f"{name} delit")
    show(result, {picture})
    work.undo_step("Take Light Off")
    return work.Outcome(f"Made the image '{result.name}'", warnings)
