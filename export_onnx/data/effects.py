# SPDX-License-Identifier: GPL-3.0-or-later
"""Which photograph teaches which style, and what evaluation holds it against. One table; nothing else names a texture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Colour = tuple[int, int, int]


class Area(Enum):
    """How the weathered area of a photograph is known."""

    METALLIC = "metallic"  # its metallic map: weathered is not metallic
    APART = "apart"  # weathered is whatever has another colour than most of it: on a paint of one colour even hairlines
    ROUGHNESS = "roughness"  # its roughness map: weathered is rough
    MASK = "mask"  # a mask beside it, white where it is weathered
    MARKS = "marks"  # colours of clean and weathered places, as a person would mark them
    GROWN = "grown"  # weathered all over: laid procedurally over clean bases, its area grown from noise and luminance
    STREAKS = "streaks"  # the photograph is of a mask, bright where it is weathered; laid over clean bases
    NETWORK = "network"  # lines drawn by procedure, where cells meet; laid over clean bases
    HAIRLINES = "hairlines"  # lines drawn by procedure, jagged and open-ended; laid over clean bases


DRAWN = frozenset({Area.GROWN, Area.STREAKS, Area.NETWORK, Area.HAIRLINES})  # the photograph does not show its base


@dataclass(frozen=True)
class Look:
    """How the weathering differs from the photograph's: it is mixed with the base, greyed, tinted and lifted, sRGB-encoded."""

    keep: float = 0.0  # share of the base
    fade: float = 0.0  # how much colour is lost
    tint: tuple[float, float, float] = (1, 1, 1)
    lift: float = 0.0


PLAIN = Look()
SOIL = ("dirt_ground", "sand_gravel")
MOSSY = ("concrete", "stone", "brick", "plaster", "wood", "painted", *SOIL)  # what moss grows on, by names' beginnings


@dataclass(frozen=True)
class Photograph:
    """One texture folder that teaches one style.

    `roughness`: a constant where the set has no usable map (None: its map). `height`: offset from flush, of the weathered part,
    and its gain: of the height map where `height_map`, else of the albedo's luminance, which is all there is to go by. `widths`:
    texels by which the area is smoothed into a degree. `runs`: the texture shows which way is down. `full`: share of the surface
    that is covered at degree 1: cracks never cover all of it. `bases`: beginnings of the clean textures' names that it is laid
    on; empty: all but soils. `lines`: of a style that is lines, by how many texels each of the painter's veins starts later.
    `strokes`: it has scratches among its shapes. `crisp`: how much of the fine borders it gets back that doubling softens.
    `like`: effect and style whose shapes it begins with, more than with its own.
    """

    style: str
    folder: str
    area: Area
    runs: bool = False
    clean: tuple[Colour, ...] = ()
    weathered: tuple[Colour, ...] = ()
    roughness: float | None = None
    height: tuple[float, float] = (0.0, 0.5)
    height_map: bool = False
    widths: tuple[float, ...] = (18, 32, 52)
    apart: tuple[float, float] = (4, 10)  # APART: distance in Lab at which weathering begins, and where it is whole
    bare: bool = False  # whether all that is weathered is bare metal, whatever its metallic map says
    grain: tuple[float, ...] = ()  # GROWN: texels of the noise that its area grows from
    softness: float = 0.2  # GROWN: how soft its borders are, in degree
    look: Look = PLAIN
    full: float = 1.0
    bases: tuple[str, ...] = ()
    lines: tuple[float, ...] = ()
    strokes: bool = False
    crisp: float = 0.0
    like: tuple[str, str] | None = None


TRAINING: dict[str, tuple[Photograph, ...]] = {
    "rust": (
        Photograph(
            "blooming",
            "rust_on_steel/metal022",
            Area.METALLIC,
            runs=True,
            height=(0, 0.5),
            height_map=True,
            crisp=0.5,
        ),
        Photograph("flaking", "rust_on_steel/metal053c", Area.METALLIC, runs=True, height=(0.06, 0.4), crisp=0.5),
    ),
    "peeling_paint": (
        Photograph(
            "islands",
            "peeling_paint_rust/paintedmetal007",
            Area.ROUGHNESS,
            crisp=0.5,
            height_map=True,
            height=(0, 1.0),
            widths=(30, 48, 76),
        ),
        Photograph(
            "flakes",
            "peeling_paint_rust/paintedmetal008",
            Area.ROUGHNESS,
            crisp=0.5,
            height_map=True,
            height=(0, 1.0),
            widths=(20, 34, 56),
        ),
        Photograph(
            "runs",
            "peeling_paint_rust/corrugatedsteel007b",
            Area.ROUGHNESS,
            crisp=0.5,
            runs=True,
            height=(-0.12, 0.4),
            widths=(20, 34, 56),
        ),
    ),
    "moss": (
        Photograph(
            "carpet",
            "moss/aerial_grass_rock",
            Area.MARKS,
            crisp=0.4,
            clean=((122, 103, 76), (142, 127, 106), (166, 157, 151), (100, 85, 62)),
            weathered=((125, 113, 8), (94, 92, 12), (150, 138, 20)),
            roughness=0.92,
            height=(0.18, 0.6),
            widths=(18, 32, 52),
            look=Look(fade=0.2, tint=(0.72, 0.92, 0.85)),  # greener than the photograph, which is yellow
            bases=MOSSY,
        ),
        Photograph(
            "tufts",
            "moss/ground037",
            Area.MARKS,
            crisp=0.4,
            clean=((150, 132, 105), (195, 180, 160), (112, 98, 80), (140, 125, 85)),
            weathered=((150, 160, 75), (122, 136, 52), (105, 118, 45)),
            roughness=0.92,
            height=(0.18, 0.6),
            look=Look(fade=0.15, tint=(0.76, 0.86, 0.64)),
            bases=MOSSY,
        ),
        Photograph(
            "cushions",
            "moss/aerial_rocks_04",
            Area.MARKS,
            crisp=0.4,
            clean=((142, 124, 108), (118, 97, 88), (168, 154, 132), (96, 78, 70), (60, 48, 40)),
            weathered=((84, 82, 14), (108, 100, 34), (62, 60, 12), (96, 86, 24)),
            roughness=0.92,
            height=(0.18, 0.6),
            look=Look(fade=0.1, tint=(0.8, 1.0, 0.85)),
            bases=MOSSY,
        ),
    ),
    "dirt": (
        Photograph(
            "dust",
            "dirt_ground/ground054",
            Area.GROWN,
            height=(0.04, 0.25),
            height_map=True,
            grain=(40, 9, 2.5),
            softness=0.5,
        ),
        Photograph(
            "grime",
            "dirty_plaster_concrete/plastered_stone_wall",
            Area.GROWN,
            runs=True,
            height=(0.02, 0.3),
            grain=(24, 7, 2),
            softness=0.35,
        ),
    ),
    "scratches": (
        Photograph(
            "gouges",
            "scratched_paint/paintedmetal004",
            Area.APART,
            apart=(12, 30),
            bare=True,
            strokes=True,
            height=(-0.1, 0.3),
            widths=(24, 40, 64),
            full=0.45,
            look=Look(fade=1, tint=(1.05, 1.06, 1.08)),
        ),
        Photograph(
            "chips",
            "scratched_paint/sheetmetal00",
            Area.APART,
            bare=True,
            height=(-0.1, 0.3),
            widths=(24, 40, 64),
            full=0.28,
            like=("pitting", "pits"),
            look=Look(fade=0.7, lift=0.3),  # hairlines, dark on black paint, are to be seen on any
        ),
    ),
    "patina": (
        Photograph("verdigris", "copper_patina/metal058c", Area.METALLIC, height=(0.05, 0.4), widths=(18, 32, 52)),
        Photograph(
            "weeping",
            "copper_patina/metal058c",
            Area.GROWN,
            runs=True,
            height=(0.02, 0.3),
            grain=(14, 5, 2),
            softness=0.3,
            look=Look(keep=0.15, tint=(0.62, 0.9, 0.78)),
            roughness=0.8,
        ),
    ),
    "pitting": (
        Photograph("pits", "corroded_metal/metal062c", Area.METALLIC, height=(-0.2, 0.4), full=0.35),
        Photograph(
            "etched",
            "rust/rust004",
            Area.GROWN,
            height=(-0.25, 0.4),
            grain=(7, 2.5),
            softness=0.1,
            look=Look(keep=0.3, fade=0.6, tint=(0.95, 0.9, 0.85)),
            full=0.6,
        ),
    ),
    "stains": (
        Photograph(
            "water",
            "streak_mask/surfaceimperfections003",
            Area.STREAKS,
            runs=True,
            height=(0, 0),
            roughness=0.6,
            look=Look(keep=0.92, tint=(0.5, 0.46, 0.4)),
            widths=(24, 40, 64),
            full=0.4,
        ),
        Photograph(
            "leaks",
            "rust/rust006",
            Area.GROWN,
            runs=True,
            height=(0, 0.1),
            roughness=0.65,
            grain=(12, 4.5, 1.8),
            softness=0.6,
            look=Look(keep=0.45, tint=(0.95, 0.85, 0.72), lift=0.06),
            full=0.7,
        ),
        Photograph(
            "limescale",
            "streak_mask/surfaceimperfections003",
            Area.STREAKS,
            runs=True,
            height=(0.03, 0.2),
            roughness=0.8,
            look=Look(keep=0.2, fade=0.7, tint=(0.4, 0.4, 0.38), lift=0.7),
            widths=(24, 40, 64),
            full=0.4,
        ),
    ),
    "cracks": (
        Photograph(
            "network",
            "stone_clean/stone_floor",
            Area.NETWORK,
            crisp=0.2,
            height=(-0.4, 0.1),
            roughness=0.9,
            look=Look(keep=0.9, fade=0.3, tint=(0.26, 0.24, 0.22)),
            widths=(30, 48, 72),
            full=0.3,
            lines=(0, 1.2, 9, 9),
        ),
        Photograph(
            "hairlines",
            "stone_clean/stone_floor",
            Area.HAIRLINES,
            crisp=0.2,
            height=(-0.3, 0.1),
            roughness=0.9,
            look=Look(keep=0.9, fade=0.3, tint=(0.32, 0.3, 0.27)),
            widths=(30, 48, 72),
            full=0.14,
            lines=(9, 9, 0, 1.5),
        ),
    ),
    "erosion": (
        Photograph(
            "crust",
            "stone_weathered/rock020",
            Area.GROWN,
            height=(0.05, 0.5),
            height_map=False,
            grain=(34, 10, 3),
            softness=0.3,
        ),
        Photograph(
            "crumbling",
            "stone_weathered/rock_2",
            Area.GROWN,
            height=(-0.2, 0.8),
            grain=(30, 8, 2.5),
            softness=0.1,
            look=Look(keep=0.35, fade=0.8, tint=(0.97, 0.98, 0.92)),
        ),
    ),
    "greyed_wood": (
        Photograph(
            "silvered",
            "wood_clean/wood27",
            Area.GROWN,
            height=(-0.03, 0.3),
            roughness=0.85,
            grain=(40, 12, 3),
            softness=0.6,
            look=Look(keep=0.65, fade=0.9, tint=(0.84, 0.82, 0.79), lift=0.2),
            bases=("wood_clean",),
        ),
        Photograph(
            "blackened",
            "wood_weathered/bark",
            Area.GROWN,
            height=(-0.05, 0.4),
            roughness=0.9,
            grain=(30, 9, 2.5),
            softness=0.4,
            look=Look(keep=0.6, fade=0.7, tint=(0.42, 0.42, 0.4)),
            bases=("wood_clean",),
        ),
    ),
}

# Clean textures that weathering is laid on in training, and those that only evaluation uses.
CLEAN = (
    "metal_clean/metal002", "metal_clean/metal004", "metal_clean/metal007", "metal_clean/metal012",
    "metal_clean/corrugatedsteel005", "metal_clean/corrugatedsteel006a", "metal_clean/corrugatedsteel00",
    "concrete_clean/concrete002", "concrete_clean/concrete003", "concrete_clean/concrete020",
    "concrete_clean/brushed_concrete", "stone_clean/marble_0008", "stone_clean/stone_floor", "brick_clean/brick_wall_02",
    "plaster_wallpaper/beige_wall_001", "painted_metal_clean/box_profile_metal_sheet",
    "wood_clean/wood27", "wood_clean/wood34", "wood_clean/rosewood_veneer1",
    "dirt_ground/ground04", "dirt_ground/ground05", "dirt_ground/ground08",
)  # fmt: skip
HELD_CLEAN: dict[str, tuple[str, ...]] = {
    "rust": ("metal_clean/metal006", "metal_clean/metal"),
    "peeling_paint": ("metal_clean/corrugatedsteel002", "metal_clean/metal003"),
    "moss": (
        "dirt_ground/aerial_ground_rock",
        "dirt_ground/ground32",
    ),  # of seven soils and sands those on which the photographed moss, toned as it is, scores best, but for leaves
    "dirt": ("concrete_clean/concrete004", "metal_clean/metal032"),
    "scratches": ("metal_clean/metal003", "metal_clean/metal"),
    "patina": ("metal_clean/metal006", "metal_clean/metal003"),
    "pitting": ("metal_clean/metal006", "metal_clean/metal"),
    "stains": ("concrete_clean/concrete004", "plaster_wallpaper/beige_wall_002"),
    "cracks": ("concrete_clean/concrete004", "concrete_clean/concrete010"),
    "erosion": ("stone_clean/marble006", "concrete_clean/concrete004"),
    "greyed_wood": ("wood_clean/wood26", "wood_clean/wood_table_worn"),
}
SHOWN_CLEAN = ("concrete_clean/concrete_floor", "metal_clean/metal006")  # held too, for the contact sheet


def as_they_are(*folders: str) -> tuple[Photograph, ...]:
    """Photographs that are compared as they are: their weathered area is not asked for."""
    return tuple(Photograph("other", folder, Area.MARKS) for folder in folders)


# Textures of the effect that training has not seen: the natural variation that the score is measured in.
OTHER: dict[str, tuple[Photograph, ...]] = {
    "rust": tuple(
        Photograph("other", folder, Area.METALLIC)
        for folder in (
            "rust_on_steel/metal020",
            "rust_on_steel/metalplates013",
            "rust/rust004",
            "rust/rust006",
            "rust/rust008",
        )
    ),
    "peeling_paint": (Photograph("other", "peeling_paint_rust/corrugatedsteel003", Area.ROUGHNESS),),
    "moss": tuple(
        Photograph("other", folder, Area.MARKS) for folder in ("moss/ground03", "moss/mossyrock", "moss/ground0")
    ),
    "dirt": (
        Photograph("other", "dirt_ground/ground06", Area.GROWN, grain=(40, 9, 2.5), softness=0.5),
        Photograph("other", "dirt_ground/brown_mud_rocks_01", Area.GROWN, runs=True, grain=(24, 7, 2), softness=0.35),
    ),
    "scratches": as_they_are("scratched_paint/blue_metal_plate", "painted_wood_worn/black_painted_planks"),
    "patina": as_they_are("dirty_metal/metal_plate", "rust_on_steel/metalplates013"),
    "pitting": as_they_are("rust_on_steel/metal024", "rust_on_steel/metal020"),
    "stains": as_they_are("stained_concrete/concrete005", "stained_concrete/concrete022"),
    "cracks": as_they_are("asphalt_cracked/asphalt_02", "asphalt_cracked/aerial_asphalt_01", "stone_weathered/rock023"),
    "erosion": as_they_are("stone_weathered/rock", "stone_weathered/rock023", "stone_weathered/broken_wall"),
    "greyed_wood": as_they_are("wood_weathered/beam_wall_01", "painted_wood_worn/blue_painted_planks"),
}
PROCEDURAL = frozenset(
    effect for effect, photographs in TRAINING.items() if any(p.area in DRAWN for p in photographs)
)  # effects some of whose real pictures are laid over bases by procedure, for want of photographs

NOTES = (
    "laid over clean textures by procedure, for want of photographs of both: dirt, stains, cracks, erosion, greyed wood, patina "
    "weeping, pitting etched",
    "drawn by procedure: cracks; the grey of wood is its own luminance",
    "moss: roughness 0.92 and a height above flush that varies with luminance are assumed, not measured",
    "height from luminance: rust flaking, peeling_paint runs, dirt grime, scratches, patina, pitting, stains, erosion, wood",
    "metallic 0 for moss, dirt, stains, cracks, erosion and greyed wood",
)  # what a card must say of maps that no photograph taught


def styles() -> list[tuple[str, Photograph]]:
    """(effect, photograph) of every style, in the order of the network's style codes."""
    return [(effect, photograph) for effect, photographs in TRAINING.items() for photograph in photographs]
