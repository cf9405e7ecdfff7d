# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's process and the backend share: words, the formula and the wire. Standard library and numpy only."""
