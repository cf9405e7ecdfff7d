# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest

from sabi.backend.protocol.errors import BadRecipe, SabiError
from sabi.backend.protocol.exemplar import MOST_BYTES, Exemplar, as_picture, kept_size
from sabi.backend.protocol.recipe import Effect, Layer, Recipe

PICTURE = as_picture(b"\x89PNG\r\n\x1a\n" + b"\0" * 30)
EXEMPLAR = Exemplar(
    PICTURE, 0.3, "wall.jpg", "a" * 64, (1, 2, 30, 40), "my own wall", "CC0-1.0", {"roughness": PICTURE}
)
RECIPE = Recipe((Layer(Effect.RUST, exemplar=EXEMPLAR),))


def changed(**fields: object) -> str:
    data = json.loads(RECIPE.to_json())
    data["layers"][0]["exemplar"].update(fields)
    return json.dumps(data)


def test_a_recipe_keeps_its_exemplar_whole() -> None:
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
    assert Recipe.from_json(RECIPE.to_json()).layers[0].exemplar == EXEMPLAR


def test_a_recipe_without_one_does_not_speak_of_it() -> None:
    assert "exemplar" not in Recipe((Layer(Effect.RUST),)).to_json()


@pytest.mark.parametrize(
    "fields",
    [
        {"picture": 7},
        {"picture": "no base64!"},
        {"picture": as_picture(b"GIF89a" + b"\0" * 30)},
        {"picture": as_picture(b"\xff\xd8\xff" + b"\0" * MOST_BYTES)},
        {"maps": {"roughness": "no base64!"}},
        {"maps": {"normal": PICTURE}},
        {"maps": [PICTURE]},
        {"width": 0},
        {"width": float("nan")},
        {"width": "wide"},
        {"sha256": "A" * 64},
        {"sha256": 5},
        {"part": [0, 0, 10]},
        {"part": [0, 0, 0, 10]},
        {"part": [-1, 0, 10, 10]},
        {"part": [0, 0, 10, 1.5]},
        {"part": "0,0,10,10"},
        {"part": 5},
        {"name": "n" * 501},
        {"source": None},
        {"surprise": 1},
    ],
)
def test_what_no_exemplar_can_be_is_refused_in_a_sentence(fields) -> None:
    with pytest.raises(BadRecipe) as caught:
        Recipe.from_json(changed(**fields))
    assert caught.value.message.endswith(".")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("size", "kept"),
    [((512, 512), (512, 512)), ((2000, 4000), (256, 512)), ((40, 30), (40, 30)), ((700, 500), (512, 366))],
)
def test_large_pictures_are_reduced(size, kept) -> None:
    assert kept_size(*size) == kept


@pytest.mark.parametrize("size", [(1, 1), (15, 300), (10000, 100)])
def test_too_narrow_ones_are_refused(size) -> None:
    with pytest.raises(SabiError):
        kept_size(*size)
