# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe that is changed while the object follows."""

import time

import bpy
from screen import photograph
from visit import REQUEST, Steps, addon, report


def live_preview() -> Steps:
    """Another seed, four times as fast as a hand drags, then another while the first is painted; then the recipe rests."""
    settings, thing = bpy.context.scene.sabi, bpy.data.objects[report["object"]]
    bpy.ops.sabi.preset_load(preset="scrapyard_rust")
    settings.size, settings.live_preview = str(min(REQUEST["size"], 1024)), True
    on_object, work = addon("nodes.on_object"), addon("work")

    def images() -> list[bpy.types.Image]:
        tree = on_object.group_node(thing.data.materials[0]).node_tree
        return [node.image for node in on_object.painted_nodes(tree).values()]

    before, seconds, setting = sorted(image.name for image in images()), [], 0.0
    for seeds in (range(10, 30), (40,)):
        for seed in seeds:
            began = time.perf_counter()
            settings.layers[0].seed = seed
            setting = max(setting, time.perf_counter() - began)
            yield 0.015
        while f'"seed": {seed},' not in on_object.weathered(thing).recipe_json or images()[0].size[0] != 512:
            yield 0.01
            if work.current().ended or time.perf_counter() - began > 300.0:
                raise RuntimeError(f"the preview was not shown: {work.current()}")
        seconds.append(round(time.perf_counter() - began, 2))
    yield from photograph("preview")
    while work.running():
        yield 0.1
    now = work.current()
    report["live preview"] = {
        "seconds": seconds,
        "setting_ms": round(1000 * setting, 1),
        "said": now.outcome.message if now.outcome else str(now.error),
        "as before": sorted(image.name for image in images()) == before,
        "size": [list(image.size) for image in images()],
        "left": [image.name for image in bpy.data.images if "preview" in image.name],
    }
    settings.live_preview, settings.size = False, "AUTO"
