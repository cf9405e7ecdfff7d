# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that is on the server without the light on it: one map in, one map out."""

from __future__ import annotations

import numpy as np

from ..files.assets import seems_to_wrap
from ..networks.registry import Networks
from ..protocol.errors import BadMessage
from ..protocol.surface import ColorSpace, Map
from ..weathering.delight import delight, doubts
from .map_cache import KeptMap


def delit_texels(
    picture: KeptMap, color_space: str, amount: str, networks: Networks
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The colours of a picture [H, W, 1..4] without its light, in its type; where it seems to tile, it still does; and doubts.

    Raises BadMessage for an amount or colour space that there is none of, and as weathering.delight.
    """
    try:
        space, share = ColorSpace(color_space), float(amount)
    except ValueError:
        raise BadMessage(f"'{amount}' is no amount, or '{color_space}' no colour space.") from None
    picture.check()
    given = Map(picture.array, space)
    return delight(given, amount=share, wrap=seems_to_wrap(given), networks=networks).array, doubts(networks)
