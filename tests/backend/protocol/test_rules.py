# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of rules: read from TOML and JSON, matched in order, refused by the number of the rule that is wrong."""

from __future__ import annotations

import json
import re

import pytest
from tree import ROOT

from sabi.backend.protocol.errors import BadFile, BadRules
from sabi.backend.protocol.recipe import Effect, Layer, Recipe, load_preset
from sabi.backend.protocol.rules import Rules, read_rules

TABLE = """
[[rule]]
object = ["Glass*", "Lamp?"]
skip = true

[[rule]]
object = "Door*"
material = "*steel*"
recipe = "old_painted_steel"
age = 0.25
seed = 7

[[rule]]
file = "props/*"
recipe = "mine.json"

[[rule]]
material = "*STONE"
recipe = "moss_crevices"
"""
MINE = Recipe((Layer(Effect.MOSS, age=0.3, style=(0.5, -0.25, 1.0)), Layer(Effect.DIRT)), name="mine")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "mine.json").write_text(MINE.to_json())
    (tmp_path / "rules.toml").write_text(TABLE)
    return read_rules(tmp_path / "rules.toml")


def number(rule):
    return rule.number if rule else None


@pytest.mark.parametrize(
    ("name", "material", "expected"),
    [
        ("Door.001", "Painted Steel", 2),
        ("door left", "STEEL", 2),
        ("Door.001", "Wood", None),
        ("Window", "Painted Steel", None),
        ("Glass pane", "Steel", 1),
        ("Lamp1", "Sandstone", 1),
        ("Lamp12", "Sandstone", 4),
        ("Wall", "", None),
    ],
)
def test_the_first_rule_that_matches_takes_it(table, name, material, expected):
    assert number(table.in_file("hall.blend").of_object(name, material)) == expected


def test_a_rule_may_be_for_files(table):
    assert number(table.in_file("props/deep/crate.glb").of_object("Crate", "Wood")) == 3
    assert number(table.in_file("props/deep/crate.glb").of_object("Door", "Steel")) == 2
    assert [rule.number for rule in table.in_file("hall.blend").rules] == [1, 2, 4]


def test_pictures_are_materials_and_no_objects(table):
    found = table.in_file("textures/sandstone.png")
    assert number(found.of_picture("sandstone")) == 4
    assert found.of_picture("painted_steel") is None, "a rule that asks for an object took a picture"


def test_recipes_are_presets_files_beside_the_table_or_written_out(table, tmp_path):
    changed = table.rules[1].recipe
    assert {layer.age for layer in changed.layers} == {0.25}
    assert [layer.seed for layer in changed.layers] == [7 + n for n in range(len(changed.layers))]
    assert changed.layers[0].effect is load_preset("old_painted_steel").layers[0].effect
    assert table.rules[2].recipe == MINE
    assert table.rules[0].recipe is None
    (tmp_path / "sent.json").write_text(table.to_json())
    (tmp_path / "mine.json").unlink()
    sent = read_rules(tmp_path / "sent.json")
    assert [rule.recipe for rule in sent.rules] == [rule.recipe for rule in table.rules]
    assert sent.rules[1].object == ("Door*",)


def test_one_recipe_for_all_is_told_apart(tmp_path):
    assert Rules.of(MINE).single == MINE
    (tmp_path / "one.json").write_text(json.dumps({"rule": [{"object": "A", "recipe": json.loads(MINE.to_json())}]}))
    assert read_rules(tmp_path / "one.json").single is None


def test_a_change_reaches_every_recipe(table):
    ages = {
        layer.age
        for rule in table.changed(lambda r: r.at_age(0.9)).rules
        if rule.recipe
        for layer in rule.recipe.layers
    }
    assert ages == {0.9}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[[rule]\n", "cannot be read"),
        ("", "holds no rules"),
        ("[[rule]]\nrecipe = 'light_rust'\n[[rules]]\nskip = true", "more than rules"),
        ("[[rule]]\nobject = 'Door'", "Rule 1: it has no recipe"),
        ("[[rule]]\nskip = true\n[[rule]]\nobjects = 'Door'\nskip = true", "Rule 2: there is no field 'objects'"),
        ("[[rule]]\nskip = false", "Rule 1: skip is true"),
        ("[[rule]]\nskip = true\nrecipe = 'light_rust'", "Rule 1: skip is true and alone"),
        ("[[rule]]\nobject = 3\nskip = true", "Rule 1: object is 3"),
        ("[[rule]]\nobject = []\nskip = true", r"Rule 1: object is \[\]"),
        ("[[rule]]\nrecipe = 'no_such'", "recipe of rule 1.*no preset 'no_such'"),
        ("[[rule]]\nrecipe = 'gone.json'", "recipe of rule 1.*cannot be read"),
        ("[[rule]]\nrecipe = 'light_rust'\nage = 2", "recipe of rule 1.*age must be"),
        ("[[rule]]\nrecipe = 'light_rust'\nseed = 'x'", "recipe of rule 1.*seed must be"),
    ],
)
def test_a_wrong_table_is_refused_in_a_sentence(tmp_path, table, says):
    (tmp_path / "table.toml").write_text(table)
    with pytest.raises(BadRules, match=says) as caught:
        read_rules(tmp_path / "table.toml")
    assert caught.value.hint


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(BadFile, match="cannot be read"):
        read_rules(tmp_path / "no.toml")
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\xff")
    with pytest.raises(BadRules, match="not text"):
        read_rules(tmp_path / "picture.toml")


def test_the_readme_s_table_is_one(tmp_path):
    (table,) = re.findall(
        r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "rules.toml").write_text(table)
    assert read_rules(tmp_path / "rules.toml").of_object("Door.001", "Painted Steel").called == "old_painted_steel"
