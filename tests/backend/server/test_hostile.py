# SPDX-License-Identifier: GPL-3.0-or-later
"""Every hostile or broken thing that may come over the wire."""

import contextlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import quote

import numpy as np
import pytest
from serving import assert_refused, describe, events, put, serving_app, submit, surface

from sabi.backend.protocol import wire

GOOD = wire.dumps({"map": np.zeros((4, 4, 3), np.uint8)})
DIGEST = wire.digest(np.zeros((4, 4, 3), np.uint8))


def header(entries: object, body: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"short",
        b"\x00" * 100,
        b"\xff" * 100,
        GOOD[:-1],
        GOOD[:20],
        GOOD + b"more",
        (1 << 62).to_bytes(8, "little") + b"{}",
        header([1, 2]),
        header({"map": {"dtype": "U8", "shape": [1 << 40, 1 << 40, 3], "data_offsets": [0, 48]}}, bytes(48)),
        header({"map": {"dtype": "U8", "shape": [-4, -4, 3], "data_offsets": [0, 48]}}, bytes(48)),
        header({"map": {"dtype": "PICKLE", "shape": [4, 4, 3], "data_offsets": [0, 48]}}, bytes(48)),
        header({"map": {"dtype": "U8", "shape": [4, 4, 3], "data_offsets": [0, 1 << 60]}}, bytes(48)),
        header({"else": {"dtype": "U8", "shape": [4, 4, 3], "data_offsets": [0, 48]}}, bytes(48)),
        wire.dumps({"map": np.zeros((2, 2, 1), np.uint8), "second": np.zeros((2, 2, 1), np.uint8)}),
        b"PK\x03\x04" + b"garbage" * 1000,
    ],
)
def test_truncated_and_garbage_bodies(server, body):
    assert_refused(server.put(f"/v1/maps/{DIGEST}", content=body), 400, "bad_message")
    assert_refused(server.post("/v1/weather", content=body), 400, "bad_message")
    assert server.get("/v1/health").json()["maps"]["count"] == 0


def test_a_map_that_is_not_what_its_digest_says(server, weather):
    """It is found out before a job uses it, is dropped, and can be sent again."""
    given = surface()
    digest = wire.digest(given["albedo"].array)
    other = given["albedo"].array.copy()
    other[5, 5, 1] ^= 1
    assert server.put(f"/v1/maps/{digest}", content=wire.dumps({"map": other})).status_code == 201
    answer = server.post("/v1/jobs", content=describe(given))
    if answer.status_code == 202:  # it had not been compared yet
        kind, now = events(server, answer.json()["job"])[-1]
        assert (kind, now["error"]["code"]) == ("failed", "bad_message")
        assert "digest" in now["error"]["message"]
        answer = server.post("/v1/jobs", content=describe(given))
    assert_refused(answer, 409, "not_found")
    assert weather.given == []
    events(server, submit(server, given))
    assert np.array_equal(weather.given[0]["albedo"].array, given["albedo"].array)


def test_no_job_uses_a_map_before_it_was_compared(networks, weather, tmp_path, monkeypatch):
    given = surface()
    digest = wire.digest(given["albedo"].array)
    comparing, asked = threading.Event(), threading.Event()

    def slow_digest(array: np.ndarray) -> str:
        asked.set()
        comparing.wait(10)
        return "0" * 64

    with serving_app(networks, weather, tmp_path) as server:
        job = describe(given)
        monkeypatch.setattr(wire, "digest", slow_digest)
        assert server.put(f"/v1/maps/{digest}", content=wire.dumps({"map": given["albedo"].array})).status_code == 201
        id = server.post("/v1/jobs", content=job).json()["job"]
        assert asked.wait(5)
        time.sleep(0.1)
        assert server.get(f"/v1/jobs/{id}").json()["state"] == "running"
        assert weather.given == []
        comparing.set()
        assert events(server, id)[-1][1]["error"]["code"] == "bad_message"
        assert weather.given == []


@pytest.mark.parametrize("digest", ["0" * 63, "0" * 63 + "G", "..%2F..%2Fetc"])
def test_a_map_by_a_name_that_is_no_digest(server, digest):
    answer = server.put(f"/v1/maps/{digest}", content=GOOD)
    assert answer.status_code in (400, 404)
    assert server.get("/v1/health").json()["maps"]["count"] == 0


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 7), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_an_array_that_is_no_map(server, array):
    answer = server.put(f"/v1/maps/{'0' * 64}", content=wire.dumps({"map": array}))
    assert_refused(answer, 422, "bad_surface")


def test_a_side_too_long(server):
    array = np.zeros((1, 20000, 1), np.uint8)
    answer = server.put(f"/v1/maps/{wire.digest(array)}", content=wire.dumps({"map": array}))
    assert_refused(answer, 413, "too_large", "20000 x 1")


def test_a_body_too_large_is_refused_before_it_is_read(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, map_bytes=1000, job_bytes=1000, surface_bytes=1000) as server:
        for method, path in (("PUT", f"/v1/maps/{DIGEST}"), ("POST", "/v1/jobs"), ("POST", "/v1/weather")):
            assert_refused(server.request(method, path, content=b"x" * 1001), 413, "too_large", "1001 bytes")
        assert_refused(server.put(f"/v1/maps/{DIGEST}", headers={"Content-Length": str(10**15)}), 413, "too_large")


def test_a_body_must_say_its_length(server):
    assert_refused(server.put(f"/v1/maps/{DIGEST}", content=iter([GOOD])), 400, "bad_message", "length")


def test_a_disk_too_full_for_the_maps(server, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert_refused(server.put(f"/v1/maps/{DIGEST}", content=GOOD), 507, "disk_full")


def changed(change: Callable[[dict], object]) -> str:
    job = json.loads(describe(surface()))
    change(job)
    return json.dumps(job)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda job: job.clear(), "bad_message", ""),
        (lambda job: job.pop("surface"), "bad_message", ""),
        (lambda job: job["surface"].update(maps=[]), "bad_message", ""),
        (lambda job: job["surface"].update(maps={"albedo": 3}), "bad_message", ""),
        (lambda job: job["surface"]["maps"]["albedo"].update(digest="../../etc/passwd"), "bad_message", ""),
        (lambda job: job["surface"]["maps"]["albedo"].update(color_space="cmyk"), "bad_message", ""),
        (lambda job: job["surface"].update(space="hyper"), "bad_message", ""),
        (lambda job: job["surface"].update(wrap=None), "bad_message", ""),
        (lambda job: job["surface"].update(pose=[float("nan")] * 16), "bad_surface", ""),
        (lambda job: job["surface"].update(texels_per_metre=0), "bad_surface", "texels_per_metre"),
        (lambda job: job["surface"].update(maps={"colour": job["surface"]["maps"]["albedo"]}), "bad_surface", "colour"),
        (
            lambda job: job["surface"].update(maps={"height": job["surface"]["maps"]["albedo"]}),
            "bad_surface",
            "channels",
        ),
        (lambda job: job.pop("recipe"), "bad_recipe", ""),
        (lambda job: job["recipe"].update(sabi_recipe=99), "bad_recipe", "99"),
        (lambda job: job["recipe"].update(layers=[]), "bad_recipe", "layers"),
        (lambda job: job["recipe"]["layers"][0].update(effect="Glitter!"), "bad_recipe", "Glitter!"),
        (lambda job: job["recipe"]["layers"][0].update(age=1.5), "bad_recipe", "age"),
        (lambda job: job["recipe"]["layers"][0].update(age=float("nan")), "bad_recipe", "age"),
        (lambda job: job["recipe"]["layers"][0].update(age="old"), "bad_recipe", "age"),
        (lambda job: job["recipe"]["layers"][0].update(surprise=1), "bad_recipe", "surprise"),
    ],
)
def test_jobs_that_are_not_valid(server, weather, change, code, said):
    put(server, surface()["albedo"].array)
    answer = server.post("/v1/jobs", content=changed(change))
    assert_refused(answer, 400 if code == "bad_message" else 422, code, said)
    assert weather.given == []


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'"x"', b"[" * 100_000, b"\xff\xfe", b"null"])
def test_jobs_that_are_not_even_json(server, body):
    assert_refused(server.post("/v1/jobs", content=body), 400, "bad_message")


def test_maps_of_different_sizes(server):
    albedo, height = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 1), np.uint8)
    put(server, albedo), put(server, height)
    job = json.loads(describe(surface()))
    job["surface"]["maps"] = {
        "albedo": {"digest": wire.digest(albedo), "color_space": "srgb"},
        "height": {"digest": wire.digest(height), "color_space": "data"},
    }
    assert_refused(server.post("/v1/jobs", content=json.dumps(job)), 422, "bad_surface", "different sizes")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_maps_that_are_not_finite(server, bad):
    height = np.zeros((64, 64, 1), np.float32)
    height[5, 5] = bad
    kind, now = events(server, submit(server, surface(height=height)))[-1]
    assert (kind, now["error"]["code"]) == ("failed", "bad_surface")
    assert "height" in now["error"]["message"]


@pytest.mark.parametrize("query", ["?encoding=gif", "?part=half"])
def test_choices_that_are_none(server, query):
    assert_refused(server.get(f"/v1/jobs/{submit(server)}/result{query}"), 400, "bad_message", "must be one of")


@pytest.mark.parametrize(
    "tiles",
    [
        "x",
        "1",
        "[1]",
        "[[1001,0,0,64]]",
        "[[1001,0,0,65,64]]",
        "[[1001,-1,0,8,8]]",
        "[[1001,0,0,0,8]]",
        "[[7,0,0,8,8]]",
        "[[1001,0,0,8,8],[1001,8,8,8,8]]",
        "[[1001,0,0,8,true]]",
        '[["1001",0,0,8,8]]',
        "[[1001,0,0,8,1e99]]",
        "[" * 5000,
    ],
)
def test_tiles_that_are_none(server, tiles):
    given = surface()
    events(server, submit(server, given))  # its maps are there
    answer = server.post(f"/v1/jobs?encoding=png&tiles={quote(tiles)}", content=describe(given))
    assert_refused(answer, 400, "bad_message", "ile")


def test_tiles_are_png_files(server):
    given = surface()
    events(server, submit(server, given))
    answer = server.post("/v1/jobs?tiles=[[1001,0,0,8,8]]", content=describe(given))
    assert_refused(answer, 400, "bad_message", "PNG")


# Over a real socket, to a real process


def talk(backend, request: bytes, *, patience: float = 10.0) -> bytes:
    """Raw bytes to the backend; what it answers before it closes."""
    connection = backend.client._connection
    with socket.create_connection((connection.host, connection.port), patience) as peer:
        answer = b""
        with contextlib.suppress(OSError):  # it hangs up on garbage before it has read it all
            peer.sendall(request.replace(b"TOKEN", connection.token.encode()))
            peer.shutdown(socket.SHUT_WR)
            while piece := peer.recv(1 << 16):
                answer += piece
    return answer


def test_garbage_instead_of_http(backend):
    assert talk(backend, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert b" 200 " not in talk(backend, b"GET /v1/health HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
    assert backend.client.health()


def test_a_caller_that_goes_away_in_the_middle(backend):
    head = (
        f"PUT /v1/maps/{DIGEST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 1000000\r\n\r\n"
    )
    talk(backend, head.encode() + GOOD)
    health = backend.client.health()
    assert health["jobs"]["unfinished"] == 0


def test_a_refusal_reaches_a_caller_that_is_still_sending(backend):
    connection = backend.client._connection
    body = [wire.header({"map": np.zeros((1, 1, 1), np.uint8)}), memoryview(bytes(20_000_000))]
    status, answer = connection.exchange("PUT", f"/v1/maps/{DIGEST}", body)
    assert (status, answer["error"]["code"]) == (400, "bad_message")
    connection = type(connection)(connection.address, "wrong")
    status, answer = connection.exchange("PUT", f"/v1/maps/{DIGEST}", body)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")
