# SPDX-License-Identifier: GPL-3.0-or-later
"""Many items: found, dealt out, skipped when done, carried on after a failure, spread over Ray."""

from __future__ import annotations

import json
import os
import pickle
import sys
import textwrap
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sabi.backend import farm
from sabi.backend.dry_run import plan
from sabi.backend.files.assets import read_assets
from sabi.backend.files.image import write_image
from sabi.backend.items import (
    Engine,
    Kind,
    Photographed,
    Settings,
    already_done,
    clashes,
    destination,
    digest,
    input_files,
    kind_of,
    weather_item,
)
from sabi.backend.protocol.errors import BackendError, BadFile, BadRecipe, FileExists, NetworkError, SceneError
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.rules import Rule, Rules
from sabi.backend.protocol.still import Still
from sabi.backend.protocol.surface import Map

RUST = Recipe((Layer(Effect.RUST, age=0.7),))


def image(path: Path, seed=0, channels=3, size=32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.random.default_rng(seed).integers(0, 255, (size, size, channels), dtype=np.uint8))
    return path


class Darkens(Engine):
    """Stands in for the networks, whose looks do not matter here; counts what it was asked."""

    def __init__(self, fails_on: str = ""):
        super().__init__(Settings())
        self.asked: list[str] = []
        self.fails_on = fails_on

    def __call__(self, surface, recipe, progress):
        self.asked.append(surface.name)
        if self.fails_on == surface.name:
            raise NetworkError("The network failed.")
        if self.fails_on == f"!{surface.name}":
            raise ZeroDivisionError("a bug")
        progress("paint", 0.5)
        albedo = surface["albedo"]
        dark = surface.with_maps({"albedo": Map(albedo.array // 2, albedo.color_space)})
        return types.SimpleNamespace(surface=dark, warnings=("It is dark.",)), {"painter": "ab" * 32}


def run(roots, settings=None, engine=None, recipe=RUST, rules=None, keep_going=False):
    items, rules = farm.find_items(roots), rules or Rules.of(recipe)
    return list(farm.run(items, rules, settings or Settings(), farm.Shard(), engine or Darkens(), keep_going))


# --- finding


def test_items_are_found_in_a_tree(tmp_path):
    image(tmp_path / "wall.png")
    image(tmp_path / "steel" / "steel_albedo.png")
    image(tmp_path / "steel" / "steel_rough.png", channels=1)
    image(tmp_path / "photos" / "a.png")
    image(tmp_path / "photos" / "b.tif")
    for tile in (1001, 1002):
        image(tmp_path / "udim" / f"hull.{tile}.png")
    image(tmp_path / "wall_weathered.png")
    image(tmp_path / "steel_weathered" / "steel_albedo.png")
    image(tmp_path / ".hidden" / "c.png")
    (tmp_path / "scene.blend").touch()
    (tmp_path / "notes.txt").touch()
    found = {item.relative_to(tmp_path).as_posix() for item, root in farm.find_items([tmp_path])}
    assert found == {"wall.png", "steel", "photos/a.png", "photos/b.tif", "udim/hull.<UDIM>.png", "scene.blend"}


def test_a_number_alone_is_no_tile(tmp_path):
    for name in (
        "brick_1024.png",
        "brick_2048.png",
        "wall.1001.png",
        "roof.1011.png",
        "roof.1012.png",
        "w[1].1001.png",
    ):
        image(tmp_path / name)
    found = [item for item, _ in farm.find_items([tmp_path])]
    assert [item.name for item in found] == [
        "brick_1024.png",
        "brick_2048.png",
        "roof.<UDIM>.png",
        "w[1].<UDIM>.png",
        "wall.<UDIM>.png",
    ]
    assert [len(list(input_files(item))) for item in found] == [1, 1, 2, 1, 1]
    assert [asset.tile for asset in read_assets(found[3])] == [1001]


def test_a_folder_that_is_one_texture_is_an_item_itself(tmp_path):
    image(tmp_path / "maps" / "steel_albedo.png")
    image(tmp_path / "maps" / "steel_roughness.png", channels=1)
    (outcome,) = run([tmp_path / "maps"], Settings(out=tmp_path / "out"))
    assert outcome.status == "done", outcome.error
    assert str(tmp_path / "out" / "maps_weathered" / "steel_albedo.png") in outcome.files


def test_items_that_would_become_one_are_not_laid_over_each_other(tmp_path):
    for name in ("wall.png", "wall.tga", "other.png"):
        image(tmp_path / name)
    settings = Settings(out=tmp_path / "out", suffix=".png", overwrite=True)
    done = {Path(outcome.item).name: outcome for outcome in run([tmp_path], settings)}
    assert [done[name].status for name in ("wall.png", "other.png", "wall.tga")] == ["done", "done", "failed"]
    assert "wall.png would both become wall_weathered.png" in done["wall.tga"].error["message"]
    planned = list(plan(list(farm.find_items([tmp_path])), Rules.of(RUST), settings, farm.Shard()))
    assert [one.error is not None for one in planned] == [False, False, True]
    same = [(tmp_path / "wall.png", settings)] * 2
    assert clashes(same) == {}, "the same item once more is skipped, as ever"
    of_tga = Rules((Rule(RUST, file=("*.tga",)),))
    done = {Path(outcome.item).name: outcome.status for outcome in run([tmp_path], settings, rules=of_tga)}
    assert done == {"wall.png": "left", "other.png": "left", "wall.tga": "done"}, "what is left takes no name"


def test_stages_of_one_name_are_not_laid_over_each_other(tmp_path):
    asked = Photographed(Still(stages=True), stages=tmp_path / "stages")
    settings = Settings(photograph=asked)
    pair = [(image(tmp_path / folder / "wall.png"), settings) for folder in "ab"]
    assert list(clashes(pair)) == [tmp_path / "b" / "wall.png"]


def test_a_folder_that_cannot_be_read_stops_no_other(tmp_path, monkeypatch):
    image(tmp_path / "a" / "steel.png")
    image(tmp_path / "b" / "steel.png")
    listed = Path.iterdir

    def iterdir(folder):
        if folder == tmp_path / "a":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    done = run([tmp_path])
    assert [outcome.status for outcome in done] == ["failed", "done"]
    assert "may not be accessed" in done[0].error["message"]
    planned = list(plan(list(farm.find_items([tmp_path])), Rules.of(RUST), Settings(), farm.Shard()))
    assert len(planned) == 2


def test_shards_share_the_items_between_them(tmp_path):
    for number in range(20):
        image(tmp_path / f"{number}.png", size=16)
    items = list(farm.find_items([tmp_path]))
    parts = [{i.name for i, r in items if farm.Shard(n, 3).has(i, r)} for n in range(3)]
    assert sum(map(len, parts)) == 20
    assert set.union(*parts) == {f"{n}.png" for n in range(20)}
    assert min(map(len, parts)) > 2
    (tmp_path / "0.png").unlink()
    again = list(farm.find_items([tmp_path]))
    assert {i.name for i, r in again if farm.Shard(1, 3).has(i, r)} == parts[1] - {"0.png"}


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", ""])
def test_shards_that_are_none_are_refused(text):
    with pytest.raises(BadRecipe, match="is not a shard"):
        farm.Shard.parse(text)


def test_a_shard_counts_from_one():
    assert farm.Shard.parse("2/8") == farm.Shard(1, 8)


# --- running


def test_a_second_run_skips_what_is_done(tmp_path):
    image(tmp_path / "a.png", 1)
    image(tmp_path / "b.png", 2)
    first = run([tmp_path])
    assert [o.status for o in first] == ["done", "done"]
    assert first[0].warnings == ("It is dark.",)
    engine = Darkens()
    assert [o.status for o in run([tmp_path], engine=engine)] == ["skipped", "skipped"]
    assert engine.asked == []


@pytest.mark.parametrize("change", ["input", "recipe", "result", "sidecar"])
def test_what_has_changed_is_not_skipped(tmp_path, change):
    path = image(tmp_path / "a.png", 1)
    run([path])
    recipe = RUST.at_age(0.2) if change == "recipe" else RUST
    if change == "input":
        image(path, 2)
    elif change == "result":
        (tmp_path / "a_weathered.png").unlink()
    elif change == "sidecar":
        (tmp_path / "a_weathered.png.sabi.json").write_text("{")
    assert already_done(path, recipe, Settings()) is None
    (outcome,) = run([path], Settings(overwrite=True), recipe=recipe)
    assert outcome.status == "done"
    assert already_done(path, recipe, Settings()) is not None


def test_a_failure_stops_no_other_item(tmp_path):
    for name in "abcd":
        image(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    outcomes = {Path(o.item).name: o for o in run([tmp_path], engine=Darkens(fails_on="!c"))}
    assert {n: o.status for n, o in outcomes.items()} == {
        "a.png": "done",
        "b.png": "failed",
        "c.png": "failed",
        "d.png": "done",
    }
    assert outcomes["b.png"].error["code"] == "bad_file"
    assert outcomes["b.png"].error["hint"]
    assert "ZeroDivisionError" in outcomes["c.png"].error["message"]
    assert not (tmp_path / "b_weathered.png").exists()
    assert json.loads(json.dumps(outcomes["b.png"].to_dict()))["status"] == "failed"


def test_what_fails_every_item_ends_the_run(tmp_path):
    for name in "abcd":
        image(tmp_path / f"{name}.png")
    outcomes = run([tmp_path], engine=Darkens(fails_on="b"))
    assert [o.status for o in outcomes] == ["done", "failed"]


def test_a_run_that_is_to_keep_going_does(tmp_path):
    for name in "abcd":
        image(tmp_path / f"{name}.png")
    outcomes = run([tmp_path], engine=Darkens(fails_on="b"), keep_going=True)
    assert [o.status for o in outcomes] == ["done", "failed", "done", "done"]


def test_a_server_that_is_not_there_ends_the_run(tmp_path):
    for name in "ab":
        image(tmp_path / f"{name}.png")
    (outcome,) = run([tmp_path], engine=Engine(Settings(server="127.0.0.1:9")))
    assert outcome.error["code"] == "backend_gone"


def test_results_keep_their_places_below_out(tmp_path):
    image(tmp_path / "in" / "x" / "a.png")
    image(tmp_path / "in" / "y" / "a.png")
    run([tmp_path / "in"], Settings(out=tmp_path / "out"))
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")}
    assert found == {"x/a_weathered.png", "y/a_weathered.png"}
    assert sorted(os.listdir(tmp_path / "in" / "x")) == ["a.png"]


# --- rules

MOSS = Recipe((Layer(Effect.MOSS, age=0.4),))
TABLE = Rules(
    (
        Rule(None, 1, material=("glass*",)),
        Rule(MOSS, 2, "moss", file=("walls/*",)),
        Rule(RUST, 3, "rust", material=("*steel*", "maps")),
        Rule(RUST, 4, "rust", object=("*",)),
    )
)


def test_rules_part_the_items(tmp_path):
    for name in ("walls/brick.png", "walls/glass_block.png", "red_steel.png", "wood.png"):
        image(tmp_path / name)
    image(tmp_path / "maps" / "x_albedo.png")
    image(tmp_path / "maps" / "x_rough.png", channels=1)
    outcomes = {Path(o.item).name: o for o in run([tmp_path], rules=TABLE)}
    assert {name: o.status for name, o in outcomes.items()} == {
        "brick.png": "done",
        "glass_block.png": "left",
        "maps": "done",
        "red_steel.png": "done",
        "wood.png": "left",
    }
    said = json.loads((tmp_path / "walls" / "brick_weathered.png.sabi.json").read_text())
    assert said["recipe"]["layers"][0]["effect"] == "moss"
    assert not list(tmp_path.rglob("wood_weathered*"))
    again = run([tmp_path], rules=TABLE)
    assert sorted(o.status for o in again) == ["left", "left", "skipped", "skipped", "skipped"]
    other = TABLE.changed(lambda recipe: recipe.at_age(0.1))
    assert (
        sorted(o.status for o in run([tmp_path], Settings(overwrite=True), rules=other)) == ["done"] * 3 + ["left"] * 2
    )


# --- one item


def test_kinds_and_destinations(tmp_path):
    png = image(tmp_path / "steel.png")
    jpg = image(tmp_path / "wood.jpg")
    (tmp_path / "maps").mkdir()
    (tmp_path / "door.glb").touch()
    cases = [
        (png, Kind.IMAGE, "steel_weathered.png"),
        (jpg, Kind.IMAGE, "wood_weathered.png"),
        (tmp_path / "maps", Kind.FOLDER, "maps_weathered"),
        (tmp_path / "hull.<UDIM>.png", Kind.IMAGE, "hull_weathered"),
        (tmp_path / "door.glb", Kind.MODEL, "door_weathered"),
    ]
    for path, kind, name in cases:
        assert kind_of(path) is kind
        assert destination(path, kind, Settings()) == tmp_path / name
    assert destination(png, Kind.IMAGE, Settings(suffix=".exr")).name == "steel_weathered.exr"
    assert destination(png, Kind.IMAGE, Settings(out=tmp_path / "x.tif")) == tmp_path / "x.tif"
    assert destination(png, Kind.IMAGE, Settings(out=tmp_path / "x")) == tmp_path / "x" / "steel_weathered.png"
    (tmp_path / "a.txt").touch()
    with pytest.raises(BadFile, match="nothing Sabi weathers"):
        kind_of(tmp_path / "a.txt")


def test_a_sidecar_repeats_the_result(tmp_path):
    path = image(tmp_path / "a.png")
    written = weather_item(path, RUST, Settings(), Darkens(), lambda stage, fraction: None)
    said = json.loads((tmp_path / "a_weathered.png.sabi.json").read_text())
    assert said["input"] == {"name": "a.png", "sha256": digest(path)}
    assert Recipe.from_json(json.dumps(said["recipe"])) == replace(RUST, networks=written.networks)
    assert written.networks == {"painter": "ab" * 32}
    assert said["files"] == ["a_weathered.png"]
    with pytest.raises(FileExists, match="weathered already"):
        weather_item(path, RUST, Settings(), Darkens(), lambda stage, fraction: None)


@pytest.mark.parametrize("name", ["a.png", "hull.1001.png"])
def test_an_input_is_never_written_over_even_when_told_to_overwrite(tmp_path, name):
    path = image(tmp_path / name)
    before = path.read_bytes()
    given = Settings(out=tmp_path / "x" / ".." / name, overwrite=True)
    with pytest.raises(FileExists, match="is the input itself") as caught:
        weather_item(path, RUST, given, Darkens(), lambda stage, fraction: None)
    assert "another name" in caught.value.hint
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_what_was_read_besides_is_never_written_over(tmp_path):
    path, other = image(tmp_path / "steel.png"), image(tmp_path / "exemplar.png", seed=1)
    before = other.read_bytes()
    with pytest.raises(FileExists, match="the input itself"):
        weather_item(path, RUST, Settings(out=other, overwrite=True, read=(other,)), Darkens(), lambda *_: None)
    assert other.read_bytes() == before


def test_a_model_is_not_weathered_into_its_own_folder(tmp_path):
    model = tmp_path / "crate_weathered" / "crate.gltf"
    model.parent.mkdir()
    model.write_text("{}")
    with pytest.raises(FileExists, match="where its result would go"):
        weather_item(model, RUST, Settings(out=tmp_path, overwrite=True), Darkens(), lambda *_: None)
    assert model.read_text() == "{}"


def test_a_failed_item_leaves_nothing(tmp_path):
    image(tmp_path / "steel" / "steel_albedo.png")
    with pytest.raises(NetworkError):
        weather_item(tmp_path / "steel", RUST, Settings(), Darkens(fails_on="steel"), lambda stage, fraction: None)
    assert os.listdir(tmp_path) == ["steel"]


# --- models, by a stand-in for the add-on's program


@pytest.fixture
def blender(tmp_path, monkeypatch):
    """Makes `python -m sabi.addon.headless` be this program, by an interpreter that runs it."""

    def make(program: str) -> str:
        script = tmp_path / "stand_in.py"
        script.write_text(textwrap.dedent(program))
        launcher = tmp_path / "python_with_bpy"
        launcher.write_text(
            f"#!{sys.executable}\nimport runpy, sys\nsys.argv = sys.argv[2:]\nrunpy.run_path({str(script)!r})\n"
        )
        launcher.chmod(0o755)
        return str(launcher)

    if sys.platform == "win32":
        monkeypatch.setenv("PATHEXT", os.environ["PATHEXT"] + ";.PY")
    return make


GOOD = """
    import json, sys
    from pathlib import Path
    model, out = sys.argv[1], Path(sys.argv[sys.argv.index("--out") + 1])
    recipe = json.loads(Path(sys.argv[sys.argv.index("--recipe") + 1]).read_text())
    print("Blender 4.5")
    print(json.dumps({"stage": "bake", "fraction": 0.5}))
    (out / "textures").mkdir()
    (out / "door.glb").write_text(f"{recipe['layers'][0]['age']} {'--texels' in sys.argv}")
    (out / "textures" / "a.png").write_text("png")
    print(json.dumps({"files": ["door.glb"], "warnings": ["No UVs."], "networks": {"painter": "cd" * 32}}))
"""


def test_a_model_is_weathered_by_the_add_on(tmp_path, blender):
    (tmp_path / "door.glb").write_bytes(b"model")
    settings = Settings(blender_python=blender(GOOD), texels=1024)
    stages = []
    written = weather_item(tmp_path / "door.glb", RUST, settings, Darkens(), lambda stage, f: stages.append((stage, f)))
    assert (tmp_path / "door_weathered" / "door.glb").read_text() == "0.7 True"
    assert stages == [("bake", 0.5)]
    assert written.warnings == ("No UVs.",)
    said = json.loads((tmp_path / "door_weathered" / "sabi.json").read_text())
    assert said["files"] == ["door.glb", "textures/a.png"]
    assert said["recipe"]["networks"] == {"painter": "cd" * 32}
    assert already_done(tmp_path / "door.glb", RUST, settings)


RULED = """
    import json, sys
    from pathlib import Path
    rules = json.loads(Path(sys.argv[sys.argv.index("--rules") + 1]).read_text())["rule"]
    taken = [n for n, rule in enumerate(rules, 1) if "recipe" in rule]
    objects = [{"object": "Door", "material": "Steel", "rule": taken[-1], "recipe": ""}]
    objects += [{"object": "Pane", "material": "Glass", "rule": 1, "recipe": None}]
    if "--out" in sys.argv:
        out = Path(sys.argv[sys.argv.index("--out") + 1])
        if "left" in sys.argv[1]:
            objects = objects[1:]
        else:
            (out / "door.glb").write_text("model")
    print(json.dumps({"files": [], "warnings": [], "networks": {"painter": "cd" * 32}, "objects": objects}))
"""


def test_a_model_is_parted_by_its_objects(tmp_path, blender):
    for name in ("door.glb", "left.glb"):
        (tmp_path / name).write_bytes(b"model")
    settings = Settings(blender_python=blender(RULED))
    done, left = run([tmp_path], settings, rules=TABLE)
    assert (done.status, left.status) == ("done", "left")
    assert done.objects[0] == {"object": "Door", "material": "Steel", "rule": 4, "recipe": "rust"}, (
        "the table's own number"
    )
    assert done.objects[1]["recipe"] is None
    assert not (tmp_path / "left_weathered").exists()
    said = json.loads((tmp_path / "door_weathered" / "sabi.json").read_text())
    assert said["objects"] == list(done.objects)
    assert said["networks"] == {"painter": "cd" * 32}
    assert [o.status for o in run([tmp_path], settings, rules=TABLE)] == ["skipped", "left"]
    other = TABLE.changed(lambda recipe: recipe.at_age(0.1))
    assert already_done(tmp_path / "door.glb", farm.look_of(tmp_path / "door.glb", tmp_path, other), settings) is None


def test_a_dry_run_lists_objects_and_writes_nothing(tmp_path, blender):
    image(tmp_path / "in" / "walls" / "brick.png")
    image(tmp_path / "in" / "wood.png")
    (tmp_path / "in" / "door.glb").write_bytes(b"model")
    (tmp_path / "in" / "gone.glb").symlink_to("nowhere.glb")
    settings = Settings(out=tmp_path / "out", blender_python=blender(RULED))
    before = sorted(tmp_path.rglob("*"))
    listed = {
        Path(p.item).name: p.to_dict() for p in plan(farm.find_items([tmp_path / "in"]), TABLE, settings, farm.Shard())
    }
    assert sorted(tmp_path.rglob("*")) == before
    assert [part["recipe"] for part in listed["door.glb"]["objects"]] == ["rust", None]
    assert listed["door.glb"]["destination"] == str(tmp_path / "out" / "door_weathered")
    assert (listed["brick.png"]["rule"], listed["brick.png"]["recipe"]) == (2, "moss")
    assert (listed["wood.png"]["rule"], listed["wood.png"]["recipe"]) == (None, None)
    assert listed["gone.glb"]["error"]["code"] == "bad_file"


@pytest.mark.parametrize(
    ("program", "error", "says"),
    [
        (
            'print(\'{"error": {"code": "scene", "message": "No mesh.", "hint": "Add one."}}\'); raise SystemExit(1)',
            SceneError,
            "No mesh",
        ),
        ('import sys; sys.stderr.write("boom\\n"); raise SystemExit(3)', SceneError, "exit status 3"),
        ("pass", SceneError, "Nothing was written"),
    ],
)
def test_a_model_that_fails_says_why_and_leaves_nothing(tmp_path, blender, program, error, says):
    model = tmp_path / "models" / "door.glb"
    model.parent.mkdir()
    model.write_bytes(b"model")
    with pytest.raises(error, match=says):
        weather_item(model, RUST, Settings(blender_python=blender(program)), Darkens(), lambda stage, fraction: None)
    assert os.listdir(model.parent) == ["door.glb"]
    elsewhere = Settings(blender_python=blender(program), out=tmp_path / "new" / "folder")
    with pytest.raises(error):
        weather_item(model, RUST, elsewhere, Darkens(), lambda stage, fraction: None)
    assert not (tmp_path / "new").exists()


def test_models_without_blender_are_refused_with_a_hint(tmp_path, monkeypatch):
    (tmp_path / "door.glb").write_bytes(b"model")
    monkeypatch.delenv("SABI_BLENDER_PYTHON", raising=False)
    monkeypatch.setattr("sabi.backend.models.find_spec", lambda name: None)
    with pytest.raises(SceneError, match="no bpy") as caught:
        weather_item(tmp_path / "door.glb", RUST, Settings(), Darkens(), lambda stage, fraction: None)
    assert "pip install" in caught.value.hint
    with pytest.raises(SceneError, match="no Python at"):
        weather_item(tmp_path / "door.glb", RUST, Settings(blender_python="/no/python"), Darkens(), lambda s, f: None)


# --- Ray, by a stand-in that keeps its promises in one process


def test_ray_is_asked_for_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match="Ray is not installed") as caught:
        list(farm.run_on_ray([], Rules.of(RUST), Settings(), farm.Shard(), "auto"))
    assert "sabi-weathering[ray]" in caught.value.hint


class FakeRay(types.ModuleType):
    """Those of ray's calls that farm makes, carried out in this process, with arguments pickled as Ray would."""

    def __init__(self, gpus=2, loses=""):
        super().__init__("ray")
        self.options: dict = {}
        self.actors = 0
        self.gpus = gpus
        self.loses = loses
        self.util = types.SimpleNamespace(ActorPool=FakePool)

    def init(self, address, **_):
        if address == "nowhere":
            raise ConnectionError("refused\nby nobody")

    def cluster_resources(self):
        return {"CPU": 16.0, **({"GPU": float(self.gpus)} if self.gpus else {})}

    def remote(self, **options):
        self.options = options

        def decorate(cls):
            def make(*arguments):
                self.actors += 1
                worker = cls(*pickle.loads(pickle.dumps(arguments)))
                worker.engine = Darkens()

                def run(item, root):
                    if self.loses and item.endswith(self.loses):
                        raise ConnectionError("the machine is gone")
                    return pickle.loads(pickle.dumps(worker.run(item, root)))

                return types.SimpleNamespace(run=types.SimpleNamespace(remote=lambda *a: lambda: run(*a)))

            return types.SimpleNamespace(remote=make)

        return decorate


class FakePool:
    """ray.util.ActorPool; gives the last item first."""

    def __init__(self, actors):
        self.actors = actors
        self.waiting = []

    def submit(self, call, value):
        self.waiting.append(call(self.actors[len(self.waiting) % len(self.actors)], value))

    def has_next(self):
        return bool(self.waiting)

    def get_next_unordered(self):
        return self.waiting.pop()()


@pytest.mark.parametrize(("gpus", "actors"), [(2, 2), (0, 4)])
def test_items_are_spread_over_ray(tmp_path, monkeypatch, gpus, actors):
    ray = FakeRay(gpus)
    monkeypatch.setitem(sys.modules, "ray", ray)
    for name in "abc":
        image(tmp_path / "in" / f"{name}.png")
    settings = Settings(out=tmp_path / "out")
    outcomes = list(farm.run_on_ray(farm.find_items([tmp_path / "in"]), Rules.of(RUST), settings, farm.Shard(), "auto"))
    assert sorted(o.status for o in outcomes) == ["done"] * 3
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == [f"{n}_weathered.png" for n in "abc"]
    assert ray.actors == actors
    assert ray.options["num_gpus"] == (1 if gpus else 0), "one session a GPU"
    again = list(farm.run_on_ray(farm.find_items([tmp_path / "in"]), Rules.of(RUST), settings, farm.Shard(), "auto"))
    assert [o.status for o in again] == ["skipped"] * 3
    with pytest.raises(BackendError, match="No Ray cluster answers at nowhere"):
        list(farm.run_on_ray([], Rules.of(RUST), settings, farm.Shard(), "nowhere"))


def test_what_the_cluster_loses_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(loses="b.png"))
    for name in "abc":
        image(tmp_path / f"{name}.png")
    outcomes = {
        Path(o.item).name: o
        for o in farm.run_on_ray(farm.find_items([tmp_path]), Rules.of(RUST), Settings(), farm.Shard(), "auto")
    }
    assert {n: o.status for n, o in outcomes.items()} == {"a.png": "done", "b.png": "failed", "c.png": "done"}
    assert "the machine is gone" in outcomes["b.png"].error["hint"]
