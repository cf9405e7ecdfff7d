# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe as the scene holds it, to and from the protocol's Recipe. Whatever shapes a result is here."""

from __future__ import annotations

import json
from dataclasses import replace

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..backend.protocol import recipe as words
from ..backend.protocol.errors import BadRecipe
from . import masks

EFFECTS = [
    (words.Effect.RUST.value, "Rust", "Red-brown corrosion that starts at edges and crevices and runs down"),
    (words.Effect.PEELING_PAINT.value, "Peeling Paint", "Paint that lifts and flakes off from edges"),
    (words.Effect.MOSS.value, "Moss", "Moss on faces that look upward and in cavities near the ground"),
    (words.Effect.DIRT.value, "Dirt", "Dust and grime that settles on top and in cavities"),
]
EFFECT_NAMES = {identifier: name for identifier, name, _ in EFFECTS}
FIRST_PRESET = "old_painted_steel"  # what a scene begins with
SIZES = [("AUTO", "Automatic", "As large as the material's largest image, else by texels per metre")]
SIZES += [(str(2**n), f"{2**n}", f"{2**n} x {2**n} texels") for n in range(9, 14)]
MODES = [
    (words.FrameMode.ASSET.value, "Asset", "Where the object stands and how it is turned do not matter"),
    (words.FrameMode.SCENE.value, "Scene", "The object weathers as it stands in the scene, and other objects count"),
]


def _effect_changed(layer: SABI_PG_layer, _context: bpy.types.Context) -> None:
    """Another effect starts from its own defaults; age, seed and opacity stay."""
    kept = {name: plain(getattr(layer, name)) for name in ("age", "opacity")}
    fill_layer(layer, words.Layer(words.Effect(layer.effect), seed=layer.seed % 2**32, **kept))


class SABI_PG_exposure(bpy.types.PropertyGroup):
    """How readily a texel weathers"""

    edges: FloatProperty(name="Edges", description="Convex edges, bolts and scratches", min=0, soft_max=1, max=100)
    cavities: FloatProperty(name="Cavities", description="Crevices and sheltered places", min=0, soft_max=1, max=100)
    up: FloatProperty(name="Upward Faces", description="Faces that look upward", min=0, soft_max=1, max=100)
    drips: FloatProperty(name="Drips", description="Lines that water draws downward", min=0, soft_max=1, max=100)
    ground: FloatProperty(name="Near Ground", description="Nearness to the ground", min=0, soft_max=1, max=100)
    noise: FloatProperty(
        name="Patches", description="Patches that nothing explains", min=0, soft_max=1, max=100, default=0.3
    )
    contrast: FloatProperty(
        name="Contrast",
        description="How far the exposed and the sheltered lie apart",
        min=0,
        soft_max=3,
        max=10,
        default=1,
    )
    amount: FloatProperty(
        name="Amount",
        description="Share of the surface that weathers readily",
        min=0,
        max=1,
        default=0.5,
        subtype="FACTOR",
    )
    strict: BoolProperty(
        name="Strict", description="Fail where the surface lacks a map that a weight needs, instead of warning"
    )


class SABI_PG_layer(bpy.types.PropertyGroup):
    """One effect of the recipe"""

    effect: EnumProperty(name="Effect", description="Kind of weathering", items=EFFECTS, update=_effect_changed)
    age: FloatProperty(
        name="Age", description="How long the surface has weathered", min=0, max=1, default=0.5, subtype="FACTOR"
    )
    seed: IntProperty(name="Seed", description="Another number gives another pattern")
    feature_size: FloatProperty(
        name="Feature Size",
        description="Across one flake, tuft or stain",
        min=1e-4,
        soft_max=1,
        max=1000,
        default=0.03,
        precision=4,
        subtype="DISTANCE",
    )
    opacity: FloatProperty(
        name="Opacity",
        description="How far the layer may hide what is beneath",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
    )
    relief: FloatProperty(
        name="Height",
        description="How far the layer rises and sinks",
        min=0,
        soft_max=0.05,
        max=10,
        default=6e-4,
        precision=5,
        subtype="DISTANCE",
    )
    style: StringProperty(
        name="Style", description="A style's name, or as JSON a blend of names by weight or a code; empty for the first"
    )
    mask: StringProperty(
        name="Mask", description="Image that says where the layer may act: where it is white; empty for everywhere"
    )
    invert_mask: BoolProperty(name="Invert Mask", description="Act where the mask is black")
    exposure: PointerProperty(type=SABI_PG_exposure)


class SABI_PG_scene(bpy.types.PropertyGroup):
    """Sabi's recipe and how to apply it"""

    layers: CollectionProperty(type=SABI_PG_layer)
    active_layer: IntProperty(name="Active Layer", description="The layer whose settings are shown", min=0)
    recipe_name: StringProperty(name="Recipe", description="Name of the recipe")
    networks: StringProperty(options={"HIDDEN"})  # JSON: the networks that the recipe was made with
    size: EnumProperty(name="Image Size", description="Texels a side of the painted images", items=SIZES)
    mode: EnumProperty(name="Mode", description="Whether the object's place in the scene matters", items=MODES)
    gravity: FloatVectorProperty(
        name="Gravity", description="Which way water runs", default=(0, 0, -1), subtype="DIRECTION"
    )
    use_ground: BoolProperty(
        name="Set Ground", description="Give the ground's height instead of taking the lowest point"
    )
    ground: FloatProperty(name="Ground", description="Height of the ground against gravity", subtype="DISTANCE")


def untouched(settings: SABI_PG_scene) -> bool:
    """Whether the scene never had a recipe; one that was emptied stays empty, in its file too."""
    return not settings.is_property_set("layers")


def begin(scene: bpy.types.Scene) -> None:
    """Lets a scene that never had a recipe hold the first preset, so that there is something to weather with and to change."""
    if untouched(scene.sabi) and scene.is_editable:
        fill(scene.sabi, recipe_of(scene.sabi))


def recipe_of(settings: SABI_PG_scene) -> words.Recipe:
    """The scene's recipe; the first preset where it never had one.

    Raises BadRecipe where its layers were removed or a style is not readable.
    """
    if untouched(settings):
        return replace(words.load_preset(FIRST_PRESET), frame=frame_of(settings))
    if not settings.layers:
        raise BadRecipe("The recipe has no layers.", "Add a layer or load a preset.")
    networks = json.loads(settings.networks) if settings.networks else {}
    return words.Recipe(
        tuple(layer_of(layer) for layer in settings.layers), frame_of(settings), networks, settings.recipe_name
    )


def frame_of(settings: SABI_PG_scene) -> words.Frame:
    gravity = tuple(plain(v) for v in settings.gravity)
    return words.Frame(words.FrameMode(settings.mode), gravity, plain(settings.ground) if settings.use_ground else None)


def layer_of(layer: SABI_PG_layer) -> words.Layer:
    weights = {name: plain(getattr(layer.exposure, name)) for name in words.Exposure.__dataclass_fields__}
    rest = {name: plain(getattr(layer, name)) for name in ("age", "feature_size", "opacity", "relief", "invert_mask")}
    seed = layer.seed % 2**32  # Blender's integers are signed
    return words.Layer(
        words.Effect(layer.effect),
        exposure=words.Exposure(**weights),
        style=_style(layer.style),
        seed=seed,
        mask=masks.map_name(layer.mask),
        **rest,
    )


def fill(settings: SABI_PG_scene, recipe: words.Recipe) -> None:
    """Makes the scene hold this recipe."""
    settings.layers.clear()
    for layer in recipe.layers:
        fill_layer(settings.layers.add(), layer)
    settings.active_layer = 0
    settings.recipe_name, settings.networks = recipe.name, json.dumps(dict(recipe.networks)) if recipe.networks else ""
    settings.mode, settings.gravity = recipe.frame.mode.value, recipe.frame.gravity
    settings.use_ground, settings.ground = recipe.frame.ground is not None, recipe.frame.ground or 0.0


def fill_layer(target: SABI_PG_layer, layer: words.Layer) -> None:
    if target.effect != layer.effect.value:
        target.effect = layer.effect.value  # fills in the effect's defaults first
    for name in ("age", "feature_size", "opacity", "relief", "invert_mask"):
        setattr(target, name, getattr(layer, name))
    target.mask = masks.image_name(layer.mask)
    target.seed = layer.seed - 2**32 if layer.seed >= 2**31 else layer.seed
    for name in words.Exposure.__dataclass_fields__:
        setattr(target.exposure, name, getattr(layer.exposure, name))
    target.style = layer.style if isinstance(layer.style, str) else json.dumps(_json_style(layer.style))


def _style(text: str) -> object:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        raise BadRecipe("A layer's style is not valid JSON.", "Write a style's name, or leave it empty.") from None
    return tuple(value) if isinstance(value, list) else value


def _json_style(style: object) -> object:
    return list(style) if isinstance(style, tuple) else dict(style)


def plain(value: object) -> object:
    """A property's 32-bit float as the short decimal that was typed."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


_register, _unregister = bpy.utils.register_classes_factory((SABI_PG_exposure, SABI_PG_layer, SABI_PG_scene))


def register() -> None:
    _register()
    bpy.types.Scene.sabi = PointerProperty(type=SABI_PG_scene)


def unregister() -> None:
    del bpy.types.Scene.sabi
    _unregister()
