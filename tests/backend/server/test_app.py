# SPDX-License-Identifier: GPL-3.0-or-later
"""The server from outside: what it answers, and every hostile thing that may come over the wire."""

import contextlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import OpenImageIO
import pytest
import safetensors.numpy
from starlette.testclient import TestClient

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol import wire
from sabi.backend.protocol.errors import BadSurface, Cancelled
from sabi.backend.protocol.painted import PaintedLayer
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.server.app import Limits, app
from sabi.backend.server.spool import Spool
from sabi.backend.weathering import pipeline

RECIPE = Recipe((Layer(Effect.RUST, age=0.75),))
TOKEN = "a-long-random-word"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


def surface(side: int = 64, **maps: np.ndarray) -> Surface:
    albedo = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    given = {"albedo": Map(albedo, ColorSpace.SRGB), **{name: Map(array) for name, array in maps.items()}}
    return Surface(given, texels_per_metre=256.0)


@dataclass(frozen=True)
class Weathered:
    surface: Surface
    layers: tuple[PaintedLayer, ...]
    recipe: Recipe
    warnings: tuple[str, ...] = ("It was done in a hurry.",)


class StandIn:
    """Weathering that can be held in the middle: it goes on when `gate` is set."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.fail: Exception | None = None
        self.given: list[Surface] = []

    def __call__(self, surface, recipe, *, networks, progress, cancelled, allocate) -> Weathered:
        surface.check_values()
        self.given.append(surface)
        progress("paint", 0.25)
        self.begun.set()
        while not self.gate.wait(0.005):
            if cancelled():
                raise Cancelled()
        if self.fail:
            raise self.fail
        progress("composite", 0.75)
        image = allocate((*surface.size, 4), np.uint8)
        image[...] = 9
        used = replace(recipe, networks=networks.hashes)
        darker = Map(surface["albedo"].array // 2, ColorSpace.SRGB)
        return Weathered(surface.with_maps({"albedo": darker}), (PaintedLayer(image, image, image),), used)


@pytest.fixture
def weather() -> StandIn:
    return StandIn()


@pytest.fixture
def networks(networks_folder) -> Networks:
    return Networks.load(device="cpu", threads=1, folder=networks_folder)


@contextlib.contextmanager
def serving_app(networks, weather, tmp_path, token: str = "", **limits: float) -> Iterator[TestClient]:
    limit = replace(Limits(), **{"heartbeat": 0.05, **limits})
    application = app(networks, weather=weather, token=token, limits=limit, spool=Spool(tmp_path))
    with TestClient(application, base_url="http://127.0.0.1:7224", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def server(networks, weather, tmp_path) -> Iterator[TestClient]:
    with serving_app(networks, weather, tmp_path) as client:
        yield client
        weather.gate.set()


def put(server: TestClient, array: np.ndarray) -> str:
    digest = wire.digest(array)
    answer = server.put(f"/v1/maps/{digest}", content=wire.dumps({"map": array}))
    assert answer.status_code == 201, answer.text
    return digest


def describe(given: Surface, recipe: Recipe = RECIPE) -> str:
    return wire.describe(given, recipe, {name: wire.digest(map_.array) for name, map_ in given.maps.items()})


def submit(server: TestClient, given: Surface | None = None, query: str = "") -> str:
    given = given or surface()
    for map_ in given.maps.values():
        put(server, map_.array)
    answer = server.post(f"/v1/jobs{query}", content=describe(given))
    assert answer.status_code == 202, answer.text
    return answer.json()["job"]


def events(server: TestClient, job: str) -> list[tuple[str, dict]]:
    text = server.get(f"/v1/jobs/{job}/events").text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("event: ")]
    return [(event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in blocks]


def assert_refused(answer, status: int, code: str, said: str = "") -> None:
    """A failure as the protocol wants it: one sentence, a code, and no traceback."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == code
    assert said in error["message"]
    assert error["message"].endswith(".")
    assert "Traceback" not in answer.text
    assert answer.headers["sabi-protocol"] == str(wire.PROTOCOL_VERSION)


def test_health(server, networks):
    report = server.get("/v1/health").json()
    assert report["protocol"] == wire.PROTOCOL_VERSION
    assert report["networks"][0]["sha256"] == networks.hashes["painter"]
    assert report["device"]["asked"] == "cpu"
    assert report["maps"] == {"count": 0, "bytes": 0}
    deadline = time.monotonic() + 10
    while server.get("/v1/health").json()["device"]["used"] is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.get("/v1/health").json()["device"]["used"] == "cpu"


def test_a_job_from_maps_to_result(server):
    given = surface(roughness=np.full((64, 64, 1), 99, np.uint8))
    job = submit(server, given)
    told = events(server, job)
    assert told[-1][0] == "done"
    assert [now["fraction"] for _, now in told] == sorted(now["fraction"] for _, now in told)
    assert told[-1][1]["fraction"] == 1
    assert told[-1][1]["texels"] == 64 * 64
    body = server.get(f"/v1/jobs/{job}/result").content
    arrays = safetensors.numpy.load(body)  # the library reads what the server sends
    assert set(arrays) == {"layer0.thin", "layer0.thick", "layer0.growth", "surface.albedo"}
    assert np.array_equal(arrays["surface.albedo"], given["albedo"].array // 2)
    _, metadata = wire.loads(body)
    assert json.loads(metadata["warnings"]) == ["It was done in a hurry."]
    assert json.loads(metadata["color_spaces"]) == {"albedo": "srgb"}
    assert list(json.loads(metadata["networks"])) == ["painter"]
    assert server.delete(f"/v1/jobs/{job}").status_code == 200
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 404, "not_found")


def test_the_real_pipeline_answers_the_same_from_here_and_over_the_wire(backend, networks):
    given = surface(128)
    here, there = pipeline.weather(given, RECIPE, networks=networks), backend.client.weather(given, RECIPE)
    assert np.array_equal(here.layers[0].growth, there.layers[0].growth)
    assert here.surface.maps.keys() == there.surface.maps.keys()
    for name in here.surface.maps:
        assert here.surface[name].array.tobytes() == there.surface[name].array.tobytes(), name
    assert here.warnings == there.warnings
    assert here.surface.height_scale == there.surface.height_scale
    assert here.recipe.networks == there.networks


def test_the_safetensors_library_may_send_maps(server):
    array = np.random.default_rng(1).random((8, 8, 3), np.float32)
    answer = server.put(f"/v1/maps/{wire.digest(array)}", content=safetensors.numpy.save({"map": array}))
    assert answer.status_code == 201


def test_maps_reach_weathering_as_they_were_sent(server, weather):
    given = surface(height=np.random.default_rng(2).random((64, 64, 1)).astype(np.float16))
    events(server, submit(server, given))
    (received,) = weather.given
    assert received.texels_per_metre == 256
    for name, map_ in given.maps.items():
        assert received[name].color_space is map_.color_space
        assert received[name].array.dtype == map_.array.dtype
        assert np.array_equal(received[name].array, map_.array)
        assert not received[name].array.flags.writeable


def test_a_second_recipe_sends_nothing_again(server):
    given = surface()
    events(server, submit(server, given))
    answer = server.post("/v1/jobs", content=describe(given, RECIPE.at_age(0.2)))
    assert answer.status_code == 202


def test_missing_maps_are_named(server):
    given = surface()
    answer = server.post("/v1/jobs", content=describe(given))
    assert_refused(answer, 409, "not_found", "lacks some")
    assert answer.json()["missing"] == [wire.digest(given["albedo"].array)]


@pytest.mark.parametrize("asked_at", ["job", "result"])
def test_pngs_are_encoded_here(server, tmp_path, asked_at):
    query = "?encoding=png&part=layers"
    job = submit(server, query=query if asked_at == "job" else "")
    stages = {now["stage"] for _, now in events(server, job)}
    assert stages  # coalesced, so not every stage need show
    arrays, metadata = wire.loads(server.get(f"/v1/jobs/{job}/result{query}").content)
    assert set(arrays) == {"layer0.thin", "layer0.thick", "layer0.growth"} == set(json.loads(metadata["png"]))
    path = tmp_path / "thin.png"
    path.write_bytes(arrays["layer0.thin"].tobytes())
    config = OpenImageIO.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    read = OpenImageIO.ImageInput.open(str(path), config).read_image("uint8")
    assert read.shape == (64, 64, 4)
    assert (read == 9).all()


def test_everything_in_one_call(server):
    given = surface()
    description = json.loads(describe(given))
    message = wire.dumps(
        {name: map_.array for name, map_ in given.maps.items()},
        {"surface": json.dumps(description["surface"]), "recipe": RECIPE.to_json()},
    )
    answer = server.post("/v1/weather", content=message)
    assert answer.status_code == 200, answer.text
    arrays, _ = wire.loads(answer.content)
    assert np.array_equal(arrays["surface.albedo"], given["albedo"].array // 2)
    assert server.get("/v1/health").json()["jobs"]["unfinished"] == 0


def test_a_job_is_cancelled_between_tiles(server, weather):
    weather.gate.clear()
    job = submit(server)
    assert weather.begun.wait(5)
    assert server.delete(f"/v1/jobs/{job}").status_code == 200
    assert events(server, job)[-1][0] == "cancelled"
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 409, "cancelled")
    weather.gate.set()
    assert events(server, submit(server))[-1][0] == "done"


def test_a_waiting_job_is_cancelled_too(server, weather):
    weather.gate.clear()
    first, second = submit(server), submit(server)
    server.delete(f"/v1/jobs/{second}")
    weather.gate.set()
    assert events(server, second)[-1][0] == "cancelled"
    assert events(server, first)[-1][0] == "done"
    assert len(weather.given) == 1


def test_an_attended_job_ends_when_nobody_follows_it(networks, weather, tmp_path):
    """Whoever asked for it was killed, or the network is gone."""
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, unattended=0.1) as server:
        job = submit(server, query="?attended=1")
        assert weather.begun.wait(5)
        deadline = time.monotonic() + 10
        while server.get("/v1/health").json()["jobs"]["unfinished"] and time.monotonic() < deadline:
            time.sleep(0.02)
        now = server.get(f"/v1/jobs/{job}").json()
        assert now["state"] == "cancelled"
        assert now["error"]["message"] == "Nobody followed the job any more."


def test_an_attended_job_that_waits_and_is_not_followed_never_begins(networks, weather, tmp_path):
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, unattended=0.1) as server:
        first, second = submit(server), submit(server, query="?attended=1")
        time.sleep(0.3)
        weather.gate.set()
        assert events(server, first)[-1][0] == "done"
        assert events(server, second)[-1][0] == "cancelled"
        assert len(weather.given) == 1


def test_a_job_is_left_alone_while_it_is_followed_or_was_not_to_be_attended(networks, weather, tmp_path):
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, unattended=0.1) as server:
        for query, followed in (("?attended=1", True), ("", False)):
            job = submit(server, query=query)
            following = threading.Thread(target=events, args=(server, job))
            if followed:
                following.start()
            time.sleep(0.5)
            assert server.get(f"/v1/jobs/{job}").json()["state"] != "cancelled"
            weather.gate.set()
            if followed:
                following.join()
            assert events(server, job)[-1][0] == "done"
            weather.gate.clear()
        weather.gate.set()


def test_the_queue_is_bounded(networks, weather, tmp_path):
    weather.gate.clear()
    with serving_app(networks, weather, tmp_path, waiting=2) as server:
        submit(server)
        assert weather.begun.wait(5)
        submit(server)
        submit(server)
        answer = server.post("/v1/jobs", content=describe(surface()))
        assert_refused(answer, 429, "busy", "2 jobs waiting")
        weather.gate.set()


def test_a_result_that_is_not_there_yet(server, weather):
    weather.gate.clear()
    job = submit(server)
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 429, "busy", "not done")
    assert server.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")


def test_results_expire(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, keep_result=0.1) as server:
        job = submit(server)
        events(server, job)
        deadline = time.monotonic() + 5
        while server.get(f"/v1/jobs/{job}").status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert_refused(server.get(f"/v1/jobs/{job}/result"), 404, "not_found")


def test_idle_networks_are_released(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, idle=0.2):
        networks.painter  # noqa: B018
        deadline = time.monotonic() + 5
        while networks.loaded() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not networks.loaded()
        assert networks.device is not None  # health still knows what it ran on


def test_a_job_that_fails_says_why(server, weather):
    weather.fail = BadSurface("The map is upside down.", "Turn it.")
    job = submit(server)
    kind, now = events(server, job)[-1]
    assert kind == "failed"
    assert now["error"] == {"code": "bad_surface", "message": "The map is upside down.", "hint": "Turn it."}
    assert_refused(server.get(f"/v1/jobs/{job}/result"), 422, "bad_surface")


def test_what_nobody_foresaw_is_no_traceback_and_not_the_end(server, weather):
    weather.fail = ZeroDivisionError("secret path /home/artist")
    job = submit(server)
    _, now = events(server, job)[-1]
    assert now["error"]["code"] == "sabi"
    assert "secret" not in json.dumps(now)
    weather.fail = None
    assert events(server, submit(server))[-1][0] == "done"


def test_memory_and_disk_that_run_out_have_their_own_codes(server, weather):
    for failure, code in ((MemoryError(), "out_of_memory"), (OSError(28, "No space left"), "disk_full")):
        weather.fail = failure
        assert events(server, submit(server))[-1][1]["error"]["code"] == code


# What hostile or broken callers send


@pytest.mark.parametrize(
    "given", [None, "", "Bearer wrong", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/health"), ("POST", "/v1/jobs"), ("PUT", f"/v1/maps/{'0' * 64}")]
)
def test_a_wrong_token_opens_nothing(networks, weather, tmp_path, given, method, path):
    with serving_app(networks, weather, tmp_path, TOKEN) as server:
        headers = {} if given is None else {"Authorization": given.encode()}
        assert_refused(server.request(method, path, headers=headers, content=b"x" * 100), 401, "unauthorized", "token")


def test_the_right_token_does(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, TOKEN) as server:
        assert server.get("/v1/health", headers=AUTHORIZED).status_code == 200


def test_web_pages_are_kept_out_without_a_token(server):
    answer = server.post("/v1/weather", headers={"Origin": "https://example.org"}, content=b"")
    assert_refused(answer, 401, "unauthorized", "Web pages")


@pytest.mark.parametrize("host", ["example.org", "example.org:7224", "127.0.0.1.example.org", "192.168.1.5", "[::1"])
def test_names_that_were_made_to_lead_here_are_refused_without_a_token(server, host):
    assert_refused(server.get("/v1/health", headers={"Host": host}), 401, "unauthorized", host[:9].strip("["))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7224", "[::1]:7224"])
def test_this_machine_by_any_name_needs_no_token(server, host):
    assert server.get("/v1/health", headers={"Host": host}).status_code == 200


def test_with_a_token_any_name_will_do(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, token=TOKEN) as server:
        assert server.get("/v1/health", headers={**AUTHORIZED, "Host": "render.example.org"}).status_code == 200


@pytest.mark.parametrize("spoken", ["0", str(wire.PROTOCOL_VERSION + 1), "x"])
def test_another_protocol_is_refused(server, spoken):
    answer = server.get("/v1/health", headers={"Sabi-Protocol": spoken})
    assert_refused(answer, 409, "protocol_mismatch", f"protocol {spoken}")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/v1/nothing"), ("POST", "/v1/health"), ("GET", "/v2/health")]
)
def test_other_addresses(server, method, path):
    assert_refused(server.request(method, path), 404, "not_found")


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
        (lambda job: job["recipe"]["layers"][0].update(effect="glitter"), "bad_recipe", "glitter"),
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


def test_jobs_that_do_not_exist(server):
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/result"), ("DELETE", "")):
        assert_refused(server.request(method, f"/v1/jobs/nothing{path}"), 404, "not_found")


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
