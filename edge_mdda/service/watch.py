"""The loop: every image that arrives in a folder is assessed once, whatever happens in between.

An image is done when its line is in the journal. The order is figure, report, line, each on the disk before the next:
cut off before the report, the image is assessed again, and nobody has seen a result; cut off after it, the report is
found to be of that content, and only the line is added.

One image is in memory at a time; the others wait in the folder, which has all the room there is. Where more than
`backlog` wait, the file BUSY exists until half of them are done, for whoever drops images to pause.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_mdda import output, terminal
from edge_mdda.errors import EdgeMddaError, ImageError, InferenceError, OutputError, UnwritableError
from edge_mdda.limits import MAX_BYTES
from edge_mdda.service import notify, shelf
from edge_mdda.service.arrivals import Arrival, Arrivals, stamp_of
from edge_mdda.service.journal import Entry, Journal, Outcome, Stamp
from edge_mdda.service.shelf import Shelf
from edge_mdda.service.worker import Answer

#: Where the service keeps its own files, in the folder of reports.
STATE = ".edge-mdda"
BUSY = "busy"
#: Seconds between two looks into the folder while nothing arrives.
INTERVAL = 0.25
# Seconds of work after which the folder is looked into again although images are waiting.
_ROUND = 1.0
# Seconds until a failed write is tried again: the first, and the longest.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

#: Assesses the bytes of an image; raises an ImageError or InferenceError where that is the image's fault.
Ask = Callable[[bytes], Answer]


class Watch:
    """One folder and what is known of its images; a class because the loop and its counts belong together.

    Args:
        arrivals: the folder where images arrive.
        target: the shelf for reports and figures.
        journal: of the two.
        ask: what assesses an image: answers with its report and its figure.
        state: folder for the file BUSY.
        keep: how many images stay, with reports and figures; older ones are deleted. None keeps all.
        backlog: how many may wait before BUSY says so.
        stopped: whether to end after the image at hand.
        on_done: called with the report of each image that is done.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        target: Shelf,
        journal: Journal,
        ask: Ask,
        *,
        state: Path,
        keep: int | None = None,
        backlog: int = 100,
        stopped: Callable[[], bool] = lambda: False,
        on_done: Callable[[dict[str, Any]], None] = lambda report: None,
    ) -> None:
        self._arrivals = arrivals
        self._shelf = target
        self._journal = journal
        self._ask = ask
        self._busy = state / BUSY
        self._keep = keep
        self._backlog = backlog
        self._stopped = stopped
        self._on_done = on_done
        self._counts = {"reported": 0, "failed": 0}
        self._said: set[str] = set()

    def run(self, *, once: bool = False) -> None:
        """Work until stopped; with `once`, until every image that is there is done.

        Raises:
            EdgeMddaError: what stops all of them: the model, the runtime, and with `once` a full disk.
        """
        known = self._names()
        if self._keep is None:
            # With --keep their reports are still to be deleted.
            for entry in self._journal.entries():
                if entry.name not in known:
                    self._journal.forget(entry.name)
        self._trim()
        while not self._stopped():
            waiting = {name: stamp for name, stamp in self._names().items() if self._is_new(name, stamp)}
            self._signal(len(waiting))
            worked = self._work(waiting, once)
            if once and not waiting:
                return
            if not worked:
                time.sleep(INTERVAL)

    def _work(self, waiting: dict[str, Stamp], once: bool) -> bool:
        """Process images for a while; returns whether there were any."""
        start = time.monotonic()
        worked = False
        for arrival in self._arrivals.complete(waiting):
            self._process(arrival, once)
            worked = True
            if self._stopped() or time.monotonic() - start > _ROUND:
                break
        return worked

    def _process(self, arrival: Arrival, once: bool) -> None:
        fault: EdgeMddaError | None = None
        content = digest = None
        try:
            content = _read(arrival)
            if content is None:
                return
            digest = hashlib.sha256(content).hexdigest()
        except ImageError as error:
            fault = error
        done = None if digest is None else self._done_before(arrival, digest)
        if done is not None:
            if self._persist(lambda: self._journal.append(done), once):
                self._trim()
            return

        figure = None
        file = None if digest is None else {"sha256": digest, "bytes": arrival.stamp[0]}
        if content is not None:
            try:
                report, figure = self._assess(arrival, content)
                report |= {"image": str(arrival.path), "file": file}
            except (ImageError, InferenceError) as error:
                fault = error
        if fault is not None:
            terminal.complain(f"{arrival.path}: {fault}")
            report = shelf.failure(arrival.path, file, fault)
        outcome: Outcome = "reported" if fault is None else "failed"
        line = Entry(arrival.name, digest, arrival.stamp, outcome, None if fault is None else str(fault))

        def write() -> None:
            nonlocal line
            if digest is None or self._shelf.outcome(arrival.name, digest) is None:
                try:
                    self._shelf.put(arrival.name, report, figure)
                except UnwritableError as error:  # it costs this image, which has no other place to be told of
                    terminal.complain(str(error))
                    line = replace(line, outcome="failed", reason=str(error))
            self._journal.append(line)

        if self._persist(write, once):
            self._counts[line.outcome] += 1
            self._trim()
            self._on_done(report)

    def _done_before(self, arrival: Arrival, digest: str) -> Entry | None:
        """The line to write for an image that only looks new."""
        before = self._journal[arrival.name]
        if before is not None and before.sha256 == digest:  # touched, or copied over itself
            return replace(before, stamp=arrival.stamp)
        outcome = self._shelf.outcome(arrival.name, digest)  # a power cut came between report and line
        return None if outcome is None else Entry(arrival.name, digest, arrival.stamp, outcome)

    def _assess(self, arrival: Arrival, content: bytes) -> tuple[dict[str, Any], bytes]:
        """The report and the figure.

        Raises:
            ImageError, InferenceError: there is none, by a fault of this image.
        """
        answer = self._ask(content)
        for warning in answer.warnings:
            terminal.complain(f"{arrival.path}: warning: {warning}")
        try:
            report, figure = answer.parts
            return dict(json.loads(report)), figure
        except (ValueError, TypeError, RecursionError):  # the process that runs the model may say anything
            raise InferenceError("expected a report and a figure, got something else") from None

    def _persist(self, write: Callable[[], None], once: bool) -> bool:
        """Write, again and again while the disk is full; returns False if stopped before it was done."""
        pause = _PAUSE
        while True:
            try:
                write()
                self._said.clear()
                return True
            except OutputError as error:
                if once:
                    raise
                trouble = f"{error}; trying again"
                self._complain_once(trouble)
            end = time.monotonic() + pause
            while time.monotonic() < end:
                if self._stopped():
                    return False
                notify.alive(trouble)
                time.sleep(INTERVAL)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _trim(self) -> None:
        """Delete the oldest images with all that belongs to them, as many as are too many.

        The line goes last: cut off in between, the same image is deleted to the end. What could not be deleted is tried
        again after the next image.
        """
        if self._keep is None:
            return
        entries = self._journal.entries()
        try:
            for entry in entries[: max(0, len(entries) - self._keep)]:
                self._shelf.remove(entry.name)
                self._arrivals.remove(entry.name, entry.stamp)
                self._journal.append(replace(entry, outcome="dropped"))
        except OutputError as error:
            self._complain_once(str(error))

    def _names(self) -> dict[str, Stamp]:
        try:
            return self._arrivals.names()
        except OSError as error:
            self._complain_once(f"expected a readable folder, got: {error.strerror}")
            return {}

    def _is_new(self, name: str, stamp: Stamp) -> bool:
        entry = self._journal[name]
        return entry is None or entry.stamp != stamp

    def _signal(self, waiting: int) -> None:
        """Tell systemd how it goes, and whoever drops images whether to pause."""
        notify.alive(f"{self._counts['reported']} reported, {self._counts['failed']} failed, {waiting} waiting")
        with suppress(OSError, OutputError):
            if waiting > self._backlog and not self._busy.exists():
                output.write(self._busy, f"{waiting}\n".encode())
            elif 2 * waiting <= self._backlog:
                self._busy.unlink(missing_ok=True)

    def _complain_once(self, trouble: str) -> None:
        if trouble not in self._said:
            terminal.complain(trouble)
        self._said.add(trouble)


def _read(arrival: Arrival) -> bytes | None:
    """The content of an image, None if the file is no longer as it was found.

    Raises:
        ImageError: it cannot be read, or is too large.
    """
    try:
        with arrival.path.open("rb") as file:
            before = stamp_of(os.fstat(file.fileno()))
            if before[0] > MAX_BYTES:
                raise ImageError(f"expected at most {MAX_BYTES} bytes, got {before[0]}")
            content = file.read(MAX_BYTES + 1)
            after = stamp_of(os.fstat(file.fileno()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImageError(f"expected a readable file, got: {error.strerror}") from None
    return content if before == after == arrival.stamp else None
