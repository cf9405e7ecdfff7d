# SPDX-License-Identifier: GPL-3.0-or-later
"""An image file of an export: maps in, the file's bytes out."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from ..files.packing import encoded
from ..protocol import wire
from ..protocol.errors import BadMessage, BadSurface
from ..protocol.map_files import MapExport, format_named, layout_named
from ..protocol.surface import ColorSpace, Map, Surface


def encoded_file(message: memoryview, query: Mapping[str, str]) -> np.ndarray:
    """The file that a request asks for, as a U8 array of its bytes.

    Raises BadMessage for a file that the layout does not have of these maps, BadFile for a depth that the format lacks,
    BadSurface for maps of different sizes.
    """
    arrays, metadata = wire.loads(message)
    bits, name = query.get("bits", "0"), query.get("file", "")
    if not bits.isdecimal():
        raise BadMessage("'bits' must be a number.")
    try:
        export = MapExport(
            layout_named(query.get("layout", "plain")), format_named(query.get("format", "png")), int(bits)
        )
        spaces = {name: ColorSpace(space) for name, space in json.loads(metadata["color_spaces"]).items()}
        maps = {name: Map(array, spaces[name]) for name, array in arrays.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise BadMessage("The message needs `color_spaces` of its maps as JSON in its metadata.") from None
    if not maps:
        raise BadSurface("There are no maps to encode.")
    surface = Surface(maps)  # of one size, with the channels that their names ask for
    surface.check_values()
    file = next((file for file in export.files(surface.maps) if file.name == name), None)
    if file is None:
        raise BadMessage(f"The layout {export.layout.value} has no file '{name}' of these maps.")
    return encoded(surface.maps, file, export)
