# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line says: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..protocol.errors import SabiError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


_HINTS = {  # in place of what an error says by default, which is for artists in Blender
    "bad_recipe": "`sabi weather --help` says what each setting does, `sabi effects` what there is to choose from.",
    "backend": "Check the address and that `sabi serve` runs there.",
    "backend_gone": "Nothing was written. Check the address and that `sabi serve` runs there.",
    "unauthorized": "Give the server's token with --token, or in SABI_TOKEN.",
}


def show_error(error: SabiError, prefix: str = "") -> None:
    """One sentence, a hint, a code."""
    err.print(f"[bold red]Error:[/] {escape(prefix + error.message)}")
    if error.code == "unknown_network":
        error = SabiError.from_dict({**error.to_dict(), "hint": f"{error.hint} On the command line: --newest."})
    hint = error.hint
    if not hint or (hint == type(error).default_hint and error.code in _HINTS):
        hint = _HINTS.get(error.code, "`sabi COMMAND --help` says what each option does.")
    err.print(f"[dim]Hint:[/]  {escape(hint)}")
    err.print(f"[dim]Code:[/]  {error.code}")


def show_warning(text: str) -> None:
    err.print(f"[yellow]Note:[/]  {escape(text)}")


def say(text: str) -> None:
    out.print(escape(text))


def print_json(data: Any) -> None:
    """One line, for programs."""
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


@contextmanager
def progress_bar(title: str, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar with the stage and the time left on a terminal; nothing where there is none."""
    if quiet or not err.is_terminal or os.environ.get("TERM") == "dumb":
        yield lambda stage, fraction: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(escape(title), total=1.0)
        yield lambda stage, fraction: bar.update(task, completed=fraction, description=escape(f"{title}: {stage}"))
