# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is imported in a thread: asked for often, imported once, never waited for unless one says so."""

import sys
import threading
import time

import pytest

from sabi.addon.later import Later


class Held:
    """An importer that holds one module's import until it is let go."""

    def __init__(self, name):
        self.name, self.go, self.finds = name, threading.Event(), 0

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            self.finds += 1
            assert self.go.wait(10)


@pytest.fixture
def held(monkeypatch):
    name = "sabi.addon.surface.timing"
    monkeypatch.delitem(sys.modules, name, raising=False)
    held = Held(name)
    monkeypatch.setattr(sys, "meta_path", [held, *sys.meta_path])
    yield held
    held.go.set()


def test_asking_does_not_wait(held):
    later = Later("surface.timing")
    assert later.get() is None
    assert later.get() is None
    held.go.set()
    until = time.monotonic() + 10
    while later.get() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert later.get() is sys.modules[held.name]
    assert held.finds == 1


def test_who_waits_gets_it(held):
    held.go.set()
    assert Later("surface.timing").get(wait=True) is sys.modules[held.name]
