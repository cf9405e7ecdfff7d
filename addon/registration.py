# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is told of at enabling, in order, and forgets at disabling in the opposite order."""

from __future__ import annotations

_MODULES = ()


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
