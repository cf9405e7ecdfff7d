# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi demo`: the project's own model weathered in Blender, before and after."""

from __future__ import annotations

import subprocess

import typer

from ..models import python_with_bpy


def command(context: typer.Context) -> None:
    """Build a model in Blender, weather it at five ages and render it before and after (out/demo/index.html).

    All arguments go to the demo: try `sabi demo --help`.
    """
    command = [python_with_bpy(), "-m", "sabi.addon.demo", *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
