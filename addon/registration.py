# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is told of at enabling, in order, and forgets at disabling in the opposite order.

The modules are imported when Blender asks, so that those without bpy inside can be imported anywhere.
"""

from __future__ import annotations

import gc
from importlib import import_module

_MODULES = (
    "interface.translations",
    "recipe.presets",
    "interface.live",
    "exports.export_settings",
    "recipe.properties",
    "preferences",
    "surface.stage",
    "work",
    "handlers",
    "nodes.drivers",
    "nodes.freshness",
    "pixels.saving",
    "ending",
    "interface.operators",
    "interface.export_operators",
    "interface.lapse_operators",
    "interface.service_operators",
    "interface.recipes",
    "interface.asset_operators",
    "interface.mask_operators",
    "interface.overlay_operators",
    "interface.instance_operators",
    "interface.remedies",
    "interface.degree_operators",
    "interface.exemplar_operators",
    "interface.delight_operators",
    "interface.photograph_operators",
    "interface.panels",
)


def register() -> None:
    collecting = gc.isenabled()
    gc.disable()  # else a pass over all of Blender's objects falls among these imports, which leave nothing to collect
    try:
        for name in _MODULES:
            import_module(f".{name}", __package__).register()
    finally:
        if collecting:
            gc.enable()


def unregister() -> None:
    for name in reversed(_MODULES):
        import_module(f".{name}", __package__).unregister()
