"""The folder of results, in which a run can be cut off at any time, goes on, and grows.

    purified/NAME.png        the purified images, at the model's size
    .edge-mdda/batch.jsonl   what is done, a line of JSON each, written after the image is on the disk:

        {"run": what results depend on, see `edge_mdda.batch.work.identity`, with the seed; the first line}
        {"name": image, "sha256": of its content, "stamp": [bytes, times of its last changes in nanoseconds],
         "report": see `edge_mdda.batch.work.Outcome`, "purified": SHA-256 of the PNG, or null}
        {"name": image, "sha256": …, or null if it could not be read, "error": [kind, message]}
        {"file": name of a table, "sha256": of its content}

The last line for a name counts. Nothing is written over a file that such a line does not tell of.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from edge_mdda import output
from edge_mdda.errors import OutputError, ParameterError
from edge_mdda.ledger import Ledger

STATE, LEDGER, PURIFIED = ".edge-mdda", "batch.jsonl", "purified"
Stamp = tuple[int, int, int]


class Target:
    """One such folder, held by one process at a time; a class because it holds the ledger and what was read of it.

    Args:
        folder: new, empty, or one of an earlier run with the same `run`.
        run: what results depend on.

    Attributes:
        entries: the lines that count, by image.
        damaged: lines that could not be read and were passed over; their images are done again.

    Raises:
        ParameterError: another run's, or with files of something else.
        OutputError: another process has it, or it cannot be read or written.
    """

    def __init__(self, folder: Path, run: dict[str, Any]) -> None:
        self.folder = folder
        self.entries: dict[str, dict[str, Any]] = {}
        self.damaged = 0
        self._known: dict[Path, set[str]] = {}  # hashes of what this run wrote, or was about to
        try:
            others = sorted(os.listdir(folder)) if folder.exists() else []
        except OSError as error:
            raise ParameterError(f"expected a folder for results, got {folder}: {error.strerror}") from None
        if others not in ([], [STATE]) and not (folder / STATE / LEDGER).is_file():
            raise ParameterError(f"expected {folder} new, empty or of an earlier run, got one with {others[0]} in it")
        self._ledger = Ledger(folder / STATE / LEDGER)
        try:
            self._read(json.loads(json.dumps(run)))
            for inside, _, _ in os.walk(folder / PURIFIED):
                output.remove_leftovers(Path(inside))
            output.remove_leftovers(folder)
        except OutputError:
            self._ledger.close()
            raise
        except OSError as error:
            self._ledger.close()
            raise OutputError(f"expected a folder that can be written, got: {error.strerror}") from None
        except ParameterError:
            self._ledger.close()
            raise

    def close(self) -> None:
        """Give the folder back."""
        self._ledger.close()

    def is_done(self, name: str, *, stamp: Stamp | None = None, sha256: str | None = None) -> bool:
        """Whether there is a report of an image as it is now, by its stamp or its content, and its purified image."""
        entry = self.entries.get(name)
        if entry is None or "report" not in entry:
            return False
        same = entry["sha256"] == sha256 if stamp is None else entry["stamp"] == list(stamp)
        return same and (entry["purified"] is None or self.picture(name).is_file())

    def touch(self, name: str, stamp: Stamp) -> None:
        """Note that an image that is done has a new stamp."""
        self._append({**self.entries[name], "stamp": list(stamp)})

    def picture(self, name: str) -> Path:
        """Where the purified image is put."""
        return self.folder / PURIFIED / f"{name}.png"

    def keep(self, name: str, sha256: str, stamp: Stamp, report: dict[str, Any], purified: bytes | None) -> None:
        """Keep the report of an image and the purified image, a PNG; both are on the disk when this returns.

        Raises:
            OutputError: one of them cannot be written, or a file of something else is there.
        """
        digest, path = None, self.picture(name)
        if purified is not None:
            digest = hashlib.sha256(purified).hexdigest()
            self._known.setdefault(path, set()).add(digest)  # its own content, left by a run that was cut off
            self._check(path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"expected a folder {path.parent}, got: {error.strerror}") from None
            output.write(path, purified)
        line = {"name": name, "sha256": sha256, "stamp": list(stamp), "report": report, "purified": digest}
        self._append(line)

    def fail(self, name: str, sha256: str | None, error: tuple[str, str]) -> None:
        """Keep that there is no report of an image; the purified image of an earlier content is removed.

        Raises:
            OutputError: it cannot be written, or a file of something else is there.
        """
        path = self.picture(name)
        if self._known.get(path):
            self._check(path)
            try:
                path.unlink(missing_ok=True)
            except OSError as trouble:
                raise OutputError(f"expected to remove {path}, got: {trouble.strerror}") from None
        self._append({"name": name, "sha256": sha256, "error": list(error)})

    def put(self, name: str, content: bytes) -> None:
        """Write a table or a drawing.

        Raises:
            OutputError: it cannot be written, or a file of something else is there.
        """
        path = self.folder / name
        self._check(path)
        # The line first: cut off in between, the next run knows the file.
        self._append({"file": name, "sha256": hashlib.sha256(content).hexdigest()})
        output.write(path, content)

    def _check(self, path: Path) -> None:
        if path.is_symlink() or (path.exists() and _digest(path) not in self._known.get(path, ())):
            raise OutputError(f"expected to write {path}, got a file there that is not of this run: move it away")

    def _read(self, run: dict[str, Any]) -> None:
        lines = self._ledger.lines()
        if not lines:
            self._append({"run": run})
            return
        try:
            before = json.loads(lines[0])["run"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise OutputError(f"expected a run in {self.folder / STATE / LEDGER}, got a damaged line") from None
        if before != run:
            raise ParameterError(f"expected to go on with the run of {self.folder}, got {_difference(before, run)}")
        for line in lines[1:]:
            try:
                self._count(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):  # noqa: PERF203 – the others still count
                self.damaged += 1

    def _append(self, line: dict[str, Any]) -> None:
        self._ledger.append(json.dumps(line).encode())
        self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        if "file" in line:
            self._known.setdefault(self.folder / line["file"], set()).add(line["sha256"])
        elif "name" in line:
            if line.get("purified"):
                self._known.setdefault(self.picture(line["name"]), set()).add(line["purified"])
            self.entries[line["name"]] = line


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise OutputError(f"expected to write {path}, got: {error.strerror}") from None


def _difference(before: Any, now: Any, name: str = "") -> str:
    """What of two runs differs, as "seed 1 in place of 0"."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        found = (_difference(before.get(key), now.get(key), f"{name} {key}".strip()) for key in keys)
        return ", ".join(each for each in found if each)
    return "" if before == now else f"{name} {now} in place of {before}"
