"""Which images are done: a file with a line of JSON for each, written before anything is said about it.

    {"name": file name, "sha256": of its content, null if it could not be read; "stamp": [bytes, time of the last change
     of its content, and of anything about it, in nanoseconds] as it was found; "outcome": "reported", "failed", or
     "dropped" for one that made room; "reason": why it failed, else null; "time": seconds since 1970, for people only}

The last line for a name counts. A line that a power cut cut short is taken off when the file is opened, and with it
nothing but the knowledge of an image whose report is written already (`edge_mdda.service.shelf`).
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from edge_mdda.errors import OutputError
from edge_mdda.ledger import Ledger

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
        self._entries: dict[str, Entry] = {}
        self._lines = 0
        self.damaged = 0
        self._ledger = Ledger(folder / "journal.jsonl")
        for line in self._ledger.lines():
            try:
                self._count(_from_line(line))
            except (ValueError, KeyError, TypeError, RecursionError):  # noqa: PERF203 – the others still count
                self.damaged += 1

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
        self._ledger.append(_to_line(entry))
        self._count(entry)
        if self._lines > 2 * len(self._entries) + _SUPERFLUOUS:
            self._compact()

    def close(self) -> None:
        """Close the file and give the lock back."""
        self._ledger.close()

    def forget(self, name: str) -> None:
        """Let an entry go, from the disk when the journal is written anew."""
        self._entries.pop(name, None)

    def _count(self, entry: Entry) -> None:
        self._lines += 1
        self._entries.pop(entry.name, None)  # for the order: the newest comes last
        if entry.outcome != "dropped":
            self._entries[entry.name] = entry

    def _compact(self) -> None:
        with suppress(OutputError):  # it stays as it is, and is tried again
            self._ledger.replace(map(_to_line, self._entries.values()))
            self._lines = len(self._entries)


def _to_line(entry: Entry) -> bytes:
    return json.dumps({**asdict(entry), "time": round(time.time(), 3)}).encode()


def _from_line(line: bytes) -> Entry:
    content = json.loads(line)
    size, content_changed, changed = (int(number) for number in content["stamp"])
    outcome = content["outcome"]
    if outcome not in ("reported", "failed", "dropped") or not isinstance(content["name"], str):
        raise ValueError(outcome)
    return Entry(content["name"], content["sha256"], (size, content_changed, changed), outcome, content["reason"])
