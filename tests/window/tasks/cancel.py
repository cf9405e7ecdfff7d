# SPDX-License-Identifier: GPL-3.0-or-later
"""Weather and Cancel, the panel's buttons, pressed with the mouse."""

import time

from buttons import find, push
from hands import click
from screen import screen, shot
from visit import Steps, addon, report, touched, view, wait_for_work


def cancel_by_button() -> Steps:
    view()[1].spaces.active.shading.type = "SOLID"
    before = touched()
    yield from push("sabi.weather()")
    work = addon("work").current()
    pressed = addon("work").busy()
    button = yield from find("sabi.cancel()")
    shot(screen(), "working")
    yield from click(*button)
    yield from wait_for_work(60.0)
    until = time.monotonic() + 120.0
    while touched() != before and time.monotonic() < until:  # a bake goes on to its end, then all is put back
        yield 0.2
    after = touched()
    report["cancel"] = {
        "pressed": pressed,
        "error": work.error.code if work.error else "",
        "changed": [key for key in before if before[key] != after[key]],
    }
    view()[1].spaces.active.shading.type = "MATERIAL"
