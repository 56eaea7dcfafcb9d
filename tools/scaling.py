"""How `edge-mdda batch` grows with the number of worker processes.

    python -m tools.scaling --json models/scaling.json --figure models/scaling.png

The real program, over the same drawn images, with 1, 2 and 4 processes in turn, round by round. Apart from each other:
the start, until the first image is on the disk, and the images a second from then on, by the times of their files.
More processes than cores are in it to show what they gain.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
import typer
from matplotlib import pyplot

from edge_mdda import image
from tools import atomic, benchmark, card_page, drawing
from tools.confusion import encode
from tools.machine import machine

WORKERS = (1, 2, 4)
#: Different images; the others are copies, for drawing takes longer than assessing.
DRAWN = 20
SIDE = 450


def draw_images(folder: Path, count: int) -> None:
    """So many JPEG images in a folder."""
    drawn = [image.encode_jpeg(drawing.draw(seed, SIDE)) for seed in range(min(DRAWN, count))]
    for number in range(count):
        (folder / f"{number:05d}.jpg").write_bytes(drawn[number % len(drawn)])


def times_of(folder: Path) -> list[float]:
    """When each purified image was on the disk, seconds since 1970, the first one first."""
    return sorted(path.stat().st_mtime for path in folder.rglob("*.png"))


def measure(source: Path, workers: int) -> dict[str, float]:
    """One run with so many processes: seconds in all and until the first image, and images a second after it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edge_mdda", "batch", str(source), f"{folder}/out", "--threads", "1"]
        before, start = time.time(), time.perf_counter()
        subprocess.run([*command, "--workers", str(workers)], check=True, stdout=subprocess.DEVNULL)
        total = time.perf_counter() - start
        times = times_of(Path(folder))
    rate = (len(times) - 1) / (times[-1] - times[0])
    return {"total, s": total, "start, s": times[0] - before, "images a second": rate}


def gains(report: dict[str, Any]) -> dict[str, float]:
    """Times more images a second than one process, medians."""
    rates = {count: of["images a second"]["median"] for count, of in report["workers"].items()}
    return {count: rate / rates["1"] for count, rate in rates.items()}


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    rows = []
    for (count, of), gain in zip(report["workers"].items(), gains(report).values(), strict=True):
        rate = of["images a second"]
        spread = f"{rate['median']:.1f} ({rate['min']:.1f}–{rate['max']:.1f})"
        rows.append(
            (count, spread, f"{gain:.2f}", f"{of['start, s']['median']:.1f}", f"{of['total, s']['median']:.1f}")
        )
    told = (
        f"{report['machine']}, of which {report['cores']} could be used, with a load of {report['load']:.1f} before; "
        f"{report['images']} images of {SIDE}×{SIDE}, preset `edge`, {report['rounds']} interleaved rounds."
    )
    header = ("processes", "images a second (range)", "times one", "start, s", "in all, s")
    return f"{told}\n\n{card_page.table(header, rows)}\n"


def draw(report: dict[str, Any]) -> bytes:
    """Images a second against processes, beside what as many cores could do; a PNG."""
    figure, panel = pyplot.subplots(figsize=(6, 4), layout="constrained")
    counts = np.array([int(count) for count in report["workers"]])
    rates = [of["images a second"] for of in report["workers"].values()]
    low, middle, high = (np.array([rate[key] for rate in rates]) for key in ("min", "median", "max"))
    panel.errorbar(counts, middle, (middle - low, high - middle), marker="o", capsize=3, label="measured")
    ideal = middle[0] * np.minimum(counts, report["cores"])
    panel.plot(counts, ideal, "--", color="grey", label=f"as many as the {report['cores']} cores allow")
    panel.set_xlabel("worker processes")
    panel.set_ylabel("images a second")
    panel.set_xticks(counts)
    panel.set_ylim(bottom=0)
    panel.legend()
    panel.set_title("edge-mdda batch")
    encoded = encode(figure, dpi=100)
    pyplot.close(figure)
    return encoded


def main(
    json_file: Annotated[Path, typer.Option("--json", help="Write the report here.")],
    figure: Annotated[Path, typer.Option(help="Draw it here, as PNG.")],
    images: Annotated[int, typer.Option(help="Images of each run.", min=20)] = 300,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.", min=1)] = 3,
) -> None:
    """Measure, write, draw and print how a batch grows with its processes."""
    load = os.getloadavg()[0]
    runs: dict[int, list[dict[str, float]]] = {count: [] for count in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        draw_images(Path(folder), images)
        for _ in range(rounds):
            for count, found in runs.items():
                found.append(measure(Path(folder), count))
    report: dict[str, Any] = {
        "schema": "edge-mdda/scaling/1",
        "machine": machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(load, 2),
        "images": images,
        "rounds": rounds,
        "workers": {
            str(count): {name: benchmark.spread([run[name] for run in found]) for name in found[0]}
            for count, found in runs.items()
        },
    }
    atomic.write(json_file, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    atomic.write(figure, draw(report))
    typer.echo(markdown(report), nl=False)


if __name__ == "__main__":
    typer.run(main)
