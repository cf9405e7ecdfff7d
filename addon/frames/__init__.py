# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera's view: rendered with passes and weathered, and time-lapses."""
