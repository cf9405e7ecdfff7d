# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered frame with its passes as a surface in image space: multilayer EXR as Blender 4.x and 5.x write it.

4.x: one part, channels `ViewLayer.DiffCol.R`.  5.x: a part a pass, channels `ViewLayer.Diffuse Color.R`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO

from ..protocol.errors import BadFile, BadSurface
from ..protocol.passes import WHITE_LAYER
from ..protocol.surface import ColorSpace, Map, Space, Surface
from .chosen import Passes, cryptomatte_names, object_mask
from .image import keep_exact, open_image, read_bands, readable_name, write_parts

# What Blender calls each pass in its user interface, and in files up to 4.x and from 5.0 on.
PASSES: dict[str, tuple[str, ...]] = {
    "Combined": ("Combined", "Image"),
    "Diffuse Color": ("DiffCol", "Diffuse Color"),
    "Diffuse Direct": ("DiffDir", "Diffuse Direct"),
    "Diffuse Indirect": ("DiffInd", "Diffuse Indirect"),
    "Glossy Color": ("GlossCol", "Glossy Color"),
    "Glossy Direct": ("GlossDir", "Glossy Direct"),
    "Glossy Indirect": ("GlossInd", "Glossy Indirect"),
    "Position": ("Position",),
    "Normal": ("Normal",),
    "Transmission Color": ("TransCol", "Transmission Color"),
    "Transmission Direct": ("TransDir", "Transmission Direct"),
    "Transmission Indirect": ("TransInd", "Transmission Indirect"),
    "Emission": ("Emit", "Emission"),
    "Environment": ("Env", "Environment"),
    "Ambient Occlusion": ("AO", "Ambient Occlusion"),
    "Object Index": ("IndexOB", "Object Index"),
    "Noisy Image": ("Noisy Image",),
    "White Diffuse": ("White Diffuse", "WhiteDiffuse", "white_diffuse"),
    "Roughness": ("Roughness", "roughness"),  # AOVs, where the artist made them
    "Metallic": ("Metallic", "metallic"),
}
REQUIRED = tuple(PASSES)[:9]
EEVEE_LACKS = {"Diffuse Indirect", "Glossy Indirect"}  # its direct passes hold all the light there is
_WORD_TO_PASS = {word: name for name, words in PASSES.items() for word in words}
_COMPONENTS = (
    {c: i for i, c in enumerate("RGBA")}
    | {c: i for i, c in enumerate("XYZW")}
    | {c: i for i, c in enumerate("rgba")}
    | {"V": 0}
)


@dataclass(frozen=True)
class RenderedFrame:
    """A frame as it was read. `passes` are the surface's other evidence, by Blender's name of the pass: what tells whether
    the passes still add up (`Noisy Image`, `Transmission Color`, ...), and `CryptoObject00` and so on."""

    surface: Surface
    path: Path
    layer: str
    passes: Mapping[str, np.ndarray]


def is_frame(path: Path) -> bool:
    """Whether an EXR is a render, with or without the passes needed, and not a texture."""
    if path.suffix.lower() != ".exr":
        return False
    source = open_image(path)
    try:
        spec = source.spec()
        by_blender = any(spec.getattribute(a) is not None for a in ("RenderTime", "Camera", "BlenderMultiChannel"))
        return by_blender or any(len(name.split(".")) >= 3 for _, s in _parts(source) for name in s.channelnames)
    finally:
        source.close()


def read_frame(
    path: Path | str, *, layer: str = "", object_name: str = "", object_index: int | None = None, unit: float = 1.0
) -> RenderedFrame:
    """The frame in a multilayer EXR: combined, colours and light of diffuse and gloss, position, world normal, object mask.

    The object mask covers the object named (by cryptomatte) or indexed (Object Index pass), else everything that has a position.
    Positions in the file are in units of `unit` metres, which the file does not say; the surface's are in metres.
    Raises BadFile with the passes to enable when some are missing, BadSurface for NaN or infinity, TooLarge.
    """
    path = Path(path)
    source = open_image(path)
    try:
        layers = _layers(source)
        name = _choose_layer(path, layers, layer, indirect=_by_cycles(source))
        passes = _read(source, path, layers[name])
        white = _read(source, path, layers[WHITE_LAYER]) if WHITE_LAYER in layers and name != WHITE_LAYER else {}
        manifest = cryptomatte_names(source)
    finally:
        source.close()
    maps = {
        "combined": Map(_colour(passes["Combined"]), ColorSpace.LINEAR),
        "diffuse_colour": Map(_colour(passes["Diffuse Color"]), ColorSpace.LINEAR),
        "diffuse_light": Map(_sum(passes["Diffuse Direct"], passes.get("Diffuse Indirect")), ColorSpace.LINEAR),
        "glossy_colour": Map(_colour(passes["Glossy Color"]), ColorSpace.LINEAR),
        "glossy_light": Map(_sum(passes["Glossy Direct"], passes.get("Glossy Indirect")), ColorSpace.LINEAR),
        "position": Map(_in_metres(_colour(passes["Position"]), unit)),
        "world_normal": Map(_colour(passes["Normal"])),
    }
    if "White Diffuse" in passes:
        maps["white_diffuse"] = Map(_colour(passes["White Diffuse"]), ColorSpace.LINEAR)
    elif "Diffuse Direct" in white and "Diffuse Indirect" in white:
        maps["white_diffuse"] = Map(_sum(white["Diffuse Direct"], white["Diffuse Indirect"]), ColorSpace.LINEAR)
    for role, own in (("roughness", "Roughness"), ("metallic", "Metallic")):
        if own in passes:
            maps[role] = Map(np.ascontiguousarray(passes[own][..., :1]))
    if "Ambient Occlusion" in passes:
        maps["ambient_occlusion"] = Map(np.ascontiguousarray(passes["Ambient Occlusion"][..., :1]))
    if passes["Combined"].shape[2] == 4:
        maps["alpha"] = Map(np.ascontiguousarray(passes["Combined"][..., 3:]))
    maps["object_mask"] = Map(object_mask(path, passes, manifest, object_name, object_index))
    surface = Surface(maps, Space.IMAGE, name=path.stem)
    surface.check_values()
    evidence = {k: v for k, v in passes.items() if k.startswith("Crypto") or k in _EVIDENCE}
    return RenderedFrame(surface, path, name, evidence)


_EVIDENCE = (
    "Noisy Image",
    "Transmission Color",
    "Transmission Direct",
    "Transmission Indirect",
    "Emission",
    "Environment",
)


def write_frame(frame: RenderedFrame, weathered: Surface, target: Path) -> None:
    """The frame's file again with the weathered Combined pass; every other pass and all metadata as they were.

    Texels that equal the input keep their bits. `target` is a temporary name. Raises DiskFull, BadFile.
    """
    new, old = weathered["combined"].array, frame.surface["combined"].array
    changed = (new != old).any(axis=2)
    source = open_image(frame.path)
    try:
        specs = [OpenImageIO.ImageSpec(spec) for _, spec in _parts(source)]
        for spec in specs:
            keep_exact(spec)

        def bands(part: int) -> Iterator[np.ndarray]:
            source.seek_subimage(part, 0)
            places = [_split(_full_name(specs[part], name)) for name in specs[part].channelnames]
            for rows, band in read_bands(source, frame.path, _one_type(frame.path, specs[part])):
                here = changed[rows]
                for channel, (layer, name, component) in enumerate(places):
                    if (layer, name) == (frame.layer, "Combined") and component < 3:
                        band[..., channel][here] = new[rows][..., component][here].astype(band.dtype)
                yield band

        output = OpenImageIO.ImageOutput.create(readable_name(target))
        if output is None:
            raise BadFile(f"Frames cannot be written as '{target.suffix}'.", "Choose exr.")
        write_parts(output, target, [(spec, bands(part)) for part, spec in enumerate(specs)])
    finally:
        source.close()


def _parts(source: OpenImageIO.ImageInput) -> Iterator[tuple[int, OpenImageIO.ImageSpec]]:
    """Stands at each part in turn."""
    index = 0
    while source.seek_subimage(index, 0):
        yield index, source.spec()
        index += 1
    source.geterror()


def _full_name(spec: OpenImageIO.ImageSpec, channel: str) -> str:
    """`layer.pass.component`, also where a file keeps the first two in the part's name."""
    part = spec.getattribute("oiio:subimagename")
    return channel if channel.count(".") >= 2 or not part else f"{part}.{channel.rsplit('.', 1)[-1]}"


def _split(full: str) -> tuple[str, str, int]:
    """Layer, pass (Blender's own name where it is known) and component, -1 when there is none; a layer's name may hold dots."""
    pieces = full.rsplit(".", 2)
    component = _COMPONENTS.get(pieces[-1], -1)
    if len(pieces) < 2:
        return "", "Combined", component
    layer, word = (pieces[0], pieces[1]) if len(pieces) == 3 else ("", pieces[0])
    return layer, _WORD_TO_PASS.get(word, word), component


def _layers(source: OpenImageIO.ImageInput) -> dict[str, dict[str, list[tuple[int, int, int]]]]:
    """view layer -> pass -> (part, channel, component)."""
    layers: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
    for part, spec in _parts(source):
        for channel, name in enumerate(spec.channelnames):
            layer, own, component = _split(_full_name(spec, name))
            if component >= 0:
                layers.setdefault(layer, {}).setdefault(own, []).append((part, channel, component))
    return layers


def _by_cycles(source: OpenImageIO.ImageInput) -> bool:
    """Whether the file says that Cycles rendered it."""
    return any(a.name.startswith("cycles.") for _, spec in _parts(source) for a in spec.extra_attribs)


def _choose_layer(path: Path, layers: Mapping[str, Mapping[str, object]], wanted: str, *, indirect: bool) -> str:
    """The layer wanted, or that with most passes. Raises BadFile where some are missing, both indirect ones if `indirect`."""
    if wanted and wanted not in layers:
        raise BadFile(
            f"{path.name} has no view layer '{wanted}'.", f"View layers: {', '.join(filter(None, layers)) or 'none'}."
        )
    missing = {name: [p for p in REQUIRED if p not in layers[name]] for name in ([wanted] if wanted else layers)}
    for name, lacking in missing.items():
        if not indirect and set(lacking) >= EEVEE_LACKS:
            missing[name] = [p for p in lacking if p not in EEVEE_LACKS]
    best = min(missing, key=lambda name: len(missing[name]))
    if missing[best]:
        raise BadFile(
            f"{path.name} lacks the passes {', '.join(missing[best])}.",
            "Enable them in View Layer Properties > Passes, render again, and save as OpenEXR MultiLayer.",
        )
    return best


def _read(source: OpenImageIO.ImageInput, path: Path, places: Mapping[str, list[tuple[int, int, int]]]) -> Passes:
    """The passes that Sabi looks at, [H, W, C] each, halves kept as halves. Reads part by part."""
    wanted = {
        name: sorted(at, key=lambda p: p[2])
        for name, at in places.items()
        if name in PASSES or name.startswith("CryptoObject")
    }
    passes: Passes = {}
    size = None
    for part, spec in _parts(source):
        here = {name: [channel for p, channel, _ in at if p == part] for name, at in wanted.items()}
        here = {name: channels for name, channels in here.items() if channels}
        if not here:
            continue
        if size not in (None, (spec.width, spec.height)):
            raise BadSurface(f"The passes of {path.name} have different sizes.", "Render the frame again.")
        size = (spec.width, spec.height)
        for name, channels in here.items():
            halves = all(str(spec.channelformat(c)) == "half" for c in channels)
            passes[name] = np.empty((spec.height, spec.width, len(channels)), np.float16 if halves else np.float32)
        for rows, band in read_bands(source, path, _one_type(path, spec)):
            for name, channels in here.items():
                passes[name][rows] = band[..., channels]
    for name in REQUIRED:
        if name in passes and passes[name].shape[2] < 3:
            raise BadSurface(
                f"The {name} pass of {path.name} has {passes[name].shape[2]} channels instead of 3.",
                "Render the frame again.",
            )
    return passes


def _one_type(path: Path, spec: OpenImageIO.ImageSpec) -> str:
    """The type that holds every channel of a part without loss."""
    kinds = {str(spec.channelformat(c)) for c in range(spec.nchannels)}
    if not kinds <= {"half", "float"}:
        raise BadSurface(
            f"{path.name} has channels of type {', '.join(sorted(kinds - {'half', 'float'}))}.",
            "Save the frame with half or single floats.",
        )
    return "half" if kinds == {"half"} else "float"


def _colour(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[..., :3])


def _in_metres(position: np.ndarray, unit: float) -> np.ndarray:
    return position if unit == 1 else position.astype(np.float32) * np.float32(unit)


def _sum(first: np.ndarray, second: np.ndarray | None) -> np.ndarray:
    if second is None:
        return first[..., :3].astype(np.float32)
    return first[..., :3].astype(np.float32) + second[..., :3].astype(np.float32)
