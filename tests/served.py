"""`edge-mdda serve` as the device runs it: the real program in a child process, and a plain client."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from edge_mdda import image
from tests.program import CHECKOUT, PICTURE, PROGRAM

PNG = image.encode_png(PICTURE)


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log
        self.host, self.port = urlsplit(address).hostname or "", urlsplit(address).port or 0

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answered:
        """One request on a connection of its own; in the names of headers _ stands for -."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answered:
        return self.ask("GET", path, **headers)

    def assess(self, content: bytes = PNG, query: str = "", **headers: str) -> Answered:
        return self.ask("POST", f"/v1/assess{query}", content, **{"Content_Type": "image/png", **headers})

    def raw(self, content: bytes = b"") -> socket.socket:
        """A connection on which something was sent."""
        connection = socket.create_connection((self.host, self.port), timeout=60)
        connection.sendall(content)
        return connection

    def worker(self) -> int | None:
        """Process number of the worker: of all descendants the one that only the fork server has started."""
        for child in _children(self.process.pid):
            for grandchild in _children(child):
                return grandchild
        return None

    def metric(self, name: str) -> float | None:
        """The value of a metric, with its labels as they are written."""
        for line in self.get("/metrics").body.decode().splitlines():
            key, _, value = line.rpartition(" ")
            if key == name:
                return float(value)
        return None

    def wait_until_ready(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not self.get("/v1/health").json["ready"]:
            assert time.monotonic() < end, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)


@contextmanager
def served(*options: str | Path, ready: bool = True, **environment: str) -> Iterator[Served]:
    """A service on a free port of loopback, killed after the block."""
    with TemporaryDirectory() as folder:
        ready_file, log = Path(folder) / "ready", Path(folder) / "log"
        command = [*PROGRAM, "serve", "--port", "0", "--threads", "1", "--ready-file", ready_file, *options]
        with log.open("wb") as writing:
            process = subprocess.Popen(
                list(map(str, command)),
                stdout=subprocess.PIPE,
                stderr=writing,
                cwd=CHECKOUT,
                env={**os.environ, **environment},
            )
        try:
            end = time.monotonic() + 60
            while not ready_file.exists():
                assert time.monotonic() < end, log.read_text()
                assert process.poll() is None, log.read_text()
                time.sleep(0.02)
            service = Served(process, ready_file.read_text().strip(), log)
            if ready:
                service.wait_until_ready()
            yield service
        finally:
            process.kill()
            process.communicate()


def _children(pid: int) -> list[int]:
    """Children of a process, whichever of its threads started them."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found
