"""A long run: latency beside clock, temperature and throttling, and what throttling cost. Minute 1 is not minute 30."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_mdda.device.pipeline import Once
from edge_mdda.device.sensors import Reading, Sensors
from edge_mdda.device.watch import Watch

#: At most so many points on the time line.
POINTS = 600
#: A clock below this part of the highest one seen is a slowed one, where the board has no flags to tell.
SLOWED = 0.95
#: Slower by more than this at the end than at the start is worth telling.
WORTH_TELLING = 0.03


@dataclass(frozen=True)
class Point:
    """One stretch of the time line.

    Attributes:
        at_s: its start, in seconds from the start of the run.
        images: finished in it.
        median_ms: of an image.
        p95_ms: of an image.
        clock_mhz: lowest seen, None if unknown.
        temperature_c: highest seen, None if unknown.
        watts: mean, None if unknown.
        flags: all that slowed the board, None if the board does not tell.
    """

    at_s: float
    images: int
    median_ms: float
    p95_ms: float
    clock_mhz: float | None
    temperature_c: float | None
    watts: float | None
    flags: tuple[str, ...] | None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "flags": None if self.flags is None else list(self.flags)}


def run(once: Once, sensors: Sensors, minutes: float, threads: int) -> dict[str, Any]:
    """Process images without a pause for some minutes; the time line, and what it says."""
    images: list[tuple[float, float]] = []
    start = time.perf_counter()
    with Watch(sensors) as watch:
        while time.perf_counter() - start < minutes * 60:
            taken = once()["total"]
            images.append((time.perf_counter() - start, taken))
    readings = [(at - start, reading) for at, reading in watch.readings]
    points = time_line(images, readings, max(1.0, minutes * 60 / POINTS))
    return {
        "minutes": minutes,
        "threads": threads,
        "images": len(images),
        "points": [point.to_dict() for point in points],
        **judge(points),
    }


def time_line(
    images: Sequence[tuple[float, float]], readings: Sequence[tuple[float, Reading]], step: float
) -> list[Point]:
    """Bring images (second of their end, milliseconds) and readings (second) together in stretches of `step` seconds.

    A stretch without an image is left out; one without a reading takes the last one before it, if there was any.
    """
    points, last = [], None
    for number in range(int(max(at for at, _ in images) / step) + 1):
        low, high = number * step, (number + 1) * step
        seen = [reading for at, reading in readings if low <= at < high] or ([last] if last else [])
        taken = [milliseconds for at, milliseconds in images if low <= at < high]
        last = seen[-1] if seen else last
        if not taken:
            continue
        clocks, degrees, watts, flags = (
            [value for reading in seen if (value := getattr(reading, name)) is not None]
            for name in ("clock_mhz", "temperature_c", "watts", "flags")
        )
        points.append(
            Point(
                at_s=round(low, 3),
                images=len(taken),
                median_ms=round(float(np.median(taken)), 3),
                p95_ms=round(float(np.percentile(taken, 95)), 3),
                clock_mhz=min(clocks, default=None),
                temperature_c=max(degrees, default=None),
                watts=round(sum(watts) / len(watts), 3) if watts else None,
                flags=tuple(dict.fromkeys(name for of in flags for name in of)) if flags else None,
            )
        )
    return points


def judge(points: Sequence[Point]) -> dict[str, Any]:
    """When the board was slowed and what that cost: spells with their costs, first and last minute, and a sentence.

    A spell is a run of points with a flag, or, where the board has no flags, with a clock below `SLOWED` of the highest
    seen. Its cost is its median latency over that of the points outside of all spells, less one.
    """
    highest = max((point.clock_mhz for point in points if point.clock_mhz is not None), default=None)
    reasons = [_slowed(point, highest) for point in points]
    free = [point.median_ms for point, reason in zip(points, reasons, strict=True) if not reason]
    step = points[1].at_s - points[0].at_s if len(points) > 1 else 1.0
    spells: list[dict[str, Any]] = []
    for number, (point, reason) in enumerate(zip(points, reasons, strict=True)):
        if not reason:
            continue
        end = points[number + 1].at_s if number + 1 < len(points) else point.at_s + step
        if spells and reasons[number - 1]:
            spells[-1]["end_s"] = end
            spells[-1]["reasons"] = list(dict.fromkeys([*spells[-1]["reasons"], *reason]))
            spells[-1]["medians"].append(point.median_ms)
        else:
            spells.append({"start_s": point.at_s, "end_s": end, "reasons": list(reason), "medians": [point.median_ms]})
    for spell in spells:
        median = float(np.median(spell.pop("medians")))
        spell["median_ms"] = round(median, 3)
        spell["cost"] = round(median / float(np.median(free)) - 1, 4) if free else None
    part = min(60.0, (points[-1].at_s - points[0].at_s) / 2)  # of a run too short for two minutes, its halves
    first = float(np.median([point.median_ms for point in points if point.at_s <= points[0].at_s + part]))
    final = float(np.median([point.median_ms for point in points if point.at_s >= points[-1].at_s - part]))
    found = {
        "throttled": spells if spells or _can_tell(points) else None,
        "first_minute_ms": round(first, 3),
        "last_minute_ms": round(final, 3),
    }
    return {**found, "statement": _statement(found)}


def _slowed(point: Point, highest: float | None) -> tuple[str, ...]:
    if point.flags is not None:
        return point.flags
    if point.clock_mhz is not None and highest is not None and point.clock_mhz < SLOWED * highest:
        return (f"clock below {SLOWED:.0%} of {highest:.0f} MHz",)
    return ()


def _can_tell(points: Sequence[Point]) -> bool:
    return any(point.flags is not None or point.clock_mhz is not None for point in points)


def _statement(found: dict[str, Any]) -> str:
    first, last = found["first_minute_ms"], found["last_minute_ms"]
    change = last / first - 1
    drift = f"the last minute's median is {last:.1f} ms, the first one's {first:.1f} ms"
    drift += f" ({change:+.0%})" if abs(change) > WORTH_TELLING else ", no change worth telling"
    spells = found["throttled"]
    if spells is None:
        return f"This board tells neither clocks nor throttling; {drift}."
    if not spells:
        return f"It was not throttled; {drift}."
    total = sum(spell["end_s"] - spell["start_s"] for spell in spells)
    worst = max(spells, key=lambda spell: spell["cost"] or 0)
    cost = (
        "all of the time, so the cost is unknown" if worst["cost"] is None else f"at worst {worst['cost']:+.0%} latency"
    )
    reasons = ", ".join(dict.fromkeys(reason for spell in spells for reason in spell["reasons"]))
    return f"It was throttled for {total:.0f} s, first after {spells[0]['start_s']:.0f} s ({reasons}): {cost}; {drift}."
