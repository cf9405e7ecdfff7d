# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathering that objects share, undone and redone with the keys."""

import bpy
import numpy as np
from deeds import begin, deed
from visit import Steps, alone


def undo_shared_weathering() -> Steps:
    """Two blocks that repeat one tile, and two over one mesh."""
    begin()
    blocks, twins = [_block("Block"), _block("Other block")], [_block("Twin")]
    tile = _material("Tile")
    _paint(tile)
    for block in blocks:
        for corner in block.data.uv_layers[0].uv:
            corner.vector *= 2
        block.data.materials.append(tile)
    twins[0].data.materials.append(_material("Twins"))
    twins.append(twins[0].copy())
    bpy.context.collection.objects.link(twins[1])
    names = {"shared_tiles": [thing.name for thing in blocks], "instances": [thing.name for thing in twins]}
    for shared, (one, other) in names.items():  # by name: undo makes all objects anew
        alone(bpy.data.objects[one])
        bpy.data.objects[other].hide_set(False)
        bpy.data.objects[other].select_set(True)
        yield 0.5
        yield from deed(f"weather with {shared}", bpy.ops.sabi.weather, effect="rust", size=64, **{shared: True})


def _block(name: str) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.context.object.name = name
    return bpy.context.object


def _material(name: str) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    if not made.node_tree:
        made.use_nodes = True
    return made


def _paint(material: bpy.types.Material) -> None:
    """Gives a material a texture."""
    image = bpy.data.images.new("Tile", 64, 64)
    image.pixels.foreach_set(np.random.default_rng(1).random(64 * 64 * 4, np.float32))
    image.pack()
    nodes = material.node_tree.nodes
    node = nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(other for other in nodes if other.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(node.outputs[0], shader.inputs["Base Color"])
