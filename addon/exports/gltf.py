# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF files given other images, textures and materials; whatever else they hold stays as it is. No bpy in here.

Blender's importer keeps extras as custom properties, so a copy whose meshes and nodes are numbered in their extras tells which
object came from where.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ...backend.protocol.errors import BadFile

MESH, NODE = "sabi_mesh", "sabi_node"  # custom properties of what was imported: its number in the file
COLOURS = re.compile(r"COLOR_\d+")
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_SLOTS = {"baseColor": "baseColorTexture", "metallicRoughness": "metallicRoughnessTexture", "normal": "normalTexture"}


@dataclass(frozen=True)
class Gltf:
    """A file's JSON, the binary chunk of a .glb (None in a .gltf), and where it was read."""

    data: dict[str, Any]
    binary: bytes | None
    path: Path


@dataclass(frozen=True)
class Look:
    """How one object looks now: its node and mesh, its images by the names of the glTF layout, and which UV set they fit."""

    node: int
    mesh: int
    images: Mapping[str, Path]
    uv_set: int = 0


def read(path: Path) -> Gltf:
    """Raises BadFile for what is no glTF 2."""
    try:
        raw = path.read_bytes()
        binary = None
        if path.suffix.lower() == ".glb":
            chunks = dict(_chunks(raw))
            raw, binary = chunks[_JSON], chunks.get(_BIN, b"")
        data = json.loads(raw.decode("utf-8-sig"))
        if not str(data["asset"]["version"]).startswith("2"):
            raise BadFile(f"{path.name} is glTF {data['asset']['version']}.", "Convert it to glTF 2.")
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        raise BadFile(f"{path.name} is no glTF file.", "It may be damaged: export it again.") from None
    return Gltf(data, binary, path)


def numbered(source: Gltf) -> Gltf:
    """A copy to import: meshes and nodes know their numbers, and files are found from anywhere."""
    data = copy.deepcopy(source.data)
    for key, tag in (("meshes", MESH), ("nodes", NODE)):
        for number, item in enumerate(data.get(key, ())):
            extras = item.get("extras")
            item["extras"] = {**(extras if isinstance(extras, dict) else {}), tag: number}
    for item in _with_files(data):
        item["uri"] = quote(str((source.path.parent / unquote(item["uri"])).resolve()), safe="/\\:")
    return replace(source, data=data)


def weathered(source: Gltf, looks: Sequence[Look], folder: str) -> Gltf:
    """The file with these looks, whose images lie in `folder` below it (in a .glb they go to the end of its binary chunk).

    Materials that nothing else uses are changed in place, others get copies; so do meshes of which some nodes look otherwise.
    """
    made = _Making(copy.deepcopy(source.data), source.binary, folder)
    for look in looks:
        made.wear(look, source.data)
    return Gltf(made.data, None if made.binary is None else bytes(made.binary), source.path)


def uncoloured(data: Mapping[str, Any], mesh: int) -> bool:
    """Whether none of a mesh's primitives has vertex colours."""
    return not any(map(COLOURS.fullmatch, (a for p in data["meshes"][mesh]["primitives"] for a in p["attributes"])))


def free_folder(data: Mapping[str, Any]) -> str:
    """A folder's name that none of the file's own paths has."""
    taken = {unquote(item["uri"]).replace("\\", "/").lower().split("/")[0] for item in _with_files(data)}
    return next(name for name in ("weathered", *(f"weathered_{n}" for n in range(2, 1000))) if name not in taken)


def write(made: Gltf, path: Path) -> None:
    """Writes the file and copies the files that it names from beside its source. Raises BadFile where one is missing."""
    data = copy.deepcopy(made.data)
    for item in _with_files(data):
        name = unquote(item["uri"])
        source, target = made.path.parent / name, path.parent / name
        if target.exists():
            continue
        if not source.is_file():
            raise BadFile(f"{made.path.name} names {name}, which is missing.", "Put it beside the model.")
        if ".." in Path(name).parts or Path(name).is_absolute():
            item["uri"] = quote(Path(os.path.relpath(source, path.parent)).as_posix())
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    text = json.dumps(data, indent=None if made.binary is not None else 2, ensure_ascii=False).encode()
    if made.binary is None:
        path.write_bytes(text)
        return
    chunks = [(_JSON, text + b" " * (-len(text) % 4))]
    if made.binary:
        chunks.append((_BIN, made.binary + b"\0" * (-len(made.binary) % 4)))
    with open(path, "wb") as file:
        file.write(struct.pack("<III", _MAGIC, 2, 12 + sum(8 + len(chunk) for _, chunk in chunks)))
        for kind, chunk in chunks:
            file.write(struct.pack("<II", len(chunk), kind) + chunk)


@dataclass
class _Making:
    data: dict[str, Any]
    binary: bytes | bytearray | None
    folder: str

    def wear(self, look: Look, source: Mapping[str, Any]) -> None:
        nodes = self.data["nodes"]
        users = [number for number, node in enumerate(nodes) if node.get("mesh") == look.mesh]
        number = look.mesh
        if len(users) > 1:
            nodes[look.node]["mesh"] = number = len(self.data["meshes"])
            self.data["meshes"].append(copy.deepcopy(source["meshes"][look.mesh]))
        textures = {name: self._texture(path) for name, path in look.images.items()}
        done: dict[int, int] = {}
        for primitive in self.data["meshes"][number]["primitives"]:
            old = primitive.get("material")
            if old is None:
                continue
            if old not in done:
                done[old] = self._material(old, number, textures, look.uv_set)
            primitive["material"] = done[old]
            for name in [name for name in primitive["attributes"] if COLOURS.fullmatch(name)]:
                primitive["attributes"][f"_{name}"] = primitive["attributes"].pop(name)  # the images hold them already

    def _material(self, old: int, mesh: int, textures: Mapping[str, int], uv_set: int) -> int:
        """The number of a material with these textures."""
        materials = self.data["materials"]
        made = copy.deepcopy(materials[old])
        if any(old in _used(other) for n, other in enumerate(self.data["meshes"]) if n != mesh):
            materials.append(made)
            old = len(materials) - 1
        materials[old] = made
        info = {"texCoord": uv_set} if uv_set else {}
        pbr = made.setdefault("pbrMetallicRoughness", {})
        for factor in ("baseColorFactor", "metallicFactor", "roughnessFactor"):
            pbr.pop(factor, None)  # each is 1 where it is left out
        for name, index in textures.items():
            (made if name == "normal" else pbr)[_SLOTS[name]] = {"index": index, **info}
        extensions = made.get("extensions", {})
        extensions.pop("KHR_materials_pbrSpecularGlossiness", None)
        if "extensions" in made and not extensions:
            del made["extensions"]
        return old

    def _texture(self, path: Path) -> int:
        """The number of a new texture that shows an image file."""
        image: dict[str, Any] = {"name": path.stem}
        if self.binary is None:
            image["uri"] = quote(f"{self.folder}/{path.name}")
        else:
            image |= {"mimeType": "image/png", "bufferView": self._view(path.read_bytes())}
        images, textures = self.data.setdefault("images", []), self.data.setdefault("textures", [])
        images.append(image)
        textures.append({"source": len(images) - 1})
        return len(textures) - 1

    def _view(self, raw: bytes) -> int:
        """The number of a new view of the binary chunk, which grows by these bytes."""
        assert self.binary is not None
        buffers = self.data.setdefault("buffers", [{"byteLength": 0}])
        if not isinstance(self.binary, bytearray):
            self.binary = bytearray(self.binary[: buffers[0]["byteLength"]])
        self.binary += b"\0" * (-len(self.binary) % 4)
        views = self.data.setdefault("bufferViews", [])
        views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(raw)})
        self.binary += raw
        buffers[0]["byteLength"] = len(self.binary)
        return len(views) - 1


def _used(mesh: Mapping[str, Any]) -> set[int]:
    """The materials of a mesh's primitives, those of their variants too."""
    found = {primitive.get("material", -1) for primitive in mesh["primitives"]}
    for primitive in mesh["primitives"]:
        variants = primitive.get("extensions", {}).get("KHR_materials_variants", {})
        found |= {mapping["material"] for mapping in variants.get("mappings", ())}
    return found


def _with_files(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The buffers and images that lie in files."""
    for key in ("buffers", "images"):
        yield from (item for item in data.get(key, ()) if not item.get("uri", "data:").startswith("data:"))


def _chunks(raw: bytes) -> Iterator[tuple[int, bytes]]:
    magic, version, _ = struct.unpack_from("<III", raw)
    if magic != _MAGIC or version != 2:
        raise ValueError("no GLB")
    at = 12
    while at + 8 <= len(raw):
        size, kind = struct.unpack_from("<II", raw, at)
        yield kind, raw[at + 8 : at + 8 + size]
        at += 8 + size
