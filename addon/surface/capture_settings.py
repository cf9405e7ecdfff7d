# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist or a script may choose about a capture."""

from __future__ import annotations

from typing import NamedTuple

from ...backend.protocol.words import FrameMode


class CaptureSettings(NamedTuple):
    """What shapes a capture. `size` is the longest side in texels; 0 takes the material's largest image, else `density`."""

    size: int = 0
    density: float = 256.0  # texels a metre where the material has no images
    mode: FrameMode = FrameMode.ASSET  # in scene mode other objects occlude
    masks: tuple[str, ...] = ()  # what of the mesh itself is captured besides: vertex groups, colour attributes


DEFAULT = CaptureSettings()
