# SPDX-License-Identifier: GPL-3.0-or-later
"""A glTF file that was opened to be weathered, and is written again with other images, textures and materials alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from . import gltf
from .exported_look import ExportedLook

SUFFIXES = (".gltf", ".glb")


@dataclass(frozen=True)
class Origin:
    """Numbers of a node and its mesh, and the names that Blender gave the mesh's UV sets, in order."""

    node: int
    mesh: int
    uv_maps: tuple[str, ...]


@dataclass(frozen=True)
class GltfModel:
    """The file, and where in it its objects came from, by their names."""

    source: gltf.Gltf
    origins: Mapping[str, Origin]
    engine = "GLTF"

    @staticmethod
    def open(bpy: ModuleType, path: Path, folder: Path) -> GltfModel:
        """Imports the file by a numbered copy in a temporary folder. Raises BadFile, and RuntimeError as the importer does."""
        source = gltf.read(path)
        copy = folder / path.name
        gltf.write(gltf.numbered(source), copy)
        bpy.ops.import_scene.gltf(filepath=str(copy))
        origins = {}
        for obj in bpy.data.objects:
            if obj.type == "MESH" and gltf.NODE in obj and gltf.MESH in obj.data:
                uv_maps = tuple(layer.name for layer in obj.data.uv_layers)
                origins[obj.name] = Origin(int(obj[gltf.NODE]), int(obj.data[gltf.MESH]), uv_maps)
        bones = [bone for armature in bpy.data.armatures for bone in armature.bones]
        posed = [bone for obj in bpy.data.objects if obj.pose for bone in obj.pose.bones]
        for block in (*bpy.data.objects, *bpy.data.meshes, *bones, *posed):
            for tag in (gltf.NODE, gltf.MESH):
                if tag in block:
                    del block[tag]
        return GltfModel(source, origins)

    def carries(self, look: ExportedLook) -> bool:
        """Whether the file has a place for a look: the object's node, and the UV set that the images fit."""
        origin = self.origins.get(look.object)
        return origin is not None and look.uv_map in origin.uv_maps and not look.tiled

    def save(self, path: Path, looks: Sequence[ExportedLook]) -> tuple[str, ...]:
        """Writes the file with these looks beside its own files; returns what to say of it. Raises BadFile."""
        folder = gltf.free_folder(self.source.data)
        found, said = [], []
        for look in looks:
            origin = self.origins[look.object]
            found.append(gltf.Look(origin.node, origin.mesh, look.images, origin.uv_maps.index(look.uv_map)))
            if not gltf.uncoloured(self.source.data, origin.mesh):
                said.append(
                    f"The vertex colours of '{look.object}' are in its new textures: the file keeps them under another name."
                )
        if self.source.binary is None:
            (path.parent / folder).mkdir()
            for file in (file for look in looks for file in look.images.values()):
                shutil.copyfile(file, path.parent / folder / file.name)
        gltf.write(gltf.weathered(self.source, found, folder), path)
        return tuple(said)
