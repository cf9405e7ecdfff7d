# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks themselves, one file each."""
