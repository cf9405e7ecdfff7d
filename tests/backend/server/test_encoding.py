# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files asked of a real backend."""

import numpy as np
import pytest
from image_files import noise

from sabi.backend.files.packing import encoded
from sabi.backend.protocol import wire
from sabi.backend.protocol.errors import BadFile, BadMessage, BadSurface
from sabi.backend.protocol.map_files import FileFormat, Layout, MapExport
from sabi.backend.protocol.surface import ColorSpace, Map

MAPS = {"albedo": Map(noise(), ColorSpace.SRGB), "roughness": Map(noise(channels=1, seed=1))}


def test_the_backend_encodes_as_the_command_line_does(backend):
    for export in (MapExport(), MapExport(Layout.UNITY, FileFormat.TIFF, 16), MapExport(format=FileFormat.EXR)):
        for file in export.files(MAPS):
            ours = encoded(MAPS, file, export)
            theirs = np.asarray(backend.client.encoded(MAPS, file.name, export))
            assert len(ours) > 100
            assert len(theirs) == len(ours)
            if export.format is FileFormat.PNG:  # the others hold the time
                assert np.array_equal(theirs, ours)


def test_what_cannot_be_encoded(backend):
    client = backend.client
    with pytest.raises(BadMessage, match="no file 'MaskMap'"):
        client.encoded(MAPS, "MaskMap", MapExport())
    with pytest.raises(BadSurface, match="different sizes"):
        client.encoded({**MAPS, "metallic": Map(noise(8, 8, 1))}, "albedo", MapExport())
    with pytest.raises(BadSurface, match="NaN"):
        client.encoded({"albedo": Map(np.full((4, 4, 3), np.nan, np.float32))}, "albedo", MapExport())


@pytest.mark.parametrize(
    ("query", "metadata", "code"),
    [
        ("?file=albedo&format=gif", {"color_spaces": '{"albedo": "srgb"}'}, "bad_file"),
        ("?file=albedo&bits=7", {"color_spaces": '{"albedo": "srgb"}'}, "bad_file"),
        ("?file=albedo&bits=many", {"color_spaces": '{"albedo": "srgb"}'}, "bad_message"),
        ("?file=albedo", {"color_spaces": "{}"}, "bad_message"),
        ("?file=albedo", {"color_spaces": "[]"}, "bad_message"),
        ("?file=albedo", {}, "bad_message"),
        ("?file=../../albedo", {"color_spaces": '{"albedo": "srgb"}'}, "bad_message"),
    ],
)
def test_hostile_requests_are_refused(server, query, metadata, code):
    answer = server.post(f"/v1/encoded{query}", content=wire.dumps({"albedo": noise()}, metadata))
    assert answer.json()["error"]["code"] == code
    assert BadFile.code == "bad_file"
