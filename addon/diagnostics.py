# SPDX-License-Identifier: GPL-3.0-or-later
"""What to copy into a report: versions, machine, choices, what the backend says, the last error. Never a token."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from . import work
from .service import Service, ServiceSettings


def lines(service: Service, settings: ServiceSettings) -> list[str]:
    """One fact a line, as `name: value`. Asks nobody: fast enough to draw."""
    facts = {
        "Sabi": version(),
        "Blender": f"{bpy.app.version_string}, {'no window' if bpy.app.background else 'window'}",
        "System": f"{platform.system()} {platform.release()} {platform.machine()}, Python {sys.version.split()[0]}",
        "Backend": _backend(service, settings),
        "Device asked for": settings.device,
        "Threads": str(settings.threads or "automatic"),
    }
    facts |= _said_by_backend(service.health)
    if (failure := work.failure()) is not None:
        facts["Last error"] = f"[{failure.code}] {failure.for_artist}"
        if failure.__cause__ is not None:
            facts["Cause"] = repr(failure.__cause__)
    facts |= {f"Backend said {n}": line for n, line in enumerate(service.log.splitlines()[-10:], start=1)}
    return [f"{name}: {value}" for name, value in facts.items()]


def version() -> str:
    """The version in the extension's manifest."""
    import tomllib

    manifest = Path(__file__).parents[1] / "blender_manifest.toml"
    try:
        return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


def _backend(service: Service, settings: ServiceSettings) -> str:
    if settings.server:
        return f"server at {settings.server}"
    running = f"process {service.process_id}" if service.process_id else "not running"
    return f"{running}, {settings.python or 'embedded'}"


def _said_by_backend(health: Mapping[str, Any]) -> dict[str, str]:
    """The telling parts of what the backend last said of itself; it may be another version than ours."""
    if not health:
        return {}
    device = health.get("device")
    facts = {
        "Backend's version": f"{health.get('sabi')}, protocol {health.get('protocol')}, Python {health.get('python')}"
    }
    if isinstance(device, Mapping):
        facts["Device used"] = str(device.get("used") or "none yet")
        facts["Device notes"] = "; ".join([*map(str, device.get("reasons", ())), str(device.get("hint", ""))]).strip(
            "; "
        )
    networks = [n for n in health.get("networks", ()) if isinstance(n, Mapping)]
    facts["Networks"] = ", ".join(f"{n.get('name')} {n.get('version')} {str(n.get('sha256'))[:12]}" for n in networks)
    packages = health.get("packages", {})
    facts["Packages"] = (
        ", ".join(str(p.get("version")) for p in packages.values()) if isinstance(packages, Mapping) else ""
    )
    facts["Memory"] = str(health.get("memory", ""))
    facts["Problems"] = "; ".join(map(str, health.get("problems", ())))
    return {name: value for name, value in facts.items() if value}


def device_of(health: Mapping[str, Any]) -> str:
    """What the backend runs on, in words."""
    device = health.get("device")
    return str(device.get("used") or device.get("asked")) if isinstance(device, Mapping) else "an unknown device"
