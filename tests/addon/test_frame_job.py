# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that weathers a frame for the add-on, played by small programs: how it may end, and how it is ended."""

import subprocess
import sys
import time

import pytest

from sabi.addon.frames import frame_job
from sabi.addon.frames.frame_job import FrameJob
from sabi.addon.jobs import State
from sabi.backend.protocol.errors import BackendGone, BackendNotInstalled, BadFile, Cancelled, DiskFull
from sabi.backend.protocol.recipe import Effect, Layer, Recipe

RECIPE = Recipe((Layer(Effect.RUST),))


class Server:
    address, token = "127.0.0.1:1", "secret"


@pytest.fixture
def begin(monkeypatch, tmp_path):
    """begin(program) -> a job whose process is that program."""

    def make(program: str, python: str = sys.executable) -> FrameJob:
        monkeypatch.setattr(frame_job, "command_for", lambda *_asked: [python, "-c", program])
        return FrameJob(Server, tmp_path / "frame.exr", "ViewLayer", RECIPE, sys.executable)

    return make


def ended(job: FrameJob):
    assert job.wait(60)
    return job.result()


def test_what_it_says_is_the_answer(begin, tmp_path):
    said = """print('{"stage": "paint", "fraction": 0.5}\\\\n{"warnings": ["Denoised."]}')"""
    frame = ended(begin(said.replace("\\\\n", "\\n")))
    assert frame.path == tmp_path / "weathered.exr"
    assert frame.warnings == ("Denoised.",)
    assert Recipe.from_json((tmp_path / "frame.json").read_text()) == RECIPE


def test_the_token_is_no_argument(begin):
    told = """import json, os; print(json.dumps({"warnings": [os.environ["SABI_TOKEN"]]}))"""
    job = begin(told)
    assert ended(job).warnings == ("secret",)
    assert "secret" not in str(job._process.args)


@pytest.mark.parametrize(
    ("program", "kind", "said"),
    [
        (
            """print('{"error": {"code": "bad_file", "message": "It lacks passes.", "hint": "x"}}')""",
            BadFile,
            "passes.",
        ),
        ("import sys; sys.exit('the disk is on fire')", BackendGone, "early: the disk is on fire."),
        ("import os; os._exit(9)", BackendGone, "ended early."),
        ("print('garbage')", BackendGone, "ended early."),
    ],
)
def test_every_other_end_is_told_in_a_sentence(begin, program, kind, said):
    with pytest.raises(kind) as caught:
        ended(begin(program))
    assert caught.value.message.endswith(said)
    assert caught.value.hint


def test_a_python_that_is_none(begin):
    with pytest.raises(BackendNotInstalled, match="/no/such/python") as caught:
        ended(begin("", "/no/such/python"))
    assert "preferences" in caught.value.hint


def test_a_full_disk(begin, monkeypatch):
    def full(*_words, **_how):
        raise OSError(28, "No space left on device", "/tmp/x")

    monkeypatch.setattr(frame_job.tempfile, "TemporaryFile", full)
    with pytest.raises(DiskFull, match="/tmp/x"):
        ended(begin(""))


def test_cancelling_ends_the_process(begin):
    job = begin("import time; time.sleep(1000)")
    deadline = time.monotonic() + 30
    while job._process is None and time.monotonic() < deadline:
        time.sleep(0.01)
    job.cancel()
    assert job.state is State.CANCELLED
    with pytest.raises(Cancelled):
        job.result()
    try:
        job._process.wait(20)
    except subprocess.TimeoutExpired:
        job._process.kill()
        raise AssertionError("the process was left running") from None
