# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs here and what does not, and why: for `sabi doctor`, for GET /v1/health and for Copy Diagnostics."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .networks import session
from .networks.device import GPUS, PROVIDERS, Device, why_missing
from .networks.registry import Networks
from .protocol.wire import PROTOCOL_VERSION
from .server.spool import Spool
from .version import VERSION

if sys.platform == "darwin":
    import resource

# import name -> the distributions it may come from. Blender keeps all wheels in one folder and the highest version wins
_PACKAGES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime"),
    "OpenImageIO": ("OpenImageIO",),
    "starlette": ("starlette",),
    "uvicorn": ("uvicorn",),
    "anyio": ("anyio",),
    "h11": ("h11",),
}


def report(networks: Networks, spool: Path | None = None) -> dict[str, Any]:
    """Everything as plain JSON. `device.used` is known once a network was loaded; `spool` is the Spool's folder."""
    return {
        "sabi": VERSION,
        "protocol": PROTOCOL_VERSION,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "pid": os.getpid(),
        "device": device(networks),
        "networks": [
            {
                "name": network.card.name,
                "version": network.card.version,
                "sha256": network.sha256,
                "file": str(network.path),
                "card": json.loads(network.card.to_json()),
            }
            for network in networks.found
        ],
        "problems": [problem.to_dict() for problem in networks.problems],
        "packages": packages(),
        "memory": memory(),
        "disk": disk(spool or Spool().folder),
    }


def device(networks: Networks) -> dict[str, Any]:
    """`asked`, `used` (None until a network has run), `reasons` why not another, a `hint`, `threads`, what the runtime has."""
    asked, used, reasons = networks.options.device, networks.device, list(networks.reasons)
    hint = ""
    if used in (None, Device.CPU) and asked is not Device.CPU:
        wanted = GPUS[0] if asked is Device.AUTO else asked
        sentence, hint = why_missing(wanted)
        if not reasons and PROVIDERS[wanted] not in session.available_providers():
            reasons = [sentence]
    return {
        "asked": asked.value,
        "used": used.value if used else None,
        "reasons": reasons,
        "hint": hint if reasons else "",
        "threads": networks.options.threads,
        "providers": session.available_providers(),
    }


def packages() -> dict[str, dict[str, str]]:
    """Version and place of every package that counts: which wheels won."""
    found = {}
    for name, distributions in _PACKAGES.items():
        spec = find_spec(name)
        versions = []
        for distribution in distributions:
            try:
                versions.append(f"{distribution} {metadata.version(distribution)}")
            except metadata.PackageNotFoundError:
                continue
        origin = str(Path(spec.origin).parent) if spec and spec.origin else ""
        found[name] = {"version": ", ".join(versions) or ("unknown" if spec else "missing"), "folder": origin}
    return found


def memory() -> dict[str, int]:
    """Megabytes: this process's resident memory, its peak, the machine's available and whole memory, as far as they are known."""
    if sys.platform == "linux":
        own, machine = _proc("/proc/self/status"), _proc("/proc/meminfo")
        known = {
            "resident": own.get("VmRSS"),
            "anonymous": own.get("RssAnon"),
            "peak": own.get("VmHWM"),
            "available": machine.get("MemAvailable"),
            "total": machine.get("MemTotal"),
        }
        return {name: value // 1024 for name, value in known.items() if value is not None}
    if sys.platform == "darwin":
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20}
    return {}


def disk(folder: Path) -> dict[str, Any]:
    """Where temporary files go and how much room is there."""
    try:
        return {"spool": str(folder), "free_mb": shutil.disk_usage(folder).free >> 20}
    except OSError as error:
        return {"spool": str(folder), "error": str(error)}


def _proc(path: str) -> dict[str, int]:
    """The numbers of a file of `name: number kB` lines."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.endswith("kB"))
    return {name: int(rest.split()[0]) for name, rest in pairs}
