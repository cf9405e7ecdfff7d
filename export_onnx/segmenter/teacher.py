# SPDX-License-Identifier: GPL-3.0-or-later
"""A frozen backbone as teacher: the segmenter's features shall tell what the backbone's would. It ships with nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.segmenter import WIDTHS

GROUPS = (2, 4, 6)  # of the backbone (backbone.load), at strides 8, 16, 32: the deepest know most of what things are
WITHIN = 1e-3  # of a channel's deviation, so that one that says nothing divides by no zero


class Teacher(nn.Module):
    """Each level's features, through a 1x1 convolution that is thrown away, against the backbone's nearest in stride.

    It learns from every picture, also where nothing is known of its materials. `backbone`: images [N,3,H,W] -> features by
    falling resolution; of two at one resolution the later, deeper one teaches.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        with torch.no_grad():
            shown = self.backbone(torch.zeros(1, 3, 64, 64))
        strides = [64 // feature.shape[-1] for feature in shown]
        self.taken = [_nearest(strides, 8 << level) for level in range(len(WIDTHS))]
        self.told = nn.ModuleList(
            nn.Conv2d(width, shown[taken].shape[1], 1) for width, taken in zip(WIDTHS, self.taken, strict=True)
        )

    def forward(self, picture: Tensor, features: tuple[Tensor, ...]) -> Tensor:
        """`features` at strides 8, 16, 32 -> the share of the backbone's variance that they do not tell: about 1 at first."""
        with torch.no_grad():
            shown = self.backbone(picture)
        apart = []
        for told, taken, feature in zip(self.told, self.taken, features, strict=True):
            wanted = F.adaptive_avg_pool2d(shown[taken].float(), (feature.shape[2], feature.shape[3]))
            mean, deviation = (f(wanted, dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
            apart.append(F.mse_loss(told(feature).float(), (wanted - mean) / (deviation + WITHIN)))
        return torch.stack(apart).mean()


def _nearest(strides: list[int], stride: int) -> int:
    """Which feature is nearest to a stride, the last of those: never a coarser one while there is a finer one."""
    finer = [i for i, own in enumerate(strides) if own <= stride] or [0]
    return max(finer, key=lambda i: (strides[i], i))
