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
    wanted: Callable[[slice, slice], bool] | None = None,
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
    `wanted` is asked for each tile with the rows and columns it would write; a tile that is not wanted is neither read, run
    nor written, but counts as done.
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
                if outputs is not None:
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


def tiles(size: tuple[int, int], side: int, card: Card) -> tuple[tuple[int, int], list[Tile]]:
    """The common height and width of the tiles, multiples of `card.multiple`, and the tiles, which cover `size` once.

    Of all grids whose tiles, with their borders, hold no more texels than a square one of `side`, the one that runs the
    fewest texels: two halves cost less than four quarters.
    """
    most = (max(side, card.multiple) + 2 * card.overlap) ** 2
    grids = []
    for rows in range(1, -(-size[0] // card.multiple) + 1):
        height = _part(size[0], rows, card.multiple)
        widest = most // (height + 2 * card.overlap) - 2 * card.overlap
        if widest >= card.multiple:
            width = _part(size[1], -(-size[1] // (widest - widest % card.multiple)), card.multiple)
            count = -(-size[0] // height) * -(-size[1] // width)
            cost = count * (height + 2 * card.overlap) * (width + 2 * card.overlap)
            grids.append((cost, abs(height - width), height, width))
    _, _, height, width = min(grids)
    return (height, width), [
        Tile(top, left, slice(top, min(top + height, size[0])), slice(left, min(left + width, size[1])))
        for top in range(0, size[0], height)
        for left in range(0, size[1], width)
    ]


def _part(length: int, count: int, multiple: int) -> int:
    """The side of `count` equal parts of `length`, rounded up to a multiple."""
    return -(-length // (count * multiple)) * multiple


def _run_each(
    session: Runnable,
    sources: Mapping[str, Source],
    size: tuple[int, int],
    wrap: tuple[bool, bool],
    side: int,
    wanted: Callable[[slice, slice], bool] | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[tuple[float, Tile, dict[str, np.ndarray] | None]]:
    """For each tile the fraction done with it, the tile, and its outputs, None where it is not wanted."""
    card = session.card
    (height, width), parts = tiles(size, side, card)
    inputs: dict[str, np.ndarray] = {}  # one after the other's: their memory is asked for once
    done = 0
    for part in parts:
        if cancelled is not None and cancelled():
            raise Cancelled()
        done += part.texels
        fraction = done / (size[0] * size[1])
        if wanted is not None and not wanted(part.rows, part.columns):
            yield fraction, part, None
            continue
        window = (
            (part.top - card.overlap, part.left - card.overlap),
            (height + 2 * card.overlap, width + 2 * card.overlap),
        )
        _read_inputs(card, sources, *window, size, wrap, inputs)
        outputs = session.run(inputs)
        rows = slice(card.overlap, card.overlap + part.rows.stop - part.top)
        columns = slice(card.overlap, card.overlap + part.columns.stop - part.left)
        yield fraction, part, {name: array[0, :, rows, columns] for name, array in outputs.items()}


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
