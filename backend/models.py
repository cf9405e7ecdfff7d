# SPDX-License-Identifier: GPL-3.0-or-later
"""Models (.blend, glTF, FBX, USD, OBJ): weathered by the add-on in a Python that has bpy, run as a process of its own.

The process is `python -m sabi.addon.headless MODEL --recipe FILE --out FOLDER [--texels N] [--object NAME]`. Its standard output
is JSON lines: {"stage", "fraction"} while it works, at the end {"files", "warnings", "networks", "objects"} or {"error": {...}}.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .protocol.errors import BadFile, Cancelled, FileExists, SabiError, SceneError
from .protocol.recipe import Recipe
from .protocol.rules import Rules
from .protocol.whole import SHORT, explain

MODEL_SUFFIXES = frozenset((".blend", ".gltf", ".glb", ".fbx", ".usd", ".usda", ".usdc", ".usdz", ".obj"))
HEADLESS = "sabi.addon.headless"


@dataclass(frozen=True)
class Answer:
    """What the add-on said: the files it wrote, warnings, and name -> sha256 of the networks used.

    `objects` are the materials of its objects, each with what rules give it: {"object", "material", "rule", "recipe"}.
    """

    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    networks: Mapping[str, str]
    objects: tuple[Mapping[str, Any], ...] = ()

    @property
    def left(self) -> bool:
        """Whether no rule takes anything of it."""
        return bool(self.objects) and not any(part["recipe"] is not None for part in self.objects)


def weather_model(
    path: Path,
    target: Path,
    look: Recipe | Rules,
    *,
    python: str = "",
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None],
) -> Answer:
    """Weathers a model into the folder `target`, which appears whole or not at all; not where rules take nothing of it.

    Raises BadFile, FileExists, SceneError, or whatever error the add-on reports.
    """
    if not path.is_file():
        raise BadFile(f"{path} is missing.", "Check the path.")
    if target.exists() and not overwrite:
        raise FileExists(f"{target} exists already.")
    interpreter = python_with_bpy(python)
    making = target.parent / f".{target.name[:SHORT]}.{secrets.token_hex(4)}.sabi"
    new = [folder for folder in making.parents if not folder.exists()]
    try:
        making.mkdir(parents=True)
        with _look(look) as words:
            command = [interpreter, "-m", HEADLESS, str(path.resolve()), *words, "--out", str(making.resolve())]
            said = run_addon([*command, *options], {**os.environ, **(environment or {})}, progress)
        answer = _answer(said, look)
        if answer.left:
            return answer
        for backup in making.rglob("*.blend1"):
            backup.unlink()
        made = sorted(p.relative_to(making) for p in making.rglob("*") if p.is_file())
        if not made:
            raise SceneError(
                f"Nothing was written for {path.name}.", "Look at the model in Blender: it may have no mesh."
            )
        _put_folder(making, target, made)
    except OSError as error:
        raise explain(error, target) from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
        for parent in new:
            with contextlib.suppress(OSError):  # the result is in it
                parent.rmdir()
    return replace(answer, files=tuple(target / name for name in made))


def look_at_model(
    path: Path,
    look: Recipe | Rules,
    *,
    python: str = "",
    picture: Path | None = None,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """What rules give to the objects and materials of a model; nothing is written but the picture, a PNG, where it is named.

    Raises as weather_model.
    """
    if not path.is_file():
        raise BadFile(f"{path} is missing.", "Check the path.")
    with _look(look) as words:
        command = [python_with_bpy(python), "-m", HEADLESS, str(path.resolve()), *words]
        command += ["--picture", str(picture)] if picture else ["--list"]
        return _answer(
            run_addon([*command, *options], {**os.environ, **(environment or {})}, lambda stage, fraction: None), look
        )


@contextlib.contextmanager
def _look(look: Recipe | Rules) -> Iterator[list[str]]:
    """The words that name a recipe or rules, which lie in a file meanwhile."""
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        file = Path(folder) / "look.json"
        file.write_text(look.to_json(), encoding="utf-8")
        yield ["--recipe" if isinstance(look, Recipe) else "--rules", str(file)]


def _answer(said: Mapping[str, Any], look: Recipe | Rules) -> Answer:
    """What was said, with the rules' own numbers and names for recipes."""
    objects = said.get("objects", ())
    if isinstance(look, Rules):
        for part in objects:
            rule = look.rules[part["rule"] - 1] if part["rule"] else None
            part["rule"] = rule.number if rule else None
            part["recipe"] = rule.called if rule and rule.recipe else None
    warnings = tuple(str(w) for w in said.get("warnings", ()))
    return Answer((), warnings, dict(said.get("networks", {})), tuple(objects))


def python_with_bpy(asked: str = "", what: str = "Models") -> str:
    """A Python that can import bpy: the one asked for, that of SABI_BLENDER_PYTHON, or this one.

    Raises SceneError, which says that `what` need Blender.
    """
    asked = asked or os.environ.get("SABI_BLENDER_PYTHON", "")
    if asked:
        if found := shutil.which(asked):
            return found
        raise SceneError(f"There is no Python at '{asked}'.", "Name a Python whose environment has bpy and Sabi.")
    if find_spec("bpy") is not None:
        return sys.executable
    raise SceneError(
        f"{what} need Blender, and this Python has no bpy.",
        'pip install "sabi-weathering[blender]", or name a Python that has it with --blender-python or SABI_BLENDER_PYTHON.',
    )


def _put_folder(making: Path, target: Path, files: Sequence[Path]) -> None:
    if not target.exists():
        making.rename(target)
        return
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(making / name, target / name)


def run_addon(
    command: Sequence[str], environment: Mapping[str, str], progress: Callable[[str, float], None]
) -> dict[str, Any]:
    """Runs a program of the add-on; its last message, or the error that it reports. Raises SabiError's children, Cancelled."""
    result: dict[str, Any] = {}
    last = ""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as noise:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=noise, env=dict(environment), text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    message = _json_object(line)
                    last = line.strip() or last
                    if "error" in message or "files" in message:
                        result = message
                    elif "fraction" in message:
                        progress(str(message.get("stage", "")), float(message["fraction"]))
            except BaseException as error:
                process.terminate()
                if isinstance(error, KeyboardInterrupt):
                    raise Cancelled from None
                raise
        noise.seek(0)
        said = [line.strip() for line in noise.read().splitlines() if line.strip()]
    if "error" in result:
        raise SabiError.from_dict(result["error"])
    if process.returncode:
        words = (said or [last])[-1]
        hint = f"It last said: {words}" if words else "It did not say why; the Python it runs in may lack bpy."
        raise SceneError(f"Blender ended with exit status {process.returncode}.", hint)
    return result


def _json_object(line: str) -> dict[str, Any]:
    message = None
    if line.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            message = json.loads(line)
    return message if isinstance(message, dict) else {}
