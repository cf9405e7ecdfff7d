# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from tree import ROOT, copy

from sabi.backend.protocol import spawn
from sabi.backend.protocol.client import Client
from sabi.backend.protocol.errors import (
    BackendError,
    BackendGone,
    BackendNotInstalled,
    BackendNotStarting,
    DeviceError,
    ProtocolMismatch,
    Unauthorized,
)
from sabi.backend.protocol.spawn import start
from sabi.backend.protocol.wire import PROTOCOL_VERSION


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch):
    for name in ("SABI_SERVER", "SABI_DEVICE", "SABI_THREADS", "SABI_TOKEN", "SABI_NETWORKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake(tmp_path):
    """fake(program) -> a package whose server is that program, to be started instead of Sabi."""

    def make(program: str) -> Path:
        package = tmp_path / "fake"
        (package / "backend" / "server").mkdir(parents=True)
        for init in (package, package / "backend", package / "backend" / "server"):
            (init / "__init__.py").write_text("")
        (package / "backend" / "server" / "serve.py").write_text(textwrap.dedent(program))
        return package

    return make


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until(condition, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_starts_answers_and_is_gone_when_stopped(networks_folder):
    backend = start(networks=networks_folder, device="cpu", threads=1)
    health = backend.client.health()
    assert health["pid"] == backend.process.pid
    assert health["device"]["asked"] == "cpu"
    assert health["device"]["threads"] == 1
    assert Path(health["networks"][0]["file"]).parent == networks_folder
    assert backend.alive
    backend.stop()
    assert gone(health["pid"])
    assert not backend.alive
    backend.stop()
    with pytest.raises(BackendGone, match="No backend answers"):
        backend.client.health()


def test_the_token_is_random_and_asked_for(backend):
    connection = backend.client._connection
    assert len(connection.token) >= 32
    assert connection.token not in " ".join(psutil.Process(backend.process.pid).cmdline())
    with pytest.raises(Unauthorized) as caught:
        Client(backend.client.address, "").health()
    assert "preferences" in caught.value.hint


def test_a_clone_in_a_folder_of_any_name_runs_its_own_files(tmp_path, networks_folder):
    """Blender's name for the package is none that a child could import, nor is `x-1`; an installed Sabi must not answer."""
    package = copy(tmp_path / "x-1")
    init = package / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "x-1 '))
    for python in (None, sys.executable):
        with start(python, package=package, networks=networks_folder, threads=1) as backend:
            assert backend.client.health()["sabi"].startswith("x-1 ")


def test_a_clone_starts_its_backend_from_its_own_client(tmp_path, networks_folder):
    """As Blender does: the package is imported under a name of Blender's."""
    package = copy(tmp_path / "x-1")
    program = f"""
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location("some_name", {str(package / "__init__.py")!r},
                                                      submodule_search_locations=[{str(package)!r}])
        module = importlib.util.module_from_spec(spec)
        sys.modules["some_name"] = module
        spec.loader.exec_module(module)
        from some_name.backend.protocol.spawn import PACKAGE, start
        with start(networks={str(networks_folder)!r}, threads=1) as backend:
            print(PACKAGE, backend.client.health()["networks"][0]["version"])
        print(sorted(name for name in sys.modules if name.partition(".")[0] in ("onnxruntime", "uvicorn", "OpenImageIO")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.splitlines() == [f"{package} 0.1", "[]"], done.stderr


def test_the_child_needs_neither_typer_nor_rich(networks_folder, tmp_path):
    """Blender's Python has the wheels of the zip and not those of the command line."""
    for name in ("typer", "rich", "torch", "bpy"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} was imported')")
    os.environ["PYTHONPATH"] = str(tmp_path)  # heeded by an environment that is named
    try:
        with start(sys.executable, networks=networks_folder, threads=1) as backend:
            assert backend.client.health()["protocol"] == PROTOCOL_VERSION
    finally:
        del os.environ["PYTHONPATH"]


def test_the_child_takes_no_modules_from_the_folder_it_is_started_in(networks_folder, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise ImportError('a file that happened to be there was imported')")
    monkeypatch.chdir(tmp_path)
    with start(sys.executable, networks=networks_folder, threads=1) as backend:
        assert backend.client.health()["protocol"] == PROTOCOL_VERSION


def test_it_ends_when_its_parent_dies(networks_folder):
    program = f"""
        import os, sys
        from sabi.backend.protocol.spawn import start
        backend = start(networks={str(networks_folder)!r}, threads=1)
        print(backend.process.pid, flush=True)
        os._exit(1)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert wait_until(lambda: gone(int(done.stdout))), "an orphan stayed"


def test_a_child_that_hangs_is_ended_all_the_same(fake):
    package = fake(f"""
        import json, os, signal, time
        def main(arguments):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(json.dumps({{"port": 1, "protocol": {PROTOCOL_VERSION}, "pid": os.getpid()}}), flush=True)
            time.sleep(1000)
    """)
    backend = start(package=package)
    pid = backend.process.pid
    backend.stop(patience=0.2)
    assert gone(pid)


def test_slow_to_start_is_waited_for(fake):
    package = fake(f"""
        import json, sys, time
        def main(arguments):
            time.sleep(1)
            print(json.dumps({{"port": 1, "protocol": {PROTOCOL_VERSION}}}), flush=True)
            sys.stdin.read()
    """)
    with start(package=package, patience=20) as backend:
        assert backend.client.address == "http://127.0.0.1:1"


def test_too_slow_to_start_is_given_up(fake):
    package = fake("""
        import sys, time
        def main(arguments):
            print("loading the world", file=sys.stderr, flush=True)
            time.sleep(1000)
    """)
    began = time.monotonic()
    with pytest.raises(BackendNotStarting, match=r"said nothing for 0\.8 seconds") as caught:
        start(package=package, patience=0.8)
    assert time.monotonic() - began < 10
    assert "try again" in caught.value.hint


@pytest.mark.parametrize(
    ("program", "kind", "said"),
    [
        ("raise RuntimeError('the disk is on fire')", BackendNotStarting, "the disk is on fire"),
        ("import onnxruntimes_of_old", BackendNotInstalled, "No module named 'onnxruntimes_of_old'"),
        ("import os\ndef main(arguments): os._exit(9)", BackendNotStarting, "ended while it started"),
        ("def main(arguments): print('hello')", BackendNotStarting, "ended while it started"),
        ("def main(arguments): print('[1, 2]')", BackendNotStarting, "ended while it started"),
    ],
)
def test_a_crash_at_the_start_says_what_the_child_said_last(fake, program, kind, said):
    with pytest.raises(kind) as caught:
        start(package=fake(program))
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("protocol", "age"), [(PROTOCOL_VERSION - 1, "older"), (PROTOCOL_VERSION + 1, "newer")])
def test_older_and_newer_backends(fake, protocol, age):
    package = fake(f"""
        import json, sys
        def main(arguments):
            print(json.dumps({{"port": 1, "protocol": {protocol}}}), flush=True)
            sys.stdin.read()
    """)
    with pytest.raises(ProtocolMismatch, match=age):
        start(package=package)


def test_what_the_child_refuses_is_told_in_its_words():
    with pytest.raises(DeviceError, match="'abacus' is not a device") as caught:
        start(device="abacus")
    assert "Devices:" in caught.value.hint


@pytest.mark.parametrize("what", ["missing", "folder", "no program"])
def test_a_python_that_is_none(tmp_path, what):
    python = tmp_path / "python"
    if what == "folder":
        python.mkdir()
    elif what == "no program":
        python.write_text("hello")
    with pytest.raises(BackendNotInstalled) as caught:
        start(python)
    assert str(python) in caught.value.message
    assert "preferences" in caught.value.hint


def test_an_environment_without_the_packages(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = next(path for path in (tmp_path / "bare").glob("*/python*") if path.stem == "python")
    with pytest.raises(BackendNotInstalled, match="not complete: No module named"):
        start(python)


def test_an_installation_without_the_wheels(monkeypatch):
    found = spawn.find_spec
    monkeypatch.setattr(spawn, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    with pytest.raises(BackendNotInstalled, match="uvicorn is missing") as caught:
        start()
    assert "zip" in caught.value.hint


@pytest.mark.parametrize("named", ["/usr/bin/blender", "", None])
def test_a_blender_that_names_itself_as_its_python(monkeypatch, networks_folder, named):
    monkeypatch.setattr(sys, "executable", named)
    with start(networks=networks_folder, threads=1) as backend:
        assert backend.client.health()["python"].startswith(".".join(map(str, sys.version_info[:3])))


def test_a_blender_without_any_python(monkeypatch, tmp_path):
    for name in ("executable", "prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    with pytest.raises(BackendNotInstalled, match="interpreter was not found"):
        start()


def test_the_environment_overrides(monkeypatch, networks_folder):
    monkeypatch.setenv("SABI_DEVICE", "cpu")
    monkeypatch.setenv("SABI_THREADS", "2")
    with start(device="auto", threads=1, networks=networks_folder) as backend:
        device = backend.client.health()["device"]
    assert (device["asked"], device["threads"]) == ("cpu", 2)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SABI_THREADS", "abc", "SABI_THREADS is 'abc', which is not"),
        ("SABI_DEVICE", "abacus", "'abacus' is not a device"),
    ],
)
def test_nonsense_in_the_environment_is_said_and_not_passed_over(monkeypatch, networks_folder, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match=said) as caught:
        start(device="cpu", threads=1, networks=networks_folder)
    assert caught.value.hint


def test_a_level_of_logging_that_is_none_is_said(monkeypatch, networks_folder):
    monkeypatch.setenv("SABI_LOG", "loud")
    with pytest.raises(BackendError, match="SABI_LOG is 'loud', which is no level") as caught:
        start(networks=networks_folder)
    assert "DEBUG" in caught.value.hint


def test_the_environment_may_name_a_server(monkeypatch, backend):
    connection = backend.client._connection
    monkeypatch.setenv("SABI_SERVER", f"{connection.host}:{connection.port}")
    monkeypatch.setenv("SABI_TOKEN", connection.token)
    with start("/no/such/python") as elsewhere:
        assert elsewhere.process is None
        assert elsewhere.alive
        assert elsewhere.client.health()["pid"] == backend.process.pid
    assert backend.alive


def test_nothing_but_the_line_is_printed_on_stdout(networks_folder):
    """Whatever libraries print must not end up where the port is read."""
    arguments = spawn.command_for("sabi.backend.server.serve", ["--networks", str(networks_folder)], package=ROOT)
    environment = {**os.environ, "SABI_TOKEN": "x"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, env=environment, text=True, **pipes) as child:
        hello = json.loads(child.stdout.readline())
        assert set(hello) == {"port", "protocol", "pid", "sabi"}
        Client(f"127.0.0.1:{hello['port']}", "x").health()
        child.stdin.close()
        assert child.stdout.read() == ""
    assert child.returncode == 0


def test_its_log_is_kept_for_diagnostics(networks_folder, monkeypatch):
    monkeypatch.setenv("SABI_LOG", "INFO")
    with start(networks=networks_folder) as backend:
        assert wait_until(lambda: "Started server process" in backend.log)


def test_no_temporary_files_stay(networks_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SABI_SPOOL", str(tmp_path))
    with start(networks=networks_folder) as backend:
        assert backend.client.health()["disk"]["spool"] == str(tmp_path)
        backend.process.kill()
        backend.process.wait()
    assert list(tmp_path.iterdir()) == []
    shutil.rmtree(tmp_path)
