# SPDX-License-Identifier: GPL-3.0-or-later
"""Revert pressed with the mouse, and taken back with Ctrl Z."""

import bpy
from buttons import push
from screen import photograph
from undoing import by_key, differing, state, steps
from visit import Steps, addon, in_view, report, view

LEFT = 0.3  # across the sidebar: it shares its row


def revert() -> Steps:
    _, area, _ = view()
    area.spaces.active.show_region_ui = True
    with in_view():
        bpy.ops.ed.undo_push(message="Before Revert")  # scripts push none of their own
    yield 1.0
    before, (names, _) = state(), steps()
    yield from push("sabi.revert()", LEFT)
    yield 0.5
    noted = {"steps": steps()[0][len(names) :], "left": _weathered()}
    yield from photograph("reverted")
    yield from by_key("ctrl+z", len(names) - 1)
    noted |= {"undone": differing(before, state()), "again": _weathered()}
    report["revert"] = noted
    area.spaces.active.show_region_ui = False
    yield 0.5


def _weathered() -> bool:
    return addon("nodes.on_object").weathered(bpy.data.objects[report["object"]]) is not None
