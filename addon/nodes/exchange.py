# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that a weathered object shows, exchanged for others in place: nodes, animation and materials stay as they are.

Modules of a kit show the same tile, so they are exchanged together; each has its own exposure besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy

from ...backend.protocol.errors import SabiError, SceneError
from ...backend.protocol.merging import MERGED_IS_DATA, merged_count, wired
from ...backend.protocol.opacity import EVEN, OPAQUE
from ...backend.protocol.painted import CHANNELS, IS_DATA
from ...backend.protocol.recipe import Layer, Recipe
from ...backend.protocol.surface import ColorSpace
from .. import units
from ..pixels import images
from . import mask_wiring, material, on_object


@dataclass(frozen=True)
class Shown:
    """What an object shows: the recipe, and its images by `1 thin` and so on, tiled or not, known by their session's number.

    Of the modules of a kit also what each has for itself: object -> its exposures, both by their session's numbers.
    """

    recipe: Recipe
    images: Mapping[str, int]
    exposures: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @staticmethod
    def of(obj: bpy.types.Object) -> Shown | None:
        """None where that cannot be told: it is not weathered, or by an older Sabi, or a module of several kits."""
        applied = on_object.weathered(obj)
        if applied is None:
            return None
        found: dict[str, int] = {}
        exposures: dict[int, tuple[int, ...]] = {}
        for one in together(obj):
            for tree in trees(one):
                nodes = on_object.painted_nodes(tree)
                whole = all(node.image is not None for node in nodes.values())
                if not whole or len(nodes) != len(CHANNELS) * len(applied.layers):
                    return None
                shown = {mark: node.image.session_uid for mark, node in nodes.items()}
                own = tuple(node.image.session_uid for node in _exposed(tree) if node.image is not None)
                if own and found not in ({}, shown):
                    return None
                found |= shown
                if own:
                    exposures[one.session_uid] = own
        try:
            recipe = Recipe.from_json(applied.recipe_json)
            return Shown(recipe, found, exposures) if len(wired(recipe).layers) == len(applied.layers) else None
        except SabiError:
            return None

    @property
    def blocks(self) -> set[int]:
        return {*self.images.values(), *(uid for own in self.exposures.values() for uid in own)}


@dataclass(frozen=True)
class Made:
    """Images to be shown: by `1 thin` and so on, and of modules by their object's number their exposures.

    `recipe` is what they were painted with, networks included; `names` what the images are called once names are free.
    """

    recipe: Recipe
    images: Mapping[str, bpy.types.Image]
    exposures: Mapping[int, Sequence[bpy.types.Image]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)  # by their present ones

    def rename(self) -> None:
        for image in [*self.images.values(), *(image for own in self.exposures.values() for image in own)]:
            image.name = self.names.get(image.name, image.name)


def can_follow(shown: Shown | None, recipe: Recipe) -> bool:
    """Whether the object's layers are those of the recipe: the same effects, in the same order, and merged ones unchanged."""

    def look(of: Recipe) -> list[object]:
        layers = of.shown.layers
        count = merged_count(of.shown)
        fixed = [of.frame, *layers[:count]] if count else []  # masks by merged layers stay as they are
        return [*fixed, *(layer.effect for layer in layers[count:])]

    return shown is not None and look(shown.recipe) == look(recipe)


def can_show(obj: bpy.types.Object, recipe: Recipe) -> bool:
    """Whether nodes can show the recipe's masks, of all that show the same images."""
    return all(mask_wiring.can_show(one, recipe) for one in together(obj))


def together(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """The object, and where it is a module of a kit all that show one of its images, it among them."""
    if not on_object.is_module(obj):
        return [obj]
    mine = set(painted(obj))
    others = [other for other in bpy.data.objects if on_object.SLOTS in other and other.type == "MESH"]
    return [other for other in others if other == obj or not mine.isdisjoint(painted(other))]


def exchange(obj: bpy.types.Object, made: Made, keep: Shown) -> None:
    """Has the object show these images; those they replace go, but for what it showed at first.

    Raises SceneError, with nothing changed, where its layers are others by now.
    """
    pairs: list[tuple[bpy.types.Node, bpy.types.Image]] = []
    every = together(obj)
    for one in every:
        for tree in trees(one):
            nodes, exposed = on_object.painted_nodes(tree), _exposed(tree)
            own = made.exposures.get(one.session_uid, ())
            if set(nodes) != set(made.images) or (own and len(own) != len(exposed)):
                raise SceneError(f"The layers of '{one.name}' were changed meanwhile.", "Weather it again.")
            pairs += [(node, made.images[mark]) for mark, node in nodes.items()]
            pairs += list(zip(exposed, own, strict=False))
    replaced = {node.image.session_uid for node, image in pairs if node.image is not None and node.image != image}
    for node, image in pairs:
        node.image = image
    for one in every:
        take_over(one, made.recipe)
    remove(replaced - keep.blocks)


def put_back(obj: bpy.types.Object | None, before: Shown) -> None:
    """Has the object show what it showed: whatever of it is still there."""
    there = {image.session_uid: image for image in bpy.data.images}
    found = {mark: there[uid] for mark, uid in before.images.items() if uid in there}
    own = {uid: [there[u] for u in uids] for uid, uids in before.exposures.items() if there.keys() >= set(uids)}
    if obj is not None and found.keys() == before.images.keys() and Shown.of(obj) not in (None, before):
        exchange(obj, Made(before.recipe, found, own), before)


def take_over(obj: bpy.types.Object, recipe: Recipe) -> None:
    """Notes the recipe on the object's groups; live sockets follow where the recipe's values have changed."""
    applied = on_object.weathered(obj)
    shown = Recipe.from_json(applied.recipe_json)
    if _wiring(shown) != _wiring(recipe) or (any(map(_exposed, trees(obj))) and _means(shown) != _means(recipe)):
        mask_wiring.show(obj, recipe)
    unit = units.of_object(obj)
    for old, new, sockets in zip(wired(shown).layers, wired(recipe).layers, applied.layers, strict=True):
        before = on_object.live_values(old, unit)
        for name, value in on_object.live_values(new, unit).items():
            if value != before[name] and name in sockets:
                sockets[name].default_value = value
    for tree in trees(obj):
        tree[on_object.RECIPE] = recipe.to_json(indent=None)


def painting(recipe: Recipe) -> tuple[object, ...]:
    """All that painted images hang on."""

    def still(layer: Layer) -> Layer:
        return replace(layer, age=0.5, opacity=1.0, relief=0.0, channels=OPAQUE, curve=EVEN).with_masks(())

    layers, count = recipe.shown.layers, merged_count(recipe.shown)
    return recipe.frame, layers[:count], tuple(map(still, layers[count:]))


def small_images(name: str, layers: tuple[dict[str, Path], ...], merged: bool = False) -> dict[str, bpy.types.Image]:
    """Loaded and packed at once: they are small. Where layers are `merged` the lowest is what they came to."""
    made: dict[str, bpy.types.Image] = {}
    try:
        for mark, (channel, path) in zip(marks(layers), ((c, f[c]) for f in layers for c in CHANNELS), strict=True):
            is_data = MERGED_IS_DATA if merged and mark.startswith("1 ") else IS_DATA
            made[mark] = small_image(f"{name} preview {mark}", path, is_data[channel])
    except BaseException:
        remove(image.session_uid for image in made.values())
        raise
    return made


def small_image(name: str, path: Path, data: bool) -> bpy.types.Image:
    image = images.load_png(path, name, ColorSpace.DATA if data else ColorSpace.SRGB)
    image[material.IMAGE] = True
    images.pack(image)
    return image


def marks(layers: Sequence[Mapping[str, Path]]) -> list[str]:
    """`1 thin` and so on, in the order in which images are loaded."""
    return [f"{number} {name}" for number in range(1, len(layers) + 1) for name in CHANNELS]


def painted(obj: bpy.types.Object) -> list[bpy.types.Image]:
    return [node.image for tree in trees(obj) for node in on_object.painted_nodes(tree).values() if node.image]


def trees(obj: bpy.types.Object) -> Iterator[bpy.types.NodeTree]:
    """The object's node groups of Sabi's, each once."""
    nodes = (on_object.group_node(made) for made in on_object.materials(obj))
    yield from dict.fromkeys(node.node_tree for node in nodes if on_object.whole(node))


def remove(session_uids: Iterable[int]) -> None:
    """Those of Sabi's images that nothing uses any more."""
    gone = set(session_uids)
    bpy.data.batch_remove(
        [
            image
            for image in bpy.data.images
            if image.session_uid in gone and image.users == 0 and material.IMAGE in image
        ]
    )


def _exposed(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    """The nodes that show a module's own exposure, in order."""
    return [node for node in tree.nodes if on_object.MODULE in node and node.bl_idname == "ShaderNodeTexImage"]


def _wiring(recipe: Recipe) -> list[tuple[object, ...]]:
    """What of a recipe is nodes inside the groups."""
    return [(layer.stack, layer.curve) for layer in wired(recipe).layers]


def _means(recipe: Recipe) -> list[float]:
    """What is nodes besides in the groups of modules."""
    return [layer.exposure.mean for layer in wired(recipe).layers]
