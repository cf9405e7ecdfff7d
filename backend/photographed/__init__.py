# SPDX-License-Identifier: GPL-3.0-or-later
"""From a photograph of a weathered texture to its degree map: how weathered it is around each texel."""
