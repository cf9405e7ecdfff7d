# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: an ordered list of weathering layers, as presets, panel, command line and Python all exchange them. JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from typing import Any

from .checks import check_number
from .errors import BadRecipe
from .exemplar import Exemplar
from .mask_names import LAYERS
from .mask_stack import Combine, Mask, without
from .opacity import EVEN, OPAQUE, ChannelOpacity, Curve
from .words import EXPOSURES, MAX_LAYERS, MAX_MASKS, PRESETS, Effect, FrameMode, preset_names

SCHEMA_VERSION = 1
EFFECT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class TaughtEffect:
    """An effect beyond these, which a painter was taught later, by its name. A network without it refuses to paint it."""

    value: str


def effect_named(name: object) -> Effect | TaughtEffect:
    """The effect of that name. Raises BadRecipe for what cannot be a name."""
    known = [effect.value for effect in Effect]
    if not isinstance(name, str) or not EFFECT_NAME.fullmatch(name):
        raise BadRecipe(
            f"{name!r} is not an effect.", f"Effects: {', '.join(known)}, and what else a painter was taught."
        )
    return Effect(name) if name in known else TaughtEffect(name)


@dataclass(frozen=True)
class Exposure:
    """How readily a texel weathers: weights of what the geometry says, each 0 or more, and their contrast.

    A weight whose map the surface lacks is dropped, the others renormalised, with a warning; with `strict` it is an error.
    """

    edges: float = 0.0  # convex edges, bolts, scratches of the normal map
    cavities: float = 0.0  # crevices and occluded places
    up: float = 0.0  # faces that look upward
    drips: float = 0.0  # lines that water draws downward
    ground: float = 0.0  # nearness to the ground
    noise: float = 0.3  # patches that nothing explains
    contrast: float = 1.0  # above 1 the exposed and the sheltered lie further apart
    amount: float = 0.5  # share of the surface that weathers readily: 0 almost none, 1 almost all
    strict: bool = False

    def weights(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in EXPOSURES}

    @property
    def mean(self) -> float:
        """What exposure comes to on average over a surface, by `amount`."""
        return 0.15 + 0.8 * self.amount


# Where each effect begins when nothing else is said.
DEFAULT_EXPOSURE: dict[Effect | TaughtEffect, Exposure] = {
    Effect.RUST: Exposure(edges=0.7, cavities=0.7, drips=0.8, ground=0.15, noise=0.5),
    Effect.PEELING_PAINT: Exposure(edges=1.0, up=0.2, drips=0.2, noise=0.6),
    Effect.MOSS: Exposure(cavities=0.6, up=0.9, ground=0.6, drips=0.2, noise=0.4),
    Effect.DIRT: Exposure(cavities=0.9, up=0.8, ground=0.5, drips=0.4, noise=0.6, contrast=1.5),
    Effect.SCRATCHES: Exposure(edges=1.2, up=0.1, noise=0.6),
    Effect.PATINA: Exposure(cavities=0.6, up=0.3, drips=0.8, noise=0.5),
    Effect.PITTING: Exposure(cavities=0.4, up=0.2, ground=0.4, noise=0.8),
    Effect.STAINS: Exposure(drips=1.2, cavities=0.4, noise=0.4),
    Effect.CRACKS: Exposure(edges=0.4, noise=1.0),
    Effect.EROSION: Exposure(edges=0.9, up=0.5, ground=0.3, noise=0.6),
    Effect.GREYED_WOOD: Exposure(edges=0.3, up=0.8, noise=0.6),
}
DEFAULT_FEATURE_SIZE: dict[Effect | TaughtEffect, float] = {
    Effect.RUST: 0.02,
    Effect.PEELING_PAINT: 0.03,
    Effect.MOSS: 0.02,
    Effect.DIRT: 0.025,
    Effect.SCRATCHES: 0.01,
    Effect.PATINA: 0.02,
    Effect.PITTING: 0.008,
    Effect.STAINS: 0.03,
    Effect.CRACKS: 0.012,
    Effect.EROSION: 0.03,
    Effect.GREYED_WOOD: 0.03,
}
# Metres that a layer's height map spans to each side of flush.
DEFAULT_RELIEF: dict[Effect | TaughtEffect, float] = {
    Effect.RUST: 0.0006,
    Effect.PEELING_PAINT: 0.0005,
    Effect.MOSS: 0.004,
    Effect.DIRT: 0.001,
    Effect.SCRATCHES: 0.0002,
    Effect.PATINA: 0.0003,
    Effect.PITTING: 0.0006,
    Effect.STAINS: 0.0001,
    Effect.CRACKS: 0.002,
    Effect.EROSION: 0.003,
    Effect.GREYED_WOOD: 0.0005,
}
# What else a painter was taught begins with these.
TAUGHT_EXPOSURE = Exposure(edges=0.3, cavities=0.5, up=0.4, drips=0.2, noise=0.6)
TAUGHT_FEATURE_SIZE = 0.02
TAUGHT_RELIEF = 0.0006


@dataclass(frozen=True)
class Layer:
    """One effect of a recipe. Age is what artists animate; everything else is fixed for a look.

    `exposure`, `feature_size` and `relief` are the effect's own defaults when left None. `style` is the name of a learnt
    style, a blend of names by weight, or a code of floats; empty takes the effect's first. `mask` names what the layer's only
    mask is ("" for none), and `invert_mask` turns it round; `masks` are several, or one with levels: `stack` is either. `curve`
    is opacity by degree. A `hidden` layer is kept and not painted. With an `exemplar` the colours are those of a photograph: the
    style then says no more than how it grows.
    """

    effect: Effect | TaughtEffect  # or its name, of which it is made
    age: float = 0.5  # 0 new .. 1 as weathered as the effect gets
    seed: int = 0
    feature_size: float = None  # type: ignore[assignment]  # metres across one flake, tuft or stain; filled below
    exposure: Exposure = None  # type: ignore[assignment]
    opacity: float = 1.0
    relief: float = None  # type: ignore[assignment]  # metres
    style: str | tuple[float, ...] | Mapping[str, float] = ""
    mask: str = ""
    invert_mask: bool = False
    hidden: bool = False
    masks: tuple[Mask, ...] = ()
    channels: ChannelOpacity = OPAQUE
    curve: Curve = EVEN
    exemplar: Exemplar | None = None

    def __post_init__(self) -> None:
        fill = object.__setattr__
        if not isinstance(self.effect, Effect):
            fill(self, "effect", effect_named(getattr(self.effect, "value", self.effect)))
        if self.exposure is None:
            fill(self, "exposure", DEFAULT_EXPOSURE.get(self.effect, TAUGHT_EXPOSURE))
        if self.feature_size is None:
            fill(self, "feature_size", DEFAULT_FEATURE_SIZE.get(self.effect, TAUGHT_FEATURE_SIZE))
        if self.relief is None:
            fill(self, "relief", DEFAULT_RELIEF.get(self.effect, TAUGHT_RELIEF))
        check_number("age", self.age, 0, 1)
        check_number("opacity", self.opacity, 0, 1)
        check_number("feature size", self.feature_size, 1e-4, 1000)
        check_number("relief", self.relief, 0, 10)
        for name, weight in self.exposure.weights().items():
            check_number(f"exposure weight {name}", weight, 0, 100)
        check_number("exposure contrast", self.exposure.contrast, 0, 10)
        check_number("exposure amount", self.exposure.amount, 0, 1)
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            raise BadRecipe(
                f"The seed must be a whole number from 0 to {2**32 - 1}, not {self.seed!r}.",
                "Any other seed gives another picture of the same kind.",
            )
        if not isinstance(self.style, str):
            values = self.style.values() if isinstance(self.style, Mapping) else self.style
            if not isinstance(values, Iterable) or not all(
                isinstance(v, (int, float)) and math.isfinite(v) for v in values
            ):
                raise BadRecipe(
                    "A style is a name, a blend of names by weight, or a code of finite numbers.",
                    "Leave it empty to take the effect's first.",
                )
        if not isinstance(self.exposure.strict, bool):
            raise BadRecipe(
                f"Whether exposure is strict must be true or false, not {self.exposure.strict!r}.", "Leave it out."
            )
        if not isinstance(self.hidden, bool):
            raise BadRecipe(f"Whether a layer is hidden must be true or false, not {self.hidden!r}.", "Leave it out.")
        fill(self, "masks", tuple(self.masks))
        if self.masks and (self.mask or self.invert_mask):
            raise BadRecipe("A layer has a mask and a list of masks.", "Put the one into the list.")
        if len(self.masks) > MAX_MASKS:
            raise BadRecipe(f"A layer has at most {MAX_MASKS} masks, not {len(self.masks)}.", "Take some away.")
        if len(self.masks) == 1 and self.masks[0].plain:
            fill(self, "mask", self.masks[0].mask)
            fill(self, "invert_mask", self.masks[0].invert)
            fill(self, "masks", ())
        _ = self.stack  # raises where the mask's name is none

    @property
    def stack(self) -> tuple[Mask, ...]:
        """The layer's masks, in the order in which they are combined."""
        return self.masks or ((Mask(self.mask, invert=self.invert_mask),) if self.mask else ())

    def with_masks(self, stack: Sequence[Mask]) -> Layer:
        """The layer with these masks in place of its own."""
        return replace(self, mask="", invert_mask=False, masks=tuple(stack))


@dataclass(frozen=True)
class Frame:
    """What up, ground and neighbours mean. In asset mode pose and place are ignored and `ground` None is the lowest point."""

    mode: FrameMode = FrameMode.ASSET
    gravity: tuple[float, float, float] = (0.0, 0.0, -1.0)
    ground: float | None = None  # metres along -gravity

    def __post_init__(self) -> None:
        if len(self.gravity) != 3 or not all(map(math.isfinite, self.gravity)) or math.hypot(*self.gravity) < 1e-6:
            raise BadRecipe("Gravity must be three finite numbers, not all zero.", "Down is 0, 0, -1.")
        if self.ground is not None:
            check_number("ground", self.ground, -1e6, 1e6)


@dataclass(frozen=True)
class Recipe:
    """Layers in the order they were laid, and the networks (name -> sha256) they were made with, where known."""

    layers: tuple[Layer, ...]
    frame: Frame = Frame()
    networks: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise BadRecipe(f"A recipe's name is text, not {self.name!r}.", "Leave it out, or put it in quotes.")
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise BadRecipe(
                f"A recipe has 1 to {MAX_LAYERS} layers, not {len(self.layers)}.", "Add a layer, or take some away."
            )
        for number, layer in enumerate(self.layers, start=1):
            for mask in layer.stack:
                if mask.mask.startswith(LAYERS) and not 1 <= mask.layer < number:
                    raise BadRecipe(
                        f"The mask of layer {number} is layer {mask.layer}, which does not lie below it.",
                        "Choose a layer below it, or another mask.",
                    )

    @property
    def painted(self) -> tuple[int, ...]:
        """The places, from 0, of the layers that are painted: neither hidden nor let through by a hidden layer alone."""
        found: list[int] = []
        for place, layer in enumerate(self.layers):
            if not layer.hidden and _acting(layer, found) is not None:
                found.append(place)
        return tuple(found)

    @property
    def shown(self) -> Recipe:
        """The recipe of what is painted alone; masks by layers count anew, and a hidden layer covers nothing.

        Raises BadRecipe where nothing is painted.
        """
        places = {place: number for number, place in enumerate(self.painted, start=1)}
        if not places:
            raise BadRecipe("All layers of the recipe are hidden.", "Show one of them.")
        layers = []
        for layer in (self.layers[place] for place in places):
            kept = _acting(layer, places) or ()
            layers.append(layer.with_masks([_renumbered(mask, places) for mask in kept]))
        return replace(self, layers=tuple(layers))

    @property
    def title(self) -> str:
        """Its name, or the effects that it paints: rust_moss."""
        return self.name or "_".join(dict.fromkeys(layer.effect.value for layer in self.layers))

    def at_age(self, age: float) -> Recipe:
        """The recipe with every layer at this age."""
        return replace(self, layers=tuple(replace(layer, age=age) for layer in self.layers))

    def with_seed(self, seed: int) -> Recipe:
        """The recipe with this seed in its first layer; the others' follow it, one by one. Raises BadRecipe."""
        first = replace(self.layers[0], seed=seed)
        rest = (replace(layer, seed=seed + place) for place, layer in enumerate(self.layers[1:], start=1))
        return replace(self, layers=(first, *rest))

    def varied(self, by: int) -> Recipe:
        """The recipe with every layer's seed this much further: another pattern of the same kind."""
        return replace(self, layers=tuple(replace(layer, seed=(layer.seed + by) % 2**32) for layer in self.layers))

    def to_json(self, indent: int | None = 2) -> str:
        """The documented form: {"sabi_recipe": version, "name", "frame", "networks", "layers": [...]}."""
        data = asdict(self)
        data["layers"] = [_plain_layer(layer) for layer in self.layers]
        data["frame"]["mode"] = self.frame.mode.value
        return json.dumps({"sabi_recipe": SCHEMA_VERSION, **data}, indent=indent)

    @staticmethod
    def from_json(text: str | bytes) -> Recipe:
        """Raises BadRecipe with one sentence that names the field; unknown fields are refused, missing ones take defaults."""
        try:
            data = json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BadRecipe("The recipe is not valid JSON.", f"{error}.") from None
        return recipe_from_dict(data)


def recipe_from_dict(data: object) -> Recipe:
    """Recipe.from_json once the JSON is read; raises as it does."""
    if not isinstance(data, dict) or "sabi_recipe" not in data:
        raise BadRecipe(
            "This is not a Sabi recipe.", 'A recipe is a JSON object with "sabi_recipe", its schema version.'
        )
    version = data["sabi_recipe"]
    if not isinstance(version, int) or version < 1:
        raise BadRecipe(
            f"The recipe's schema version {version!r} is not valid.", f"This Sabi writes version {SCHEMA_VERSION}."
        )
    if version > SCHEMA_VERSION:
        raise BadRecipe(
            f"The recipe has schema version {version}; this Sabi knows up to {SCHEMA_VERSION}.", "Update Sabi."
        )
    layers = data.get("layers")
    if not isinstance(layers, list):
        raise BadRecipe("The recipe has no list of layers.", 'Write "layers": [{"effect": "rust"}] at least.')
    rest = {k: v for k, v in data.items() if k not in ("sabi_recipe", "layers", "frame")}
    networks = rest.get("networks", {})
    if not isinstance(networks, dict) or not all(isinstance(v, str) for v in networks.values()):
        raise BadRecipe("The recipe's networks must map names to hashes.", "Leave them out to use this Sabi's own.")
    frame = _build(Frame, data.get("frame", {}), "frame", mode=FrameMode, gravity=_floats)
    return _build(Recipe, {**rest, "layers": tuple(_layer(layer) for layer in layers), "frame": frame}, "recipe")


def load_preset(name: str) -> Recipe:
    """A recipe that ships with Sabi; raises BadRecipe with the known names."""
    if name not in preset_names():
        raise BadRecipe(f"There is no preset '{name}'.", f"Presets: {', '.join(preset_names())}.")
    return Recipe.from_json((PRESETS / f"{name}.json").read_text(encoding="utf-8"))


def _acting(layer: Layer, painted: Collection[int]) -> tuple[Mask, ...] | None:
    """A layer's masks where only these places are painted, and others cover nothing; None where they let it act nowhere."""
    return without(layer.stack, lambda mask: bool(mask.layer) and mask.layer - 1 not in painted)


def _renumbered(mask: Mask, places: Mapping[int, int]) -> Mask:
    """A mask by a layer under its new number."""
    prefix = mask.mask.rstrip("0123456789")
    return replace(mask, mask=f"{prefix}{places[mask.layer - 1]}") if mask.layer else mask


def masks_from(data: object) -> tuple[Mask, ...]:
    """A layer's masks once their JSON is read. Raises BadRecipe."""
    if not isinstance(data, list):
        raise BadRecipe("A layer's masks must be a list.", 'Write "masks": [{"mask": "group:Top"}].')
    return tuple(_build(Mask, mask, "mask", combine=Combine) for mask in data)


def curve_from(data: object) -> Curve:
    """A layer's curve once its JSON is read. Raises BadRecipe."""
    curve: Curve = _build(Curve, data, "curve")
    return curve


def exemplar_from(data: object) -> Exemplar:
    """A layer's exemplar once its JSON is read. Raises BadRecipe."""
    exemplar: Exemplar = _build(Exemplar, data, "exemplar")
    return exemplar


def _layer(data: object) -> Layer:
    if isinstance(data, dict):
        parts = {
            "exposure": lambda part: _build(Exposure, part, "exposure"),
            "channels": lambda part: _build(ChannelOpacity, part, "channels"),
            "curve": curve_from,
            "masks": masks_from,
            "exemplar": exemplar_from,
        }
        made = {name: make(data[name]) for name, make in parts.items() if data.get(name) is not None}
        data = {**{name: value for name, value in data.items() if name not in parts}, **made}
    return _build(Layer, data, "layer", effect=effect_named, style=lambda s: tuple(s) if isinstance(s, list) else s)


def _build(kind: Any, data: object, what: str, **convert: Any) -> Any:
    """A dataclass from a JSON object, each wrong or unknown field named in the error."""
    if not isinstance(data, dict):
        raise BadRecipe(
            f"The recipe's {what} must be an object, not {type(data).__name__}.",
            f"Fields: {', '.join(sorted(f.name for f in fields(kind)))}.",
        )
    known = {f.name for f in fields(kind)}
    if unknown := sorted(set(data) - known):
        raise BadRecipe(
            f"The recipe's {what} has an unknown field '{unknown[0]}'.", f"Fields: {', '.join(sorted(known))}."
        )
    values = dict(data)
    for name, function in convert.items():
        if name in values:
            try:
                values[name] = function(values[name])
            except (ValueError, TypeError):
                members = list(function) if isinstance(function, type) and issubclass(function, Enum) else []
                choices = f"Choices: {', '.join(str(m.value) for m in members)}." if members else ""
                raise BadRecipe(
                    f"The recipe's {what} has {name} {values[name]!r}, which is not known.", choices
                ) from None
    try:
        return kind(**values)
    except (TypeError, ValueError, AttributeError) as error:
        raise BadRecipe(f"The recipe's {what} is not valid.", f"{error}.") from None


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


_LATER: dict[str, object] = {"hidden": False, "masks": (), "channels": OPAQUE, "curve": EVEN, "exemplar": None}


def _plain_layer(layer: Layer) -> dict[str, Any]:
    """Without what came later where it says nothing, so that earlier readers of version 1 read on."""
    data = {**asdict(layer), "effect": layer.effect.value, "style": _plain_style(layer.style)}
    data["masks"] = [{**asdict(mask), "combine": mask.combine.value} for mask in layer.masks]
    return {name: value for name, value in data.items() if name not in _LATER or getattr(layer, name) != _LATER[name]}


def _plain_style(style: Any) -> Any:
    return list(style) if isinstance(style, tuple) else dict(style) if isinstance(style, Mapping) else style
