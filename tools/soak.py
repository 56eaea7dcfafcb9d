"""Continuous work of `edge-mdda watch` with faults injected: none lost, none repeated, memory flat.

    python -m tools.soak --minutes 60 --json deploy/soak.json

Images are dropped all the time, good ones (degraded copies of the samples) and bad ones; in turn the child is killed,
stopped (a hang), the whole service killed and started again (a power cut), its disk full, and the clock of the wall
set back and forth. Every image must get its report, which must never be written again; no more than --keep may stay;
and the memory of all processes together at the end must be that after the warm-up, within 5 %.

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
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from edge_mdda import image
from edge_mdda.service.shelf import FAILURE_SCHEMA, REPORT_ENDING
from tools import atomic
from tools.machine import machine

SAMPLES = Path(__file__).resolve().parents[1] / "models" / "samples"
FLAT = 0.05
# Images that are dropped a second: about what a Raspberry Pi 4 gets through.
RATE = 2.0
# Seconds until a hang is given up.
TIMEOUT = 5.0
# A faster producer than the service waits while so many wait.
WAITING = 20
# Images that stay, at least as many as are dropped between two looks at the reports.
KEEP = 200
_CLOCK = Path(__file__).with_name("wall_clock.c")


@dataclass
class Record:
    """What happened; memory in MiB, of all processes together (proportional set size), once a second."""

    dropped: int = 0
    bad: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)


class Service:
    """The real program over a folder; a class because it is killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.images, self.out = folder / "images", folder / "reports"
        self.images.mkdir()
        library = folder / "wall_clock.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, _CLOCK, "-ldl"], check=True)
        self._clock = folder / "clock"
        self.set_clock(0)
        self._environment = {**os.environ, "LD_PRELOAD": str(library), "WALL_CLOCK": str(self._clock)}
        self._log = (folder / "log").open("wb")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "edge_mdda", "watch", self.images, "--out", self.out]
        options = ["--threads", "1", "--timeout", str(TIMEOUT), "--keep", str(KEEP)]
        return subprocess.Popen(
            [*command, *options], stdout=self._log, stderr=self._log, env=self._environment, start_new_session=True
        )

    def set_clock(self, offset: int) -> None:
        """Let the service's clock of the wall be off by so many seconds; it stays the same file, which is mapped."""
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(struct.pack("=q", offset))

    def restart(self) -> None:
        """Kill it, as a power cut would, and start it again."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def processes(self) -> list[int]:
        """It and its descendants."""
        found = [self.process.pid]
        for pid in found:
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            except OSError:  # it is gone
                continue
            found += [int(child) for child in children]
        return found

    def child(self) -> int | None:
        """The process that runs the model: the one without children at the end of the line."""
        pids = self.processes()
        return pids[-1] if len(pids) >= 4 else None

    def memory(self) -> float:
        """MiB of all processes together, pages that they share counted once."""
        total = 0
        for pid in self.processes():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def close(self) -> None:
        """End it as systemd does."""
        self.process.terminate()
        self.process.wait(60)
        self._log.close()


class Reports:
    """The reports that came; a class because they are deleted again, and none may come twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, tuple[int, int]] = {}
        self.outcomes: Counter[str] = Counter()
        self.repeated: list[str] = []

    def look(self) -> int:
        """Take note of what is there; returns how many images have had their report so far."""
        for path in self._folder.glob(f"*{REPORT_ENDING}"):
            try:
                status = path.stat()
                file, name = (status.st_ino, status.st_mtime_ns), path.name.removesuffix(REPORT_ENDING)
                if name not in self._files:
                    failed = json.loads(path.read_bytes())["schema"] == FAILURE_SCHEMA
                    self.outcomes["failed" if failed else "reported"] += 1
                elif self._files[name] != file:
                    self.repeated.append(name)
                self._files[name] = file
            except FileNotFoundError:  # noqa: PERF203 – it made room
                continue
        return len(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def lost(self, dropped: int) -> list[str]:
        """Images that never had a report."""
        return [name for name in map(image_name, range(dropped)) if name not in self._files]


def image_name(number: int) -> str:
    """What the n-th image is called."""
    return f"{number:06}.jpg"


class Producer:
    """Drops images, each unlike all others; a class because it counts them."""

    def __init__(self, folder: Path, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._random = np.random.default_rng(0)
        self._samples = [image.decode(path.read_bytes()) for path in sorted(SAMPLES.glob("lesion*.png"))]

    def drop(self) -> None:
        """One image: every seventh bad, every fifth written slowly, in two parts."""
        number = self._record.dropped
        pixels = self._samples[number % len(self._samples)].astype(np.int16)
        noisy = np.clip(pixels + self._random.integers(-8, 9, pixels.shape), 0, 255).astype(np.uint8)
        content = image.encode_jpeg(noisy)
        if number % 7 == 6:
            self._record.bad += 1
            content = [b"no image", content[: len(content) // 2] + content[-2:], content[:2] + content[-2:]][number % 3]
        path = self._folder / image_name(number)
        with path.open("wb", buffering=0) as file:
            if number % 5 == 4:
                file.write(content[: len(content) // 2])
                time.sleep(0.1)
                content = content[len(content) // 2 :]
            file.write(content)
        self._record.dropped += 1


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
        seconds: how long images are dropped.
        folder: an empty one.
        pause: seconds between two faults.
    """
    record = Record()
    service = Service(folder)
    producer, reports = Producer(service.images, record), Reports(service.out)
    injected = faults(service)
    while service.child() is None:
        if service.process.poll() is not None:
            raise RuntimeError(f"expected a running service, got an end: {(folder / 'log').read_text()[-1000:]}")
        time.sleep(0.1)
    start = time.monotonic()
    next_image, next_fault, next_sample = start, start + 2 * pause, start
    faulted, done = None, 0
    try:
        while (now := time.monotonic()) < start + seconds:
            if now >= next_image:
                if record.dropped - len(reports) < WAITING:
                    producer.drop()
                next_image += 1 / RATE
            if now >= next_fault:
                name = list(injected)[sum(record.faults.values()) % len(injected)]
                injected[name]()
                record.faults[name] = record.faults.get(name, 0) + 1
                next_fault += pause
                faulted = now if name != "disk full" else None
                done = reports.look()
            if now >= next_sample:
                record.memory.append(service.memory())
                next_sample += 1
            if reports.look() > done and faulted is not None:
                record.recoveries.append(time.monotonic() - faulted)
                faulted = None
            time.sleep(0.05)
        injected["disk no longer full"]()
        end = time.monotonic() + 120
        while reports.look() < record.dropped and time.monotonic() < end:
            time.sleep(0.1)
        service.close()
    finally:
        service.process.kill()
    return {
        "machine": machine(),
        "minutes": round(seconds / 60, 2),
        "dropped": record.dropped,
        "bad": record.bad,
        "outcomes": dict(reports.outcomes),
        "lost": reports.lost(record.dropped),
        "repeated": reports.repeated,
        "kept": sum(1 for _ in service.images.iterdir()),
        "faults": record.faults,
        "recovery_seconds": record.recoveries,
        "memory": {**_drift(record.memory), "samples": [round(sample, 1) for sample in record.memory]},
    }


def _drift(samples: list[float]) -> dict[str, float]:
    """Memory after a first quarter of warming up and in the last one, in MiB, and its relative change.

    Medians, for a child that is away for a moment takes its memory with it.
    """
    quarter = max(1, len(samples) // 4)
    early, late = statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])
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
        (
            "from a fault to the next report, s: median, longest",
            f"{statistics.median(recoveries):.1f}, {max(recoveries):.1f}",
        ),
        ("memory of all processes, MiB: early, late", f"{memory['early']:.1f}, {memory['late']:.1f}"),
        ("change of memory", f"{memory['change']:+.1%}"),
    ]
    head = f"{result['machine']}; {result['minutes']:g} minutes."
    return "\n".join([head, "", "| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)])


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
