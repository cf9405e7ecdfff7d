# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender side of Sabi: captures objects and frames, shows what the backend painted. Standard library, bpy and numpy only."""

from .registration import register, unregister

__all__ = ["register", "unregister"]
