# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of rules: which files, objects and materials get which recipe. TOML or JSON; the first rule that matches wins."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .errors import BadFile, BadRules, SabiError
from .recipe import Recipe, load_preset, recipe_from_dict

PATTERNS = ("file", "object", "material")
FIELDS = (*PATTERNS, "recipe", "age", "seed", "skip")


@dataclass(frozen=True)
class Rule:
    """What matches all of its patterns gets its recipe, or is left as it is where that is None.

    A pattern is a name with * ? and [] that matches without regard to case; of several, one is enough; none matches all.
    `number` is the rule's place in its table, from 1, and `called` what the table calls the recipe.
    """

    recipe: Recipe | None
    number: int = 1
    called: str = ""
    file: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    material: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The rule as a table may hold it, its recipe inside."""
        patterns = {name: list(getattr(self, name)) for name in PATTERNS if getattr(self, name)}
        if self.recipe is None:
            return {**patterns, "skip": True}
        return {**patterns, "recipe": json.loads(self.recipe.to_json())}


@dataclass(frozen=True)
class Rules:
    """A table. What no rule matches is left as it is."""

    rules: tuple[Rule, ...]

    @staticmethod
    def of(recipe: Recipe) -> Rules:
        """The table that gives everything one recipe."""
        return Rules((Rule(recipe, called=recipe.title),))

    def in_file(self, path: str) -> Rules:
        """The rules that may match something in a file; `path` is its place below the folder that is walked, with slashes."""
        return Rules(tuple(replace(rule, file=()) for rule in self.rules if matches(rule.file, path)))

    def of_object(self, name: str, material: str) -> Rule | None:
        """The rule for a material ("" for none) on an object of a model."""
        found = (r for r in self.rules if matches(r.object, name) and matches(r.material, material))
        return next(found, None)

    def of_picture(self, name: str) -> Rule | None:
        """The rule for a texture, a set of maps or a frame, which has a material's name and is no object."""
        return next((r for r in self.rules if not r.object and matches(r.material, name)), None)

    @property
    def single(self) -> Recipe | None:
        """The one recipe that everything gets; None where it may be another, or none."""
        first = self.rules[0] if self.rules else None
        return first.recipe if first and not (first.file or first.object or first.material) else None

    def changed(self, change: Callable[[Recipe], Recipe]) -> Rules:
        """The table with every recipe changed."""
        return Rules(
            tuple(r if r.recipe is None else replace(r, recipe=change(r.recipe)) for r in self.rules),
        )

    def to_json(self) -> str:
        """A table without names of presets or files, for another process."""
        return json.dumps({"rule": [rule.to_dict() for rule in self.rules]})


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether a name fits one of the patterns, or there are none."""
    return not patterns or any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def read_rules(path: Path) -> Rules:
    """A table from a .toml or .json file; files of recipes are looked for beside it.

    Raises BadFile where it cannot be read, BadRules with the number of the rule that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadFile(f"The rules {path} cannot be read: {error.strerror}.", "Check the path.") from None
    except UnicodeDecodeError:
        raise BadRules(f"{path} is not a table of rules: it is not text.", "A table is a TOML or JSON file.") from None
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRules(f"{path.name} cannot be read as a table of rules.", f"{error}.") from None
    listed = data.get("rule") if isinstance(data, dict) else None
    if not isinstance(listed, list) or not listed or set(data) != {"rule"}:
        raise BadRules(
            f"{path.name} holds no rules, or more than rules.", "Write [[rule]] before each, and nothing else."
        )
    return Rules(tuple(_rules(listed, path.parent)))


def _rules(listed: list[Any], folder: Path) -> Iterator[Rule]:
    for number, entry in enumerate(listed, start=1):
        try:
            yield _rule(number, entry, folder)
        except BadRules as error:
            raise BadRules(f"Rule {number}: {error.message}", error.hint) from None
        except SabiError as error:
            raise BadRules(f"The recipe of rule {number} is not to be had: {error.message}", error.hint) from None


def _rule(number: int, entry: Any, folder: Path) -> Rule:
    if not isinstance(entry, dict):
        raise BadRules(f"{entry!r} is no rule.", "A rule is a table with a recipe and patterns.")
    if unknown := sorted(set(entry) - set(FIELDS)):
        raise BadRules(f"there is no field '{unknown[0]}'.", f"Fields: {', '.join(FIELDS)}.")
    file, named, material = (_patterns(name, entry[name]) if name in entry else () for name in PATTERNS)
    if "skip" in entry:
        if entry["skip"] is not True or {"recipe", "age", "seed"} & set(entry):
            raise BadRules("skip is true and alone, or left out.", "A rule either skips or has a recipe.")
        return Rule(None, number, "", file, named, material)
    if "recipe" not in entry:
        raise BadRules("it has no recipe.", 'Write recipe = "light_rust", or skip = true.')
    asked = entry["recipe"]
    recipe = _recipe(asked, folder)
    if "age" in entry:
        recipe = recipe.at_age(entry["age"])
    if "seed" in entry:
        recipe = recipe.with_seed(entry["seed"])
    called = asked if isinstance(asked, str) else recipe.title
    return Rule(recipe, number, called, file, named, material)


def _patterns(name: str, value: Any) -> tuple[str, ...]:
    patterns = value if isinstance(value, list) else [value]
    if not patterns or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise BadRules(f"{name} is {value!r}, which is no pattern.", f'Write {name} = "Door*", or a list of such.')
    return tuple(patterns)


def _recipe(asked: Any, folder: Path) -> Recipe:
    """A preset by its name, a file beside the table, or the recipe itself."""
    if not isinstance(asked, str):
        return recipe_from_dict(asked)
    path = folder / asked
    if path.suffix.lower() != ".json":
        return load_preset(asked)
    try:
        return Recipe.from_json(path.read_bytes())
    except OSError as error:
        raise BadFile(f"The recipe {path} cannot be read: {error.strerror}.", "Check the path.") from None
