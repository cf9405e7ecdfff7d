# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF files with other looks: what is not images, textures or materials stays, byte for byte."""

from __future__ import annotations

import copy
import json

import pytest

from sabi.addon.exports import gltf
from sabi.backend.protocol.errors import BadFile

DATA = {
    "asset": {"version": "2.0", "generator": "by hand", "copyright": "me"},
    "extensionsUsed": ["KHR_lights_punctual", "KHR_materials_clearcoat"],
    "extensions": {"KHR_lights_punctual": {"lights": [{"type": "sun"}]}},
    "scene": 0,
    "scenes": [{"nodes": [0, 1, 2, 3]}],
    "nodes": [
        {"name": "Door", "mesh": 0, "extras": {"mine": 1}},
        {"name": "Gate", "mesh": 1},
        {"name": "Left", "mesh": 2, "translation": [1, 0, 0]},
        {"name": "Right", "mesh": 2},
    ],
    "meshes": [
        {"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 0}, "material": 0}]},
        {
            "primitives": [
                {"attributes": {"POSITION": 0}, "material": 1},
                {"attributes": {"POSITION": 0}, "material": 2},
            ]
        },
        {"primitives": [{"attributes": {"POSITION": 0}, "material": 1}]},
    ],
    "materials": [
        {"name": "Wood", "doubleSided": True, "extensions": {"KHR_materials_clearcoat": {"clearcoatFactor": 1}}},
        {
            "name": "Steel",
            "pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1], "baseColorTexture": {"index": 0}},
            "occlusionTexture": {"index": 0},
        },
        {"name": "Glass", "alphaMode": "BLEND"},
    ],
    "textures": [{"source": 0, "sampler": 0}],
    "samplers": [{}],
    "images": [{"uri": "old%20one.png"}],
    "accessors": [{"bufferView": 0, "componentType": 5126, "count": 1, "type": "VEC3"}],
    "bufferViews": [{"buffer": 0, "byteLength": 12}],
    "buffers": [{"byteLength": 13, "uri": "scene.bin"}],
}
NEW = ("images", "textures", "materials")


@pytest.fixture
def looks(tmp_path):
    """Images of each node."""
    found = {}
    for number, name in enumerate(("Door", "Gate", "Left", "Right")):
        images = {}
        for file in ("baseColor", "metallicRoughness", "normal"):
            images[file] = tmp_path / "new" / f"{name}_{file}.png"
            images[file].parent.mkdir(exist_ok=True)
            images[file].write_bytes(f"PNG {name} {file}".encode())
        found[name] = gltf.Look(number, min(number, 2), images)
    return found


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.gltf").write_text(json.dumps(DATA))
    (folder / "scene.bin").write_bytes(b"0123456789ab!")
    (folder / "old one.png").write_bytes(b"old")
    return gltf.read(folder / "a.gltf")


def shown(data, primitive, entry="baseColorTexture"):
    """The name of the image that a primitive shows."""
    material = data["materials"][primitive["material"]]
    texture = data["textures"][material["pbrMetallicRoughness"][entry]["index"]]
    return data["images"][texture["source"]].get("name")


def test_only_looks_change(source, looks, tmp_path):
    look = looks["Gate"]
    made = gltf.weathered(source, [gltf.Look(1, 1, look.images, uv_set=1)], "weathered")
    rest = {key: value for key, value in made.data.items() if key not in (*NEW, "meshes")}
    assert rest == {key: value for key, value in DATA.items() if key not in (*NEW, "meshes")}
    assert source.data == DATA, "the source is left alone"
    gate = made.data["meshes"][1]["primitives"]
    assert [shown(made.data, primitive) for primitive in gate] == ["Gate_baseColor"] * 2
    assert made.data["meshes"][0] == DATA["meshes"][0]
    assert made.data["meshes"][2] == DATA["meshes"][2]
    assert made.data["materials"][:2] == DATA["materials"][:2], "steel is also on Left and Right"
    glass = made.data["materials"][2]
    assert glass["alphaMode"] == "BLEND", "glass is the gate's alone: changed in place"
    assert glass["normalTexture"] == {"index": 3, "texCoord": 1}
    steel = made.data["materials"][3]
    assert steel["name"] == "Steel"
    assert steel["occlusionTexture"] == {"index": 0}
    assert steel["pbrMetallicRoughness"].keys() == {"baseColorTexture", "metallicRoughnessTexture"}
    assert made.data["images"][0] == DATA["images"][0]


def test_a_material_of_one_mesh_keeps_its_place(source, looks):
    made = gltf.weathered(source, [looks["Door"]], "weathered").data
    assert {k: v for k, v in made.items() if k not in (*NEW, "meshes")} == {
        k: v for k, v in DATA.items() if k not in (*NEW, "meshes")
    }
    assert len(made["materials"]) == 3
    assert made["materials"][0]["extensions"] == DATA["materials"][0]["extensions"]
    expected = copy.deepcopy(DATA["meshes"])
    expected[0]["primitives"][0]["attributes"] = {"POSITION": 0, "_COLOR_0": 0}  # else it would colour twice
    assert made["meshes"] == expected


def test_instances_get_meshes_of_their_own(source, looks):
    made = gltf.weathered(source, [looks["Left"], looks["Right"]], "weathered").data
    meshes = [made["nodes"][number]["mesh"] for number in (2, 3)]
    assert meshes == [3, 2]
    assert [shown(made, made["meshes"][m]["primitives"][0]) for m in meshes] == ["Left_baseColor", "Right_baseColor"]
    assert "baseColorFactor" in made["materials"][1]["pbrMetallicRoughness"], "the gate's steel is as it was"
    alone = gltf.weathered(source, [looks["Left"]], "weathered").data
    assert alone["nodes"][3] == DATA["nodes"][3]
    assert alone["meshes"][:3] == DATA["meshes"]


def test_files_are_taken_along(source, looks, tmp_path):
    folder = gltf.free_folder(source.data)
    (tmp_path / "out" / folder).mkdir(parents=True)
    for path in looks["Door"].images.values():
        (tmp_path / "out" / folder / path.name).write_bytes(path.read_bytes())
    gltf.write(gltf.weathered(source, [looks["Door"]], folder), tmp_path / "out" / "a.gltf")
    assert (tmp_path / "out" / "scene.bin").read_bytes() == b"0123456789ab!"
    assert (tmp_path / "out" / "old one.png").read_bytes() == b"old"
    again = gltf.read(tmp_path / "out" / "a.gltf")
    assert again.data["images"][1]["uri"] == "weathered/Door_baseColor.png"
    (tmp_path / "model" / "scene.bin").unlink()
    with pytest.raises(BadFile, match=r"scene\.bin, which is missing"):
        gltf.write(source, tmp_path / "elsewhere.gltf")


def test_a_folder_that_is_taken_is_left_alone():
    assert gltf.free_folder(DATA) == "weathered"
    assert gltf.free_folder({"images": [{"uri": "weathered/a.png"}, {"uri": "Weathered_2%2Fb.png"}]}) == "weathered_3"


def test_glb_grows_at_its_end(source, looks, tmp_path):
    data = copy.deepcopy(DATA)
    del data["images"], data["buffers"][0]["uri"], data["textures"], data["materials"][1]["occlusionTexture"]
    del data["materials"][1]["pbrMetallicRoughness"]
    gltf.write(gltf.Gltf(data, b"0123456789ab!\0\0\0", source.path), tmp_path / "a.glb")
    read = gltf.read(tmp_path / "a.glb")
    assert read.data == data
    gltf.write(gltf.weathered(read, [looks["Gate"]], "x"), tmp_path / "b.glb")
    raw = (tmp_path / "b.glb").read_bytes()
    assert int.from_bytes(raw[8:12], "little") == len(raw)
    again = gltf.read(tmp_path / "b.glb")
    assert again.binary.startswith(b"0123456789ab!")
    assert again.data["bufferViews"][:1] == data["bufferViews"]
    assert again.data["accessors"] == data["accessors"]
    assert again.data["buffers"][0]["byteLength"] <= len(again.binary)
    view = again.data["bufferViews"][again.data["images"][0]["bufferView"]]
    start = view["byteOffset"]
    assert start % 4 == 0
    assert again.binary[start : start + view["byteLength"]] == b"PNG Gate baseColor"


def test_a_numbered_copy_finds_its_files(source, tmp_path):
    made = gltf.numbered(source).data
    assert made["nodes"][0]["extras"] == {"mine": 1, gltf.NODE: 0}
    assert made["meshes"][2]["extras"] == {gltf.MESH: 2}
    assert made["images"][0]["uri"].endswith("/model/old%20one.png")
    assert made["images"][0]["uri"].startswith("/")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.gltf", b"{"),
        ("a.gltf", b"[]"),
        ("a.gltf", b'{"asset": {"version": "1.0"}}'),
        ("a.glb", b"glTF but not really"),
        ("a.glb", b""),
    ],
)
def test_what_is_no_gltf_is_said(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadFile) as caught:
        gltf.read(tmp_path / name)
    assert caught.value.hint
