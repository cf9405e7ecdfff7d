# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person looks at: a contact sheet of the renders, and a page with before and after side by side."""

import html
from pathlib import Path
from string import Template

from PIL import Image, ImageDraw, ImageFont

PAGE = Path(__file__).with_name("page.html")


def contact_sheet(folder: Path, pictures: list[tuple[str, str]], columns: int = 3) -> Path:
    """Lays the named pictures of a folder into one, `contact-sheet.png`, each with its label."""
    tiles = [(label, Image.open(folder / name).convert("RGB")) for label, name in pictures]
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
    sheet.save(folder / "contact-sheet.png")
    return folder / "contact-sheet.png"


def index_page(folder: Path, made: dict) -> Path:
    """Writes `index.html`; it names its pictures relative to itself, so the folder can be moved."""
    ages = sorted(path.stem.removeprefix("age-") for path in folder.glob("age-*.png"))
    frames = "\n".join(f'<img class="frame" src="age-{age}.png" alt="age {float(age):g}">' for age in ages)
    maps = "\n".join(
        f'<figure><img src="{html.escape(name)}" loading="lazy"><figcaption>{html.escape(Path(name).stem)}</figcaption></figure>'
        for name in made.get("maps", [])
    )
    facts = {
        "Model": f"{made.get('model', '')}, {made.get('polygons', 0):,} polygons",
        "Recipe": made.get("preset", ""),
        "Maps": f"{made.get('size', '')} x {made.get('size', '')} texels",
        "Weathering": f"{made.get('weathering_seconds', '')} s, once for all ages",
        "Everything": f"{made.get('seconds', '')} s",
        "Blender": made.get("blender", ""),
    }
    rows = "".join(f"<tr><th>{key}</th><td>{html.escape(str(value))}</td></tr>" for key, value in facts.items())
    page = Template(PAGE.read_text(encoding="utf-8"))
    text = page.substitute(
        frames=frames, maps=maps, rows=rows, last=len(ages) - 1, title=html.escape(str(made.get("model", "")))
    )
    (folder / "index.html").write_text(text, encoding="utf-8")
    return folder / "index.html"
