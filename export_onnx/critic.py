# SPDX-License-Identifier: GPL-3.0-or-later
"""Adversarial training of the painter: two patch discriminators that learn to tell its composites from photographs.

They see all six maps, the degree at each texel and which style it should be, at full and at half the resolution (Isola et al.
2017; the style by projection: Miyato and Koyama 2018). Logistic loss with R1 (Mescheder et al. 2018), the gradient being that of
the sum of all patches' logits, over their number. Both sides are shifted and recoloured at random, so that few photographs last
(Karras et al. 2020). It is never shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (48, 64, 96, 128)  # after each halving: a patch sees 31 texels, and 62 at half the resolution
SHIFT = 16  # texels by which a picture is cut short at most
TINT, CONTRAST = 0.05, 0.15  # deviations of what is added to its colours, and of the factor's logarithm
PENALTY = 1.0  # of R1


class Critic(nn.Module):
    """pictures [N,7,H,W], centred, of one style [N] -> logits of patches [N,1,H/16,W/16]: above 0 is a photograph."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        sizes = (7, *CHANNELS)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(sizes, CHANNELS, strict=False)
        )
        self.any = nn.Conv2d(CHANNELS[-1], 1, 1)
        self.own = nn.Embedding(styles, CHANNELS[-1])
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, a=0.2)
        nn.init.zeros_(self.own.weight)

    def forward(self, pictures: Tensor, style: Tensor) -> Tensor:
        for conv in self.convs:
            pictures = F.leaky_relu(conv(pictures), 0.2)
        own = (pictures * self.own(style)[:, :, None, None]).sum(1, keepdim=True)
        return self.any(pictures) + own / CHANNELS[-1] ** 0.5


class Critics(nn.Module):
    """One at full and one at half the resolution; logits of both in one row [N,P]."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(Critic(styles) for _ in range(2))

    def forward(self, pictures: Tensor, style: Tensor) -> Tensor:
        both = (scale(F.avg_pool2d(pictures, i + 1), style) for i, scale in enumerate(self.scales))
        return torch.cat([logits.flatten(1) for logits in both], 1)


@dataclass(frozen=True)
class Adversary:
    """The critics and their optimizer."""

    critics: Critics
    optimizer: torch.optim.Optimizer

    @staticmethod
    def against(styles: int, rate: float) -> Adversary:
        """With the painter's own learning rate."""
        critics = Critics(styles)
        return Adversary(critics, torch.optim.Adam(critics.parameters(), lr=rate, betas=(0.0, 0.99)))

    def judge(self, maps: Tensor, degree: Tensor, style: int) -> Tensor:
        """The painter's loss: how far its maps [N,6,H,W] at `degree` [N,1,H,W] are from being taken for a photograph."""
        return F.softplus(-self.critics(*self._seen(maps, degree, style))).mean()

    def losses(self, maps: Tensor, photograph: Tensor, degree: Tensor, style: int) -> dict[str, Tensor]:
        """The critics' own, by the names they are logged under. R1 is of the photographs."""
        pictures, styles = self._seen(photograph, degree, style)
        pictures.requires_grad_(True)
        real, fake = self.critics(pictures, styles), self.critics(*self._seen(maps.detach(), degree, style))
        (slope,) = torch.autograd.grad(real.sum(), pictures, create_graph=True)
        return {
            "critic": F.softplus(-real).mean() + F.softplus(fake).mean(),
            "penalty": PENALTY / 2 * slope.square().sum((1, 2, 3)).mean() / real.shape[1],
        }

    def state(self) -> dict[str, Any]:
        return {"critics": self.critics.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        self.critics.load_state_dict(state["critics"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _seen(self, maps: Tensor, degree: Tensor, style: int) -> tuple[Tensor, Tensor]:
        pictures = varied(torch.cat([maps, degree], 1))
        return 2 * pictures - 1, torch.full((len(pictures),), style)


def varied(pictures: Tensor) -> Tensor:
    """Pictures [N,7,H,W], each a part of itself, its colours and other maps brighter and of more contrast, or less."""
    top, left = (int(torch.randint(SHIFT + 1, (), device="cpu")) for _ in range(2))
    side = pictures.shape[-1] - SHIFT
    pictures = pictures[:, :, top : top + side, left : left + side]
    maps, degree = pictures.split([6, 1], 1)
    count = len(maps)
    maps = (maps - 0.5) * torch.exp(CONTRAST * torch.randn(count, 1, 1, 1)) + 0.5 + TINT * torch.randn(count, 6, 1, 1)
    return torch.cat([maps, degree], 1)
