# SPDX-License-Identifier: GPL-3.0-or-later
"""The shading network's figures on scenes and textures left out of its training, beside baselines on the same pictures.

`si_mse` is the mean, over pictures and over albedo and shading, of min over f of |f mine - theirs|^2 / |theirs|^2 where an albedo
is known; `lmse` the same over windows of an eighth of the picture (Grosse et al. 2009); `relight` holds the two albedos of one
scene under two lights against each other. Baselines are tuned on training pictures by `si_mse`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ...backend.networks.device import Options
from ...backend.networks.registry import examine
from ...backend.networks.session import Session
from ...backend.protocol.surface import ColorSpace, Map
from ...backend.weathering.colour import to_srgb
from ...backend.weathering.delight import exposure, look, without_light
from ..ceiling import ratio as ceiling_ratio
from ..data.materials import Split
from . import renders
from .baselines import GRIDS, tuned
from .flats import draw_flat, read_flats
from .pictures import Pair

COUNT, SEED, TUNING, FLAT_SIDE = 200, 2009, 24, 128
Method = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # linear picture -> albedo, shading


@dataclass(frozen=True)
class Seen:
    """What one method made of one pair: albedo and shading [2,S,S,3], and their errors."""

    albedo: np.ndarray
    shading: np.ndarray
    error: float
    albedo_error: float
    lmse: float
    relight: float


def si_mse(mine: np.ndarray, theirs: np.ndarray, known: np.ndarray) -> float:
    """Of [S,S,3] where `known` [S,S]: 0 the same up to a factor, 1 nothing in common."""
    a, b = mine[known].astype(np.float64), theirs[known].astype(np.float64)
    together, own, other = (a * b).sum(), (a * a).sum(), (b * b).sum()
    return float(1 - together**2 / max(own * other, 1e-12))


def lmse(mine: np.ndarray, theirs: np.ndarray, known: np.ndarray) -> float:
    side = max(len(known) // 8, 4)
    wrong = total = 0.0
    for y in range(0, len(known) - side + 1, side // 2):
        for x in range(0, known.shape[1] - side + 1, side // 2):
            box = slice(y, y + side), slice(x, x + side)
            if known[box].any():
                weight = float(np.square(theirs[box][known[box]], dtype=np.float64).sum())
                wrong, total = wrong + weight * si_mse(mine[box], theirs[box], known[box]), total + weight
    return wrong / max(total, 1e-12)


def judge(method: Method, pair: Pair) -> Seen:
    made = [method(image.astype(np.float32)) for image in pair.image]
    albedo, shading = (np.stack(part) for part in zip(*made, strict=True))
    theirs = pair.albedo.astype(np.float32), pair.shading()
    errors = [
        np.mean([si_mse(m, t, pair.known) for m, t in zip(mine, true, strict=True)])
        for mine, true in zip((albedo, shading), theirs, strict=True)
    ]
    local = np.mean([lmse(m, t, pair.known) for m, t in zip(albedo, theirs[0], strict=True)])
    agreement = si_mse(albedo[0], albedo[1], pair.known)
    return Seen(albedo, shading, float(np.mean(errors)), float(errors[0]), float(local), agreement)


def baseline(light: Callable[[np.ndarray], np.ndarray]) -> Method:
    def method(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shading = np.exp(light(image * exposure(image)))
        return image / shading, np.broadcast_to(shading, image.shape)

    return method


def network(session: Session) -> Method:
    def method(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = look(Map(image, ColorSpace.LINEAR), session.run)
        light, share = found.shading(slice(0, len(image)))
        return image * (1 - share) / light, light

    return method


def untouched(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return image, np.ones_like(image)


def methods_for(session: Session, training: Sequence[Pair]) -> dict[str, Method]:
    def error(light: Callable[[np.ndarray], np.ndarray]) -> float:
        return float(np.mean([_error(baseline(light), pair) for pair in training]))

    found: dict[str, Method] = {"network": network(session), "untouched": untouched}
    return found | {name: baseline(tuned(name, error)) for name in GRIDS}


def _error(method: Method, pair: Pair) -> float:
    """`judge`'s error of the first picture alone."""
    albedo, shading = method(pair.image[0].astype(np.float32))
    true = pair.albedo[0].astype(np.float32), pair.shading()[0]
    return float(np.mean([si_mse(m, t, pair.known) for m, t in zip((albedo, shading), true, strict=True)]))


def flats_of(data: Path, split: Split, count: int) -> list[Pair]:
    """Always the same."""
    flats = read_flats(data, split)
    return [draw_flat(flats, np.random.default_rng((SEED, number)), FLAT_SIDE) for number in range(count)]


def evaluate(path: Path, data: Path, rendered: Path, out: Path, count: int = COUNT) -> dict[str, Any]:
    """The figures; sheets of the ten best and the ten worst go to `out`. Raises FileNotFoundError where nothing was rendered."""
    held = renders.pairs_in(rendered, Split.HELD)[:count]
    training = renders.pairs_in(rendered, Split.TRAIN)[:TUNING]
    if not held or not training:
        raise FileNotFoundError(f"{rendered} has no scenes: `python -m sabi.export_onnx data shading` renders them")
    card = examine(path).card
    session = Session(path.read_bytes(), card, Options.choose("cpu", None, None))
    pairs = [renders.read(p) for p in held]
    scenes = _figures(session, [renders.read(p) for p in training], pairs, out / "shading_scenes.png")
    textures = _figures(
        session,
        flats_of(data, Split.TRAIN, TUNING),
        flats_of(data, Split.HELD, len(pairs)),
        out / "shading_textures.png",
    )
    picture = Map(np.random.default_rng(0).random((512, 512, 3), np.float32), ColorSpace.LINEAR)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        without_light(picture, session.run)
        times.append(time.perf_counter() - began)
    return scenes | {
        "textures": textures,
        "bytes": path.stat().st_size,
        "ms_512": round(1000 * min(times), 1),
        "ceiling_ratio": ceiling_ratio(path, card, side=512),
    }


def _figures(session: Session, training: Sequence[Pair], pairs: Sequence[Pair], sheet: Path) -> dict[str, Any]:
    seen = {name: [judge(method, p) for p in pairs] for name, method in methods_for(session, training).items()}
    mean = lambda name, what: round(float(np.mean([getattr(one, what) for one in seen[name]])), 5)  # noqa: E731
    baselines, relights = ({name: mean(name, what) for name in GRIDS} for what in ("error", "relight"))
    draw_sheet(pairs, seen, sheet)
    return {
        "si_mse": mean("network", "error"),
        "baselines": baselines,
        "ratio": round(mean("network", "error") / min(baselines.values()), 3),
        "relight": mean("network", "relight"),
        "relight_baselines": relights,
        "relight_ratio": round(mean("network", "relight") / min(relights.values()), 3),
        "albedo_si_mse": mean("network", "albedo_error"),
        "albedo_baselines": {name: mean(name, "albedo_error") for name in GRIDS},
        "lmse": mean("network", "lmse"),
        "lmse_baselines": {name: mean(name, "lmse") for name in GRIDS},
        "untouched": {"si_mse": mean("untouched", "error"), "relight": mean("untouched", "relight")},
        "pairs": len(pairs),
    }


def draw_sheet(pairs: Sequence[Pair], seen: dict[str, list[Seen]], path: Path) -> None:
    """Rows of image, albedo and shading true and the network's, the baselines' albedos: the ten best, then the ten worst."""
    best = np.min([[one.error for one in seen[name]] for name in GRIDS], axis=0)
    order = np.argsort(np.array([one.error for one in seen["network"]]) / best)
    chosen, side = list(dict.fromkeys([*order[:10], *order[-10:]])), len(pairs[0].known)
    sheet = Image.new("RGB", ((5 + len(GRIDS)) * side, len(chosen) * side))
    draw = ImageDraw.Draw(sheet)
    for row, index in enumerate(chosen):
        pair, mine = pairs[index], seen["network"][index]
        shown = [pair.image[0], pair.albedo[0], mine.albedo[0], pair.shading()[0], mine.shading[0]]
        shown += [seen[name][index].albedo[0] for name in GRIDS]
        for column, picture in enumerate(shown):
            sheet.paste(Image.fromarray(displayed(picture, pair.known)), (column * side, row * side))
        said = f"{mine.error:.3f} / {best[index]:.3f}"
        draw.text((4, row * side + 4), said, fill="white", stroke_width=1, stroke_fill="black")
    sheet.save(path)


def displayed(linear: np.ndarray, known: np.ndarray) -> np.ndarray:
    """uint8, as bright as may be seen, whatever its factor."""
    level = np.quantile(linear[known].astype(np.float32), 0.9)
    return np.rint(255 * to_srgb(linear.astype(np.float32) * np.float32(0.6 / max(level, 1e-6)))).astype(np.uint8)
