# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to a video by Blender's encoder, as `sabi timelapse --video` does it: a process of its own."""

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from sabi.backend.film import check_video, encode
frames, out = sorted(Path(sys.argv[1]).glob("f.*.png")), Path(sys.argv[2])
encode(frames, out, 12, check_video(out, sys.executable, False), lambda stage, part: print(stage, part), False)
"""


def save(path, value, size=(34, 21)):
    image = bpy.data.images.new(path.name, *size)
    image.pixels.foreach_set(np.tile(np.float32([value, value, value, 1]), size[0] * size[1]))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_a_video_has_every_frame_and_its_colours(tmp_path, suffix):
    values = (0.2, 0.4, 0.6, 0.8, 1.0)
    for number, value in enumerate(values, start=1):
        save(tmp_path / f"f.{number:04}.png", value)
    out = tmp_path / f"film.{suffix}"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(out)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "tests", timeout=300)
    assert run.returncode == 0, run.stderr
    assert "encoding 1.0" in run.stdout
    assert not list(tmp_path.glob(".*")), "nothing half-written stays"
    clip = bpy.data.movieclips.load(str(out))
    assert clip.frame_duration == len(values)
    assert tuple(clip.size) == (34, 22), "encoders want even sides"
    assert clip.fps == pytest.approx(12, rel=0.01)
    image = bpy.data.images.load(str(out))
    first = np.array(image.pixels[:]).reshape(22, 34, 4)
    assert first[4:-4, 4:-4, :3].mean() == pytest.approx(values[0], abs=0.03), "no view transform"
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "tests", timeout=300)
    assert "exists already" in run.stderr
