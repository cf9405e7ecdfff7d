# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sabi.backend import doctor
from sabi.backend.networks import device as devices
from sabi.backend.networks import session as sessions
from sabi.backend.networks.card import Card
from sabi.backend.networks.device import Device, Options
from sabi.backend.networks.registry import examine
from sabi.backend.networks.session import Session
from sabi.backend.protocol.errors import DeviceError, NetworkError, OutOfMemory

CPU = Options(Device.CPU, threads=1)


@pytest.fixture
def model(networks_folder) -> bytes:
    return (networks_folder / "painter.onnx").read_bytes()


@pytest.fixture
def card(networks_folder) -> Card:
    return examine(networks_folder / "painter.onnx").card


@pytest.fixture
def only_cpu(monkeypatch):
    """An onnxruntime that was built for the CPU alone, also on a machine with a GPU."""
    monkeypatch.setattr(sessions.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])


@pytest.fixture
def disguised(monkeypatch):
    """A GPU that is the CPU in disguise, so that opening and proving a GPU runs everywhere."""
    monkeypatch.setitem(devices.PROVIDERS, Device.CUDA, "CPUExecutionProvider")
    monkeypatch.setattr(sessions, "GPUS", (Device.CUDA,))
    monkeypatch.setattr(sessions, "_providers", lambda device, options: ["CPUExecutionProvider"])


def inputs(card: Card, side: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    made = {}
    for name, channels in card.inputs.items():
        stride = card.noise.get(name, (1, 0))[0]
        made[name] = random.random((1, len(channels), side // stride, side // stride), np.float32)
    return {**made, "style": np.zeros((1, len(card.inputs["style"])), np.float32)}


def test_same_in_same_out(model, card):
    given = inputs(card)
    first, again, other = (
        Session(model, card, CPU).run(given)["painted"],
        Session(model, card, CPU).run(given)["painted"],
        Session(model, card, CPU).run(inputs(card, seed=1))["painted"],
    )
    assert first.shape == (1, 11, 64, 64)
    assert first.dtype == np.float32
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_auto_takes_the_cpu_and_says_why(model, card, only_cpu):
    session = Session(model, card, Options(threads=1))
    assert session.device is Device.CPU
    assert len(session.reasons) == len(devices.GPUS)
    assert session.reasons[0].startswith(devices.GPUS[0].value)


@pytest.mark.parametrize("device", [Device.CUDA, Device.TENSORRT, Device.DIRECTML, Device.COREML])
def test_a_device_asked_for_by_name_that_is_not_there_is_an_error_with_a_hint(model, card, only_cpu, device):
    with pytest.raises(DeviceError) as caught:
        Session(model, card, Options(device))
    assert device.value in caught.value.message
    assert caught.value.hint


def test_the_silent_fallback_to_the_cpu_is_noticed(model, card, monkeypatch):
    """onnxruntime makes a session on the CPU when a provider does not load; only get_providers tells."""
    claimed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(sessions.onnxruntime, "get_available_providers", lambda: claimed)
    monkeypatch.setattr(sessions, "_providers", lambda device, options: ["CPUExecutionProvider"])
    monkeypatch.setattr(sessions, "GPUS", (Device.CUDA,))
    with pytest.raises(DeviceError):
        Session(model, card, Options(Device.CUDA))
    session = Session(model, card, Options(threads=1))
    assert session.device is Device.CPU
    assert session.reasons


def test_a_gpu_is_taken_when_its_tiny_run_agrees(model, card, disguised):
    session = Session(model, card, Options(threads=1))
    assert session.device is Device.CUDA
    assert session.reasons == ()


@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_a_gpu_that_computes_something_else_is_not(model, card, disguised, monkeypatch, wrong):
    right, calls = Session._run, []

    def run(self, session, given, shrink=False):
        calls.append(1)
        outputs = right(self, session, given, shrink)
        return {name: array + wrong for name, array in outputs.items()} if len(calls) == 1 else outputs

    monkeypatch.setattr(Session, "_run", run)
    session = Session(model, card, Options(threads=1))
    assert session.device is Device.CPU
    assert "other results than the CPU" in session.reasons[0]


def test_falls_back_to_the_cpu_once(model, card, disguised):
    session = Session(model, card, Options(threads=1))
    given = inputs(card)
    before = session.run(given)["painted"]
    assert session.fall_back()
    assert session.device is Device.CPU
    assert "memory" in session.reasons[-1]
    assert np.array_equal(session.run(given)["painted"], before)
    assert not session.fall_back()


@pytest.mark.parametrize(
    "text",
    [
        "BFCArena::AllocateRawInternal Available memory of 8 is smaller than requested bytes of 9",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUDA failure 2: out of memory",
        "std::bad_alloc",
        "Exception(3) tid(1) 8007000E Not enough memory resources are available",
    ],
)
def test_what_runtimes_say_when_memory_runs_out_is_understood(model, card, text):
    session = Session(model, card, CPU)

    class Failing:
        get_outputs = session._session.get_outputs

        def run(self, *_):
            raise RuntimeError(text)

    session._session = Failing()
    with pytest.raises(OutOfMemory):
        session.run(inputs(card))


def test_other_failures_are_network_errors(model, card):
    given = inputs(card)
    with pytest.raises(NetworkError, match="failed"):
        Session(model, card, CPU).run({**given, "base": given["base"][:, :3]})


def test_a_memory_limit_holds(networks_folder):
    """In a process of its own: the limit is the whole process's, and the first one stays."""
    program = """
import sys
import numpy as np
from pathlib import Path
from sabi.backend.networks.registry import examine
from sabi.backend.networks.session import Session
from sabi.backend.networks.device import Device, Options
from sabi.backend.protocol.errors import OutOfMemory
path = Path(sys.argv[1])
card = examine(path).card
session = Session(path.read_bytes(), card, Options(Device.CPU, 1, memory_limit=32 << 20))
def run(side):
    sides = {name: side // card.noise.get(name, (1, 0))[0] for name in card.inputs}
    given = {n: np.zeros((1, len(c), sides[n], sides[n]), np.float32) for n, c in card.inputs.items()}
    return session.run({**given, "style": np.zeros((1, 16), np.float32)})
run(128)
try:
    run(2048)
except OutOfMemory as error:
    print("refused", error.code)
run(128)
"""
    command = [sys.executable, "-c", program, str(networks_folder / "painter.onnx")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("refused out_of_memory\n", 0), done.stderr


def test_large_images_have_a_session_of_their_size(model, card, monkeypatch):
    """Kept until another size comes; it paints what the one for all sizes paints."""
    opened, open_session = [], Session._open
    monkeypatch.setattr(
        Session, "_open", lambda self, device, sizes=None: opened.append(sizes) or open_session(self, device, sizes)
    )
    session = Session(model, card, CPU)
    for side in (64, 128, 128, 64, 192, 128):
        given = inputs(card, side)
        monkeypatch.setattr(sessions, "LARGE", 1 << 40)
        general = session.run(given)["painted"]
        monkeypatch.setattr(sessions, "LARGE", 6 * 128 * 128)
        assert np.abs(session.run(given)["painted"] - general).max() < 1e-5
    assert [sizes and sizes["base_h"] for sizes in opened] == [None, 128, 192, 128]


def test_memory_is_given_back(model, card):
    session = Session(model, card, CPU)
    session.run(inputs(card))
    session.run(inputs(card, 1536))
    held = doctor.memory()
    session.shrink()
    if sys.platform == "linux":
        assert held["anonymous"] - doctor.memory()["anonymous"] > 50
    assert session.run(inputs(card))["painted"].shape == (1, 11, 64, 64)


@pytest.mark.parametrize(
    "wrong",
    [
        {"inputs": {"base": ["red"]}},
        {"outputs": {"image": ["red"]}},
        {"outputs": {"painted": ["threshold"]}},
    ],
)
def test_a_graph_that_is_not_what_its_card_says_is_refused(model, card, wrong):
    with pytest.raises(NetworkError, match=r"painter.*card says"):
        Session(model, replace(card, **wrong), CPU)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_graph_is_refused(model, card, damage):
    half = len(model) // 2
    damaged = {"cut": model[:half], "flipped": model[:4] + bytes(60) + model[64:], "empty": b""}[damage]
    with pytest.raises(NetworkError, match=r"cannot be loaded|card says"):
        Session(damaged, card, CPU, "painter.onnx")


def test_the_environment_overrides(monkeypatch):
    monkeypatch.delenv("SABI_DEVICE", raising=False)
    monkeypatch.delenv("SABI_THREADS", raising=False)
    assert Options.choose("cpu", 3) == Options(Device.CPU, 3, 0)
    monkeypatch.setenv("SABI_DEVICE", "CUDA")
    monkeypatch.setenv("SABI_THREADS", "2")
    monkeypatch.setenv("SABI_MEMORY_MB", "100")
    assert Options.choose("cpu", 3) == Options(Device.CUDA, 2, 100 << 20)


@pytest.mark.parametrize(
    ("name", "value"), [("SABI_DEVICE", "abacus"), ("SABI_THREADS", "-2"), ("SABI_MEMORY_MB", "lots")]
)
def test_nonsense_in_the_environment_is_an_error_with_a_hint(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError) as caught:
        Options.choose()
    assert value in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("runtimes", "driver", "said", "hint"),
    [
        (["onnxruntime"], False, "no NVIDIA driver", "driver"),
        (["onnxruntime"], True, "built without it", "sabi-weathering[gpu]"),
        (["onnxruntime-gpu"], True, "CUDA or cuDNN did not load", "onnxruntime-gpu[cuda,cudnn]"),
    ],
)
def test_why_not_cuda(monkeypatch, runtimes, driver, said, hint):
    monkeypatch.setattr(devices, "_runtimes", lambda: runtimes)
    monkeypatch.setattr(devices, "_has_nvidia_driver", lambda: driver)
    sentence, advice = devices.why_missing(Device.CUDA)
    assert said in sentence
    assert hint in advice


@pytest.mark.gpu
def test_a_real_gpu_agrees_with_the_cpu():
    if "CUDAExecutionProvider" not in sessions.available_providers() or not devices._has_nvidia_driver():
        pytest.skip("no GPU")
    path = sessions.__file__ and Path(sessions.__file__).with_name("painter.onnx")
    network = examine(path)
    on_gpu, on_cpu = (Session(path.read_bytes(), network.card, Options(d)) for d in (Device.CUDA, Device.CPU))
    given = inputs(network.card, 512)
    assert on_gpu.device is Device.CUDA
    assert np.abs(on_gpu.run(given)["painted"] - on_cpu.run(given)["painted"]).max() <= 1 / 255


def test_nothing_is_written_home_or_reported(tmp_path, networks_folder):
    """onnxruntime keeps a database for reports to its makers in the home folder, unless told not to."""
    code = "import sys; from sabi.backend.networks.registry import Networks as N; N.load(folder=sys.argv[1]).painter"
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    subprocess.run(
        [sys.executable, "-c", code, str(networks_folder)], check=True, env={**environment, "HOME": str(tmp_path)}
    )
    assert list(tmp_path.rglob("*")) == []
