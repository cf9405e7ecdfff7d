# SPDX-License-Identifier: GPL-3.0-or-later
"""The Image Editor's photograph aged by the scene's recipe, as a new image; what was made on the way as further ones."""

from __future__ import annotations

import bpy
import numpy as np

from ...backend.protocol.object_mask import mask_of
from ...backend.protocol.photograph import photograph
from ...backend.protocol.recipe import Recipe
from ...backend.protocol.still import Still
from ...backend.protocol.surface import Map, Surface
from .. import work
from ..jobs import Job, _forget
from ..pixels import images
from ..preferences import service, service_settings
from ..progress import Progress, stage_in_words
from ..recipe import masks
from ..recipe.mask_kinds import parts
from . import shown
from .degree_marks import show

STAGES = {  # map of the result -> what its image is called
    "object_mask": "mask",
    "bare": "albedo",
    "shading": "shading",
    "residual": "residual",
    "curvature": "edges",
    "ambient_occlusion": "cavities",
    "mask:coverage": "coverage",
    "albedo": "weathered albedo",
    "recomposed": "recomposed",
}


class PhotographJob(Job[tuple[dict[str, Map], tuple[str, ...]]]):
    """A photograph on its way through the backend; gives the maps that came of it, and what should be said."""

    def __init__(self, surface: Surface, recipe: Recipe) -> None:
        self._surface, self._recipe = surface, recipe
        self._sent: tuple | None = None
        settings = service_settings()
        super().__init__(lambda: service.connect(settings))

    def _work(self) -> tuple[dict[str, Map], tuple[str, ...]]:
        client = self._connect()
        self._check_stop()
        self._tell(Progress("Sending the photograph"))
        job = client.submit(self._surface, self._recipe, part="surface")
        self._sent = (client, job)
        try:
            for event in client.events(job):
                self._check_stop()
                self._tell(Progress(stage_in_words(event.stage), event.fraction, event.eta))
            self._tell(Progress("Fetching the images", 1.0))
            result = client.result(job, self._surface, part="surface")
        finally:
            _forget(client, job)
        self._check_stop()
        return dict(result.surface.maps), result.warnings

    def _abandon(self) -> None:
        if self._sent is not None:
            _forget(*self._sent)


def weather_photograph(
    picture: bpy.types.Image, mask: bpy.types.Image | None, recipe: Recipe, still: Still, width: float
) -> work.Steps:
    """Steps that end with new images, the aged one shown where the photograph was. Masks that lie on objects are left out."""
    yield Progress("Reading the photograph")
    name = picture.name
    given = shown.colours(picture)
    more = {}
    if given.array.shape[2] == 4:
        more["alpha"] = Map(np.ascontiguousarray(given.array[..., 3:]))
    if mask is not None:
        more["object_mask"] = mask_of(shown.single(mask, tuple(range(mask.channels))))
    colours = np.ascontiguousarray(given.array[..., :3])
    surface = photograph(Map(colours, given.color_space), still, width=width, more=more, name=name)
    maps, warnings = yield from PhotographJob(surface, masks.without(recipe)).steps(service.doubt)
    aged = maps["combined"]
    if "alpha" in more:
        aged = Map(np.concatenate([aged.array, given.array[..., 3:]], axis=2), aged.color_space)
    result = images.write(aged, f"{name} weathered")
    for stage, called in STAGES.items() if still.stages else ():
        images.write(maps[stage], f"{name} {called}")
    chosen: tuple[str, ...] = ()
    if "object_mask" in maps and mask is None and not still.stages:
        found = images.write(maps["object_mask"], f"{name} {STAGES['object_mask']}")
        chosen = (f"What was chosen is the image '{found.name}': paint on it and take it as Mask to correct it.",)
    show(result, {picture})
    work.undo_step("Weather Photograph")
    return work.Outcome(f"Made the image '{result.name}'", (*_unmasked(recipe), *warnings, *chosen))


def _unmasked(recipe: Recipe) -> tuple[str, ...]:
    """What is said of the masks that a photograph cannot have."""
    names = ", ".join(f"'{parts(mask)[1]}'" for mask in masks.of_kinds(recipe, "IMAGE", "GROUP", "ATTRIBUTE"))
    return (f"These masks lie on objects: the photograph was weathered without {names}.",) if names else ()
