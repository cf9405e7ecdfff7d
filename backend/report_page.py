# SPDX-License-Identifier: GPL-3.0-or-later
"""Exhibits as one HTML page that holds all it shows: sliders for age and for before and after, and nothing is loaded."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import TextIO
from urllib.parse import quote

from .report import Exhibit, Picture

PAGE = Path(__file__).with_name("report_page.html")
_TURNS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # Unicode's controls of direction
_MARK = "<!-- exhibits -->"


def write_page(
    path: Path, target: Path, title: str, shown: Iterable[Exhibit], failed: Sequence[tuple[str, str]] = ()
) -> int:
    """Writes to `path`, one exhibit after another, the page that will lie at `target`; returns how many exhibits it has.

    Pictures whose files lie below the page's folder lead to them.
    """
    head, foot = Template(PAGE.read_text(encoding="utf-8")).substitute(title=_text(title)).split(_MARK)
    count = 0
    with open(path, "w", encoding="utf-8", newline="\n") as page:
        page.write(head)
        for exhibit in shown:
            _write(page, exhibit, target.resolve().parent, count)
            count += 1
        if not count:
            page.write("<p>There is nothing to show.</p>\n")
        if failed:
            rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(why)}</td></tr>" for name, why in failed)
            page.write(f"<h2>Not weathered</h2>\n<table>{rows}</table>\n")
        page.write(foot)
    return count


def _write(page: TextIO, exhibit: Exhibit, folder: Path, number: int) -> None:
    page.write(f'<section>\n<h2>{_text(exhibit.name)}</h2>\n<div class="stage">\n')
    ages = [age for age, _ in exhibit.frames]
    for age, picture in exhibit.frames:
        page.write(_image(picture, f"{exhibit.name}, age {age:g}", "frame") + "\n")
    if exhibit.before:
        cover = "before" if exhibit.frames else "frame"
        page.write(_image(exhibit.before, f"{exhibit.name}, before", cover) + "\n")
    page.write("</div>\n")
    if exhibit.before and exhibit.frames:
        page.write(
            f'<div class="slide"><label for="wipe-{number}">Before</label><input id="wipe-{number}" class="wipe" type="range" '
            f'min="0" max="100" value="50" aria-label="Before and after"><span>After</span></div>\n'
        )
    if len(ages) > 1:
        said = _text(json.dumps([round(age, 4) for age in ages]))
        page.write(
            f'<div class="slide"><label for="age-{number}">Age</label><input id="age-{number}" class="age" type="range" '
            f'min="0" max="{len(ages) - 1}" step="0.01" value="{len(ages) - 1}" data-ages="{said}">'
            f'<output for="age-{number}"></output></div>\n'
        )
    for note in exhibit.notes:
        page.write(f'<p class="note">{_text(note)}</p>\n')
    files = [p.file for p in (exhibit.before, *(p for _, p in exhibit.frames)) if p and p.file]
    files += exhibit.files
    links = [f'<a href="{at}">{_text(file.name)}</a>' for file in dict.fromkeys(files) if (at := _link(file, folder))]
    facts = [(key, _text(value)) for key, value in exhibit.facts if value]
    rows = "".join(f"<tr><th>{_text(key)}</th><td>{value}</td></tr>" for key, value in facts)
    rows += f"<tr><th>Files</th><td>{' '.join(links)}</td></tr>" if links else ""
    page.write(f"<table>{rows}</table>\n" if rows else "")
    if exhibit.turning:
        page.write(f"<h3>Turned under a moving light</h3>\n{_image(exhibit.turning, 'the model turning', 'turning')}\n")
    if exhibit.maps:
        page.write('<div class="maps">\n')
        for name, picture in exhibit.maps:
            shown, at = _image(picture, name, "map"), _link(picture.file, folder)
            shown = f'<a href="{at}">{shown}</a>' if at else shown
            page.write(f"<figure>{shown}<figcaption>{_text(name)}</figcaption></figure>\n")
        page.write("</div>\n")
    page.write("</section>\n")


def _image(picture: Picture, described: str, kind: str) -> str:
    if not picture.address:
        return f'<div class="{kind} missing"><span>{_text(picture.missing)}</span></div>'
    return f'<img class="{kind}" src="{picture.address}" alt="{_text(described)}">'


def _link(file: Path | None, folder: Path) -> str:
    """The way from the page to a file below its folder; empty for any other, which would not move with the page."""
    if file is None or not file.is_file() or not file.resolve().is_relative_to(folder):
        return ""
    return "./" + quote(os.fsencode(file.resolve().relative_to(folder).as_posix()))


def _text(words: str) -> str:
    """Words as HTML holds them, in text and in quoted attributes.

    Bytes of a name that are no text become question marks; what would turn the words' direction is shown as such a mark too.
    """
    return html.escape(_TURNS.sub("\ufffd", words).encode("utf-8", "replace").decode(), quote=True)
