# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi flamenco`: where the job type for Blender's render farm lies."""

from __future__ import annotations

from pathlib import Path

from .report import say

JOB_TYPE = Path(__file__).resolve().parents[1] / "flamenco" / "sabi_weather.js"


def command() -> None:
    """Print where the job type for Flamenco 3 lies; its first lines say how to install it.

    cp "$(sabi flamenco)" flamenco/scripts/
    """
    say(str(JOB_TYPE))
