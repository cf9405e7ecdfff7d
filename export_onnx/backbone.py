# SPDX-License-Identifier: GPL-3.0-or-later
"""ImageNet features for losses and measures, from the data folder's backbone; never shipped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF = {  # other processors emulate bfloat16: a step takes ten times as long
    "cpu": torch.backends.cpu.get_cpu_capability() == "AVX512",
    "cuda": True,
}
GROUPS = (0, 1, 2, 3, 4)  # of the backbone's bottlenecks, after which there are features: strides 2, 4, 8, 16, 16


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


def load(folder: Path, groups: Sequence[int] = GROUPS) -> nn.Module:
    """The frozen backbone: images [N,3,H,W] sRGB in 0..1 -> feature maps after `groups` of its bottlenecks.

    The seven groups' strides are 2, 4, 8, 16, 16, 32, 32.
    """
    spec = spec_from_file_location("perceptual", tool(folder, "perceptual"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)  # one for each call: what it gives stands in a constant of its own
    spec.loader.exec_module(module)
    vars(module)["STAGES"] = tuple(groups)
    return module.load(folder / "backbone" / "mobilenet_v2.npz")


def load_or_patches(folder: Path | None, groups: Sequence[int] = GROUPS) -> nn.Module:
    """The backbone of a data folder, as `load`; RawPatches where there is no such folder or none in it."""
    try:
        return load(folder, groups) if folder else RawPatches()
    except FileNotFoundError:
        return RawPatches()
