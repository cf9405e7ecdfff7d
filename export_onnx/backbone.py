# SPDX-License-Identifier: GPL-3.0-or-later
"""ImageNet features for losses and measures, from the data folder's backbone; never shipped."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from pathlib import Path

from torch import nn


def tool(folder: Path, name: str) -> Path:
    """A tool beside the data folder, which is not part of the project."""
    path = folder.parent / "tools" / f"{name}.py"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is needed beside the data folder")
    return path


def load(folder: Path) -> nn.Module:
    """The frozen backbone: images [N,3,H,W] sRGB in 0..1 -> feature maps at strides 2, 4, 8, 16, 16."""
    module = SourceFileLoader("perceptual", str(tool(folder, "perceptual"))).load_module()
    return module.load(folder / "backbone" / "mobilenet_v2.npz")
