# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: a clean model made by script, weathered through the add-on's operators, before and after.

Run outside Blender, with the bpy wheel: `python -m sabi.addon.demo --out out/demo`. Not part of the extension's zip.
"""
