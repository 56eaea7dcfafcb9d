"""The real program in a child process, and what its answer says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge_mdda import image
from tests.conftest import draw

CHECKOUT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, "-m", "edge_mdda"]
# The cheapest purification there is: these tests are about what is around it.
CHEAP = ["--blocks", "1", "--iterations", "1", "--scales", "0"]
PICTURE = image.to_uint8(draw(50, 70))


def run(*arguments: str | Path, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=CHECKOUT, env={**os.environ, **environment})


def reports(process: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.stdout.splitlines()]


def errors(process: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Lines on standard error, each an error of ours and none a traceback's."""
    lines = process.stderr.decode().splitlines()
    assert all(line.startswith("edge-mdda: ") for line in lines), lines
    return lines


def refused(process: subprocess.CompletedProcess[bytes], code: int) -> str:
    """The one line on standard error of a run that ended with this code and printed no result."""
    (line,) = errors(process)
    assert process.returncode == code, line
    assert process.stdout == b""
    return line
