# SPDX-License-Identifier: GPL-3.0-or-later
"""Light taken off a picture that has no passes: its albedo, the light on it, and what it mirrors.

    albedo = (1 - residual share) picture / shading                 scene-linear

The shading network looks at the picture small. At full size its answer follows the picture's own edges: where small shading
and small brightness rise and fall together, shading takes as much of the fine brightness (a local slope, as in the guided
filter of He, Sun and Tang 2013). Strip by strip; where a picture wraps, so does all that is looked at. Where there is no such
network, `by_contrast` stands in for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..networks.registry import Networks
from ..photographed.picture import LONGEST
from ..protocol.errors import BadSurface
from ..protocol.surface import ColorSpace, Map
from . import colour, contrast
from .resample import Axis, weigh

NETWORK = "shading"
SIDE = 256  # texels on the longer side of what the network looks at
MULTIPLE = 32
AROUND = 64  # texels of the small picture that are repeated around it where it wraps
LEAST_SIDE = 16  # texels: a smaller picture tells nothing of its light
ROWS = 256  # of a strip
SHRUNK_ROWS = 4  # of the small picture that are made at a time
DARK = 1e-3  # added to exposed brightness before its logarithm
REACH, FLAT = 2, 0.02  # the slope's window is 2 REACH + 1 texels a side; brightness that varies less there has none
EVEN = 1e-4  # deviation of a picture of one colour
SIMPLE = (
    "Light was told from colour by brightness alone, since no shading network is here: wide dark paint passes for shade and is "
    "brightened, strong contrast is softened, and shadows with sharp edges stay in part."
)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)

Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Delit:
    """The light of one picture, given row by row.

    Of the small picture: the logarithms of shading `light` and of `bright`ness, the residual `share`, and the `slope` by which
    the light follows brightness, [h, w, 3] each, brightness [h, w, 1]. `gain` [3] keeps the picture's mean colour.
    """

    picture: Map
    light: np.ndarray
    share: np.ndarray
    bright: np.ndarray
    slope: np.ndarray
    exposure: float
    gain: np.ndarray
    wrap: tuple[bool, bool]

    def shading(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Light [h, W, 3], up to one factor, and the share of the colour that is residual, float32."""
        height, width = self.picture.size
        down = Axis(self.light.shape[0], height, self.wrap[0])
        begin, end, sources, weights = down.taps(rows.start, rows.stop)
        across = _tap(Axis(self.light.shape[1], width, self.wrap[1]), width)
        near = down.within(begin, end)
        light, share, bright, slope = (
            weigh(weigh(part[near][:, across[0]], 1, *across[1:]), 0, sources, weights)
            for part in (self.light, self.share, self.bright, self.slope)
        )
        seen = brightness(_linear(self.picture, rows) * self.exposure)
        return np.exp(light + slope * (seen - bright)), np.clip(share, 0, 0.98)

    def albedo(self, rows: slice, amount: float = 1.0) -> np.ndarray:
        """Scene-linear [h, W, 3], as bright and as coloured as the picture on average; `amount` 0 is the picture itself."""
        light, share = self.shading(rows)
        factor = ((1 - share) / light * self.gain) ** np.float32(amount)
        return _linear(self.picture, rows) * factor


def delight(
    picture: Map, *, amount: float = 1.0, wrap: tuple[bool, bool] = (False, False), networks: Networks | None = None
) -> Map:
    """A texture's or a photograph's colours without the light on them, in the picture's type, size and colour space.

    `picture` has 1 to 4 channels (grey, grey and alpha, colours, colours and alpha); alpha, and colours where it is 0, stay bit
    for bit, and so does the mean of each colour nearly. `amount` 0..1 says how much of the light goes. `wrap` says whether rows
    and columns continue at the opposite border: then the result's do too. Without a shading network it is done as `doubts` says.
    Raises BadSurface.
    """
    known = networks or Networks.load()
    return without_light(picture, known[NETWORK].run if NETWORK in known else by_contrast, amount, wrap)


def doubts(networks: Networks) -> tuple[str, ...]:
    """What a person should know of what `delight` does with these networks."""
    return () if NETWORK in networks else (SIMPLE,)


def by_contrast(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `contrast` says, in place of the network: the light is grey, and nothing is mirrored."""
    bright = brightness(inputs["image"][0].transpose(1, 2, 0))[..., 0]
    slope, level = contrast.light_in(bright, contrast.REACH * LONGEST / max(bright.shape))
    inverse = 1 / (1 + np.exp(slope * bright + level))
    return {
        "inverse_shading": np.repeat(inverse[None, None], 3, axis=1),
        "residual_share": np.zeros_like(inputs["image"]),
    }


def without_light(picture: Map, run: Run, amount: float = 1.0, wrap: tuple[bool, bool] = (False, False)) -> Map:
    """`delight` with the network's session given as `run`."""
    if not 0 <= amount <= 1:
        raise BadSurface(f"The amount {amount} is not between 0 and 1.", "0 keeps all light, 1 takes it off.")
    array, colours = picture.array, 1 if picture.array.shape[2] < 3 else 3
    alpha = array[..., colours:] if array.shape[2] > colours else None
    given = Map(array[..., :colours], _coded(picture))
    found = look(given, run, wrap, alpha)
    result = array.copy()
    for top in range(0, array.shape[0], ROWS):
        rows = slice(top, min(top + ROWS, array.shape[0]))
        made = found.albedo(rows, amount)
        if colours == 1:
            made = made @ LUMINANCE[:, None]
        stored = colour.encode(made, given)
        if alpha is None:
            result[rows] = stored
        else:
            there = alpha[rows][..., 0] > 0
            result[rows][..., :colours][there] = stored[there]
    return Map(result, picture.color_space)


def look(picture: Map, run: Run, wrap: tuple[bool, bool] = (False, False), alpha: np.ndarray | None = None) -> Delit:
    """What the network says of a picture of one or three channels. What `alpha` [H, W, 1] hides is not looked at.

    Raises BadSurface for pictures that are too small, that are all of one colour, or that hold values that are no numbers.
    """
    height, width = picture.size
    if min(height, width) < LEAST_SIDE:
        raise BadSurface(
            f"{width} x {height} texels are too few to tell light from colour.", f"Give at least {LEAST_SIDE} a side."
        )
    shrink = min(1.0, SIDE / max(height, width))
    sides = tuple(max(1, round(side * shrink / MULTIPLE)) * MULTIPLE for side in (height, width))
    small = shrunk(picture, sides, wrap, alpha)
    if not np.isfinite(small).all():
        raise BadSurface("The picture holds values that are no numbers.", "Render or export it again.")
    if small.std((0, 1)).max() < EVEN * max(float(small.mean()), EVEN):
        raise BadSurface("The picture is all of one colour: there is no light on it to take off.", "Give another.")
    exposed = exposure(small)
    around = tuple((AROUND, AROUND) if wraps else (0, 0) for wraps in wrap)
    shown = np.pad(small * exposed, (*around, (0, 0)), "wrap")
    answers = run({"image": np.ascontiguousarray(shown.transpose(2, 0, 1)[None], np.float32)})
    inside = tuple(slice(AROUND, -AROUND) if wraps else slice(None) for wraps in wrap)
    inverse, share = (answers[name][0].transpose(1, 2, 0)[inside] for name in ("inverse_shading", "residual_share"))
    inverse = np.clip(inverse, 1e-3, 1 - 1e-3)
    light, bright = np.log((1 - inverse) / inverse), brightness(small * exposed)
    if picture.array.shape[2] == 1:  # grey stays grey
        light, share = (np.repeat(values.mean(-1, keepdims=True), 3, -1) for values in (light, share))
    bare = small * (1 - share) / np.exp(light)
    gain = small.mean((0, 1)) / np.maximum(bare.mean((0, 1)), 1e-9)
    slope = _slope(light, bright, wrap)
    return Delit(picture, light, share, bright, slope, exposed, gain.astype(np.float32), wrap)


def exposure(linear: np.ndarray) -> float:
    """The factor that brings a picture [H, W, 3] to the brightness at which the network knows pictures; lamps count little."""
    level = float(np.sqrt(np.maximum(linear @ LUMINANCE, 0)).mean()) ** 2
    return float(np.float32(0.3 / max(level, 1e-9)))


def brightness(exposed: np.ndarray) -> np.ndarray:
    """The logarithm of luminance, [..., 1]."""
    return np.log(np.maximum(exposed @ LUMINANCE, 0) + np.float32(DARK))[..., None]


def shrunk(
    picture: Map, sides: tuple[int, ...], wrap: tuple[bool, bool] = (False, False), alpha: np.ndarray | None = None
) -> np.ndarray:
    """Scene-linear [h, w, 3] of another size, 0 or more. What alpha hides gets the mean of the rest."""
    height, width = sides
    down, across = Axis(picture.size[0], height, wrap[0]), _tap(Axis(picture.size[1], width, wrap[1]), width)
    made, weight = [], []
    for top in range(0, height, SHRUNK_ROWS):
        begin, end, sources, weights = down.taps(top, min(top + SHRUNK_ROWS, height))
        rows = down.within(begin, end)
        values = np.maximum(_linear(picture, rows), 0)
        seen = np.ones_like(values[..., :1]) if alpha is None else (alpha[rows][..., :1] > 0).astype(np.float32)
        both = np.concatenate([values * seen, seen], -1)
        part = weigh(weigh(both[:, across[0]], 1, *across[1:]), 0, sources, weights)
        made.append(part[..., :3])
        weight.append(part[..., 3:])
    total, share = np.concatenate(made), np.concatenate(weight)
    if not share.any():
        raise BadSurface("The picture is transparent all over.", "Give one that shows something.")
    mean = total.sum((0, 1)) / share.sum()
    return np.where(share > 0, total / np.maximum(share, 1e-6), mean).astype(np.float32)


def _slope(light: np.ndarray, bright: np.ndarray, wrap: tuple[bool, bool]) -> np.ndarray:
    """How much the light rises with brightness around each texel, 0..1, of [h, w, 3] and [h, w, 1]."""
    middle, level = _blurred(bright, wrap), _blurred(light, wrap)
    together = _blurred(light * bright, wrap) - level * middle
    spread = _blurred(bright * bright, wrap) - middle * middle
    return _blurred(np.clip(together / (np.maximum(spread, 0) + FLAT), 0, 1), wrap)


def _blurred(values: np.ndarray, wrap: tuple[bool, bool]) -> np.ndarray:
    """Means over the window of the slope."""
    for axis, wraps in enumerate(wrap):
        pads = [(REACH, REACH) if axis == a else (0, 0) for a in range(3)]
        padded = np.pad(values, pads, "wrap" if wraps else "edge")
        values = np.mean([padded.take(range(i, i + values.shape[axis]), axis) for i in range(2 * REACH + 1)], axis=0)
    return values.astype(np.float32)


def _coded(picture: Map) -> ColorSpace:
    """Integers and floats of no colour space are taken as sRGB encodes them and as linear."""
    if picture.color_space is ColorSpace.DATA:
        return ColorSpace.SRGB if picture.array.dtype.kind == "u" else ColorSpace.LINEAR
    return picture.color_space


def _linear(picture: Map, rows: slice | np.ndarray) -> np.ndarray:
    """Scene-linear [h, W, 3]."""
    values = colour.decode(picture.array[rows], picture.color_space)
    return np.repeat(values, 3, -1) if values.shape[2] == 1 else values


def _tap(axis: Axis, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    begin, end, sources, weights = axis.taps(0, length)
    return axis.within(begin, end), sources, weights
