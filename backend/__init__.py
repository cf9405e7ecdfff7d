# SPDX-License-Identifier: GPL-3.0-or-later
"""Sabi's own process: surfaces and recipes in, weathered surfaces out. numpy and onnxruntime, no bpy.

The method is in weathering/, what runs networks in networks/, what Blender shares in protocol/, image files in files/.

server/ is the service. Without it: cli/ is the command line; farm does many items, items one of them, models those that need
Blender. frame_process weathers a frame for the add-on; doctor says what runs here.
"""
