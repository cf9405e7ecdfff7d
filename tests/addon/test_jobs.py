# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs against a backend that the test plays: progress, results, cancelling and every way of ending, without Blender."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from sabi.addon.jobs import PaintJob, State
from sabi.addon.progress import Estimate, Progress, in_words
from sabi.addon.service import Service, ServiceSettings
from sabi.backend.protocol import client as wire_client
from sabi.backend.protocol.errors import BackendGone, BackendNotStarting, BadFile, BadMessage, Cancelled, SabiError
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface

RECIPE = Recipe((Layer(Effect.RUST), Layer(Effect.MOSS)))
SURFACE = Surface({"albedo": Map(np.zeros((4, 4, 3), np.uint8), ColorSpace.SRGB)})
PNGS = {f"layer{i}.{name}": memoryview(f"{i}{name}".encode()) for i in range(2) for name in ("thin", "thick", "growth")}


class PlayedBackend:
    """A client whose job goes on only when the test lets it."""

    def __init__(self, pngs=PNGS, fails_with=None):
        self.pngs, self.fails_with = pngs, fails_with
        self.go, self.cancelled = threading.Event(), threading.Event()
        self.asked = {}

    def submit(self, surface, recipe, **how):
        self.asked = how
        how["sent"](0.5)
        return "job"

    def events(self, job):
        yield wire_client.Progress("paint", 0.25, 4, 3.0)
        while not self.go.wait(0.01):
            if self.cancelled.is_set():
                raise Cancelled
        if self.fails_with is not None:
            raise self.fails_with
        yield wire_client.Progress("encode", 1.0, 16, None, "done")

    def result(self, job, surface, **how):
        return wire_client.JobResult(surface, (), ("no ground",), {"painter": "abc"}, self.pngs)

    def cancel(self, job):
        self.cancelled.set()


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_no_blender_inside():
    code = "import sabi.addon.jobs, sabi.addon.service, sys; assert 'bpy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_job_tells_its_progress_and_keeps_the_images(tmp_path):
    backend = PlayedBackend()
    job = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path)
    until(lambda: job.progress.fraction == 0.25)
    assert job.state is State.RUNNING
    assert not job.wait(0.02)
    assert job.progress == Progress("Painting", 0.25, 3.0)
    assert job.progress.text == "Painting, 3 s left"
    backend.go.set()
    assert job.wait(5)
    painted = job.result()
    assert painted.warnings == ("no ground",)
    assert painted.recipe.networks == {"painter": "abc"}
    assert painted.recipe.layers == RECIPE.layers
    assert [sorted(layer) for layer in painted.layers] == [["growth", "thick", "thin"]] * 2
    assert painted.layers[1]["thick"].read_bytes() == b"1thick"
    assert (backend.asked["encoding"], backend.asked["part"]) == ("png", "wired")
    assert backend.cancelled.is_set(), "the result is still kept on the server"


def test_cancel_ends_the_job_at_once_and_tells_the_backend(tmp_path):
    backend = PlayedBackend()
    job = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path)
    until(lambda: job.progress.fraction == 0.25)
    began = time.monotonic()
    job.cancel()
    assert job.wait(0)
    assert time.monotonic() - began < 0.1
    assert job.state is State.CANCELLED
    with pytest.raises(Cancelled):
        job.result()
    assert backend.cancelled.wait(5)
    assert not list(tmp_path.iterdir())


def test_cancel_while_the_backend_starts(tmp_path):
    release, backend = threading.Event(), PlayedBackend()

    def slow():
        release.wait(5)
        return backend

    job = PaintJob(slow, SURFACE, RECIPE, tmp_path)
    assert job.progress.stage == "Starting the backend"
    job.cancel()
    assert job.state is State.CANCELLED
    release.set()
    job._thread.join(5)
    assert not backend.asked, "a cancelled job was sent"


@pytest.mark.parametrize("error", [BackendGone("It ended."), SabiError("Odd.")])
def test_the_backends_error_is_the_jobs(tmp_path, error):
    backend = PlayedBackend(fails_with=error)
    backend.go.set()
    job = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path)
    assert job.wait(5)
    assert job.state is State.FAILED
    with pytest.raises(type(error)) as caught:
        job.result()
    assert caught.value is error


def test_a_fault_of_our_own_is_told_in_a_sentence(tmp_path):
    job = PaintJob(lambda: 1 / 0, SURFACE, RECIPE, tmp_path)
    assert job.wait(5)
    with pytest.raises(SabiError, match="fault of its own") as caught:
        job.result()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_result_without_all_images_is_refused(tmp_path):
    backend = PlayedBackend(pngs={name: png for name, png in PNGS.items() if name != "layer1.growth"})
    backend.go.set()
    job = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path)
    assert job.wait(5)
    with pytest.raises(BadMessage, match="layer 2"):
        job.result()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    backend = PlayedBackend()
    backend.go.set()
    job = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path / "gone")
    assert job.wait(5)
    with pytest.raises(BadFile, match="could not be written"):
        job.result()


@pytest.mark.parametrize(("error", "doubts"), [(BackendGone("Gone."), 1), (BadFile("Bad.", "Mend it."), 0)])
def test_who_follows_a_job_doubts_a_backend_that_is_gone(tmp_path, error, doubts):
    backend, doubted = PlayedBackend(fails_with=error), []
    steps = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path).steps(lambda: doubted.append(1))
    assert isinstance(next(steps), Progress)
    backend.go.set()
    with pytest.raises(type(error)):
        list(steps)
    assert len(doubted) == doubts


def test_who_stops_following_a_job_ends_it(tmp_path):
    backend = PlayedBackend()
    job = PaintJob(lambda: backend, SURFACE, RECIPE, tmp_path)
    steps = job.steps(lambda: None)
    next(steps)
    until(lambda: backend.asked)
    steps.close()
    assert job.state is State.CANCELLED
    until(backend.cancelled.is_set)


class PlayedProcess:
    """Stands for spawn.Backend."""

    def __init__(self, *asked, **options):
        self.asked, self.alive, self.answers, self.stopped = (asked, options), True, True, 0
        self.client, self.process, self.log = self, self, ""
        self.pid = 1

    def health(self, timeout=None):
        if not self.answers:
            raise BackendGone("No answer.")
        return {"device": "cpu"}

    def stop(self):
        self.alive, self.stopped = False, self.stopped + 1


class Starter(list):
    def __call__(self, *asked, **options):
        self.append(PlayedProcess(*asked, **options))
        return self[-1]


def test_one_process_serves_until_it_ends():
    started = Starter()
    service = Service(started)
    settings = ServiceSettings(python="/env/python", threads=3)
    assert service.process_id is None
    first = service.connect(settings)
    assert service.connect(settings) is first
    assert started[0].asked == (("/env/python",), {"device": "auto", "threads": 3})
    assert service.process_id == 1
    assert service.health == {"device": "cpu"}
    first.alive = False
    assert service.process_id is None
    assert service.connect(settings) is not first
    assert first.stopped == 1, "what has ended is not waited for"


def test_other_settings_need_another_process():
    started = Starter()
    service = Service(started)
    service.connect(ServiceSettings())
    service.connect(ServiceSettings(device="cpu"))
    assert len(started) == 2
    assert started[0].stopped == 1
    service.stop()
    service.stop()
    assert started[1].stopped == 1


def test_a_process_that_was_lost_is_asked_before_it_is_trusted():
    started = Starter()
    service = Service(started)
    first = service.connect(ServiceSettings())
    service.doubt()
    assert service.connect(ServiceSettings()) is first
    first.answers = False
    assert service.connect(ServiceSettings()) is first, "only a doubted backend is asked"
    service.doubt()
    assert service.connect(ServiceSettings()) is not first


def test_a_backend_that_does_not_start_says_so():
    def fails(*_asked, **_options):
        raise BackendNotStarting("It ended while it started.")

    service = Service(fails)
    with pytest.raises(BackendNotStarting):
        service.connect(ServiceSettings())
    assert service.process_id is None


def test_time_left():
    now = 0.0
    estimate = Estimate(lambda: now)
    assert estimate.seconds_left(0.0) is None
    now = 1.0
    assert estimate.seconds_left(0.01) is None  # too little to tell
    now = 10.0
    assert estimate.seconds_left(0.25) == pytest.approx(30)
    now = 12.0
    assert estimate.seconds_left(0.0) is None  # begun anew


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (8, "8 s"), (89, "89 s"), (170, "3 min"), (4800, "80 min"), (8100, "2 h 15 min")],
)
def test_in_words(seconds, words):
    assert in_words(seconds) == words
