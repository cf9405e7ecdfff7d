# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server answers when all is well."""

import json
import time
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import OpenImageIO
import pytest
import safetensors.numpy
from serving import RECIPE, assert_refused, describe, events, serving_app, submit, surface

from sabi.backend.protocol import wire
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.tiles import Tile, to_text
from sabi.backend.weathering import pipeline
from sabi.backend.weathering.merge import merge


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


def test_layers_as_a_material_shows_them(backend, networks):
    layers = [Layer(Effect.RUST, age=0.9, seed=seed, feature_size=0.2) for seed in range(5)]
    recipe = Recipe((*layers, replace(layers[0], mask="degree:2", seed=5)))
    given = surface(128)
    here, there = (
        pipeline.weather(given, recipe, networks=networks),
        backend.client.weather(given, recipe, part="wired"),
    )
    shown = merge(here.surface, recipe, here.layers)
    assert len(there.layers) == len(shown.layers) == 4
    for one, other in zip(there.layers, shown.layers, strict=True):
        assert all(np.array_equal(image, other.images()[name]) for name, image in one.images().items())
    assert np.array_equal(there.surface["merged:degree:2"].array, shown.masks["merged:degree:2"].array)
    assert set(there.surface.maps) == {*given.maps, "merged:degree:2"}
    few = Recipe(recipe.layers[:4])
    plain, wired = (backend.client.weather(given, few, part=part) for part in ("layers", "wired"))
    for one, other in zip(plain.layers, wired.layers, strict=True):
        assert all(np.array_equal(image, other.images()[name]) for name, image in one.images().items())
    assert backend.client.weather(given, recipe, part="layers").layers[5].size == (128, 128), (
        "all, for whoever asks for all"
    )


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


def test_layers_are_cut_into_tiles(server, tmp_path):
    tiles = [Tile(1001, 0, 0, 64, 32), Tile(1012, 16, 32, 8, 16)]
    job = submit(server, query=f"?encoding=png&part=layers&tiles={quote(to_text(tiles))}")
    events(server, job)
    arrays, metadata = wire.loads(server.get(f"/v1/jobs/{job}/result?encoding=png&part=layers").content)
    names = {f"layer0.{name}.{number}" for name in ("thin", "thick", "growth") for number in (1001, 1012)}
    assert set(arrays) == names == set(json.loads(metadata["png"]))
    for tile in tiles:
        path = tmp_path / f"{tile.number}.png"
        path.write_bytes(arrays[f"layer0.thin.{tile.number}"].tobytes())
        assert OpenImageIO.ImageInput.open(str(path)).read_image("uint8").shape == (tile.height, tile.width, 4)


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


def test_idle_networks_are_released(networks, weather, tmp_path):
    with serving_app(networks, weather, tmp_path, idle=0.2):
        networks.painter  # noqa: B018
        deadline = time.monotonic() + 5
        while networks.loaded() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not networks.loaded()
        assert networks.device is not None  # health still knows what it ran on


def test_a_job_for_exposures_alone_paints_nothing(server):
    job = submit(server, query="?part=exposures")
    assert events(server, job)[-1][0] == "done"
    arrays, metadata = wire.loads(server.get(f"/v1/jobs/{job}/result?part=exposures").content)
    assert {name: array.shape for name, array in arrays.items()} == {"exposures0": (64, 64, 4)}
    assert arrays["exposures0"].dtype == np.uint8
    assert json.loads(metadata["warnings"]) != ["It was done in a hurry."], "it was painted after all"
