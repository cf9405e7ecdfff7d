# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Sabi's networks are made: data, training, evaluation and export to ONNX. Needs torch; nothing imports this package."""
