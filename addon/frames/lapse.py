# SPDX-License-Identifier: GPL-3.0-or-later
"""A time-lapse in Blender: the age of weathered objects as keyframes, and the camera's view as numbered files and a video.

Nothing is painted: the node group evaluates age at every frame. A sidecar beside the frames says what they are of, so that a run
that was cut short goes on from the frames that are whole, and from no others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.protocol.age_curve import AgeCurve, Ease
from ...backend.protocol.errors import BadFile, FileExists, SceneError
from ...backend.protocol.whole import WholeFiles
from .. import work
from ..film import CONTAINERS, check_encoder, reel
from ..nodes import on_object
from ..nodes.joins import keyed
from ..progress import Progress
from ..recipe.properties import plain
from ..surface.stage import Saved, remove_scene, temporary_scene
from .frame import FrameRender, check, save_output
from .view import compositing, seen, writers

SIDECAR = "timelapse.sabi.json"
KIND = "blender"
GOES_ON = "The frames that are there stay: start it again to go on."
_END_OF_PNG = b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class Film:
    """Where the frames go, whose names are the scene's with the frame's number, and the video, which may be empty."""

    folder: Path
    frames: range
    video: Path | None = None
    overwrite: bool = False


def film_objects(
    context: bpy.types.Context, objects: Sequence[bpy.types.Object], curve: AgeCurve, film: Film | None, replace: bool
) -> work.Steps:
    """Steps that set the keyframes and, for a film, render what is missing of it and encode it.

    Raises SceneError where an age is animated already and is not to be replaced, FileExists for a folder with anything else.
    """
    scene = context.scene
    if film is not None:
        check(scene)
        _check_video(film)
    if any("Age" not in layer for obj in objects for layer in _layers(obj)):
        raise SceneError(
            "A selected object shows layers merged into one, which have no age to animate.",
            "Hide layers until four are left, and weather it again.",
        )
    sockets = [layer["Age"] for obj in objects for layer in _layers(obj) if "Age" in layer]
    if not sockets:
        raise SceneError("None of the selected objects has a layer with an age.", "Weather them first.")
    sockets = list({(s.id_data, s.path_from_id("default_value")): s for s in sockets}.values())
    if not replace and (animated := [s for s in sockets if _curve_of(s) is not None and not _follows(s, curve)]):
        raise SceneError(
            f"The age in {animated[0].node.name} is animated already.", "Choose Replace Keyframes to set them anew."
        )
    told = _told(scene, objects, sockets, curve, film) if film is not None else {}
    same = film is not None and _holds(film, told)
    for socket in sockets:
        set_keyframes(socket, curve)
    context.view_layer.update()
    work.undo_step("Time-Lapse")
    said = f"Set the age of {len(objects)} object(s) from frame {curve.points[0][0]:g} to {curve.points[-1][0]:g}"
    names = tuple(obj.name for obj in objects)
    if film is None:
        return work.Outcome(said, (), names)
    kept = yield from _rendered(scene, film, None if same else told)
    if film.video is not None:
        yield from _encoded(scene, film)
    done = f"{len(film.frames)} frames in {film.folder}" + (f", {kept} of them kept" if kept else "")
    return work.Outcome(done if film.video is None else f"{done}; {film.video.name}", (), names)


def set_keyframes(socket: bpy.types.NodeSocket, curve: AgeCurve) -> None:
    """The socket follows the curve, exactly: what it had of keyframes is replaced."""
    present = _curve_of(socket)
    if present is not None:
        keyed(socket.id_data).remove(present)
    kept = socket.default_value
    for frame, age in curve.points:
        socket.default_value = age
        socket.keyframe_insert("default_value", frame=frame)
    socket.default_value = kept
    made = _curve_of(socket)
    assert made is not None
    points = made.keyframe_points
    for index, point in enumerate(points):
        point.interpolation = "LINEAR" if curve.ease is Ease.LINEAR else "BEZIER"
        point.handle_left_type = point.handle_right_type = "FREE"
        here = point.co
        before = points[index - 1].co[0] if index else here[0] - 3
        after = points[index + 1].co[0] if index + 1 < len(points) else here[0] + 3
        point.handle_left = (here[0] - (here[0] - before) / 3, here[1])  # thirds, level: the smoothstep
        point.handle_right = (here[0] + (after - here[0]) / 3, here[1])
    made.update()


def _layers(obj: bpy.types.Object) -> Iterator[dict[str, bpy.types.NodeSocket]]:
    applied = on_object.weathered(obj)
    for material in applied.materials if applied else ():
        yield from on_object.layer_inputs(on_object.group_node(material))


def _curve_of(socket: bpy.types.NodeSocket) -> bpy.types.FCurve | None:
    path = socket.path_from_id("default_value")
    return next((curve for curve in keyed(socket.id_data) if curve.data_path == path), None)


def _follows(socket: bpy.types.NodeSocket, curve: AgeCurve) -> bool:
    """Whether its keyframes are those of the curve, such as an earlier run set."""
    found = _curve_of(socket)
    if found is None or len(found.keyframe_points) != len(curve.points):
        return False
    pairs = zip(found.keyframe_points, curve.points, strict=True)
    return all(abs(p.co[0] - frame) < 1e-3 and abs(p.co[1] - age) < 1e-5 for p, (frame, age) in pairs)


def _told(
    scene: bpy.types.Scene,
    objects: Sequence[bpy.types.Object],
    sockets: Sequence[bpy.types.NodeSocket],
    curve: AgeCurve,
    film: Film,
) -> dict:
    """What tells this time-lapse from another: scene, size, view and light, the objects' recipes, what is live on them, ages."""
    render = scene.render
    trees = sorted({socket.node.node_tree.get(on_object.RECIPE, "") for socket in sockets})
    return {
        "sabi_film": 1,
        "kind": KIND,
        "blend": Path(bpy.data.filepath).name,
        "scene": scene.name,
        "camera": scene.camera.name,
        "engine": render.engine,
        "size": [render.resolution_x, render.resolution_y, render.resolution_percentage],
        "view": [scene.view_settings.view_transform, scene.view_settings.look, render.film_transparent],
        "seen": seen(scene),
        "live": [
            [name, plain(socket.default_value)]
            for obj in objects
            for layer in _layers(obj)
            for name, socket in layer.items()
            if name != "Age" and socket.type == "VALUE"
        ],
        "recipes": hashlib.sha256("\0".join(trees).encode()).hexdigest(),
        "curve": [list(point) for point in curve.points],
        "ease": curve.ease.value,
        "frames": [film.frames.start, film.frames.stop],
    }


def file_of(scene: bpy.types.Scene, film: Film, frame: int) -> Path:
    return film.folder / f"{bpy.path.clean_name(scene.name)}.{frame:04}.png"


def whole(path: Path) -> bool:
    """Whether a PNG is there to its end."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(_END_OF_PNG), 2)
            return file.read() == _END_OF_PNG
    except OSError:
        return False


def _rendered(scene: bpy.types.Scene, film: Film, told: dict | None) -> Generator[Progress, None, int]:
    """Renders the frames that are not whole; returns how many were. `told` begins a new time-lapse. Raises Cancelled."""
    if told is not None:
        for frame in film.frames:
            file_of(scene, film, frame).unlink(missing_ok=True)
        with WholeFiles(overwrite=True) as files:
            files.add_text(film.folder / SIDECAR, json.dumps(told, indent=2) + "\n")
    missing = [frame for frame in film.frames if not whole(file_of(scene, film, frame))]
    for done, frame in enumerate(missing):
        yield Progress("Rendering", done / max(len(missing), 1))
        with bpy.context.temp_override(scene=scene):  # the artist may look at another one meanwhile
            render = StillRender(bpy.context, file_of(scene, film, frame), frame)
        if not work.in_window():
            render.run()
            continue
        try:
            render.start(bpy.context.window_manager.windows[0])
            while not render.poll():
                yield Progress("Rendering", done / len(missing))
        finally:
            render.cancel()
    return len(film.frames) - len(missing)


def _holds(film: Film, told: dict) -> bool:
    """Whether the folder holds this very time-lapse, to be gone on with. Raises FileExists where it holds anything else."""
    folder = film.folder
    if folder.is_file():
        raise FileExists(f"{folder} is a file; frames need a folder.", "Choose another folder.")
    sidecar = folder / SIDECAR
    try:
        said = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = None
    if said == told and not film.overwrite:
        return True
    if folder.is_dir() and any(folder.iterdir()) and not film.overwrite:
        what = "another time-lapse" if said else "other files"
        raise FileExists(f"{folder} holds {what}.", "Choose another folder, or Overwrite.")
    return False


def _check_video(film: Film) -> None:
    if film.video is None:
        return
    check_encoder()
    if film.video.suffix.lower() not in CONTAINERS:
        known = ", ".join(suffix[1:] for suffix in CONTAINERS)
        raise BadFile(f"'{film.video.name}' is no video that Blender writes here.", f"Choose one of {known}.")
    if film.video.exists() and not film.overwrite:
        raise FileExists(f"{film.video} exists already.")


class StillRender(FrameRender):
    """One frame of the scene as a PNG that is there whole or not at all."""

    _when_stopped = GOES_ON

    def __init__(self, context: bpy.types.Context, path: Path, frame: int) -> None:
        super().__init__(context, path, white=False)
        self._path, self._frame = path.with_name(f".{path.stem}.part.png"), frame
        self._target = path

    def _written(self):  # type: ignore[no-untyped-def]
        if not whole(self._path):
            raise SceneError(f"The render did not write {self._target.name}.", "Free some space and start it again.")
        self._path.replace(self._target)
        return self._target

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """The scene at the frame, set up to write it; its settings are put back at the end."""
        render, saved = self._scene.render, Saved()
        self._target.parent.mkdir(parents=True, exist_ok=True)
        now = self._scene.frame_current
        try:
            self._scene.frame_set(self._frame)
            save_output(saved, render.image_settings)
            saved.set(render, "filepath", str(self._path))
            saved.set(render, "use_sequencer", False)  # the camera's view, not an edit
            for node in writers(compositing(self._scene)):
                saved.set(node, "mute", True)  # they would write over the artist's files at every frame
            if self._undenoised:
                saved.set(self._scene.cycles, "use_denoising", False)
            saved.set(bpy.context.preferences.view, "render_display_type", "NONE")
            for name, value in (
                ("media_type", "IMAGE"),
                ("file_format", "PNG"),
                ("color_mode", "RGB"),
                ("color_depth", "8"),
            ):
                if hasattr(render.image_settings, name):
                    setattr(render.image_settings, name, value)
            yield
        finally:
            saved.restore()
            self._scene.frame_set(now)
            self._path.unlink(missing_ok=True)


class VideoRender(FrameRender):
    """The frames encoded by Blender, in a scene of their own that is gone afterwards."""

    _how = {"animation": True}
    _when_stopped = GOES_ON

    def __init__(self, frames: Sequence[Path], video: Path, fps: float) -> None:
        self._frames, self._target, self._fps = frames, video, fps
        self._path = video.with_name(f".{video.stem}.part{video.suffix}")
        self._scene = temporary_scene(".sabi film")
        self._undenoised = self._white = self._cancelled = False
        self._settings = self._ended = self.passes = None

    def _written(self):  # type: ignore[no-untyped-def]
        if not self._path.is_file() or not self._path.stat().st_size:
            raise SceneError("Blender wrote no video.", "Check that the folder can be written and has room.")
        self._path.replace(self._target)
        return self._target

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        saved = Saved()
        self._target.parent.mkdir(parents=True, exist_ok=True)
        try:
            saved.set(bpy.context.preferences.view, "render_display_type", "NONE")
            reel(self._scene, [str(frame) for frame in self._frames], self._path, self._fps)
            yield
        finally:
            saved.restore()
            remove_scene(self._scene)
            self._path.unlink(missing_ok=True)


def _encoded(scene: bpy.types.Scene, film: Film) -> Generator[Progress, None, None]:
    fps = scene.render.fps / scene.render.fps_base
    yield Progress("Encoding", 0.99)
    render = VideoRender([file_of(scene, film, frame) for frame in film.frames], film.video, fps)
    if not work.in_window():
        render.run()
        return
    try:
        render.start(bpy.context.window_manager.windows[0])
        while not render.poll():
            yield Progress("Encoding", 0.99)
    finally:
        render.cancel()
