# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator that makes a time-lapse: lapse does the work."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ...backend.protocol.errors import BadFile, BadRecipe
from ..recipe.properties import plain
from ..versions import RELATIVE_PATH
from .operators import _OnWeathered, _Working, reporting, selected_meshes

EASES = [  # named as protocol.age_curve.Ease
    ("LINEAR", "Linear", "Evenly from age to age"),
    ("EASE", "Ease", "Slow at both ends"),
]


class SABI_OT_timelapse(_Working, _OnWeathered, bpy.types.Operator):
    """Animate the age of the selected weathered objects, and render it to numbered pictures or a video where a folder is given"""

    bl_idname = "sabi.timelapse"
    bl_label = "Time-Lapse"
    bl_options = set()

    from_age: FloatProperty(name="From", description="The age at the first frame", min=0, max=1, subtype="FACTOR")
    to_age: FloatProperty(name="To", description="The age at the last frame", default=1, min=0, max=1, subtype="FACTOR")
    first: IntProperty(name="First Frame", description="Where the age begins to grow; 0 for the scene's first", min=0)
    last: IntProperty(name="Last Frame", description="Where it ends; 0 for the scene's last", min=0)
    ease: EnumProperty(name="Ease", description="How age goes from one to the other", items=EASES)
    curve: StringProperty(
        name="Curve",
        description="Ages at frames in place of all that, as in 0:0,24:0.3,48:1",
        options={"SKIP_SAVE"},
    )
    replace: BoolProperty(
        name="Replace Keyframes", description="Set the age's keyframes anew where it has any", options={"SKIP_SAVE"}
    )
    directory: StringProperty(
        name="Folder",
        description="Where rendered frames go; empty sets keyframes alone",
        subtype="DIR_PATH",
        options={"SKIP_SAVE", *RELATIVE_PATH},
    )
    video: StringProperty(
        name="Video",
        description="Also a video of the frames: mp4, mkv, mov or webm",
        subtype="FILE_PATH",
        options={"SKIP_SAVE", *RELATIVE_PATH},
    )
    overwrite: BoolProperty(
        name="Overwrite", description="Render all frames anew, over what the folder holds", options={"SKIP_SAVE"}
    )
    wait: BoolProperty(name="Wait", description="Return only when the result is there", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...backend.protocol.age_curve import AgeCurve, Ease
        from ..frames.lapse import Film, film_objects

        scene = context.scene
        first, last = self.first or scene.frame_start, self.last or scene.frame_end
        if self.curve:
            curve = AgeCurve.parse(self.curve, Ease[self.ease])
            first, last = self.first or round(curve.points[0][0]), self.last or round(curve.points[-1][0])
        else:
            if last <= first:
                raise BadRecipe("A time-lapse needs two frames or more.", "Let the last frame come after the first.")
            points = ((float(first), plain(self.from_age)), (float(last), plain(self.to_age)))
            curve = AgeCurve(points, Ease[self.ease])
        film = None
        if self.directory:
            video = _path(self.video) if self.video else None
            film = Film(_path(self.directory), range(first, last + 1), video, self.overwrite)
        elif self.video:
            raise BadFile("A video is made of frames, which need a folder.", "Choose one.")
        objects = list(selected_meshes(context))
        return self.begin("Making the time-lapse", film_objects(context, objects, curve, film, self.replace), self.wait)


def _path(given: str) -> Path:
    """Raises BadFile for a place beside a .blend that has none."""
    if given.startswith("//") and not bpy.data.filepath:
        raise BadFile("The .blend has no folder yet.", "Save it first, or give a whole path.")
    return Path(bpy.path.abspath(given))


register, unregister = bpy.utils.register_classes_factory((SABI_OT_timelapse,))
