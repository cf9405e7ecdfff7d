# SPDX-License-Identifier: GPL-3.0-or-later
"""Which photograph teaches which style, and what evaluation holds it against. One table; nothing else names a texture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Colour = tuple[int, int, int]


class Area(Enum):
    """How the weathered area of a photograph is known."""

    METALLIC = "metallic"  # its metallic map: weathered is not metallic
    ROUGHNESS = "roughness"  # its roughness map: weathered is rough
    MARKS = "marks"  # colours of clean and weathered places, as a person would mark them
    GROWN = "grown"  # weathered all over: laid procedurally over clean bases, its area grown from noise and luminance


@dataclass(frozen=True)
class Photograph:
    """One texture folder that teaches one style.

    `roughness`: a constant where the set has no usable map (None: its map). `height`: offset from flush, of the weathered part,
    and its gain: of the height map where `height_map`, else of the albedo's luminance, which is all there is to go by.
    `widths`: texels by which the area is smoothed into a degree. `runs`: the texture shows which way is down.
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
    grain: tuple[float, ...] = ()  # GROWN: texels of the noise that its area grows from
    softness: float = 0.2  # GROWN: how soft its borders are, in degree


TRAINING: dict[str, tuple[Photograph, ...]] = {
    "rust": (
        Photograph("blooming", "rust_on_steel/metal022", Area.METALLIC, runs=True, height=(0, 0.5), height_map=True),
        Photograph("flaking", "rust_on_steel/metal053c", Area.METALLIC, runs=True, height=(0.06, 0.4)),
    ),
    "peeling_paint": (
        Photograph(
            "islands",
            "peeling_paint_rust/paintedmetal007",
            Area.ROUGHNESS,
            height_map=True,
            height=(0, 1.0),
            widths=(30, 48, 76),
        ),
        Photograph(
            "flakes",
            "peeling_paint_rust/paintedmetal008",
            Area.ROUGHNESS,
            height_map=True,
            height=(0, 1.0),
            widths=(20, 34, 56),
        ),
        Photograph(
            "runs",
            "peeling_paint_rust/corrugatedsteel007b",
            Area.ROUGHNESS,
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
            clean=((122, 103, 76), (142, 127, 106), (166, 157, 151), (100, 85, 62)),
            weathered=((125, 113, 8), (94, 92, 12), (150, 138, 20)),
            roughness=0.92,
            height=(0.18, 0.6),
            widths=(18, 32, 52),
        ),
        Photograph(
            "tufts",
            "moss/ground037",
            Area.MARKS,
            clean=((150, 132, 105), (195, 180, 160), (112, 98, 80), (140, 125, 85)),
            weathered=((150, 160, 75), (122, 136, 52), (105, 118, 45)),
            roughness=0.92,
            height=(0.18, 0.6),
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
}

# Clean textures that weathering is laid on in training, and those that only evaluation uses.
CLEAN = (
    "metal_clean/metal002", "metal_clean/metal004", "metal_clean/metal007", "metal_clean/metal012",
    "metal_clean/corrugatedsteel005", "metal_clean/corrugatedsteel006a", "metal_clean/corrugatedsteel00",
    "concrete_clean/concrete002", "concrete_clean/concrete003", "concrete_clean/concrete020",
    "concrete_clean/brushed_concrete", "stone_clean/marble_0008", "stone_clean/stone_floor", "brick_clean/brick_wall_02",
    "plaster_wallpaper/beige_wall_001", "painted_metal_clean/box_profile_metal_sheet",
)  # fmt: skip
HELD_CLEAN: dict[str, tuple[str, ...]] = {
    "rust": ("metal_clean/metal006", "metal_clean/metal"),
    "peeling_paint": ("metal_clean/corrugatedsteel002", "metal_clean/metal003"),
    "moss": ("dirt_ground/ground05", "dirt_ground/ground08"),  # soil, as under the photographed moss
    "dirt": ("concrete_clean/concrete004", "metal_clean/metal032"),
}
SHOWN_CLEAN = ("concrete_clean/concrete_floor", "metal_clean/metal006")  # held too, for the contact sheet
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
}
PROCEDURAL = frozenset(
    {"dirt"}
)  # effects whose real pictures are laid over bases by procedure, for want of photographs

NOTES = (
    "dirt: no photograph of dirt on a clean surface; photographs of dirt laid over clean textures by an area grown from noise",
    "moss: roughness 0.92 and a height above flush that varies with luminance are assumed, not measured",
    "rust flaking, peeling_paint runs, dirt grime: height from luminance; their own height maps are flat, corrugated, missing",
    "metallic 0 for moss and dirt",
)  # what a card must say of maps that no photograph taught


def styles() -> list[tuple[str, Photograph]]:
    """(effect, photograph) of every style, in the order of the network's style codes."""
    return [(effect, photograph) for effect, photographs in TRAINING.items() for photograph in photographs]
