# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a machine and its user: which backend to use, where images are kept. Nothing here shapes a result."""

import atexit
import os
from functools import cache
from types import SimpleNamespace

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from . import diagnostics
from .service import Service, ServiceSettings

EXTENSION = __package__.rpartition(".")[
    0
]  # bl_ext.<repository>.sabi; everything that needs the extension's own id takes it from here
DEVICES = [
    ("auto", "Automatic", "A GPU where one really runs, else the processor"),
    ("cpu", "Processor", "Runs everywhere"),
    ("cuda", "CUDA", "NVIDIA GPUs"),
    ("tensorrt", "TensorRT", "NVIDIA GPUs, faster after a slow start"),
    ("directml", "DirectML", "Any GPU on Windows"),
    ("coreml", "Core ML", "Apple's GPUs"),
]
STORAGE = [
    ("PACK", "Packed", "Keep images inside the .blend"),
    (
        "FILES",
        "Beside the .blend",
        "Keep images in a folder named sabi beside the .blend; packed while the .blend was never saved",
    ),
]

service = Service()  # the one backend of this Blender


class SABI_AP_preferences(bpy.types.AddonPreferences):
    """Sabi's preferences"""

    bl_idname = EXTENSION

    server: StringProperty(
        name="Server", description="Address of a Sabi server, such as http://workstation:7777; empty to run one here"
    )
    token: StringProperty(name="Token", description="The server's token", subtype="PASSWORD")
    python: StringProperty(
        name="Python",
        description="Python of an environment with sabi-weathering[gpu]; empty for the backend inside the extension",
        subtype="FILE_PATH",
    )
    device: EnumProperty(name="Device", description="What the networks run on", items=DEVICES)
    threads: IntProperty(
        name="Threads", description="Threads of the backend; 0 for as many as there are cores", min=0, max=256
    )
    storage: EnumProperty(name="Images", description="Where the painted images are kept", items=STORAGE)
    show_diagnostics: BoolProperty(name="Diagnostics", description="Show what the backend says of itself")

    def draw(self, _context: bpy.types.Context) -> None:
        draw_preferences(self, self.layout)


def preferences() -> SABI_AP_preferences | SimpleNamespace:
    """Those of the user; the defaults where there are none, as when the extension was enabled for this run alone (`--addons`)."""
    found = bpy.context.preferences.addons.get(EXTENSION)
    return found.preferences if found else _for_this_run()


@cache
def _for_this_run() -> SimpleNamespace:
    properties = SABI_AP_preferences.bl_rna.properties
    return SimpleNamespace(**{name: properties[name].default for name in SABI_AP_preferences.__annotations__})


def service_settings() -> ServiceSettings:
    """Which backend to use. SABI_SERVER, SABI_TOKEN, SABI_PYTHON, SABI_DEVICE and SABI_THREADS override the preferences."""
    chosen, given = preferences(), os.environ.get
    threads = given("SABI_THREADS", "")
    return ServiceSettings(
        server=given("SABI_SERVER") or chosen.server.strip(),
        token=given("SABI_TOKEN") or chosen.token,
        python=given("SABI_PYTHON") or bpy.path.abspath(chosen.python),
        device=given("SABI_DEVICE") or chosen.device,
        threads=int(threads) if threads.isdigit() else chosen.threads,
    )


def draw_preferences(chosen: SABI_AP_preferences, layout: bpy.types.UILayout) -> None:
    layout.use_property_split = True
    column = layout.column(heading="Backend")
    column.prop(chosen, "server")
    if chosen.server:
        column.prop(chosen, "token")
    else:
        column.prop(chosen, "python")
        column.prop(chosen, "device")
        column.prop(chosen, "threads")
        row = column.row(align=True)
        row.operator("sabi.start_backend")
        row.operator("sabi.stop_backend")
    layout.prop(chosen, "storage")
    layout.operator("sabi.assets_show", icon="ASSET_MANAGER")
    layout.prop(chosen, "show_diagnostics")
    if chosen.show_diagnostics:
        box = layout.box().column(align=True)
        for line in diagnostics.lines(service, service_settings()):
            box.label(text=line)
    layout.operator("sabi.copy_diagnostics", icon="COPYDOWN")


def register() -> None:
    bpy.utils.register_class(SABI_AP_preferences)
    atexit.register(service.stop)  # quitting Blender does not disable extensions everywhere


def unregister() -> None:
    service.stop()
    atexit.unregister(service.stop)
    bpy.utils.unregister_class(SABI_AP_preferences)
