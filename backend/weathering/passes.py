# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a frame's passes: denoised or changed since, blurred by motion or by depth of field."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..protocol.surface import Surface

_BAND = 256  # rows computed at a time


def inspect(surface: Surface, passes: Mapping[str, np.ndarray] | None = None) -> tuple[str, ...]:
    """Warnings about passes that do not say what one texel looks like: denoised, blurred by motion or by depth of field.

    `passes` are further passes of the file by Blender's names, as files.read_frame gives them.
    """
    passes = passes or {}
    warnings = []
    if "Noisy Image" in passes or _violates_sum(surface, passes):
        warnings.append(
            "The picture was denoised or changed after its passes were rendered, so they no longer add up to it: "
            "weathered places may look noisier than their surroundings. Render without denoising, or with more samples, "
            "and denoise the weathered frame."
        )
    if _is_blurred(surface, passes):
        warnings.append(
            "The frame seems to have motion blur or depth of field (many texels show several places at once), "
            "so weathering may speckle there. Render without them, and blur the weathered frame."
        )
    return tuple(warnings)


def _violates_sum(surface: Surface, passes: Mapping[str, np.ndarray]) -> bool:
    """Whether combined is not the sum of its passes in more than 5% of the frame. A rest that is not in the file may only add."""
    bad = total = 0
    complete = (
        all(f"Transmission {p}" in passes for p in ("Color", "Direct", "Indirect"))
        and {"Emission", "Environment"} <= passes.keys()
    )
    for rows in bands(surface.size[0]):
        window = (rows, slice(None))
        combined = surface["combined"].floats(window)
        total_light = surface["diffuse_colour"].floats(window) * surface["diffuse_light"].floats(window)
        total_light += surface["glossy_colour"].floats(window) * surface["glossy_light"].floats(window)
        if complete:
            through = (
                passes["Transmission Direct"][rows, :, :3].astype(np.float32)
                + passes["Transmission Indirect"][rows, :, :3]
            )
            total_light += passes["Transmission Color"][rows, :, :3] * through
            total_light += passes["Emission"][rows, :, :3].astype(np.float32) + passes["Environment"][rows, :, :3]
        rest = combined - total_light
        tolerance = 2e-3 + 4e-3 * np.abs(combined)  # halves carry 11 bits, and three of them are multiplied
        wrong = (np.abs(rest) > tolerance) if complete else (rest < -tolerance)
        bad += int(wrong.any(axis=2).sum())
        total += wrong.shape[0] * wrong.shape[1]
    return bad > 0.05 * total


def _is_blurred(surface: Surface, passes: Mapping[str, np.ndarray]) -> bool:
    """Bands of texels, wider than antialiasing makes them, that show two objects at once; or positions that jump to and fro.

    The second needs no cryptomatte: Cycles keeps the position of a texel's first sample, so where a texel shows two places,
    neighbours tell of one or the other by chance.
    """
    solid = surface["world_normal"].array.any(axis=2)
    if not solid.any():
        return False
    if "CryptoObject00" in passes:
        first = passes["CryptoObject00"][..., 1].astype(np.float32)
        mixed = (first > 0.02) & (first < 0.98)
        for _ in range(2):
            mixed = _eroded(mixed)
        if mixed.sum() > 0.005 * solid.sum():
            return True
    position = surface["position"].array.astype(np.float32)
    jumps = np.zeros(solid.shape, bool)
    near = np.median(np.linalg.norm(np.roll(position, -1, 0) - np.roll(position, 1, 0), axis=2)[solid])
    for axis in (0, 1):
        before, after = np.roll(position, 1, axis), np.roll(position, -1, axis)
        apart = np.linalg.norm(after - before, axis=2)
        off = np.linalg.norm(position - (before + after) / 2, axis=2)
        jumps |= (off > 4 * apart) & (off > 4 * near) & solid & np.roll(solid, 1, axis) & np.roll(solid, -1, axis)
    return bool(jumps.sum() > 0.01 * solid.sum())


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Binary erosion by 3x3; what lies outside counts as 0."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    result = mask.copy()
    for y in range(3):
        for x in range(3):
            result &= padded[y : y + height, x : x + width]
    return result


def bands(height: int) -> list[slice]:
    """Rows to compute at a time."""
    return [slice(top, min(top + _BAND, height)) for top in range(0, height, _BAND)]
