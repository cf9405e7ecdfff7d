# SPDX-License-Identifier: GPL-3.0-or-later
"""What exported maps are called: names by a pattern, and versions that never take the place of what is there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter

from .errors import BadFile

TOKENS = ("object", "material", "map", "recipe", "size", "version")
_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_WIDTH = re.compile(r"0?[1-9]")
_HINT = f"Tokens: {', '.join(f'{{{token}}}' for token in TOKENS)}; {{version:03}} writes 7 as 007."
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True)
class Named:
    """What a pattern's tokens stand for, but for the map and the version."""

    object: str
    material: str = ""
    recipe: str = ""
    size: int = 0  # texels of the longest side

    def path(self, pattern: str, map_name: str, version: int = 1) -> PurePosixPath:
        """The file's path below the folder of the export, without a suffix. Raises BadFile as `check_pattern`."""
        check_pattern(pattern)
        values = {
            "object": _plain(self.object),
            "material": _plain(self.material),
            "recipe": _plain(self.recipe),
            "size": self.size,
            "map": _plain(map_name),
            "version": version,
        }
        parts = [part.strip(" .") for part in PurePosixPath(pattern.format(**values)).parts]
        return PurePosixPath(*(f"_{part}" if not part or _RESERVED.fullmatch(part) else part for part in parts))

    def next_version(self, pattern: str, map_names: Sequence[str], folder: Path) -> int:
        """The first version above all of which `folder` has a file, whatever its suffix or tile; 1 without a version token."""
        if not has_token(pattern, "version"):
            return 1
        highest = 0
        for name in map_names:
            marked = self.path(pattern, name, _MARK)
            stem = re.escape(str(marked)).replace(str(_MARK), r"(\d+)", 1).replace(str(_MARK), r"\d+")
            found = re.compile(stem + r"(\.[12]\d{3})?(\.\w+)+")
            for path in folder.glob("/".join("*" * len(marked.parts))):
                if match := found.fullmatch(path.relative_to(folder).as_posix()):
                    highest = max(highest, int(match[1]))
        return highest + 1


_MARK = 918273645  # a version that no one has: where its digits stand in a name, any version's may


def has_token(pattern: str, token: str) -> bool:
    return any(name == token for _, name, _, _ in Formatter().parse(pattern))


def check_pattern(pattern: str) -> None:
    """Raises BadFile for unknown tokens, a pattern without {map}, and one that leads out of its folder."""
    try:
        fields = [
            (name, spec, conversion) for _, name, spec, conversion in Formatter().parse(pattern) if name is not None
        ]
        for name, spec, conversion in fields:
            if name not in TOKENS or conversion:
                raise BadFile(f"The pattern '{pattern}' has a token '{name}' that names nothing.", _HINT)
            if spec and not (name in ("version", "size") and _WIDTH.fullmatch(spec)):
                raise BadFile(f"The pattern '{pattern}' asks for '{spec}', which is no way to write a token.", _HINT)
        pattern.format(**{token: 1 if token in ("version", "size") else "x" for token in TOKENS})
    except (ValueError, KeyError, IndexError):
        raise BadFile(f"The pattern '{pattern}' cannot be read.", _HINT) from None
    if "map" not in [name for name, _, _ in fields]:
        raise BadFile(f"The pattern '{pattern}' gives all maps one name: it lacks {{map}}.", _HINT)
    path = PurePosixPath(pattern.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in re.sub(r"\{[^}]*\}", "", pattern):
        raise BadFile(f"The pattern '{pattern}' leads out of its folder.", "Choose the folder apart from the names.")


def _plain(text: str) -> str:
    """A name as every file system takes it."""
    return _ILLEGAL.sub("_", text).strip() or "_"
