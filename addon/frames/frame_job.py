# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered frame on its way through the backend: a process reads its passes and has them weathered. No bpy in here."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...backend.protocol.client import Client
from ...backend.protocol.errors import BackendGone, BackendNotInstalled, SabiError, is_disk_full
from ...backend.protocol.recipe import Recipe
from ...backend.protocol.spawn import command_for, environment_for
from ..jobs import Job
from ..progress import Progress, stage_in_words


@dataclass(frozen=True)
class WeatheredFrame:
    """A plain EXR of the weathered frame, and what should be said of it."""

    path: Path
    warnings: tuple[str, ...]


class FrameJob(Job[WeatheredFrame]):
    """A multilayer EXR to a weathered EXR beside it, with `python` (empty for the embedded one) reading the file.

    The file's positions are in units of `unit` metres. `harmonize` brings what weathered nearer to the colours of the rest.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        frame: Path,
        layer: str,
        recipe: Recipe,
        python: str,
        unit: float = 1.0,
        harmonize: bool = False,
    ) -> None:
        self._frame, self._layer, self._recipe, self._python, self._unit = frame, layer, recipe, python, unit
        self._harmonize = harmonize
        self._process: subprocess.Popen[str] | None = None
        self._last_words = ""
        super().__init__(connect)

    def _work(self) -> WeatheredFrame:
        client = self._connect()
        self._check_stop()
        recipe, out = self._frame.with_suffix(".json"), self._frame.with_name("weathered.exr")
        recipe.write_text(self._recipe.to_json(), encoding="utf-8")
        words = [str(self._frame), "--layer", self._layer, "--recipe", str(recipe), "--out", str(out)]
        words += ["--server", client.address, "--unit", repr(self._unit)]
        words += ["--harmonize"] if self._harmonize else []
        command = command_for("sabi.backend.frame_process", words, self._python or None)
        try:
            answer = self._listen(command, client.token)
        except OSError as error:
            if is_disk_full(error):
                raise
            raise BackendNotInstalled(
                f"The Python of the backend cannot be run: {command[0]} ({error.strerror or error}).",
                "Check the environment named in the preferences.",
            ) from error
        self._check_stop()
        if "error" in answer:
            raise SabiError.from_dict(answer["error"])
        if "warnings" not in answer:
            why = f": {self._last_words.rstrip('.')}" if self._last_words else ""
            raise BackendGone(f"What reads the frame ended early{why}.")
        return WeatheredFrame(out, tuple(map(str, answer["warnings"])))

    def _listen(self, command: list[str], token: str) -> dict[str, Any]:
        """Follows the process to its end; its last message that is no progress."""
        answer: dict[str, Any] = {}
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as noise,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=noise,
                env=environment_for(token, embedded=not self._python),
                text=True,
                encoding="utf-8",
                errors="replace",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            ) as process,
        ):
            self._process = process
            if self._stop.is_set():  # cancelled while it was being started
                process.terminate()
            assert process.stdout is not None
            for line in process.stdout:
                if self._stop.is_set():
                    process.terminate()
                    break
                with suppress(ValueError):
                    message = json.loads(line)
                    if "fraction" in message:
                        self._tell(Progress(stage_in_words(message["stage"]), message["fraction"]))
                    else:
                        answer = message
            process.wait()
            noise.seek(0)
            self._last_words = next((line.strip() for line in reversed(noise.readlines()) if line.strip()), "")
        return answer

    def _abandon(self) -> None:
        if self._process is not None:
            self._process.terminate()
