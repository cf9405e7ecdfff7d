# SPDX-License-Identifier: GPL-3.0-or-later
"""Sabi's own process: surfaces and recipes in, weathered surfaces out. numpy and onnxruntime, no bpy."""
