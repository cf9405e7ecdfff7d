# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes in the asset browser: each an empty node group, marked as an asset, with the recipe in its metadata and a picture.

They lie in a folder of the user's own, which is told to Blender as an asset library: presets.blend, written by Sabi, and a
file for each recipe that was saved as an asset. Such a file is all there is of a recipe: it can be given to others, or put into
any asset library. The metadata is what the browser has read already, so nothing is linked or appended to use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.errors import BadFile
from ...backend.protocol.recipe import Recipe, load_preset, preset_names
from ...backend.protocol.whole import WholeFiles
from ..preferences import EXTENSION
from .effects import in_words
from .presets import PICTURES

LIBRARY = "Sabi"
KEY = "sabi_recipe"  # in an asset's metadata: the recipe as JSON
PRESETS = "presets.blend"


@dataclass(frozen=True)
class RecipeAsset:
    """A recipe as the browser shows it."""

    name: str
    recipe: Recipe
    picture: Path | None = None


def folder() -> Path:
    """Where the library lies; made where it is not there."""
    return Path(bpy.utils.extension_path_user(EXTENSION, path="recipes", create=True))


def library() -> bpy.types.UserAssetLibrary:
    """The library among those of the preferences; added where it is not there."""
    known, place = bpy.context.preferences.filepaths.asset_libraries, folder()
    found = next((each for each in known if Path(each.path) == place), None)
    return found or known.new(name=LIBRARY, directory=str(place))


def write_presets() -> Path:
    """Writes the presets with their pictures into Sabi's own file of the library. Raises BadFile, DiskFull."""
    path = folder() / PRESETS
    presets = [RecipeAsset(in_words(name), load_preset(name), PICTURES / f"{name}.png") for name in preset_names()]
    write(path, presets, overwrite=True)
    return path


def publish(asset: RecipeAsset, overwrite: bool = False) -> Path:
    """Writes a recipe into a file of its own in the library.

    Raises FileExists where there is one of that name that is not to be replaced, BadFile, DiskFull.
    """
    if not asset.name.strip():
        raise BadFile("A recipe without a name cannot be an asset.", "Give it a name.")
    path = folder() / f"{bpy.path.clean_name(asset.name)}.blend"
    if path.name == PRESETS:
        raise BadFile(f"The name '{asset.name}' is taken by the presets.", "Choose another name.")
    write(path, [asset], overwrite)
    return path


def picture_for(recipe: Recipe) -> Path | None:
    """The picture of the preset that paints what the recipe paints, or begins as it does."""
    effects = [layer.effect.value for layer in recipe.layers]
    shipped = {name: [layer.effect.value for layer in load_preset(name).layers] for name in preset_names()}
    alike = [name for name, own in shipped.items() if own == effects]
    alike += [name for name, own in shipped.items() if own[0] == effects[0]]
    return next((PICTURES / f"{name}.png" for name in alike), None)


def write(path: Path, assets: Iterable[RecipeAsset], overwrite: bool = False) -> None:
    """A .blend with nothing but these assets, whole or not at all; the open file is as before."""
    made: list[bpy.types.NodeTree] = []
    try:
        for asset in assets:
            made.append(_node_group(asset))
        with WholeFiles(overwrite) as files:
            files.add(path, lambda temporary: _write(temporary, made))
    finally:
        bpy.data.batch_remove(made)


def _write(path: Path, groups: list[bpy.types.NodeTree]) -> None:
    try:
        bpy.data.libraries.write(str(path), set(groups), fake_user=True, compress=True)
    except RuntimeError as error:
        raise BadFile(f"The asset {path.name} could not be written.", f"Blender says: {error}") from error


def _node_group(asset: RecipeAsset) -> bpy.types.NodeTree:
    group = bpy.data.node_groups.new(asset.name, "ShaderNodeTree")
    group.asset_mark()
    told = group.asset_data
    told[KEY] = asset.recipe.to_json(indent=None)
    told.description = ", ".join(in_words(layer.effect.value) for layer in asset.recipe.layers)
    told.tags.new(LIBRARY, skip_if_exists=True)
    if asset.picture is not None:
        _show(group, asset.picture)
    return group


def _show(group: bpy.types.NodeTree, picture: Path) -> None:
    """Makes an image file the asset's thumbnail. Raises BadFile."""
    try:
        image = bpy.data.images.load(str(picture))
    except RuntimeError as error:
        raise BadFile(f"The picture {picture} cannot be read.", "Choose a PNG or JPEG file.") from error
    try:
        longest = max(image.size)
        if not longest:
            raise BadFile(f"The picture {picture} cannot be read.", "Choose a PNG or JPEG file.")
        if longest > 256:
            image.scale(*(max(round(side * 256 / longest), 1) for side in image.size))
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        preview = group.preview_ensure()
        preview.image_size = image.size
        preview.image_pixels_float.foreach_set(pixels)
    finally:
        bpy.data.images.remove(image)
