# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is told of at enabling, in order, and forgets at disabling in the opposite order.

The modules are imported when Blender asks, so that those without bpy inside can be imported anywhere.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "translations",
    "presets",
    "live",
    "export_settings",
    "properties",
    "preferences",
    "stage",
    "work",
    "handlers",
    "freshness",
    "saving",
    "ending",
    "operators",
    "export_operators",
    "lapse_operators",
    "service_operators",
    "recipes",
    "asset_operators",
    "mask_operators",
    "overlay_operators",
    "instance_operators",
    "remedies",
    "degree_operators",
    "exemplar_operators",
    "delight_operators",
    "photograph_operators",
    "panels",
)


def register() -> None:
    for name in _MODULES:
        import_module(f".{name}", __package__).register()


def unregister() -> None:
    for name in reversed(_MODULES):
        import_module(f".{name}", __package__).unregister()
