# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi harmonize`: what was put into a picture, in the light and the colours of the rest.

The network knows colours as sRGB encodes them, 0 to 1: what is brighter in a scene-linear picture stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..files.image import LOSSY_SUFFIXES, read_upright, writable_suffix, write_image
from ..files.photograph import read_mask
from ..files.profile import colours_of, like
from ..files.write import check_suffix, in_encoding_of
from ..networks.registry import Networks
from ..protocol.errors import BadFile, NetworkError
from ..protocol.surface import ColorSpace, Map
from ..protocol.whole import WholeFiles
from ..weathering.harmonize import NETWORK, harmonized
from . import options as o
from .report import say, show_warning

_HOW = (
    "Unset SABI_NETWORKS, which names a folder without one, or train one: python -m sabi.export_onnx train harmonizer."
)


def command(
    image: Annotated[Path, typer.Argument(help="A picture into which something was put.", show_default=False)],
    mask: Annotated[Path, typer.Argument(help="White where it was put; grey is partly.", show_default=False)],
    out: o.OutOption = None,
    overwrite: o.OverwriteOption = False,
    device: o.DeviceOption = None,
    threads: o.ThreadsOption = None,
) -> None:
    """Bring the part under a mask into the light and the colours of the rest; all else stays bit for bit.

    sabi harmonize composite.png mask.png --out harmonized.png
    """
    pixels, spec = read_upright(image)
    if pixels.shape[2] < 3:
        raise BadFile(f"{image.name} is grey.", "Colours are what is harmonized: give a picture that has them.")
    part = np.clip(read_mask(mask).floats(), 0, 1)
    networks = Networks.load(device=device, threads=threads)
    if NETWORK not in networks:
        raise NetworkError(f"There is no network '{NETWORK}' here.", _HOW)
    target = o.target_of(out, image.with_name(f"{image.stem}_harmonized{writable_suffix(image.suffix)}"))
    if check_suffix(target.suffix) in LOSSY_SUFFIXES:
        raise BadFile(f"A {target.suffix} would change every texel.", "Choose png, tif or exr.")
    space = ColorSpace.LINEAR if pixels.dtype.kind == "f" else ColorSpace.SRGB  # EXR and HDR hold scene-linear light
    colours = colours_of(image.name, pixels, spec)
    changed = harmonized(Map(colours.seen, space), part, networks[NETWORK].run)
    result = np.concatenate([colours.back(changed.array, target), pixels[..., 3:]], axis=2)
    same = target.suffix.lower() == image.suffix.lower()
    stored = result if same else in_encoding_of(target, Map(result, space))
    with WholeFiles(overwrite, inputs=(image, mask)) as files:
        files.add(target, lambda temporary: write_image(temporary, stored, like(spec, stored, same)))
    for warning in colours.warnings:
        show_warning(warning)
    say(str(target))
