# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter's figures, one JSON line: how close its composites come to photographs, and what it must never break.

Composites are made at 512 x 512, the scale of training, on held bases under the degree maps of the real textures; a held
base takes the mean and the spread of colour of the photograph's clean part, so that the score judges the
weathering and not the paint. `effects.PROCEDURAL` names the effects whose real pictures are themselves laid by procedure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage, stats
from torch import Tensor, nn

from . import backbone, ceiling, composite, feature_size
from .data import effects, textures
from .data.batches import over
from .painting import Brush, at_age, smooth_exposure

COMPOSITES = 16
HELD_SEED = 1000  # grown plates of evaluation share no seed with those of training
GROWN_OVER = {"black": (0.02, 0.02, 0.02), "red": (0.6, 0.1, 0.1), "white": (0.95, 0.95, 0.95)}
SCORE = {
    "score": "score",
    "spectrum_db": "spectrum_error_db",
    "colour_mean": "colour_mean_error",
    "colour_std": "colour_std_error",
}


@dataclass
class Made:
    """One composite: what was asked, what came. Maps [1,6,S,S], the rest [1,1,S,S].

    `asked`: the degree times how much of it a style covers where it is whole. `laid`: the photograph's own weathering over the
    same held base, which no painter can be asked to surpass.
    """

    maps: Tensor
    coverage: Tensor
    asked: Tensor
    real: Tensor
    laid: Tensor


def evaluate(path: Path, folder: Path, *, patches: int = 512, count: int = COMPOSITES) -> dict:
    """Every figure of the painter at `path`; `folder` is the data folder. Some minutes on two cores."""
    brush = Brush(path)
    made = {effect: list(composites(brush, folder, effect, count)) for effect in effects.TRAINING}
    figures: dict = {"effects": {effect: effect_figures(folder, effect, made[effect], patches) for effect in made}}
    figures |= over_effects(figures["effects"])
    figures["procedural"] = sorted(effects.PROCEDURAL)
    everything = [m for part in made.values() for m in part]
    figures["spearman"] = spearman(everything)
    figures |= growth_figures(brush) | placement_figures(brush)
    figures["base_response"] = base_response(brush)
    figures["runs_from_gravity"] = runs_from_gravity(brush)
    figures["texels_per_feature"] = feature_size.measure(brush)
    figures["bytes"] = path.stat().st_size
    figures["ceiling_ratio"] = ceiling.ratio(path, brush.card)
    figures["gflop_per_megatexel"] = round(
        ceiling.network_gflop(path, ceiling.random_inputs(brush.card, 1024)) / 1024**2 * 1e6, 1
    )
    return figures


def over_effects(figures: dict[str, dict]) -> dict:
    """Median and worst of the effects' scores, spectra and colours; the worst of their maps; the lowest `copy_ratio`."""
    found: dict = {}
    for name in SCORE:
        values = [effect[name] for effect in figures.values()]
        found[name] = {"median": round(float(np.median(values)), 4), "worst": max(values)}
    for name in ("maps_w1", "maps_corr"):
        found[name] = {"worst": max(abs(value) for effect in figures.values() for value in effect[name].values())}
    return found | {"copy_ratio": min(effect["copy_ratio"] for effect in figures.values())}


def table(figures: dict) -> str:
    """The figures of `evaluate` as Markdown: a row an effect (`*`: its pictures are laid by procedure), then those of all."""
    lines = [
        "| effect | score | spectrum, dB | colour mean | colour std | W1 of roughness, metallic, height "
        "| correlation less the real | nearest patch | photograph's own |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for effect, one in figures["effects"].items():
        w1, corr = (", ".join(f"{value:.2f}" for value in one[name].values()) for name in ("maps_w1", "maps_corr"))
        name = effect.replace("_", " ") + " *" * (effect in figures["procedural"])
        own = one.get("score_of_photograph")
        cells = [name, *(f"{one[part]:.2f}" for part in ("score", "spectrum_db")), f"{one['colour_mean']:.3f}"]
        cells += [f"{one['colour_std']:.3f}", w1, corr, f"{one['copy_ratio']:.2f}", "" if own is None else f"{own:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| figure | measured |", "|---|---|"]
    for name, value in figures.items():
        if name == "effects":
            continue
        said = ", ".join(f"{n} {v}" for n, v in value.items()) if isinstance(value, dict) else value
        lines.append(f"| {name} | {', '.join(said) if isinstance(said, list) else said} |")
    return "\n".join(lines)


def composites(brush: Brush, folder: Path, effect: str, count: int) -> Iterator[Made]:
    """`count` composites, the styles that the painter has in turn, on held bases, at ages that reach the degree asked for."""
    at, known = folder / "textures", brush.card.styles[effect]
    photographs = [photograph for photograph in effects.TRAINING[effect] if photograph.style in known]
    held = [torch.from_numpy(textures.surface_of(at / name)) for name in effects.HELD_CLEAN[effect]]
    rng = np.random.default_rng(0)
    for i in range(count):
        photograph = photographs[i % len(photographs)]
        plate = textures.plate(photograph, at / photograph.folder, HELD_SEED + i)
        base = held[i // len(photographs) % len(held)]
        base = (in_colours_of(base, plate) if plate.over_own_base else base)[None]
        shift = tuple(int(v) for v in rng.integers(0, textures.SIZE, 2))
        degree = torch.roll(torch.from_numpy(plate.degrees[i % len(plate.degrees)]), shift, (0, 1))[None, None]
        age = torch.tensor(max(float(degree.max()) / 1.2, 0.4) ** rng.random()).clamp(max=1).view(1, 1, 1, 1)
        exposure = composite.exposure_for(degree, age)
        painted = brush.paint(base, exposure, brush.style(effect, photograph.style), brush.noise(textures.SIZE, i))
        maps, cover = at_age(painted, base, exposure, float(age))
        laid = over(base[0], torch.from_numpy(plate.photograph), torch.from_numpy(plate.area), plate.look)[None]
        real = torch.from_numpy(plate.photograph)[None] if plate.over_own_base else laid
        yield Made(maps, cover, photograph.full * degree, real, laid)


def in_colours_of(base: Tensor, plate: textures.Plate) -> Tensor:
    """A held base with the colours' mean and spread, and the mean of the other maps, of a plate's clean part."""
    clean, own = plate.photograph[:, plate.area[0] < 0.1], base.flatten(1)
    mean, spread = torch.from_numpy(clean.mean(1)), torch.from_numpy(clean.std(1))
    scaled = (base - own.mean(1)[:, None, None]) * (spread / (own.std(1) + 1e-3)).clamp(max=2)[:, None, None]
    return (scaled + mean[:, None, None]).clamp(0, 1)


def effect_figures(folder: Path, effect: str, made: list[Made], patches: int, *, photograph: bool = True) -> dict:
    """Score, spectrum and colour through tools/texture_score.py; agreement of the maps; the nearest training patch.

    `score_of_photograph` is what the photograph's own weathering over the held bases scores: what the bases cost. It takes as
    long as the score itself; False leaves it out.
    """
    at, photographs = folder / "textures", effects.TRAINING[effect]
    others = []
    for i, other in enumerate(effects.OTHER[effect] * (4 if effect in effects.PROCEDURAL else 1)):
        if other.area in effects.DRAWN:
            held = effects.HELD_CLEAN[effect]
            base = torch.from_numpy(textures.surface_of(at / held[i // 2 % len(held)]))
            plate = textures.plate(other, at / other.folder, HELD_SEED + i)
            others.append(over(base, torch.from_numpy(plate.photograph), torch.from_numpy(plate.area), plate.look)[:3])
        else:
            others.append(torch.from_numpy(np.moveaxis(textures.needed(at / other.folder, "albedo"), -1, 0)))
    real = [m.real[0] for m in (made if effect in effects.PROCEDURAL else made[: len(photographs)])]
    real, fake = [r[:3] for r in real], [m.maps[0, :3] for m in made]
    result = texture_score(folder, real, fake, others, patches)
    figures = {ours: result[theirs] for ours, theirs in SCORE.items()}
    if photograph and effect not in effects.PROCEDURAL:
        figures["score_of_photograph"] = texture_score(folder, real, [m.laid[0, :3] for m in made], others, patches)[
            "score"
        ]
    figures |= map_agreement(torch.stack([m.maps[0] for m in made]), torch.stack([m.real[0] for m in made]))
    return figures | {"copy_ratio": copy_ratio(fake, real)}


def texture_score(folder: Path, real: list[Tensor], fake: list[Tensor], other: list[Tensor], patches: int) -> dict:
    """What tools/texture_score.py says of three sets of pictures [3,S,S]."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, str(backbone.tool(folder, "texture_score")), "--patches", str(patches)]
        for name, pictures in {"real": real, "fake": fake, "other": other}.items():
            save_all(pictures, Path(scratch) / name)
            command += [f"--{name}", str(Path(scratch) / name)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def save_all(pictures: list[Tensor], folder: Path) -> None:
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")


def map_agreement(fake: Tensor, real: Tensor) -> dict:
    """[N,6,S,S] each. Of roughness, metallic, height: Wasserstein-1; correlation with albedo luminance less the real one."""
    distance, difference = {}, {}
    for i, name in enumerate(("roughness", "metallic", "height"), 3):
        quantiles = [np.quantile(x[:, i].numpy(), np.linspace(0, 1, 513)) for x in (fake, real)]
        distance[name] = round(float(np.abs(quantiles[0] - quantiles[1]).mean()), 4)
        correlations = [correlation(x[:, i], x[:, :3].mean(1)) for x in (fake, real)]
        difference[name] = round(correlations[0] - correlations[1], 3)
    return {"maps_w1": distance, "maps_corr": difference}


def correlation(a: Tensor, b: Tensor) -> float:
    """0 where one of them is constant."""
    a, b = (x.flatten().double() - x.double().mean() for x in (a, b))
    return float((a @ b) / (a.norm() * b.norm())) if a.norm() > 1e-6 and b.norm() > 1e-6 else 0.0


def copy_ratio(fake: list[Tensor], real: list[Tensor], side: int = 48) -> float:
    """Distance of the nearest training patch, over that of real patches held apart: below 1 the painter repeats what it saw.

    The upper three quarters of every photograph are what was seen, the lower quarter is held apart; patches at a quarter of the
    resolution, without their mean.
    """
    cut = textures.SIZE * 3 // 4
    seen = patches_of([r[:, :cut] for r in real], side, 4)
    nearest = lambda x: torch.cdist(x, seen).amin(1).median()  # noqa: E731
    return round(
        float(nearest(patches_of(fake, side, 48)) / nearest(patches_of([r[:, cut:] for r in real], side, 16))), 3
    )


def patches_of(pictures: list[Tensor], side: int, stride: int) -> Tensor:
    rows = []
    for picture in pictures:
        small = nn.functional.avg_pool2d(picture[None], 4)
        patches = nn.functional.unfold(small, side // 4, stride=max(1, stride // 4))[0].T
        rows.append(patches - patches.mean(1, keepdim=True))
    return torch.cat(rows)


def spearman(made: list[Made], window: int = 64) -> float:
    """Rank correlation of the mean coverage asked and the mean coverage painted, over patches of `window` texels."""
    pool = lambda name: torch.cat([nn.functional.avg_pool2d(getattr(m, name), window).flatten() for m in made])  # noqa: E731
    return round(float(stats.spearmanr(pool("asked"), pool("coverage")).statistic), 4)


def every_style(brush: Brush) -> Iterator[tuple[str, str]]:
    return ((effect, style) for effect, named in brush.card.styles.items() for style in named)


def plain_base(colour: tuple[float, float, float], size: int) -> Tensor:
    return torch.tensor([*colour, 0.4, 0.0, 0.5])[None, :, None, None].expand(1, 6, size, size).contiguous()


def growth_figures(brush: Brush, size: int = 256) -> dict:
    """Texels whose coverage shrinks in 100 steps of age; the largest change of albedo between two of them, over `GROWN_OVER`."""
    exposure, shrinking, largest = smooth_exposure(size, 3), 0, dict.fromkeys(GROWN_OVER, 0.0)
    for effect, style in every_style(brush):
        for name, colour in GROWN_OVER.items():
            base, last = plain_base(colour, size), None
            painted = brush.paint(base, exposure, brush.style(effect, style), brush.noise(size, 3))
            for i in range(101):
                maps, cover = at_age(painted, base, exposure, i / 100)
                if last is not None:
                    shrinking += int((cover < last[1] - 1e-6).sum())
                    largest[name] = max(largest[name], float((maps[:, :3] - last[0][:, :3]).abs().max()))
                last = maps, cover
    steps = {name: round(step, 4) for name, step in largest.items()}
    return {"shrinking_texels": shrinking, "largest_step": max(steps.values()), "largest_steps": steps}


def placement_figures(brush: Brush, size: int = 256) -> dict:
    """Rolled against unrolled, a tile against the whole (both in 1/255), and the coverage of two seeds against each other."""
    base = torch.rand(1, 6, size, size, generator=torch.Generator().manual_seed(0))
    exposure, even = smooth_exposure(size, 4), torch.full((1, 1, size, size), 0.5)
    rolls, tiles, seeds = [], [], []
    roll = lambda x: torch.roll(x, (x.shape[-2] // 2, x.shape[-1] // 4), (2, 3))  # noqa: E731
    for effect, style in every_style(brush):
        code, noise = brush.style(effect, style), brush.noise(size, 5)
        whole = brush.paint(base, exposure, code, noise)
        rolled = brush.paint(roll(base), roll(exposure), code, {n: roll(v) for n, v in noise.items()})
        rolls.append(float((roll(whole) - rolled).abs().max()))
        tiles.append(float((whole[:, :, :96, :96] - brush.paint_tile(base, exposure, code, noise, 96)).abs().max()))
        two = [brush.paint(base * 0 + 0.5, even, code, brush.noise(size, seed)) for seed in (6, 7)]
        seeds.append(correlation(*(at_age(p, base, even, 0.7)[1] for p in two)))
    worst = {"roll_difference": 255 * max(rolls), "tile_difference": 255 * max(tiles), "seeds_correlation": max(seeds)}
    return {name: round(value, 4) for name, value in worst.items()}


def runs_from_gravity(brush: Brush, size: int = 256) -> float:
    """Degrees between gravity and the runs of the styles that have them: the worst of three directions of gravity."""
    base, even, worst = plain_base((0.5, 0.5, 0.5), size), torch.full((1, 1, size, size), 0.5), 0.0
    for effect, photographs in effects.TRAINING.items():
        for style in (photograph.style for photograph in photographs if photograph.runs):
            for angle in np.radians((90.0, 40.0, 160.0)):
                down = (float(np.cos(angle)), float(np.sin(angle)))
                painted = brush.paint(base, even, brush.style(effect, style), brush.noise(size, 9, down), down)
                apart = abs(np.degrees(angle - grain_angle(at_age(painted, base, even, 0.6)[1][0, 0].numpy()))) % 180
                worst = max(worst, min(apart, 180 - apart))
    return round(float(worst), 1)


def grain_angle(picture: np.ndarray) -> float:
    """Direction of least change of [H, W], radians from the rows' direction towards downward: of the mean structure tensor."""
    down, across = np.gradient(ndimage.gaussian_filter(picture, 1.5))
    return 0.5 * float(np.arctan2(2 * (across * down).mean(), (across**2 - down**2).mean())) + np.pi / 2


def base_response(brush: Brush, size: int = 128) -> float:
    """How the border's mean colour moves with eight base colours: the lowest correlation of any style."""
    colours = [(r, g, b) for r in (0.15, 0.7) for g in (0.15, 0.7) for b in (0.15, 0.7)]
    exposure, lowest = smooth_exposure(size, 8), 1.0
    for effect, style in every_style(brush):
        code, noise, seen = brush.style(effect, style), brush.noise(size, 8), []
        for colour in colours:
            base = plain_base(colour, size)
            maps, cover = at_age(brush.paint(base, exposure, code, noise), base, exposure, 0.6)
            border = (cover > 0.1) & (cover < 0.9)
            seen.append([float(maps[:, i : i + 1][border].mean()) for i in range(3)])
        asked, got = torch.tensor(colours), torch.tensor(seen)
        lowest = min(lowest, min(correlation(asked[:, i], got[:, i]) for i in range(3)))
    return round(lowest, 3)
