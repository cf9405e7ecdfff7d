# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces on disk: single images, folders of PBR maps, UDIM sets and rendered frames, read and written with OpenImageIO."""

from .assets import Asset, Assignment, read_assets, read_surface
from .frame import RenderedFrame, read_frame, write_frame
from .image import IMAGE_SUFFIXES
from .write import write_asset, write_surface

__all__ = [
    "IMAGE_SUFFIXES",
    "Asset",
    "Assignment",
    "RenderedFrame",
    "read_assets",
    "read_frame",
    "read_surface",
    "write_asset",
    "write_frame",
    "write_surface",
]
