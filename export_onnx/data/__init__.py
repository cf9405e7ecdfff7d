# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data: photographed textures as triples of photograph, degree and base, cropped, turned and recoloured."""
