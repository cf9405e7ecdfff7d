# SPDX-License-Identifier: GPL-3.0-or-later
"""What the names of texture files say."""

from __future__ import annotations

import pytest

from sabi.backend.protocol.texture_names import read_name


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
