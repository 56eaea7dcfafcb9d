"""A small profile, measured by the real program once for all tests, and changed copies of it."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.program import run

#: The least there is to measure.
QUICK = ["--threads", "1", "--images", "5", "--no-starts"]


@cache
def _measured() -> str:
    process = run("profile", *QUICK, "--json", "-")
    assert process.returncode == 0, process.stderr
    return process.stdout.decode()


def measured() -> dict[str, Any]:
    """What the program printed, to be changed at will."""
    found: dict[str, Any] = json.loads(_measured())
    return found


def faster(profile: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same board, so many times as fast."""
    changed = copy.deepcopy(profile)
    for of in changed["configurations"]:
        of["total_ms"] = [value / factor for value in of["total_ms"]]
        for spread in of["stages"].values():
            spread.update({name: value / factor for name, value in spread.items() if name != "count"})
    return changed


def steady(profile: dict[str, Any], spread: float = 0.05) -> dict[str, Any]:
    """The same medians with a small spread around each, as on a board that does nothing else."""
    changed = copy.deepcopy(profile)
    for of in changed["configurations"]:
        for times in of["stages"].values():
            median = times["median"]
            times.update(
                min=median * (1 - spread),
                p5=median * (1 - spread),
                p95=median * (1 + spread),
                p99=median * (1 + spread),
                max=median * (1 + spread),
            )
    return changed


def write(path: Path, profile: dict[str, Any]) -> Path:
    path.write_text(json.dumps(profile))
    return path
