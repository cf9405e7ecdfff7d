# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter's training, export and figures."""
