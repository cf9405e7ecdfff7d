# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathers a model without a window, through the extension's own operators: what `sabi weather model.gltf` runs.

    python -m sabi.addon.headless MODEL --recipe FILE --out FOLDER [--texels N] [--object NAME]
        [--normals auto|opengl|directx] [--maps LAYOUT --format FORMAT --bits N --name PATTERN]

in a Python that has bpy. The package this file lies in is linked into a temporary user folder as an extension and enabled
there, so the operators are the real ones and nobody's settings are touched. Standard output is JSON lines: {"stage",
"fraction"} while it works, at the end {"files", "warnings", "networks"} or {"error": {"code", "message", "hint"}}.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from ..backend.protocol.errors import BadFile, SabiError, SceneError
from ..backend.protocol.map_files import format_named
from . import gltf_model, usd_model
from .exported_look import exported_looks
from .gltf_model import GltfModel
from .usd_model import UsdModel

Model = GltfModel | UsdModel | None
PACKAGE = Path(__file__).resolve().parents[1]
EXTENSION = "bl_ext.user_default.sabi"
IMPORTERS = {
    ".gltf": ("import_scene", "gltf"),
    ".glb": ("import_scene", "gltf"),
    ".fbx": ("import_scene", "fbx"),
    ".obj": ("wm", "obj_import"),
    **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz"), ("wm", "usd_import")),
}
# By which operator, and how, a weathered model is written again in the format it came in.
EXPORTERS: dict[str, tuple[str, str, dict[str, object]]] = {
    ".gltf": ("export_scene", "gltf", {"export_format": "GLTF_SEPARATE", "export_texture_dir": "textures"}),
    ".glb": ("export_scene", "gltf", {"export_format": "GLB"}),
    ".fbx": ("export_scene", "fbx", {"path_mode": "COPY", "embed_textures": True}),
    ".obj": ("wm", "obj_export", {"path_mode": "COPY"}),
    **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz"), ("wm", "usd_export", {})),
}


def main(words: Sequence[str] | None = None) -> int:
    given = _arguments(words)
    lines = _own_stdout()

    def say(**what: object) -> None:
        print(json.dumps(what), file=lines, flush=True)

    try:
        with extension() as bpy:
            said: list[tuple[str, float]] = [("", 0.0)]

            def tell(progress) -> None:  # type: ignore[no-untyped-def]
                now = (progress.stage, round(0.05 + 0.85 * progress.fraction, 3))
                if now != said[0]:  # the time left changes far more often
                    said[0] = now
                    say(stage=now[0], fraction=now[1])

            addon("work").listen(tell)
            say(stage="Opening the model", fraction=0.0)
            with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
                say(**weather(bpy, given, open_model(bpy, given.model, Path(folder)), Path(folder)))
    except SabiError as error:
        say(error=error.to_dict())
        return 1
    return 0


def weather(bpy: ModuleType, given: argparse.Namespace, model: Model, folder: Path) -> dict[str, object]:
    """Weathers what is open into given.out; returns the files, warnings and networks. Raises SabiError's children.

    The .blend keeps the layers live. A model of another format is written in that format too: of glTF and USD only the looks
    are new, and where that cannot be, and for others, Blender writes the file with layers flattened to plain textures. `folder`
    is for temporary files.
    """
    blend = given.out / f"{given.model.stem}.blend"
    given.out.mkdir(parents=True, exist_ok=True)
    _save(bpy, blend)  # so that images have a place beside it
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    bpy.context.preferences.filepaths.save_version = 0  # no .blend1 beside it
    objects = choose(bpy, given.object)
    for obj in bpy.context.view_layer.objects:
        obj.select_set(obj in objects)
    turned = _turn_normals(bpy, given.normals)
    operate(bpy.ops.sabi.weather, recipe_json=given.recipe.read_text(encoding="utf-8"), size=given.texels)
    applied = [addon("on_object").weathered(obj) for obj in objects]
    networks = {name: digest for a in applied if a for name, digest in json.loads(a.recipe_json)["networks"].items()}
    warnings = turned + addon("work").current().outcome.warnings
    _save(bpy, blend)
    if given.maps:
        how = {"engine": given.maps.upper(), "depth": str(given.bits or "AUTO"), "pattern": given.name}
        how["file_format"] = format_named(given.format).name
        operate(bpy.ops.sabi.export_maps, directory=str(given.out / "maps"), **how)
    kept = _with_new_looks(bpy, given, model, folder)
    warnings += kept or ()
    if kept is None and given.model.suffix.lower() in EXPORTERS:
        if model is not None:
            warnings += (f"{given.model.name} is written anew by Blender: it has no place for the images as they are.",)
        operate(bpy.ops.sabi.flatten)
        warnings += addon("work").current().outcome.warnings
        _export(bpy, given.out / given.model.name)
    files = [str(path.relative_to(given.out)) for path in sorted(given.out.rglob("*")) if path.is_file()]
    return {"files": files, "warnings": list(warnings), "networks": networks}


def _with_new_looks(bpy: ModuleType, given: argparse.Namespace, model: Model, folder: Path) -> tuple[str, ...] | None:
    """Writes the model with other looks and returns what to say of it; None where it has no place for them."""
    if model is None:
        return None
    plain = {"file_format": "PNG", "depth": "8", "pattern": "{object}_{map}", "directory": str(folder / "looks")}
    operate(bpy.ops.sabi.export_maps, engine=model.engine, **plain)
    looks = exported_looks(folder / "looks")
    if not looks or not all(map(model.carries, looks)):
        return None
    return model.save(given.out / given.model.name, looks)


def _turn_normals(bpy: ModuleType, normals: str) -> tuple[str, ...]:
    """Turns DirectX's normal maps of what is selected, those that names tell or all; returns what to say of it."""
    if normals == "opengl" or not bpy.ops.sabi.turn_normals.poll():
        return ()
    before = {image for image in map(addon("directx").unturned, bpy.data.materials) if image is not None}
    operate(bpy.ops.sabi.turn_normals, every=normals == "directx")
    return tuple(f"'{image.name}' is read as a DirectX normal map: its green is turned." for image in before)


def open_model(bpy: ModuleType, path: Path, folder: Path | None = None) -> Model:
    """Opens a .blend, or imports another model into an empty scene; what can be written again with other looks is returned.

    `folder` is for temporary files, which must stay while the model is open; without it nothing can be. Raises BadFile.
    """
    if not path.is_file():
        raise BadFile(f"{path} is missing.", "Check the path.")
    try:
        if path.suffix.lower() == ".blend":
            bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False)
            return None
        if path.suffix.lower() not in IMPORTERS:
            raise BadFile(
                f"{path.name} is no model that Blender reads here.", f"Give one of .blend, {', '.join(IMPORTERS)}."
            )
        group, name = IMPORTERS[path.suffix.lower()]
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        for kind, suffixes in ((GltfModel, gltf_model.SUFFIXES), (UsdModel, usd_model.SUFFIXES)):
            if folder is not None and path.suffix.lower() in suffixes:
                return kind.open(bpy, path, folder)
        getattr(getattr(bpy.ops, group), name)(filepath=str(path))
        return None
    except RuntimeError as error:
        raise BadFile(f"Blender cannot open {path.name}: {_first_line(error)}", "The file may be damaged.") from error


def choose(bpy: ModuleType, names: Sequence[str]) -> list:
    """The mesh objects of these names, or all that renders show. Raises SceneError."""
    meshes = {obj.name: obj for obj in bpy.context.view_layer.objects if obj.type == "MESH"}
    if missing := [name for name in names if name not in meshes]:
        raise SceneError(
            f"There is no mesh object '{missing[0]}'.", f"Mesh objects: {', '.join(sorted(meshes)) or 'none'}."
        )
    chosen = [meshes[name] for name in names] or [obj for obj in meshes.values() if not obj.hide_render]
    if not chosen:
        raise SceneError("The model has no mesh object.", "Sabi weathers meshes.")
    return chosen


def operate(operator, **properties: object) -> None:  # type: ignore[no-untyped-def]
    """Calls an operator; what it reports as an error is raised as the SabiError it was."""
    try:
        operator(**properties)
    except RuntimeError as error:
        failure = addon("work").failure()
        if failure is not None:
            raise SabiError.from_dict(failure.to_dict()) from None
        raise SceneError(
            f"Blender refused: {_first_line(error).rstrip('.')}.",
            "Open the model in Blender: the panel says what is missing.",
        ) from error


@contextmanager
def extension() -> Iterator[ModuleType]:
    """bpy, with the package linked into a temporary user folder and enabled; its backend has ended when this ends."""
    with tempfile.TemporaryDirectory(prefix="sabi-user-", ignore_cleanup_errors=True) as folder:
        os.environ["BLENDER_USER_RESOURCES"] = folder  # read once, when bpy is first imported
        place = Path(folder) / "extensions" / "user_default"
        place.mkdir(parents=True)
        link = _link(place / "sabi")
        try:
            bpy = importlib.import_module("bpy")
            bpy.ops.wm.read_factory_settings(use_empty=True)
            bpy.ops.preferences.addon_enable(module=EXTENSION)
            try:
                yield bpy
            finally:
                bpy.ops.preferences.addon_disable(module=EXTENSION)
        finally:
            link.rmdir() if os.name == "nt" else link.unlink()


def leave(status: int) -> NoReturn:
    """Ends the process once all is written: bpy may crash or wait for ever where the interpreter takes it down (seen in 4.2)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def addon(name: str) -> ModuleType:
    """A module of the enabled extension; the same file imported as `sabi` would be a second copy."""
    return importlib.import_module(f"{EXTENSION}.addon.{name}")


def _export(bpy: ModuleType, path: Path) -> None:
    """Writes the scene in the format of the path's suffix. Raises BadFile."""
    group, name, options = EXPORTERS[path.suffix.lower()]
    try:
        getattr(getattr(bpy.ops, group), name)(filepath=str(path), **options)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BadFile(
            f"Blender could not write {path.name}: {_first_line(error)}", "The .blend has the same, with live layers."
        ) from error


def _link(place: Path) -> Path:
    if os.name == "nt":  # junctions need no rights there
        importlib.import_module("_winapi").CreateJunction(str(PACKAGE), str(place))
    else:
        place.symlink_to(PACKAGE, target_is_directory=True)
    return place


def _save(bpy: ModuleType, path: Path) -> None:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False, relative_remap=True)
    except RuntimeError as error:
        raise BadFile(
            f"{path} cannot be written: {_first_line(error)}", "Check the folder and the free space."
        ) from error


def _own_stdout():  # type: ignore[no-untyped-def]
    """Standard output for our lines alone: what Blender prints, from C too, goes to standard error."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return ours


def _first_line(error: Exception) -> str:
    return next(
        (line.removeprefix("Error: ").strip() for line in str(error).splitlines() if line.strip()), "it did not say why"
    )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sabi.addon.headless", description="Weather a model with Blender, without a window."
    )
    parser.add_argument("model", type=Path, help="a .blend, glTF, FBX, USD or OBJ file")
    parser.add_argument("--recipe", type=Path, required=True, help="a recipe file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the .blend and its maps")
    parser.add_argument("--texels", type=int, default=0, help="texels a side of the maps; 0 chooses")
    parser.add_argument(
        "--object", action="append", default=[], help="a mesh object to weather; may be given again; default all"
    )
    parser.add_argument("--normals", choices=("auto", "opengl", "directx"), default="auto", help="what normal maps are")
    parser.add_argument(
        "--maps", default="", help="also write maps, into the folder maps: plain, unreal, unity or gltf"
    )
    parser.add_argument("--format", default="png", help="with --maps: png, tif, exr or webp")
    parser.add_argument("--bits", type=int, default=0, help="with --maps: 8 or 16; 0 for what the format has first")
    parser.add_argument("--name", default="{object}_{map}", help="with --maps: a pattern of the files' names")
    given = parser.parse_args(words)
    given.model, given.out = given.model.resolve(), given.out.resolve()
    return given


if __name__ == "__main__":
    leave(main())
