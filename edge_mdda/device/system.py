"""The files and the commands of the machine that is looked at."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

#: Runs a command and returns its standard output; None where there is no such command, or it failed.
Runner = Callable[[Sequence[str]], "str | None"]

#: Seconds; a firmware that hangs must not hang the profile.
TIMEOUT = 5


def run(command: Sequence[str]) -> str | None:
    """Standard output of a command, in the C locale; None where it is not installed, fails or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


class System:
    """A machine; a class because a test's machine is a folder of recorded files and a table of recorded outputs.

    Args:
        root: what its `/` is.
        run: what runs its commands.
    """

    def __init__(self, root: Path | str = "/", run: Runner = run) -> None:
        self.root = Path(root)
        self._run = run

    def read(self, path: str) -> str | None:
        """Text of a file without the white space and the zero bytes around it; None where it cannot be read."""
        try:
            content = (self.root / path.lstrip("/")).read_bytes()
        except OSError:  # also what the kernel answers for a sensor that sleeps
            return None
        return content.decode(errors="replace").strip("\0 \t\r\n")

    def number(self, path: str) -> float | None:
        """The number a file holds; None where there is none."""
        text = self.read(path)
        try:
            number = math.nan if text is None else float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def glob(self, pattern: str) -> list[str]:
        """Paths that match, from this machine's `/` on, those with numbers in their order: cpu2 before cpu10."""
        found = [f"/{path.relative_to(self.root)}" for path in self.root.glob(pattern.lstrip("/"))]
        return sorted(found, key=lambda path: (len(path), path))

    def command(self, *command: str) -> str | None:
        """Standard output of a command; None where there is no such command, or it failed."""
        return self._run(command)
