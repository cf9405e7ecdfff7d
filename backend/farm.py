# SPDX-License-Identifier: GPL-3.0-or-later
"""Many items, one after another or over a Ray cluster: in shards, skipped when done, reported one by one."""

from __future__ import annotations

import contextlib
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import cluster
from .files import IMAGE_SUFFIXES
from .items import SIDECAR, Engine, Kind, Settings, Written, already_done, clashes, kind_of, weather_item
from .models import MODEL_SUFFIXES
from .protocol.errors import BackendError, BadRecipe, Cancelled, SabiError
from .protocol.recipe import Recipe
from .protocol.rules import Rules
from .protocol.texture_names import read_name
from .protocol.whole import explain

# Codes of what would fail every other item as well. To go on after a server's restart, run the batch again.
FATAL = (
    "backend", "backend_gone", "backend_not_installed", "device", "network", "protocol_mismatch", "unauthorized",
    "unknown_network",
)  # fmt: skip

MASK = "_mask"  # at the end of a name: what of the photograph beside it weathers


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 0. Items are dealt by their names, so that adding one moves no other."""

    index: int = 0
    count: int = 1

    @staticmethod
    def parse(text: str) -> Shard:
        """`2/8` is the second of eight. Raises BadRecipe."""
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise BadRecipe(f"'{text}' is not a shard.", "Write i/n, from 1/n to n/n, as in 2/8.")
        return Shard(int(match[1]) - 1, int(match[2]))

    def has(self, item: Path, root: Path) -> bool:
        """Whether an item found under `root` is this shard's: by its path below the root, so that machines agree."""
        return zlib.crc32(os.fsencode(below(item, root))) % self.count == self.index


@dataclass(frozen=True)
class Outcome:
    """What became of one item: one JSON line."""

    item: str
    status: str  # done | skipped: done by an earlier run | left: no rule takes it | failed
    seconds: float
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: dict[str, str] | None = None
    objects: tuple[Mapping[str, Any], ...] = ()  # of a model that rules were asked about

    def to_dict(self) -> dict[str, Any]:
        line: dict[str, Any] = {"item": self.item, "status": self.status, "seconds": round(self.seconds, 3)}
        if self.error:
            return {**line, "error": self.error}
        objects = {"objects": list(self.objects)} if self.objects else {}
        return {**line, "files": list(self.files), "warnings": list(self.warnings), **objects}


def find_items(roots: Iterable[Path], photographs: bool = False) -> Iterator[tuple[Path, Path]]:
    """(item, the root it was found under) in a fixed order.

    A folder whose images name maps (one of them an albedo) is one item; otherwise each image in it is, a UDIM set once.
    Models are items. Results of Sabi (`*_weathered`, `*_timelapse`, sidecars) and names that begin with a dot are passed over.
    Of `photographs` each image is one, but for masks (`*_mask`).
    """
    for root in roots:
        if root.is_dir():
            yield from ((item, root) for item in _walk(root, photographs))
        else:
            yield root, root.parent


def run(
    items: Iterable[tuple[Path, Path]],
    rules: Rules,
    settings: Settings,
    shard: Shard,
    engine: Engine | None = None,
    keep_going: bool = False,
) -> Iterator[Outcome]:
    """Weathers the shard's items in this process, one outcome each. A failed item stops no other.

    What would fail every item (no network, no device, a server that is not there) ends the run after its first outcome,
    unless it is to keep going.
    """
    engine, items = engine or Engine(settings), list(items)
    clashing = clashes_of(items, rules, settings)
    for item, root in items:
        if shard.has(item, root):
            if item in clashing:
                yield Outcome(str(item), "failed", 0.0, error=clashing[item].to_dict())
                continue
            outcome = run_one(item, root, rules, settings, engine)
            yield outcome
            if outcome.error and outcome.error["code"] in FATAL and not keep_going:
                return


def run_one(item: Path, root: Path, rules: Rules, settings: Settings, engine: Engine) -> Outcome:
    """One item, found under a root, skipped when an earlier run did it; never raises but for cancelling."""
    began = time.monotonic()
    try:
        settings = under(settings, item, root)
        look = look_of(item, root, rules)
        if look is None:
            return Outcome(str(item), "left", time.monotonic() - began)
        if done := already_done(item, look, settings):
            return _outcome(item, "skipped", began, done)
        written = weather_item(item, look, settings, engine, lambda stage, fraction: None)
        return _outcome(item, "left" if written.left else "done", began, written)
    except Cancelled:
        raise
    except (SabiError, OSError) as raised:
        error = raised if isinstance(raised, SabiError) else explain(raised, item)
        return Outcome(str(item), "failed", time.monotonic() - began, error=error.to_dict())
    except Exception as error:  # a batch goes on, whatever one file does to it
        said = {
            "code": "unexpected",
            "message": f"{type(error).__name__}: {error}",
            "hint": "Please report this with the file.",
        }
        return Outcome(str(item), "failed", time.monotonic() - began, error=said)


def clashes_of(items: Iterable[tuple[Path, Path]], rules: Rules, settings: Settings) -> dict[Path, BadRecipe]:
    """Of items, each with its root, that rules take: what clashes of items.py says."""
    taken = []
    for item, root in items:
        with contextlib.suppress(SabiError, OSError):  # which is said of the item itself
            if look_of(item, root, rules) is not None:
                taken.append((item, under(settings, item, root)))
    return clashes(taken)


def look_of(item: Path, root: Path, rules: Rules) -> Recipe | Rules | None:
    """What an item gets: a recipe; for a model that they may part, rules; None where no rule takes it. Raises BadFile."""
    found = rules.in_file(below(item, root))
    if kind_of(item) is not Kind.MODEL:
        rule = found.of_picture(item.name if item.is_dir() else item.stem)
        return rule.recipe if rule else None
    return found.single or (found if any(rule.recipe for rule in found.rules) else None)


def run_on_ray(
    items: Iterable[tuple[Path, Path]], rules: Rules, settings: Settings, shard: Shard, address: str
) -> Iterator[Outcome]:
    """The same items over a Ray cluster, outcomes as they come: one actor a GPU, or one for every four CPUs where there is none.

    All machines must see the items under the same paths, and have Sabi installed. Raises BackendError without Ray or cluster.
    """
    ray = cluster.connect(address)
    gpus, cpus = cluster.has(ray, "GPU"), max(1, cluster.has(ray, "CPU"))
    workers = gpus or max(1, cpus // 4)
    actor = ray.remote(
        num_gpus=1 if gpus else 0,
        num_cpus=1 if gpus else min(4, cpus),
        max_restarts=3,
        max_task_retries=2,
    )(Worker)
    if settings.out is not None:
        settings = replace(settings, out=settings.out.resolve())
    pool = ray.util.ActorPool([actor.remote(rules, settings) for _ in range(workers)])
    items = [(item, root) for item, root in items]
    clashing = clashes_of(items, rules, settings)
    chosen = [(item, root) for item, root in items if shard.has(item, root)]
    refused = [path for path, _ in chosen if path in clashing]
    yield from (Outcome(str(path), "failed", 0.0, error=clashing[path].to_dict()) for path in refused)
    waiting = {str(item.resolve()): str(root.resolve()) for item, root in chosen if item not in clashing}
    for pair in waiting.items():
        pool.submit(lambda worker, pair: worker.run.remote(*pair), pair)
    lost = ""
    while pool.has_next():
        try:
            outcome = pool.get_next_unordered()
        except Exception as error:  # the machine that had it is gone, and so were those it was tried on again
            lost = cluster.first_line(error)
            continue
        del waiting[outcome.item]
        yield outcome
    for item in waiting:
        said = BackendError("The cluster lost this item.", f"Run the batch again. Ray says: {lost}")
        yield Outcome(item, "failed", 0.0, error=said.to_dict())


class Worker:
    """What runs on a machine of the cluster: one engine, kept from item to item."""

    def __init__(self, rules: Rules, settings: Settings) -> None:
        self.rules = rules
        self.settings = settings
        self.engine = Engine(settings)

    def run(self, item: str, root: str) -> Outcome:
        return run_one(Path(item), Path(root), self.rules, self.settings, self.engine)


def below(item: Path, root: Path) -> str:
    """An item's place below the folder it was found under, with slashes."""
    return item.relative_to(root).as_posix() if item.is_relative_to(root) and item != root else item.name


def under(settings: Settings, item: Path, root: Path) -> Settings:
    """Settings for one item: `out` repeats its place below its root, so that equal names do not collide; a photograph has the
    mask that lies beside it."""
    if settings.photograph is not None and settings.photograph.mask is None:
        settings = replace(settings, photograph=replace(settings.photograph, mask=mask_beside(item)))
    if settings.out is None:
        return settings
    below = item.parent.relative_to(root) if item.is_relative_to(root) and item != root else Path()
    return replace(settings, out=settings.out / below)


def mask_beside(photograph: Path) -> Path | None:
    """`wall_mask.png` (or another type) beside `wall.jpg`; None where there is none."""
    names = (f"{photograph.stem}{MASK}{suffix}" for suffix in sorted(IMAGE_SUFFIXES))
    return next((path for name in names if (path := photograph.with_name(name)).is_file()), None)


def _walk(folder: Path, photographs: bool) -> Iterator[Path]:
    try:
        entries = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".") and not _is_result(p)]
        images = [p for p in entries if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES]
    except OSError:  # fails as an item, with the reason, and stops no other
        yield folder
        return
    if photographs:
        yield from (image for image in images if not image.stem.endswith(MASK))
        yield from (found for entry in entries if entry.is_dir() for found in _walk(entry, photographs))
        return
    roles = {role for p in images for role in read_name(p.stem).maps}
    if "albedo" in roles and len(images) > 1:
        yield folder
    else:
        seen = set()
        sets = _tile_sets(images)
        for image in images:
            image = sets.get(image, image)
            if image not in seen:
                seen.add(image)
                yield image
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry, photographs)
        elif entry.suffix.lower() in MODEL_SUFFIXES:
            yield entry


def _tile_sets(images: list[Path]) -> dict[Path, Path]:
    """The UDIM set of each image that is a tile of one: it has a tile 1001, or several (`brick_1024.png` alone says its size)."""
    sets: dict[Path, dict[int, Path]] = {}
    for image in images:
        tile = read_name(image.stem).tile
        if tile is not None:
            called = image.with_name(image.stem[: -len(str(tile))] + "<UDIM>" + image.suffix)
            sets.setdefault(called, {})[tile] = image
    return {
        image: called for called, tiles in sets.items() if 1001 in tiles or len(tiles) > 1 for image in tiles.values()
    }


def _is_result(path: Path) -> bool:
    return path.stem.endswith(("_weathered", "_timelapse")) or path.name.endswith(SIDECAR) or "_weathered." in path.name


def _outcome(item: Path, status: str, began: float, written: Written) -> Outcome:
    files = tuple(str(p) for p in written.paths)
    return Outcome(str(item), status, time.monotonic() - began, files, written.warnings, objects=written.objects)
