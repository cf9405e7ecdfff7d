# SPDX-License-Identifier: GPL-3.0-or-later
"""Words, bounds and defaults that panels show before there is a recipe. Quick to import: Blender starts with them every day."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

PRESETS = Path(__file__).parent / "presets"
MAX_LAYERS = 16
EXPOSURES = ("edges", "cavities", "up", "drips", "ground", "noise")  # what a layer's exposure weighs
LIVE = 4  # layers that a material wires as they are; of more the lowest are merged
MAX_MASKS = 8  # of one layer
NARROWEST = 0.01  # from a mask's `low` to its `high`: 8 bits have no steps to show below that
GAMMA_MIN, GAMMA_MAX = 0.1, 10.0  # of a mask
MAX_POINTS = 8  # of a curve
CLOSEST = 0.05  # degree from one point to the next: steeper curves would pop as age goes on
EXEMPLAR_WIDTH = 0.5  # metres that an exemplar spans when nothing is said
PHOTOGRAPH_WIDTH = 2.0  # and a photograph that is aged
SMALLEST, LARGEST = (
    512,
    8192,
)  # texels along the longer side of what Blender captures, where nothing smaller is asked for
DEFAULT_PATTERN = "{object}_{map}"  # of exported files


class Effect(Enum):
    """A kind of weathering that Sabi's own painter knows. A network paints those that its card has styles for."""

    RUST = "rust"
    PEELING_PAINT = "peeling_paint"
    MOSS = "moss"
    DIRT = "dirt"
    SCRATCHES = "scratches"
    PATINA = "patina"
    PITTING = "pitting"
    STAINS = "stains"
    CRACKS = "cracks"
    EROSION = "erosion"
    GREYED_WOOD = "greyed_wood"


class FrameMode(Enum):
    """Whether an object weathers by itself or where it stands."""

    ASSET = "asset"  # the object's place and pose do not matter
    SCENE = "scene"  # they do, and other objects count


def preset_names() -> list[str]:
    """The recipes that ship with Sabi, in alphabetical order."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))
