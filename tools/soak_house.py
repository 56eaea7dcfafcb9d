"""What a soak works on: the real service over a folder, what is dropped into it, and what comes out."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from edge_mdda import image
from edge_mdda.service.shelf import FAILURE_SCHEMA, REPORT_ENDING

SAMPLES = Path(__file__).resolve().parents[1] / "models" / "samples"
# Seconds until a hang is given up.
TIMEOUT = 5.0
#: Images that stay, at least as many as are dropped between two looks at the reports.
KEEP = 200
_CLOCK = Path(__file__).with_name("wall_clock.c")


def tree_of(pid: int) -> list[int]:
    """A process and its descendants, whichever threads started them; those that are gone are left out."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def memory_of(pids: list[int]) -> float:
    """MiB of processes together, pages that they share counted once (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


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
        self._log_path = folder / "log"
        self._log = self._log_path.open("wb")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "edge_mdda", "watch", self.images, "--out", self.out]
        options = ["--threads", "1", "--timeout", str(TIMEOUT), "--keep", str(KEEP)]
        return subprocess.Popen(
            [*command, *options], stdout=self._log, stderr=self._log, env=self._environment, start_new_session=True
        )

    def check(self) -> None:
        """Raise RuntimeError, with the end of its log, if it ended by itself."""
        code = self.process.poll()
        if code is not None:
            log = self._log_path.read_text()[-2000:]
            raise RuntimeError(f"expected a running service, got an end with {code}: {log}")

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
        return tree_of(self.process.pid)

    def child(self) -> int | None:
        """The process that runs the model: the one without children at the end of the line."""
        pids = self.processes()
        return pids[-1] if len(pids) >= 4 else None

    def memory(self) -> float:
        """MiB of all processes together, pages that they share counted once."""
        return memory_of(self.processes())

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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.dropped = self.bad = 0
        self._random = np.random.default_rng(0)
        self._samples = [image.decode(path.read_bytes()) for path in sorted(SAMPLES.glob("lesion*.png"))]

    def drop(self) -> None:
        """One image: every seventh bad, every fifth written slowly, in two parts."""
        number = self.dropped
        pixels = self._samples[number % len(self._samples)].astype(np.int16)
        noisy = np.clip(pixels + self._random.integers(-8, 9, pixels.shape), 0, 255).astype(np.uint8)
        content = image.encode_jpeg(noisy)
        if number % 7 == 6:
            self.bad += 1
            content = [b"no image", content[: len(content) // 2] + content[-2:], content[:2] + content[-2:]][number % 3]
        path = self._folder / image_name(number)
        with path.open("wb", buffering=0) as file:
            if number % 5 == 4:
                file.write(content[: len(content) // 2])
                time.sleep(0.1)
                content = content[len(content) // 2 :]
            file.write(content)
        self.dropped += 1
