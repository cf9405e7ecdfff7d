# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's images: to maps and back, read and encoded beside the artist, and kept with the strokes on them."""
