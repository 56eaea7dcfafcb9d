"""Continuous work of `edge-mdda watch` with faults injected: none lost, none repeated, memory flat.

    python -m tools.soak --minutes 60 --json deploy/soak.json

Images are dropped all the time, good ones (degraded copies of the samples) and bad ones; in turn the child is killed,
stopped (a hang), the whole service killed and started again (a power cut), its disk full, and the clock of the wall
set back and forth. Every image must get its report, which must never be written again; no more than --keep may stay.
In the second half no process is ended any more, so that what one loses of its memory adds up: the memory of all
together must stay what it was when they had warmed up, within 5 %.

The full disk is a limit on the size of any file the running service writes (RLIMIT_FSIZE, set from outside): writing
fails as on a full disk. The clock is that of the service alone (`wall_clock.c`, which needs gcc), and the newest files'
times jump with it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from tools import atomic
from tools.machine import machine
from tools.soak_house import KEEP, Producer, Reports, Service

FLAT = 0.05
# Images that are dropped a second: about what a Raspberry Pi 4 gets through.
RATE = 2.0
# Seconds after which a service that makes no progress has lost what waits.
PATIENCE = 600.0
#: Faults that no process dies of.
GENTLE = ("disk full", "disk no longer full", "clock back a day", "clock on a day")
# A faster producer than the service waits while so many wait.
WAITING = 20


def faults(service: Service) -> dict[str, Callable[[], object]]:
    """What is done to the service, by name."""

    def to_child(what: signal.Signals) -> None:
        pid = service.child()
        if pid is not None:
            os.kill(pid, what)

    def full_disk(limit: int) -> None:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def jump(seconds: int) -> None:
        service.set_clock(seconds)
        for path in sorted(service.images.iterdir())[-3:]:
            os.utime(path, (time.time() + seconds, time.time() + seconds))

    return {
        "child killed": lambda: to_child(signal.SIGKILL),
        "child crashed": lambda: to_child(signal.SIGSEGV),
        "child stopped": lambda: to_child(signal.SIGSTOP),
        "disk full": lambda: full_disk(64),
        "disk no longer full": lambda: full_disk(resource.RLIM_INFINITY),
        "clock back a day": lambda: jump(-86400),
        "clock on a day": lambda: jump(86400),
        "power cut": service.restart,
    }


def soak(seconds: float, folder: Path, pause: float) -> dict[str, Any]:
    """Run it all; returns the record, with what was found at the end.

    Args:
        seconds: how long images are dropped, and on, if need be, until each fault was injected once.
        folder: an empty one.
        pause: seconds between two faults.
    """
    service = Service(folder)
    producer, reports = Producer(service.images), Reports(service.out)
    counts: Counter[str] = Counter()
    memory: list[float] = []
    recoveries: dict[str, list[float]] = {}
    injected = faults(service)
    while service.child() is None:
        service.check()
        time.sleep(0.1)
    start = time.monotonic()
    next_image, next_fault, next_sample = start, start + 2 * pause, start
    faulted, name, done = None, "", 0
    try:
        while (now := time.monotonic()) < start + seconds or (
            len(counts) < len(injected) and now < start + seconds + PATIENCE
        ):
            service.check()
            if now >= next_image:
                if producer.dropped - len(reports) < WAITING:
                    producer.drop()
                next_image += 1 / RATE
            if now >= next_fault and faulted is None:  # one at a time: the last one is over
                late = now > start + seconds / 2 and len(counts) == len(injected)
                names = GENTLE if late else tuple(injected)
                name = names[counts.total() % len(names)]
                injected[name]()
                counts[name] += 1
                next_fault = now + pause
                faulted = now if name != "disk full" else None
                done = reports.look()
            if now >= next_sample:
                memory.append(service.memory())
                next_sample += 1
            if reports.look() > done and faulted is not None:
                recoveries.setdefault(name, []).append(time.monotonic() - faulted)
                faulted = None
            time.sleep(0.05)
        injected["disk no longer full"]()
        end, before = time.monotonic() + PATIENCE, len(reports)
        while reports.look() < producer.dropped and time.monotonic() < end:
            service.check()
            if len(reports) > before:
                end, before = time.monotonic() + PATIENCE, len(reports)
            time.sleep(0.1)
        service.close()
    finally:
        service.process.kill()
    return {
        "machine": machine(),
        "minutes": round(seconds / 60, 2),
        "dropped": producer.dropped,
        "bad": producer.bad,
        "outcomes": dict(reports.outcomes),
        "lost": reports.lost(producer.dropped),
        "repeated": reports.repeated,
        "kept": sum(1 for _ in service.images.iterdir()),
        "faults": dict(counts),
        "recovery_seconds": recoveries,
        "memory": {**_drift(memory), "samples": [round(sample, 1) for sample in memory]},
    }


def _drift(samples: list[float]) -> dict[str, float]:
    """Memory of processes that nobody ended, in MiB, and its relative change: the second half of the samples.

    Of its quarters the first is for warming up; early is the second, late whichever later one is further from it.
    Medians, for a look may fall between two allocations.
    """
    half = samples[len(samples) // 2 :]
    quarter = max(1, len(half) // 4)
    early, third, fourth = (statistics.median(half[n * quarter : (n + 1) * quarter] or half[-1:]) for n in (1, 2, 3))
    late = max(third, fourth, key=lambda memory: abs(memory - early))
    return {"early": early, "late": late, "change": late / early - 1}


def verdict(result: dict[str, Any]) -> list[str]:
    """What is wrong with a result; nothing if all is well."""
    wrong = []
    if result["lost"]:
        wrong.append(f"expected no image lost, got {len(result['lost'])}: {', '.join(result['lost'][:5])}")
    if result["repeated"]:
        wrong.append(f"expected no image repeated, got {len(result['repeated'])}: {', '.join(result['repeated'][:5])}")
    if result["kept"] > KEEP:
        wrong.append(f"expected at most {KEEP} images kept, got {result['kept']}")
    if abs(result["memory"]["change"]) > FLAT:
        wrong.append(f"expected memory flat within {FLAT:.0%}, got {result['memory']['change']:+.1%}")
    return wrong


def markdown(result: dict[str, Any]) -> str:
    """A result as the section of the page."""
    memory, recoveries, outcomes = result["memory"], result["recovery_seconds"], result["outcomes"]
    rows = [
        ("images dropped, of which bad", f"{result['dropped']}, {result['bad']}"),
        ("reported, failed", f"{outcomes.get('reported', 0)}, {outcomes.get('failed', 0)}"),
        ("lost, repeated", f"{len(result['lost'])}, {len(result['repeated'])}"),
        *((f"fault: {name}", count) for name, count in result["faults"].items()),
        *((f"{name} to the next report, s: median, longest", _spread(found)) for name, found in recoveries.items()),
        (
            "memory of all processes in the second half, MiB: early, late",
            f"{memory['early']:.1f}, {memory['late']:.1f}",
        ),
        ("change of memory", f"{memory['change']:+.1%}"),
    ]
    head = f"{result['machine']}; {result['minutes']:g} minutes."
    return "\n".join([head, "", "| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)])


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f}, {max(seconds):.1f}"


def main(
    minutes: Annotated[float, typer.Option(help="How long images are dropped.")] = 60.0,
    pause: Annotated[float, typer.Option(help="Seconds between two faults.")] = 20.0,
    out: Annotated[Path | None, typer.Option("--json", help="Where to write the result.")] = None,
) -> None:
    """Work under faults, and end with 1 if an image was lost or repeated, or memory grew."""
    with TemporaryDirectory() as folder:
        result = soak(minutes * 60, Path(folder), pause)
    if out is not None:
        atomic.write(out, json.dumps(result, indent=1) + "\n")
    print(markdown(result))
    wrong = verdict(result)
    for line in wrong:
        print(line, file=sys.stderr)
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
