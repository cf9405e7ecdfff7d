# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's recipe to and from the protocol's Recipe. Imported by need: Blender starts sooner without."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import bpy

from ...backend.protocol import recipe as words
from ...backend.protocol.errors import BadRecipe
from ...backend.protocol.exemplar import Exemplar
from ...backend.protocol.mask_stack import Combine, Mask
from ...backend.protocol.opacity import ChannelOpacity, Curve
from ...backend.protocol.words import EXEMPLAR_WIDTH
from ..nodes.on_object import CHANNEL_SOCKETS
from . import exemplar_text, mask_kinds, styles
from .effects import KNOWN
from .properties import (
    FIRST_PRESET,
    SABI_PG_layer,
    SABI_PG_mask,
    SABI_PG_scene,
    alone,
    mask_name,
    plain,
    show_preset,
    shown_layers,
    untouched,
)


def begin(scene: bpy.types.Scene) -> None:
    """Lets a scene that never had a recipe hold the first preset, so that there is something to weather with and to change."""
    if untouched(scene.sabi) and scene.is_editable:
        frame = frame_of(scene.sabi)
        load(scene.sabi, FIRST_PRESET)
        fill_frame(scene.sabi, frame)


def recipe_of(settings: SABI_PG_scene) -> words.Recipe:
    """The scene's recipe; the first preset where it never had one.

    Raises BadRecipe where its layers were removed or a style is not readable.
    """
    if untouched(settings):
        return replace(words.load_preset(FIRST_PRESET), frame=frame_of(settings))
    if not settings.layers:
        raise BadRecipe("The recipe has no layers.", "Add a layer or load a preset.")
    networks = json.loads(settings.networks) if settings.networks else {}
    shown = shown_layers(settings)
    layers = (replace(layer_of(layer), hidden=number not in shown) for number, layer in enumerate(settings.layers))
    return words.Recipe(tuple(layers), frame_of(settings), networks, settings.recipe_name)


def recipe_for(settings: SABI_PG_scene, obj: bpy.types.Object) -> words.Recipe:
    """The scene's recipe as this object is to get it. Raises BadRecipe."""
    recipe = recipe_of(settings)
    return recipe.varied(own_seed(obj.name)) if settings.differ else recipe


def own_seed(name: str) -> int:
    """How far the seeds of an object of this name are from the recipe's, where objects differ."""
    return zlib.crc32(name.encode()) % 10_000


def frame_of(settings: SABI_PG_scene) -> words.Frame:
    gravity = tuple(plain(v) for v in settings.gravity)
    return words.Frame(words.FrameMode(settings.mode), gravity, plain(settings.ground) if settings.use_ground else None)


def layer_of(layer: SABI_PG_layer) -> words.Layer:
    weights = {name: plain(getattr(layer.exposure, name)) for name in words.Exposure.__dataclass_fields__}
    rest = {name: plain(getattr(layer, name)) for name in ("age", "feature_size", "opacity", "relief")}
    seed = layer.seed % 2**32  # Blender's integers are signed
    return words.Layer(
        words.effect_named(layer.effect),
        exposure=words.Exposure(**weights),
        style=styles.parse(layer.style),
        seed=seed,
        masks=tuple(mask_of(mask) for mask in layer.masks if mask_name(mask)),
        channels=ChannelOpacity(**{name: plain(getattr(layer, name)) for name in CHANNEL_SOCKETS}),
        curve=Curve(tuple((plain(p.degree), plain(p.opacity)) for p in layer.curve), layer.curve_smooth),
        hidden=layer.hidden,
        exemplar=exemplar_of(layer),
        **rest,
    )


def exemplar_of(layer: SABI_PG_layer) -> Exemplar | None:
    """Raises BadRecipe."""
    found = exemplar_text.parse(layer.exemplar)
    if found is None:
        return None
    said = {name: getattr(layer, f"exemplar_{name}") for name in ("name", "source", "licence")}
    return replace(found, width=plain(layer.exemplar_width), **said)


def mask_of(mask: SABI_PG_mask) -> Mask:
    levels = {name: plain(getattr(mask, name)) for name in ("low", "high", "gamma")}
    return Mask(mask_name(mask), Combine[mask.combine], mask.invert, **levels)


def fill(settings: SABI_PG_scene, recipe: words.Recipe) -> None:
    """Makes the scene hold this recipe."""
    settings.layers.clear()
    for layer in recipe.layers:
        fill_layer(settings.layers.add(), layer)
    settings.active_layer = 0
    show_preset(settings, "")
    settings.recipe_name, settings.networks = recipe.name, json.dumps(dict(recipe.networks)) if recipe.networks else ""
    fill_frame(settings, recipe.frame)


def fill_frame(settings: SABI_PG_scene, frame: words.Frame) -> None:
    settings.mode, settings.gravity = frame.mode.value, frame.gravity
    settings.use_ground, settings.ground = frame.ground is not None, frame.ground or 0.0


def fill_layer(target: SABI_PG_layer, layer: words.Layer) -> None:
    if target.effect != layer.effect.value:
        target.taught = "" if layer.effect.value in KNOWN else layer.effect.value  # else it could not be chosen
        target.effect = layer.effect.value  # fills in the effect's defaults first
    for name in ("age", "feature_size", "opacity", "relief", "hidden"):
        setattr(target, name, getattr(layer, name))
    target.masks.clear()
    target.active_mask = 0
    for mask in layer.stack:
        fill_mask(target.masks.add(), mask)
    for name in CHANNEL_SOCKETS:
        setattr(target, name, getattr(layer.channels, name))
    fill_curve(target, layer.curve)
    target.seed = layer.seed - 2**32 if layer.seed >= 2**31 else layer.seed
    for name in words.Exposure.__dataclass_fields__:
        setattr(target.exposure, name, getattr(layer.exposure, name))
    target.custom_style, target.style = "", styles.as_text(layer.style)
    fill_exemplar(target, layer.exemplar)


def begin_effect(layer: SABI_PG_layer) -> None:
    """A layer's effect has become another: all but age, opacity, seed and masks is as that one begins."""
    kept = {name: plain(getattr(layer, name)) for name in ("age", "opacity")}
    kept["masks"] = tuple(mask_of(mask) for mask in layer.masks if mask_name(mask))
    layer.taught = "" if layer.effect in KNOWN else layer.effect
    fill_layer(layer, words.Layer(words.effect_named(layer.effect), seed=layer.seed % 2**32, **kept))


def fill_exemplar(target: SABI_PG_layer, exemplar: Exemplar | None) -> None:
    for name in ("name", "source", "licence"):
        setattr(target, f"exemplar_{name}", getattr(exemplar, name) if exemplar is not None else "")
    target.exemplar_maps = " ".join(exemplar.maps) if exemplar is not None else ""
    target.exemplar_width = exemplar.width if exemplar is not None else EXEMPLAR_WIDTH
    target.exemplar = exemplar_text.as_text(exemplar)


def fill_mask(target: SABI_PG_mask, mask: Mask) -> None:
    kind, name = mask_kinds.parts(mask.mask)
    target.kind, target.number, target.source = kind, mask.layer, "" if mask.layer else name
    target.combine, target.invert, target.gamma = mask.combine.name, mask.invert, mask.gamma
    with alone():
        target.low, target.high = mask.low, mask.high


def fill_curve(target: SABI_PG_layer, curve: Curve) -> None:
    target.curve.clear()
    with alone():
        for degree, opacity in curve.points:
            point = target.curve.add()
            point.degree, point.opacity = degree, opacity
    target.curve_smooth = curve.smooth


def load(settings: SABI_PG_scene, preset: str) -> None:
    """Makes the scene hold a preset. Raises BadRecipe where there is none of that name."""
    fill(settings, words.load_preset(preset))
    show_preset(settings, preset)
