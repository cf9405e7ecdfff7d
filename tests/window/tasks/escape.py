# SPDX-License-Identifier: GPL-3.0-or-later
"""Esc pressed at work."""

import bpy
from hands import press
from visit import Steps, addon, began, in_view, report, touched, wait_for_work


def escape(name: str, stage_is) -> Steps:
    """Begins to weather, presses Esc at a stage, and notes whether everything is as it was."""
    before = touched()
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=1024)
    yield from began(stage_is)
    press("Escape")
    yield from wait_for_work(60.0)
    yield 0.5
    work = addon("work").current()
    after = touched()
    changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    report[name] = {"error": work.error.code if work.error else "", "changed": changed, "stage": work.progress.stage}


def escape_while_baking() -> Steps:
    yield from escape("esc while baking", lambda: bpy.app.is_job_running("OBJECT_BAKE"))


def escape_while_painting() -> Steps:
    """Whichever stage of the backend is seen first: they pass quickly."""
    at_work = ("Sending", "Surveying", "Painting", "Laying", "Encoding")
    yield from escape("esc while painting", lambda: addon("work").current().progress.stage.startswith(at_work))
