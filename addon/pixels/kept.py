# SPDX-License-Identifier: GPL-3.0-or-later
"""What a piece of work has put into the .blend and beside it before it has ended: it stays, or it is taken out again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ..nodes import material
from ..preferences import preferences
from . import images
from .reading import let_go


@dataclass
class Kept:
    """Images, materials and files of work in flight. `discard` removes them, unless it `stays`.

    Blocks are known by their session's number: an undo between steps would leave dangling references.
    """

    blocks: list[int] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def block(self, made: bpy.types.Image | bpy.types.Material) -> None:
        self.blocks.append(made.session_uid)

    def image(self, image: bpy.types.Image) -> None:
        """Packs an image or saves it beside the .blend, as the preference says. Raises BadFile, DiskFull."""
        self.block(image)
        image[material.IMAGE] = True
        if preferences().storage == "FILES" and bpy.data.filepath:
            self.files.append(images.save_beside(image))
        else:
            images.pack(image)

    def stays(self) -> None:
        self.blocks.clear()
        self.files.clear()

    def discard(self) -> None:
        let_go(set(self.blocks))
        for path in [file for kept in self.files for file in images.files_of(kept)]:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self.stays()
