# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texels of a frame show the object chosen: by name (cryptomatte), by number (Object Index), or all that is solid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import OpenImageIO

from ..protocol.errors import BadFile, BadSurface

Passes = dict[str, np.ndarray]


def cryptomatte_names(source: OpenImageIO.ImageInput) -> dict[str, str]:
    """Object name -> hash as eight hex digits, of the cryptomatte over objects."""
    source.seek_subimage(0, 0)
    for attribute in source.spec().extra_attribs:
        if (
            attribute.name.startswith("cryptomatte/")
            and attribute.name.endswith("/name")
            and "CryptoObject" in str(attribute.value)
        ):
            text = source.spec().getattribute(attribute.name[: -len("name")] + "manifest")
            try:
                names = json.loads(str(text))
                return {str(k): str(v) for k, v in names.items()}
            except (ValueError, AttributeError):
                return {}
    return {}


def object_mask(
    path: Path, passes: Passes, manifest: Mapping[str, str], object_name: str, object_index: int | None
) -> np.ndarray:
    """Coverage by the object chosen, float32 [H, W, 1] in 0..1; where nothing has a position, 0."""
    solid = (passes["Normal"][..., :3] != 0).any(axis=2) | (passes["Position"][..., :3] != 0).any(axis=2)
    mask = solid.astype(np.float32)
    if object_name:
        ranks = [passes[name] for name in sorted(passes) if name.startswith("CryptoObject")]
        if not ranks:
            raise BadFile(
                f"{path.name} has no Cryptomatte of objects to find '{object_name}' by.",
                "Enable Cryptomatte > Object, and render again.",
            )
        if object_name not in manifest:
            raise BadFile(
                f"{path.name} shows no object '{object_name}'.", f"Objects: {', '.join(sorted(manifest)[:20])}."
            )
        try:
            wanted = np.uint32(int(manifest[object_name], 16))
        except (ValueError, TypeError, OverflowError):
            raise BadFile(f"{path.name}'s Cryptomatte is damaged.", "Render the frame again.") from None
        mask = np.zeros_like(mask)
        for rank in ranks:
            identity = np.ascontiguousarray(rank.astype(np.float32)).view(np.uint32)
            for c in range(0, rank.shape[2] - 1, 2):
                mask += np.where(identity[..., c] == wanted, rank[..., c + 1], 0).astype(np.float32)
        mask = np.clip(mask, 0, 1) * solid
    elif object_index is not None:
        if "Object Index" not in passes:
            raise BadFile(
                f"{path.name} lacks the pass Object Index.",
                "Enable it in View Layer Properties > Passes, and render again.",
            )
        mask = (np.round(passes["Object Index"][..., 0]) == object_index).astype(np.float32) * solid
    if not mask.any():
        what = (
            f"'{object_name}'"
            if object_name
            else "an object"
            if object_index is None
            else f"an object with index {object_index}"
        )
        raise BadSurface(
            f"{path.name} does not show {what}.", "Choose another object, or look at the frame's Position pass."
        )
    return np.ascontiguousarray(mask[..., None])
