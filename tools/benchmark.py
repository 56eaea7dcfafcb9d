"""Time the purification against the same method built from scikit-image, side by side in one process.

    python -m tools.benchmark --json benchmark.json

Every round times each contender once, in turn, so that a machine whose speed drifts slows all of them; ratios are taken
round by round. First calls are timed in child processes: with an empty kernel cache, and with a filled one.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_mdda import PAPER_LARGE, PAPER_SMALL, Classifier, Parameters, Purifier, coefficients, image, reference
from edge_mdda.parameters import PRESETS
from tools import atomic, card_page, roofline
from tools import scikit_image_pipeline as pipeline
from tools.machine import machine

# PAPER_SMALL with as many iterations as bring its energy gap to that of scikit-image's Chambolle at its default stop.
EQUAL_GAP = "paper-small (equal gap)"
MOST_ITERATIONS = 40
TURN = 60  # milliseconds

Contender = Callable[[], object]


def contenders(
    ours: dict[str, Parameters], pixels: NDArray[np.float32], threads: tuple[int, ...]
) -> dict[str, Contender]:
    """Name and call of everything that is timed on one image: float32 (H, W, 3) in [0, 1]."""
    out = np.empty_like(pixels)
    calls: dict[str, Contender] = {}
    for preset, parameters in ours.items():
        for count in threads:
            purifier = Purifier(parameters, threads=count)
            name = f"{preset}, {count} thread{'s'[: count > 1]}"
            calls[name] = lambda purifier=purifier: purifier.purify(pixels, 1, out)
    random = np.random.default_rng(0)
    for preset, parameters in (("paper-small", PAPER_SMALL), ("paper-large", PAPER_LARGE)):
        for solver, denoise in (("Chambolle", pipeline.chambolle), ("Bregman", pipeline.bregman)):
            calls[f"{preset}, scikit-image {solver}"] = lambda parameters=parameters, denoise=denoise: pipeline.purify(
                pixels, parameters, denoise, random
            )
    for count in threads:
        classifier = Classifier(threads=count)
        name = f"int8 inference ({classifier.runtime}), {count} thread{'s'[: count > 1]}"
        calls[name] = lambda classifier=classifier: classifier.logits(pixels)
    return calls


def interleave(calls: dict[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call in each round: all in turn within a round, after one round not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for counted in [False] + [True] * rounds:
        for name, call in calls.items():
            taken = _turn(call)
            if counted:
                times[name].append(taken)
    return times


def _turn(call: Contender) -> float:
    """Median milliseconds of a call that is repeated for `TURN`: of short ones the steady state, not the cold first."""
    taken: list[float] = []
    while not taken or sum(taken) < TURN:
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return float(np.median(taken))


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest of some values."""
    return {"median": float(np.median(values)), "min": float(min(values)), "max": float(max(values))}


def ratios(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """How many times faster the first is than the second of each pair worth comparing: quotients round by round."""
    found = {}
    for ours, theirs in itertools.product(times, times):
        if _comparable(ours, theirs):
            quotients = [b / a for a, b in zip(times[ours], times[theirs], strict=True)]
            found[f"{ours} against {theirs}"] = spread(quotients)
    return found


def _comparable(ours: str, theirs: str) -> bool:
    """Presets against their scikit-image pipelines and against one thread; EDGE against an inference."""
    (preset, _, work), (other, _, with_) = ours.partition(", "), theirs.partition(", ")
    if preset not in (*PRESETS, EQUAL_GAP) or "thread" not in work:
        return False
    if with_.startswith("scikit-image"):
        return preset.partition(" (")[0] == other
    if other.startswith("int8 inference"):
        return preset == "edge" and work == with_
    return preset == other and work != "1 thread" and with_ == "1 thread"


def energy_gaps(pixels: NDArray[np.float32], parameters: Parameters) -> tuple[dict[str, float], int]:
    """Relative excess ROF energy of one denoising over 3,000 iterations of ours: percent, mean over the channels.

    Also the smallest number of iterations with which ours is no larger than that of scikit-image's Chambolle.
    """
    sigma, weight = np.float32(parameters.sigma), parameters.weight
    planes = [pixels[..., c] + sigma * reference.gaussian(pixels.shape[:2], 1, 0, 0, c) for c in range(3)]

    def ours(iterations: int) -> list[NDArray[np.float32]]:
        steps = coefficients.steps(weight, iterations)
        return [reference.primal_dual(plane[None], steps, True)[0] for plane in planes]

    def energies(denoised: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        return np.array([reference.energy(u, f, weight) for u, f in zip(denoised, planes, strict=True)])

    best = energies(ours(3000))

    def gap(denoised: list[NDArray[np.float32]]) -> float:
        return 100 * float(np.mean(energies(denoised) / best - 1))

    noisy = np.stack(planes, axis=2)
    theirs = {
        f"scikit-image {solver}": gap(list(np.moveaxis(denoise(noisy, weight), 2, 0)))
        for solver, denoise in (("Chambolle", pipeline.chambolle), ("Bregman", pipeline.bregman))
    }
    ours_at = {parameters.iterations: gap(ours(parameters.iterations))}
    for iterations in range(1, MOST_ITERATIONS + 1):
        ours_at[iterations] = gap(ours(iterations))
        if ours_at[iterations] <= theirs["scikit-image Chambolle"]:
            break
    else:
        gap_left = ours_at[MOST_ITERATIONS]
        raise ValueError(f"expected scikit-image's gap within {MOST_ITERATIONS} iterations, got {gap_left:.2f} %")
    shown = sorted({parameters.iterations, iterations})
    return {f"edge_mdda, {n} iterations": ours_at[n] for n in shown} | theirs, iterations


def first_calls(encoded: bytes, repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Wall and CPU seconds and peak MiB of `edge-mdda classify` in new processes, kernel cache empty and filled."""
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "image.png"
        source.write_bytes(encoded)
        command = [sys.executable, "-m", "edge_mdda", "classify", "--json", str(source)]
        for repeat in range(repeats):
            environment = {**os.environ, "NUMBA_CACHE_DIR": f"{folder}/cache-{repeat}"}
            for state in ("empty cache", "filled cache"):
                measured = _run_once(command, environment)
                for name, value in measured.items():
                    figures.setdefault(state, {}).setdefault(name, []).append(value)
    return {state: {name: spread(values) for name, values in of.items()} for state, of in figures.items()}


# Runs a command and prints what it took. In a small process of its own: a child's peak memory counts from its fork,
# so a child of this program would start with this program's size.
_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
wall, usage = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall s": wall, "CPU s": usage.ru_utime + usage.ru_stime, "peak MiB": usage.ru_maxrss / 1024}))
"""


def _run_once(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    measuring = [sys.executable, "-S", "-c", _MEASURE, *command]
    result = subprocess.run(measuring, env=environment, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def markdown(report: dict[str, Any]) -> str:
    """The report as Markdown tables."""

    def cells(figures: dict[str, float], digits: int) -> tuple[str, str]:
        return f"{figures['median']:.{digits}f}", f"{figures['min']:.{digits}f} – {figures['max']:.{digits}f}"

    def each(of: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
        return [(name, *cells(figures, 1)) for name, figures in of.items()]

    starts = [
        (state, name, *cells(figures, 2 if name.endswith(" s") else 0))
        for state, of in report["first_calls"].items()
        for name, figures in of.items()
    ]
    gaps = [
        (preset, name, f"{gap:.2f} %")
        for preset, of in report["energy_gap_percent"].items()
        for name, gap in of.items()
    ]
    core = [(name, f"{value:.3g}") for name, value in report["roofline"].items()]
    parts = [
        f"{report['machine']}; {report['image']}, {report['rounds']} interleaved rounds.",
        card_page.table(("steady state", "median, ms", "range"), each(report["milliseconds"])),
        card_page.table(("times faster", "median", "range"), each(report["times_faster"])),
        card_page.table(("one TV denoising of", "by", "energy above the minimum"), gaps),
        card_page.table(("what a core can do, and the kernels with one thread", ""), core),
        card_page.table(("`edge-mdda classify`, new process", "figure", "median", "range"), starts),
    ]
    return "\n\n".join(parts) + "\n"


def regressions(now: dict[str, Any], earlier: dict[str, Any]) -> list[str]:
    """The ratios that are gone or fell beyond their spread: lines that say so. Seconds are not compared.

    A ratio fell when its median is below the smallest of the earlier rounds and its largest is below their median. Of
    work with two threads less is expected where the machine's own gain from a second thread is less than it was: a
    neighbour has the core.
    """
    gains = [report.get("roofline", {}).get(roofline.TWO_THREADS, 1.0) for report in (now, earlier)]
    left = min(1.0, gains[0] / gains[1])
    lost = []
    for name, before in earlier["times_faster"].items():
        after = now["times_faster"].get(name)
        part = left if ", 2 threads against" in name else 1.0
        if after is None:
            lost.append(f"{name}: expected about {before['median']:.1f}, got no such ratio")
        elif after["median"] < part * before["min"] and after["max"] < part * before["median"]:
            lost.append(f"{name}: expected about {part * before['median']:.1f}, got {after['median']:.1f}")
    return lost


def main(
    picture: Annotated[Path, typer.Option("--image", help="Image to purify.")] = Path("models/samples/lesion.png"),
    side: Annotated[int, typer.Option(help="Side it is brought to, in pixels.", min=32)] = 224,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.", min=3)] = 15,
    threads: Annotated[str, typer.Option(help="Thread counts to time.")] = "1,2",
    starts: Annotated[int, typer.Option(help="New processes timed, each with an empty and a filled cache.", min=1)] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report here too.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier report; exit code 1 if a ratio fell below what it was.")
    ] = None,
) -> None:
    """Time purification, inference and the scikit-image pipelines; print Markdown tables."""
    earlier = None if against is None else json.loads(against.read_text())
    encoded = picture.read_bytes()
    pixels = image.fit(image.decode(encoded), side, side).astype(np.float32) / np.float32(255)
    gaps, iterations = energy_gaps(pixels, PAPER_SMALL)
    gaps_of_large, _ = energy_gaps(pixels, PAPER_LARGE)
    ours = {**PRESETS, EQUAL_GAP: replace(PAPER_SMALL, iterations=iterations)}
    times = interleave(contenders(ours, pixels, tuple(int(count) for count in threads.split(","))), rounds)
    report = {
        "schema": "edge-mdda/benchmark/1",
        "machine": machine(),
        "image": f"{side}×{side}×3",
        "parameters": {name: asdict(parameters) for name, parameters in ours.items()},
        "rounds": rounds,
        "milliseconds": {name: spread(values) for name, values in times.items()},
        "times_faster": ratios(times),
        "energy_gap_percent": {"paper-small": gaps, "paper-large": gaps_of_large},
        "roofline": roofline.measure(),
        "first_calls": first_calls(encoded, starts),
    }
    typer.echo(markdown(report), nl=False)
    if json_file is not None:
        atomic.write(json_file, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    if earlier is not None:
        same = all(report[key] == earlier[key] for key in ("machine", "image"))
        lost = regressions(report, earlier) if same else []
        verdict = f"no ratio fell below {against}" if same else f"not compared with {against}: another machine or image"
        typer.echo("\n".join(lost) or verdict, err=True)
        if lost:
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
