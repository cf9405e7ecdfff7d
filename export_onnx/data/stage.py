# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene set up in Blender, rendered by Cycles, and taken down again, picture after picture. The only user of bpy here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import OpenImageIO
from mathutils import Matrix, Vector

from ...backend.protocol.materials import Material
from .looks import Looks
from .materials import UNKNOWN, Split, split_of

GROUNDS = (
    Material.SOIL,
    Material.CONCRETE,
    Material.BRICK,
    Material.STONE,
    Material.WOOD,
    Material.OTHER,
    Material.FOLIAGE,
    Material.WATER,
    Material.FABRIC,
)
WALLS = (Material.BRICK, Material.CONCRETE, Material.PAINTED_SURFACE, Material.WOOD, Material.STONE, Material.METAL)
ON_OBJECTS = tuple(m for m in Material if m not in (Material.SKY, Material.WATER, Material.SOIL, Material.OTHER))
OBJECT, BACKGROUND, WALL = 1, 2, 3  # indices that the pass tells objects, the ground and walls apart by
SHAPES = ("cube", "sphere", "cylinder", "torus", "cone", "monkey", "slab", "leaves")
MOST_FACES = 60_000  # of a model; heavier ones would take most of the time


class Stage:
    """The models and lights of one split, loaded once, and an otherwise empty scene."""

    def __init__(self, data: Path, split: Split, side: int, samples: int, passes: bool = False) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.looks = Looks(data, split)
        folders = {path.name: path for path in (data / "assets").iterdir() if path.is_dir()}
        self.meshes = [self._model(folders[name]) for name in split_of(folders, split)]
        self.meshes = [mesh for mesh in self.meshes if len(mesh.polygons) <= MOST_FACES]
        self.shapes = {name: _shape(name) for name in SHAPES if name != "leaves"}
        lights = {path.stem: path for path in (data / "hdri").glob("*.hdr")}
        self.lights = [lights[name] for name in split_of(lights, split)]
        scene = self.scene = bpy.context.scene
        scene.render.engine = "CYCLES"
        scene.cycles.device = "CPU"
        scene.cycles.samples = samples
        scene.cycles.use_denoising = True
        scene.cycles.max_bounces, scene.cycles.diffuse_bounces = 4, 2
        scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
        scene.render.resolution_x = scene.render.resolution_y = side
        scene.render.resolution_percentage = 100
        scene.render.threads_mode, scene.render.threads = "FIXED", 1
        scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        scene.render.image_settings.color_depth = "32"
        layer = scene.view_layers[0]
        layer.use_pass_material_index = layer.use_pass_object_index = True
        for light in _PASSES if passes else ():
            setattr(layer, f"use_pass_{light}", True)
        scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        scene.collection.objects.link(scene.camera)
        scene.world = bpy.data.worlds.new("world")
        scene.world.use_nodes = True
        scene.world.cycles.sampling_method, scene.world.cycles.sample_map_resolution = "MANUAL", 256
        self.kept = {name: {item.as_pointer() for item in getattr(bpy.data, name)} for name in _KINDS}

    def shoot(self, rng: np.random.Generator, exr: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Linear picture [S,S,3], materials [S,S] uint8, objects [S,S] int8 of one scene drawn from `rng`; as scenes.Scene."""
        backdrop = self._compose(rng)
        return _labelled(self._render(exr), backdrop)

    def shoot_lit(self, rng: np.random.Generator, exr: Path, lights: int) -> list[dict[str, np.ndarray]]:
        """One scene drawn from `rng` under so many lights, with the same rays: its passes, as `passes` names them, each time."""
        self._compose(rng)
        taken = [passes(self._render(exr))]
        for _ in range(1, lights):
            for lamp in [obj for obj in self.scene.objects if obj.type == "LIGHT"]:
                bpy.data.objects.remove(lamp)
            self._light(rng)
            taken.append(passes(self._render(exr)))
        return taken

    def _compose(self, rng: np.random.Generator) -> int:
        """A new scene; gives the channel of what the camera sees of the world."""
        self._clear()
        backdrop = self._light(rng)
        self._ground(rng)
        self._objects(rng)
        self._aim(rng)
        self.scene.cycles.seed = int(rng.integers(2**31))
        return backdrop

    def _render(self, exr: Path) -> dict[str, np.ndarray]:
        self.scene.render.filepath = str(exr)
        bpy.ops.render.render(write_still=True)
        return _channels(exr)

    def _clear(self) -> None:
        for name in _KINDS:
            collection = getattr(bpy.data, name)
            for item in [item for item in collection if item.as_pointer() not in self.kept[name]]:
                collection.remove(item)

    def _light(self, rng: np.random.Generator) -> int:
        """World and sun; gives the channel of what the camera sees of the world: a sky, or the light itself, not known."""
        tree = self.scene.world.node_tree
        tree.nodes.clear()
        new, link = tree.nodes.new, tree.links.new
        output, lit = new("ShaderNodeOutputWorld"), new("ShaderNodeBackground")
        picture, turn, place = (
            new("ShaderNodeTexEnvironment"),
            new("ShaderNodeMapping"),
            new("ShaderNodeTexCoord"),
        )
        picture.image = bpy.data.images.load(str(self.lights[rng.integers(len(self.lights))]), check_existing=True)
        turn.inputs["Rotation"].default_value[2] = rng.uniform(0, 2 * np.pi)
        lit.inputs["Strength"].default_value = rng.uniform(0.6, 1.4)
        link(place.outputs["Generated"], turn.inputs["Vector"])
        link(turn.outputs["Vector"], picture.inputs["Vector"])
        link(picture.outputs["Color"], lit.inputs["Color"])
        sun = bpy.data.lights.new("sun", "SUN")
        sun.energy, sun.angle = rng.uniform(0, 5) * (rng.random() < 0.6), rng.uniform(0.005, 0.3)
        sun.color = tuple(1 - rng.uniform(0, 0.3) * np.array([0, 0.4, 1]))
        lamp = bpy.data.objects.new("sun", sun)
        lamp.rotation_euler = (rng.uniform(-1.1, 1.1), rng.uniform(-1.1, 1.1), 0)
        self.scene.collection.objects.link(lamp)
        if rng.random() < 0.3:
            link(lit.outputs[0], output.inputs["Surface"])
            return UNKNOWN
        ramp, cloud, noise = new("ShaderNodeValToRGB"), new("ShaderNodeMixRGB"), new("ShaderNodeTexNoise")
        height, cover = new("ShaderNodeSeparateXYZ"), new("ShaderNodeValToRGB")
        horizon = np.array([0.62, 0.71, 0.82]) * rng.uniform(0.7, 1.2) * (1 + 0.05 * rng.standard_normal(3))
        zenith = np.array([0.08, 0.22, 0.6]) * rng.uniform(0.6, 1.5)
        if rng.random() < 0.35:  # overcast
            zenith = np.full(3, rng.uniform(0.3, 0.8)) * (1 + 0.1 * rng.standard_normal(3))
        if rng.random() < 0.15:  # evening
            horizon = np.array([0.9, rng.uniform(0.3, 0.6), rng.uniform(0.15, 0.4)])
        ramp.color_ramp.elements[0].color = (*horizon.clip(0, 1), 1)
        ramp.color_ramp.elements[1].color = (*zenith.clip(0, 1), 1)
        ramp.color_ramp.elements[1].position = rng.uniform(0.2, 0.8)
        noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = rng.uniform(1.5, 6), 8
        noise.inputs["Distortion"].default_value = rng.uniform(0, 1)
        cover.color_ramp.elements[0].position = rng.uniform(0.35, 0.75)
        cover.color_ramp.elements[1].position = cover.color_ramp.elements[0].position + rng.uniform(0.05, 0.3)
        cloud.inputs["Color2"].default_value = (*(rng.uniform(0.6, 1) * np.ones(3)), 1)
        seen, mix, camera = new("ShaderNodeBackground"), new("ShaderNodeMixShader"), new("ShaderNodeLightPath")
        seen.inputs["Strength"].default_value = rng.uniform(0.5, 1.5)
        link(place.outputs["Generated"], height.inputs[0])
        link(height.outputs["Z"], ramp.inputs["Fac"])
        link(turn.outputs["Vector"], noise.inputs["Vector"])
        link(noise.outputs["Fac"], cover.inputs["Fac"])
        link(cover.outputs["Color"], cloud.inputs["Fac"])
        link(ramp.outputs["Color"], cloud.inputs["Color1"])
        link(cloud.outputs["Color"], seen.inputs["Color"])
        link(camera.outputs["Is Camera Ray"], mix.inputs["Fac"])
        link(lit.outputs[0], mix.inputs[1])
        link(seen.outputs[0], mix.inputs[2])
        link(mix.outputs[0], output.inputs["Surface"])
        return Material.SKY.channel

    def _ground(self, rng: np.random.Generator) -> None:
        self._add(_plane("ground", 25), [self.looks.draw(GROUNDS[rng.integers(len(GROUNDS))], rng)], BACKGROUND)
        if rng.random() < 0.45:
            wall = self._add(_plane("wall", 3), [self.looks.draw(WALLS[rng.integers(len(WALLS))], rng)], WALL)
            at = rng.uniform(0, 2 * np.pi)
            upright = Matrix.Translation((0, 1.6, 0)) @ Matrix.Rotation(np.pi / 2, 4, "X")
            wall.matrix_world = Matrix.Rotation(at, 4, "Z") @ upright

    def _objects(self, rng: np.random.Generator) -> None:
        kinds = _in_turn(ON_OBJECTS, rng)
        for number in range(rng.integers(4, 9)):
            if rng.random() < 0.4 and self.meshes:
                mesh, least = self.meshes[rng.integers(len(self.meshes))], 0.7
            else:
                name = SHAPES[rng.integers(len(SHAPES))]
                mesh, least = _leaves(rng) if name == "leaves" else self.shapes[name], 0.35
            bush, size, count = mesh.name.startswith("leaves"), rng.uniform(least, 1.05), max(len(mesh.materials), 1)
            made = [self.looks.draw(Material.FOLIAGE if bush else next(kinds), rng, size) for _ in range(min(count, 3))]
            obj = self._add(mesh, [made[i % len(made)] for i in rng.permutation(count)], OBJECT)
            angle, away = rng.uniform(0, 2 * np.pi), (1.1 if number else 0.3) * np.sqrt(rng.random())
            tipped = Matrix.Rotation(rng.uniform(-0.5, 0.5) * (rng.random() < 0.3), 4, "X")
            stretch = Matrix.Diagonal((*rng.uniform(0.7, 1.2, 3), 1))
            obj.matrix_world = (
                Matrix.Translation((away * np.cos(angle), away * np.sin(angle), 0))
                @ Matrix.Rotation(rng.uniform(0, 2 * np.pi), 4, "Z")
                @ tipped
                @ Matrix.Scale(size, 4)
                @ stretch
            )

    def _aim(self, rng: np.random.Generator) -> None:
        camera, angle, lift = self.scene.camera, rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.75)
        camera.data.lens = rng.uniform(32, 70)
        away = rng.uniform(1.8, 3.2) * camera.data.lens / 36
        at = Vector(
            (away * np.cos(angle) * np.cos(lift), away * np.sin(angle) * np.cos(lift), 0.12 + away * np.sin(lift))
        )
        aim = Vector((*rng.uniform(-0.15, 0.15, 2), rng.uniform(0.25, 0.45)))
        camera.matrix_world = Matrix.Translation(at) @ (at - aim).to_track_quat("Z", "Y").to_matrix().to_4x4()

    def _add(self, mesh: bpy.types.Mesh, materials: list[bpy.types.Material], index: int) -> bpy.types.Object:
        obj = bpy.data.objects.new(mesh.name, mesh)
        obj.pass_index = index
        self.scene.collection.objects.link(obj)
        if not mesh.materials:
            mesh.materials.append(None)
        for slot, material in zip(obj.material_slots, materials, strict=False):
            slot.link, slot.material = "OBJECT", material
        return obj

    def _model(self, folder: Path) -> bpy.types.Mesh:
        """A model's meshes as one, standing on the ground, one unit across; its material slots stay told apart."""
        path = next(p for p in sorted(folder.iterdir()) if p.suffix in (".glb", ".gltf"))
        bpy.ops.import_scene.gltf(filepath=str(path))
        objects = [obj for obj in bpy.context.scene.objects if obj.type == "MESH" and obj.data.polygons]
        bpy.ops.object.select_all(action="DESELECT")
        for obj in objects:
            obj.select_set(True)
        bpy.context.view_layer.objects.active = objects[0]
        bpy.ops.object.parent_clear(type="CLEAR_KEEP_TRANSFORM")
        if len(objects) > 1:
            bpy.ops.object.join()
        obj = bpy.context.view_layer.objects.active
        mesh = obj.data
        mesh.transform(obj.matrix_world)
        mesh.use_fake_user = True
        _normalise(mesh)
        for other in list(bpy.data.objects):
            bpy.data.objects.remove(other)
        for material in list(bpy.data.materials):
            bpy.data.materials.remove(material)
        for image in list(bpy.data.images):
            bpy.data.images.remove(image)
        return mesh


_PASSES = tuple(
    f"{surface}_{part}"
    for surface, parts in {
        "diffuse": ("color", "direct", "indirect"),
        "glossy": ("color", "direct", "indirect"),
        "transmission": ("color",),
    }.items()
    for part in parts
)
_NAMES = {  # in files of Blender 4 and of Blender 5
    "combined": ("Combined",),
    "diffuse_colour": ("DiffCol", "Diffuse Color"),
    "diffuse_direct": ("DiffDir", "Diffuse Direct"),
    "diffuse_indirect": ("DiffInd", "Diffuse Indirect"),
    "glossy_colour": ("GlossCol", "Glossy Color"),
    "glossy_direct": ("GlossDir", "Glossy Direct"),
    "glossy_indirect": ("GlossInd", "Glossy Indirect"),
    "transmission_colour": ("TransCol", "Transmission Color"),
}
_KINDS = ("objects", "lights", "meshes", "materials", "images")


def _in_turn(kinds: tuple[Material, ...], rng: np.random.Generator) -> Iterator[Material]:
    """All of them before any comes again, without end."""
    while True:
        yield from rng.permutation(np.array(kinds, object))


def _normalise(mesh: bpy.types.Mesh) -> None:
    corners = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", corners)
    low, high = corners.reshape(-1, 3).min(0), corners.reshape(-1, 3).max(0)
    middle = Vector((*(low + high)[:2] / 2, low[2]))
    mesh.transform(Matrix.Scale(1 / float((high - low).max()), 4) @ Matrix.Translation(-middle))


def _plane(name: str, half: float) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)], [], [(0, 1, 2, 3)])
    return mesh


def _shape(name: str) -> bpy.types.Mesh:
    add = bpy.ops.mesh
    match name:
        case "sphere":
            add.primitive_uv_sphere_add(segments=48, ring_count=24)
        case "cylinder":
            add.primitive_cylinder_add(vertices=48)
        case "torus":
            add.primitive_torus_add()
        case "cone":
            add.primitive_cone_add(vertices=48)
        case "monkey":
            add.primitive_monkey_add()
        case _:
            add.primitive_cube_add()
    obj = bpy.context.object
    if name == "slab":
        obj.data.transform(Matrix.Diagonal((1, 0.7, 0.06, 1)))
    if name in ("cube", "slab", "cylinder"):
        bevel = obj.modifiers.new("bevel", "BEVEL")
        bevel.width, bevel.segments, bevel.limit_method = 0.03, 2, "ANGLE"
        bpy.ops.object.modifier_apply(modifier="bevel")
    mesh = obj.data
    mesh.use_fake_user = True
    if name in ("sphere", "torus", "monkey"):
        mesh.shade_smooth()
    _normalise(mesh)
    bpy.data.objects.remove(obj)
    return mesh


def _leaves(rng: np.random.Generator, count: int = 1500) -> bpy.types.Mesh:
    """A bush: leaves of four corners, all over a ball."""
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    middles = directions * (0.5 * rng.random((count, 1)) ** 0.25) + (0, 0, 0.45)
    along = rng.standard_normal((count, 3)) * rng.uniform(0.025, 0.06)
    across = rng.standard_normal((count, 3)) * rng.uniform(0.015, 0.035)
    corners = np.stack([middles - along, middles + across, middles + along, middles - across], 1).reshape(-1, 3)
    mesh = bpy.data.meshes.new("leaves")
    mesh.from_pydata(corners.tolist(), [], np.arange(4 * count).reshape(-1, 4).tolist())
    return mesh


def _channels(exr: Path) -> dict[str, np.ndarray]:
    source = OpenImageIO.ImageInput.open(str(exr))
    channels: dict[str, np.ndarray] = {}
    part = 0
    while source.seek_subimage(part, 0):
        spec = source.spec()
        pixels = source.read_image(part, 0, 0, spec.nchannels, OpenImageIO.FLOAT)
        if pixels is None:
            raise RuntimeError(f"{exr} cannot be read: {source.geterror()}")
        channels |= {name: pixels[..., i] for i, name in enumerate(spec.channelnames)}
        part += 1
    source.close()
    return channels


def _find(channels: dict[str, np.ndarray], *ends: str) -> np.ndarray:
    return next(values for name, values in channels.items() if name.endswith(ends))


def _colours(channels: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    picture = np.stack([_find(channels, *(f"{name}.{c}" for name in names)) for c in "RGB"], -1)
    return np.nan_to_num(picture).clip(0, 1e4)


def passes(channels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Linear [S,S,3] each: combined, colour of diffuse, glossy and transmission, light of the first two, direct and indirect;
    and `solid` [S,S] bool, where there is a surface."""
    found = {name: _colours(channels, names) for name, names in _NAMES.items()}
    return found | {"solid": _find(channels, "IndexOB.X", "Object Index.X") > 0.99}


def _labelled(channels: dict[str, np.ndarray], backdrop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    index = np.rint(_find(channels, "IndexMA.X", "Material Index.X")).astype(int)
    objects = np.rint(_find(channels, "IndexOB.X", "Object Index.X")).astype(int)
    materials = np.where(objects > 0, (index - 1).clip(0, len(Material) - 1), backdrop).astype(np.uint8)
    known = np.select([objects == OBJECT, objects == WALL], [1, -1], 0).astype(np.int8)
    return _colours(channels, _NAMES["combined"]), materials, known
