# SPDX-License-Identifier: GPL-3.0-or-later
"""An object at rest: a still copy of it as its modeller left it, before rigs, shape keys and simulations move it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.protocol.errors import SceneError
from .stage import Stage, mark

# Modifiers that animate a mesh or decorate it; those that model it stay.
MOVING = {
    "ARMATURE", "CLOTH", "COLLISION", "DYNAMIC_PAINT", "EXPLODE", "FLUID", "HOOK", "LAPLACIANDEFORM", "LATTICE",
    "MESH_CACHE", "MESH_DEFORM", "MESH_SEQUENCE_CACHE", "PARTICLE_INSTANCE", "PARTICLE_SYSTEM", "SOFT_BODY", "SURFACE",
    "SURFACE_DEFORM", "WAVE",
}  # fmt: skip
SECOND_UV = "Sabi"  # the UV map that Sabi adds where the artist's own cannot carry a texture
COPYING = {"ARRAY", "MIRROR", "SCREW", "SOLIDIFY"}  # these give several faces one and the same place in UV space


@dataclass(frozen=True)
class Place:
    """Where an object is, in Blender's units: `world`; and `rest`, its scale alone, in metres. A unit is `unit` metres."""

    world: Matrix
    rest: Matrix
    unit: float

    @property
    def scale(self) -> tuple[float, float, float]:
        return tuple(axis / self.unit for axis in self.rest.to_scale())

    @property
    def pose(self) -> tuple[float, ...]:
        """Row-major 4x4 that takes positions at rest to the world, both in metres."""
        pose = Matrix.Scale(self.unit, 4) @ self.world @ self.rest.inverted()
        return tuple(float(value) for row in pose for value in row)


def world_of(obj: bpy.types.Object) -> Matrix:
    """Where an object is, in Blender's units; also one that is hidden, whose `matrix_world` Blender leaves as it was.

    A hidden one's is put together from its parents'; where constraints or a bone hold it, it is as when it was last seen.
    """
    if obj.visible_get() or obj.constraints or obj.parent_type != "OBJECT":
        return obj.matrix_world.copy()
    if obj.parent is None:
        return obj.matrix_basis.copy()
    return world_of(obj.parent) @ obj.matrix_parent_inverse @ obj.matrix_basis


def place_of(obj: bpy.types.Object, unit: float) -> Place:
    """Raises SceneError where the object is scaled to nothing."""
    world = world_of(obj)
    scale = world.to_scale()
    if min(abs(axis) for axis in scale) < 1e-9:
        raise SceneError(f"'{obj.name}' is scaled to nothing.", "Give it a scale other than 0 on each axis.")
    return Place(world, Matrix.Diagonal((*(axis * unit for axis in scale), 1.0)), unit)


def still_copy(stage: Stage, obj: bpy.types.Object, second_uv: np.ndarray | None = None) -> bpy.types.Object:
    """A temporary object on the stage: the mesh as the modelling modifiers leave it for renders, nothing else of them.

    It keeps what materials ask of an object: its index, colour, attributes, texture space. `second_uv` is added to the base mesh
    before the modifiers. Raises SceneError when nothing is left of the mesh.
    """
    copy = _bare_copy(stage, obj)
    if second_uv is not None:
        from_base = copy.data.uv_layers.get(SECOND_UV) or copy.data.uv_layers.new(name=SECOND_UV, do_init=False)
        from_base.uv.foreach_set("vector", np.ascontiguousarray(second_uv, np.float32).reshape(-1))
    evaluated = stage.evaluated(copy)
    mesh = mark(
        bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=stage.layer.depsgraph)
    )
    copy.modifiers.clear()
    copy.data = mesh
    if not mesh.polygons:
        raise SceneError(f"'{obj.name}' has no faces.", "Its mesh is empty, or a modifier hides all of it.")
    return copy


def base_copy(stage: Stage, obj: bpy.types.Object) -> bpy.types.Object:
    """A temporary object on the stage with a copy of the base mesh, no modifiers, no shape keys."""
    copy = _bare_copy(stage, obj)
    copy.modifiers.clear()
    return copy


def _bare_copy(stage: Stage, obj: bpy.types.Object) -> bpy.types.Object:
    if obj.mode == "EDIT":
        obj.update_from_editmode()
    copy = mark(obj.copy())
    copy.data = mark(obj.data.copy())
    copy.animation_data_clear()
    copy.data.animation_data_clear()
    copy.parent = None
    copy.constraints.clear()
    copy.hide_render = copy.hide_viewport = False
    copy.is_holdout = copy.is_shadow_catcher = False
    copy.instance_type = "NONE"
    if copy.data.shape_keys is not None:
        basis = _coordinates(copy.data.shape_keys.reference_key.data)
        copy.shape_key_clear()
        copy.data.vertices.foreach_set("co", basis)
    for modifier in list(copy.modifiers):
        if modifier.type in MOVING or not modifier.show_render:
            copy.modifiers.remove(modifier)
            continue
        modifier.show_viewport = True  # modifiers are evaluated for the viewport, but as a render would have them
        for viewport, render in (("levels", "render_levels"), ("viewport_samples", "render_samples")):
            if hasattr(modifier, viewport) and hasattr(modifier, render):
                setattr(modifier, viewport, getattr(modifier, render))
    stage.add(copy)
    return copy


def _coordinates(points: bpy.types.bpy_prop_collection) -> np.ndarray:
    values = np.empty(len(points) * 3, np.float32)
    points.foreach_get("co", values)
    return values


@dataclass(frozen=True)
class Shown:
    """The slots whose materials an object's faces show, those too that modifiers make; and materials that are in no slot."""

    slots: tuple[int, ...]
    foreign: tuple[str, ...] = ()


def modelling(obj: bpy.types.Object) -> list[bpy.types.Modifier]:
    """The modifiers whose result is part of the object."""
    return [modifier for modifier in obj.modifiers if modifier.type not in MOVING and modifier.show_render]


def unseen(obj: bpy.types.Object) -> bool:
    """Whether modifiers model an object that is hidden: Blender keeps no result of theirs, or an older one."""
    return bool(modelling(obj)) and not obj.visible_get()


def shown(obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Shown:
    """What the object shows of materials, as the artist's view layer has it."""
    if not modelling(obj):
        return shown_by(obj, obj.data)
    evaluated = obj.evaluated_get(depsgraph)
    found = shown_by(obj, evaluated.to_mesh())
    evaluated.to_mesh_clear()
    return found


def shown_by(obj: bpy.types.Object, mesh: bpy.types.Mesh) -> Shown:
    """What an object shows of materials whose modifiers made `mesh`."""
    count = len(obj.material_slots)
    slots = {min(index, count - 1) for index in _material_indices(obj.data)} if count else set()
    if mesh == obj.data:
        return Shown(tuple(sorted(slots)))
    worn = [material and material.original for material in mesh.materials]
    here = [index for index in _material_indices(mesh) if index < len(worn)]
    if worn == list(obj.data.materials):
        return Shown(tuple(here) or tuple(sorted(slots)))
    shown = dict.fromkeys(worn[index] for index in here if worn[index] is not None)
    found = {slot.material for slot in obj.material_slots}
    slots = {index for index, slot in enumerate(obj.material_slots) if slot.material in shown}
    return Shown(tuple(sorted(slots)), tuple(material.name for material in shown if material not in found))


def _material_indices(mesh: bpy.types.Mesh) -> list[int]:
    indices = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", indices)
    return np.flatnonzero(np.bincount(indices)).tolist()


def repeats(obj: bpy.types.Object) -> str:
    """The name of a modifier that gives several faces one place in UV space; empty when there is none."""
    return next((m.name for m in obj.modifiers if m.type in COPYING and m.show_render), "")


class Part(Enum):
    """What of an object a digest is of."""

    ALL = "all"
    SHAPE = "shape"  # all but UVs
    UVS = "uvs"


def digest(
    obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph, part: Part = Part.ALL, *, modelled: bool = True
) -> str:
    """A hexadecimal digest of an object's shape, UVs and attributes at rest: what a bake depends on besides materials.

    Modifiers that model are taken by their result, as the artist's view layer has it; by their settings alone without
    `modelled`. Sabi's own UV map is left out.
    """
    if obj.mode == "EDIT":
        obj.update_from_editmode()
    total = hashlib.blake2b(digest_size=16)
    _add_mesh(total, obj.data, part)
    if part is Part.UVS:
        return total.hexdigest()
    if obj.data.shape_keys is not None:
        total.update(_coordinates(obj.data.shape_keys.reference_key.data).tobytes())
    modifiers = modelling(obj)
    for modifier in modifiers:
        total.update(repr(sorted(_settings(modifier))).encode())
    if modifiers and modelled:
        evaluated = obj.evaluated_get(depsgraph)
        _add_made(total, evaluated.to_mesh(), part)
        evaluated.to_mesh_clear()
    scale = [f"{axis:.5g}" for axis in world_of(obj).to_scale()]  # turning an object changes its last digits
    total.update(repr((scale, obj.pass_index, tuple(obj.color))).encode())
    return total.hexdigest()


def mesh_digest(mesh: bpy.types.Mesh) -> str:
    """A hexadecimal digest of all that a mesh holds, and of the materials in its slots."""
    total = hashlib.blake2b(digest_size=16)
    _add_made(total, mesh, Part.ALL)
    return total.hexdigest()


def _add_made(total: hashlib.blake2b, mesh: bpy.types.Mesh, part: Part) -> None:
    """Adds a mesh that modifiers made, which may have put materials of their own into its slots."""
    _add_mesh(total, mesh, part)
    if part is Part.ALL:
        total.update(str([material and material.name_full for material in mesh.materials]).encode())


def _settings(modifier: bpy.types.Modifier) -> list[tuple[str, str]]:
    skipped = {
        "rna_type",
        "execution_time",
        "show_expanded",
        "is_active",
        "show_viewport",
        "show_in_editmode",
        "show_on_cage",
    }
    names = [prop.identifier for prop in modifier.bl_rna.properties if prop.type not in ("POINTER", "COLLECTION")]
    found = [(name, _plain(getattr(modifier, name))) for name in names if name not in skipped]
    with suppress(TypeError):  # only those made of nodes have values of their own
        found += [(key, _plain(modifier[key])) for key in modifier.keys()]  # noqa: SIM118  (a bpy_struct, not a dict)
    return found


def _plain(value: object) -> str:
    if isinstance(value, bpy.types.ID):
        return value.name_full
    return str(tuple(value)) if hasattr(value, "__len__") and not isinstance(value, str) else str(value)


_NUMBERS = {
    "FLOAT": (1, np.float32),
    "INT": (1, np.int32),
    "BOOLEAN": (1, bool),
    "INT8": (1, np.int32),
    "QUATERNION": (4, np.float32),
}
_VECTORS = {"FLOAT_VECTOR": 3, "FLOAT2": 2}
_COLOURS = ("FLOAT_COLOR", "BYTE_COLOR")
_VIEW = (".select", ".hide", ".uv_select", ".sculpt", ".vs.", ".es.", ".pn.")  # what selecting and hiding leave behind


def _add_mesh(total: hashlib.blake2b, mesh: bpy.types.Mesh, part: Part) -> None:
    """Every attribute of a mesh, whatever it is called: positions, corners, materials, UVs, colours, sharp edges."""
    uvs = {layer.name for layer in mesh.uv_layers}
    if part is not Part.UVS:
        starts = np.empty(len(mesh.polygons), np.int32)
        mesh.polygons.foreach_get("loop_start", starts)
        corners = np.empty(len(mesh.loops), np.int32)
        mesh.loops.foreach_get("vertex_index", corners)
        total.update(starts.tobytes())
        total.update(corners.tobytes())
    for attribute in mesh.attributes:
        kind, count = attribute.data_type, len(attribute.data)
        if attribute.name.startswith(_VIEW) or attribute.name == SECOND_UV:
            continue
        if part is not Part.ALL and (attribute.name in uvs) is not (part is Part.UVS):
            continue
        if kind in _NUMBERS:
            width, dtype = _NUMBERS[kind]
            values = np.empty(count * width, dtype)
            attribute.data.foreach_get("value", values)
        elif kind in _VECTORS:
            values = np.empty(count * _VECTORS[kind], np.float32)
            attribute.data.foreach_get("vector", values)
        elif kind in _COLOURS:
            values = np.empty(count * 4, np.float32)
            attribute.data.foreach_get("color", values)
        elif kind in ("INT16_2D", "INT32_2D"):
            values = np.empty(count * 2, np.int32)
            attribute.data.foreach_get("value", values)
        else:
            continue
        total.update(attribute.name.encode())
        total.update(values.tobytes())
    if part is not Part.SHAPE:
        total.update(str([layer.name for layer in mesh.uv_layers if layer.active_render]).encode())
