# SPDX-License-Identifier: GPL-3.0-or-later
"""How an object becomes a surface: what is read, what is baked, on which UVs, and what of it is kept."""
