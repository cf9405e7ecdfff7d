# SPDX-License-Identifier: GPL-3.0-or-later
"""The job type for Flamenco 3, compiled by a JavaScript engine with what Flamenco gives to scripts, and its commands run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import quickjs

from sabi.backend.cli.flamenco import JOB_TYPE
from sabi.backend.files.image import write_image

# What Flamenco's manager offers: job_compilers/author.go, js_globals.go and js_path.go.
FLAMENCO = """
const author = {
    Task: (name, type) => ({ name, type, commands: [], dependencies: [],
        addCommand(command) { this.commands.push(command); },
        addDependency(task) { this.dependencies.push(task.name); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
const path = { join: (...parts) => parts.join("/") };
const shellSplit = (text) => text.split(" ");
const print = () => undefined;
"""
TYPES = {"string": str, "int32": int, "float": float, "bool": bool}
GIVEN = {"assets": "/shows/rust", "output": "/shows/rust_old", "rules": "/shows/rules.toml"}


def context():
    made = quickjs.Context()
    made.eval(FLAMENCO + JOB_TYPE.read_text(encoding="utf-8"))
    return made


def settings_of():
    return json.loads(context().eval("JSON.stringify(JOB_TYPE)"))["settings"]


def compiled(**given):
    """The tasks that a job with these settings is made of; defaults as the add-on would send them."""
    settings = {entry["key"]: entry["default"] for entry in settings_of() if "default" in entry}
    job = {"name": "Rust", "settings": {**settings, **GIVEN, **given}}
    js = f"const job = {json.dumps(job)}; job.tasks = []; job.addTask = (task) => job.tasks.push(task); compileJob(job); "
    return json.loads(context().eval(js + "JSON.stringify(job.tasks)"))


def test_settings_are_what_flamenco_knows():
    known = {"key", "type", "subtype", "required", "default", "description", "eval", "evalInfo", "visible", "propargs"}
    for entry in settings_of():
        assert set(entry) <= known
        assert entry.get("subtype", "dir_path") in ("dir_path", "file_path")
        assert entry.get("visible", "visible") in ("visible", "hidden", "submission", "web")
        assert isinstance(entry.get("default", TYPES[entry["type"]]()), TYPES[entry["type"]])
        assert entry["description"]
    assert {entry["key"] for entry in settings_of() if entry["required"]} == {"assets", "output", "shards"}


def test_a_job_is_dealt_out_in_shards():
    tasks = compiled(shards=3)
    assert [task["name"] for task in tasks] == ["weather 1 of 3", "weather 2 of 3", "weather 3 of 3"]
    assert {task["type"] for task in tasks} == {"blender"}
    (command,) = tasks[1]["commands"]
    assert command["name"] == "exec"
    assert command["parameters"]["exe"] == "{sabi}"
    words = ["batch", "/shows/rust", "--out", "/shows/rust_old", "--rules", "/shows/rules.toml", "--shard", "2/3"]
    assert command["parameters"]["args"] == words
    assert not any(task["dependencies"] for task in tasks)


def test_a_preview_comes_first_and_the_rest_is_handed_on():
    tasks = compiled(shards=2, preview=True, keep_going=True, texels=1024, extra="--device cpu --threads 4")
    first, *rest = tasks
    args = first["commands"][0]["parameters"]["args"]
    assert args[args.index("--preview") + 1] == "/shows/rust_old/preview.png"
    assert "--shard" not in args
    assert all(task["dependencies"] == ["preview"] for task in rest)
    for task in rest:
        args = task["commands"][0]["parameters"]["args"]
        assert {"--keep-going", "--texels", "1024"} <= set(args)
        assert args[-4:] == ["--device", "cpu", "--threads", "4"]


@pytest.mark.parametrize("given", [{"rules": ""}, {"recipe": "light_rust"}])
def test_rules_or_a_recipe_are_needed(given):
    with pytest.raises(quickjs.JSException, match="either a table of rules or a recipe"):
        compiled(**given)


def test_its_commands_do_what_a_batch_does(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(4):
        write_image(tmp_path / "in" / f"{number}.png", np.full((32, 32, 3), 120 + number, np.uint8))
    (tmp_path / "rules.json").write_text(json.dumps({"rule": [{"recipe": "light_rust", "age": 0.9}]}))
    folders = {"assets": str(tmp_path / "in"), "output": str(tmp_path / "out"), "rules": str(tmp_path / "rules.json")}
    statuses = []
    for task in compiled(shards=2, preview=True, **folders):
        args = task["commands"][0]["parameters"]["args"]
        run = subprocess.run([sys.executable, "-m", "sabi.backend", *args], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        statuses += [json.loads(line).get("status") for line in run.stdout.splitlines()]
    assert sorted(filter(None, statuses)) == ["done"] * 4
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {
        "preview.png",
        *(f"{n}_weathered.png" for n in range(4)),
    }


def test_the_command_line_says_where_it_lies():
    run = subprocess.run([sys.executable, "-m", "sabi.backend", "flamenco"], capture_output=True, text=True, check=True)
    assert Path(run.stdout.strip()).read_text(encoding="utf-8").startswith("// SPDX-License-Identifier")
