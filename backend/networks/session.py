# SPDX-License-Identifier: GPL-3.0-or-later
"""One network, loaded on the device that really runs it. The only file that imports onnxruntime.

In fp32 everywhere, without TF32, with fixed thread counts on the CPU: same in, same out.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from ..protocol.errors import DeviceError, NetworkError, OutOfMemory
from .card import Card
from .device import GPUS, PROVIDERS, Device, Options, user_cache, why_missing

LARGE = 1 << 22  # values of the largest input from which a session of its own, a fifth of a second, pays
AGREEMENT = 1 / 255  # a device whose tiny run is further than this from the CPU's is not used
_OUT_OF_MEMORY = (
    "available memory of",
    "failed to allocate memory",
    "out of memory",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
    "not enough memory",
    "8007000e",  # DirectML's E_OUTOFMEMORY
)


class Session:
    """A loaded network. `device` is the one it runs on, `reasons` says why not on those tried before it.

    With Device.AUTO a GPU is taken only when its provider is first in the session and a tiny run on it agrees with the CPU;
    otherwise the CPU runs. A device asked for by name that does not run raises DeviceError; a graph that is corrupt or is
    not what its card says raises NetworkError.
    """

    def __init__(self, model: bytes, card: Card, options: Options | None = None, name: str = "") -> None:
        self.card = card
        self.options = options or Options()
        self.name = name or card.name
        self.reasons: tuple[str, ...] = ()
        self._model = model
        self._sized: tuple[dict[str, int], Any] | None = None
        asked = self.options.device
        for device in (*GPUS, Device.CPU) if asked is Device.AUTO else (asked,):
            try:
                self._session = self._open(device)
                self.device = device
                return
            except DeviceError as error:
                if asked is not Device.AUTO:
                    raise
                self.reasons += (error.message,)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, float32, for inputs by name with a batch axis. Raises OutOfMemory, DeviceError or NetworkError."""
        large = self.device is Device.CPU and max(array.size for array in inputs.values()) >= LARGE
        return self._run(self._of_size(inputs) if large else self._session, inputs)

    def fall_back(self) -> bool:
        """Go on on the CPU; False when it already runs there."""
        if self.device is Device.CPU:
            return False
        self.reasons += (f"The memory of {self.device.value} ran out.",)
        self._session = self._open(Device.CPU)
        self.device = Device.CPU
        return True

    def shrink(self) -> None:
        """Give the memory that large runs took back to the system; it outlives the session otherwise."""
        self._run(self._session, self._tiny_inputs(), shrink=True)

    def _of_size(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """A session for these sizes alone, kept until others come: knowing them it adds where it convolves, a tenth faster."""
        sizes = {
            name: size
            for node in self._session.get_inputs()
            if node.name in inputs
            for name, size in zip(node.shape, inputs[node.name].shape, strict=False)  # the run says where ranks differ
            if isinstance(name, str)
        }
        sized = self._sized
        if sized is None or sized[0] != sizes:
            self._sized = sized = sizes, self._open(Device.CPU, sizes)
        return sized[1]

    def _open(self, device: Device, sizes: Mapping[str, int] | None = None) -> Any:
        provider = PROVIDERS[device]
        if device is not Device.CPU:
            if provider not in onnxruntime.get_available_providers():
                raise DeviceError(*why_missing(device))
            _preload_libraries()
        try:
            with _stdout_to_stderr():
                options = _session_options(self.options, sizes or {})
                session = onnxruntime.InferenceSession(self._model, options, providers=_providers(device, self.options))
        except Exception as error:  # onnxruntime's exceptions have no common root but Exception
            if device is not Device.CPU:
                raise DeviceError(
                    f"{device.value} does not start: {_first_line(error)}", why_missing(device)[1]
                ) from error
            if any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
                raise OutOfMemory(f"There is not enough memory to load the network {self.name}.") from error
            raise NetworkError(f"The network {self.name} cannot be loaded: {_first_line(error)}") from error
        session.disable_fallback()  # silent otherwise
        if session.get_providers()[0] != provider:
            raise DeviceError(*why_missing(device))
        self._check_graph(session)
        if device is not Device.CPU:
            self._prove(session, device)
        return session

    def _check_graph(self, session: Any) -> None:
        """Raises NetworkError unless the graph's inputs and outputs are those of the card."""
        for what, nodes, promised in (
            ("inputs", session.get_inputs(), self.card.inputs),
            ("outputs", session.get_outputs(), self.card.outputs),
        ):
            shapes = {node.name: node.shape for node in nodes}
            if set(shapes) != set(promised):
                raise NetworkError(
                    f"The network {self.name} has the {what} {sorted(shapes)}; its card says {sorted(promised)}."
                )
            if what == "inputs":
                self._ranks = {name: len(shape) for name, shape in shapes.items()}
            for name, shape in shapes.items():
                if len(shape) < 2 or (isinstance(shape[1], int) and shape[1] != len(promised[name])):
                    raise NetworkError(f"The network {self.name}: {name} does not have the channels its card says.")

    def _prove(self, session: Any, device: Device) -> None:
        """One tiny run on the device, held against the CPU; raises DeviceError."""
        inputs = self._tiny_inputs()
        try:
            here, there = self._run(session, inputs), self._run(self._open(Device.CPU), inputs)
        except OutOfMemory as error:
            raise DeviceError(f"{device.value} has no memory left.", error.hint) from error
        except NetworkError as error:
            raise DeviceError(
                f"{device.value} does not run the network. {error.message}", why_missing(device)[1]
            ) from error
        apart = max(float(np.abs(here[name] - there[name]).max()) for name in there)
        if not apart <= AGREEMENT:
            raise DeviceError(
                f"{device.value} computes other results than the CPU (by {apart:.3g}).", "Update its driver."
            )

    def _tiny_inputs(self) -> dict[str, np.ndarray]:
        """The smallest image that is more than one multiple, of random values."""
        side = 2 * self.card.multiple
        random = np.random.default_rng(0)
        inputs = {}
        for name, channels in self.card.inputs.items():
            stride = self.card.noise.get(name, (1, 0))[0]
            extent = (side // stride, side // stride) if self._ranks[name] == 4 else ()
            inputs[name] = random.random((1, len(channels), *extent), np.float32)
        return inputs

    def _run(self, session: Any, inputs: Mapping[str, np.ndarray], shrink: bool = False) -> dict[str, np.ndarray]:
        names = [node.name for node in session.get_outputs()]
        try:
            return dict(zip(names, session.run(names, dict(inputs), _run_options(shrink)), strict=True))
        except MemoryError as error:
            raise OutOfMemory(f"There is not enough memory to run the network {self.name}.") from error
        except Exception as error:
            if any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
                raise OutOfMemory(f"There is not enough memory to run the network {self.name}.") from error
            raise NetworkError(f"The network {self.name} failed: {_first_line(error)}", "Run `sabi doctor`.") from error


def available_providers() -> list[str]:
    return list(onnxruntime.get_available_providers())


def _session_options(options: Options, sizes: Mapping[str, int]) -> Any:
    _share_arena(options.memory_limit)
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = options.threads
    chosen.use_deterministic_compute = True
    chosen.enable_mem_pattern = False  # sizes change from tile to tile; DirectML demands it
    for name, size in sizes.items():
        chosen.add_free_dimension_override_by_name(name, size)
    chosen.log_severity_level = 4  # failures are raised, and tiling recovers from some
    chosen.add_session_config_entry("session.use_env_allocators", "1")
    chosen.add_session_config_entry("session.force_spinning_stop", "1")  # leaves the cores to Blender between tiles
    return chosen


@functools.cache
def _run_options(shrink: bool) -> Any:
    chosen = onnxruntime.RunOptions()
    if shrink:
        chosen.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return chosen


@functools.cache
def _arena(limit: int) -> None:
    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    same_as_requested = 1
    onnxruntime.create_and_register_allocator(kind, onnxruntime.OrtArenaCfg(limit, same_as_requested, -1, -1))


def _share_arena(limit: int) -> None:
    """One CPU arena for all sessions of the process, at most `limit` bytes (0: no limit). The first limit stays."""
    if not _arena.cache_info().currsize:
        _arena(limit)


def _providers(device: Device, options: Options) -> list[Any]:
    settings: dict[str, str] = {}
    if device in (Device.CUDA, Device.TENSORRT):
        cuda = {
            "cudnn_conv_algo_search": "HEURISTIC",  # EXHAUSTIVE costs half a second for each new size
            "arena_extend_strategy": "kSameAsRequested",
            "use_tf32": "0",
        }
        if options.memory_limit:
            cuda["gpu_mem_limit"] = str(options.memory_limit)
        if device is Device.CUDA:
            settings = cuda
        else:
            folder = user_cache() / "tensorrt"
            folder.mkdir(parents=True, exist_ok=True)
            settings = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder), "trt_fp16_enable": "0"}
            return [(PROVIDERS[device], settings), (PROVIDERS[Device.CUDA], cuda), PROVIDERS[Device.CPU]]
    if device is Device.COREML:
        settings = {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"}
    first = (PROVIDERS[device], settings)
    return [first] if device is Device.CPU else [first, PROVIDERS[Device.CPU]]


@functools.cache
def _preload_libraries() -> None:
    """CUDA's and cuDNN's libraries from the pip packages, once, before the first session that wants them."""
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # TensorRT listens to nothing else
    if hasattr(onnxruntime, "preload_dlls"):
        with _stdout_to_stderr():
            onnxruntime.preload_dlls()


def _stdout_to_stderr() -> contextlib.AbstractContextManager[Any]:
    """onnxruntime prints its complaints; stdout belongs to the line that says the port."""
    return contextlib.redirect_stdout(sys.stderr)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
