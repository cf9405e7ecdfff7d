# SPDX-License-Identifier: GPL-3.0-or-later
"""The shading network: pictures with exact albedo and shading to learn from, its shape, training, export and figures."""
