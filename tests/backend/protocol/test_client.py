# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a real backend, and against whatever else may answer at its address."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sabi.backend.protocol import wire
from sabi.backend.protocol.client import Client, Progress
from sabi.backend.protocol.connection import Connection
from sabi.backend.protocol.errors import (
    BackendError,
    BackendGone,
    BadMessage,
    BadSurface,
    Busy,
    Cancelled,
    NotFound,
    OutOfMemory,
    ProtocolMismatch,
    SabiError,
    Unauthorized,
)
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.protocol.wire import PROTOCOL_VERSION

RECIPE = Recipe((Layer(Effect.RUST, age=0.75),))


def surface(side: int = 64, seed: int = 0) -> Surface:
    random = np.random.default_rng(seed)
    albedo = random.integers(0, 255, (side, side, 3), np.uint8)
    height = random.random((side, side, 1)).astype(np.float16)
    return Surface({"albedo": Map(albedo, ColorSpace.SRGB), "height": Map(height)}, texels_per_metre=256.0)


def answer(
    body: bytes | str | object,
    status: str = "200 OK",
    protocol: int | str | None = PROTOCOL_VERSION,
    length: int | None = None,
) -> bytes:
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [] if protocol is None else [f"Sabi-Protocol: {protocol}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def impostor() -> Iterator[Callable[..., Client]]:
    """impostor(bytes, bytes, ...) -> a client of a server that answers its connections with these bytes, then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve(answers: list[bytes]) -> None:
        for reply in answers:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += peer.recv(1 << 16)
                asked.append(request)
                head = request.partition(b"\r\n\r\n")
                length = next(
                    (
                        int(v)
                        for k, _, v in (line.partition(b":") for line in head[0].split(b"\r\n"))
                        if k == b"Content-Length"
                    ),
                    0,
                )
                received = len(head[2])
                while received < length and (piece := peer.recv(1 << 16)):
                    received += len(piece)
                peer.sendall(reply)

    def make(*answers: bytes, timeout: float = 5.0) -> Client:
        threading.Thread(target=serve, args=(list(answers),), daemon=True).start()
        client = Client(f"127.0.0.1:{listener.getsockname()[1]}", "token", timeout=timeout)
        client.asked = asked  # type: ignore[attr-defined]
        return client

    yield make
    listener.close()


def test_weathers(backend):
    given, told = surface(), []
    result = backend.client.weather(given, RECIPE, progress=told.append)
    assert result.layers[0].size == (64, 64)
    assert result.networks == {"painter": backend.client.health()["networks"][0]["sha256"]}
    assert result.surface["albedo"].color_space is ColorSpace.SRGB
    assert (result.surface["albedo"].array != given["albedo"].array).any()
    assert all("position" in warning for warning in result.warnings)
    assert told[-1] == Progress("done", 1.0, 64 * 64, None, "done")
    assert backend.client.health()["jobs"]["unfinished"] == 0


def test_maps_are_sent_once(backend):
    client = backend.client
    given, sent = surface(seed=1), []
    first = client.submit(given, RECIPE, sent=sent.append)
    assert len(sent) == 2
    second = client.submit(given, RECIPE.at_age(0.1), sent=sent.append)
    changed = given.with_maps({"height": Map(np.zeros((64, 64, 1), np.float16))})
    third = client.submit(changed, RECIPE, sent=sent.append)
    assert len(sent) == 3
    for job in (first, second, third):
        assert list(client.events(job))[-1].state == "done"
        client.cancel(job)


def test_only_what_was_asked_for_comes_back(backend):
    layers = backend.client.weather(surface(), RECIPE, part="layers", encoding="png")
    assert set(layers.pngs) == {"layer0.thin", "layer0.thick", "layer0.growth"}
    assert all(bytes(png[:8]) == b"\x89PNG\r\n\x1a\n" for png in layers.pngs.values())
    assert layers.layers == ()
    assert backend.client.weather(surface(), RECIPE, part="surface").layers == ()


def test_a_network_path_may_be_in_front(backend):
    """Behind a cluster's ingress the application has a prefix; an address may be written in several ways."""
    connection = backend.client._connection
    for address in (f"http://{connection.host}:{connection.port}", f"http://localhost:{connection.port}/"):
        assert Client(address, connection.token).health()["protocol"] == PROTOCOL_VERSION
    assert Connection("https://node.farm/sabi/").prefix == "/sabi"
    assert (Connection("https://node.farm").port, Connection("node").port) == (443, 7224)
    assert Connection("[::1]:80").address == "http://[::1]:80"


@pytest.mark.parametrize(
    "address", ["", "ftp://node", "http://", "node:port", "node:99999", "http://[::1", "not an address!"]
)
def test_addresses_that_are_none(address):
    with pytest.raises(BackendError, match="not the address of a backend") as caught:
        Client(address)
    assert "host:port" in caught.value.hint


def test_cancelled_while_it_runs(backend):
    with pytest.raises(Cancelled):
        backend.client.weather(surface(), RECIPE, cancelled=lambda: True)
    assert backend.client.weather(surface(), RECIPE).layers


def test_another_thread_may_cancel(backend):
    client = backend.client
    blocker = client.submit(surface(256), Recipe(RECIPE.layers * 4))
    job = client.submit(surface(), RECIPE)
    timer = threading.Timer(0.05, client.cancel, [job])
    timer.start()
    with pytest.raises(Cancelled):
        list(client.events(job))
    timer.join()
    client.cancel(blocker)
    client.cancel(blocker)  # no error


def test_the_jobs_own_error_is_raised(backend):
    bad = surface().with_maps({"height": Map(np.full((64, 64, 1), np.nan, np.float32))})
    with pytest.raises(BadSurface, match="height map holds NaN"):
        backend.client.weather(bad, RECIPE)


def test_a_job_that_nobody_knows(backend):
    with pytest.raises(NotFound):
        list(backend.client.events("nothing"))
    with pytest.raises(NotFound):
        backend.client.result("no/thing?", surface())


def test_wrong_token(backend):
    client = Client(backend.client.address, "wrong")
    for call in (
        client.health,
        lambda: client.submit(surface(), RECIPE),
        lambda: client.put_map(surface(512)["albedo"].array),
    ):
        with pytest.raises(Unauthorized, match="refuses the token") as caught:
            call()
        assert "SABI_TOKEN" in caught.value.hint


def test_nobody_is_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(BackendGone, match=f"No backend answers at http://127.0.0.1:{port}"):
        Client(f"127.0.0.1:{port}").health()


def test_a_host_that_does_not_exist():
    with pytest.raises(BackendError, match=r"node\.invalid is not known"):
        Client("node.invalid:80").health()


def test_something_that_never_answers():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(BackendGone, match=r"did not answer for 0\.2 seconds"):
            Client(f"127.0.0.1:{listener.getsockname()[1]}", timeout=0.2).health()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "reply",
    [
        answer("<html>It works!</html>", protocol=None),
        answer("<html>It works!</html>"),
        answer("[1]"),
        answer("", "404 Not Found", protocol=None),
        answer({}, "500 Internal Server Error"),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x01\x02" * 100,
    ],
)
def test_something_else_answers(impostor, reply):
    with pytest.raises(BackendError, match="is not a Sabi backend"):
        impostor(reply).health()


@pytest.mark.parametrize(
    ("protocol", "said", "hint"),
    [(0, "older", "backend"), ("zero", "older", "backend"), (PROTOCOL_VERSION + 1, "newer", "add-on")],
)
def test_older_and_newer_backends(impostor, protocol, said, hint):
    with pytest.raises(ProtocolMismatch, match=said) as caught:
        impostor(answer({}, protocol=protocol)).health()
    assert f"Update the {hint}" in caught.value.hint


@pytest.mark.parametrize("token", ["two\nlines", "r\u00f4ti", "\u9306"])
def test_a_token_that_no_header_can_carry(token):
    with pytest.raises(Unauthorized, match="cannot be sent"):
        Client("127.0.0.1:1", token)


def test_blanks_around_a_token_do_not_count(monkeypatch):
    monkeypatch.setenv("SABI_TOKEN", "word\r\n")
    assert Client("127.0.0.1:1").token == "word"


def test_an_answer_that_claims_more_than_there_is_memory(impostor):
    with pytest.raises(OutOfMemory, match="no memory"):
        impostor(answer(b"", length=1 << 60)).result("job", surface())


@pytest.mark.parametrize("cut", [b"", answer({"a": "b" * 100})[:-20]])
def test_a_truncated_answer(impostor, cut):
    with pytest.raises(BackendGone):
        impostor(cut, cut).health()


def test_a_truncated_result(impostor):
    message = wire.dumps({"layer0.thin": np.zeros((64, 64, 4), np.uint8)}, {"png": "[]"})
    for short in (message[:100], message[:-1]):
        with pytest.raises(BackendGone, match="cut short"):
            impostor(answer(short, length=len(message))).result("job", surface())


@pytest.mark.parametrize(
    "message",
    [
        b"garbage" * 10,
        wire.dumps({}),
        wire.dumps({}, {"png": "{", "warnings": "[]", "networks": "{}", "color_spaces": "{}", "height_scale": "1"}),
        wire.dumps(
            {"surface.albedo": np.zeros((2, 2, 3), np.uint8)},
            {"png": "[]", "warnings": "[]", "networks": "{}", "color_spaces": "{}", "height_scale": "1"},
        ),
    ],
)
def test_a_result_that_is_none(impostor, message):
    with pytest.raises(BadMessage):
        impostor(answer(message)).result("job", surface())


def test_a_full_queue(impostor):
    refusal = {"error": Busy("The backend has 8 jobs waiting.").to_dict()}
    with pytest.raises(Busy, match="8 jobs waiting") as caught:
        impostor(answer(refusal, "429 Too Many Requests")).submit(surface(), RECIPE)
    assert "try again" in caught.value.hint


@pytest.mark.parametrize("error", [None, "oops", 3, {}, {"code": "unknown", "message": "What?"}, {"message": ["x"]}])
def test_errors_of_a_strange_shape_are_still_errors(impostor, error):
    with pytest.raises(SabiError) as caught:
        impostor(answer({"error": error}, "500 Internal Server Error")).health()
    assert caught.value.message


def test_what_is_idempotent_is_asked_again_when_the_connection_breaks(impostor):
    client = impostor(b"", answer({"fine": True}))
    assert client.health() == {"fine": True}
    assert len(client.asked) == 2


def test_but_no_job_is_submitted_twice(impostor):
    client = impostor(b"", answer({"job": "second"}))
    with pytest.raises(BackendGone):
        client.submit(surface(), RECIPE)
    assert len(client.asked) == 1


def event(kind: str, **now: object) -> str:
    told = {"stage": "paint", "fraction": 0.5, "texels": 1, "eta": None, "state": "running", **now}
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n"


def stream(*events: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nSabi-Protocol: {PROTOCOL_VERSION}\r\n\r\n{''.join(events)}".encode()


def test_events_go_on_after_a_broken_connection(impostor):
    client = impostor(stream(event("progress")), stream(": still at it\n\n", event("done", fraction=1)))
    assert [now.fraction for now in client.events("job")] == [0.5, 1.0]


def test_events_end_when_the_backend_does(impostor):
    """Killed in the middle of a job, and nobody there any more."""
    client = impostor(stream(event("progress")), b"", b"", b"")
    events = client.events("job")
    assert next(events).fraction == 0.5
    with pytest.raises(BackendGone, match="in the middle of the job") as caught:
        next(events)
    assert "Nothing was changed" in caught.value.hint


def test_a_backend_that_was_started_anew_knows_the_job_no_more(impostor):
    gone = answer({"error": NotFound("There is no such job.").to_dict()}, "404 Not Found")
    with pytest.raises(BackendGone, match="in the middle of the job"):
        list(impostor(stream(event("progress")), gone).events("job"))


@pytest.mark.parametrize(
    "line", ["data: {\n\n", "data: [1]\n\n", "data: {}\n\n", 'event: progress\ndata: {"stage": 1}\n\n']
)
def test_events_that_are_none(impostor, line):
    with pytest.raises(BackendError, match="not a Sabi backend"):
        list(impostor(stream(line)).events("job"))


def test_a_backend_that_forgets_maps_is_not_asked_for_ever(impostor):
    given = surface()
    digest = wire.digest(given["albedo"].array)
    lacking = answer({"error": NotFound("Lacking.").to_dict(), "missing": [digest]}, "409 Conflict")
    client = impostor(*[lacking, answer({"digest": digest}, "201 Created")] * 3)
    with pytest.raises(BackendError, match="drops maps"):
        client.submit(given, RECIPE)
    foreign = answer({"error": NotFound("Lacking.").to_dict(), "missing": ["0" * 64]}, "409 Conflict")
    with pytest.raises(BadMessage):
        impostor(foreign).submit(given, RECIPE)
