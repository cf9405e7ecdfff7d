# SPDX-License-Identifier: GPL-3.0-or-later
"""How much later than its painting a live preview is shown: all there is around the painter, stepped as a window does."""

import statistics
import time

import bpy
import pytest
from bl_ext.user_default.sabi.addon import preview, work
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.preferences import service
from bl_ext.user_default.sabi.addon.recipe.conversion import fill
from bl_ext.user_default.sabi.addon.surface.preview_capture import SIDE
from bl_ext.user_default.sabi.backend.protocol import client
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.emission import plane
from blender.trees import TREES
from blender.trees import material as tree_material

pytestmark = pytest.mark.bench


class Painting:
    """Seconds that the backend paints: from when it has a job until it begins to encode."""

    def __init__(self, monkeypatch) -> None:
        self.seconds = self._began = 0.0
        submit, events = client.Client.submit, client.Client.events

        def submitted(of, *given, **more):
            job = submit(of, *given, **more)
            self._began, self.seconds = time.monotonic(), 0.0
            return job

        def heard(of, job):
            for event in events(of, job):
                if not self.seconds and event.stage in ("encoding", "done"):
                    self.seconds = time.monotonic() - self._began
                yield event

        monkeypatch.setattr(client.Client, "submit", submitted)
        monkeypatch.setattr(client.Client, "events", heard)


def test_preview(benchmark, clean_scene, monkeypatch):
    """Seven further seeds: the first waits for the backend to start and for the object to be captured."""
    door = plane(tree_material(TREES[0]))
    fill(clean_scene.sabi, Recipe((Layer(Effect.RUST, 0.6, seed=1),)))
    layer, late = clean_scene.sabi.layers[0], []
    monkeypatch.setattr(preview, "REST", 60.0)
    painting = Painting(monkeypatch)

    def shown() -> None:
        began = time.monotonic()
        layer.seed += 1
        while f'"seed": {layer.seed},' not in on_object.weathered(door).recipe_json:
            assert not now.ended, now.error
            assert time.monotonic() - began < 60.0
            now.step()
            time.sleep(work.SOONER)
        late.append(time.monotonic() - began - painting.seconds)

    try:
        bpy.ops.sabi.weather(size=1024)
        layer.seed = 100
        now = preview.begin(clean_scene.session_uid, door.session_uid)
        benchmark.pedantic(shown, rounds=7, warmup_rounds=1)
        tree = on_object.group_node(door.material_slots[0].material).node_tree
        assert on_object.painted_nodes(tree)["1 thin"].image.size[0] == SIDE
    finally:
        work.cancel()
        service.stop()
    assert min(late) > 0
    benchmark.extra_info["figures"] = {"preview_after_painting_s": statistics.median(late[1:])}
