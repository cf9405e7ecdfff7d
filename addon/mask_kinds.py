# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer's mask may come from, and its name in a recipe."""

from __future__ import annotations

from ..backend.protocol.mask_names import ATTRIBUTE, GROUP, LAYER, MASK

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
]
PREFIXES = {"IMAGE": MASK, "GROUP": GROUP, "ATTRIBUTE": ATTRIBUTE, "LAYER": LAYER}


def parts(mask: str) -> tuple[str, str]:
    """A recipe's mask as one of KINDS and the name of what it is."""
    for kind, prefix in PREFIXES.items():
        if mask.startswith(prefix):
            return kind, mask.removeprefix(prefix)
    return "IMAGE", mask


def map_name(name: str, kind: str = "IMAGE") -> str:
    """Of the map that this becomes; an image that is called `mask` is the map `mask`, as on the command line."""
    return name if not name or (kind == "IMAGE" and name == "mask") else PREFIXES[kind] + name
