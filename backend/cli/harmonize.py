# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi harmonize`: what was put into a picture, in the light and the colours of the rest.

The network knows colours as sRGB encodes them, 0 to 1: what is brighter in a scene-linear picture is cut off under the mask.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..files.image import LOSSY_SUFFIXES, read_image, writable_suffix, write_image
from ..files.write import check_suffix, in_encoding_of
from ..networks.registry import Networks
from ..protocol.errors import BadFile, NetworkError
from ..protocol.surface import ColorSpace, Map
from ..protocol.whole import WholeFiles
from ..weathering import colour
from ..weathering.harmonize import NETWORK, colour_of, harmonized
from . import options as o
from .report import say

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
    pixels, spec = read_image(image)
    if pixels.shape[2] < 3:
        raise BadFile(f"{image.name} is grey.", "Colours are what is harmonized: give a picture that has them.")
    part = np.clip(colour_of(read_image(mask)[0][..., :1]), 0, 1)
    networks = Networks.load(device=device, threads=threads)
    if NETWORK not in networks:
        raise NetworkError(f"There is no network '{NETWORK}' here.", _HOW)
    target = out or image.with_name(f"{image.stem}_harmonized{writable_suffix(image.suffix)}")
    if check_suffix(target.suffix) in LOSSY_SUFFIXES:
        raise BadFile(f"A {target.suffix} would change every texel.", "Choose png, tif or exr.")
    linear = pixels.dtype.kind == "f"  # EXR and HDR: the network knows encoded colours
    encoded = colour.to_srgb(pixels[..., :3].astype(np.float32)) if linear else pixels[..., :3]
    changed = harmonized(encoded, part, networks[NETWORK].run)
    inside = part[..., 0] > 0
    result = pixels.copy()
    result[..., :3][inside] = colour.to_linear(changed[inside]) if linear else changed[inside]
    same = target.suffix.lower() == image.suffix.lower()
    stored = result if same else in_encoding_of(target, Map(result, ColorSpace.LINEAR if linear else ColorSpace.SRGB))
    with WholeFiles(overwrite, inputs=(image, mask)) as files:
        files.add(target, lambda temporary: write_image(temporary, stored, spec if same else None))
    say(str(target))
