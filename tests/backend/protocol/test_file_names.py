# SPDX-License-Identifier: GPL-3.0-or-later
"""Names by patterns, and versions that go past what is there."""

from __future__ import annotations

import pytest

from sabi.backend.protocol.errors import BadFile
from sabi.backend.protocol.file_names import Named, check_pattern

DOOR = Named("Door", "Steel.001", "harbour rust", 2048)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{object}_{map}", "Door_ORM"),
        ("T_{object}_{map}_v{version:03}", "T_Door_ORM_v007"),
        ("{recipe}/{material}-{map}-{size}", "harbour rust/Steel.001-ORM-2048"),
        ("{{{map}}}", "{ORM}"),
        ("{size:5}_{map}", "2048_ORM"),
    ],
)
def test_tokens(pattern, path):
    assert str(DOOR.path(pattern, "ORM", 7)) == path


def test_what_file_systems_refuse_is_replaced():
    named = Named("a/b:c?", "..")
    assert str(named.path("{object}_{map}", "x")) == "a_b_c__x"
    assert ".." not in named.path("{material}/{map}", "x").parts
    assert str(Named("con").path("{object}/{map}", "x")) == "_con/x"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{object}", "lacks {map}"),
        ("{objekt}_{map}", "'objekt' that names nothing"),
        ("{map", "cannot be read"),
        ("{}_{map}", "names nothing"),
        ("{object.__class__}_{map}", "names nothing"),
        ("{map:>2000000000}", "no way to write"),
        ("{map}_{version:x}", "no way to write"),
        ("../{map}", "leads out"),
        ("/tmp/{map}", "leads out"),
        ("C:{map}", "leads out"),
        ("..\\{map}", "leads out"),
    ],
)
def test_patterns_that_are_none(pattern, said):
    with pytest.raises(BadFile, match=said) as caught:
        check_pattern(pattern)
    assert caught.value.hint


def test_the_next_version_is_above_all_that_are_there(tmp_path):
    pattern, maps = "{object}_{map}_v{version:03}", ["albedo", "normal"]
    assert DOOR.next_version(pattern, maps, tmp_path) == 1
    for name in ("Door_albedo_v001.png", "Door_normal_v004.1002.exr", "Gate_albedo_v009.png", "Door_albedo_v8x.png"):
        (tmp_path / name).touch()
    assert DOOR.next_version(pattern, maps, tmp_path) == 5
    assert DOOR.next_version(pattern, ["albedo"], tmp_path) == 2
    assert DOOR.next_version("{object}_{map}", maps, tmp_path) == 1
    (tmp_path / "Door" / "v12").mkdir(parents=True)
    (tmp_path / "Door" / "v12" / "albedo.tif").touch()
    assert DOOR.next_version("{object}/v{version}/{map}", maps, tmp_path) == 13
