# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs in the Image Editor: weathered, freed of light, and read for how weathered they are."""
