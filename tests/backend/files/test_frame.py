# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered frames: both layouts, their passes, the object that is looked for."""

from __future__ import annotations

import numpy as np
import OpenImageIO
import pytest
from frames import Scene, by_cycles, write_frame_4, write_frame_5
from image_files import noise, save

from sabi.backend.files import read_frame, read_surface, write_frame
from sabi.backend.files.frame import is_frame
from sabi.backend.files.image import read_image, write_image
from sabi.backend.protocol.errors import BadFile, BadSurface
from sabi.backend.protocol.surface import ColorSpace, Map, Space


@pytest.fixture(params=[write_frame_4, write_frame_5], ids=["4.x", "5.x"])
def layout(request):
    return request.param


def test_frames_are_read_in_both_layouts(tmp_path, layout):
    passes = Scene().passes()
    layout(tmp_path / "frame.exr", passes)
    frame = read_frame(tmp_path / "frame.exr", object_index=3)
    surface = frame.surface
    assert is_frame(tmp_path / "frame.exr")
    assert surface.space is Space.IMAGE
    assert surface["combined"].array.dtype == np.float16
    assert np.array_equal(surface["combined"].array, passes["Combined"][..., :3].astype(np.float16))
    light = passes["Diffuse Direct"].astype(np.float16).astype(np.float32) + passes["Diffuse Indirect"].astype(
        np.float16
    )
    assert np.array_equal(surface["diffuse_light"].array, light)
    assert np.array_equal(surface["position"].array, passes["Position"])
    assert np.array_equal(surface["object_mask"].array, (passes["Object Index"] == 3).astype(np.float32))
    everything = read_surface(tmp_path / "frame.exr")["object_mask"].array
    assert np.array_equal(everything > 0, passes["Object Index"] > 0)


def test_a_frame_is_written_with_all_its_passes(tmp_path, layout):
    layout(tmp_path / "frame.exr", Scene().passes())
    frame = read_frame(tmp_path / "frame.exr")
    combined = frame.surface["combined"].array.copy()
    combined[10:20, 10:20] *= np.float16(0.5)
    new = frame.surface.with_maps({"combined": Map(combined, ColorSpace.LINEAR)})
    write_frame(frame, new, tmp_path / "out.exr")
    again = read_frame(tmp_path / "out.exr")
    assert np.array_equal(again.surface["combined"].array, combined)
    for name in set(frame.surface.maps) - {"combined"}:
        assert np.array_equal(again.surface[name].array, frame.surface[name].array), name
    before, after = (OpenImageIO.ImageInput.open(str(tmp_path / n)) for n in ("frame.exr", "out.exr"))
    assert [str(f) for f in before.spec().channelformats] == [str(f) for f in after.spec().channelformats]
    assert before.spec().channelnames == after.spec().channelnames
    assert after.spec().getattribute("RenderTime") == "00:00.02"


def test_missing_passes_are_named(tmp_path, layout):
    passes = Scene().passes()
    del passes["Position"], passes["Glossy Direct"]
    layout(tmp_path / "frame.exr", passes)
    with pytest.raises(BadFile, match="lacks the passes Glossy Direct, Position") as caught:
        read_frame(tmp_path / "frame.exr")
    assert "View Layer Properties" in caught.value.hint


def test_frames_by_eevee_have_all_light_in_the_direct_passes(tmp_path, layout):
    passes = Scene().passes()
    expected = passes["Glossy Direct"].astype(np.float16).astype(np.float32)
    del passes["Diffuse Indirect"]
    layout(tmp_path / "one.exr", passes)
    with pytest.raises(BadFile, match="lacks the passes Diffuse Indirect"):
        read_frame(tmp_path / "one.exr")
    del passes["Glossy Indirect"]
    layout(tmp_path / "frame.exr", passes)
    assert np.array_equal(read_frame(tmp_path / "frame.exr").surface["glossy_light"].array, expected)


def test_frames_by_cycles_need_the_indirect_passes_too(tmp_path):
    passes = Scene().passes()
    del passes["Diffuse Indirect"], passes["Glossy Indirect"]
    write_frame_4(tmp_path / "frame.exr", passes)
    by_cycles(tmp_path / "frame.exr")
    with pytest.raises(BadFile, match="lacks the passes Diffuse Indirect, Glossy Indirect"):
        read_frame(tmp_path / "frame.exr")


def test_a_render_without_passes_is_not_taken_for_a_texture(tmp_path):
    save(tmp_path / "render.exr", noise(dtype=np.float16), RenderTime="00:01.00", Camera="Camera")
    with pytest.raises(BadFile, match="lacks the passes Diffuse Color"):
        read_surface(tmp_path / "render.exr")
    save(tmp_path / "texture.exr", noise(dtype=np.float16))
    assert read_surface(tmp_path / "texture.exr").space is Space.TEXTURE


def test_nan_in_a_pass_is_refused(tmp_path, layout):
    passes = Scene().passes()
    passes["Glossy Direct"][3, 3, 0] = np.nan
    layout(tmp_path / "frame.exr", passes)
    with pytest.raises(BadSurface, match="glossy_light map holds NaN"):
        read_frame(tmp_path / "frame.exr")


def test_view_layers_with_dots_in_their_names(tmp_path, layout):
    layout(tmp_path / "frame.exr", Scene().passes(), layer="Layer.001")
    assert read_frame(tmp_path / "frame.exr").layer == "Layer.001"
    with pytest.raises(BadFile, match="no view layer 'x'"):
        read_frame(tmp_path / "frame.exr", layer="x")


def test_objects_are_found_by_name_or_refused(tmp_path):
    passes = Scene().passes()
    ball = passes["Object Index"] == 3
    identity = np.where(ball, np.uint32(0x40490FDB), np.uint32(0)).view(np.float32)
    passes["CryptoObject00"] = np.concatenate([identity, ball * np.float32(0.75), 0 * identity, 0 * identity], -1)
    write_frame_4(tmp_path / "frame.exr", passes, half=False)
    with pytest.raises(BadFile, match="shows no object 'Ball'"):
        read_frame(tmp_path / "frame.exr", object_name="Ball")
    pixels, spec = read_image(tmp_path / "frame.exr")
    spec.attribute("cryptomatte/542cafa/name", "ViewLayer.CryptoObject")
    spec.attribute("cryptomatte/542cafa/manifest", '{"Ball":"40490fdb","Floor":"00000001"}')
    write_image(tmp_path / "named.exr", pixels, spec)
    mask = read_frame(tmp_path / "named.exr", object_name="Ball").surface["object_mask"].array
    assert np.array_equal(mask, ball * np.float32(0.75))
    with pytest.raises(BadSurface, match="does not show 'Floor'"):
        read_frame(tmp_path / "named.exr", object_name="Floor")
    with pytest.raises(BadSurface, match="index 9"):
        read_frame(tmp_path / "named.exr", object_index=9)
