# SPDX-License-Identifier: GPL-3.0-or-later
"""The harmonizer: its network, pairs to learn from, training, export and figures."""
