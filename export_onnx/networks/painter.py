# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter: paints a weathering once, for all ages (DESIGN.md, "The painter paints once").

From 1/32 of the resolution to full: at every level the base, the susceptibility, the direction of gravity and fresh noise,
as strong as the style wants it, are added by a 1x1 convolution, then 3x3 convolutions, each followed by its activation and by
the style's modulation (FiLM), in this order so that a convolution and its activation stay one fused operation. Every level
adds its own share to the picture, so that large shapes are made where they are cheap, from coarse noise.

Runs come from streaks: noise whose lattice is stretched along gravity on the object itself, so that they stand upright across
any seam, and a style only chooses how much of them it takes. Cracks come from veins: how far a texel is from where two cells
meet (a cell is where one of four noises is the largest) or from where a noise is zero. The threshold of styles for which a gate
is open is made of these; the levels add detail. Scratches come from strokes, in the same way, but beside what the levels make of
the threshold, not in its place.

Sheer styles (the grey of wood, stains) show the base's own fine light and dark: their colours are multiplied by them. The finest
levels, which no style modulates, cannot let the base through in some styles alone. Crisp styles (rust, flakes of paint, moss) get
back the fine borders of the threshold that doubling has softened.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...backend.networks.card import Noise
from ...backend.protocol import growth

BASE, SUSCEPTIBILITY, DOWN = 6, 2, 2  # albedo 3, roughness, metallic, height; rate, onset; x, y
STYLE = 16
MULTIPLE = 32
OVERLAP = 128  # the receptive field reaches 90 texels to each side, and 31 more where the coarse grid lies badly
STRETCH = 6.0
NOISE = {
    "noise_32": Noise(32, 4),
    "noise_16": Noise(16, 4),
    "noise_8": Noise(8, 4),
    "noise_4": Noise(4, 2),
    "noise_2": Noise(2, 2),
    "streaks_16": Noise(16, 4, stretch=STRETCH),
    "streaks_8": Noise(8, 4, stretch=STRETCH),
    "streaks_4": Noise(4, 2, stretch=STRETCH),
    "grain": Noise(2, 4, spacing=1),  # independent from texel to texel: unfolded to one channel at full resolution
}
VEINS = 4  # borders of coarse cells, of fine cells; coarse lines, fine lines
FOLDED = frozenset({"grain"})  # four channels that stand for one at twice the resolution
# As a level takes them.
CHANNELS = {name: noise.channels for name, noise in NOISE.items()} | {"grain": 1}
# By level, from the coarsest: side of the kernels, channels in and after each convolution, how many of these the style
# modulates, names of its noise. Fine levels are not modulated, nor is the last convolution before them: what follows (doubling,
# adding) then stays in the runtime's own layout, which makes the whole a fifth faster.
LEVELS: tuple[tuple[int, int, tuple[int, ...], int, tuple[str, ...]], ...] = (
    (1, 96, (96,), 1, ("noise_32",)),
    (3, 96, (96, 96), 2, ("noise_16", "streaks_16")),
    (3, 96, (96, 96), 2, ("noise_8", "streaks_8")),
    (3, 96, (64, 64), 1, ("noise_4", "streaks_4")),
    (3, 64, (64, 32), 0, ("noise_2",)),
    (3, 32, (32,), 0, ("grain",)),
)
BEHIND = 0.5, 1.5, -0.4  # gain, offset and least threshold of shapes beside scratches: they come later
FADE = 0.95  # how far shapes that are no lines are suppressed in styles of lines
SMOOTH = 3  # so many doublings, the first, smooth what is doubled, the picture twice: at the finer ones that would cost too much
INPUTS = ("base", "susceptibility", "down", *NOISE, "style")
PAINTED = (
    "threshold",
    "softness",
    "thin_r",
    "thin_g",
    "thin_b",
    "thick_r",
    "thick_g",
    "thick_b",
    "roughness",
    "metallic",
    "height",
)
# No texel pops from one age to the next, however bright its layer or its base.
SOFTNESS_MIN = growth.SOFTNESS_MIN + 0.036
USUAL_SLOPES = torch.tensor([0.008] * 4 + [0.023] * 4)[:, None, None]  # of the noises that strokes follow, a texel
_TINY = 1e-6
COLOURS = 6  # of `PAINTED`: thin and thick
DARKEST, MOST_LIGHT = 0.02, 1.8  # added to a base's light; what it differs by from its surroundings at most
HEAD = 16  # channels each level adds to the picture: a multiple of 16 is faster than the eleven that are used


class Level(nn.Module):
    """One resolution: conditions and noise added, then convolutions through `channels`, the first modulated by the style."""

    def __init__(self, side: int, inner: int, channels: tuple[int, ...], modulated: int, noise: int) -> None:
        super().__init__()
        self.inject = nn.Conv2d(BASE + SUSCEPTIBILITY + DOWN + noise, inner, 1)
        self.gain = nn.Linear(STYLE, noise)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, side, padding=side // 2) for a, b in zip((inner, *channels), channels, strict=False)
        )
        self.films = nn.ModuleList(nn.Linear(STYLE, 2 * c) for c in channels[:modulated])

    def forward(self, x: Tensor | None, conditions: list[Tensor], noise: Tensor, style: Tensor) -> Tensor:
        noise = noise * (1 + self.gain(style)[:, :, None, None])
        injected = self.inject(torch.cat([*conditions, noise], 1))
        x = injected if x is None else x + injected
        for i, conv in enumerate(self.convs):
            x = F.leaky_relu(conv(x), 0.2)
            if i < len(self.films):
                scale, shift = self.films[i](style)[:, :, None, None].chunk(2, 1)
                x = x * (1 + scale) + shift
        return x


class Painter(nn.Module):
    """Contract in backend/networks/card.py. All inputs float32; H and W multiples of `MULTIPLE`.

    base [N,6,H,W] (albedo sRGB-encoded, roughness, metallic, height), susceptibility [N,2,H,W], down [N,2,H,W],
    noise_s [N,C,H/s,W/s] for each of `NOISE`, style [N,16] -> painted [N,11,H,W] in the order of `PAINTED`, all final values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.levels, self.heads = nn.ModuleList(), nn.ModuleList()
        for side, inner, channels, modulated, names in LEVELS:
            self.levels.append(Level(side, inner, channels, modulated, sum(CHANNELS[name] for name in names)))
            last = len(self.levels) == len(LEVELS)
            self.heads.append(nn.Conv2d(channels[-1], HEAD, 3 if last else 1, padding=int(last)))
        self.tint = nn.Linear(STYLE, HEAD)  # of the whole picture: added where it is cheapest
        self.gate = nn.Linear(STYLE, 1)  # above 0 for styles that are lines
        self.lines = nn.Linear(
            STYLE, 2 + VEINS
        )  # an offset, what a texel of distance adds, how much later each vein starts
        self.strokes = nn.Linear(STYLE, 3)  # above 0 for styles of scratches; an offset, what a texel of distance adds
        self.sheer = nn.Linear(
            STYLE, 1
        )  # how much of the base's fine light and dark shows in the layer's colours, 0..1
        self.crisp = nn.Linear(STYLE, 1)  # how much sharper the threshold is than its levels make it, 0..1
        self.start()

    def start(self) -> None:
        """Weights with which every level's noise shows in the threshold from the first step, the coarse most.

        torch's own shrink the coarse noise at every convolution; all shapes are then made from the finest, and stay small.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.1)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                module.bias = nn.Parameter(torch.zeros(module.out_channels))
        for head, strength in zip(self.heads, (0.6, 0.8, 0.8, 0.5, 0.3, 0.2), strict=True):
            assert isinstance(head, nn.Conv2d)
            head.weight.data *= 0.15
            head.weight.data[0] *= strength / 0.15
        for level, (*_, names) in zip(self.levels, LEVELS, strict=True):
            assert isinstance(level, Level)
            streaks = sum(CHANNELS[name] for name in names if name.startswith("streaks"))
            if streaks:  # last among the inputs: a style that has runs asks for more of them soon enough
                level.inject.weight.data[:, -streaks:] *= 0.5
        nn.init.zeros_(self.tint.weight)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, -1)
        nn.init.zeros_(self.lines.weight)
        self.lines.bias = nn.Parameter(torch.tensor([-3.0, 1.5, *[0.0] * VEINS]))
        nn.init.zeros_(self.strokes.weight)
        self.strokes.bias = nn.Parameter(torch.tensor([-1.0, -1.2, 3.0]))
        for layer in (self.sheer, self.crisp):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        bias = torch.zeros(HEAD)
        bias[
            [PAINTED.index("metallic"), PAINTED.index("softness")]
        ] = -3  # what covers is seldom metal, and has borders
        self.heads[-1].bias = nn.Parameter(bias)

    def forward(
        self,
        base: Tensor,
        susceptibility: Tensor,
        down: Tensor,
        noise_32: Tensor,
        noise_16: Tensor,
        noise_8: Tensor,
        noise_4: Tensor,
        noise_2: Tensor,
        streaks_16: Tensor,
        streaks_8: Tensor,
        streaks_4: Tensor,
        grain: Tensor,
        style: Tensor,
    ) -> Tensor:
        pyramid = [[base, susceptibility, down]]
        for _ in LEVELS[1:]:
            pyramid.append([F.avg_pool2d(condition, 2) for condition in pyramid[-1]])
        noises = (
            noise_32,
            torch.cat([noise_16, streaks_16], 1),
            torch.cat([noise_8, streaks_8], 1),
            torch.cat([noise_4, streaks_4], 1),
            noise_2,
            F.pixel_shuffle(grain, 2),
        )
        x: Tensor | None = None
        raw = self.tint(style)[:, :, None, None]
        for index, (level, head) in enumerate(zip(self.levels, self.heads, strict=True)):
            if x is not None:
                if index <= SMOOTH:
                    x, raw = smoothed(twice(x)), smoothed(smoothed(twice(raw)))
                else:
                    x, raw = between(x), between(raw)
            x = level(x, pyramid[-1 - index], noises[index], style)
            raw = raw + head(x)
        distances, scratches = veins(noise_32, noise_16, noise_8, noise_4), strokes(noise_32, noise_16)
        # The last convolution brings all channels into 0..1 by itself, which is free; the threshold alone is taken back.
        threshold, softness, maps, _ = torch.sigmoid(raw.float()).split(
            [1, 1, len(PAINTED) - 2, HEAD - len(PAINTED)], 1
        )
        threshold = torch.log(threshold + _TINY) - torch.log(1 + _TINY - threshold)
        threshold = self.scratched(self.lined(threshold, distances, style), scratches, style)
        colours, others = maps.split([COLOURS, len(PAINTED) - 2 - COLOURS], 1)
        shown = self.sheer(style).clamp(0, 1)[:, :, None, None] * fine_light(base, pyramid[-2][0])
        threshold = self.sharpened(torch.sigmoid(threshold), style)
        return final_values(threshold, softness, (colours * shown.exp()).clamp(max=1), others)

    def open_gate(self, codes: Tensor, late: Tensor) -> None:
        """Opens the gate wide for those of the styles' codes [S,16] that are lines, and shuts it for the others.

        `late` [S,VEINS]: by how many texels each vein starts later, NaN for styles that are no lines. Where none is, or all are,
        the gate stays as it is. Raises ValueError where no plane parts them.
        """
        lined = late.isfinite().all(1)
        if lined.all() or not lined.any():
            return
        self.gate.weight.data[0], self.gate.bias.data[0] = parting(codes, lined)
        mean = late[lined].mean(0)
        self.lines.weight.data[2:] = torch.linalg.lstsq(codes[lined], late[lined] - mean, driver="gelsd").solution.T
        self.lines.bias.data[2:] = mean

    def open_strokes(self, codes: Tensor, scratched: Tensor) -> None:
        """Opens the strokes for those of the styles' codes [S,16] that are `scratched` [S], and shuts them for the others.

        Where none is, or all are, they stay as they are. Raises ValueError where no plane parts them.
        """
        if scratched.any() and not scratched.all():
            self.strokes.weight.data[0], self.strokes.bias.data[0] = parting(codes, scratched)

    def make_sheer(self, codes: Tensor, sheer: Tensor) -> None:
        """Makes the styles of these codes [S,16] as `sheer` [S], 0..1, as a plane over the codes can."""
        self.sheer.weight.data[0], self.sheer.bias.data[0] = plane(codes, sheer)

    def make_crisp(self, codes: Tensor, crisp: Tensor) -> None:
        """As `make_sheer`; styles that are not to be are kept well below."""
        self.crisp.weight.data[0], self.crisp.bias.data[0] = plane(codes, torch.where(crisp > 0, crisp, -0.2))

    def sharpened(self, threshold: Tensor, style: Tensor) -> Tensor:
        """The threshold [N,1,H,W] in 0..1, and as far as the style is crisp what it differs by from its neighbours' mean."""
        crisp = self.crisp(style).clamp(0, 1)[:, :, None, None]
        return (threshold + crisp * (threshold - smoothed(threshold))).clamp(0, 1)

    def lined(self, threshold: Tensor, distances: Tensor, style: Tensor) -> Tensor:
        """The threshold [N,1,H,W], raw, as far as the style is one of lines made of `veins`."""
        gate = self.gate(style).clamp(0, 1)[:, :, None, None]
        offset, slope, late = self.lines(style)[:, :, None, None].split([1, 1, VEINS], 1)
        drawn = smoothed(twice(offset + slope * (distances + late).amin(1, keepdim=True)))
        return threshold * (1 - FADE * gate) + gate * drawn

    def scratched(self, threshold: Tensor, distance: Tensor, style: Tensor) -> Tensor:
        """The threshold [N,1,H,W], raw, held back, or that of `strokes` where it is less, as far as the style has scratches."""
        gate, offset, slope = self.strokes(style)[:, :, None, None].chunk(3, 1)
        drawn = smoothed(twice(offset + slope * distance)) + (1 - FADE) * threshold
        return torch.lerp(threshold, torch.minimum(held_back(threshold), drawn), gate.clamp(0, 1))


def held_back(threshold: Tensor) -> Tensor:
    """The raw threshold of shapes beside scratches: later than alone, and nowhere earlier than the least of `BEHIND`."""
    gain, offset, least = BEHIND
    return least + F.softplus(2 * (gain * threshold + offset - least)) / 2


def fine_light(base: Tensor, coarse: Tensor) -> Tensor:
    """[N,1,H,W]: by how much, as a logarithm, a texel of the base [N,6,H,W] is lighter than what is around it.

    `coarse` [N,6,H/16,W/16] is the base's means: what is around reaches 40 texels, less than what gutters hold from across a
    seam. Where light and dark bases meet it is bounded.
    """
    light, around = (x[:, :3].float().mean(1, keepdim=True) + DARKEST for x in (base, coarse))
    around = F.interpolate(smoothed(around), scale_factor=16, mode="bilinear", align_corners=False)
    return (light / around).clamp(1 / MOST_LIGHT, MOST_LIGHT).log()


def plane(codes: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The weight [16] and the bias that come nearest to values [S] at codes [S,16]."""
    known = torch.cat([codes, torch.ones(len(codes), 1)], 1)
    answer = torch.linalg.lstsq(known, values[:, None], driver="gelsd").solution[:, 0]
    return answer[:-1], answer[-1]


def parting(codes: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """A weight [16] and a bias that bring the chosen [S] of codes [S,16] to 1.5 and more, the others to -0.5 and less.

    Raises ValueError where no plane parts them.
    """
    weight = 1 + 9 * chosen.float()[:, None]  # they are few
    known = torch.cat([codes, torch.ones(len(codes), 1)], 1)
    answer = torch.linalg.lstsq(weight * known, weight * chosen.float()[:, None], driver="gelsd").solution[:, 0]
    least, most = (known[chosen] @ answer).min(), (known[~chosen] @ answer).max()
    if least <= most:
        raise ValueError("no plane can tell these styles from the others")
    return 2 * answer[:-1] / (least - most), 2 * (answer[-1] - most) / (least - most) - 0.5


def twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def between(x: Tensor) -> Tensor:
    """Twice the resolution, linear between texels: nearly `smoothed(twice(x))` in half the time."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def smoothed(x: Tensor) -> Tensor:
    """Mean of 3x3: takes the steps out of what was doubled."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def veins(noise_32: Tensor, noise_16: Tensor, noise_8: Tensor, noise_4: Tensor) -> Tensor:
    """[N,VEINS,H/2,W/2] from the noises [N,C,H/s,W/s]: texels, about, to the nearest line of each kind."""
    coarse = smoothed(twice(noise_32))
    fields = torch.cat([coarse + 0.2 * noise_16, noise_16 + 0.2 * coarse, coarse[:, :1] + 0.5 * noise_16[:, :1]], 1)
    fields = torch.cat([fields, noise_16[:, 1:2] + 0.5 * coarse[:, 1:2]], 1)
    fields = smoothed(twice(fields)) + 0.08 * torch.cat([noise_8, noise_8, 2 * noise_8[:, 2:]], 1)
    fields = smoothed(twice(fields)) + 0.03 * torch.cat([noise_4, noise_4.flip(1)] * 2 + [noise_4], 1)
    apart = from_lines(fields)
    variance = (smoothed(apart.square()) - smoothed(apart).square()).clamp(min=0)  # 2/3 of the slope squared on a plane
    slope = (1.5 * smoothed(smoothed(variance)) + 1e-3).sqrt() / 4  # a texel, not one in four
    return from_lines(smoothed(twice(fields))) / smoothed(twice(slope))


def strokes(noise_32: Tensor, noise_16: Tensor) -> Tensor:
    """[N,1,H/2,W/2] from the noises [N,C,H/s,W/s]: texels, about, to the nearest scratch, less than 0 inside a broad one.

    Long scratches and short ones lie where smooth noises are zero, some with three more beside them; each noise has another that
    breaks its scratches off. There are none where a noise is too flat to have a direction.
    """
    long, short = smoothed(twice(smoothed(noise_32))), smoothed(noise_16 + twice(noise_32))
    fields = torch.cat([long, short, smoothed(noise_16.flip(1))], 1)
    fields = smoothed(twice(smoothed(twice(fields))))
    fields, breaks = fields[:, :8], 4 * fields[:, 8:] + 0.5
    variance = (smoothed(fields.square()) - smoothed(fields).square()).clamp(min=0)
    slope = (1.5 * smoothed(smoothed(variance)) + 1e-6).sqrt() / 4  # a texel, as in `veins`
    flat = 3 * (1 - slope / USUAL_SLOPES.to(slope.device)).clamp(min=0)
    away, flat, breaks = between(torch.cat([fields / slope, flat, breaks], 1)).split([8, 8, 4], 1)
    away = away.abs()
    single = away + flat + torch.cat([breaks.clamp(min=-1.2), breaks.roll(1, 1).clamp(min=-0.6)], 1)
    bundled = ((away[:, 2:6] - 6).abs() - 3).abs() + flat[:, 2:6] + breaks.roll(2, 1).clamp(min=-1.6) + 1.5
    return torch.cat([single, bundled], 1).amin(1, keepdim=True)


def from_lines(fields: Tensor) -> Tensor:
    """[N,VEINS,H,W] of [N,10,H,W]: by how much the largest of four exceeds the next, twice, and two from 0."""
    cells = []
    for a, b, c, d in (fields[:, :4].chunk(4, 1), fields[:, 4:8].chunk(4, 1)):
        first, second = torch.maximum(a, b), torch.maximum(c, d)
        third = torch.maximum(torch.minimum(a, b), torch.minimum(c, d))
        cells.append(torch.maximum(first, second) - torch.maximum(torch.minimum(first, second), third))
    return torch.cat([*cells, fields[:, 8:].abs()], 1)


def final_values(threshold: Tensor, softness: Tensor, *maps: Tensor) -> Tensor:
    """The painted maps, in the order of `PAINTED`, of what is in 0..1: the first two in growth's ranges."""
    low, high = growth.THRESHOLD_MIN, growth.THRESHOLD_MAX
    softness = SOFTNESS_MIN + (growth.SOFTNESS_MAX - SOFTNESS_MIN) * softness
    return torch.cat([low + (high - low) * threshold, softness, *maps], 1)


def inputs_of(count: int, height: int, width: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Random inputs of the right shapes and ranges, by name: for tracing and for tests."""
    draw = lambda channels: torch.rand(count, channels, height, width, generator=generator)  # noqa: E731
    exposure = draw(1)
    rate = growth.RATE_MIN + (growth.RATE_MAX - growth.RATE_MIN) * exposure
    noise = {
        name: torch.randn(count, n.channels, height // n.stride, width // n.stride, generator=generator)
        for name, n in NOISE.items()
    }
    named = {
        "base": draw(BASE),
        "susceptibility": torch.cat([rate, growth.ONSET_MAX * (1 - exposure)], 1),
        "down": draw(DOWN) * 2 - 1,
    }
    return named | noise | {"style": torch.randn(count, STYLE, generator=generator)}
