# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object is, in digests: its mesh at rest, its UVs, and the materials beneath Sabi's layers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from contextlib import suppress

import bpy

from ...backend.protocol.errors import SabiError
from ..nodes import on_object
from ..pixels import reading
from . import looks, rest


def state(obj: bpy.types.Object, aside: bool = False) -> Generator[None, None, dict[str, str]]:
    """{"mesh", "own", "uvs", "base"}: a hexadecimal digest each, one piece of work a step. Changes nothing.

    "mesh" is the shape as modifiers leave it, empty where the object is hidden, since Blender keeps no such mesh then; "own" the
    shape before them.
    With `aside` what is numpy alone runs in a thread, and each step looks whether it is done.
    """
    depsgraph = bpy.context.evaluated_depsgraph_get()
    own = rest.digest(obj, depsgraph, rest.Part.SHAPE, modelled=False)
    yield
    mesh = own
    if rest.modelling(obj):
        mesh = "" if rest.unseen(obj) else rest.digest(obj, depsgraph, rest.Part.SHAPE)
        yield
    uvs = rest.digest(obj, depsgraph, rest.Part.UVS)
    yield
    total = hashlib.blake2b(digest_size=16)
    for material in [made for made in on_object.materials(obj) if made.node_tree is not None]:
        steps, result = looks.digest(material), None
        with suppress(SabiError):  # an image that is missing now has a digest of its own: none
            while True:
                try:
                    step: Callable[[], object] = steps.send(result)
                except StopIteration as stop:
                    total.update(stop.value.encode())
                    break
                yield
                result = (yield from reading.aside(step, None)) if aside else step()
        total.update(b"|")
    return {"mesh": mesh, "own": own, "uvs": uvs, "base": total.hexdigest()}
