# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathers a model without a window, through the extension's own operators: what `sabi weather model.gltf` runs.

    python -m sabi.addon.headless MODEL --recipe FILE --out FOLDER [--texels N] [--object NAME]
        [--shared-tiles] [--normals auto|opengl|directx] [--maps LAYOUT --format FORMAT --bits N --name PATTERN]
    python -m sabi.addon.headless MODEL --rules FILE --out FOLDER    what rules give to which of its objects and materials
    python -m sabi.addon.headless MODEL --rules FILE --list          that alone, without weathering
    python -m sabi.addon.headless MODEL --rules FILE --picture FILE  and a small picture of how it would look

in a Python that has bpy. The package this file lies in is linked into a temporary user folder as an extension and enabled
there, so the operators are the real ones and nobody's settings are touched. Standard output is JSON lines: {"stage",
"fraction"} while it works, at the end {"files", "warnings", "networks", "objects"} or {"error": {"code", "message", "hint"}}.
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
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from ..backend.protocol.errors import BadFile, SabiError, SceneError
from ..backend.protocol.map_files import format_named
from ..backend.protocol.recipe import Recipe
from ..backend.protocol.rules import Rule, Rules, read_rules
from .exports import gltf_model, usd_model
from .exports.exported_look import exported_looks
from .exports.gltf_model import GltfModel
from .exports.usd_model import UsdModel

Model = GltfModel | UsdModel | None
PICTURE_SIDE, PICTURE_TEXELS = 192, 256
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
            with tempfile.TemporaryDirectory(prefix="sabi-") as name:
                folder = Path(name)
                model = open_model(bpy, given.model, folder)
                rules = read_rules(given.rules) if given.rules else Rules.of(_recipe(given.recipe))
                planned = plan(choose(bpy, given.object), rules)
                if given.list:
                    say(files=[], objects=[part.to_dict() for part in planned])
                elif given.picture is not None:
                    say(**picture(bpy, given, planned))
                else:
                    say(**weather(bpy, given, planned, model, folder))
    except SabiError as error:
        say(error=error.to_dict())
        return 1
    return 0


@dataclass(frozen=True)
class Part:
    """One material of one object, and the rule that takes it; None where none does."""

    obj: object
    material: str
    rule: Rule | None

    @property
    def painted(self) -> bool:
        return self.rule is not None and self.rule.recipe is not None

    def to_dict(self) -> dict[str, object]:
        number, called = (self.rule.number, self.rule.called) if self.rule else (None, "")
        recipe = called if self.painted else None
        return {"object": self.obj.name, "material": self.material, "rule": number, "recipe": recipe}


def plan(objects: Sequence, rules: Rules) -> list[Part]:
    """What the rules give to each material that these objects show."""
    parts: list[Part] = []
    for obj in objects:
        slots = [obj.material_slots[index].material for index in addon("nodes.material").used_slots(obj)]
        names = dict.fromkeys(made.name if made else "" for made in slots)
        parts += [Part(obj, name, rules.of_object(obj.name, name)) for name in names or [""]]
    return parts


def weather(
    bpy: ModuleType, given: argparse.Namespace, planned: Sequence[Part], model: Model, folder: Path
) -> dict[str, object]:
    """Weathers what is open into given.out; returns the files, warnings, networks and objects. Raises SabiError's children.

    The .blend keeps the layers live. A model of another format is written in that format too: of glTF and USD only the looks
    are new, and where that cannot be, and for others, Blender writes the file with layers flattened to plain textures. `folder`
    is for temporary files. Nothing is written where no rule takes anything.
    """
    listed = [part.to_dict() for part in planned]
    if not any(part.painted for part in planned):
        return {"files": [], "warnings": [], "networks": {}, "objects": listed}
    blend = given.out / f"{given.model.stem}.blend"
    given.out.mkdir(parents=True, exist_ok=True)
    _save(bpy, blend)  # so that images have a place beside it
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    bpy.context.preferences.filepaths.save_version = 0  # no .blend1 beside it
    painted = [part.obj for part in planned if part.painted]
    _select(bpy, painted)
    turned = _turn_normals(bpy, given.normals)
    warnings = [*turned, *paint(bpy, planned, given.texels, given.shared_tiles)]
    applied = [addon("nodes.on_object").weathered(obj) for obj in dict.fromkeys(painted)]
    trees = [addon("nodes.on_object").group_node(made).node_tree for a in applied if a for made in a.materials]
    recipes = [json.loads(tree[addon("nodes.on_object").RECIPE]) for tree in trees]
    networks = {name: digest for recipe in recipes for name, digest in recipe["networks"].items()}
    _save(bpy, blend)
    _select(bpy, painted)
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
    return {"files": files, "warnings": list(dict.fromkeys(warnings)), "networks": networks, "objects": listed}


def paint(bpy: ModuleType, planned: Sequence[Part], texels: int, shared_tiles: bool = False) -> list[str]:
    """Weathers what rules take, by as few calls of the operator as can be; returns the warnings. Raises SabiError's children.

    With `shared_tiles` objects that repeat a tile are modules of kits, and all else is weathered as ever.
    """
    calls: dict[tuple[int, str], list] = {}  # (rule, pattern of materials) -> objects
    rules = {part.rule.number: part.rule for part in planned if part.painted}
    for obj in dict.fromkeys(part.obj for part in planned):
        own = [part for part in planned if part.obj == obj]
        same = len({part.rule.number if part.rule else 0 for part in own}) == 1
        for part in own[: 1 if same else None]:
            if part.painted:
                calls.setdefault((part.rule.number, "" if same else escape(part.material)), []).append(obj)
    warnings: list[str] = []
    for (number, pattern), objects in calls.items():
        recipe = rules[number].recipe.to_json()
        modules = addon("kit_choice").modules(objects, pattern) if shared_tiles else []
        rest = [obj for obj in objects if obj not in modules]
        for some, shared in ((modules, True), (rest, False)):
            if some:
                how = {"shared_tiles": shared} if shared_tiles else {}  # else the file's own choice
                _select(bpy, some)
                operate(bpy.ops.sabi.weather, recipe_json=recipe, size=texels, materials=pattern, **how)
                warnings += addon("work").current().outcome.warnings
    return warnings


def picture(bpy: ModuleType, given: argparse.Namespace, planned: Sequence[Part]) -> dict[str, object]:
    """Renders how it would look, small, and keeps nothing else of it."""
    texels = given.texels or PICTURE_TEXELS
    warnings = paint(bpy, planned, texels, given.shared_tiles)
    scene = bpy.context.scene
    stage = addon("demo.stage")
    for obj in [obj for obj in scene.objects if obj.type == "LIGHT"]:
        obj.hide_render = True
    stage.dress(scene, list(dict.fromkeys(part.obj for part in planned)), PICTURE_SIDE, PICTURE_SIDE)
    stage.render(scene, given.picture, samples=8)
    return {"files": [], "warnings": list(dict.fromkeys(warnings)), "objects": [part.to_dict() for part in planned]}


def _select(bpy: ModuleType, objects: Sequence) -> None:
    for obj in list(bpy.context.view_layer.objects):
        obj.select_set(obj in objects)


def _recipe(path: Path) -> Recipe:
    """Raises BadFile, BadRecipe."""
    try:
        return Recipe.from_json(path.read_bytes())
    except OSError as error:
        raise BadFile(f"The recipe {path} cannot be read: {error.strerror}.", "Check the path.") from None


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
    before = {image for image in map(addon("surface.directx").unturned, bpy.data.materials) if image is not None}
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
    look = parser.add_mutually_exclusive_group(required=True)
    look.add_argument("--recipe", type=Path, help="a recipe file")
    look.add_argument("--rules", type=Path, help="a table of rules")
    result = parser.add_mutually_exclusive_group(required=True)
    result.add_argument("--out", type=Path, help="folder for the .blend and its maps")
    result.add_argument("--list", action="store_true", help="only say what rules give to which objects and materials")
    result.add_argument("--picture", type=Path, help="only a small picture of it, a PNG")
    parser.add_argument("--texels", type=int, default=0, help="texels a side of the maps; 0 chooses")
    parser.add_argument(
        "--object", action="append", default=[], help="a mesh object to weather; may be given again; default all"
    )
    parser.add_argument(
        "--shared-tiles", action="store_true", help="paint what repeats once, as a tile for all objects"
    )
    parser.add_argument("--normals", choices=("auto", "opengl", "directx"), default="auto", help="what normal maps are")
    parser.add_argument(
        "--maps", default="", help="also write maps, into the folder maps: plain, unreal, unity or gltf"
    )
    parser.add_argument("--format", default="png", help="with --maps: png, tif, exr or webp")
    parser.add_argument("--bits", type=int, default=0, help="with --maps: 8 or 16; 0 for what the format has first")
    parser.add_argument("--name", default="{object}_{map}", help="with --maps: a pattern of the files' names")
    given = parser.parse_args(words)
    given.model = given.model.resolve()
    given.out = given.out.resolve() if given.out else None
    given.picture = given.picture.resolve() if given.picture else None
    return given


if __name__ == "__main__":
    leave(main())
