# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processor runs the networks, and in words an artist can act on, why another does not."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from ..protocol.errors import DeviceError


class Device(Enum):
    """What may be asked for, and, but for AUTO, what may run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    DIRECTML = "directml"
    COREML = "coreml"


PROVIDERS = {
    Device.CPU: "CPUExecutionProvider",
    Device.CUDA: "CUDAExecutionProvider",
    Device.TENSORRT: "TensorrtExecutionProvider",
    Device.DIRECTML: "DmlExecutionProvider",
    Device.COREML: "CoreMLExecutionProvider",
}
# What auto tries, in this order, where the platform can have it. Not TensorRT: it builds engines for minutes at each new size.
GPUS = {"darwin": (Device.COREML,), "win32": (Device.CUDA, Device.DIRECTML)}.get(sys.platform, (Device.CUDA,))


@dataclass(frozen=True)
class Options:
    """How to run networks this time. `threads` 0 leaves the number to onnxruntime (one a physical core)."""

    device: Device = Device.AUTO
    threads: int = 0
    memory_limit: int = 0  # bytes, 0 for none

    @staticmethod
    def choose(
        device: Device | str | None = None, threads: int | None = None, memory_limit: int | None = None
    ) -> Options:
        """SABI_DEVICE and SABI_THREADS override what is given, SABI_MEMORY_MB fills in. Raises DeviceError for nonsense."""
        asked = os.environ.get("SABI_DEVICE") or device or Device.AUTO
        try:
            chosen = Device(asked.lower() if isinstance(asked, str) else asked)
        except ValueError:
            names = ", ".join(d.value for d in Device)
            raise DeviceError(f"'{asked}' is not a device.", f"Devices: {names}.") from None
        limit = _whole("SABI_MEMORY_MB", 0) << 20 if memory_limit is None else memory_limit
        return Options(chosen, _whole("SABI_THREADS", threads or _cores_allowed()), limit)


def why_missing(device: Device) -> tuple[str, str]:
    """One sentence why `device` cannot run here, and a hint what to install."""
    built = ", ".join(_runtimes()) or "onnxruntime"
    if device in (Device.CUDA, Device.TENSORRT):
        if not _has_nvidia_driver():
            return (
                f"{device.value}: no NVIDIA driver was found.",
                "Install NVIDIA's driver, if the machine has such a GPU.",
            )
        if "onnxruntime-gpu" not in _runtimes():
            return (
                f"{device.value}: an NVIDIA GPU is there, but {built} is built without it.",
                'Make an environment with `pip install "sabi-weathering[gpu]"` and name its Python in the preferences.',
            )
        if device is Device.TENSORRT:
            return "tensorrt: TensorRT's libraries did not load.", "`pip install tensorrt`, or choose cuda."
        return (
            "cuda: the libraries of CUDA or cuDNN did not load.",
            '`pip install "onnxruntime-gpu[cuda,cudnn]"` into the environment, and see that the driver is new enough.',
        )
    if device is Device.DIRECTML:
        if sys.platform != "win32":
            return "directml: only Windows has it.", "Choose auto."
        return f"directml: {built} is built without it.", "`pip install onnxruntime-directml` into the environment."
    if device is Device.COREML:
        if sys.platform != "darwin":
            return "coreml: only macOS has it.", "Choose auto."
        return f"coreml: {built} is built without it.", "`pip install onnxruntime` from PyPI has it."
    return f"{device.value} does not run here.", "Choose auto."


def user_cache() -> Path:
    """A folder of the user's for what can be made again."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "sabi"


def _runtimes() -> list[str]:
    """The distributions of onnxruntime that are installed."""
    found = []
    for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"):
        try:
            metadata.version(name)
            found.append(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _has_nvidia_driver() -> bool:
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvcuda.dll").exists()
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _cores_allowed() -> int:
    """The cores this process may use where the system restricts them, else 0."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
        return allowed if allowed < (os.cpu_count() or 1) else 0
    return 0


def _whole(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise DeviceError(f"{name} is '{text}', which is not a whole number.", f"Unset {name}, or set it to a number.")
    return int(text)
