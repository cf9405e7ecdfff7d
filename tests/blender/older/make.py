# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a .blend with what an older commit's add-on leaves in a file, for the test that such files open.

    python tests/blender/older/make.py COMMIT tests/blender/older/COMMIT.blend

in a Python with the oldest bpy that Sabi runs in (4.2), so that every Blender opens the file, and with what the backend needs.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

EXTENSION = "bl_ext.user_default.sabi"


def perform(bpy, target: Path) -> None:
    """A door of two materials, weathered with two layers, its age animated; the scene's recipe is another one."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.mesh.primitive_cube_add(size=1)
    door = bpy.context.object
    door.name = "Door"
    for index, (name, colour) in enumerate((("Paint", (0.1, 0.3, 0.5)), ("Trim", (0.6, 0.6, 0.6)))):
        made = bpy.data.materials.new(name)
        made.use_nodes = True
        made.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*colour, 1)
        door.data.materials.append(made)
        door.data.polygons[index].material_index = index
    bpy.ops.sabi.weather(preset="old_painted_steel", age=0.6, seed=3, size=64)
    sockets = [s for node in door.active_material.node_tree.nodes for s in node.inputs if s.name == "Age"]
    sockets[0].default_value = 0.75
    settings = bpy.context.scene.sabi
    for effect, age in (("moss", 0.3), ("dirt", 0.9), ("peeling_paint", 0.4), ("rust", 0.2)):
        bpy.ops.sabi.layer_add(effect=effect)
        layer = settings.layers[-1]
        layer.age, layer.seed, layer.opacity = age, 11, 0.5
        layer.exposure.edges = 0.25
    settings.use_ground, settings.ground, settings.size = True, -0.5, "1024"
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(target.resolve()), compress=True, check_existing=False)


def main(commit: str, target: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    tree = subprocess.run(["git", "-C", str(root), "archive", commit], check=True, capture_output=True).stdout
    folder = Path(tempfile.mkdtemp(prefix="sabi-older-"))
    try:
        place = folder / "extensions" / "user_default" / "sabi"
        place.mkdir(parents=True)
        with tarfile.open(fileobj=BytesIO(tree)) as files:
            files.extractall(place, filter="data")
        os.environ["BLENDER_USER_RESOURCES"] = str(folder)
        import bpy

        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.preferences.addon_enable(module=EXTENSION)
        perform(bpy, target)
        bpy.ops.preferences.addon_disable(module=EXTENSION)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    os._exit(0)  # bpy may crash where the interpreter takes it down


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
