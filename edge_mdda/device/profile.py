"""A whole profile, as the JSON of `profile.schema.json` has it."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from edge_mdda import image, terminal
from edge_mdda.device import (
    board,
    conditions,
    endurance,
    first_call,
    litert_benchmark,
    memory,
    operators,
    pipeline,
    power,
    subject,
    timing,
)
from edge_mdda.device.plan import Plan
from edge_mdda.device.sensors import Sensors
from edge_mdda.device.subject import Subject
from edge_mdda.device.system import System
from edge_mdda.device.watch import Watch
from edge_mdda.errors import ImageError, ModelError
from edge_mdda.parameters import PRESETS

#: Changes with a key that changes its meaning or goes away; keys may be added under the same.
SCHEMA = "edge-mdda/profile/1"


def measure(
    plan: Plan, system: System | None = None, say: Callable[[str], object] = lambda line: None
) -> dict[str, Any]:
    """Measure everything.

    Args:
        plan: what.
        system: where boards are read from; this machine by default.
        say: told what is being measured.

    Raises:
        EdgeMddaError: the model, the runtime or the image cannot be used.
    """
    system = system or System()
    say("board")
    known = board.read(system)
    found = conditions.find(system, known, conditions.busy_part(system))
    with terminal.native_messages():
        chosen = subject.load(plan.model, plan.runtime)
    encoded = subject.picture() if plan.image is None else _read(plan.image)
    height, width = image.decode(encoded).shape[:2]  # an image that cannot be used is told of before the long part
    starts = []
    if plan.starts:
        say("first calls of new processes")
        task = {
            "model": None if plan.model is None else str(plan.model.resolve()),
            "preset": plan.preset,
            "threads": plan.threads[-1],
            "runtime": plan.runtime,
        }
        starts = first_call.measure(task, encoded)
    sensors = Sensors(system)

    def prepare(threads: int) -> pipeline.Ready:
        with terminal.native_messages():
            return pipeline.prepare(chosen, PRESETS[plan.preset], threads, plan.runtime, encoded)

    configurations = []
    for threads in plan.threads:
        say(f"steady state, {threads} thread{'s'[: threads > 1]}")
        ready = prepare(threads)  # one at a time, or the next one's memory would have this one's in it
        configurations.append(_steady(ready.once, threads, plan.images, sensors, system))
    second_opinion = None
    if ready.runtime == "litert":
        say("litert-benchmark")
        with terminal.native_messages():
            second_opinion = litert_benchmark.compare(chosen, plan.threads[0], plan.images)
    long_run = None
    if plan.minutes:
        fastest = min(configurations, key=lambda of: of["stages"]["total"]["median"])["threads"]
        say(f"long run of {plan.minutes:g} minutes, {fastest} thread{'s'[: fastest > 1]}")
        long_run = endurance.run(prepare(fastest).once, sensors, plan.minutes, fastest)
    return {
        "schema": SCHEMA,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "board": known.to_dict(),
        "conditions": [asdict(condition) for condition in found],
        "model": _model(chosen, ready),
        "image": {
            "file": None if plan.image is None else plan.image.name,
            "sha256": hashlib.sha256(encoded).hexdigest(),
            "bytes": len(encoded),
            "width": width,
            "height": height,
        },
        "purification": None if chosen.bundle is None else {"preset": plan.preset, **asdict(PRESETS[plan.preset])},
        "first_calls": starts,
        "configurations": configurations,
        "litert_benchmark": second_opinion,
        "long_run": long_run,
    }


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `measure` returns."""
    text = resources.files("edge_mdda.device").joinpath("profile.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def read(path: Path) -> dict[str, Any]:
    """Read a profile's file.

    Raises:
        ModelError: it cannot be read, or is no profile of this schema.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"expected a profile in {path}, got: {error}") from None
    return check(found, str(path))


def check(found: object, origin: str) -> dict[str, Any]:
    """Return what was read as a profile, if it says that it is one.

    Raises:
        ModelError: it does not, or parts of it are missing.
    """
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        told = found.get("schema") if isinstance(found, dict) else type(found).__name__
        raise ModelError(f"expected a profile of schema {SCHEMA} in {origin}, got {told!r}")
    missing = [key for key in schema()["required"] if key not in found]
    if missing:
        raise ModelError(f"expected a whole profile in {origin}, got one without {', '.join(missing)}")
    return found


def _steady(once: pipeline.Once, threads: int, images: int, sensors: Sensors, system: System) -> dict[str, Any]:
    for _ in range(pipeline.WARM_UP):
        once()
    with Watch(sensors) as watch:
        taken = [once() for _ in range(images)]
    totals = [of["total"] for of in taken]
    resident = memory.resident()
    return {
        "threads": threads,
        "stages": {stage: timing.summary([of[stage] for of in taken]) for stage in taken[0]},
        "total_ms": [round(value, 3) for value in totals],
        "images_per_second": round(1000 * len(totals) / sum(totals), 3),
        "energy": _energy(watch, sum(totals) / 1000 / len(totals), system),
        "memory": asdict(resident),
    }


def _energy(watch: Watch, seconds: float, system: System) -> dict[str, Any] | None:
    """Mean power, and what one image of so many seconds takes of it; None where the board does not measure power."""
    watts, drawn = watch.mean_watts(), power.read(system)
    if watts is None or drawn is None:
        return None
    return {"watts": round(watts, 3), "joules_per_image": round(watts * seconds, 5), "scope": drawn.scope}


def _model(chosen: Subject, ready: pipeline.Ready) -> dict[str, Any]:
    return {
        "name": chosen.name,
        "sha256": chosen.sha256,
        "bytes": len(chosen.content),
        "runtime": ready.runtime,
        "classifies": chosen.bundle is not None,
        "operators": operators.describe(ready.operators),
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"expected a readable image file, got: {error.strerror}") from None
