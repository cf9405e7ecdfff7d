# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rendered frame's object is made of, seen in its passes."""

from __future__ import annotations

import numpy as np

from ..protocol.mask_names import MASKS
from ..protocol.surface import ColorSpace, Map, Space, Surface
from .passes import bands

DIFFUSE_KNOWN = 0.02  # diffuse colour above which Blender's diffuse light is believed
DIELECTRIC = 0.04  # what a dielectric mirrors head on, at an index of refraction of 1.5
MATTE_SHARE = (
    0.935  # of the base colour, what Principled's diffuse colour keeps beneath its gloss, in Blender 4.5 and 5.0
)


def base_material(surface: Surface) -> Surface:
    """The frame's own material as a surface that can be painted: albedo (scene-linear), metallic, and roughness
    when an AOV gives it.

    Metallic is how much of the colour is in the gloss: a dielectric mirrors every colour alike, a metal its own. What a texel
    mirrors beyond a dielectric is metal. albedo * (1 - metallic) * MATTE_SHARE is the frame's diffuse colour; albedo may so come
    to lie a little above 1. Geometry, masks and names are passed on; curvature is seen from normals and positions where it lacks.
    """
    height, width = surface.size
    albedo = np.empty((height, width, 3), np.float32)
    metallic = np.empty((height, width, 1), np.float32)
    for rows in bands(height):
        diffuse, gloss = (surface[n].floats((rows, slice(None))) for n in ("diffuse_colour", "glossy_colour"))
        if "metallic" in surface:
            metal = np.clip(surface["metallic"].floats((rows, slice(None))), 0, 1)
        else:
            metal = _estimate_metallic(diffuse, gloss)
        matte = diffuse / (np.maximum(1 - metal, 0.05) * np.float32(MATTE_SHARE))
        albedo[rows] = np.clip(np.where(metal > 0.95, gloss, matte), 0, 1 / MATTE_SHARE)
        metallic[rows] = np.where(metal > 0.95, 1, metal)
    kept = (
        "position",
        "world_normal",
        "object_mask",
        "ambient_occlusion",
        "curvature",
        "down",
        "texels_per_metre",
        "mask",
        "roughness",
    )
    maps = {name: map_ for name, map_ in surface.maps.items() if name in kept or name.startswith(MASKS)}
    maps |= {"albedo": Map(albedo, ColorSpace.LINEAR), "metallic": Map(metallic)}
    if "curvature" not in maps:
        maps["curvature"] = Map(_curvature(surface))
    return Surface(maps, Space.IMAGE, pose=surface.pose, texels_per_metre=surface.texels_per_metre, name=surface.name)


def _estimate_metallic(diffuse: np.ndarray, gloss: np.ndarray) -> np.ndarray:
    def spread(colour: np.ndarray) -> np.ndarray:
        return colour.max(axis=2, keepdims=True) - colour.min(axis=2, keepdims=True)

    diffuse = diffuse / np.float32(MATTE_SHARE)
    in_gloss, in_diffuse = spread(gloss), spread(diffuse)
    tinted = in_gloss + in_diffuse
    by_colour = in_gloss / np.maximum(tinted, 1e-6)
    level = np.maximum(gloss.mean(axis=2, keepdims=True) - 1.6 * DIELECTRIC, 0)
    by_level = level / np.maximum(level + diffuse.mean(axis=2, keepdims=True), 1e-6)
    trust = np.clip((tinted - 0.03) / 0.1, 0, 1)  # grey has no colour to tell by
    metal = by_colour * trust + by_level * (1 - trust)
    bare = diffuse.max(axis=2, keepdims=True) <= DIFFUSE_KNOWN
    return np.where(bare & (level > DIELECTRIC), 1, metal).astype(np.float32)


def _curvature(surface: Surface) -> np.ndarray:
    """How the surface bends within a few texels of the picture, [H, W, 1]: 0.5 flat, to 1 at convex edges, to 0 in creases.

    From how normals turn along the way between neighbours; where the next texel lies much further off, it is another surface.
    """
    height, width = surface.size
    normal, position = (surface[n].array.astype(np.float32) for n in ("world_normal", "position"))
    bend = np.zeros((height, width), np.float32)
    for axis in (0, 1):
        way = np.diff(position, axis=axis)
        length = np.linalg.norm(way, axis=2)
        solid = normal.any(axis=2)
        joined = solid & np.roll(solid, -1, axis)
        joined = (joined[:-1] if axis == 0 else joined[:, :-1]) & (length > 0)
        if not joined.any():
            continue
        joined &= length < 6 * np.median(length[joined])
        turn = (np.diff(normal, axis=axis) * way).sum(axis=2) / np.maximum(length, 1e-9)
        turn = np.where(joined, turn, 0)
        for end in (slice(0, -1), slice(1, None)):
            bend[(end, slice(None)) if axis == 0 else (slice(None), end)] += turn
    padded = np.pad(bend, 2)  # an edge is a line in the picture: two texels to each side
    tall = np.stack([padded[i : i + height] for i in range(5)]).mean(axis=0)
    spread = np.stack([tall[:, i : i + width] for i in range(5)]).mean(axis=0)
    return np.clip(0.5 + spread, 0, 1).astype(np.float32)[..., None]
