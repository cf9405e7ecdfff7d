# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a real Blender with a window and does what an artist does, step by step, between redraws.

    blender --python drive.py -- REQUEST      REQUEST: JSON with zip ("" for what is installed), demo (the folder
                                              addon/demo), out, networks (a folder with one that takes light off), size,
                                              and parts: some of order.PARTS, separated by commas, quick: true for a
                                              view without shaders, to try out tasks, and newest: false to leave out
                                              order.NEWEST

Photographs of the screen and `report.json` go to `out`. Anything that fails is written there too, and Blender is left.
"""

import json
import subprocess
import sys
import traceback
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).parent))  # Blender does not look in a script's own folder
from order import scenario
from visit import OUT, entries, report


def main() -> None:
    bpy.context.preferences.view.show_splash = False
    steps = scenario()

    def tick() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            report["finished"] = True
        except Exception:
            report["failed"] = traceback.format_exc()
            subprocess.run(["import", "-window", "root", str(OUT / "failed.png")], check=False)
        entries.let_go_of_handlers()
        (OUT / "report.json").write_text(json.dumps(report, indent=1, default=str))
        bpy.context.preferences.use_preferences_save = False
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


main()
