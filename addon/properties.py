# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe as the scene holds it, to and from the protocol's Recipe. Whatever shapes a result is here."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from . import live, mask_kinds, presets, styles
from .effects import KNOWN, in_words
from .export_settings import SABI_PG_export

FIRST_PRESET = "old_painted_steel"  # what a scene begins with
SIZES = [("AUTO", "Automatic", "As large as the material's largest image, else by texels per metre")]
SIZES += [(str(2**n), f"{2**n}", f"{2**n} x {2**n} texels") for n in range(9, 14)]
DEGREE_METHODS = [
    ("MARKS", "Marks", "What lies between the marks, in colour and in place"),
    (
        "MANIFOLD",
        "Looks",
        "What lies between the least and the most weathered looks; finds them itself where nothing is marked",
    ),
    ("RARITY", "Rarity", "What looks like little else, without marks; where most of the photograph is clean"),
]
MODES = [
    (words.FrameMode.ASSET.value, "Asset", "Where the object stands and how it is turned do not matter"),
    (words.FrameMode.SCENE.value, "Scene", "The object weathers as it stands in the scene, and other objects count"),
]


def _effect_changed(layer: SABI_PG_layer, _context: bpy.types.Context) -> None:
    """Another effect starts from its own defaults; age, seed and opacity stay."""
    kept = {name: plain(getattr(layer, name)) for name in ("age", "opacity")}
    layer.taught = "" if layer.effect in KNOWN else layer.effect
    fill_layer(layer, words.Layer(words.effect_named(layer.effect), seed=layer.seed % 2**32, **kept))


_kept: dict[object, list[tuple[str, str, str, str, int]]] = {}  # Blender keeps no copy of such strings


def _place(layer: SABI_PG_layer) -> int:
    """How many layers lie below this one."""
    return int(layer.path_from_id().rpartition("[")[2][:-1])


def _below_items(layer: SABI_PG_layer, _context: bpy.types.Context) -> list[tuple[str, str, str, str, int]]:
    below = list(layer.id_data.sabi.layers)[: _place(layer)]
    key = tuple(other.effect for other in below)
    if key not in _kept:
        names = [f"{number} {in_words(effect)}" for number, effect in enumerate(key, start=1)]
        found = [("NONE", "Everywhere"), *((str(number), name) for number, name in enumerate(names, start=1))]
        _kept[key] = [(*item, "", "NONE", number) for number, item in enumerate(found)]
    return _kept[key]


def _get_below(layer: SABI_PG_layer) -> int:
    return layer.mask_layer if layer.mask_layer <= _place(layer) else 0


def _set_below(layer: SABI_PG_layer, number: int) -> None:
    layer.mask_layer = number


class SABI_PG_exposure(bpy.types.PropertyGroup):
    """How readily a texel weathers"""

    edges: FloatProperty(
        name="Edges", description="Convex edges, bolts and scratches", min=0, soft_max=1, max=100, update=live.changed
    )
    cavities: FloatProperty(
        name="Cavities", description="Crevices and sheltered places", min=0, soft_max=1, max=100, update=live.changed
    )
    up: FloatProperty(
        name="Upward Faces", description="Faces that look upward", min=0, soft_max=1, max=100, update=live.changed
    )
    drips: FloatProperty(
        name="Drips", description="Lines that water draws downward", min=0, soft_max=1, max=100, update=live.changed
    )
    ground: FloatProperty(
        name="Near Ground", description="Nearness to the ground", min=0, soft_max=1, max=100, update=live.changed
    )
    noise: FloatProperty(
        name="Patches",
        description="Patches that nothing explains",
        min=0,
        soft_max=1,
        max=100,
        default=0.3,
        update=live.changed,
    )
    contrast: FloatProperty(
        name="Contrast",
        description="How far the exposed and the sheltered lie apart",
        min=0,
        soft_max=3,
        max=10,
        default=1,
        update=live.changed,
    )
    amount: FloatProperty(
        name="Amount",
        description="Share of the surface that weathers readily",
        min=0,
        max=1,
        default=0.5,
        subtype="FACTOR",
        update=live.changed,
    )
    strict: BoolProperty(
        name="Strict", description="Fail where the surface lacks a map that a weight needs, instead of warning"
    )


class SABI_PG_layer(bpy.types.PropertyGroup):
    """One effect of the recipe"""

    effect: EnumProperty(
        name="Effect", description="Kind of weathering", items=styles.effect_items, update=_effect_changed
    )
    taught: StringProperty(options={"HIDDEN"})  # the effect's name, where it is none of those that Sabi knows
    age: FloatProperty(
        name="Age",
        description="How long the surface has weathered",
        min=0,
        max=1,
        default=0.5,
        subtype="FACTOR",
        update=live.changed,
    )
    seed: IntProperty(name="Seed", description="Another number gives another pattern", update=live.changed)
    feature_size: FloatProperty(
        name="Feature Size",
        description="Across one flake, tuft or stain",
        min=1e-4,
        soft_max=1,
        max=1000,
        default=0.03,
        precision=4,
        subtype="DISTANCE",
        update=live.changed,
    )
    opacity: FloatProperty(
        name="Opacity",
        description="How far the layer may hide what is beneath",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
        update=live.changed,
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
        update=live.changed,
    )
    style: StringProperty(
        name="Style Code",
        description="A style's name, or as JSON a blend of names by weight or a code; empty for the first",
        update=live.changed,
    )
    custom_style: StringProperty(options={"HIDDEN"})  # what was custom before another style was chosen
    style_first: EnumProperty(
        name="Style",
        description="Which look of the effect",
        items=styles.first_items,
        get=styles.get_first,
        set=styles.set_first,
    )
    style_second: EnumProperty(
        name="Blend With",
        description="A second look that is mixed in",
        items=styles.second_items,
        get=styles.get_second,
        set=styles.set_second,
    )
    style_share: FloatProperty(
        name="Blend",
        description="How much of the second look there is",
        min=0,
        max=1,
        subtype="FACTOR",
        get=styles.get_share,
        set=styles.set_share,
    )
    mask_kind: EnumProperty(name="Mask From", description="What says where the layer may act", items=mask_kinds.KINDS)
    mask: StringProperty(
        name="Mask", description="What says where the layer may act: where it is white or 1; empty for everywhere"
    )
    mask_layer: IntProperty(options={"HIDDEN"})  # number of the layer below that is the mask, from 1; 0 for none
    mask_below: EnumProperty(
        name="Mask",
        description="The layer below whose coverage says where this one may act, at any age",
        items=_below_items,
        get=_get_below,
        set=_set_below,
    )
    invert_mask: BoolProperty(name="Invert Mask", description="Act where the mask is black")
    hidden: BoolProperty(name="Hide", description="Keep the layer in the recipe and do not paint it")
    solo: BoolProperty(name="Solo", description="Paint only layers that are solo, and what masks them")
    lock_seed: BoolProperty(name="Lock Seed", description="The dice for all layers leaves this one's pattern as it is")
    exposure: PointerProperty(name="Exposure", description="How readily a texel weathers", type=SABI_PG_exposure)


class SABI_PG_scene(bpy.types.PropertyGroup):
    """Sabi's recipe and how to apply it"""

    layers: CollectionProperty(name="Layers", description="The recipe's layers, the lowest first", type=SABI_PG_layer)
    active_layer: IntProperty(name="Active Layer", description="The layer whose settings are shown", min=0)
    recipe_name: StringProperty(name="Recipe", description="Name of the recipe")
    preset: EnumProperty(
        name="Preset",
        description="Replace the recipe by one that ships with Sabi",
        items=presets.items,
        get=_get_preset,
        set=_load_preset,
    )
    preset_name: StringProperty(options={"HIDDEN"})  # the preset that was loaded last
    degree_method: EnumProperty(name="Method", description="What degree is told by", items=DEGREE_METHODS)
    degree_invert: BoolProperty(name="Invert", description="The other way round")
    networks: StringProperty(options={"HIDDEN"})  # JSON: the networks that the recipe was made with
    size: EnumProperty(name="Image Size", description="Texels a side of the painted images", items=SIZES)
    live_preview: BoolProperty(
        name="Live Preview",
        description="A weathered object follows the recipe as it is changed: small at first, whole when the recipe rests",
    )
    mode: EnumProperty(
        name="Mode", description="Whether the object's place in the scene matters", items=MODES, update=live.changed
    )
    gravity: FloatVectorProperty(
        name="Gravity", description="Which way water runs", default=(0, 0, -1), subtype="DIRECTION", update=live.changed
    )
    use_ground: BoolProperty(
        name="Set Ground",
        description="Give the ground's height instead of taking the lowest point",
        update=live.changed,
    )
    ground: FloatProperty(
        name="Ground", description="Height of the ground against gravity", subtype="DISTANCE", update=live.changed
    )
    export: PointerProperty(name="Export", description="How maps are exported", type=SABI_PG_export)


def untouched(settings: SABI_PG_scene) -> bool:
    """Whether the scene never had a recipe; one that was emptied stays empty, in its file too."""
    return not settings.is_property_set("layers")


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


def shown_layers(settings: SABI_PG_scene) -> set[int]:
    """Which layers are painted, by their places: those that are solo and what masks them, or all that are not hidden."""
    solo = {number for number, layer in enumerate(settings.layers) if layer.solo}
    for number in sorted(solo, reverse=True):
        while settings.layers[number].mask_kind == "LAYER" and 0 < settings.layers[number].mask_layer <= number:
            number = settings.layers[number].mask_layer - 1
            solo.add(number)
    return solo or {number for number, layer in enumerate(settings.layers) if not layer.hidden}


def frame_of(settings: SABI_PG_scene) -> words.Frame:
    gravity = tuple(plain(v) for v in settings.gravity)
    return words.Frame(words.FrameMode(settings.mode), gravity, plain(settings.ground) if settings.use_ground else None)


def layer_of(layer: SABI_PG_layer) -> words.Layer:
    weights = {name: plain(getattr(layer.exposure, name)) for name in words.Exposure.__dataclass_fields__}
    rest = {name: plain(getattr(layer, name)) for name in ("age", "feature_size", "opacity", "relief", "invert_mask")}
    seed = layer.seed % 2**32  # Blender's integers are signed
    return words.Layer(
        words.effect_named(layer.effect),
        exposure=words.Exposure(**weights),
        style=styles.parse(layer.style),
        seed=seed,
        mask=mask_kinds.map_name(
            str(layer.mask_layer or "") if layer.mask_kind == "LAYER" else layer.mask, layer.mask_kind
        ),
        hidden=layer.hidden,
        **rest,
    )


def fill(settings: SABI_PG_scene, recipe: words.Recipe) -> None:
    """Makes the scene hold this recipe."""
    settings.layers.clear()
    for layer in recipe.layers:
        fill_layer(settings.layers.add(), layer)
    settings.active_layer, settings.preset_name = 0, ""
    settings.recipe_name, settings.networks = recipe.name, json.dumps(dict(recipe.networks)) if recipe.networks else ""
    fill_frame(settings, recipe.frame)


def fill_frame(settings: SABI_PG_scene, frame: words.Frame) -> None:
    settings.mode, settings.gravity = frame.mode.value, frame.gravity
    settings.use_ground, settings.ground = frame.ground is not None, frame.ground or 0.0


def fill_layer(target: SABI_PG_layer, layer: words.Layer) -> None:
    if target.effect != layer.effect.value:
        target.taught = "" if layer.effect.value in KNOWN else layer.effect.value  # else it could not be chosen
        target.effect = layer.effect.value  # fills in the effect's defaults first
    for name in ("age", "feature_size", "opacity", "relief", "invert_mask", "hidden"):
        setattr(target, name, getattr(layer, name))
    kind, name = mask_kinds.parts(layer.mask)
    target.mask_kind, target.mask_layer, target.mask = kind, layer.masking, "" if layer.masking else name
    target.seed = layer.seed - 2**32 if layer.seed >= 2**31 else layer.seed
    for name in words.Exposure.__dataclass_fields__:
        setattr(target.exposure, name, getattr(layer.exposure, name))
    target.style, target.custom_style = styles.as_text(layer.style), ""


def rearrange(settings: SABI_PG_scene, places: Mapping[int, int]) -> None:
    """Masks by layers follow layers that were moved: old place -> new place; what has none was removed."""
    for layer in settings.layers:
        if layer.mask_layer:
            layer.mask_layer = places.get(layer.mask_layer - 1, -1) + 1


def _get_preset(settings: SABI_PG_scene) -> int:
    return presets.number(settings.preset_name)


def _load_preset(settings: SABI_PG_scene, number: int) -> None:
    """Choosing in the menu of presets replaces the recipe; its first entry is the recipe as it is."""
    if name := presets.name(number):
        load(settings, name)


def load(settings: SABI_PG_scene, preset: str) -> None:
    """Makes the scene hold a preset. Raises BadRecipe where there is none of that name."""
    fill(settings, words.load_preset(preset))
    settings.preset_name = preset


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
