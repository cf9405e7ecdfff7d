# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi delight`: a texture's colours without the light that was on it when it was photographed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..files.assets import seems_to_wrap
from ..files.image import read_upright, writable_suffix, write_image
from ..files.profile import colours_of, like
from ..files.write import check_suffix, in_encoding_of
from ..networks.registry import Networks
from ..protocol.errors import BadFile
from ..protocol.surface import ColorSpace, Map
from ..protocol.texture_names import read_name
from ..protocol.whole import WholeFiles
from ..weathering.delight import delight, doubts
from . import options as o
from .report import say, show_warning


def command(
    texture: Annotated[Path, typer.Argument(help="A texture or a photograph with light on it.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", rich_help_panel=o.RESULT, help="The result; texture_delit beside it when left out."
        ),
    ] = None,
    amount: Annotated[
        float,
        typer.Option("--amount", min=0, max=1, rich_help_panel=o.LOOK, help="How much of the light is taken off."),
    ] = 1.0,
    wrap: o.WrapOption = "auto",
    overwrite: o.OverwriteOption = False,
    device: o.DeviceOption = None,
    threads: o.ThreadsOption = None,
) -> None:
    """Take shadows, gradients, dark cavities and highlights off a texture; its mean colours, its alpha and its tiling stay.

      sabi delight texture.png -o flat.png

      sabi delight scan.exr --amount 0.7 --wrap both
    """  # fmt: skip
    maps = read_name(texture.stem).maps
    if maps and "albedo" not in maps:
        raise BadFile(
            f"{texture.name} is no picture of colours but holds {', '.join(filter(None, maps))}, as its name says.",
            "Light lies on colours: give the albedo, or rename it.",
        )
    pixels, spec = read_upright(texture)
    if pixels.shape[2] > 4:
        raise BadFile(f"{texture.name} has {pixels.shape[2]} channels.", "Save it with colours and alpha alone.")
    colours = colours_of(texture.name, pixels, spec)
    if pixels.shape[2] >= 3:
        pixels = np.concatenate([colours.seen, pixels[..., 3:]], axis=2)
    picture = Map(pixels, ColorSpace.LINEAR if pixels.dtype.kind == "f" else ColorSpace.SRGB)
    chosen = o.parse_wrap(wrap)
    target = o.target_of(out, texture.with_name(f"{texture.stem}_delit{writable_suffix(texture.suffix)}"))
    check_suffix(target.suffix)
    wraps = seems_to_wrap(picture) if chosen is None else chosen
    networks = Networks.load(device=device, threads=threads)
    made = delight(picture, amount=amount, wrap=wraps, networks=networks)
    result = made.array
    if result.shape[2] >= 3:
        result = np.concatenate([colours.back(result[..., :3], target), result[..., 3:]], axis=2)
    same = target.suffix.lower() == texture.suffix.lower()
    stored = result if same else in_encoding_of(target, Map(result, made.color_space))
    with WholeFiles(overwrite, inputs=(texture,)) as files:
        files.add(target, lambda temporary: write_image(temporary, stored, like(spec, stored, same)))
    for warning in (*colours.warnings, *doubts(networks)):
        show_warning(warning)
    say(str(target))
