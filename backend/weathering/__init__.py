# SPDX-License-Identifier: GPL-3.0-or-later
"""The method, one file a stage, in numpy."""
