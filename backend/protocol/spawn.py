# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a backend as a child process and ends it. Standard library only.

The child runs this very copy of Sabi, under the name `sabi`, whatever its folder is called and whatever else is installed.
It gets a random token in its environment, takes a free port, says which in one JSON line, and ends when our pipe closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from .client import Client
from .connection import check_protocol
from .errors import BackendError, BackendNotInstalled, BackendNotStarting, SabiError

PACKAGE = Path(__file__).resolve().parents[2]
NEEDED = ("onnxruntime", "OpenImageIO", "starlette", "uvicorn")

# argv: the package's folder, how many search paths follow, those paths, the module to run, its arguments
_BOOTSTRAP = """
import importlib, importlib.util, pathlib, sys
folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
sites = [index for index, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages"))]
at = min(sites, default=len(sys.path))
sys.path[at:at] = sys.argv[3:3 + count]  # before packages that a system's Python has of its own, which may be older
spec = importlib.util.spec_from_file_location("sabi", folder / "__init__.py", submodule_search_locations=[str(folder)])
package = importlib.util.module_from_spec(spec)
sys.modules["sabi"] = package
spec.loader.exec_module(package)
main = importlib.import_module(sys.argv[3 + count]).main
sys.exit(main(sys.argv[4 + count:]))
"""


class Backend:
    """A backend that can be used: a child process, or a server elsewhere (`process` None). Ends with `stop` or `with`."""

    def __init__(
        self, client: Client, process: subprocess.Popen[bytes] | None = None, said: deque[str] | None = None
    ) -> None:
        self.client = client
        self.process = process
        self._said = said if said is not None else deque()

    @property
    def alive(self) -> bool:
        """Whether the child still runs; a server elsewhere is taken to."""
        return self.process is None or self.process.poll() is None

    @property
    def log(self) -> str:
        """The last lines the child wrote to stderr, for Copy Diagnostics."""
        return "\n".join(self._said)

    def stop(self, patience: float = 5.0) -> None:
        """End the child and wait until it is gone, so that its files may be replaced. Safe to call again."""
        process = self.process
        if process is None:
            return
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()  # the child ends by itself
        for end in (process.terminate, process.kill):
            try:
                process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                end()
        process.wait()
        for stream in (process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                assert stream is not None
                stream.close()

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    python: str | Path | None = None,
    *,
    device: str | None = None,
    threads: int | None = None,
    networks: str | Path | None = None,
    patience: float = 60.0,
    package: str | Path = PACKAGE,
) -> Backend:
    """A backend that has said where it listens.

    SABI_SERVER (with SABI_TOKEN) names a server to use instead of a child; SABI_DEVICE and SABI_THREADS override in the child.
    `python` is the interpreter of an environment that has Sabi's dependencies; None takes this one and the wheels that this
    process sees. Raises BackendNotInstalled (no such interpreter, packages missing), BackendNotStarting (it crashed, or said
    nothing for `patience` seconds), ProtocolMismatch, and what the child itself reports.
    """
    if server := os.environ.get("SABI_SERVER"):
        return Backend(Client(server))
    token = secrets.token_urlsafe(32)
    options = [("--device", device), ("--threads", threads), ("--networks", networks)]
    arguments = [text for name, value in options if value is not None for text in (name, str(value))]
    command = command_for("sabi.backend.server.serve", arguments, python, package=package)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_for(token, embedded=python is None),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise BackendNotInstalled(
            f"The Python of the backend cannot be run: {command[0]} ({error.strerror or error}).",
            "Check the environment named in the preferences.",
        ) from None
    said: deque[str] = deque(maxlen=200)
    reading = threading.Thread(target=_keep_reading, args=(process.stderr, said), name="sabi-log", daemon=True)
    reading.start()
    backend = Backend(Client("127.0.0.1:1", token), process, said)
    try:
        hello = _hello(process, patience)
        if "error" in hello:
            raise SabiError.from_dict(hello["error"])
        check_protocol(hello.get("protocol"))
        backend.client = Client(f"127.0.0.1:{int(hello['port'])}", token)
    except (_Silent, KeyError, TypeError, ValueError) as silent:
        alive = backend.alive
        backend.stop(patience=0.5)
        reading.join(1)
        raise _not_starting(silent, alive, backend.log, patience) from None
    except BaseException:
        backend.stop(patience=0.5)
        raise
    return backend


class _Silent(Exception):
    """The child closed its output, or wrote what is not the line that is expected."""


def command_for(
    module: str, arguments: Sequence[str], python: str | Path | None = None, *, package: str | Path = PACKAGE
) -> list[str]:
    """The command that runs `main` of a module of this very copy of Sabi; `python` as in `start`, and raises as it does."""
    if python is not None:
        return [str(python), "-c", _BOOTSTRAP, str(package), "0", module, *arguments]
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise BackendNotInstalled(f"The embedded backend is not part of this installation: {missing[0]} is missing.")
    paths = list(dict.fromkeys(str(Path(_origin(name)).parents[1]) for name in NEEDED))
    return [_own_python(), "-I", "-c", _BOOTSTRAP, str(package), str(len(paths)), *paths, module, *arguments]


def _own_python() -> str:
    """The interpreter this process embeds or is. A Blender that uses the system's Python may name itself instead."""
    names = [f"python{sys.version_info.major}.{sys.version_info.minor}", "python3", "python", "python.exe"]
    folders = [folder for prefix in (sys.prefix, sys.base_prefix) for folder in (Path(prefix, "bin"), Path(prefix))]
    for candidate in (Path(sys.executable or "."), *(folder / name for folder in folders for name in names)):
        if candidate.stem.lower().startswith("python") and candidate.is_file():
            return str(candidate)
    raise BackendNotInstalled(
        "This Blender's Python interpreter was not found.", "Name an environment with Sabi in the preferences."
    )


def _origin(name: str) -> str:
    """The file of a package's __init__, without importing it: nothing compiled is ever loaded into this process."""
    spec = find_spec(name)
    assert spec is not None
    return spec.origin or str(Path(next(iter(spec.submodule_search_locations or [""])), "__init__.py"))


def environment_for(token: str, *, embedded: bool) -> dict[str, str]:
    """Ours and the token, without what would lead another Python astray: also not to modules of the folder we were started in."""
    without = {"PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUTF8"} | ({"PYTHONPATH"} if embedded else set())
    own = {"SABI_TOKEN": token, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in os.environ.items() if name not in without} | own


def _hello(process: subprocess.Popen[bytes], patience: float) -> dict[str, Any]:
    """The child's first line; raises _Silent."""
    lines: queue.Queue[bytes] = queue.Queue()
    assert process.stdout is not None
    stdout = process.stdout
    threading.Thread(target=lambda: lines.put(_first_line(stdout)), name="sabi-hello", daemon=True).start()
    try:
        line = lines.get(timeout=patience)
    except queue.Empty:
        raise _Silent("slow") from None
    hello = json.loads(line) if line else None
    if not isinstance(hello, dict):
        raise _Silent("ended")
    return hello


def _first_line(stdout: IO[bytes]) -> bytes:
    try:
        return stdout.readline(1 << 16)
    except (OSError, ValueError):
        return b""


def _keep_reading(stderr: IO[bytes], said: deque[str]) -> None:
    """Empty the child's stderr, so that it never waits for us."""
    with contextlib.suppress(OSError, ValueError):
        for line in stderr:
            said.append(line.decode("utf-8", "replace").rstrip())


def _not_starting(why: Exception, alive: bool, log: str, patience: float) -> BackendError:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    if "ModuleNotFoundError" in last or "ImportError" in last:
        return BackendNotInstalled(f"The backend's environment is not complete: {last.partition(': ')[2] or last}.")
    if isinstance(why, _Silent) and str(why) == "slow" and alive:
        return BackendNotStarting(
            f"The backend said nothing for {patience:g} seconds.",
            "It may be slow to start on this machine: try again, or see Copy Diagnostics in the preferences.",
        )
    return BackendNotStarting(f"The backend ended while it started{': ' + last[:300] if last else ''}.")
