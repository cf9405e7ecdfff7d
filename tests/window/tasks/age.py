# SPDX-License-Identifier: GPL-3.0-or-later
"""Age animated with the mouse over its slider and with the key I."""

import time

import bpy
import numpy as np
from buttons import find
from hands import drag, move, press
from screen import photograph
from visit import Steps, addon, rectangle, report, view

ENDS = (("shift+Left", -70), ("shift+Right", 120))  # the key to the first and to the last frame; how far age is dragged


def animate_age() -> Steps:
    """The slider dragged and keyed at both ends of the scene; then gone to again, and the younger one looked at."""
    _, area, _ = view()
    bpy.context.preferences.inputs.use_mouse_continuous = False  # Blender would put the mouse elsewhere while it drags
    area.spaces.active.show_region_ui = True
    yield 1.0
    x, y = yield from find("default_value")
    before, dragged, keyed = _age(), [], []
    for key, across in ENDS:
        yield from _go(key)
        yield from drag([(int(x + part), y) for part in np.linspace(0, across, 12)])
        dragged.append(_age())
        yield from _key(x, y)
        keyed.append(bpy.context.scene.frame_current)
    yield from _go(ENDS[0][0])
    yield from photograph("age first")
    shown = [_age()]
    yield from _go(ENDS[1][0])
    shown.append(_age())
    report["age"] = {"before": before, "dragged": dragged, "frames": keyed, "shown": shown}
    move(x, y)
    yield 0.5
    press("alt+shift+i")
    yield 0.5
    yield from _go("shift+Left")
    _socket().default_value = before
    area.spaces.active.show_region_ui = False
    yield 0.5


def _go(key: str) -> Steps:
    """To another frame, with the mouse over the view."""
    left, top, right, bottom = rectangle(view()[2])
    move((left + right) // 2 - 200, (top + bottom) // 2)
    yield 0.2
    press(key)
    scene = bpy.context.scene
    wanted = scene.frame_start if key.endswith("Left") else scene.frame_end
    until = time.monotonic() + 30.0
    while scene.frame_current != wanted and time.monotonic() < until:  # a view that is drawn in software answers late
        yield 0.1
    yield 0.7


def _key(x: int, y: int) -> Steps:
    """I over the slider, again where it does not turn yellow: a slow machine does not know yet where the mouse is."""
    frame = bpy.context.scene.frame_current
    for _ in range(5):
        move(x - 2, y)
        yield 0.3
        move(x, y)
        yield 0.5
        press("i")
        yield 1.0
        animated = _socket().id_data.animation_data
        if animated is not None and animated.action is not None and frame in tuple(animated.action.frame_range):
            return


def _socket() -> bpy.types.NodeSocket:
    return addon("nodes.on_object").weathered(bpy.data.objects[report["object"]]).layers[0]["Age"]


def _age() -> float:
    return round(_socket().default_value, 4)
