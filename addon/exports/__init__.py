# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads out of Blender: plain textures, maps for engines, glTF and USD."""
