"""How a purification's time grows with side, blocks, scales, iterations, threads and images, its memory with the side.

    python -m tools.growth --json models/growth.json --figure models/growth.png

Each axis starts from the preset EDGE at 224 × 224 and one thread, and changes one thing. The points of an axis take
turns, round by round, as in `tools.benchmark`. Memory, against the side, is what a process of its own grew by at its
peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
import typer
from matplotlib import pyplot
from numpy.typing import NDArray

from edge_mdda import EDGE, Parameters, Purifier
from tools import atomic, benchmark, card_page
from tools.machine import machine

SIDE = 224
SIDES = (64, 96, 128, 192, 224, 256, 384, 512, 768, 1024, 1536, 2048)
BLOCKS = (0, 1, 2, 3, 4, 5)
ITERATIONS = (0, 1, 2, 4, 6, 8, 10, 14, 20)
SCALES = ((0,), (-1, 0), (-2, -1, 0), (-1, 0, 1), (-2, -1, 0, 1))
THREADS = (1, 2, 4)
IMAGES = (1, 2, 4, 8)

# How far a process that has its kernels loaded grows while it purifies an image: MiB. "5" resets the kernel's record of
# the largest size (man 5 proc), which loading has left higher than anything to be measured here.
_MEMORY = """
import re, sys
import numpy as np
from edge_mdda import EDGE, Purifier
def size(name):
    with open("/proc/self/status") as status:
        return int(re.search(rf"^{name}:\\s+(\\d+) kB", status.read(), re.MULTILINE)[1])
side = int(sys.argv[1])
purifier = Purifier(EDGE, threads=1)
purifier.purify(np.zeros((32, 32, 3), np.uint8), seed=0)
with open("/proc/self/clear_refs", "w") as refs:
    refs.write("5")
before = size("VmRSS")
purifier.purify(np.zeros((side, side, 3), np.uint8), seed=0)
print((size("VmHWM") - before) / 1024)
"""


def picture(side: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def purification(parameters: Parameters, side: int = SIDE, threads: int = 1) -> benchmark.Contender:
    purifier, pixels = Purifier(parameters, threads=threads), picture(side)
    out = np.empty_like(pixels)
    return lambda: purifier.purify(pixels, 1, out)


def many_images(count: int) -> benchmark.Contender:
    """Some images at the same time, each by a Purifier of its own on a thread of its own."""
    calls = [purification(EDGE) for _ in range(count)]
    pool = ThreadPoolExecutor(count)
    return lambda: list(pool.map(lambda call: call(), calls))


def axes() -> dict[str, dict[str, benchmark.Contender]]:
    """For each axis, its points and what is timed there."""
    return {
        "side, pixels": {str(side): purification(EDGE, side) for side in SIDES},
        "blocks K": {str(count): purification(replace(EDGE, blocks=count)) for count in BLOCKS},
        "iterations": {str(count): purification(replace(EDGE, iterations=count)) for count in ITERATIONS},
        "scales": {" ".join(map(str, scales)): purification(replace(EDGE, scales=scales)) for scales in SCALES},
        "threads": {str(count): purification(EDGE, threads=count) for count in THREADS},
        "images at a time": {str(count): many_images(count) for count in IMAGES},
    }


def memory(side: int) -> float:
    result = subprocess.run([sys.executable, "-c", _MEMORY, str(side)], check=True, capture_output=True, text=True)
    return float(result.stdout)


def markdown(report: dict[str, Any]) -> str:
    """A table an axis, medians; the sides with nanoseconds and memory a pixel."""
    axes = dict(report["milliseconds"])
    sides = []
    for side, times in axes.pop("side, pixels").items():
        pixels, mebibytes = int(side) ** 2, report["memory_mib"][side]
        figures = f"{times['median']:.2f}", f"{times['median'] * 1e6 / pixels:.0f}", f"{mebibytes:.1f}"
        sides.append((side, *figures, f"{mebibytes * 2**20 / pixels:.0f}"))
    header = ("side, pixels", "ms", "ns a pixel", "peak memory, MiB", "bytes a pixel")
    parts = [
        f"{report['machine']}; EDGE at {SIDE} × {SIDE} with one thread, one thing changed at a time.",
        card_page.table(header, sides),
    ]
    for axis, points in axes.items():
        medians = [f"{times['median']:.2f}" for times in points.values()]
        parts.append(card_page.table((axis, *points), [("ms", *medians)]))
    return "\n\n".join(parts) + "\n"


def draw(report: dict[str, Any], file: Path) -> None:
    """One panel an axis; the sides as nanoseconds a pixel, where a flat line is linear growth."""
    figure, panels = pyplot.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
    for panel, (axis, points) in zip(panels.flat, report["milliseconds"].items(), strict=True):
        names = list(points)
        low, middle, high = (np.array([times[key] for times in points.values()]) for key in ("min", "median", "max"))
        if axis == "side, pixels":
            scale = 1e6 / np.array([int(name) ** 2 for name in names])
            low, middle, high = low * scale, middle * scale, high * scale
        positions = np.arange(len(names)) if axis == "scales" else np.array([float(name) for name in names])
        panel.errorbar(positions, middle, (middle - low, high - middle), marker="o", capsize=3)
        panel.set_xlabel(axis)
        panel.set_ylim(bottom=0)
        panel.set_ylabel("ns a pixel" if axis == "side, pixels" else "ms")
        if axis == "side, pixels":
            panel.set_xscale("log", base=2)
        if axis == "scales":
            panel.set_xticks(positions, names, rotation=20)
    figure.suptitle(f"Purification, median and range of {report['rounds']} rounds: {report['machine']}")
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def main(
    json_file: Annotated[Path, typer.Option("--json", help="Write the report here.")],
    figure: Annotated[Path, typer.Option(help="Draw it here, as PNG.")],
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of each axis.", min=3)] = 9,
) -> None:
    """Measure, write, draw and print how a purification grows."""
    report: dict[str, Any] = {"schema": "edge-mdda/growth/1", "machine": machine(), "rounds": rounds}
    report["milliseconds"] = {
        axis: {name: benchmark.spread(times) for name, times in benchmark.interleave(points, rounds).items()}
        for axis, points in axes().items()
    }
    report["memory_mib"] = {str(side): memory(side) for side in SIDES}
    atomic.write(json_file, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    draw(report, figure)
    typer.echo(markdown(report), nl=False)


if __name__ == "__main__":
    typer.run(main)
