# SPDX-License-Identifier: GPL-3.0-or-later
"""ImageNet features for losses and measures, from the data folder's backbone; never shipped."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF = {  # other processors emulate bfloat16: a step takes ten times as long
    "cpu": torch.backends.cpu.get_cpu_capability() == "AVX512",
    "cuda": True,
}


class RawPatches(nn.Module):
    """What stands in for the backbone where there is none: every 4x4 patch as it is, at four scales.

    images [N,3,H,W] -> [N,48,h,w] each at strides 4, 8, 16, 32. It holds colours and grain, and of structure what patches do.
    """

    def forward(self, images: Tensor) -> list[Tensor]:
        return [F.pixel_unshuffle(F.avg_pool2d(images, scale), 4) for scale in (1, 2, 4, 8)]


def half() -> torch.autocast:
    """A context in which convolutions on torch's default device compute in bfloat16, where it is faster at that."""
    kind = torch.get_default_device().type
    return torch.autocast(kind, torch.bfloat16, enabled=HALF[kind])


def precision() -> str:
    """What `half` computes in, as a card says it."""
    return "bfloat16 autocast" if HALF[torch.get_default_device().type] else "float32"


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


def load_or_patches(folder: Path | None) -> nn.Module:
    """The backbone of a data folder; RawPatches where there is no such folder or none in it."""
    try:
        return load(folder) if folder else RawPatches()
    except FileNotFoundError:
        return RawPatches()
