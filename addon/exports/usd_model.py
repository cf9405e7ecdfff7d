# SPDX-License-Identifier: GPL-3.0-or-later
"""A USD file that was opened to be weathered: a layer over it overrides the materials of its meshes, and it stays as it is."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .exported_look import ExportedLook

SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")
FOLDER = "weathered"  # of the images, beside the layer
SCOPE = "sabi_weathered"  # the prim that holds the materials
# A stage takes these from its root layer alone, so the layer over a file has to repeat them.
_STAGE_WIDE = ("defaultPrim", "upAxis", "metersPerUnit", "kilogramsPerUnit", "timeCodesPerSecond", "framesPerSecond")
_STAGE_WIDE += ("startTimeCode", "endTimeCode")
# By a file of the plain layout: inputs of UsdPreviewSurface, their types, and the output of the texture that feeds them.
_INPUTS = {
    "albedo": (("diffuseColor", "Color3f", "rgb"),),
    "roughness": (("roughness", "Float", "r"),),
    "metallic": (("metallic", "Float", "r"),),
    "normal": (("normal", "Normal3f", "rgb"),),
}


@dataclass(frozen=True)
class UsdModel:
    """The file, USD's own library, and by objects' names the prims that their meshes came from."""

    path: Path
    pxr: Any
    prims: Mapping[str, str]
    engine = "PLAIN"

    @staticmethod
    def open(bpy: ModuleType, path: Path, _folder: Path) -> UsdModel | None:
        """Imports the file; None where this Blender does not tell what came from where. Raises RuntimeError as it does."""
        found: dict[str, str] = {}
        pxr, hook = (
            _library(bpy),
            _hook(bpy, found),
        )  # Blender aborts where a hook is called before its library is there
        if pxr is not None:
            bpy.utils.register_class(hook)
        try:
            bpy.ops.wm.usd_import(filepath=str(path))
        finally:
            if pxr is not None:
                bpy.utils.unregister_class(hook)
        if not found:
            return None
        meshes = [obj for obj in bpy.data.objects if obj.type == "MESH"]
        prims = {obj.name: found[obj.data.name] for obj in meshes if obj.data.name in found and obj.data.users == 1}
        return UsdModel(path, pxr, prims)

    def carries(self, look: ExportedLook) -> bool:
        """Whether the object's prim may be overridden, and has the UVs that its images fit."""
        stage = self.pxr.Usd.Stage.Open(str(self.path))  # prims end with their stage
        prim = stage.GetPrimAtPath(self.prims.get(look.object, "/"))
        if not prim or prim.IsPseudoRoot() or prim.IsInstanceProxy():
            return False
        return bool(self.pxr.UsdGeom.PrimvarsAPI(prim).HasPrimvar(look.uv_map))

    def save(self, path: Path, looks: Sequence[ExportedLook]) -> tuple[str, ...]:
        """Writes the layer, as .usda, and its images; returns what to say of it."""
        path = path.with_suffix(".usda")
        (path.parent / FOLDER).mkdir(exist_ok=True)
        for file in {file for look in looks for shown in look.images.values() for file in _files(shown)}:
            shutil.copyfile(file, path.parent / FOLDER / file.name)
        below = self.pxr.Sdf.Layer.FindOrOpen(str(self.path))
        stage = self.pxr.Usd.Stage.CreateNew(str(path))
        layer = stage.GetRootLayer()
        layer.subLayerPaths = [Path(os.path.relpath(self.path, path.parent)).as_posix()]
        for key in _STAGE_WIDE:
            if below.pseudoRoot.HasInfo(key):
                layer.pseudoRoot.SetInfo(key, below.pseudoRoot.GetInfo(key))
        for number, look in enumerate(looks):
            self._bind(stage, self.prims[look.object], self._material(stage, look, number))
        layer.Save()
        return ()

    def _material(self, stage: Any, look: ExportedLook, number: int) -> Any:
        """A UsdPreviewSurface of the look's images, beside the mesh's outermost prim."""
        sdf, shade = self.pxr.Sdf, self.pxr.UsdShade
        root = sdf.Path(self.prims[look.object]).GetPrefixes()[0]
        name = self.pxr.Tf.MakeValidIdentifier(look.object)
        place = root.AppendChild(SCOPE).AppendChild(f"{name}_{number}")
        self.pxr.UsdGeom.Scope.Define(stage, place.GetParentPath())
        material = shade.Material.Define(stage, place)
        surface = shade.Shader.Define(stage, place.AppendChild("surface"))
        surface.CreateIdAttr("UsdPreviewSurface")
        uv = shade.Shader.Define(stage, place.AppendChild("uv"))
        uv.CreateIdAttr("UsdPrimvarReader_float2")
        uv.CreateInput("varname", sdf.ValueTypeNames.String).Set(look.uv_map)
        for file, shown in look.images.items():
            if file not in _INPUTS:
                continue
            texture = shade.Shader.Define(stage, place.AppendChild(file))
            texture.CreateIdAttr("UsdUVTexture")
            texture.CreateInput("file", sdf.ValueTypeNames.Asset).Set(f"./{FOLDER}/{shown.name}")
            space = "sRGB" if file == "albedo" else "raw"
            texture.CreateInput("sourceColorSpace", sdf.ValueTypeNames.Token).Set(space)
            for wrap in ("wrapS", "wrapT"):
                texture.CreateInput(wrap, sdf.ValueTypeNames.Token).Set("repeat")
            if file == "normal":
                texture.CreateInput("scale", sdf.ValueTypeNames.Float4).Set((2, 2, 2, 1))
                texture.CreateInput("bias", sdf.ValueTypeNames.Float4).Set((-1, -1, -1, 0))
            texture.CreateInput("st", sdf.ValueTypeNames.Float2).ConnectToSource(uv.ConnectableAPI(), "result")
            alpha = (("opacity", "Float", "a"),) if file == "albedo" and look.see_through else ()
            for entry, kind, output in (*_INPUTS[file], *alpha):
                given = surface.CreateInput(entry, getattr(sdf.ValueTypeNames, kind))
                given.ConnectToSource(texture.ConnectableAPI(), output)
        material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
        return material

    def _bind(self, stage: Any, path: str, material: Any) -> None:
        """Over whatever the mesh, and parts of it, were bound to."""
        binding = self.pxr.UsdShade.MaterialBindingAPI.Apply(stage.OverridePrim(path))
        binding.Bind(material, self.pxr.UsdShade.Tokens.strongerThanDescendants)


def _hook(bpy: ModuleType, found: dict[str, str]) -> type:
    """A hook of Blender's importer that notes from which prim each mesh comes."""

    def on_import(context):  # type: ignore[no-untyped-def]
        if hasattr(context, "get_prim_map"):
            for prim, blocks in context.get_prim_map().items():
                for block in blocks:
                    if isinstance(block, bpy.types.Mesh):
                        found[block.name] = str(prim)
        return True

    named = {"bl_idname": "sabi_origins", "bl_label": "Sabi", "on_import": staticmethod(on_import)}
    return type("SABI_USD_origins", (bpy.types.USDHook,), named)


def _library(bpy: ModuleType) -> Any:
    """USD's own Python library, which Blender brings; None where it does not."""
    if hasattr(bpy.utils, "expose_bundled_modules"):
        bpy.utils.expose_bundled_modules()
    try:
        for name in ("Sdf", "Tf", "Usd", "UsdGeom", "UsdShade"):
            importlib.import_module(f"pxr.{name}")
        return importlib.import_module("pxr")
    except ImportError:
        return None


def _files(shown: Path) -> list[Path]:
    if "<UDIM>" not in shown.name:
        return [shown]
    return sorted(shown.parent.glob(shown.name.replace("<UDIM>", "[12]???")))
