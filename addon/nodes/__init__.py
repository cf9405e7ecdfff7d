# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sabi puts on materials: the node group, where it sits, what it shows, and how it is taken off again."""
