# SPDX-License-Identifier: GPL-3.0-or-later
"""One rendered frame weathered for the add-on, which cannot read its passes itself: multilayer EXR in, a plain EXR out.

    frame_process FRAME.exr --layer NAME --recipe FILE --out FILE.exr [--server ADDRESS] [--unit METRES] [--harmonize]

The file's positions are in units of so many metres. The networks run on the server (token in SABI_TOKEN), so that Blender's
one backend does the work. Standard output is JSON lines: {"stage", "fraction"} while it works, at the end {"warnings",
"networks"} or {"error": {...}}; the exit status is 0 or 1.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .files import read_frame
from .files.image import write_image
from .protocol.client import Client
from .protocol.errors import Cancelled, SabiError
from .protocol.photograph import asked_to_harmonize
from .protocol.recipe import Recipe
from .protocol.surface import Surface
from .protocol.whole import WholeFiles
from .weathering.passes import inspect


def main(words: Sequence[str] | None = None) -> int:
    given = _arguments(words)
    signal.signal(signal.SIGTERM, _stop)
    try:
        answer = weather_frame(given)
    except KeyboardInterrupt:
        say(error=Cancelled().to_dict())
        return 1
    except SabiError as error:
        say(error=error.to_dict())
        return 1
    say(**answer)
    return 0


def weather_frame(given: argparse.Namespace) -> dict[str, object]:
    """Writes the weathered Combined pass and returns warnings and networks. Raises SabiError's children."""
    say(stage="reading the passes", fraction=0.0)
    frame = read_frame(given.frame, layer=given.layer, unit=given.unit)
    noticed = inspect(frame.surface, frame.passes)
    recipe = Recipe.from_json(given.recipe.read_bytes())
    result = Client(given.server).weather(
        asked_to_harmonize(frame.surface) if given.harmonize else frame.surface,
        recipe,
        part="surface",
        progress=lambda now: say(stage=now.stage, fraction=round(now.fraction, 3)),
    )
    with WholeFiles(overwrite=False) as files:
        files.add(given.out, lambda temporary: write_image(temporary, _picture(result.surface)))
    return {"warnings": list(dict.fromkeys((*noticed, *result.warnings))), "networks": dict(result.networks)}


def _stop(*_: object) -> None:
    """Once, and in peace: so that the server is told. Where it is not, it notices."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def _picture(surface: Surface) -> np.ndarray:
    """Combined with its alpha, as Blender shows a render."""
    parts = [surface[name].array for name in ("combined", "alpha") if name in surface]
    return np.concatenate([part.astype(np.float32) for part in parts], axis=2)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sabi.backend.frame_process")
    parser.add_argument("frame", type=Path)
    parser.add_argument("--layer", default="")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--unit", type=float, default=1.0)
    parser.add_argument("--harmonize", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
