# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `sabi weather | batch | flamenco | serve | doctor | demo | effects | degree | segment | licences |
timelapse | report | harmonize | delight`. One file a command.

The only user of typer and rich.
"""

from __future__ import annotations

import functools
import io
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from ..protocol.errors import Cancelled, SabiError
from ..version import VERSION
from . import (
    batch,
    degree,
    delight,
    demo,
    doctor,
    effects,
    flamenco,
    harmonize,
    licences,
    results,
    segment,
    serve,
    timelapse,
    weather,
)
from .report import show_error

app = typer.Typer(
    name="sabi",
    help="Weathers 3D assets with neural networks: rust, peeling paint, moss, stains, cracks and more, at any age.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Ctrl-C and a farm's SIGTERM end a command as Cancelled: temporary files go, the exit status is 130."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            raise Cancelled("Interrupted.", "What was finished stays; nothing half-written does.") from None

    return run


app.command("weather")(_interruptible(weather.command))
app.command("batch")(_interruptible(batch.command))
app.command("flamenco")(flamenco.command)
app.command("timelapse")(_interruptible(timelapse.command))
app.command("harmonize")(_interruptible(harmonize.command))
app.command("delight")(_interruptible(delight.command))
app.command("report")(_interruptible(results.command))
app.command("serve")(serve.command)
app.command("doctor")(doctor.command)
app.command(
    "demo", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(demo.command)
app.command("effects")(effects.command)
app.command("licences")(licences.command)
app.command("degree")(_interruptible(degree.command))
app.command("segment")(_interruptible(segment.command))


@app.callback(invoke_without_command=True)
def _program(version: bool = typer.Option(False, "--version", help="Print Sabi's version and exit.")) -> None:
    if version:
        typer.echo(f"sabi {VERSION}")
        raise typer.Exit


def main() -> NoReturn:
    """Runs the command line and exits: 0 done, 1 something failed, 2 no such option, 130 interrupted. Never shows a traceback."""
    for stream in (sys.stdout, sys.stderr):  # of Windows, or through a pipe, they may lack the letters of a file's name
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=True)
        sys.exit(status or 0)
    except Cancelled as error:
        show_error(error)
        sys.exit(130)
    except SabiError as error:
        show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        show_error(Cancelled())
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except MemoryError:
        show_error(SabiError("There is not enough memory.", "Choose smaller images, or close other programs."))
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.filename:
            show_error(SabiError(f"{error.filename}: {error.strerror}.", "Check the path and its permissions."))
        else:
            show_error(
                SabiError(
                    f"Something unexpected happened: {type(error).__name__}: {error}",
                    "Please report it; `sabi doctor` says what to add.",
                )
            )
        sys.exit(1)
