# SPDX-License-Identifier: GPL-3.0-or-later
"""Material trees as artists build them, each with what a capture of it must give, known without baking.

Values are scene-linear; colours that vary are functions of u and v (row 0 at the top is v near 1), as arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np

RED, BLUE, GREY = (0.5, 0.1, 0.05), (0.05, 0.1, 0.6), (0.4, 0.4, 0.4)
Value = float | tuple[float, float, float] | Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tree:
    """One material: `build` fills an empty node tree and returns the shader output for the surface."""

    name: str
    build: Callable[[bpy.types.NodeTree], bpy.types.NodeSocket]
    albedo: Value
    roughness: Value = 0.5
    metallic: Value = 0.0
    alpha: Value = 1.0


def material(tree: Tree) -> bpy.types.Material:
    made = bpy.data.materials.new(tree.name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    nodes = made.node_tree
    nodes.nodes.clear()
    output = nodes.nodes.new("ShaderNodeOutputMaterial")
    nodes.links.new(tree.build(nodes), output.inputs["Surface"])
    return made


def shader(tree: bpy.types.NodeTree, kind: str, **inputs: object) -> bpy.types.Node:
    """A node with constants, or links where a socket is given; input names with underscores for spaces."""
    node = tree.nodes.new(f"ShaderNode{kind}")
    for name, value in inputs.items():
        entry = node.inputs[name.replace("_", " ")]
        if isinstance(value, bpy.types.NodeSocket):
            tree.links.new(value, entry)
        else:
            entry.default_value = (*value, 1.0) if isinstance(value, tuple) and entry.type == "RGBA" else value
    return node


def principled(tree: bpy.types.NodeTree, colour: object = RED, **inputs: object) -> bpy.types.NodeSocket:
    return shader(tree, "BsdfPrincipled", **{"Base_Color": colour, **inputs}).outputs[0]


def mixed(
    tree: bpy.types.NodeTree, factor: object, a: bpy.types.NodeSocket, b: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeMixShader")
    if isinstance(factor, float):
        node.inputs[0].default_value = factor
    else:
        tree.links.new(factor, node.inputs[0])
    tree.links.new(a, node.inputs[1])
    tree.links.new(b, node.inputs[2])
    return node.outputs[0]


def across(tree: bpy.types.NodeTree) -> bpy.types.NodeSocket:
    """u, from 0 at the left to 1 at the right."""
    uv = tree.nodes.new("ShaderNodeUVMap")
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(uv.outputs[0], parts.inputs[0])
    return parts.outputs["X"]


def checks(size: int = 64, *, data: bool = False) -> bpy.types.Image:
    """An image whose every texel is of its own: red grows to the right, green upward, blue is a pattern."""
    image = bpy.data.images.new("checks", size, size, is_data=data)
    v, u = np.mgrid[0:size, 0:size]
    rgba = np.stack(
        [u * 255 // (size - 1), v * 255 // (size - 1), (u * 37 + v * 91) % 256, np.full_like(u, 255)], axis=2
    )
    image.pixels.foreach_set((rgba / 255).astype(np.float32).reshape(-1))
    image.pack()
    return image


def texture(tree: bpy.types.NodeTree, image: bpy.types.Image) -> bpy.types.Node:
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    return node


def _mix_shader(tree):
    return mixed(tree, 0.25, principled(tree, RED, Roughness=0.2), principled(tree, BLUE, Roughness=0.6, Metallic=1.0))


def _two_principled(tree):
    return mixed(
        tree, across(tree), principled(tree, RED, Roughness=0.3), principled(tree, GREY, Roughness=0.7, Metallic=1.0)
    )


def _in_group(tree):
    group = bpy.data.node_groups.new("paint", "ShaderNodeTree")
    group.interface.new_socket("Colour", in_out="INPUT", socket_type="NodeSocketColor")
    group.interface.new_socket("Paint", in_out="OUTPUT", socket_type="NodeSocketShader")
    entry, leave = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    inner = principled(group, entry.outputs[0], Roughness=0.35, Metallic=0.8)
    group.links.new(inner, leave.inputs[0])
    node = tree.nodes.new("ShaderNodeGroup")
    node.node_tree = group
    node.inputs[0].default_value = (*BLUE, 1.0)
    return node.outputs[0]


def _shader_into_group(tree):
    """A group of a group that lays a coat of its own over whatever shader it is given."""
    inner = bpy.data.node_groups.new("over", "ShaderNodeTree")
    inner.interface.new_socket("Below", in_out="INPUT", socket_type="NodeSocketShader")
    inner.interface.new_socket("Result", in_out="OUTPUT", socket_type="NodeSocketShader")
    entry, leave = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    inner.links.new(
        mixed(inner, 0.5, entry.outputs[0], principled(inner, (1.0, 1.0, 1.0), Roughness=1.0)), leave.inputs[0]
    )
    outer = bpy.data.node_groups.new("outer", "ShaderNodeTree")
    outer.interface.new_socket("Below", in_out="INPUT", socket_type="NodeSocketShader")
    outer.interface.new_socket("Result", in_out="OUTPUT", socket_type="NodeSocketShader")
    entry, leave = outer.nodes.new("NodeGroupInput"), outer.nodes.new("NodeGroupOutput")
    nested = outer.nodes.new("ShaderNodeGroup")
    nested.node_tree = inner
    outer.links.new(entry.outputs[0], nested.inputs[0])
    outer.links.new(nested.outputs[0], leave.inputs[0])
    node = tree.nodes.new("ShaderNodeGroup")
    node.node_tree = outer
    tree.links.new(principled(tree, RED, Roughness=0.4, Metallic=1.0), node.inputs[0])
    return node.outputs[0]


def _coat(tree):
    return principled(tree, RED, Coat_Weight=1.0, Coat_Tint=(0.1, 0.9, 0.1), Roughness=0.6)


def _sheen(tree):
    return principled(tree, BLUE, Sheen_Weight=1.0, Sheen_Tint=(1.0, 0.0, 0.0), Roughness=0.9)


def _transmission(tree):
    return principled(tree, (0.8, 0.9, 0.7), Transmission_Weight=1.0, Roughness=0.05)


def _emission(tree):
    return principled(tree, GREY, Emission_Color=(1.0, 0.0, 0.0), Emission_Strength=5.0)


def _alpha(tree):
    return principled(tree, GREY, Alpha=across(tree))


def _cutout(tree):
    transparent = tree.nodes.new("ShaderNodeBsdfTransparent")
    return mixed(tree, across(tree), transparent.outputs[0], principled(tree, RED, Roughness=0.25))


def _no_textures(tree):
    return principled(tree, RED, Roughness=0.8, Metallic=1.0)


def _procedural(tree):
    ramp = tree.nodes.new("ShaderNodeCombineColor")
    tree.links.new(across(tree), ramp.inputs[0])
    return principled(tree, ramp.outputs[0], Roughness=across(tree))


def _mapping(tree):
    uv, mapping = tree.nodes.new("ShaderNodeUVMap"), tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value = (0, 0, np.pi / 2)  # u, v -> -v, u
    mapping.inputs["Location"].default_value = (1, 0, 0)
    node = texture(tree, checks(data=True))
    node.interpolation = "Closest"
    tree.links.new(uv.outputs[0], mapping.inputs[0])
    tree.links.new(mapping.outputs[0], node.inputs[0])
    return principled(tree, node.outputs[0])


def _diffuse_glossy(tree):
    fresnel_free = 0.3
    diffuse, glossy = shader(tree, "BsdfDiffuse", Color=RED), shader(tree, "BsdfAnisotropic", Color=GREY, Roughness=0.2)
    return mixed(tree, fresnel_free, diffuse.outputs[0], glossy.outputs[0])


def _added(tree):
    node = tree.nodes.new("ShaderNodeAddShader")
    tree.links.new(shader(tree, "BsdfDiffuse", Color=(0.3, 0.3, 0.3)).outputs[0], node.inputs[0])
    tree.links.new(shader(tree, "BsdfAnisotropic", Color=(0.1, 0.1, 0.1), Roughness=0.2).outputs[0], node.inputs[1])
    return node.outputs[0]


def _lamp_added(tree):
    node = tree.nodes.new("ShaderNodeAddShader")
    tree.links.new(principled(tree, BLUE, Roughness=0.1), node.inputs[0])
    tree.links.new(shader(tree, "Emission", Color=(1.0, 1.0, 1.0), Strength=3.0).outputs[0], node.inputs[1])
    return node.outputs[0]


def _muted(tree):
    """A Mix Shader that is switched off passes its first shader on."""
    result = mixed(tree, 0.9, principled(tree, RED, Roughness=0.3), principled(tree, BLUE))
    result.node.mute = True
    return result


def _muted_texture(tree):
    """A texture that is switched off passes nothing into a number: the shader's own value counts."""
    node = texture(tree, checks(data=True))
    node.mute = True
    result = principled(tree, RED, Roughness=0.35, Metallic=0.6)
    tree.links.new(node.outputs["Alpha"], result.node.inputs["Roughness"])
    return result


def _reroutes(tree):
    one, two = tree.nodes.new("NodeReroute"), tree.nodes.new("NodeReroute")
    tree.links.new(principled(tree, BLUE, Roughness=0.15), one.inputs[0])
    tree.links.new(one.outputs[0], two.inputs[0])
    return two.outputs[0]


def _ramp(u: np.ndarray, _v: np.ndarray) -> np.ndarray:
    return u


def _lerp(a: object, b: object) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda u, _v: np.asarray(a) + (np.asarray(b) - np.asarray(a)) * (u[..., None] if np.ndim(a) else u)


def _rotated_checks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What `_mapping` shows: the texel of `checks` at (1 - v, u)."""
    x, y = np.floor((1 - v) * 64).astype(int) % 64, np.floor(u * 64).astype(int) % 64
    return np.stack([x * 255 // 63, y * 255 // 63, (x * 37 + y * 91) % 256], axis=2) / 255


def _average(a: tuple[float, ...], b: tuple[float, ...], share: float) -> tuple[float, ...]:
    return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))


TREES = (
    Tree("mix shader", _mix_shader, _average(RED, BLUE, 0.25), roughness=0.3, metallic=0.25),
    Tree("two principled", _two_principled, _lerp(RED, GREY), roughness=_lerp(0.3, 0.7), metallic=_ramp),
    Tree("principled in a group", _in_group, BLUE, roughness=0.35, metallic=0.8),
    Tree("shader into a group", _shader_into_group, _average(RED, (1.0, 1.0, 1.0), 0.5), roughness=0.7, metallic=0.5),
    Tree("coat", _coat, RED, roughness=0.6),
    Tree("sheen", _sheen, BLUE, roughness=0.9),
    Tree("transmission", _transmission, (0.8, 0.9, 0.7), roughness=0.05),
    Tree("emission", _emission, GREY),
    Tree("alpha", _alpha, GREY, alpha=_ramp),
    Tree("cut out", _cutout, RED, roughness=0.25, alpha=_ramp),
    Tree("no textures", _no_textures, RED, roughness=0.8, metallic=1.0),
    Tree("procedural", _procedural, lambda u, v: np.stack([u, 0 * u, 0 * u], axis=2), roughness=_ramp),
    Tree("texture with a mapping", _mapping, _rotated_checks),
    Tree("diffuse and glossy", _diffuse_glossy, _average(RED, GREY, 0.3), roughness=0.76, metallic=0.3),
    Tree("added shaders", _added, GREY, roughness=0.8, metallic=0.25),
    Tree("added light", _lamp_added, BLUE, roughness=0.1),
    Tree("muted mix", _muted, RED, roughness=0.3),
    Tree("muted texture", _muted_texture, RED, roughness=0.35, metallic=0.6),
    Tree("reroutes", _reroutes, BLUE, roughness=0.15),
)
