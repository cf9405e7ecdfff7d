# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathered objects baked, as they look now, to plain image textures on a plain Principled, for glTF, FBX and USD."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.protocol.errors import SceneError
from ...backend.protocol.file_names import Named
from ...backend.protocol.map_files import MapExport, MapFile
from .. import work
from ..nodes import material, on_object
from ..nodes.provenance import Provenance, provenance
from ..pixels import images, reading
from ..pixels.encode_job import Piece
from ..pixels.encoding import check_pattern_for, encoding
from ..pixels.kept import Kept
from ..progress import Progress
from ..surface.capture import CapturedObject
from ..surface.shown import FLAT, ShownCapture, painted_on
from ..versions import enable_nodes
from ..weathering import Target, capturing, loaded, share

LOST = {"Emission Strength": "light of its own", "Transmission Weight": "transmission", "Coat Weight": "coat"}
CAPTURE_SHARE = 0.8  # of the time it takes, as the progress bar has it
PLAIN = MapExport()
FOLDER = "//sabi"
INPUTS = {"albedo": "Base Color", "roughness": "Roughness", "metallic": "Metallic", "normal": "Normal"}


@dataclass(frozen=True)
class _Flat:
    """An object on its way: how it looks, and where that comes from."""

    target: Target
    captured: CapturedObject
    provenance: Provenance


def flatten_objects(objects: Sequence[bpy.types.Object], size: int = 0, export: MapExport = PLAIN) -> work.Steps:
    """Steps that give these weathered objects plain materials, in one undo step; `size` 0 takes that of the painted images.

    The export's layout is plain; its pattern names the images. Revert leads back to the original material.
    """
    if not objects:
        raise SceneError("None of the selected objects has layers to flatten.", "Revert leads back from what is flat.")
    check_pattern_for(objects, export.pattern)
    targets, sources = [Target.of(obj) for obj in objects], [provenance(obj) for obj in objects]
    painted = [painted_on(obj, size) for obj in objects]
    flat: list[_Flat] = []
    for index, (target, on) in enumerate(zip(targets, painted, strict=True)):
        steps = capturing(ShownCapture(bpy.context, target.find(), on, deep=export.bits == 16))
        part = CAPTURE_SHARE / len(targets)
        captured = yield from share(steps, index * part, (index + 1) * part)
        flat.append(_Flat(target, captured, sources[index]))
    kept, made = Kept(), []
    try:
        with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
            pieces = [_piece(one, export, Path(folder, str(index))) for index, one in enumerate(flat)]
            encoded = yield from share(encoding(pieces, export), CAPTURE_SHARE, 1.0)
            for one, files in zip(flat, encoded, strict=True):
                shown = yield from _load(one, files, export, kept)
                made.append(_plain_material(one, shown, kept).session_uid)
                yield Progress("Writing the images", 1.0)
        objects = [target.find() for target in targets]
        plain = {block.session_uid: block for block in bpy.data.materials}
        if not all(uid in plain for uid in made):
            raise SceneError("The flattened materials were removed while Sabi made them.", "Flatten again.")
        warnings = [warning for obj in objects for warning in _losses(obj)]
        for obj, uid in zip(objects, made, strict=True):
            _wear(obj, plain[uid])
        kept.stays()
    finally:
        kept.discard()
    work.undo_step("Flatten")
    said = targets[0].name if len(targets) == 1 else f"{len(targets)} objects"
    return work.Outcome(f"Flattened {said}", tuple(dict.fromkeys(warnings)), tuple(obj.name for obj in objects))


def _losses(obj: bpy.types.Object) -> list[str]:
    """What a plain material does not carry, in sentences."""
    shaders = [node for made in material.surface_materials(obj) for node in made.node_tree.nodes]
    return [
        f"'{obj.name}' had {what}; plain textures do not carry it."
        for name, what in LOST.items()
        for shader in shaders
        if shader.bl_idname == "ShaderNodeBsdfPrincipled"
        and (shader.inputs[name].is_linked or shader.inputs[name].default_value > 0)
    ][:3]


def _files(captured: CapturedObject, export: MapExport) -> dict[str, MapFile]:
    return {file.name: file for file in export.files(captured.surface.maps) if file.name in INPUTS}


def _titles(one: _Flat, export: MapExport) -> dict[str, str]:
    """What each image and its file are called: by the pattern, as a version that the .blend's folder of images does not have."""
    largest = max(one.captured.surface.size)
    named = Named(one.target.name, "_".join(one.captured.materials[:1]), one.provenance.title, largest)
    files = list(_files(one.captured, export))
    beside = Path(bpy.path.abspath(FOLDER)) if bpy.data.filepath else None
    version = named.next_version(export.pattern, files, beside) if beside else 1
    return {name: bpy.path.clean_name(str(named.path(export.pattern, name, version))) for name in files}


def _piece(one: _Flat, export: MapExport, folder: Path) -> Piece:
    """The maps as temporary files: packed pixels cannot move beside the .blend, and Blender reads files in a job of its own."""
    paths = {name: folder / title for name, title in _titles(one, export).items()}
    return Piece(one.captured.surface.maps, paths, one.captured.tiles)


def _load(
    one: _Flat, files: Mapping[str, Path], export: MapExport, kept: Kept
) -> Generator[Progress, None, dict[str, bpy.types.Image]]:
    """The object's images by their maps' names, kept as the preference says."""
    blocks: dict[str, int] = {}
    for name, file in _files(one.captured, export).items():
        title = files[name].name.removesuffix(export.suffix).removesuffix(f".{images.UDIM}")
        image = images.open_file(files[name], title, export.space_of(file), channel_packed=False)
        kept.image(image)
        image.name = title
        if (
            image.packed_file is not None
        ):  # exporters tell packed images apart by their paths: FBX would write one for all
            image.filepath_raw = f"//{files[name].name}"
        blocks[name] = kept.blocks[-1]
        yield Progress("Loading the images", 1.0)
        yield from reading.in_steps(reading.read(image), Progress("Loading the images", 1.0))
        images.read_texels(loaded(blocks[name], one.target.name))
    return {name: loaded(uid, one.target.name) for name, uid in blocks.items()}


def _plain_material(one: _Flat, shown: Mapping[str, bpy.types.Image], kept: Kept) -> bpy.types.Material:
    """A new material of image textures that are wired straight into a Principled."""
    made = bpy.data.materials.new(f"{one.target.name} weathered")
    kept.block(made)
    enable_nodes(made)
    tree, uv_map = made.node_tree, one.captured.uv_map
    shader = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    uv = tree.nodes.new("ShaderNodeUVMap")
    uv.uv_map = uv_map
    for name, image in shown.items():
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = image
        tree.links.new(uv.outputs[0], node.inputs["Vector"])
        colour = node.outputs["Color"]
        if name == "normal":
            bent = tree.nodes.new("ShaderNodeNormalMap")
            bent.uv_map = uv_map
            tree.links.new(colour, bent.inputs["Color"])
            colour = bent.outputs["Normal"]
        tree.links.new(colour, shader.inputs[INPUTS[name]])
        if name == "albedo" and "alpha" in one.captured.surface:
            tree.links.new(node.outputs["Alpha"], shader.inputs["Alpha"])
    made[FLAT] = True
    one.provenance.note(made)
    return made


def _wear(obj: bpy.types.Object, made: bpy.types.Material) -> None:
    material.keep_slots(obj)
    made[material.COPY] = material.fingerprint(made)
    used = material.used_slots(obj)
    for index, slot in enumerate(obj.material_slots):
        if index in used or on_object.group_node(slot.material) is not None:
            material.give(obj, slot, made)
