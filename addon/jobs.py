# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathering in flight: a thread that sends a surface, follows its progress and fetches the images. No bpy in here.

Only `Job._run` runs in the thread; what it learns reaches the caller through fields that a lock guards. The caller,
Blender's main thread, polls from a timer or waits, and takes the result or the error when the job has ended.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from ..backend.protocol.client import Client, JobResult
from ..backend.protocol.errors import BackendGone, BadFile, BadMessage, Cancelled, DiskFull, SabiError, is_disk_full
from ..backend.protocol.mask_names import MATERIAL, MERGED
from ..backend.protocol.merging import wired
from ..backend.protocol.painted import CHANNELS, PACKED_EXPOSURES
from ..backend.protocol.recipe import Recipe
from ..backend.protocol.surface import Map, Surface
from ..backend.protocol.tiles import Tile
from .progress import Progress, stage_in_words, unforeseen

Answer = TypeVar("Answer")
EMPTY: Mapping[str, Any] = MappingProxyType({})


class State(Enum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class PaintedFiles:
    """The backend's answer: per layer of merging.wired its images by name (thin, thick, growth) as PNG files."""

    layers: tuple[dict[str, Path], ...]
    recipe: Recipe  # with the networks it was made with
    warnings: tuple[str, ...]
    masks: Mapping[str, Map] = field(default_factory=dict)  # of materials and merged layers, as the backend found them


class Job(Generic[Answer]):
    """Something that takes a while, in a thread of its own. Methods are for one other thread, and none blocks but `wait`.

    A kind of job says in `_work` what the thread does, calling `_check_stop` often, and in `_abandon` what ends it sooner.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        """`connect` gives a client that answers, starting a backend if need be; it runs in the job's thread."""
        self._connect = connect
        self._lock = threading.Lock()
        self._state, self._progress = State.RUNNING, Progress("Starting the backend")
        self._error: SabiError | None = None
        self._result: Answer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sabi job", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        with self._lock:
            return self._state

    @property
    def progress(self) -> Progress:
        with self._lock:
            return self._progress

    def wait(self, seconds: float) -> bool:
        """Whether the job has ended, after at most this long."""
        deadline = time.monotonic() + seconds
        while self.state is State.RUNNING and (left := deadline - time.monotonic()) > 0:
            self._thread.join(min(left, 0.05))
        return self.state is not State.RUNNING

    def cancel(self) -> None:
        """Ends the job at once for its owner; the backend is told from another thread and may be past hearing."""
        self._stop.set()
        with self._lock:
            if self._state is not State.RUNNING:
                return
            self._state, self._error = State.CANCELLED, Cancelled()
        threading.Thread(target=self._abandon, name="sabi cancel", daemon=True).start()

    def result(self) -> Answer:
        """What came of it. Raises the job's error, or Cancelled; only for a job that has ended."""
        with self._lock:
            if self._error is not None:
                raise self._error
            assert self._result is not None, "the job is still running"
            return self._result

    def steps(self, doubt: Callable[[], object]) -> Generator[Progress, None, Answer]:
        """How far it is until it has ended, then as `result`. Cancelled where closed; calls `doubt` where the backend is gone."""
        try:
            while not self.wait(0.0):
                yield self.progress
            return self.result()
        except BackendGone:
            doubt()
            raise
        finally:
            self.cancel()

    def _work(self) -> Answer:
        raise NotImplementedError

    def _abandon(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        try:
            result = self._work()
        except SabiError as error:
            self._end(State.CANCELLED if isinstance(error, Cancelled) else State.FAILED, error=error)
        except Exception as error:
            self._end(State.FAILED, error=unforeseen(error))
        else:
            self._end(State.DONE, result=result)

    def _tell(self, progress: Progress) -> None:
        with self._lock:
            self._progress = progress

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Cancelled

    def _end(self, state: State, result: Answer | None = None, error: SabiError | None = None) -> None:
        with self._lock:
            if self._state is State.RUNNING:  # a cancelled job stays cancelled
                self._state, self._result, self._error = state, result, error


class _SurfaceJob(Job[Answer]):
    """One surface on its way through the backend; a part of the result comes as files. `more` makes further maps of it."""

    part = ""

    def __init__(
        self,
        connect: Callable[[], Client],
        surface: Surface,
        recipe: Recipe,
        folder: Path,
        more: Mapping[str, Callable[[], Map]] = EMPTY,
        tiles: Sequence[Tile] = (),
    ) -> None:
        self._surface, self._recipe, self._folder, self._more = surface, recipe, folder, more
        self._tiles = tiles
        self._sent: tuple[Client, str] | None = None
        super().__init__(connect)

    def _kept(self, result: JobResult) -> Answer:
        raise NotImplementedError

    def _work(self) -> Answer:
        client = self._connect()
        self._check_stop()
        self._tell(Progress("Sending the surface"))
        self._surface = self._surface.with_maps({name: make() for name, make in self._more.items()})
        cut = {"tiles": self._tiles} if self._tiles else {}
        job = client.submit(self._surface, self._recipe, encoding="png", part=self.part, sent=self._sending, **cut)
        self._sent = (client, job)
        try:
            for event in client.events(job):
                self._check_stop()
                self._tell(Progress(stage_in_words(event.stage), event.fraction, event.eta))
            self._tell(Progress("Fetching the images", 1.0))
            result = client.result(job, self._surface, encoding="png", part=self.part)
        finally:
            _forget(client, job)
        self._check_stop()
        return self._kept(result)

    def _sending(self, fraction: float) -> None:
        self._check_stop()
        self._tell(Progress(f"Sending the surface, {fraction:.0%}"))

    def _write(self, path: Path, png: memoryview) -> None:
        try:
            path.write_bytes(png)
        except OSError as error:
            said = f"The painted images could not be written to {self._folder}: {error.strerror}."
            hint = "Check Blender's folder for temporary files."
            raise (DiskFull(said) if is_disk_full(error) else BadFile(said, hint)) from error

    def _abandon(self) -> None:
        if self._sent is not None:
            _forget(*self._sent)


class PaintJob(_SurfaceJob[PaintedFiles]):
    """Paints a surface: three images for each layer of merging.wired.

    With `tiles` each is a set of files, and its path has <UDIM> for their numbers.
    """

    part = "wired"

    def _kept(self, result: JobResult) -> PaintedFiles:
        layers = tuple(self._keep(index, result.pngs) for index in range(len(wired(self._recipe).layers)))
        maps = result.surface.maps.items()  # views of the whole message, which shall not stay
        found = {
            name: replace(map_, array=map_.array.copy()) for name, map_ in maps if name.startswith((MATERIAL, MERGED))
        }
        return PaintedFiles(layers, replace(self._recipe, networks=result.networks), result.warnings, found)

    def _keep(self, index: int, pngs: Mapping[str, memoryview]) -> dict[str, Path]:
        ending = ".<UDIM>" if self._tiles else ""
        paths = {name: self._folder / f"{index}-{name}{ending}.png" for name in CHANNELS}
        try:
            for name in paths:
                for tail in [f".{tile.number}" for tile in self._tiles] or [""]:
                    self._write(self._folder / f"{index}-{name}{tail}.png", pngs[f"layer{index}.{name}{tail}"])
        except KeyError:
            raise BadMessage(f"The result lacks an image of layer {index + 1}.") from None
        return paths


class ExposureJob(_SurfaceJob[tuple[Path, ...]]):
    """Asks how readily a surface weathers under each layer: images of PACKED_EXPOSURES layers each. Nothing is painted."""

    part = "exposures"

    def _kept(self, result: JobResult) -> tuple[Path, ...]:
        count = math.ceil(len(self._recipe.layers) / PACKED_EXPOSURES)
        paths = tuple(self._folder / f"exposures{number}.png" for number in range(count))
        for path in paths:
            if path.stem not in result.pngs:
                raise BadMessage("The result lacks the exposures of a layer.")
            self._write(path, result.pngs[path.stem])
        return paths


def _forget(client: Client, job: str) -> None:
    with suppress(SabiError):  # it has gone, and the job with it
        client.cancel(job)
