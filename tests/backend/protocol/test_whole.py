# SPDX-License-Identifier: GPL-3.0-or-later
"""Files appear whole or not at all, and never in the place of others."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from image_files import noise, save, weathered, write

from sabi.backend.files import read_assets, read_surface, write_surface
from sabi.backend.files.image import read_image
from sabi.backend.protocol.errors import BadFile, FileExists
from sabi.backend.protocol.surface import Map
from sabi.backend.protocol.whole import WholeFiles


def test_existing_files_are_never_replaced_unasked(tmp_path):
    (asset,) = read_assets(save(tmp_path / "a.png", noise()))
    target = tmp_path / "b.png"
    target.write_bytes(b"precious")
    with pytest.raises(FileExists, match=r"b\.png exists"):
        write(asset, weathered(asset), target)
    assert target.read_bytes() == b"precious"
    write(asset, weathered(asset), target, overwrite=True)
    assert read_image(target)[0].shape == (24, 32, 3)
    with pytest.raises(FileExists):
        write_surface(asset.surface, target)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    def write_in_a_race():
        with WholeFiles() as files:
            files.add_text(tmp_path / "a.txt", "new")
            (tmp_path / "a.txt").write_text("theirs")

    with pytest.raises(FileExists):
        write_in_a_race()
    assert (tmp_path / "a.txt").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_that_appears_meanwhile_has_none_of_its_group_put_in_place(tmp_path):
    def write_in_a_race():
        with WholeFiles() as files:
            for name in ("a.txt", "b.txt", "c.txt"):
                files.add_text(tmp_path / name, "new")
            (tmp_path / "b.txt").write_text("theirs")

    with pytest.raises(FileExists):
        write_in_a_race()
    assert (tmp_path / "b.txt").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["b.txt"]


def test_names_as_long_as_a_file_system_takes(tmp_path):
    path = tmp_path / f"{'錆' * 83}.txt"
    with WholeFiles() as files:
        files.add_text(path, "text")
    assert path.read_text() == "text"


def test_an_input_is_never_replaced_by_whatever_name_it_goes(tmp_path):
    """A second name of one file, as STEEL.PNG is where case does not count."""
    steel = tmp_path / "steel.png"
    steel.write_bytes(b"precious")
    os.link(steel, tmp_path / "STEEL.PNG")
    with pytest.raises(FileExists, match="the input itself"), WholeFiles(overwrite=True, inputs=[steel]) as files:
        files.add_text(tmp_path / "STEEL.PNG", "new")
    assert steel.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["STEEL.PNG", "steel.png"]


def test_a_failure_leaves_nothing(tmp_path):
    def fail():
        with WholeFiles() as files:
            files.add_text(tmp_path / "new" / "folder" / "a.txt", "text")
            assert not (tmp_path / "new" / "folder" / "a.txt").exists(), "not before all are written"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("suffix", [".png", ".exr", ".tif"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, suffix):
    program = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from sabi.backend.files.image import write_image
from sabi.backend.protocol.whole import WholeFiles
from sabi.backend.protocol.errors import DiskFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
pixels = np.random.default_rng(0).random((300, 300, 3)).astype(np.float32)
pixels = (pixels * 255).astype(np.uint8) if {suffix!r} == ".png" else pixels
try:
    with WholeFiles() as files:
        files.add(Path({str(tmp_path)!r}) / "out" / "a{suffix}", lambda t: write_image(t, pixels))
except DiskFull as error:
    print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "The disk is full" in done.stdout
    assert os.listdir(tmp_path) == []


def test_a_surface_without_files_gets_new_ones(tmp_path):
    (asset,) = read_assets(save(tmp_path / "a.png", noise(channels=4)))
    surface = asset.surface.with_maps({"roughness": Map(noise(channels=1, dtype=np.float32))})
    paths = write_surface(surface, tmp_path / "out")
    assert {p.name for p in paths} == {"albedo.png", "roughness.exr", "alpha.png"}
    again = read_surface(tmp_path / "out")
    for name in ("albedo", "roughness", "alpha"):
        assert np.array_equal(again[name].array, surface[name].array)


def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadFile), WholeFiles() as files:
        files.add_text(tmp_path / "file" / "a.txt", "text")
    assert (tmp_path / "file").is_file()
