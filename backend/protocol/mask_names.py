# SPDX-License-Identifier: GPL-3.0-or-later
"""How a recipe names its masks and a surface the maps that they become: a prefix says what a mask is."""

from __future__ import annotations

MASK = "mask:"  # before the name of a mask of the artist's, of which there may be several
GROUP, ATTRIBUTE = "group:", "attribute:"  # before that of a vertex group's weights, of a mesh attribute's values
MATERIAL = "material:"  # before materials with + between: where the surface is of one of them, as the segmenter sees it
LAYER, DEGREE = "layer:", "degree:"  # before the number of a recipe's layer, from 1: its coverage, its degree
LAYERS = (LAYER, DEGREE)
MERGED = "merged:"  # before one of these, of a layer that a material shows only merged with others
MASKS = (MASK, GROUP, ATTRIBUTE, MATERIAL, MERGED, *LAYERS)
