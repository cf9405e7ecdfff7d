# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person looks at: a contact sheet of the renders, the turntable, and what the page says."""

import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIDECAR = "demo.sabi.json"
TURNING, TURNING_STRIP = "turntable.webp", "turntable.png"
TURN_MS = 4800  # one turn


def contact_sheet(folder: Path, pictures: list[tuple[str, str]], columns: int = 3) -> Path:
    """Lays the named pictures of a folder into one, `contact-sheet.png`, each with its label."""
    sheet = _sheet([(label, Image.open(folder / name).convert("RGB")) for label, name in pictures], columns)
    sheet.save(folder / "contact-sheet.png")
    return folder / "contact-sheet.png"


def animation(folder: Path, frames: list[Path]) -> Path:
    """The frames of one turn as `turntable.webp`, which goes round for ever."""
    first, *rest = (Image.open(path).convert("RGB") for path in frames)
    first.save(
        folder / TURNING,
        save_all=True,
        append_images=rest,
        duration=TURN_MS // len(frames),
        loop=0,
        quality=85,
        method=4,
    )
    return folder / TURNING


def strip(folder: Path, frames: list[Path], count: int = 8) -> Path:
    """At most `count` of the frames of one turn, evenly, in one picture: `turntable.png`."""
    chosen = [k * len(frames) // count for k in range(count)] if len(frames) > count else range(len(frames))
    tiles = [(f"{360 * k / len(frames):.0f} deg", Image.open(frames[k]).convert("RGB")) for k in chosen]
    _sheet(tiles, columns=-(-len(tiles) // 2)).save(folder / TURNING_STRIP)
    return folder / TURNING_STRIP


def _sheet(tiles: list[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """Pictures as large as the first, row by row, each with its label."""
    width, height = tiles[0][1].size
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), (24, 24, 24))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=height // 22)
    for index, (label, tile) in enumerate(tiles):
        x, y = index % columns * width, index // columns * height
        sheet.paste(tile.resize((width, height)), (x, y))
        draw.text(
            (x + width // 40, y + height // 40), label, fill="white", font=font, stroke_width=2, stroke_fill="black"
        )
    return sheet


def said(folder: Path, made: dict) -> Path:
    """What the demo tells of itself, `demo.sabi.json`: `sabi report` makes the page of it."""
    facts = {
        "Model": f"{made.get('model', '')}, {made.get('polygons', 0):,} polygons",
        "Recipe": made.get("preset", ""),
        "Maps": f"{made.get('size', '')} x {made.get('size', '')} texels",
        "Weathering": f"{made.get('weathering_seconds', '')} s, once for all ages",
        "Everything": f"{made.get('seconds', '')} s",
        "Blender": made.get("blender", ""),
    }
    told = {"sabi_demo": 1, "name": str(made.get("model", "")), "facts": facts, "maps": made.get("maps", [])}
    (folder / SIDECAR).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return folder / SIDECAR
