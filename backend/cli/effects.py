# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi effects`: what there is to choose from: effects with their defaults, styles, presets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Table

from ..networks.registry import Networks
from ..protocol.errors import NetworkError
from ..protocol.recipe import Effect, Layer, effect_named, load_preset, preset_names
from . import options as o
from .report import out, print_json, show_warning


def command(as_json: o.JsonOption = False) -> None:
    """List the effects with their defaults, the styles of the network that is installed, and the presets."""
    data = catalogue()
    if as_json:
        print_json(data)
        return
    table = Table(
        "effect", "styles", "size", "weathers first", title="Effects (--effect, --style)", title_justify="left"
    )
    for name, entry in data["effects"].items():
        weights = {k: v for k, v in entry["exposure"].items() if k in ("edges", "cavities", "up", "drips", "ground")}
        first = [k for k, v in sorted(weights.items(), key=lambda kv: -kv[1]) if v >= 0.3]
        table.add_row(name, ", ".join(entry["styles"]), f"{entry['feature_size']:g} m", ", ".join(first))
    out.print(table)
    presets = Table("preset", "layers", "age", title="Presets (--recipe)", title_justify="left")
    for name, entry in data["presets"].items():
        presets.add_row(name, ", ".join(entry["effects"]), ", ".join(f"{age:g}" for age in entry["ages"]))
    out.print(presets)
    if data["problem"]:
        show_warning(data["problem"])


def catalogue() -> dict[str, Any]:
    """Effects, styles, presets and defaults as plain data; `problem` says why styles could not be read."""
    styles: dict[str, list[str]] = {}
    problem = ""
    try:
        card = Networks.load().newest("painter").card
        styles = {effect: list(codes) for effect, codes in card.styles.items()}
    except NetworkError as error:
        problem = error.for_artist
    effects = {}
    for name in dict.fromkeys([*(effect.value for effect in Effect), *styles]):
        layer = Layer(effect_named(name))
        assert layer.exposure is not None
        effects[name] = {
            "styles": styles.get(name, []),
            "feature_size": layer.feature_size,
            "relief": layer.relief,
            "exposure": asdict(layer.exposure),
        }
    presets = {}
    for name in preset_names():
        recipe = load_preset(name)
        presets[name] = {
            "effects": [layer.effect.value for layer in recipe.layers],
            "ages": [layer.age for layer in recipe.layers],
        }
    return {"effects": effects, "presets": presets, "problem": problem}
