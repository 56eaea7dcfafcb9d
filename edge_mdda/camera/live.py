"""The loop: the newest frame is assessed as soon as the one before it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mdda.camera.newest import Frame, Newest
from edge_mdda.errors import ImageError, InferenceError
from edge_mdda.quality import ADVICE, STILL, movement

# Seconds that a frame is waited for before the loop looks whether it should end.
_WAIT = 0.2


@dataclass(frozen=True)
class Found:
    """What was found on one frame: the report, as its JSON is, and the sentences that say it to a person."""

    report: Mapping[str, Any]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """What is to be seen of one moment.

    Attributes:
        frame: the newest frame, None where no camera is there.
        found: the answer to it, None where there is none.
        sentences: the answer, or why there is none.
        status: frame number, age, what was dropped: one line.
    """

    frame: Frame | None
    found: Found | None
    sentences: tuple[str, ...]
    status: str


class View(Protocol):
    """Shows a person what happens."""

    def show(self, sight: Sight) -> None: ...

    def closed(self) -> bool:
        """Whether the person wants no more of it."""

    def close(self) -> None: ...


#: Assesses a frame, and averages it with others if it may; raises an ImageError or an InferenceError where that cannot
#: be done with this one.
Ask = Callable[[NDArray[np.uint8], bool], Found]


@dataclass
class Counts:
    """What became of the frames that were taken; a class because the loop counts as it goes.

    Attributes:
        answered: got an answer.
        refused: got none, because of how they were taken.
        failed: got none, because the process that assesses ended or hung, or could not use them.
    """

    answered: int = 0
    refused: int = 0
    failed: int = 0


class Live:
    """One camera and what is made of its frames; a class because the loop and its counts belong together.

    Args:
        name: what reports call the camera.
        newest: the camera.
        ask: what assesses a frame.
        view: what a person sees.
        on_answer: called with each report that is an answer, its key "live" saying of which frame.
        complain: called with what went wrong over a frame, and with why the camera was lost.
        gate: whether frames whose quality warns, or that moved since the one right before them, get no answer.
        stopped: whether to end after the frame at hand.
    """

    def __init__(
        self,
        name: str,
        newest: Newest,
        ask: Ask,
        view: View,
        *,
        on_answer: Callable[[Mapping[str, Any]], None],
        complain: Callable[[str], None],
        gate: bool,
        stopped: Callable[[], bool],
    ) -> None:
        self._name = name
        self._newest = newest
        self._ask = ask
        self._view = view
        self._on_answer = on_answer
        self._complain = complain
        self._gate = gate
        self._stopped = stopped
        self._trouble: str | None = None
        self.counts = Counts()

    def run(self, *, count: int | None = None, seconds: float | None = None) -> None:
        """Go on until the recording is over, it is stopped, or there were so many answers or seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        while not (self._stopped() or self._view.closed()):
            left = _WAIT if end is None else min(_WAIT, end - time.monotonic())
            if left <= 0 or (count is not None and self.counts.answered >= count):
                return
            frame = self._newest.take(left)
            self._watch_camera()
            if frame is not None:
                self._answer(frame)
            elif self._newest.ended:
                return

    def _watch_camera(self) -> None:
        """Say once that the camera was lost, and once that it is back."""
        trouble = self._newest.trouble
        if (trouble is None) != (self._trouble is None):
            message = f"{trouble}; looking for it" if trouble else "the camera is back"
            self._complain(f"{self._name}: {message}")
            if trouble:
                self._view.show(Sight(None, None, (f"No camera: {trouble}.",), "looking for it"))
        self._trouble = trouble

    def _answer(self, frame: Frame) -> None:
        steady = not self._gate or frame.before is None or movement(frame.before, frame.pixels) <= STILL
        try:
            found = self._ask(frame.pixels, steady)
        except (ImageError, InferenceError) as error:
            self.counts.failed += 1
            self._complain(f"{self._name}, frame {frame.number}: {error}")
            self._show(frame, None, (f"No answer: {error}.",))
            return
        faults = [fault["message"] for fault in found.report["quality"]["warnings"]]
        if not (steady or faults):  # what is dark or blurred throughout seems to move too: its own hints come first
            faults = [ADVICE["motion"]]
        if self._gate and faults:
            self.counts.refused += 1
            self._show(frame, None, tuple(f"No answer: {fault}." for fault in faults))
            return
        self.counts.answered += 1
        moment = self._moment(frame)
        self._show(frame, found, found.sentences, moment)
        self._on_answer({**found.report, "image": self._name, "live": moment})

    def _moment(self, frame: Frame) -> dict[str, Any]:
        now, counts = time.time(), self.counts
        return {
            "frame": frame.number,
            "captured": _stamp(frame.captured),
            "answered": _stamp(now),
            "age": round((time.monotonic() - frame.clock) * 1000, 3),
            "dropped": frame.dropped,
            "reconnects": self._newest.reconnects,
            "counts": {"answered": counts.answered, "refused": counts.refused, "failed": counts.failed},
        }

    def _show(
        self, frame: Frame, found: Found | None, sentences: tuple[str, ...], moment: Mapping[str, Any] | None = None
    ) -> None:
        moment = moment or self._moment(frame)
        averaged = f", mean of {found.report['frames']} frames" if found and found.report["frames"] > 1 else ""
        status = f"frame {frame.number}, {moment['age']:.0f} ms old{averaged}, {frame.dropped} dropped"
        self._view.show(Sight(frame, found, sentences, status))


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
