# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe as the scene holds it: properties, styles, masks, presets, exemplars, files and assets."""
