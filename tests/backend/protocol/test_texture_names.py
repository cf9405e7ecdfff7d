# SPDX-License-Identifier: GPL-3.0-or-later
"""What the names of texture files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sabi.backend.protocol.texture_names import channels_in, read_name, same_set


@pytest.mark.parametrize(
    ("stem", "maps", "tile"),
    [
        ("brushed_steel_albedo", ("albedo",), None),
        ("rusty_metal_02_diff_1k", ("albedo",), None),
        ("Metal049A_1K-PNG_Color", ("albedo",), None),
        ("Metal049A_1K-PNG_NormalDX", ("normal_dx",), None),
        ("Metal049A_1K-PNG_NormalGL", ("normal",), None),
        ("door_BaseColor", ("albedo",), None),
        ("door.base_color.1002", ("albedo",), 1002),
        ("wall_nor_gl_4k", ("normal",), None),
        ("wall_nor_dx_4k", ("normal_dx",), None),
        ("wall_rough_2k", ("roughness",), None),
        ("metal_plate_metal", ("metallic",), None),
        ("wall_arm_1k", ("ambient_occlusion", "roughness", "metallic"), None),
        ("x_ORM", ("ambient_occlusion", "roughness", "metallic"), None),
        ("helmet_metallicRoughness", ("", "roughness", "metallic"), None),
        ("wall_disp", ("height",), None),
        ("leaf_opacity", ("alpha",), None),
        ("metal_01", (), None),
        ("preview", (), None),
    ],
)
def test_names_say_which_map(stem, maps, tile):
    named = read_name(stem)
    assert (named.maps, named.tile) == (maps, tile)


def test_one_set_and_tile() -> None:
    names = ("door_diff.1001", "door_rough.1001", "door_rough.1002", "gate_rough.1001", "door_arm.1001")
    files = [Path(f"{name}.png") for name in names]
    assert same_set(files[0], files) == [files[1], files[4]]


def test_a_map_of_its_own_goes_before_a_packed_one() -> None:
    arm, metal, rough = (Path(f"door_{name}.png") for name in ("arm", "metal", "rough"))
    assert channels_in([arm]) == {"ambient_occlusion": (arm, 0), "roughness": (arm, 1), "metallic": (arm, 2)}
    for files in ([arm, metal, rough], [rough, metal, arm]):
        found = channels_in(files)
        assert (found["roughness"], found["metallic"]) == ((rough, 0), (metal, 0))
    assert channels_in([Path("x_metallicRoughness.png")]).keys() == {"roughness", "metallic"}
