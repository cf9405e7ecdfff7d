# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe as the scene holds it. Whatever shapes a result is here; conversion makes the protocol's Recipe of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from ...backend.protocol.materials import Material
from ...backend.protocol.words import (
    CLOSEST,
    EXEMPLAR_WIDTH,
    GAMMA_MAX,
    GAMMA_MIN,
    NARROWEST,
    PHOTOGRAPH_WIDTH,
    FrameMode,
)
from ..exports.export_settings import SABI_PG_export
from ..interface import live
from . import mask_kinds, presets, styles
from .effects import in_words

FIRST_PRESET = "scrapyard_rust"  # what a scene begins with: one layer, so that a new user soon sees it
SIZES = [("AUTO", "Automatic", "As large as the material's largest image, else by texels per metre")]
SIZES += [(str(2**n), f"{2**n}", f"{2**n} x {2**n} texels") for n in range(9, 14)]
DOWNS = [  # named as protocol.still.Down
    ("BOTTOM", "Bottom", "To the picture's lower border"),
    ("TOP", "Top", "To its upper border"),
    ("LEFT", "Left", "To its left"),
    ("RIGHT", "Right", "To its right"),
    ("AWAY", "Away", "The picture looks down on the ground"),
]
NOWHERE = (-1, -1)  # no texel of a photograph
PHOTOGRAPHED = [("NONE", "Objects", "What the segmenter takes for objects; all of it where there is none", "NONE", 0)]
PHOTOGRAPHED += [(*item[:4], number) for number, item in enumerate(mask_kinds.MATERIALS, start=1)]
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
    (FrameMode.ASSET.value, "Asset", "Where the object stands and how it is turned do not matter"),
    (FrameMode.SCENE.value, "Scene", "The object weathers as it stands in the scene, and other objects count"),
]


def _effect_changed(layer: SABI_PG_layer, _context: bpy.types.Context) -> None:
    """Another effect starts from its own defaults; age, seed, opacity and masks stay."""
    from .conversion import begin_effect

    begin_effect(layer)


def _style_changed(layer: SABI_PG_layer, context: bpy.types.Context) -> None:
    styles.refresh(layer)
    live.changed(layer, context)


_kept: dict[object, list[tuple[str, str, str, str, int]]] = {}  # Blender keeps no copy of such strings


def _place(of_layer: bpy.types.PropertyGroup) -> int:
    """How many layers lie below the one whose property this is."""
    return int(of_layer.path_from_id().partition("layers[")[2].partition("]")[0])


def _below_items(mask: SABI_PG_mask, _context: bpy.types.Context) -> list[tuple[str, str, str, str, int]]:
    below = list(mask.id_data.sabi.layers)[: _place(mask)]
    key = tuple(other.effect for other in below)
    if key not in _kept:
        names = [f"{number} {in_words(effect)}" for number, effect in enumerate(key, start=1)]
        found = [("NONE", "Everywhere"), *((str(number), name) for number, name in enumerate(names, start=1))]
        _kept[key] = [(*item, "", "NONE", number) for number, item in enumerate(found)]
    return _kept[key]


def _number_changed(mask: SABI_PG_mask, _context: bpy.types.Context) -> None:
    """The menu shows what the number says; it has no getter, which a view may draw while a bake ends."""
    with alone():
        mask.below = str(mask.number) if 0 < mask.number <= _place(mask) else "NONE"


def _below_chosen(mask: SABI_PG_mask, context: bpy.types.Context) -> None:
    if not _settling:
        mask.number = 0 if mask.below == "NONE" else int(mask.below)
        live.changed(mask, context)


_settling = False


@contextmanager
def alone() -> Iterator[None]:
    """Within, a property that is set moves no other; floats of 32 bits would push each other for ever."""
    global _settling
    _settling = True
    try:
        yield
    finally:
        _settling = False


def _preset_chosen(settings: SABI_PG_scene, _context: bpy.types.Context) -> None:
    """Choosing in the menu of presets replaces the recipe; its first entry is the recipe as it is."""
    if not _settling and settings.preset != presets.OWN:
        from .conversion import load

        load(settings, settings.preset)


def _kind_changed(mask: SABI_PG_mask, context: bpy.types.Context) -> None:
    """A mask of materials begins with metal, which every surface tells by itself."""
    if mask.kind == "MATERIAL":
        known = set(mask.source.split("+")) <= _MATERIALS
        mask.source = mask.source if known else Material.METAL.value
    live.changed(mask, context)


def _source_changed(mask: SABI_PG_mask, context: bpy.types.Context) -> None:
    if mask.kind == "MATERIAL" and not _settling:
        with alone():
            mask.materials = set(mask.source.split("+")) & _MATERIALS
    live.changed(mask, context)


def _materials_chosen(mask: SABI_PG_mask, _context: bpy.types.Context) -> None:
    if not _settling:
        mask.source = mask_kinds.of_materials(mask.materials)


_MATERIALS = {item[0] for item in mask_kinds.MATERIALS}


def _low_changed(mask: SABI_PG_mask, context: bpy.types.Context) -> None:
    if not _settling:
        with alone():
            mask.high = max(mask.high, mask.low + NARROWEST)
        live.changed(mask, context)


def _high_changed(mask: SABI_PG_mask, context: bpy.types.Context) -> None:
    if not _settling:
        with alone():
            mask.low = min(mask.low, mask.high - NARROWEST)
        live.changed(mask, context)


def _point_changed(point: SABI_PG_point, context: bpy.types.Context) -> None:
    """The curve goes on rising: neighbours give way to the point that was moved."""
    if _settling:
        return
    points = list(point.id_data.sabi.layers[_place(point)].curve)
    place, last = points.index(point), len(points) - 1
    with alone():
        point.degree = min(max(point.degree, CLOSEST * place), 1 - CLOSEST * (last - place))
        for before, after in pairwise(points[place:]):
            after.degree = max(after.degree, before.degree + CLOSEST)
            after.opacity = max(after.opacity, before.opacity)
        for after, before in pairwise(points[place::-1]):
            before.degree = min(before.degree, after.degree - CLOSEST)
            before.opacity = min(before.opacity, after.opacity)
    live.changed(point, context)


class SABI_PG_mask(bpy.types.PropertyGroup):
    """One mask of a layer"""

    kind: EnumProperty(
        name="Mask From",
        description="What says where the layer may act",
        items=mask_kinds.KINDS,
        update=_kind_changed,
    )
    source: StringProperty(
        name="Mask",
        description="What says where the layer may act: where it is white or 1; empty for everywhere",
        update=_source_changed,
    )
    materials: EnumProperty(
        name="Made Of",
        description="The layer acts where the surface is of one of these; all but metal wants a segmenter",
        items=mask_kinds.MATERIALS,
        options={"ENUM_FLAG"},
        update=_materials_chosen,
    )
    number: IntProperty(
        options={"HIDDEN"}, update=_number_changed
    )  # of the layer below that is the mask, from 1; 0 for none
    below: EnumProperty(
        name="Mask",
        description="The layer below whose coverage or degree says where this one may act, at any age",
        items=_below_items,
        update=_below_chosen,
    )
    combine: EnumProperty(
        name="Combine",
        description="How the mask is laid on those above it in the list",
        items=mask_kinds.COMBINE,
        update=live.changed,
    )
    invert: BoolProperty(name="Invert Mask", description="Act where the mask is black", update=live.changed)
    low: FloatProperty(
        name="Black Level",
        description="What of the mask counts as black",
        min=0,
        max=1 - NARROWEST,
        subtype="FACTOR",
        update=_low_changed,
    )
    high: FloatProperty(
        name="White Level",
        description="What of the mask counts as white",
        min=NARROWEST,
        max=1,
        default=1,
        subtype="FACTOR",
        update=_high_changed,
    )
    gamma: FloatProperty(
        name="Gamma",
        description="Above 1 brightens what of the mask lies between black and white",
        min=GAMMA_MIN,
        max=GAMMA_MAX,
        default=1,
        update=live.changed,
    )


class SABI_PG_point(bpy.types.PropertyGroup):
    """One point of a layer's opacity by degree"""

    degree: FloatProperty(
        name="Degree",
        description="How weathered the surface is around",
        min=0,
        max=1,
        subtype="FACTOR",
        update=_point_changed,
    )
    opacity: FloatProperty(
        name="Opacity",
        description="How opaque the layer is there; it never falls with degree, so that nothing shrinks with age",
        min=0,
        max=1,
        subtype="FACTOR",
        update=_point_changed,
    )


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
        description="Metres across one flake, tuft or stain",
        min=1e-4,
        max=1000,
        soft_max=1,
        default=0.03,
        precision=4,
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
        description="Metres that the layer rises and sinks",
        min=0,
        max=10,
        soft_max=0.05,
        default=6e-4,
        precision=5,
        update=live.changed,
    )
    style: StringProperty(
        name="Style Code",
        description="A style's name, or as JSON a blend of names by weight or a code; empty for the first",
        update=_style_changed,
    )
    custom_style: StringProperty(options={"HIDDEN"})  # what was custom before another style was chosen
    style_first: EnumProperty(
        name="Style",
        description="Which look of the effect",
        items=styles.first_items,
        update=styles.first_chosen,
    )
    style_second: EnumProperty(
        name="Blend With",
        description="A second look that is mixed in",
        items=styles.second_items,
        update=styles.second_chosen,
    )
    style_share: FloatProperty(
        name="Blend",
        description="How much of the second look there is",
        min=0,
        max=1,
        subtype="FACTOR",
        update=styles.share_chosen,
    )
    exemplar: StringProperty(options={"HIDDEN"}, update=live.changed)  # see exemplar_text
    exemplar_name: StringProperty(
        name="Photograph", description="What the layer looks like; it keeps a copy", maxlen=500
    )
    exemplar_maps: StringProperty(options={"HIDDEN"})  # their names, for panels, which do not read the exemplar
    exemplar_width: FloatProperty(
        name="Photograph Width",
        description="How many metres the photograph spans",
        min=1e-3,
        max=1000,
        soft_max=10,
        default=EXEMPLAR_WIDTH,
        precision=3,
        update=live.changed,
    )
    exemplar_source: StringProperty(
        name="Photograph From", description="Where the photograph came from, for the recipe to say", maxlen=500
    )
    exemplar_licence: StringProperty(
        name="Photograph Licence", description="The photograph's licence, for the recipe to say", maxlen=500
    )
    masks: CollectionProperty(name="Masks", description="Where the layer may act, in order", type=SABI_PG_mask)
    active_mask: IntProperty(name="Active Mask", description="The mask whose settings are shown", min=0)
    albedo: FloatProperty(
        name="Albedo",
        description="How far the layer changes the colour",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
        update=live.changed,
    )
    roughness: FloatProperty(
        name="Roughness",
        description="How far the layer changes the roughness",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
        update=live.changed,
    )
    metallic: FloatProperty(
        name="Metallic",
        description="How far the layer changes what is metal",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
        update=live.changed,
    )
    height: FloatProperty(
        name="Bump",
        description="How far the layer changes height and normals",
        min=0,
        max=1,
        default=1,
        subtype="FACTOR",
        update=live.changed,
    )
    curve: CollectionProperty(
        name="Opacity by Degree", description="Points of a curve that rises; none for 1", type=SABI_PG_point
    )
    curve_smooth: BoolProperty(name="Smooth", description="The curve has no corners at its points", update=live.changed)
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
        update=_preset_chosen,
    )
    preset_name: StringProperty(options={"HIDDEN"})  # the preset that was loaded last
    degree_method: EnumProperty(name="Method", description="What degree is told by", items=DEGREE_METHODS)
    degree_invert: BoolProperty(name="Invert", description="The other way round")
    delight_amount: FloatProperty(
        name="Amount",
        description="How much of the light is taken off",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    photograph_mask: PointerProperty(
        name="Mask",
        description="An image of the photograph's size, white where it weathers; all of it when left out",
        type=bpy.types.Image,
    )
    photograph_width: FloatProperty(
        name="Width",
        description="How many metres the photograph spans",
        default=PHOTOGRAPH_WIDTH,
        min=0.001,
        soft_max=100,
        unit="LENGTH",
    )
    photograph_down: EnumProperty(name="Down", description="Which way things fall in the picture", items=DOWNS)
    photograph_material: EnumProperty(
        name="Material",
        description="Without a mask: all of this material weathers, as a segmenter sees it",
        items=PHOTOGRAPHED,
    )
    photograph_at: IntVectorProperty(
        name="Place", description="Texel from the upper left; -1 for none", size=2, default=NOWHERE, min=-1
    )
    frame_harmonize: BoolProperty(
        name="Harmonize", description="Bring what weathered nearer to the colours of the rest"
    )
    photograph_harmonize: BoolProperty(
        name="Harmonize", description="Bring what weathered nearer to the colours of the rest"
    )
    photograph_stages: BoolProperty(
        name="Stages",
        description="Also make images of what is made on the way: mask, albedo, shading, residual, coverage and more",
    )
    networks: StringProperty(options={"HIDDEN"})  # JSON: the networks that the recipe was made with
    size: EnumProperty(name="Image Size", description="Texels a side of the painted images", items=SIZES)
    shared_tiles: BoolProperty(
        name="Shared Tiles",
        description="Paint each material once, as a tile that repeats, for all selected objects that wear it; where it "
        "weathers is small and each object's own",
    )
    instances: BoolProperty(
        name="Instances Differ",
        description="Objects over the same mesh are painted once and differ by attributes, sabi_age and sabi_offset; so do "
        "instances of collections and of geometry nodes",
    )
    differ: BoolProperty(
        name="Objects Differ",
        description="Each object gets a pattern of its own, by its name; without, objects of one shape weather alike",
        update=live.changed,
    )
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
        name="Ground", description="Height of the ground against gravity in metres", update=live.changed
    )
    export: PointerProperty(name="Export", description="How maps are exported", type=SABI_PG_export)


def untouched(settings: SABI_PG_scene) -> bool:
    """Whether the scene never had a recipe; one that was emptied stays empty, in its file too."""
    return not settings.is_property_set("layers")


def painted_layers(settings: SABI_PG_scene) -> tuple[int, ...]:
    """The places of the layers that are painted, as Recipe.painted has them; quick enough for panels. Raises BadRecipe."""
    shown, layers = shown_layers(settings), settings.layers
    if not any(_masking(mask) not in {-1, *shown} for place in shown for mask in layers[place].masks):
        return tuple(sorted(shown))
    from .conversion import recipe_of

    return recipe_of(settings).painted


def shown_layers(settings: SABI_PG_scene) -> set[int]:
    """Which layers are painted, by their places: those that are solo and what masks them, or all that are not hidden."""
    solo = {number for number, layer in enumerate(settings.layers) if layer.solo}
    for number in range(len(settings.layers) - 1, -1, -1):
        if number in solo:
            solo |= {place for place in map(_masking, settings.layers[number].masks) if 0 <= place < number}
    return solo or {number for number, layer in enumerate(settings.layers) if not layer.hidden}


def _masking(mask: SABI_PG_mask) -> int:
    """The place of the layer that is the mask; -1 where none is."""
    return mask.number - 1 if mask.kind in mask_kinds.OF_LAYERS else -1


def mask_name(mask: SABI_PG_mask) -> str:
    """Of the map that it becomes; empty where nothing is chosen."""
    of_layer = mask.kind in mask_kinds.OF_LAYERS
    return mask_kinds.map_name(str(mask.number or "") if of_layer else mask.source, mask.kind)


def rearrange(settings: SABI_PG_scene, places: Mapping[int, int]) -> None:
    """Masks by layers follow layers that were moved: old place -> new place; what has none was removed."""
    for layer in settings.layers:
        for mask in layer.masks:
            if mask.number:
                mask.number = places.get(mask.number - 1, -1) + 1


def show_preset(settings: SABI_PG_scene, preset: str) -> None:
    """Has the menu show a preset, or the recipe as it is; nothing is loaded."""
    settings.preset_name = preset
    with alone():
        settings.preset = preset or presets.OWN


def plain(value: object) -> object:
    """A property's 32-bit float as the short decimal that was typed."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


_register, _unregister = bpy.utils.register_classes_factory(
    (SABI_PG_exposure, SABI_PG_mask, SABI_PG_point, SABI_PG_layer, SABI_PG_scene)
)


def register() -> None:
    _register()
    bpy.types.Scene.sabi = PointerProperty(type=SABI_PG_scene)


def unregister() -> None:
    del bpy.types.Scene.sabi
    _unregister()
