# SPDX-License-Identifier: GPL-3.0-or-later
"""A compressor on its skid, freshly painted: riveted housing, tank, motor, pipes; one mesh, one material, one UV map."""

from math import cos, pi, radians, sin

import bmesh
import bpy
from mathutils import Matrix, Vector

from .parts import Assembly, dome

GREEN = (0.050, 0.165, 0.170)  # paints, scene-linear
CREAM = (0.640, 0.560, 0.400)
BLUE = (0.035, 0.090, 0.200)
DARK = (0.045, 0.047, 0.052)
YELLOW = (0.700, 0.360, 0.020)
RED = (0.420, 0.035, 0.025)

UP, FRONT, RIGHT = Vector((0, 0, 1)), Vector((0, -1, 0)), Vector((1, 0, 0))
TO_X = Matrix.Rotation(pi / 2, 4, "Y")  # turns the z of a turned part to x
TO_FRONT = Matrix.Rotation(pi / 2, 4, "X")  # and to -y, the front

TANK = (-0.12, 0.0, 1.0)  # its centre; the tank is 1.3 m long and 0.56 m across
MOTOR = (0.72, 0.0, 0.36)
HOUSING = (-0.18, 0.0, 0.43)
FACE = -0.30  # y of the housing's front


def build(name: str = "Compressor") -> bpy.types.Object:
    """The object, linked to the active collection, standing on z = 0; about 2 m long, 1.6 m high."""
    machine = Assembly()
    skid(machine)
    housing(machine)
    door(machine)
    louvres(machine)
    tank(machine)
    motor(machine)
    pipework(machine)
    mesh = bpy.data.meshes.new(name)
    bmesh.ops.remove_doubles(machine.bm, verts=machine.bm.verts[:], dist=1e-6)
    bmesh.ops.recalc_face_normals(machine.bm, faces=machine.bm.faces[:])
    machine.bm.to_mesh(mesh)
    machine.bm.free()
    mesh.set_sharp_from_angle(angle=radians(35))
    mesh.materials.append(painted_steel())
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    unwrap(thing)
    return thing


def skid(machine: Assembly) -> None:
    """Two beams, their cross bars, and feet bolted to the ground."""
    for y in (-0.27, 0.27):
        machine.plate((0.08, y, 0.07), (1.96, 0.02, 0.11), DARK, 0.004)
        for z in (0.02, 0.128):
            machine.plate((0.08, y, z), (1.96, 0.10, 0.018), DARK, 0.004)
        for x in (-0.80, 0.96):
            side = -1 if y < 0 else 1
            machine.plate((x, y + 0.06 * side, 0.010), (0.16, 0.12, 0.020), DARK, 0.004)
            machine.bolt((x, y + 0.085 * side, 0.020), UP, 0.034, DARK)
    for x in (-0.80, -0.18, 0.46, 0.96):
        machine.plate((x, 0.0, 0.075), (0.07, 0.53, 0.09), DARK)


def housing(machine: Assembly) -> None:
    """The body, the strips over its joints, and their rivets."""
    x, y, z = HOUSING
    machine.plate(HOUSING, (1.16, 0.60, 0.58), GREEN, 0.018)
    machine.plate((x, y, z + 0.295), (1.20, 0.64, 0.030), GREEN, 0.008)
    machine.plate((x, y, z - 0.285), (1.20, 0.64, 0.024), GREEN, 0.008)
    for strip in (x - 0.545, x + 0.17, x + 0.545):
        machine.plate((strip, FACE - 0.004, z), (0.060, 0.020, 0.52), GREEN, 0.003)
        for k in range(9):
            machine.rivet((strip, FACE - 0.014, z - 0.232 + 0.058 * k), FRONT, 0.022, GREEN)
    for side in (y - 0.26, y + 0.26):
        machine.plate((x + 0.584, side, z), (0.020, 0.060, 0.52), GREEN, 0.003)
        for k in range(9):
            machine.rivet((x + 0.594, side, z - 0.232 + 0.058 * k), RIGHT, 0.022, GREEN)
    for k in range(20):
        machine.rivet((x - 0.57 + 0.06 * k, FACE - 0.020, z + 0.295), FRONT, 0.016, GREEN)
    for corner in (x - 0.52, x + 0.52):
        for side in (-0.26, 0.26):
            machine.bolt((corner, side, z + 0.310), UP, 0.036, GREEN)


def door(machine: Assembly) -> None:
    """The service door: a frame with rivets, a panel set into it, hinges, a handle, and a plate with the maker's name."""
    x, z, width, height = HOUSING[0] - 0.19, HOUSING[2], 0.60, 0.44
    for side in (-1, 1):
        machine.plate((x + side * (width / 2 - 0.02), FACE - 0.006, z), (0.04, 0.024, height), GREEN, 0.004)
        machine.plate((x, FACE - 0.006, z + side * (height / 2 - 0.02)), (width - 0.09, 0.024, 0.04), GREEN, 0.004)
        for k in range(7):
            machine.rivet((x + side * (width / 2 - 0.02), FACE - 0.018, z - 0.180 + 0.06 * k), FRONT, 0.014, GREEN)
        for k in range(8):
            machine.rivet((x - 0.224 + 0.064 * k, FACE - 0.018, z + side * (height / 2 - 0.02)), FRONT, 0.014, GREEN)
        machine.turned(
            [(0.0, -0.045), (0.013, -0.045), (0.015, -0.04), (0.015, 0.04), (0.013, 0.045), (0.0, 0.045)],
            Matrix.Translation((x - width / 2 + 0.042, FACE - 0.020, z + side * 0.13)),
            GREEN,
            16,
        )
    machine.plate((x, FACE - 0.004, z), (width - 0.096, 0.018, height - 0.096), GREEN, 0.004)
    machine.plate((x + 0.02, FACE - 0.014, z + 0.07), (0.24, 0.008, 0.11), YELLOW, 0.002)
    for dx in (-0.105, 0.105):
        for dz in (-0.042, 0.042):
            machine.rivet((x + 0.02 + dx, FACE - 0.018, z + 0.07 + dz), FRONT, 0.010, YELLOW)
    grip = [
        Vector((x + 0.20, FACE + back, z + up))
        for back, up in ((-0.01, -0.14), (-0.06, -0.14), (-0.06, 0.0), (-0.01, 0.0))
    ]
    machine.pipe(grip, 0.010, 0.022, DARK, 12)


def louvres(machine: Assembly) -> None:
    """The air inlet at the front's right: slanted slats in a frame."""
    x, z = HOUSING[0] + 0.36, HOUSING[2]
    machine.plate((x, FACE - 0.002, z), (0.25, 0.012, 0.42), DARK, 0.003)
    for side in (-1, 1):
        machine.plate((x + side * 0.125, FACE - 0.010, z), (0.020, 0.036, 0.44), GREEN, 0.004)
        machine.plate((x, FACE - 0.010, z + side * 0.21), (0.25, 0.036, 0.020), GREEN, 0.004)
    for k in range(8):
        machine.plate((x, FACE - 0.014, z - 0.175 + 0.05 * k), (0.235, 0.044, 0.005), GREEN, 0.0015, radians(35))


def tank(machine: Assembly) -> None:
    """The pressure tank with domed ends, weld seams, straps, saddles and a gauge."""
    x, y, z = TANK
    radius, half = 0.28, 0.50
    place = Matrix.Translation(TANK) @ TO_X
    right = [(r, half + h) for r, h in dome(radius, 0.15)]
    left = [(r, -h) for r, h in reversed(right)]
    machine.turned([*left, *right], place, CREAM, 72)
    for seam in (-half, 0.0, half):
        bead = [(radius - 0.004, seam - 0.010), (radius + 0.004, seam - 0.004), (radius + 0.004, seam + 0.004)]
        machine.turned([*bead, (radius - 0.004, seam + 0.010)], place, CREAM, 72)
    for strap in (-0.32, 0.32):
        band = [(radius - 0.006, strap - 0.035), (radius + 0.010, strap - 0.032), (radius + 0.010, strap + 0.032)]
        machine.turned([*band, (radius - 0.006, strap + 0.035)], place, GREEN, 72)
        machine.plate((x + strap, y, z - 0.265), (0.10, 0.46, 0.09), GREEN, 0.008)
        for side in (-1, 1):
            machine.plate((x + strap, y + side * 0.302, z - 0.02), (0.05, 0.05, 0.016), GREEN, 0.003)
            machine.bolt((x + strap, y + side * 0.306, z - 0.010), UP, 0.028, GREEN)
    dial = Matrix.Translation((x + 0.16, y - 0.300, z + 0.03)) @ TO_FRONT
    case = [(0.0, -0.05), (0.02, -0.05), (0.02, 0.0), (0.058, 0.004), (0.062, 0.010), (0.062, 0.034), (0.056, 0.040)]
    machine.turned([*case, (0.052, 0.040), (0.050, 0.032)], dial, DARK, 32)
    machine.turned([(0.0505, 0.0325), (0.0, 0.0325)], dial, CREAM, 32)


def motor(machine: Assembly) -> None:
    """The motor with cooling fins, on feet, and its shaft towards the housing."""
    x, y, z = MOTOR
    place = Matrix.Translation(MOTOR) @ TO_X
    fins = [(0.162 if k % 4 in (1, 2) else 0.138, -0.13 + 0.0085 * k) for k in range(30)]
    front = [(0.0, -0.19), (0.10, -0.19), (0.13, -0.17), (0.168, -0.165), (0.172, -0.155), (0.172, -0.135)]
    back = [(0.172, 0.125), (0.172, 0.145), (0.165, 0.155), (0.155, 0.23), (0.140, 0.25), (0.0, 0.25)]
    machine.turned([*front, *fins, *back], place, BLUE, 64)
    machine.turned([(0.05, -0.26), (0.05, -0.18)], place, DARK, 32)
    coupling = [(0.05, -0.28), (0.085, -0.275), (0.09, -0.27), (0.09, -0.24), (0.085, -0.235), (0.05, -0.23)]
    machine.turned(coupling, place, YELLOW, 40)
    for foot in (x - 0.10, x + 0.10):
        machine.plate((foot, y, 0.165), (0.07, 0.44, 0.05), BLUE)
        machine.plate((foot, y, 0.215), (0.05, 0.20, 0.09), BLUE)
        for side in (-0.19, 0.19):
            machine.bolt((foot, y + side, 0.190), UP, 0.034, DARK)
    machine.plate((x + 0.0, y - 0.160, z + 0.04), (0.14, 0.09, 0.11), BLUE, 0.010)
    for dx in (-0.05, 0.05):
        for dz in (-0.035, 0.035):
            machine.bolt((x + dx, y - 0.205, z + 0.04 + dz), FRONT, 0.014, DARK)


def flange(machine: Assembly, x: float, y: float, z: float, radius: float) -> None:
    """Two discs bolted face to face about a vertical pipe."""
    for low in (z - 0.024, z + 0.003):
        disc = [
            (0.03, low),
            (radius - 0.003, low),
            (radius, low + 0.003),
            (radius, low + 0.018),
            (radius - 0.003, low + 0.021),
        ]
        machine.turned([*disc, (0.03, low + 0.021)], Matrix.Translation((x, y, 0.0)), GREEN, 40)
    for k in range(6):
        turn = 2 * pi * (k + 0.5) / 6
        spot = (x + 0.72 * radius * cos(turn), y + 0.72 * radius * sin(turn), z + 0.024)
        machine.bolt(spot, UP, 0.024, GREEN)


def pipework(machine: Assembly) -> None:
    """From the tank's top over to the motor's side, with flanges and a valve; a thin line along the skid."""
    x, y, z = TANK[0] + 0.14, TANK[1], TANK[2]
    drop = 0.66
    over = [(x, y, z + 0.2), (x, y, z + 0.50), (drop, y, z + 0.50), (drop, y, MOTOR[2] + 0.12)]
    machine.pipe([Vector(point) for point in over], 0.050, 0.12, GREEN, 32)
    flange(machine, x, y, z + 0.335, 0.11)
    flange(machine, drop, y, z + 0.16, 0.10)
    flange(machine, drop, y, MOTOR[2] + 0.22, 0.11)
    valve = Matrix.Translation((drop, y, z - 0.08))
    body = [(0.05, -0.11), (0.075, -0.10), (0.085, -0.06), (0.085, 0.06), (0.075, 0.10), (0.05, 0.11)]
    machine.turned(body, valve, BLUE, 40)
    stem = valve @ TO_FRONT
    bonnet = [(0.052, 0.06), (0.052, 0.12), (0.068, 0.123), (0.068, 0.145), (0.030, 0.150), (0.024, 0.20)]
    machine.turned([*bonnet, (0.011, 0.205), (0.011, 0.275), (0.0, 0.275)], stem, BLUE, 32)
    rim = [(0.10 + 0.011 * cos(pi * k / 6), 0.25 + 0.011 * sin(pi * k / 6)) for k in range(13)]
    machine.turned(rim, stem, RED, 48)
    machine.turned([(0.0, 0.236), (0.024, 0.236), (0.028, 0.242), (0.028, 0.262), (0.0, 0.266)], stem, RED, 24)
    for k in range(5):
        spoke = Vector((cos(2 * pi * k / 5), sin(2 * pi * k / 5), 0.0))
        ends = [stem @ (spoke * 0.02 + Vector((0, 0, 0.25))), stem @ (spoke * 0.098 + Vector((0, 0, 0.25)))]
        machine.pipe(ends, 0.007, 0.0, RED, 10)
    low = [(-0.70, -0.37, 0.30), (-0.70, -0.37, 0.175), (0.50, -0.37, 0.175), (0.50, -0.10, 0.175)]
    machine.pipe([Vector((-0.70, -0.29, 0.30)), *(Vector(point) for point in low)], 0.014, 0.04, CREAM, 16)
    for clip in (-0.45, 0.0, 0.38):
        machine.plate((clip, -0.352, 0.160), (0.03, 0.05, 0.05), DARK, 0.003)


def painted_steel() -> bpy.types.Material:
    """Gloss paint over steel: Principled, the colour from the attribute `paint`."""
    material = bpy.data.materials.new("Painted steel")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.32
    shader.inputs["Metallic"].default_value = 0.0
    color = nodes.new("ShaderNodeVertexColor")
    color.layer_name = "paint"
    color.location = (-300, 200)
    links.new(color.outputs["Color"], shader.inputs["Base Color"])
    return material


def unwrap(thing: bpy.types.Object) -> None:
    """One UV map without overlaps, every island at the same scale."""
    bpy.context.view_layer.update()
    bpy.ops.object.select_all(action="DESELECT")
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    thing.data.uv_layers.new(name="UVMap")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(angle_limit=radians(50), island_margin=0.0, correct_aspect=False)
    bpy.ops.uv.select_all(action="SELECT")
    bpy.ops.uv.average_islands_scale()
    bpy.ops.uv.pack_islands(margin=0.002, margin_method="ADD", rotate=True)
    bpy.ops.object.mode_set(mode="OBJECT")
