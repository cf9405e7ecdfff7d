# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer's mask may come from, and its name in a recipe."""

from __future__ import annotations

from collections.abc import Collection

from ...backend.protocol.mask_names import ATTRIBUTE, DEGREE, GROUP, LAYER, MASK, MATERIAL, MERGED
from ...backend.protocol.materials import Material

KINDS = [
    ("IMAGE", "Image", "An image of this file: the layer acts where it is white", "IMAGE_DATA", 0),
    ("GROUP", "Vertex Group", "A vertex group of the object: the layer acts where its weight is 1", "GROUP_VERTEX", 1),
    (
        "ATTRIBUTE",
        "Color Attribute",
        "Colours painted on the mesh: the layer acts where they are white",
        "VPAINT_HLT",
        2,
    ),
    ("LAYER", "Layer", "Another layer: this one acts where that one covers, at any age", "RENDERLAYERS", 3),
    (
        "DEGREE",
        "Layer Degree",
        "How weathered another layer has the surface around, smooth, at any age",
        "SMOOTHCURVE",
        4,
    ),
    (
        "MATERIAL",
        "Material",
        "What the surface is made of: metal by the material's Metallic, all else as a segmenter sees it",
        "MATERIAL",
        5,
    ),
]
MATERIALS = [
    (material.value, material.value.replace("_", " ").title(), "", "NONE", 1 << material.channel)
    for material in Material
]
COMBINE = [
    ("MULTIPLY", "Multiply", "The layer acts only where this mask has it act too", "X", 0),
    ("ADD", "Add", "The layer acts where this mask has it act as well", "ADD", 1),
    ("SUBTRACT", "Subtract", "The layer does not act where this mask is white", "REMOVE", 2),
]
PREFIXES = {
    "IMAGE": MASK,
    "GROUP": GROUP,
    "ATTRIBUTE": ATTRIBUTE,
    "LAYER": LAYER,
    "DEGREE": DEGREE,
    "MATERIAL": MATERIAL,
    "MERGED": MERGED,  # of a recipe as a material wires it alone
}
OF_LAYERS = ("LAYER", "DEGREE")


def parts(mask: str) -> tuple[str, str]:
    """A recipe's mask as one of KINDS and the name of what it is."""
    for kind, prefix in PREFIXES.items():
        if mask.startswith(prefix):
            return kind, mask.removeprefix(prefix)
    return "IMAGE", mask


def map_name(name: str, kind: str = "IMAGE") -> str:
    """Of the map that this becomes; an image that is called `mask` is the map `mask`, as on the command line."""
    return name if not name or (kind == "IMAGE" and name == "mask") else PREFIXES[kind] + name


def of_materials(names: Collection[str]) -> str:
    """What a mask of these materials is called behind its prefix, in the table's order."""
    return "+".join(item[0] for item in MATERIALS if item[0] in names)
