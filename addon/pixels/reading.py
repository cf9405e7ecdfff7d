# SPDX-License-Identifier: GPL-3.0-or-later
"""Has Blender read images' files in a job of its own, while a window stays awake; who asks for texels or a size reads at once.

The job is the one that draws an image's thumbnail. Blender crashes when an image is removed while a job reads it, so the artist's
images are left alone: a twin is read, a copy of Sabi's own, and `let_go` removes it when no job is running any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import bpy

from .. import work
from ..progress import Progress

T = TypeVar("T")
Said = TypeVar("Said")
JOB = "RENDER_PREVIEW"
LIMIT = 20.0  # seconds; a render has precedence over the job, and who waits longer has the main thread read
NAME = ".reading"  # not .sabi: the stage would take it away at its own time
INTERVAL = 0.1


@dataclass(frozen=True)
class Facts:
    """What an image's file holds, of a tiled one that of the first tile. The size is (0, 0) where it cannot be read."""

    size: tuple[int, int]  # width, height
    channels: int
    is_float: bool
    file_format: str

    @staticmethod
    def of(image: bpy.types.Image) -> Facts:
        """Asks Blender, which reads the file unless it has."""
        return Facts(tuple(image.size), image.channels, image.is_float, image.file_format)


@dataclass(frozen=True)
class Read:
    """The file of an image that is Sabi's own is to be read."""

    image: bpy.types.Image

    def run(self) -> None:
        """Reads it and returns when done."""
        Facts.of(self.image)

    def start(self, window: bpy.types.Window) -> ReadJob:
        """Has it read by a job of the window's."""
        return ReadJob(self.image, window)


class ReadJob:
    """An image on its way from its file into Blender's memory. What cannot be read is told by whoever looks at it then."""

    def __init__(self, image: bpy.types.Image, window: bpy.types.Window) -> None:
        self._mine = image.session_uid
        self._until = time.monotonic() + LIMIT
        image.use_fake_user = image.is_runtime_data = True  # meanwhile neither purged nor saved
        with bpy.context.temp_override(window=window):
            image.asset_generate_preview()

    def poll(self) -> bool:
        """Whether it is there, or has been waited for long enough."""
        return not _running() or time.monotonic() > self._until

    def close(self) -> None:
        """Leaves the image as it was, without a thumbnail; a job that is not done goes on until it ends."""
        for image in bpy.data.images:
            if image.session_uid == self._mine:
                image.use_fake_user = image.is_runtime_data = False
                if image.preview is not None and not _running():
                    image.preview.image_size = image.preview.icon_size = (0, 0)


Step = Read | Callable[[], object]  # callables are numpy alone, for any thread
_known: dict[tuple, Facts] = {}  # by the state of a file
_leaving: set[int] = set()


def facts(image: bpy.types.Image) -> Facts:
    """What is known, else has Blender read the image."""
    return known(image) or Facts.of(image)


def known(image: bpy.types.Image) -> Facts | None:
    """What can be told of an image without reading a file; None where that is nothing."""
    if image.has_data or image.source not in ("FILE", "TILED"):
        return Facts.of(image)
    found = [_known.get(state) for state, _ in _states(image)]
    return None if None in found else found[0]


def tile_sizes(image: bpy.types.Image) -> list[tuple[int, int]]:
    """Width and height of each tile of a tiled image; has Blender read those about which nothing is known."""
    found = [_known.get(state) for state, _ in _states(image)]
    return [tuple(tile.size) if there is None else there.size for tile, there in zip_longest(image.tiles, found)]


def learn(image: bpy.types.Image) -> Generator[Step, object, None]:
    """Finds out about an image that Blender has not read, which it will not have afterwards either."""
    for state, tile in _states(image):
        if tile is not None and not tile.is_file():
            _known[state] = Facts((0, 0), 0, False, "")
        elif state not in _known:
            with _temporary(bpy.data.images.load(str(tile), check_existing=False) if tile else image.copy()) as made:
                yield Read(made)
                with suppress(ReferenceError):  # undone: then it is not known yet
                    _known[state] = Facts.of(made)


def read(image: bpy.types.Image) -> Generator[Step, object, None]:
    yield Read(image)


def twin(image: bpy.types.Image) -> AbstractContextManager[bpy.types.Image]:
    """A copy to be read in place of an image without unsaved changes, which copies do not have."""
    return _temporary(image.copy())


@contextmanager
def _temporary(made: bpy.types.Image) -> Iterator[bpy.types.Image]:
    made.name = NAME
    uid = made.session_uid
    try:
        yield made
    finally:
        let_go({uid})


def let_go(blocks: set[int]) -> None:
    """Removes images and materials, known by their session's number, as soon as no job may be reading them."""
    _leaving.update(blocks)
    if _remove() is not None and not bpy.app.timers.is_registered(_remove):
        bpy.app.timers.register(_remove, first_interval=INTERVAL, persistent=True)


def _running() -> bool:
    return bpy.app.is_job_running(JOB)


def _remove() -> float | None:
    if _running():
        return INTERVAL
    found = [block for kind in (bpy.data.materials, bpy.data.images) for block in kind]
    bpy.data.batch_remove([block for block in found if block.session_uid in _leaving])
    _leaving.clear()
    return None


def in_steps(steps: Generator[Step, object, T], said: Progress) -> Generator[Progress, None, T]:
    """Reads as a part of a piece of work: by jobs and threads where there is a window that waits, else one a step."""
    result: object = None
    try:
        while True:
            try:
                step = steps.send(result)
            except StopIteration as stop:
                return stop.value
            if isinstance(step, Read) and work.in_window():
                job, result = step.start(bpy.context.window_manager.windows[0]), None
                try:
                    while not job.poll():
                        yield said
                finally:
                    job.close()
            elif work.in_window():
                result = yield from aside(step, said)
            else:
                result = step.run() if isinstance(step, Read) else step()
                yield said
    finally:
        steps.close()


def aside(step: Callable[[], T], said: Said) -> Generator[Said, None, T]:
    """Has a thread do what needs no Blender, and says `said` until it is done; closed, it waits for it."""
    thread = ThreadPoolExecutor(1, "sabi-aside")
    try:
        found = thread.submit(step)
        while not found.done():
            yield said
        return found.result()
    finally:
        thread.shutdown()


def file_of(image: bpy.types.Image) -> Path | None:
    """Where the image's file lies, of a tiled one with <UDIM> in its name; None when it has none."""
    if not image.filepath:
        return None
    return Path(bpy.path.abspath(image.filepath, library=image.library))


def _states(image: bpy.types.Image) -> list[tuple[tuple, Path | None]]:
    """What tells one state of an image's file from another; of a tiled one that of each tile, with its file."""
    path = file_of(image)
    if image.packed_file is not None or path is None:
        return [((image.session_uid, str(path), image.packed_file.size if image.packed_file else None), None)]
    if image.source != "TILED":
        return [(_state(path), None)]
    tiles = [Path(str(path).replace("<UDIM>", str(tile.number))) for tile in image.tiles]
    return [(_state(tile), tile) for tile in tiles]


def _state(path: Path) -> tuple:
    there = path.stat() if path.is_file() else None
    return str(path), there and there.st_mtime_ns, there and there.st_size
