# SPDX-License-Identifier: GPL-3.0-or-later
"""The harmonizer's figures on 200 fixed composites of photographs left out of its training, beside baselines on the same set.

`fmse` is the mean over composites of the squared error in the mask, over its area and three channels, of values 0 to 255;
`psnr` is of the whole picture. Reinhard et al. (2001) match mean and deviation in Lab, histogram matching each channel's
distribution, both of the foreground to the background; `bmvc2020` is the network of Hao, Iizuka and Fukui, where it was trained
on the same pairs. `relit` has the same figures for parts of held rendered scenes that are in another light than the rest: models,
textures and lights are none of the training's. `apply_ratio` is the time of applying a map of transforms to a large picture over
that of np.copyto of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from skimage import color, exposure

from ...backend.networks.device import Options
from ...backend.networks.registry import examine
from ...backend.networks.session import Session
from ...backend.protocol.surface import ColorSpace, Map
from ...backend.weathering.harmonize import SIDE, applied, harmonized
from ..ceiling import ratio as ceiling_ratio
from ..data.materials import Split
from .composites import Photograph, draw_pair, read_photographs, read_scenes
from .training import harmonizer_of

COUNT, SEED, LARGE = 200, 2020, 8192
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
Pairs = list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # composite, truth, mask


def composites_of(photographs: Sequence[Photograph], count: int) -> Pairs:
    """Always the same."""
    return [draw_pair(photographs, np.random.default_rng((SEED, number))) for number in range(count)]


def evaluate(
    path: Path,
    folder: Path,
    out: Path,
    count: int = COUNT,
    *,
    scenes: Path | None = None,
    bmvc2020: Path | None = None,
    large: int = LARGE,
) -> dict[str, Any]:
    """The figures; a sheet of the ten best and the ten worst goes to `out`. `bmvc2020` is a checkpoint of that network.

    `scenes` are the shading network's, of which held ones are taken; without them there is no `relit`.
    """
    card = examine(path).card
    session = Session(path.read_bytes(), card, Options.choose("cpu", None, None))
    methods: dict[str, Method] = {
        "composite": lambda composite, mask: composite,
        "harmonizer": lambda composite, mask: settled(session, composite, mask),
        "reinhard": reinhard,
        "histogram": histogram,
    }
    if bmvc2020 is not None:
        methods["bmvc2020"] = harmonizer_of(bmvc2020)
    photographs = composites_of(read_photographs(folder, held_out=True), count)
    figures = judged(methods, photographs, out / "harmonizer.png")
    if scenes:
        relit = read_scenes(scenes, Split.HELD)
        if not relit:
            raise FileNotFoundError(f"{scenes} has no held scenes: `data shading` renders some")
        figures["relit"] = judged(methods, composites_of(relit, count), out / "relit.png")
        figures["relit"]["scenes"] = len(relit) // 2
    tiny = (
        np.zeros((512, 512, 3), np.float32),
        np.pad(np.ones((128, 128, 1), np.float32), ((192, 192), (192, 192), (0, 0))),
    )
    times = []
    for _ in range(5):
        began = time.perf_counter()
        settled(session, *tiny)
        times.append(time.perf_counter() - began)
    return figures | {
        "bytes": path.stat().st_size,
        "ms_512": round(1000 * min(times), 1),
        "apply_ratio": round(apply_ratio(large), 1),
        "ceiling_ratio": ceiling_ratio(path, card, side=SIDE),
    }


def judged(methods: dict[str, Method], pairs: Pairs, sheet: Path) -> dict[str, Any]:
    """The figures of what each method makes of each pair; the best and the worst go to `sheet`."""
    results = {name: [method(c, m) for c, _, m in pairs] for name, method in methods.items()}
    errors = {
        name: np.array([fmse(got, truth, mask) for got, (_, truth, mask) in zip(some, pairs, strict=True)])
        for name, some in results.items()
    }
    psnrs = {
        name: np.mean([psnr(g, t) for g, (_, t, _) in zip(some, pairs, strict=True)]) for name, some in results.items()
    }
    _sheet(pairs, results, errors, sheet)
    means = {name: round(float(values.mean()), 1) for name, values in errors.items()}
    return {
        "fmse": means["harmonizer"],
        "composite_fmse": means["composite"],
        "ratio": round(means["harmonizer"] / means["composite"], 3),
        "baselines": {name: means.get(name) for name in ("reinhard", "histogram", "bmvc2020")},
        "psnr_gain_db": round(float(psnrs["harmonizer"] - psnrs["composite"]), 2),
        "better_than_composite": round(float((errors["harmonizer"] < errors["composite"]).mean()), 3),
        "count": len(pairs),
    }


def apply_ratio(side: int = LARGE, rounds: int = 3) -> float:
    """Time of applying transforms all over side x side float32 texels, over np.copyto of them into touched memory: of medians."""
    random = np.random.default_rng(0)
    picture = Map(random.random((side, side, 3), np.float32), ColorSpace.SRGB)
    mask, touched = np.ones((side, side, 1), np.float32), np.zeros_like(picture.array)
    touched[:] = 1
    transforms = np.eye(3, 4).ravel() + 0.1 * random.standard_normal((SIDE // 4, SIDE // 4, 12))
    seconds: list[list[float]] = [[], []]
    runs = (lambda: applied(picture, mask, transforms), lambda: np.copyto(touched, picture.array))
    for _ in range(rounds):
        for some, run in zip(seconds, runs, strict=True):
            began = time.perf_counter()
            run()
            some.append(time.perf_counter() - began)
    applying, copying = (float(np.median(some)) for some in seconds)
    return applying / copying


def settled(session: Session, composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return harmonized(Map(composite, ColorSpace.SRGB), mask, session.run).array


def fmse(got: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    return float((np.square(255 * (got - truth)) * mask).sum() / (3 * mask.sum()))


def psnr(got: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(1 / max(np.square(got - truth).mean(), 1e-10)))


def reinhard(composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
    lab, inside = color.rgb2lab(composite), mask[..., 0] > 0.5
    own, theirs = lab[inside], lab[~inside]
    moved = (lab - own.mean(0)) / (own.std(0) + 1e-3) * theirs.std(0) + theirs.mean(0)
    return _within(composite, mask, np.clip(color.lab2rgb(moved), 0, 1))


def histogram(composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
    inside, changed = mask[..., 0] > 0.5, composite.copy()
    changed[inside] = exposure.match_histograms(
        composite[inside][:, None], composite[~inside][:, None], channel_axis=-1
    )[:, 0]
    return _within(composite, mask, changed)


def _within(composite: np.ndarray, mask: np.ndarray, changed: np.ndarray) -> np.ndarray:
    return (composite + mask * (changed - composite)).astype(np.float32)


def _sheet(pairs: list, results: dict, errors: dict, path: Path) -> None:
    """Rows of mask, composite, harmonizer, Reinhard, truth: the ten whose error fell most, then the ten where it rose most."""
    order = np.argsort(errors["harmonizer"] / errors["composite"])
    chosen, side = [*order[:10], *order[-10:]], 128
    sheet = Image.new("RGB", (5 * side, len(chosen) * side))
    draw = ImageDraw.Draw(sheet)
    for row, index in enumerate(chosen):
        composite, truth, mask = pairs[index]
        shown = (mask.repeat(3, 2), composite, results["harmonizer"][index], results["reinhard"][index], truth)
        for column, picture in enumerate(shown):
            small = Image.fromarray(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)).resize((side, side))
            sheet.paste(small, (column * side, row * side))
        said = f"{errors['composite'][index]:.0f} -> {errors['harmonizer'][index]:.0f}"
        draw.text((side + 4, row * side + 4), said, fill="white", stroke_width=1, stroke_fill="black")
    sheet.save(path)
