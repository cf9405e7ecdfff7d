# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a network over an image of any size, tile by tile, as if it had seen the whole.

Every tile is read with a border of `card.overlap` texels that is cropped again, and every tile begins at a multiple of
`card.multiple`; where the image ends the border continues at the opposite side (wrap) or repeats the last texel (edge).
A whole image is one tile and takes the same path, so whole and tiled agree but for the order of additions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..protocol.errors import Cancelled, OutOfMemory
from ..threads import parallel
from .card import Card

TILE = 1472  # with an overlap of 128 a 2048 x 2048 image is two tiles, which cost 1.11 times the whole; 1.6 GB
SMALLEST_TILE = 128
SHAPES = 4  # of tiles: down to that part of the largest's height
STRIP = 1 << 19  # texels of a tile that one thread reads at a time: fewer steps keep two cores busier than a cache does

Read = Callable[[slice, slice, np.ndarray], None]
Source = np.ndarray | Read
Write = Callable[[slice, slice, dict[str, np.ndarray]], None]

log = logging.getLogger(__name__)


class Runnable(Protocol):
    """What a session offers to the tiling code; see session.Session."""

    card: Card

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    def fall_back(self) -> bool: ...


@dataclass(frozen=True)
class Tile:
    """One part of an image: rows and columns of what it writes, inside the image and cut at its end."""

    top: int
    left: int
    rows: slice
    columns: slice

    @property
    def texels(self) -> int:
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)


def run_tiled(
    session: Runnable,
    sources: Mapping[str, Source],
    size: tuple[int, int],
    write: Write,
    *,
    wrap: tuple[bool, bool] = (False, False),
    tile: int | None = TILE,
    wanted: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    warn: Callable[[str], None] = log.warning,
) -> None:
    """Run `session` over an image of `size` (height, width) and hand every finished part to `write`.

    `sources` gives each input of the network by name, without the batch axis:
      * an array [C, H, W], or [C, ceil(H / s), ceil(W / s)] for an input of stride s (`card.noise`), of any number type;
      * a function (rows, columns, out) that fills `out` [C, rows, columns] float32, a view of the network's input, called
        with slices inside that same grid, never outside it: this is how a map stays in its own type (uint8,
        memory-mapped) until a tile needs it as float32. Several threads call it, each for all inputs of one strip of a
        tile after the other; it must not use threads.parallel itself;
      * an array [S] for an input without height and width (a style code).
    `write(rows, columns, outputs)` gets, once or more for each part and in any order, the outputs by name as float32
    [C, rows, columns], cropped to the image; the arrays are its own to keep.

    `wrap` says whether rows and columns continue at the opposite border; a wrapping side must be a multiple of
    `card.multiple` (ValueError). `tile` is the side of a square that bounds a tile's texels, None for the whole image
    at once.
    `wanted` [ceil(H / m), ceil(W / m)] bool says which blocks of m = `card.multiple` texels are wanted; tiles are fitted to them,
    and what lies in no tile is neither read, run nor written. None for all.
    `progress` gets the fraction done, rising to 1. `cancelled` is asked before each tile: raises Cancelled.
    Out of memory: tiles are halved, down to 128; then the session falls back to the CPU; each is said through `warn`;
    raises OutOfMemory when nothing helps.
    """
    card = session.card
    for length, wraps in zip(size, wrap, strict=True):
        if wraps and length % card.multiple:
            raise ValueError(f"a wrapping side of {length} texels is not a multiple of {card.multiple}")
    side = max(size) if tile is None else tile
    done_before = 0.0
    while True:
        try:
            for fraction, part, outputs in _run_each(session, sources, size, wrap, side, wanted, cancelled):
                write(part.rows, part.columns, outputs)
                done_before = max(done_before, fraction)
                if progress is not None:
                    progress(done_before)
            return
        except OutOfMemory as error:
            side = min(side, max(size))
            if side > SMALLEST_TILE:
                side = max(SMALLEST_TILE, side // 2)
                warn(f"Memory ran out, painting goes on in tiles of {side} texels.")
            elif session.fall_back():
                side = tile or TILE
                warn("The GPU's memory ran out, painting goes on on the CPU.")
            else:
                raise error


def tiles(
    size: tuple[int, int], side: int, card: Card, wanted: np.ndarray | None = None
) -> tuple[tuple[int, int], list[Tile]]:
    """The common height and width of the tiles, multiples of `card.multiple`, and the tiles, which cover what is wanted once.

    Of all shapes that hold, with their borders, no more texels than a square of `side`, the one that runs the fewest: two
    halves cost less than four quarters. Tiles stand in bands; bands, and tiles in a band, begin where something is wanted.
    """
    step, around = card.multiple, 2 * card.overlap
    most = (max(side, step) + around) ** 2
    used = np.ones([-(-length // step) for length in size], bool) if wanted is None else wanted
    rows = used.any(1)
    heights = {_part(length, n, step) for length in _lengths(rows, step) for n in range(1, 2 + SHAPES * length // side)}
    best: tuple[tuple[int, int], tuple[int, int], list[tuple[int, list[int]]]] | None = None
    for height in heights:
        widest = (most // (height + around) - around) // step * step
        if widest < step:
            continue
        bands = [(top, used[top // step : (top + height) // step].any(0)) for top in _starts(rows, height, step)]
        widths = {_part(length, -(-length // widest), step) for _, band in bands for length in _lengths(band, step)}
        for width in widths:
            grid = [(top, _starts(band, width, step)) for top, band in bands]
            cost = sum(len(lefts) for _, lefts in grid) * (height + around) * (width + around)
            if best is None or (cost, abs(height - width)) < best[0]:
                best = (cost, abs(height - width)), (height, width), grid
    if best is None:
        return (step, step), []
    _, (height, width), grid = best
    return (height, width), [
        Tile(top, left, slice(top, min(top + height, size[0])), slice(left, min(left + width, size[1])))
        for top, lefts in grid
        for left in lefts
    ]


def _starts(used: np.ndarray, side: int, step: int) -> list[int]:
    """Where the fewest parts of `side` texels begin that hold all blocks of `step` texels that are used."""
    starts: list[int] = []
    for at in np.flatnonzero(used) * step:
        if not starts or at >= starts[-1] + side:
            starts.append(int(at))
    return starts


def _lengths(used: np.ndarray, step: int) -> set[int]:
    """In texels: how long each run of used blocks is, and how far it is from the first to the last."""
    at = np.flatnonzero(used)
    runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
    return {int(run[-1] - run[0] + 1) * step for run in (*runs, at) if len(run)}


def _part(length: int, count: int, multiple: int) -> int:
    """The side of `count` equal parts of `length`, rounded up to a multiple."""
    return -(-length // (count * multiple)) * multiple


def _run_each(
    session: Runnable,
    sources: Mapping[str, Source],
    size: tuple[int, int],
    wrap: tuple[bool, bool],
    side: int,
    wanted: np.ndarray | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[tuple[float, Tile, dict[str, np.ndarray]]]:
    """For each tile the fraction done with it, the tile, and its outputs."""
    card = session.card
    (height, width), parts = tiles(size, side, card, wanted)
    inputs: dict[str, np.ndarray] = {}  # one after the other's: their memory is asked for once
    done, total = 0, sum(part.texels for part in parts)
    for part in parts:
        if cancelled is not None and cancelled():
            raise Cancelled()
        done += part.texels
        window = (
            (part.top - card.overlap, part.left - card.overlap),
            (height + 2 * card.overlap, width + 2 * card.overlap),
        )
        _read_inputs(card, sources, *window, size, wrap, inputs)
        outputs = session.run(inputs)
        rows = slice(card.overlap, card.overlap + part.rows.stop - part.top)
        columns = slice(card.overlap, card.overlap + part.columns.stop - part.left)
        yield done / total, part, {name: array[0, :, rows, columns] for name, array in outputs.items()}


def _read_inputs(
    card: Card,
    sources: Mapping[str, Source],
    start: tuple[int, int],
    extent: tuple[int, int],
    size: tuple[int, int],
    wrap: tuple[bool, bool],
    inputs: dict[str, np.ndarray],
) -> None:
    """The network's inputs for a window of the image, each [1, C, h, w] or [1, S], float32 and contiguous, into `inputs`.

    Arrays that are there, from a window of the same extent, are written over.
    """
    grids = {}
    for name, source in sources.items():
        if isinstance(source, np.ndarray) and source.ndim == 1:
            inputs[name] = source.astype(np.float32)[None]
            continue
        stride = card.noise[name].stride if name in card.noise else 1
        if name not in inputs:
            inputs[name] = np.empty((1, len(card.inputs[name]), *(length // stride for length in extent)), np.float32)
        grids[name] = stride, tuple(-(-length // stride) for length in size)

    def read(strip: slice) -> None:
        for name, (stride, grid) in grids.items():
            source, block = sources[name], inputs[name][0, :, strip.start // stride : strip.stop // stride]
            rows = _pieces((start[0] + strip.start) // stride, (start[0] + strip.stop) // stride, grid[0], wrap[0])
            columns = _pieces(start[1] // stride, (start[1] + extent[1]) // stride, grid[1], wrap[1])
            for at_row, row in rows:
                for at_column, column in columns:
                    out = block[:, at_row:, at_column:][:, : row.stop - row.start, : column.stop - column.start]
                    if isinstance(source, np.ndarray):
                        out[:] = source[:, row, column]
                    else:
                        source(row, column, out)

    step = max(1, STRIP // (extent[1] * card.multiple)) * card.multiple
    parallel(read, [slice(top, min(top + step, extent[0])) for top in range(0, extent[0], step)])

    def repeat(name: str) -> None:
        stride, grid = grids[name]
        for axis in (0, 1):
            edges = start[axis] // stride, (start[axis] + extent[axis]) // stride
            _repeat_edges(inputs[name], 2 + axis, _pieces(*edges, grid[axis], wrap[axis]))

    parallel(repeat, grids)


def _pieces(start: int, stop: int, length: int, wraps: bool) -> list[tuple[int, slice]]:
    """Where the texels start..stop lie in an axis of `length`: (offset in the block, slice of the axis), in order.

    None where all of them lie beyond it.
    """
    if not wraps:
        inside = slice(max(start, 0), min(stop, length))
        return [(inside.start - start, inside)] if inside.start < inside.stop else []
    pieces = []
    at = start
    while at < stop:
        begin = at % length
        count = min(length - begin, stop - at)
        pieces.append((at - start, slice(begin, begin + count)))
        at += count
    return pieces


def _repeat_edges(block: np.ndarray, axis: int, pieces: list[tuple[int, slice]]) -> None:
    """Fill what lies before the first and behind the last piece with the texels next to it."""
    first = pieces[0][0]
    last = pieces[-1][0] + pieces[-1][1].stop - pieces[-1][1].start
    view = np.moveaxis(block, axis, 0)
    view[:first] = view[first]
    view[last:] = view[last - 1]
