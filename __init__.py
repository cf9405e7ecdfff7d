# SPDX-License-Identifier: GPL-3.0-or-later
"""Sabi weathers 3D assets: rust, peeling paint, moss and dirt, painted by neural networks.

This folder is the Python package `sabi` and a Blender extension at once. Inside Blender, where it is called
`bl_ext.<repository>.sabi`, it offers register and unregister; elsewhere it offers the names of `__all__`, each
imported at its first use, so that `import sabi` needs neither Blender nor onnxruntime.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "weather": ".backend.weathering.pipeline",
    "reage": ".backend.weathering.pipeline",
    "paint_photograph": ".backend.weathering.pipeline",
    "delight": ".backend.weathering.delight",
    "harmonized": ".backend.weathering.harmonize",
    "Weathered": ".backend.weathering.pipeline",
    "Surface": ".backend.protocol.surface",
    "Map": ".backend.protocol.surface",
    "Space": ".backend.protocol.surface",
    "ColorSpace": ".backend.protocol.surface",
    "photograph": ".backend.protocol.photograph",
    "Still": ".backend.protocol.still",
    "Down": ".backend.protocol.still",
    "Material": ".backend.protocol.materials",
    "Recipe": ".backend.protocol.recipe",
    "Layer": ".backend.protocol.recipe",
    "Effect": ".backend.protocol.recipe",
    "Exposure": ".backend.protocol.recipe",
    "Frame": ".backend.protocol.recipe",
    "Exemplar": ".backend.protocol.exemplar",
    "exemplar_of": ".backend.photographed.exemplar",
    "degree_of": ".backend.photographed.degree_map",
    "DegreeMethod": ".backend.photographed.degree",
    "PaintedLayer": ".backend.protocol.painted",
    "SabiError": ".backend.protocol.errors",
    "Client": ".backend.protocol.client",
    "read_surface": ".backend.files",
    "read_still": ".backend.files.photograph",
    "write_surface": ".backend.files",
}

__all__ = list(_PUBLIC)

if __package__.startswith("bl_ext."):
    from .addon import register, unregister  # noqa: F401  (Blender calls them)


def __getattr__(name: str):
    """The public name, imported from its module at its first use (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name], __package__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
