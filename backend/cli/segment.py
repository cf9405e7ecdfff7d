# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi segment`: of what material each texel of a photograph, a render or a texture is, as masks and as a coloured overlay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..files.image import write_image
from ..legend import overlay
from ..networks.registry import Networks
from ..photographed.files import photograph_in, read_photograph
from ..protocol.belongs_on import BELONGS_ON
from ..protocol.errors import BadRecipe, FileExists
from ..protocol.materials import MATERIALS, Material, Quality
from ..protocol.recipe import Effect
from ..protocol.whole import WholeFiles
from ..weathering.segment import segment
from . import options as o
from .report import print_json, say

_LEAST_SHARE = 0.01  # of the texels: a material with less gets no mask unless it is asked for


def command(
    photograph: Annotated[
        Path,
        typer.Argument(help="A photograph, a render or a texture, or a folder of PBR maps.", show_default=False),
    ],
    material: Annotated[
        list[Material] | None,
        typer.Option("--material", help="Write the mask of this material alone. May be repeated."),
    ] = None,
    effect: Annotated[
        Effect | None,
        typer.Option("--effect", help="Write one mask, of all materials that this effect belongs on."),
    ] = None,
    quality: Annotated[
        Quality,
        typer.Option("--quality", help="How deep to look; auto stops where the least sure tenth is sure enough."),
    ] = Quality.AUTO,
    device: o.DeviceOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The folder for the masks and the overlay.", show_default="beside the picture"),
    ] = None,
    overwrite: o.OverwriteOption = False,
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Tell materials apart: photo.jpg gets photo_materials.png, an overlay with a legend, and a mask a material: photo_metal.png.

      sabi segment photo.jpg

      sabi segment photo.jpg --effect rust

      sabi segment atlas_albedo.png --material metal --quality best
    """  # fmt: skip
    started = time.monotonic()
    if material and effect:
        raise BadRecipe("Give materials or an effect, not both.", "Leave out --effect or --material.")
    path = photograph_in(photograph)
    picture, grid, _ = read_photograph(path)
    found = segment(picture, Networks.load(device=device), quality)
    shares = np.bincount(found.materials.ravel(), minlength=len(MATERIALS)) / found.materials.size
    masks: dict[str, np.ndarray] = {}
    if effect:
        masks[effect.value] = found.share(*BELONGS_ON[effect])
    else:
        wanted = material or [m for m in MATERIALS if shares[m.channel] >= _LEAST_SHARE]
        masks = {m.value: found.share(m) for m in wanted} | ({} if material else {"object": found.objects})
    folder = out or path.parent
    targets = {name: folder / f"{path.stem}_{name}.png" for name in ("materials", *masks)}
    for target in targets.values():
        if target.exists() and not overwrite:
            raise FileExists(f"{target} exists already.", "Choose another --out, or give --overwrite.")
    images = {name: grid.texels(mask) for name, mask in masks.items()} | {"materials": overlay(picture, found)}
    with WholeFiles(overwrite, inputs=[path]) as files:
        for name, target in targets.items():
            files.add(target, lambda temporary, pixels=images[name]: write_image(temporary, pixels))  # type: ignore[misc]
    written = [str(target) for target in targets.values()]
    if as_json:
        print_json(
            {
                "item": str(photograph),
                "status": "done",
                "level": found.level,
                "confidence": round(found.confidence, 4),
                "materials": {m.value: round(float(shares[m.channel]), 4) for m in MATERIALS if shares[m.channel] > 0},
                "object": round(float((found.objects > 0.5).mean()), 4),
                "degree": round(float(found.degree.mean()), 4),
                "seconds": round(time.monotonic() - started, 3),
                "files": written,
            }
        )
    elif not quiet:
        for name in written:
            say(name)
