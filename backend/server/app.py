# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend as a web application (Starlette): maps and jobs in, progress and results out. See DESIGN, Between the processes.

    GET    /v1/health             versions, device, networks and their cards, memory, limits
    PUT    /v1/maps/{sha256}      one map: a message (wire) with one array, `map`; compared with its digest behind the answer
    POST   /v1/jobs               a job as JSON (wire.describe) -> 202 and its id; 409 names the maps that are missing;
                                  ?attended=1 cancels it when nobody follows its events any more; ?tiles=[[1001,top,left,
                                  height,width],...] cuts painted layers, sent as PNG, into UDIM tiles: layer0.thin.1001
    GET    /v1/jobs/{id}          where it stands
    GET    /v1/jobs/{id}/events   server-sent events: progress, then done, cancelled or failed
    GET    /v1/jobs/{id}/result   a message; ?encoding=raw|png  ?part=all|layers|wired|surface
                                  |exposures, as it was asked for when the job was posted
    DELETE /v1/jobs/{id}          cancels between tiles, forgets the result
    GET    /v1/degree             a message with `degree`, how weathered a photograph is: ?photograph={sha256}&color_space=srgb
                                  &method=marks|manifold|rarity [&marks={sha256} &invert=1]
    GET    /v1/delit              a message with `delit`, a picture without its light: ?picture={sha256}&color_space=srgb
                                  [&amount=0..1]; `warnings` in its metadata
    POST   /v1/encoded            a message with maps -> a message with `file`, the bytes of an image file of an export:
                                  ?layout=plain|unreal|unity|gltf&file=ORM&format=png|tif|exr|webp&bits=0|8|16
    POST   /v1/weather            all in one call: a message with the surface's maps, `surface` and `recipe` in its metadata,
                                  which hold 1 MiB: a recipe with several exemplars is posted as a job

Every failure is {"error": {"code", "message", "hint"}}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import doctor
from ..networks.registry import Networks
from ..protocol import wire
from ..protocol.errors import BadMessage, Busy, NotFound, SabiError, TooLarge
from ..protocol.recipe import Recipe
from ..protocol.surface import MAX_TEXELS
from ..protocol.tiles import from_text
from ..weathering.merge import merge
from ..weathering.pipeline import Weathered, exposures
from ..weathering.pipeline import weather as pipeline_weather
from .degree import degree_texels
from .delight import delit_texels
from .encoding import encoded_file
from .guard import Guard, failure
from .jobs import Job, Jobs
from .map_cache import KeptMap, MapCache
from .results import Encoding, Part, ResultArrays
from .spool import Spool
from .upload import Arrivals, receive, receive_map, steady

CHUNK = 1 << 20
Choice = TypeVar("Choice", Encoding, Part)


@dataclass(frozen=True)
class Limits:
    """What one server takes. Sizes in bytes, times in seconds."""

    map_bytes: int = MAX_TEXELS * 4 * 4 + wire.MAX_HEADER + 8  # RGBA in single floats
    surface_bytes: int = 8 << 30  # POST /v1/weather
    job_bytes: int = 16 << 20  # a recipe may hold a picture a layer
    cache_bytes: int = 8 << 30
    waiting: int = 8
    keep_result: float = 600
    idle: float = 120  # until networks are released
    heartbeat: float = 5
    unattended: float = 5  # until a job whose caller has gone is cancelled
    silence: float = 30  # between two pieces of a body
    slowest: int = 16 << 10  # bytes a second of a body, on average over that time
    receiving: int = 64  # bodies at a time
    receiving_bytes: int = 16 << 30  # of disk that all of them together may reserve


def app(
    networks: Networks | None = None,
    *,
    weather: Callable[..., Weathered] = pipeline_weather,
    token: str = "",
    limits: Limits = Limits(),
    spool: Spool | None = None,
) -> Starlette:
    """The application. Without a token anyone who reaches it may use it; `weather` is the pipeline's unless a test says else."""
    service = Service(networks or Networks.load(), weather, limits, spool or Spool())
    return Starlette(
        routes=[
            Route("/v1/health", service.health),
            Route("/v1/maps/{digest}", service.put_map, methods=["PUT"]),
            Route("/v1/degree", service.get_degree),
            Route("/v1/delit", service.get_delit),
            Route("/v1/jobs", service.post_job, methods=["POST"]),
            Route("/v1/jobs/{id}", service.get_job, methods=["GET"]),
            Route("/v1/jobs/{id}", service.delete_job, methods=["DELETE"]),
            Route("/v1/jobs/{id}/events", service.get_events),
            Route("/v1/jobs/{id}/result", service.get_result),
            Route("/v1/encoded", service.post_encoded, methods=["POST"]),
            Route("/v1/weather", service.post_weather, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={404: _no_such_path, 405: _no_such_path},
        lifespan=service.lifespan,
    )


class Service:
    """What the routes share."""

    def __init__(self, networks: Networks, weather: Callable[..., Weathered], limits: Limits, spool: Spool) -> None:
        self.networks = networks
        self.weather = weather
        self.limits = limits
        self.spool = spool
        self.maps = MapCache(limits.cache_bytes)
        self.arrivals = Arrivals(limits.receiving, limits.receiving_bytes)
        self.hashing = ThreadPoolExecutor(thread_name_prefix="sabi-digest")
        self.jobs = Jobs(self._work, waiting=limits.waiting, keep_seconds=limits.keep_result)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        warming, ticking = asyncio.create_task(self._warm()), asyncio.create_task(self._tick())
        yield
        warming.cancel()
        ticking.cancel()
        self.jobs.close()
        self.hashing.shutdown(wait=False)

    async def health(self, _: Request) -> Response:
        report = await run_in_threadpool(doctor.report, self.networks, self.spool.folder)
        limits = {"map_bytes": self.limits.map_bytes, "surface_bytes": self.limits.surface_bytes, "texels": MAX_TEXELS}
        jobs = {"unfinished": len(self.jobs), "waiting_at_most": self.limits.waiting}
        maps = {"count": len(self.maps), "bytes": self.maps.nbytes}
        return JSONResponse({**report, "limits": limits, "jobs": jobs, "maps": maps})

    async def put_map(self, request: Request) -> Response:
        digest = wire.checked_digest(request.path_params["digest"])
        size = _declared_size(request, self.limits.map_bytes)
        with self.arrivals.one_more(size):
            array = await receive_map(self._pieces(request, size), size, self.spool)
        self.maps.put(digest, KeptMap(array, digest, self.hashing))
        return JSONResponse({"digest": digest}, 201)

    async def post_job(self, request: Request) -> Response:
        body = await self._body(request, self.limits.job_bytes)
        digests, description, recipe = wire.undescribe(body)
        found = {name: self.maps.get(digest) for name, digest in digests.items()}
        missing = sorted({digests[name] for name, kept in found.items() if kept is None})
        if missing:
            error = NotFound("The backend lacks some of the surface's maps.", "Send them first.")
            return JSONResponse({"error": error.to_dict(), "missing": missing}, 409)
        maps = {name: kept for name, kept in found.items() if kept is not None}
        surface = wire.build_surface(description, {name: kept.array for name, kept in maps.items()})
        encoding, part = _choice(request, "encoding", Encoding), _choice(request, "part", Part)
        attended = self.limits.unattended if request.query_params.get("attended") == "1" else None
        tiles = from_text(request.query_params.get("tiles", ""), *surface.size)
        if tiles and encoding is not Encoding.PNG:
            raise BadMessage("Tiles are sent as PNG files alone.")
        checks = tuple(kept.check for kept in maps.values())
        job = Job(surface, recipe, encoding, part, checks, attended, tiles)
        self.jobs.submit(job)
        return JSONResponse({"job": job.id}, 202)

    async def get_job(self, request: Request) -> Response:
        return JSONResponse(self._job(request).snapshot())

    async def delete_job(self, request: Request) -> Response:
        return JSONResponse(self.jobs.forget(request.path_params["id"]).snapshot())

    async def get_events(self, request: Request) -> Response:
        events = self._job(request).events(self.limits.heartbeat)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def get_result(self, request: Request) -> Response:
        encoding, part = _choice(request, "encoding", Encoding), _choice(request, "part", Part)
        return await self._answer(self._job(request), encoding, part)

    async def get_degree(self, request: Request) -> Response:
        asked = request.query_params
        photograph, marks = self.maps.get(asked.get("photograph", "")), self.maps.get(asked.get("marks", ""))
        if photograph is None or (marks is None and "marks" in asked):
            raise NotFound("The backend lacks the photograph or its marks.", "Send them first.")
        degree = await run_in_threadpool(
            degree_texels,
            photograph,
            marks,
            asked.get("color_space", "srgb"),
            asked.get("method", "marks"),
            asked.get("invert") == "1",
        )
        return Response(wire.dumps({"degree": degree}), media_type="application/octet-stream")

    async def get_delit(self, request: Request) -> Response:
        asked = request.query_params
        picture = self.maps.get(asked.get("picture", ""))
        if picture is None:
            raise NotFound("The backend lacks the picture.", "Send it first.")
        space, amount = asked.get("color_space", "srgb"), asked.get("amount", "1")
        delit, warnings = await run_in_threadpool(delit_texels, picture, space, amount, self.networks)
        body = wire.parts({"delit": delit}, {"warnings": json.dumps(warnings)})
        return Response(b"".join(body), media_type="application/octet-stream")

    async def post_encoded(self, request: Request) -> Response:
        size = _declared_size(request, self.limits.surface_bytes)
        with self.arrivals.one_more(size):
            message = await receive(self._pieces(request, size), size, self.spool)
        file = await run_in_threadpool(encoded_file, message, request.query_params)
        return Response(b"".join(wire.parts({"file": file})), media_type="application/octet-stream")

    async def post_weather(self, request: Request) -> Response:
        encoding, part = _choice(request, "encoding", Encoding), _choice(request, "part", Part)
        size = _declared_size(request, self.limits.surface_bytes)
        with self.arrivals.one_more(size):
            arrays, metadata = wire.loads(await receive(self._pieces(request, size), size, self.spool))
        try:
            description = json.loads(metadata["surface"])
            recipe = Recipe.from_json(metadata["recipe"])
        except (KeyError, ValueError, RecursionError):
            raise BadMessage("The message needs `surface` and `recipe` as JSON in its metadata.") from None
        job = Job(wire.build_surface(description, arrays), recipe, encoding, part)
        del arrays
        self.jobs.submit(job)
        try:
            async for _ in job.events(heartbeat=0.5):
                if await request.is_disconnected():
                    return Response()  # nobody is there to read it
            return await self._answer(job, encoding, part)
        finally:
            job.cancel()
            with contextlib.suppress(NotFound):
                self.jobs.forget(job.id)

    def _job(self, request: Request) -> Job:
        return self.jobs.get(request.path_params["id"])

    def _work(self, job: Job) -> ResultArrays:
        """One job, on the working thread."""
        surface = job.surface
        assert surface is not None
        job.progress("checking", 0.0)
        for check in job.checks:
            check()
        job.progress("survey", 0.0)
        if job.part is Part.EXPOSURES:
            found = exposures(surface, job.recipe, progress=job.progress, cancelled=job.cancelled)
            result = ResultArrays.of_exposures(*found)
            return replace(result, pngs=result.encoded()) if job.encoding is Encoding.PNG else result
        share = 0.9 if job.encoding is Encoding.PNG else 1.0  # of the job's time that is weathering
        weathered = self.weather(
            surface,
            job.recipe,
            networks=self.networks,
            progress=lambda stage, fraction: job.progress(stage, fraction * share),
            cancelled=job.cancelled,
            allocate=self.spool.allocate,
        )
        if job.part is Part.WIRED:
            shown = merge(weathered.surface, job.recipe, weathered.layers, self.spool.allocate)
            weathered = replace(weathered, surface=weathered.surface.with_maps(shown.masks), layers=shown.layers)
        result = ResultArrays.of(weathered, surface).only(job.part).cut(job.tiles)
        if job.encoding is Encoding.PNG:
            return replace(
                result, pngs=result.encoded(lambda done: job.progress("encoding", share + (1 - share) * done))
            )
        return result

    async def _answer(self, job: Job, encoding: Encoding, part: Part) -> Response:
        if job.error is not None:
            raise job.error
        if job.result is None:
            raise (
                Busy("The job is not done yet.", "Follow its events.")
                if not job.state.final
                else NotFound("The job has no result.", "Start it again.")
            )
        arrays, metadata = await run_in_threadpool(job.result.message, encoding, part)
        parts = wire.parts(arrays, metadata)
        length = sum(len(piece) for piece in parts)

        async def pieces() -> AsyncIterator[bytes | memoryview]:
            for piece in parts:
                for at in range(0, len(piece), CHUNK):
                    yield piece[at : at + CHUNK]

        headers = {"Content-Length": str(length)}
        return StreamingResponse(pieces(), media_type="application/octet-stream", headers=headers)

    async def _body(self, request: Request, limit: int) -> bytes:
        size = _declared_size(request, limit)
        with self.arrivals.one_more(size):
            return b"".join([piece async for piece in self._pieces(request, size)])

    def _pieces(self, request: Request, size: int) -> AsyncIterator[bytes]:
        return steady(request.stream(), size, silence=self.limits.silence, slowest=self.limits.slowest)

    async def _warm(self) -> None:
        """Load the painter before the first job asks for it, so that the device in use is known."""
        with contextlib.suppress(SabiError):  # the first job says it aloud
            await run_in_threadpool(self.networks.__getitem__, "painter")

    async def _tick(self) -> None:
        """Expire results; release networks that have not been used for a while."""
        while True:
            await asyncio.sleep(min(5.0, self.limits.idle / 4, self.limits.keep_result / 4))
            self.jobs.expire()
            self.maps.sweep()
            idle = time.monotonic() - self.jobs.last_active > self.limits.idle
            if idle and not len(self.jobs) and self.networks.loaded():
                await run_in_threadpool(self.networks.release)


def _declared_size(request: Request, limit: int) -> int:
    """Content-Length; raises before anything is read or allocated."""
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        raise BadMessage("The message must say its length (Content-Length).")
    if int(declared) > limit:
        raise TooLarge(f"The message of {int(declared)} bytes is larger than the {limit} this backend takes.")
    return int(declared)


def _choice(request: Request, name: str, kind: type[Choice]) -> Choice:
    choices = list(kind)
    try:
        return kind(request.query_params.get(name, choices[0].value))
    except ValueError:
        raise BadMessage(f"'{name}' must be one of {', '.join(c.value for c in choices)}.") from None


async def _no_such_path(_: Request, error: Exception) -> Response:
    return failure(NotFound("There is nothing at this address.", "Check that both ends are Sabi of the same version."))
