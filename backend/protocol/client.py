# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a backend to weather surfaces. Standard library and numpy only: the add-on talks through this, and so may any script."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np

from . import wire
from .connection import Broken, Connection
from .errors import BackendError, BackendGone, BadMessage, Cancelled, NotFound, SabiError
from .map_files import MapExport
from .painted import PaintedLayer
from .recipe import Recipe
from .surface import ColorSpace, Map, Surface
from .tiles import Tile, to_text


@dataclass(frozen=True)
class Progress:
    """Where a job stands. `fraction` 0..1 of the whole job, `eta` seconds left or None while nothing can be said."""

    stage: str
    fraction: float
    texels: int
    eta: float | None
    state: str = "running"


@dataclass(frozen=True)
class JobResult:
    """What a job gave: the painted layers, the weathered surface, and what should be said aloud.

    With encoding png `layers` is empty where only `pngs` were sent: name (`layer0.thin`, `surface.albedo`, ...) -> the bytes of a
    PNG file. `surface` is the one given with the maps that changed; maps that came as PNGs are not in it.
    """

    surface: Surface
    layers: tuple[PaintedLayer, ...]
    warnings: tuple[str, ...] = ()
    networks: Mapping[str, str] = field(default_factory=dict)
    pngs: Mapping[str, memoryview] = field(default_factory=dict)


class Client:
    """A backend at `address` ("host:port" or a URL). `token` defaults to SABI_TOKEN; `timeout` is seconds of silence.

    Threads may share it: one may cancel what another waits for.
    """

    def __init__(self, address: str, token: str | None = None, *, timeout: float = 30.0) -> None:
        self._connection = Connection(address, token, timeout=timeout)

    @property
    def address(self) -> str:
        return self._connection.address

    @property
    def token(self) -> str:
        return self._connection.token

    def health(self, timeout: float | None = None) -> dict[str, Any]:
        """What the backend says of itself (see backend.doctor); raises ProtocolMismatch when it is older or newer."""
        return self._connection.json("GET", "/v1/health", timeout=timeout)

    def put_map(self, array: np.ndarray, digest: str = "") -> str:
        """Send one map; returns its digest."""
        digest = digest or wire.digest(array)
        self._connection.json("PUT", f"/v1/maps/{digest}", wire.parts({"map": array}))
        return digest

    def submit(
        self,
        surface: Surface,
        recipe: Recipe,
        *,
        encoding: str = "raw",
        part: str = "all",
        attended: bool = False,
        tiles: Sequence[Tile] = (),
        digests: Mapping[str, str] | None = None,
        sent: Callable[[float], None] | None = None,
    ) -> str:
        """Start a job and return its id. Only maps that the backend lacks are sent; `sent` gets the fraction of them.

        `encoding` "png" asks for PNG files, `part` for "layers", "wired" (merging.wired), "surface" or
        "exposures" alone. An `attended` job is cancelled
        when nobody follows its events any more. `tiles` cuts painted layers, which are then PNG files such as `layer0.thin.1001`.
        `digests` spares hashing maps whose digests are known. Raises Busy when the queue is full.
        """
        names = dict(digests) if digests else digests_of(surface)
        by_digest = {names[name]: map_.array for name, map_ in surface.maps.items()}
        job = wire.describe(surface, recipe, names).encode()
        path = f"/v1/jobs?encoding={encoding}&part={part}&attended={int(attended)}"
        path += f"&tiles={quote(to_text(tiles))}" if tiles else ""
        for _ in range(3):  # a full cache may drop maps again before the job takes them
            status, answer = self._connection.exchange("POST", path, [job])
            missing = answer.get("missing") if status == 409 else None
            if missing is None:
                self._connection.raise_failure(status, answer)
                return str(answer["job"])
            for index, digest in enumerate(missing):
                if digest not in by_digest:
                    raise BadMessage("The backend asks for a map that this surface does not have.")
                if sent is not None:
                    sent(index / len(missing))
                self.put_map(by_digest[digest], digest)
        raise BackendError("The backend drops maps before it uses them.", "Its cache is too small for this surface.")

    def events(self, job: str) -> Iterator[Progress]:
        """Progress until the job is done. Raises Cancelled, the job's own error, or BackendGone when the backend ends."""
        begun = broken = False
        while True:
            try:
                for kind, now in self._events(job):
                    begun, broken = True, False
                    if kind in ("failed", "cancelled"):
                        failure = SabiError.from_dict(now.get("error"))
                        break
                    yield self._progress(now)
                    if kind == "done":
                        return
                else:
                    raise Broken("The events of the job ended before the job.")
            except (BackendGone, NotFound) as error:
                if not broken and isinstance(error, Broken):
                    broken = True  # to ask again where the job stands is safe
                    continue
                if begun or broken:
                    raise BackendGone("The backend ended in the middle of the job.") from None
                raise
            raise failure

    def result(self, job: str, surface: Surface, *, encoding: str = "raw", part: str = "all") -> JobResult:
        """The result of a job on `surface`; stays on the server for ten minutes or until `cancel`."""
        message = self._connection.message(f"{_path(job)}/result?encoding={encoding}&part={part}")
        return read_result(message, surface)

    def cancel(self, job: str) -> None:
        """Stop a job between tiles, forget its result. A job that is gone already is no error."""
        with contextlib.suppress(NotFound):
            self._connection.json("DELETE", _path(job))

    def weather(
        self,
        surface: Surface,
        recipe: Recipe,
        *,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        encoding: str = "raw",
        part: str = "all",
        digests: Mapping[str, str] | None = None,
    ) -> JobResult:
        """Everything from maps to result; the job is forgotten afterwards, also after an error, and ends where this process does.

        Raises Cancelled.
        """

        def tell(now: Progress) -> None:
            if progress is not None:
                progress(now)
            if cancelled is not None and cancelled():
                raise Cancelled()

        def sent(fraction: float) -> None:
            tell(Progress("sending", 0.0, 0, None, "sending"))

        job = self.submit(surface, recipe, encoding=encoding, part=part, attended=True, digests=digests, sent=sent)
        try:
            for now in self.events(job):
                tell(now)
            return self.result(job, surface, encoding=encoding, part=part)
        finally:
            with contextlib.suppress(SabiError):  # gone, perhaps: there is nothing left to forget
                self.cancel(job)

    def degree(
        self, photograph: Map, marks: np.ndarray | None = None, *, method: str = "marks", invert: bool = False
    ) -> np.ndarray:
        """How weathered a photograph is around each texel, uint8 [H, W, 1]; see server.degree for marks and methods."""
        query = {"photograph": self.put_map(photograph.array), "color_space": photograph.color_space.value}
        query |= {"method": method, "invert": "1" if invert else "0"}
        if marks is not None:
            query["marks"] = self.put_map(marks)
        arrays, _ = wire.loads(self._connection.message(f"/v1/degree?{urlencode(query)}"))
        if "degree" not in arrays:
            raise BadMessage("The answer holds no degree map.")
        return arrays["degree"]

    def delight(self, picture: Map, amount: float = 1.0) -> tuple[np.ndarray, tuple[str, ...]]:
        """The picture [H, W, 1..4] without the light on it, in its type, and warnings; see weathering.delight."""
        query = {"picture": self.put_map(picture.array), "color_space": picture.color_space.value}
        arrays, said = wire.loads(self._connection.message(f"/v1/delit?{urlencode(query | {'amount': amount})}"))
        if "delit" not in arrays:
            raise BadMessage("The answer holds no picture.")
        return arrays["delit"], tuple(map(str, json.loads(said.get("warnings", "[]"))))

    def encoded(self, maps: Mapping[str, Map], file: str, export: MapExport) -> memoryview:
        """The bytes of one image file of an export: that of the layout's files which is named `file`.

        `maps` are of one size; those that the file does not hold need not be there. Raises BadMessage, MissingMap.
        """
        query = {"file": file, "layout": export.layout.value, "format": export.format.value, "bits": export.bits}
        spaces = json.dumps({name: map_.color_space.value for name, map_ in maps.items()})
        body = wire.parts({name: map_.array for name, map_ in maps.items()}, {"color_spaces": spaces})
        arrays, _ = wire.loads(self._connection.message(f"/v1/encoded?{urlencode(query)}", body))
        if "file" not in arrays:
            raise BadMessage("The answer holds no file.")
        return arrays["file"].data

    def _progress(self, now: dict[str, Any]) -> Progress:
        try:
            eta = None if now["eta"] is None else float(now["eta"])
            return Progress(str(now["stage"]), float(now["fraction"]), int(now["texels"]), eta, str(now["state"]))
        except (KeyError, TypeError, ValueError):
            raise self._connection.not_sabi() from None

    def _events(self, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = ""
        for line in self._connection.lines(f"{_path(job)}/events"):
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                try:
                    now = json.loads(line[6:])
                except ValueError:
                    raise self._connection.not_sabi() from None
                if not isinstance(now, dict):
                    raise self._connection.not_sabi()
                yield kind, now


def digests_of(surface: Surface) -> dict[str, str]:
    """What the maps of a surface are called on a server, by name; hashed beside one another."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        return dict(zip(surface.maps, threads.map(wire.digest, (m.array for m in surface.maps.values())), strict=True))


def _path(job: str) -> str:
    return f"/v1/jobs/{quote(job, safe='')}"


def read_result(message: memoryview | bytes, surface: Surface) -> JobResult:
    """A result from its message; arrays are views into it. Raises BadMessage."""
    arrays, metadata = wire.loads(message)
    try:
        pngs = {name: arrays.pop(name).data for name in json.loads(metadata["png"])}
        spaces = {name: ColorSpace(space) for name, space in json.loads(metadata["color_spaces"]).items()}
        height_scale = float(metadata["height_scale"])
        warnings, networks = tuple(json.loads(metadata["warnings"])), dict(json.loads(metadata["networks"]))
        maps = {n[8:]: Map(a, spaces[n[8:]]) for n, a in arrays.items() if n.startswith("surface.")}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise BadMessage("The result is not described as this version of Sabi expects.") from None
    has_layers = any(name.startswith("layer") for name in arrays)
    layers = wire.layers_from_arrays(arrays) if has_layers else ()
    weathered = replace(surface, maps={**surface.maps, **maps}, height_scale=height_scale)
    return JobResult(weathered, layers, warnings, networks, pngs)
