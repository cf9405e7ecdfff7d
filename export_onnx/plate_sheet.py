# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painter learns from, to look at: per texture its photograph, weathered area, degrees, base, roughness, height."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .data import effects, textures

SHOWN = 384  # texels of each plate, drawn at half size


def draw(folder: Path, path: Path) -> Path:
    """Writes one PNG, a row a style."""
    rows = []
    for _, photograph in effects.styles():
        plate = textures.plate(photograph, folder / "textures" / photograph.folder)
        grey = [
            plate.area,
            plate.degrees[:1],
            plate.degrees[-1:],
            plate.photograph[3:4],
            plate.photograph[5:6],
            plate.base[5:6],
        ]
        cells = [plate.photograph[:3], plate.base[:3], *(np.repeat(g, 3, 0) for g in grey)]
        rows.append(np.concatenate([c[:, :SHOWN, :SHOWN] for c in cells], 2))
    picture = Image.fromarray((np.moveaxis(np.concatenate(rows, 1), 0, -1) * 255).round().astype(np.uint8))
    picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX).save(path)
    return path
