# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files as surfaces: one image, or a folder of PBR maps, tile by tile, and where in the files each map came from."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..protocol.errors import BadFile, BadSurface
from ..protocol.surface import CHANNELS, ColorSpace, Map, Space, Surface
from ..protocol.texture_names import NamedFile, read_name
from .frame import is_frame, read_frame
from .image import IMAGE_SUFFIXES, read_image

_WRAP_RATIO = 2.0  # how much opposite borders may differ, over what neighbouring rows do, for a texture that wraps


@dataclass(frozen=True)
class Assignment:
    """Where a map lies: a file and its channels. `flip_green` marks a DirectX normal map."""

    path: Path
    channels: tuple[int, ...]
    flip_green: bool = False


@dataclass(frozen=True)
class Asset:
    """One surface as it was read. `warnings` are sentences for a person; `tile` is a UDIM number."""

    surface: Surface
    files: Mapping[str, Assignment]
    tile: int | None = None
    warnings: tuple[str, ...] = field(default=())


def read_surface(
    path: Path | str, *, width_metres: float = 2.0, wrap: tuple[bool, bool] | None = None, height_scale: float = 0.02
) -> Surface:
    """The surface in an image file, a folder of PBR maps, or a rendered frame with passes.

    Maps keep the type they are stored in; what else is given is for read_assets, a frame needs none of it. Raises BadFile,
    BadSurface, TooLarge, MissingMap; a set of several UDIM tiles is refused (read_assets gives one surface a tile).
    """
    path = Path(path)
    if path.is_file() and is_frame(path):
        return read_frame(path).surface
    assets = read_assets(path, width_metres=width_metres, wrap=wrap, height_scale=height_scale)
    if len(assets) > 1:
        raise BadSurface(
            f"{path} holds {len(assets)} UDIM tiles, not one surface.",
            "Weather them with the command line, or use read_assets.",
        )
    return assets[0].surface


def read_assets(
    path: Path | str,
    *,
    width_metres: float = 2.0,
    wrap: tuple[bool, bool] | None = None,
    height_scale: float = 0.02,
    directx: bool | None = None,
) -> list[Asset]:
    """One asset a UDIM tile (a plain image or folder gives one), by tile number.

    `path` is an image, a folder, or a name with `<UDIM>` in it. `width_metres` is how wide one texture is on the object;
    `wrap` whether rows and columns continue at the opposite border, seen from the albedo when None. `directx` says how all
    normal maps are, whatever their names say; None believes the names (steel_NormalDX, steel_nor_gl), and no word means OpenGL.
    """
    path = Path(path)
    if "<UDIM>" in path.name:
        files = tiles_of(path)
        if not files:
            raise BadFile(f"{path} has no tiles.", "A tile is named 1001, 1002 and so on in the place of <UDIM>.")
        named = [(file, NamedFile(("albedo",), "", read_name(file.stem).tile)) for file in files]
        warnings: tuple[str, ...] = ()
    elif path.is_dir():
        named, warnings = _in_folder(path)
    else:
        named, warnings = [(path, NamedFile(("albedo",), "", None))], ()
    tiles: dict[int | None, list[tuple[Path, NamedFile]]] = {}
    for file, name in named:
        tiles.setdefault(name.tile, []).append((file, name))
    title = title_of(path)
    assets = []
    for tile in sorted(tiles, key=lambda t: t or 0):
        asset = _read_tile(tiles[tile], title, tile, directx)
        width = asset.surface.size[1]
        surface = asset.surface
        wraps = seems_to_wrap(surface["albedo"]) if wrap is None and tile is None else wrap or (False, False)
        surface = Surface(
            surface.maps,
            Space.TEXTURE,
            wraps,
            texels_per_metre=width / width_metres,
            height_scale=height_scale,
            name=title,
        )
        assets.append(Asset(surface, asset.files, tile, (*warnings, *asset.warnings)))
        warnings = ()
    return assets


def tiles_of(path: Path) -> list[Path]:
    """The files of a UDIM set, `<UDIM>` in the place of 1001 to 1999, by tile number."""
    return sorted(path.parent.glob("1[0-9][0-9][0-9]".join(map(glob.escape, path.name.split("<UDIM>", 1)))))


def title_of(path: Path) -> str:
    """What the surface in a file, a folder or a set of tiles is called."""
    return (path.resolve().name if path.is_dir() else Path(path.name.replace("<UDIM>", "")).stem).strip(
        "._ "
    ) or "surface"


def seems_to_wrap(albedo: Map) -> tuple[bool, bool]:
    """Whether (rows, columns) continue at the opposite border: borders differ little more than neighbours within do."""
    if min(albedo.size) < 16:
        return False, False
    return _continues(albedo.array), _continues(albedo.array.swapaxes(0, 1))


def _continues(rows: np.ndarray) -> bool:
    chosen = np.linspace(0, len(rows) - 2, 64).astype(int)

    def apart(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.abs(Map(first).floats() - Map(second).floats()).mean())

    within = apart(rows[chosen], rows[chosen + 1])
    return apart(rows[:1], rows[-1:]) <= _WRAP_RATIO * max(within, 0.5 / 255)


def _in_folder(folder: Path) -> tuple[list[tuple[Path, NamedFile]], tuple[str, ...]]:
    """The folder's images and what their names say; raises BadFile when no albedo is among them or two claim one place."""
    images = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
    if not images:
        raise BadFile(f"{folder} holds no images.", f"Known types: {', '.join(sorted(s[1:] for s in IMAGE_SUFFIXES))}.")
    named = [(path, read_name(path.stem)) for path in images]
    known = [(path, name) for path, name in named if name.maps]
    if not any("albedo" in name.maps for _, name in known):
        raise BadFile(
            f"{folder} has no albedo among its {len(images)} images.",
            "Name one of them albedo, basecolor, base_color, diffuse, diff, color or col, as in steel_albedo.png.",
        )
    unused = [path.name for path, name in named if not name.maps]
    warnings = [f"Not used, since the name says no map: {', '.join(unused)}."] if unused else []
    both = {n.tile for _, n in known if n.maps == ("normal",)} & {n.tile for _, n in known if n.maps == ("normal_dx",)}
    dropped = [p.name for p, n in known if n.maps == ("normal_dx",) and n.tile in both]
    if dropped:
        warnings.append(f"Not used, since the OpenGL normal map is there too: {', '.join(dropped)}.")
    known = [(p, n) for p, n in known if p.name not in dropped]
    singles = {(m, n.tile) for _, n in known if len(n.maps) == 1 for m in n.maps}
    seen: dict[tuple[str, int | None], Path] = {}
    kept = []
    for path, name in known:
        if len(name.maps) > 1:  # a map of its own counts more than a channel of a packed file
            name = NamedFile(tuple("" if (m, name.tile) in singles else m for m in name.maps), name.set_name, name.tile)
        for role in filter(None, name.maps):
            if other := seen.get((role, name.tile)):
                raise BadFile(
                    f"{other.name} and {path.name} both name the {role} map.", "Keep one set of maps in a folder."
                )
            seen[role, name.tile] = path
        kept.append((path, name))
    return kept, tuple(warnings)


def _read_tile(
    files: Iterable[tuple[Path, NamedFile]], name: str, tile: int | None, directx: bool | None = None
) -> Asset:
    maps: dict[str, Map] = {}
    places: dict[str, Assignment] = {}
    warnings: list[str] = []
    for path, named in files:
        pixels, _ = read_image(path)
        if len(named.maps) > 1:
            _take_packed(path, pixels, named.maps, maps, places)
            continue
        role = "normal" if named.maps[0] == "normal_dx" else named.maps[0]
        array, channels = _fit(path, pixels, role)
        flip = role == "normal" and (named.maps[0] == "normal_dx" if directx is None else directx)
        if flip:
            array = flip_green(array)
            warnings.append(
                f"{path.name} is read as a DirectX normal map: its green channel is turned round, and back when it is written."
            )
        maps[role] = Map(array, _space_of(role, pixels.dtype))
        places[role] = Assignment(path, channels, flip)
        if role == "albedo" and pixels.shape[2] in (2, 4):
            maps.setdefault("alpha", Map(np.ascontiguousarray(pixels[..., -1:])))
            places.setdefault("alpha", Assignment(path, (pixels.shape[2] - 1,)))
    if "albedo" not in maps:
        raise BadFile(f"Tile {tile} of {name} has no albedo.", "Every tile needs one.")
    surface = Surface(maps, name=name)
    surface.check_values()
    return Asset(surface, places, tile, tuple(warnings))


def _take_packed(
    path: Path, pixels: np.ndarray, roles: tuple[str, ...], maps: dict[str, Map], places: dict[str, Assignment]
) -> None:
    if pixels.shape[2] < 3:
        raise BadSurface(
            f"{path.name} has {pixels.shape[2]} channels; a packed map has three.",
            "Check the file's name and contents.",
        )
    for channel, role in enumerate(roles):
        if role:
            maps[role] = Map(np.ascontiguousarray(pixels[..., channel : channel + 1]))
            places[role] = Assignment(path, (channel,))


def _fit(path: Path, pixels: np.ndarray, role: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """The file's channels as the map's: grey spread to three, three equal ones reduced to one. Raises BadSurface."""
    channels, wanted = pixels.shape[2], CHANNELS[role][0]
    if channels > 4:
        raise BadSurface(
            f"{path.name} has {channels} channels; the {role} map has {wanted}.", "Give the map as an image of its own."
        )
    if wanted == 3:
        if channels >= 3:
            return np.ascontiguousarray(pixels[..., :3]), (0, 1, 2)
        if role == "normal":
            raise BadSurface(
                f"{path.name} has {channels} channels; a normal map has three.", "Check the file's name and contents."
            )
        return np.repeat(pixels[..., :1], 3, axis=2), (0, 0, 0)
    if channels >= 3 and not _is_grey(pixels[..., :3]):
        if role == "alpha" and channels == 4:
            return np.ascontiguousarray(pixels[..., 3:]), (3,)
        raise BadSurface(
            f"{path.name} is coloured, but the {role} map has one channel.",
            "Check the file's name, or save it as greyscale.",
        )
    return np.ascontiguousarray(pixels[..., :1]), (0,) if channels < 3 else (0, 1, 2)


def _is_grey(pixels: np.ndarray) -> bool:
    """Equal channels, but for what JPEG does to them."""
    tolerance = 6 * np.iinfo(pixels.dtype).max // 255 if pixels.dtype.kind == "u" else 6 / 255
    for top in range(0, pixels.shape[0], 256):
        band = pixels[top : top + 256].astype(np.float32)
        if (band.max(axis=2) - band.min(axis=2)).max() > tolerance:
            return False
    return True


def _space_of(role: str, dtype: np.dtype) -> ColorSpace:
    if role != "albedo":
        return ColorSpace.DATA
    return ColorSpace.SRGB if dtype.kind == "u" else ColorSpace.LINEAR


def flip_green(normal: np.ndarray) -> np.ndarray:
    """A normal map with its green channel turned round: DirectX to OpenGL and back."""
    flipped = normal.copy()
    top = np.iinfo(normal.dtype).max if normal.dtype.kind == "u" else normal.dtype.type(1)
    flipped[..., 1] = top - normal[..., 1]
    return flipped
