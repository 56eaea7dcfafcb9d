"""Which images are done: a file with a line of JSON for each, written before anything is said about it.

    {"name": file name, "sha256": of its content, null if it could not be read; "stamp": [bytes, time of the last change
     of its content, and of anything about it, in nanoseconds] as it was found; "outcome": "reported", "failed", or
     "dropped" for one that made room; "reason": why it failed, else null; "time": seconds since 1970, for people only}

The last line for a name counts. A line that a power cut cut short is taken off when the file is opened, and with it
nothing but the knowledge of an image whose report is written already (`edge_mdda.service.shelf`).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from edge_mdda import output
from edge_mdda.errors import OutputError

Stamp = tuple[int, int, int]
Outcome = Literal["reported", "failed", "dropped"]
# Lines that no longer count before the file is written anew without them: at most about 100 kB.
_SUPERFLUOUS = 500


@dataclass(frozen=True)
class Entry:
    """What happened to one image; the fields are those of a line."""

    name: str
    sha256: str | None
    stamp: Stamp
    outcome: Outcome
    reason: str | None = None


class Journal:
    """The journal of one folder, locked while it is open; a class because it holds the lock and what was read.

    Args:
        folder: where the journal is kept; it is made if it is missing.

    Attributes:
        damaged: lines that could not be read and were passed over.

    Raises:
        OutputError: another process has it, or it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.jsonl"
        self._entries: dict[str, Entry] = {}
        self._lines = 0
        self.damaged = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise OutputError(f"expected one process at a time in {folder}, got another at work") from None
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            self._read()
            output.sync_folder(folder)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"expected a journal in {folder}, got: {error.strerror}") from None

    def __getitem__(self, name: str) -> Entry | None:
        """The entry of a file name, None if it has none."""
        return self._entries.get(name)

    def entries(self) -> list[Entry]:
        """The entries that count, the oldest first."""
        return list(self._entries.values())

    def append(self, entry: Entry) -> None:
        """Add an entry; it is on the disk when this returns, or the journal is as it was.

        Raises:
            OutputError: it cannot be written.
        """
        content = _to_line(entry)
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, content)
            if written < len(content):
                raise OSError(28, "No space left on device")
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, end)
            raise OutputError(f"expected to write {self._path}, got: {error.strerror}") from None
        self._count(entry)
        if self._lines > 2 * len(self._entries) + _SUPERFLUOUS:
            self._compact()

    def close(self) -> None:
        """Close the file and give the lock back."""
        os.close(self._file)
        os.close(self._lock)

    def forget(self, name: str) -> None:
        """Let an entry go, from the disk when the journal is written anew."""
        self._entries.pop(name, None)

    def _read(self) -> None:
        with open(self._path, "rb") as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        for line in content[:whole].splitlines():
            try:
                self._count(_from_line(line))
            except (ValueError, KeyError, TypeError, RecursionError):  # noqa: PERF203 – the others still count
                self.damaged += 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
            os.fsync(self._file)

    def _count(self, entry: Entry) -> None:
        self._lines += 1
        self._entries.pop(entry.name, None)  # for the order: the newest comes last
        if entry.outcome != "dropped":
            self._entries[entry.name] = entry

    def _compact(self) -> None:
        with suppress(OutputError):  # it stays as it is, and is tried again
            output.write(self._path, b"".join(map(_to_line, self._entries.values())))
            replaced = os.open(self._path, os.O_RDWR)
            os.close(self._file)
            self._file = replaced
            self._lines = len(self._entries)


def _to_line(entry: Entry) -> bytes:
    return json.dumps({**asdict(entry), "time": round(time.time(), 3)}).encode() + b"\n"


def _from_line(line: bytes) -> Entry:
    content = json.loads(line)
    size, content_changed, changed = (int(number) for number in content["stamp"])
    outcome = content["outcome"]
    if outcome not in ("reported", "failed", "dropped") or not isinstance(content["name"], str):
        raise ValueError(outcome)
    return Entry(content["name"], content["sha256"], (size, content_changed, changed), outcome, content["reason"])
