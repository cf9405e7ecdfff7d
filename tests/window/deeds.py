# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators undone and redone with the keys, each with a look at all that the file holds before and after."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import bpy
import numpy as np
from undoing import by_key, differing, state, steps
from visit import OUT, Steps, addon, in_view, report, view, wait_for_work

THING = "Undone"
_others: set[str] = set()  # what earlier tasks left


def begin() -> bpy.types.Object:
    """A cube of its own for what follows, the same for every task; what was there before is not looked at."""
    bpy.context.preferences.edit.undo_steps = 256
    view()[1].spaces.active.shading.type = "SOLID"
    report.setdefault("undone", {})
    report["operators"] = dir(bpy.ops.sabi)
    if THING in bpy.data.objects:
        return bpy.data.objects[THING]
    _others.update(state().keys() - {"recipe"})
    bpy.ops.mesh.primitive_cube_add(size=1)
    thing = bpy.context.object
    thing.name = thing.data.name = THING
    thing.data.materials.append(bpy.data.materials.new(THING))
    thing.data.materials[0].use_nodes = True
    photograph = bpy.data.images.new("Photograph", 64, 64)
    photograph.pixels.foreach_set(np.random.default_rng(0).random(64 * 64 * 4, np.float32))
    photograph.filepath_raw, photograph.file_format = str(OUT / "photograph.png"), "PNG"
    photograph.save()
    return thing


def deed(name: str, operator: Callable, context: AbstractContextManager | None = None, **how: object) -> Steps:
    """One operator as a button has it, in the 3D view or a `context`, with an undo step of its own; notes what differs."""
    with context or in_view():
        bpy.ops.ed.undo_push(message="Ready")  # scripts push none of their own
        before, count, last = _own(), len(steps()[0]), addon("work").current()
        try:
            operator("EXEC_DEFAULT", True, **how)
        except RuntimeError as error:
            report["undone"][name] = {"error": str(error)}
            return
    yield from wait_for_work()
    yield 0.1
    work, after, there = addon("work").current(), _own(), steps()[0]
    noted = {"steps": there[count:], "changed": differing(before, after)}
    if work is not last and work.error is not None:
        noted["error"] = work.error.for_artist
    report["undone"][name] = noted
    if len(there) == count:
        return
    yield from by_key("ctrl+z", count - 1)
    undone = _own()
    noted["undone"] = differing(before, undone)
    yield from by_key("ctrl+shift+z", count)
    redone = _own()
    noted["redone"] = differing(after, redone)
    noted["details"] = [[str(found.get(key)) for found in (before, undone)] for key in noted["undone"]]
    noted["details"] += [[str(found.get(key)) for found in (after, redone)] for key in noted["redone"]]


def _own() -> dict[str, object]:
    return {key: value for key, value in state().items() if key not in _others}
