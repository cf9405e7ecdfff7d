# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi doctor`: what runs here, what does not, and what to do about it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import typer
from rich.markup import escape

from .. import doctor
from ..networks.registry import Networks
from ..protocol.client import Client
from ..protocol.errors import SabiError
from . import options as o
from .report import out, print_json


def command(
    device: o.DeviceOption = None,
    threads: o.ThreadsOption = None,
    server: o.ServerOption = "",
    token: o.TokenOption = "",
    as_json: o.JsonOption = False,
) -> None:
    """Say which device really runs the networks and why not the GPU, which networks and packages are here, and what is missing.

    Exit status 1 when weathering would fail.
    """
    report, trouble = examine(device, threads, server, token)
    if as_json:
        print_json({**report, "trouble": trouble})
    else:
        _print(report, trouble)
    if trouble:
        raise typer.Exit(1)


def examine(
    device: str | None, threads: int | None, server: str, token: str
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """doctor.report with what the command line needs besides, and the errors that weathering would meet."""
    trouble: list[dict[str, str]] = []
    networks = Networks.load(device=device, threads=threads)
    try:
        networks["painter"]
    except SabiError as error:
        trouble.append(error.to_dict())
    report = doctor.report(networks)
    report["models"] = bool(find_spec("bpy") or os.environ.get("SABI_BLENDER_PYTHON"))
    report["ray"] = find_spec("ray") is not None
    report["server"] = None
    if server:
        try:
            health = Client(server, token or None, timeout=10).health()
            report["server"] = {"address": server, "sabi": health.get("sabi"), "device": health.get("device")}
        except SabiError as error:
            trouble.append(error.to_dict())
    return report, trouble


def _print(report: dict[str, Any], trouble: list[dict[str, str]]) -> None:
    def line(name: str, value: object) -> None:
        out.print(f"[bold]{name:<10}[/] {escape(str(value))}")

    device = report["device"]
    line("Sabi", f"{report['sabi']} (protocol {report['protocol']})")
    line("Python", report["python"])
    line("System", report["platform"])
    line("Device", f"{device['used'] or 'none'} (asked for: {device['asked']}, threads: {device['threads'] or 'all'})")
    for reason in device["reasons"]:
        line("", reason)
    if device["hint"]:
        line("", device["hint"])
    for network in report["networks"]:
        styles = sum(len(s) for s in network["card"].get("styles", {}).values())
        line(
            "Network",
            f"{network['name']} {network['version']} ({network['sha256'][:12]}, {styles} styles) {network['file']}",
        )
    for problem in report["problems"]:
        line("Problem", f"{problem['message']} {problem['hint']}")
    for name, package in report["packages"].items():
        line("Package", f"{name} {package['version']}  {package['folder']}")
    line("Memory", ", ".join(f"{k} {v} MB" for k, v in report["memory"].items()) or "unknown")
    line("Disk", ", ".join(f"{k} {v}" for k, v in report["disk"].items()))
    line("Models", "yes, bpy is here" if report["models"] else 'no bpy here: pip install "sabi-weathering[blender]"')
    line("Ray", "installed" if report["ray"] else 'not installed: pip install "sabi-weathering[ray]"')
    if report["server"]:
        line("Server", report["server"])
    for error in trouble:
        out.print(f"[bold red]{'Trouble':<10}[/] {escape(error['message'])} {escape(error['hint'])}")
    if not trouble:
        out.print("[green]Everything that weathering needs is here.[/]")
