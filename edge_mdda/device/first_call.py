"""The first image of a new process, with an empty kernel cache and with a filled one.

Run as a program it is that process: it takes its task as JSON and prints what each step took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_mdda.errors import EdgeMddaError
from edge_mdda.startup import spare_libraries

#: Steps of the child in order; "start" is what is left of the wall time: Python's own start and end.
STEPS = ("start", "import", "model", "kernels", "image")


def measure(task: dict[str, Any], encoded: bytes) -> list[dict[str, Any]]:
    """Wall milliseconds, those of each step, and peak MiB: with an empty cache, then with the one it left.

    Args:
        task: "model" (path, None for the shipped one), "preset", "threads", "runtime".
        encoded: the image.

    Raises:
        EdgeMddaError: a child failed; with what it said.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="edge-mdda-") as folder:
        picture = Path(folder) / "image"
        picture.write_bytes(encoded)
        command = [sys.executable, "-m", __name__, json.dumps({**task, "image": str(picture)})]
        environment = {**os.environ, "NUMBA_CACHE_DIR": f"{folder}/cache"}
        for cache in ("empty", "filled"):
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            wall = (time.perf_counter() - start) * 1000
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
                raise EdgeMddaError(f"expected a first call in a new process, got: {said}")
            answer = json.loads(done.stdout)
            steps = {"start": wall - sum(answer["steps"].values()), **answer["steps"]}
            found.append(
                {
                    "cache": cache,
                    "threads": task["threads"],
                    "wall_ms": round(wall, 1),
                    "steps_ms": {name: round(value, 1) for name, value in steps.items()},
                    "peak_mib": answer["peak_mib"],
                }
            )
    return found


def _first(task: dict[str, Any]) -> dict[str, Any]:
    """Classify one image as `edge-mdda classify` does, and tell what each step took."""
    marks = [time.perf_counter()]
    import numpy as np

    from edge_mdda import interpreter
    from edge_mdda.assessment import assess
    from edge_mdda.classifier import Classifier
    from edge_mdda.device import memory, subject
    from edge_mdda.limits import MIN_SIDE
    from edge_mdda.parameters import PRESETS
    from edge_mdda.purifier import Purifier

    marks.append(time.perf_counter())
    chosen = subject.load(None if task["model"] is None else Path(task["model"]), task["runtime"])
    if chosen.bundle is None:
        model = interpreter.open_any(chosen.content, task["runtime"], task["threads"])
        marks += [time.perf_counter()] * 2  # no kernels
        model.run()
    else:
        classifier = Classifier(chosen.bundle, runtime=task["runtime"], threads=task["threads"])
        marks.append(time.perf_counter())
        purifier = Purifier(PRESETS[task["preset"]], threads=task["threads"])
        purifier.purify(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8), seed=0)
        marks.append(time.perf_counter())
        assess(Path(task["image"]).read_bytes(), purifier, classifier, seed=0).to_json()
    marks.append(time.perf_counter())
    taken = [(after - before) * 1000 for before, after in pairwise(marks)]
    return {"steps": dict(zip(STEPS[1:], taken, strict=True)), "peak_mib": memory.resident().peak_mib}


if __name__ == "__main__":
    spare_libraries()
    try:
        print(json.dumps(_first(json.loads(sys.argv[1]))))
    except EdgeMddaError as error:
        sys.exit(str(error))
