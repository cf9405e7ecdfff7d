# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe as one file: everything it needs is inside, the codes of styles taken from photographs too."""

from __future__ import annotations

from pathlib import Path

from ...backend.protocol.errors import BadFile
from ...backend.protocol.recipe import Recipe
from ...backend.protocol.whole import WholeFiles


def read_recipe(path: Path) -> Recipe:
    """Raises BadFile where there is no such file, BadRecipe where it is no recipe."""
    try:
        return Recipe.from_json(path.read_bytes())
    except OSError as error:
        raise BadFile(f"The recipe {path} cannot be read: {error.strerror}.", "Choose another file.") from error


def write_recipe(path: Path, recipe: Recipe, overwrite: bool = False) -> None:
    """Whole or not at all. Raises FileExists where there is a file that is not to be replaced, BadFile, DiskFull."""
    with WholeFiles(overwrite) as files:
        files.add_text(path, recipe.to_json())


def free(path: Path) -> Path:
    """The path, or with a number behind its name the first that no file has."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_stem(f"{path.stem}_{number}")
    return found
