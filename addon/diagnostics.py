# SPDX-License-Identifier: GPL-3.0-or-later
"""What to copy into a report: versions, machine, choices, what the backend says of itself, the last error. Never a token."""

from __future__ import annotations

import json
import platform
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

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
    facts |= {f"Backend's {key}": _short(value) for key, value in service.health.items()}
    last = work.current()
    if last is not None and last.error is not None:
        facts["Last error"] = f"[{last.error.code}] {last.error.for_artist}"
        if last.error.__cause__ is not None:
            facts["Cause"] = repr(last.error.__cause__)
    return [f"{name}: {value}" for name, value in facts.items()]


def version() -> str:
    """The version in the extension's manifest."""
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


def _short(value: object) -> str:
    text = json.dumps(value, default=str) if isinstance(value, Mapping | list) else str(value)
    return text if len(text) <= 300 else text[:297] + "..."
