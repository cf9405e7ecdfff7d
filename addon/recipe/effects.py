# SPDX-License-Identifier: GPL-3.0-or-later
"""Effects and their styles as the add-on knows them: effects are the recipe's, styles those of the painter in use."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...backend.protocol.errors import NetworkError
from ...backend.protocol.words import Effect

NETWORKS = Path(__file__).parents[2] / "backend" / "networks"
_NETWORKS = str(NETWORKS)
_SAID = {
    "rust": "Red-brown corrosion that starts at edges and crevices and runs down",
    "peeling_paint": "Paint that lifts and flakes off from edges",
    "moss": "Moss on faces that look upward and in cavities near the ground",
    "dirt": "Dust and grime that settles on top and in cavities",
    "scratches": "Scratches and worn edges down to the bare material",
    "patina": "Green and brown films that metals take on",
    "pitting": "Small pits that corrosion eats into metal",
    "stains": "What water leaves behind: leaks, rims and limescale",
    "cracks": "Cracks that open and branch",
    "erosion": "Stone and concrete that crumble away",
    "greyed_wood": "Wood that sun and rain turn grey",
}


def in_words(name: str) -> str:
    """`peeling_paint` as Peeling Paint."""
    return name.replace("_", " ").title()


# Files keep an effect by its place in this list: a new one is added to the end.
EFFECTS = [(effect.value, in_words(effect.value), _SAID.get(effect.value, "")) for effect in Effect]
TAUGHT, UNPAINTED = "What the painter in use was taught", "The painter in use does not paint this effect"
KNOWN = frozenset(identifier for identifier, _, _ in EFFECTS)
SEGMENTER = "segmenter_1"  # the network without which materials cannot be told apart
_TAUGHT_FROM, _TAUGHT_NUMBERS = 1000, 2**30
_heard: tuple[Mapping[str, Any] | None, Mapping[str, Any]] | None = None  # a backend's words, and the styles in them
_shipped: dict[str, Mapping[str, tuple[str, ...]]] = {}
_kept: dict[object, list[tuple[str, str, str, str, int]]] = {}  # Blender keeps no copy of such strings
_last: dict[str, tuple[object, list[tuple[str, str, str, str, int]]]] = {}  # and a panel asks for them a dozen times


def items(health: Mapping[str, Any] | None, also: str = "") -> list[tuple[str, str, str, str, int]]:
    """Effects to choose from: those that Sabi knows, those that the painter in use was taught besides, and `also`.

    Files keep an effect by its number: by the place in the list of those that are known, and by the name of those that are not.
    """
    now = _painted(health)
    if (last := _last.get(also)) is not None and last[0] is now:
        return last[1]
    painted = frozenset(now)
    taught = tuple(sorted({*painted, also} - KNOWN - {""}))
    if (key := (taught, painted)) not in _kept:
        found = [(*item, number) for number, item in enumerate(EFFECTS)]
        numbers = (_TAUGHT_FROM + zlib.crc32(name.encode()) % _TAUGHT_NUMBERS for name in taught)
        found += [(name, in_words(name), TAUGHT, number) for name, number in zip(taught, numbers, strict=True)]
        _kept[key] = [
            (name, said, about, "NONE", number)
            if name in painted or not painted
            else (name, said, UNPAINTED, "ERROR", number)
            for name, said, about, number in found
        ]
    _last[also] = now, _kept[key]
    return _kept[key]


def styles(effect: str, health: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The styles of an effect, the first first: of the painter that `health` speaks of, else of the one that ships with Sabi.

    Empty where the painter does not paint the effect, or cannot be read. Reads a file at its first call, and asks nobody.
    """
    return tuple(_painted(health).get(effect, ()))


def segments(health: Mapping[str, Any] | None = None) -> bool:
    """Whether materials can be told apart: by the backend that `health` speaks of, else by the networks that ship with Sabi."""
    if health:
        return any(
            n.get("card", {}).get("name") == SEGMENTER for n in health.get("networks", ()) if isinstance(n, Mapping)
        )
    return (Path(os.environ.get("SABI_NETWORKS") or NETWORKS) / f"{SEGMENTER}.onnx").is_file()


def _painted(health: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The styles by effect of the painter in use; what a backend said of itself is looked through once."""
    global _heard
    if health and _heard is not None and _heard[0] is health:
        return _heard[1]
    cards = [n.get("card", {}) for n in (health or {}).get("networks", ()) if isinstance(n, Mapping)]
    if painters := [card for card in cards if _is_painter(card)]:
        _heard = health, max(painters, key=_version).get("styles", {})
        return _heard[1]
    folder = os.environ.get("SABI_NETWORKS") or _NETWORKS  # a text: panels ask a dozen times while they draw
    if folder not in _shipped:
        _shipped[folder] = _read(Path(folder))
    return _shipped[folder]


def _read(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """The styles by effect of the newest painter in a folder; files that are no good are passed over, as the backend does."""
    from ...backend.protocol.header import CARD_KEY, read_header

    painters = []
    for path in sorted(folder.glob("*.onnx")):
        try:
            card = json.loads(read_header(path.read_bytes()).metadata[CARD_KEY])
        except (OSError, ValueError, KeyError, NetworkError):
            continue
        if _is_painter(card):
            painters.append(card)
    newest = max(painters, key=_version, default={})
    return {effect: tuple(names) for effect, names in newest.get("styles", {}).items()}


def _is_painter(card: object) -> bool:
    return isinstance(card, Mapping) and card.get("name") == "painter" and isinstance(card.get("styles"), Mapping)


def _version(card: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(card.get("version", "")).split(".") if part.isdecimal())
