# SPDX-License-Identifier: GPL-3.0-or-later
"""Sabi's own process: surfaces and recipes in, weathered surfaces out. numpy and onnxruntime, no bpy.

The method is in weathering/, what runs networks in networks/, what Blender shares in protocol/, image files in files/.

The service: serve.py is the process, server.py the calls. A request passes http_protocol and guard; upload writes its body to
the spool; jobs run one after another and leave results.
Without a server: cli/ is the command line; farm does many items, items one of them, models those that need Blender.
frame_process weathers a frame for the add-on; doctor says what runs here.
"""
