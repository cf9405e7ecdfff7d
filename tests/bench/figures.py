# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the figures of one run of the benchmarks, a JSON line each, and ends with 1 where one is not reached.

python tests/bench/figures.py out/bench/times.json [--markdown]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# figure: what it is, "<=" or ">=", the limit, and (time of, over time of) where it is a ratio of two times per unit of work
FIGURES: dict[str, tuple[str, str, float, tuple[str, str] | None]] = {
    "painter_over_ceiling": (
        "painter's GFLOP/s over those of a plain 48-channel 3x3 convolution stack",
        ">=",
        0.6,
        ("test_convolutions", "test_painter"),
    ),
    "harmonizer_over_ceiling": ("the same of the harmonizer, 256 x 256", ">=", 0.5, None),
    "torch_over_onnxruntime": (
        "torch's time over onnxruntime's, the same network",
        ">=",
        1.0,
        ("test_painter_in_torch", "test_painter"),
    ),
    "tiled_over_whole": ("2048 x 2048 in tiles over whole", "<=", 1.25, ("test_tiling[tiles]", "test_tiling[whole]")),
    "not_network_over_network": ("everything that is not a network over the networks, 2048 x 2048", "<=", 0.5, None),
    "reage_over_painting": (
        "changing the age once painted, over painting, 2048 x 2048",
        "<=",
        0.05,
        ("test_changing_the_age", "test_weathering"),
    ),
    "timelapse_frame_over_painting": (
        "a frame of a time-lapse, written, over painting, one picture of 2048 x 2048",
        "<=",
        0.05,
        None,
    ),
    "photograph_over_painter": (
        "a photograph of 2048 x 2048 aged, all stages, over the painter's own time",
        "<=",
        2.5,
        None,
    ),
    "harmonizing_over_copy": (
        "applying the harmonizer's colour map at 8192 x 8192 over numpy copying that float32 picture once",
        "<=",
        20.0,
        None,
    ),
    "resolutions_differ_levels": (
        "albedo at 2048 and 4096 reduced to 1024 against 1024, one recipe on one object, mean difference in 1/255",
        "<=",
        4.0,
        None,
    ),
    "transfer_over_copy": (
        "sending and receiving 268 MB over numpy copying them once",
        "<=",
        3.0,
        None,
    ),
    "submitting_over_copy": (
        "the same until weathering begins: hashed by the sender, sent, compared by the receiver; no limit was set",
        "<=",
        float("inf"),
        None,
    ),
    "preview_after_painting_s": (
        "a live preview is shown so many seconds after its painting, 512 x 512, the next of a slider's values",
        "<=",
        0.2,
        None,
    ),
    "backend_peak_gb": ("peak anonymous memory of the backend, an 8192 x 8192 surface, GB", "<=", 3.0, None),
    "photograph_peak_gb": ("the same, an 8192 x 8192 photograph, harmonized, GB", "<=", 3.0, None),
    "blender_peak_gb": ("Blender's peak memory, one object with three layers at 4096 x 4096, GB", "<=", 4.0, None),
    "blend_growth_mb": (
        "growth of the .blend and the images beside it by three layers at 4096 x 4096, MB",
        "<=",
        600.0,
        None,
    ),
    "longest_stall_ms": (
        "longest time Sabi keeps Blender's main thread outside bakes, in a window, 2048 x 2048, ms",
        "<=",
        100.0,
        None,
    ),
    "frame_with_sabi_ms": (
        "longest frame of that window outside bakes, drawn in software (no GPU), while Sabi works, ms",
        "<=",
        float("inf"),
        None,
    ),
    "frame_without_sabi_ms": ("longest frame of that window before Sabi is installed, ms", "<=", float("inf"), None),
}


def figures(path: Path) -> list[dict[str, object]]:
    times = {b["name"]: b for b in json.loads(path.read_text())["benchmarks"]}
    finished: dict[str, float] = {}
    for benchmark in times.values():
        finished |= benchmark["extra_info"].get("figures", {})
    for report in sorted((path.parent.parent / "window").glob("*/report.json")):
        window = json.loads(report.read_text())
        if "entries_ms" not in window:
            continue  # a run that was not finished
        worst = {
            "longest_stall_ms": [ms for stage, (ms, _, _) in window["entries_ms"].items() if stage != "baking"],
            "frame_with_sabi_ms": [ms for stage, ms in window["frames_ms"].items() if stage != "baking"],
            "frame_without_sabi_ms": list(window["frames_without_sabi_ms"].values()),
        }
        for name, values in worst.items():
            finished[name] = max([finished.get(name, 0.0), *values])

    def per_unit(name: str) -> float:
        return float(times[name]["stats"]["median"] / times[name]["extra_info"].get("per", 1.0))

    rows: list[dict[str, object]] = []
    for name, (what, sign, limit, ratio) in FIGURES.items():
        if ratio is not None and not all(part in times for part in ratio):
            continue
        value = per_unit(ratio[0]) / per_unit(ratio[1]) if ratio is not None else finished.get(name)
        if value is not None:
            reached = value <= limit if sign == "<=" else value >= limit
            rows.append(
                {
                    "figure": name,
                    "value": round(value, 3),
                    "limit": f"{sign} {limit:g}",
                    "reached": reached,
                    "what": what,
                }
            )
    return rows


def main(path: str, *options: str) -> int:
    rows = figures(Path(path))
    if "--markdown" in options:
        print("| figure | measured | limit |\n|---|---|---|")
        for row in rows:
            print(f"| {row['what']} | {row['value']} | {row['limit']} |")
    else:
        for row in rows:
            print(json.dumps(row))
    return 0 if all(row["reached"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
