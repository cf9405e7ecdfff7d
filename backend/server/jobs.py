# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on the server: a bounded queue, one thread that works, progress for whoever listens, results for ten minutes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum

from ..protocol.errors import Busy, Cancelled, DiskFull, NotFound, OutOfMemory, SabiError, is_disk_full
from ..protocol.recipe import Recipe
from ..protocol.surface import Surface
from ..protocol.tiles import Tile
from .results import Encoding, Part, ResultArrays

log = logging.getLogger(__name__)


class State(Enum):
    """Where a job stands, by the names that events carry."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (State.DONE, State.CANCELLED, State.FAILED)


@dataclass(eq=False)
class Job:
    """One surface and one recipe on their way. Written by the working thread, read by the server's loop.

    An attended job is cancelled when nobody has followed its events for so many seconds.
    """

    surface: Surface | None
    recipe: Recipe
    encoding: Encoding = Encoding.RAW  # PNG: encoded as the job's last stage
    part: Part = Part.ALL  # of the result that is kept
    checks: tuple[Callable[[], None], ...] = ()  # of the surface's maps, to be called before they are used
    attended: float | None = None
    tiles: tuple[Tile, ...] = ()  # into which painted layers are cut
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    state: State = State.QUEUED
    stage: str = "waiting"
    fraction: float = 0.0  # of the whole job
    error: SabiError | None = None
    result: ResultArrays | None = None
    ended: float = 0.0  # time.monotonic()
    _started: float = 0.0
    _texels: int = 0
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _left: float = field(default_factory=time.monotonic)  # when the last listener did
    _listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.surface is not None
        self._texels = self.surface.size[0] * self.surface.size[1] * len(self.recipe.layers)

    def cancelled(self) -> bool:
        return self._cancelled.is_set() or self.abandoned()

    def abandoned(self) -> bool:
        """Whether who asked for it has gone."""
        return self.attended is not None and not self._listeners and time.monotonic() - self._left > self.attended

    def cancel(self) -> None:
        self._cancelled.set()

    def progress(self, stage: str, fraction: float) -> None:
        """Says where the work is; `fraction` 0..1 of the whole job never falls."""
        self.stage, self.fraction = stage, max(self.fraction, min(float(fraction), 1.0))
        self._tell()

    def begin(self) -> None:
        self.state, self._started = State.RUNNING, time.monotonic()
        self._tell()

    def end(self, state: State, error: SabiError | None = None) -> None:
        """The surface is let go here, so that its maps can leave the cache."""
        self.error, self.surface, self.checks, self.ended = error, None, (), time.monotonic()
        if state is State.DONE:
            self.stage, self.fraction = "done", 1.0
        self.state = state
        self._tell()

    def snapshot(self) -> dict[str, object]:
        """Where the job stands: what events carry. `eta` is in seconds, None while nothing can be said."""
        spent = time.monotonic() - self._started
        known = self.state is State.RUNNING and self.fraction > 0.02 and spent > 0.5
        return {
            "job": self.id,
            "state": self.state.value,
            "stage": self.stage,
            "fraction": round(self.fraction, 4),
            "texels": int(self._texels * self.fraction),
            "eta": round(spent * (1 - self.fraction) / self.fraction, 1) if known else None,
            **({"error": self.error.to_dict()} if self.error else {}),
        }

    async def events(self, heartbeat: float) -> AsyncIterator[str]:
        """Server-sent events: the state now, then each change, a comment when nothing happens; ends with the job."""
        changed = asyncio.Event()
        self._listeners[changed] = asyncio.get_running_loop()
        try:
            while True:
                changed.clear()
                now = self.snapshot()
                final = State(now["state"]).final
                yield f"event: {now['state'] if final else 'progress'}\ndata: {json.dumps(now)}\n\n"
                if final:
                    return
                while not changed.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), heartbeat)
                    if not changed.is_set():
                        yield ": still at it\n\n"
        finally:
            self._left = time.monotonic()
            del self._listeners[changed]

    def _tell(self) -> None:
        for changed, loop in list(self._listeners.items()):
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(changed.set)


class Jobs:
    """Runs `work` on one job after another in a thread of its own."""

    def __init__(self, work: Callable[[Job], ResultArrays], *, waiting: int, keep_seconds: float) -> None:
        self._work = work
        self._queue: queue.Queue[Job | None] = queue.Queue(waiting)
        self._keep = keep_seconds
        self._jobs: dict[str, Job] = {}
        self.last_active = time.monotonic()
        self.running: Job | None = None
        self._thread = threading.Thread(target=self._run, name="sabi-jobs", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Jobs that wait or run."""
        return sum(not job.state.final for job in list(self._jobs.values()))

    def submit(self, job: Job) -> None:
        """Raises Busy when the queue is full."""
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise Busy(f"The backend has {self._queue.maxsize} jobs waiting and takes no more at present.") from None
        self._jobs[job.id] = job

    def get(self, id: str) -> Job:
        """A job that was submitted and not forgotten; raises NotFound."""
        try:
            return self._jobs[id]
        except KeyError:
            raise NotFound("There is no such job.", "Its result may have expired; press Weather again.") from None

    def forget(self, id: str) -> Job:
        """Cancel a job that waits or runs, between tiles, and drop its result."""
        job = self.get(id)
        job.cancel()
        if job.state.final:
            del self._jobs[id]
        return job

    def expire(self) -> None:
        """Drop what ended longer ago than results are kept."""
        oldest = time.monotonic() - self._keep
        for job in list(self._jobs.values()):
            if job.state.final and job.ended < oldest:
                del self._jobs[job.id]

    def close(self) -> None:
        """Cancel everything; does not wait."""
        for job in list(self._jobs.values()):
            job.cancel()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            self.running = job
            self._run_one(job)
            self.running = None
            self.last_active = time.monotonic()
            del job

    def _run_one(self, job: Job) -> None:
        try:
            job.begin()
            if job.cancelled():
                raise Cancelled()
            job.result = self._work(job)
            if job.cancelled():
                raise Cancelled()
            job.end(State.DONE)
        except Cancelled as error:
            job.result = None
            job.end(State.CANCELLED, Cancelled("Nobody followed the job any more.") if job.abandoned() else error)
        except SabiError as error:
            job.end(State.FAILED, error)
        except MemoryError:
            job.end(State.FAILED, OutOfMemory("There is not enough memory for this surface."))
        except Exception as error:
            log.exception("job %s failed", job.id)
            job.end(State.FAILED, DiskFull("The disk is full.") if is_disk_full(error) else unexpected(error))


def unexpected(error: Exception) -> SabiError:
    """What an artist is told of a failure that nobody foresaw; the traceback is in the log."""
    return SabiError(
        f"The backend failed unexpectedly ({type(error).__name__}).", "Copy Diagnostics and report it, please."
    )
