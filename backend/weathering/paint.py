# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter at work: one layer of weathering painted once, for all ages, over the whole of a surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..networks.card import Card
from ..networks.tiling import TILE, Runnable, run_tiled
from ..protocol import growth
from ..protocol.errors import BadRecipe
from ..protocol.painted import CHANNELS, PaintedLayer
from ..protocol.recipe import Layer
from ..protocol.surface import Surface
from ..threads import parallel
from .conditions import Conditions
from .degree import to_bytes
from .exemplar import Look, lay_exemplar
from .exposure import ExposureField
from .grid import Grid
from .gutters import Allocate
from .resample import Axis, weigh
from .scale import Scales
from .seams import WIDEST, Seams

STRIP = 1 << 18  # texels at a time in float
APART = 8  # what squares of distances add to softness²: 20 keeps the variance, but is too soft for two kinds of texels
MARGIN = 16  # texels outside islands that hold dilated values
# What the channels of the painter's output are called in the packed images.
OUTPUTS = {
    "threshold": "threshold",
    "softness": "softness",
    "thin_r": "thin_red",
    "thin_g": "thin_green",
    "thin_b": "thin_blue",
    "thick_r": "thick_red",
    "thick_g": "thick_green",
    "thick_b": "thick_blue",
    "roughness": "roughness",
    "metallic": "metallic",
    "height": "height",
}
WHERE = {channel: (image, names.index(channel)) for image, names in CHANNELS.items() for channel in names}

Images = dict[str, np.ndarray]


@dataclass(frozen=True)
class Run:
    """How painting is carried out; nothing here changes what is painted.

    `tile` is the side of a tile, None for the whole at once; `progress` gets the fraction done; `cancelled` is asked before
    each tile; `warn` gets what the artist should know; `allocate(shape, dtype)` gives the large arrays.
    """

    tile: int | None = TILE
    progress: Callable[[float], None] = lambda _: None
    cancelled: Callable[[], bool] = lambda: False
    warn: Callable[[str], None] = lambda _: None
    allocate: Allocate = np.empty


def paint(
    surface: Surface,
    layer: Layer,
    painter: Runnable,
    scales: Scales,
    exposure: ExposureField,
    grid: Grid,
    down: np.ndarray | None,
    gravity: np.ndarray,
    seams: Seams | None,
    run: Run,
    look: Look | None = None,
) -> PaintedLayer:
    """One layer painted on `surface`, all its channels 8 bits, gutters dilated. Raises Cancelled between tiles.

    `down` [h, w, 2] is which way gravity pulls in texture space, on `grid`, as are the octaves of `scales`; `gravity` is the same
    as a unit vector [3] in the space of `position`. `look` is that of the layer's exemplar. Whole or in tiles,
    the result is the same but for the order of the network's additions.
    """
    width = surface.size[1]
    images: Images = {name: run.allocate((*surface.size, 4), np.uint8) for name in CHANNELS}
    stored = images["growth"][..., 0]

    def expose(rows: slice) -> None:
        stored[rows] = to_bytes(exposure.window(rows))

    parallel(expose, _strips(surface.size[0], width))
    code = style_code(painter.card, layer)
    total = sum(canvas.size[0] * canvas.size[1] for canvas in scales.canvases)
    before = 0.0
    canvases: list[Images] = []
    for index, canvas in enumerate(scales.canvases):
        same = len(scales.canvases) == 1 and canvas.size == surface.size
        target = images if same else {name: run.allocate((*canvas.size, 4), np.uint8) for name in CHANNELS}
        share = canvas.size[0] * canvas.size[1] / total
        part = replace(run, progress=partial(_report, run, before, share))
        conditions = Conditions(surface, layer, canvas, painter.card, grid, seams, stored, down, gravity)
        _paint_canvas(painter, conditions, code, target, _wanted(scales, index, grid, painter.card.multiple), part)
        before += share
        if not same:
            canvases.append(target)
    if canvases:
        _bring_together(surface, scales, grid, canvases, images)
    if look is not None:
        lay_exemplar(look, surface, layer, scales, grid, gravity, seams, images, run.cancelled)
    if seams is not None:
        seams.blend([(images["thin"], range(4)), (images["thick"], range(4)), (images["growth"], (1, 2, 3))])
        parallel(lambda image: seams.dilate(image, MARGIN), images.values())
    return PaintedLayer(**images)


def _paint_canvas(
    painter: Runnable, conditions: Conditions, code: np.ndarray, images: Images, wanted: np.ndarray | None, run: Run
) -> None:
    """Run the painter over a canvas, its output rounded to 8 bits in `images`; 0 where nothing is wanted."""

    if wanted is not None:
        for name, image in images.items():
            image[..., 1 if name == "growth" else 0 :] = 0  # exposure is there already

    def write(rows: slice, columns: slice, outputs: dict[str, np.ndarray]) -> None:
        _store(painter.card, outputs, images, rows, columns)

    run_tiled(
        painter,
        {**conditions.sources(), "style": code},
        conditions.canvas.size,
        write,
        wrap=conditions.surface.wrap,
        tile=run.tile,
        wanted=wanted,
        progress=run.progress,
        cancelled=run.cancelled,
        warn=run.warn,
    )


def _report(run: Run, before: float, share: float, fraction: float) -> None:
    run.progress(before + share * fraction)


def style_code(card: Card, layer: Layer) -> np.ndarray:
    """The code of the layer's style [S] float32: one of the card's by name, a blend of names by weight, or a code itself.

    Raises BadRecipe for an effect or style the network does not have, and codes of another length.
    """
    known = {name: np.asarray(code, np.float32) for name, code in card.styles.get(layer.effect.value, {}).items()}
    if not known:
        raise BadRecipe(
            f"The painter has no style for {layer.effect.value}.", f"It paints {', '.join(sorted(card.styles))}."
        )
    if isinstance(layer.style, tuple):
        length = len(next(iter(known.values())))
        if len(layer.style) != length:
            raise BadRecipe(
                f"A style code has {length} numbers, not {len(layer.style)}.", "It was made for another painter."
            )
        return np.asarray(layer.style, np.float32)
    if isinstance(layer.style, Mapping):
        blend = dict(layer.style)
    else:
        blend = {layer.style or next(iter(known)): 1.0}
    if unknown := sorted(set(blend) - set(known)):
        raise BadRecipe(
            f"'{unknown[0]}' is not a style of {layer.effect.value}.", f"Styles: {', '.join(sorted(known))}."
        )
    weight = sum(blend.values())
    if weight <= 0:
        raise BadRecipe("The weights of a blend of styles must add up to more than 0.", "Raise one of them.")
    return sum(known[name] * np.float32(share / weight) for name, share in blend.items())  # type: ignore[return-value]


def _store(card: Card, outputs: Mapping[str, np.ndarray], images: Images, rows: slice, columns: slice) -> None:
    """A tile of the painter's output, 0..1, into the packed images, rounded to 8 bits."""
    ((output, channels),) = card.outputs.items()
    painted = outputs[output]

    def strip(part: slice) -> None:
        there = slice(rows.start + part.start, rows.start + part.stop)
        for index, name in enumerate(channels):
            image, channel = WHERE[OUTPUTS[name]]
            low = 1 if name == "threshold" else 0  # a threshold of 0 would be weathered when new
            values = painted[index, part] * np.float32(255)
            values += np.float32(0.5)
            images[image][there, columns, channel] = np.clip(values, low, 255, out=values)

    parallel(strip, _strips(rows.stop - rows.start, columns.stop - columns.start))


def _wanted(scales: Scales, index: int, grid: Grid, block: int) -> np.ndarray | None:
    """Which blocks of `block` texels of a canvas hold a texel of an island that is painted on it; None where all do."""
    canvas = scales.canvases[index]
    used = grid.inside
    if scales.octaves is not None:
        used = used & (scales.share(index, scales.octaves) > 0)
    if used.all():
        return None
    reach = 1 + WIDEST // grid.stride  # gutters are painted too, as deep as seams are blended
    before = np.pad(used, ((1, 0), (1, 0))).cumsum(0).cumsum(1)  # how many are used above and left of each corner
    edges = []
    for side, length, cells in zip(canvas.size, grid.surface.size, used.shape, strict=True):
        begins = np.arange(0, side, block)
        first, last = (np.minimum(at, side) * length // side // grid.stride for at in (begins, begins + block))
        edges.append((np.clip(first - reach, 0, cells), np.clip(last + 1 + reach, 0, cells)))
    (top, bottom), (left, right) = edges
    inside = before[np.ix_(bottom, right)] - before[np.ix_(top, right)]
    return np.asarray(inside - before[np.ix_(bottom, left)] + before[np.ix_(top, left)] > 0)


def _bring_together(surface: Surface, scales: Scales, grid: Grid, canvases: list[Images], images: Images) -> None:
    """Resample what was painted on each canvas to the surface, and blend the canvases by the texels' densities."""
    height, width = surface.size
    axes = [
        [Axis(side, length, wraps) for side, length, wraps in zip(canvas.size, surface.size, surface.wrap, strict=True)]
        for canvas in scales.canvases
    ]
    painted = {name: slice(1, 4) if name == "growth" else slice(0, 4) for name in CHANNELS}

    def strip(rows: slice) -> None:
        octaves = None
        if scales.octaves is not None:
            octaves = grid.sample(scales.octaves, np.arange(rows.start, rows.stop) + 0.5, np.arange(width) + 0.5)
        for name, channels in painted.items():
            total: np.ndarray | None = None
            for index, ((down, across), canvas) in enumerate(zip(axes, canvases, strict=True)):
                share = None if octaves is None else scales.share(index, octaves)[..., None]
                if share is not None and not share.any():
                    continue
                part = _resampled(canvas[name], down, across, rows, growing=name == "growth")
                if share is not None:
                    part *= share
                total = part if total is None else total + part
            assert total is not None
            images[name][rows, :, channels] = np.rint(total[..., channels])

    parallel(strip, _strips(height, max(width, *(canvas.size[1] for canvas in scales.canvases))))


def _resampled(image: np.ndarray, down: Axis, across: Axis, rows: slice, growing: bool) -> np.ndarray:
    """Rows of the surface from a canvas image: float32 [h, W, C] in 0..255. `growing`: it is that of growth."""
    top, bottom, sources, weights = down.taps(rows.start, rows.stop)
    block = image[down.within(top, bottom)].astype(np.float32)
    fewer = growing and (down.before > down.after or across.before > across.after)
    if fewer:  # in the place of exposure, which is the surface's own
        block[..., 0] = np.square(block[..., 2]) + APART * np.square(block[..., 1] + block[..., 2] / 2)
    block = weigh(block, 0, sources, weights)
    left, right, sources, weights = across.taps(0, across.after)
    block = weigh(block[:, across.within(left, right)], 1, sources, weights)
    if fewer:
        _as_one(block)
    return block


def _as_one(block: np.ndarray) -> None:
    """Growth [h, W, 4] of the means of many texels' growth; the first channel that of softness² + APART * middle². In place.

    What many texels cover between them is a mean of smoothsteps, which begins before that of their mean threshold does, and ends
    later: one smoothstep stands for it that has its middle, and is softer the further theirs are apart (as a surface is rougher
    whose normals are reduced: Toksvig 2005), as far as it may be and still begin after 0. By mean thresholds alone thin lines
    start late and stay faint. The thick look, which follows the threshold, comes earlier by it as well.
    """
    mean = block[..., 2]
    middle = block[..., 1] + mean / 2
    softness = np.sqrt(np.maximum(block[..., 0] - APART * np.square(middle), 0))
    room = 2 * (middle - 255 * growth.THRESHOLD_MIN)
    np.clip(softness, mean, np.maximum(mean, np.minimum(room, 255 * growth.SOFTNESS_MAX)), out=softness)
    block[..., 1] = np.maximum(middle - softness / 2, 255 * growth.THRESHOLD_MIN)
    block[..., 2] = softness


def _strips(height: int, width: int) -> list[slice]:
    step = max(1, STRIP // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]
