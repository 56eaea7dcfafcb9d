"""LiteRT's own `litert-benchmark` on the same file in the same run: a second opinion on the inference.

It ships in the wheel of ai-edge-litert. It fills the input once and times the runs alone, through the newer
CompiledModel interface; so here the input is filled once too, and Interpreter, which this package uses, is timed alone.
The stage "raw_inference" of the pipeline is longer: there each image is brought to the model's range and type first.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_mdda import interpreter
from edge_mdda.device.subject import Subject
from edge_mdda.interpreter import AnyModel

MODULE = "ai_edge_litert.tools.benchmark_litert_model"
#: Rounds of both, in turn, so that a machine whose speed drifts slows both; an odd number, for the median to be one.
ROUNDS = 3
WARM_UP = 5
#: Medians that differ by less agree.
TOLERANCE = 0.1
#: Milliseconds; their answer has two decimals, so below this it says nothing.
SHORTEST = 0.2
TIMEOUT = 600
OUR_WAY = "ours runs Interpreter"
THEIR_WAY = "theirs runs CompiledModel, which may choose other kernels"


def compare(subject: Subject, threads: int, runs: int) -> dict[str, Any] | None:
    """Time our inference and theirs in turn; None where this environment has no litert-benchmark.

    Args:
        subject: whose file is loaded by both.
        threads: of the runtime in both.
        runs: counted inferences of a round.
    """
    if not _installed():
        return None
    model = interpreter.open_any(subject.content, "litert", threads)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        answer = _theirs(subject.file, threads, runs)
        if answer is None:
            return None
        theirs.append(answer)
        ours.append(_ours(model, runs))
    found: dict[str, Any] = {
        "threads": threads,
        "runs": runs,
        "ours_median_ms": [round(value, 3) for value in ours],
        "theirs_median_ms": [round(value, 3) for value in theirs],
    }
    if min(theirs) < SHORTEST:
        told = f"not compared: it rounds to 0.01 ms, too coarse for the {float(np.median(ours)):.3f} ms of this model"
        return {**found, "ratio": None, "agree": None, "explanation": told}
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    ratio = float(np.median(ratios))
    agree = abs(ratio - 1) <= TOLERANCE
    return {**found, "ratio": round(ratio, 4), "agree": agree, "explanation": explain(ratios)}


def explain(ratios: list[float]) -> str:
    """What to make of the rounds' ratios, our median to theirs."""
    ratio, least, most = float(np.median(ratios)), min(ratios), max(ratios)
    told = f"ours is {ratio:.2f} times theirs ({least:.2f} to {most:.2f} over {len(ratios)} rounds)"
    if abs(ratio - 1) <= TOLERANCE:
        return f"{told}: they agree within {TOLERANCE:.0%}"
    if least <= 1 + TOLERANCE and most >= 1 - TOLERANCE:
        return f"{told}: the machine's speed changes more from round to round than the two differ"
    if ratio > 1:
        return f"{told}: {OUR_WAY}, {THEIR_WAY}"
    return f"{told}: {THEIR_WAY}, {OUR_WAY}"


def _installed() -> bool:
    try:
        return importlib.util.find_spec(MODULE) is not None
    except ModuleNotFoundError:
        return False


def _theirs(file: Path, threads: int, runs: int) -> float | None:
    """Their median, milliseconds; None where it fails, as on a model that it cannot fill."""
    with tempfile.TemporaryDirectory(prefix="edge-mdda-") as folder:
        result = Path(folder) / "result.json"
        options = {
            "model": file,
            "num_threads": threads,
            "num_runs": runs,
            "warmup_runs": WARM_UP,
            "result_json": result,
        }
        command = [sys.executable, "-m", MODULE, *(f"--{name}={value}" for name, value in options.items())]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)
            return float(json.loads(result.read_text())["latency"]["median_ms"])
        except (subprocess.SubprocessError, OSError, ValueError, KeyError):
            return None


def _ours(model: AnyModel, runs: int) -> float:
    taken = []
    for _ in range(WARM_UP + runs):
        start = time.perf_counter()
        model.run()
        taken.append((time.perf_counter() - start) * 1000)
    return float(np.median(taken[WARM_UP:]))
