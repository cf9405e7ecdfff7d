# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained networks and what runs them: card (what one says of itself), registry, session, tiling, and the *.onnx files."""
