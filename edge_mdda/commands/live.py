"""`edge-mdda live`: a camera's newest frame, assessed again and again."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_mdda import terminal
from edge_mdda.assessor import Settings
from edge_mdda.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from edge_mdda.camera.live import Ask, View

#: As a file's name: standard output.
STANDARD_OUTPUT = Path("-")
#: What the program ends with after Ctrl-C.
INTERRUPTED = 130


@dataclass(frozen=True)
class Options:
    """The options of the command, checked."""

    settings: Settings
    size: tuple[int, int]
    loop: bool
    frames: int
    gate: bool
    window: bool
    jsonl: Path | None
    count: int | None
    seconds: float | None
    timeout: float

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 1000:
            raise ParameterError(f"expected --frames in [1, 1000], got {self.frames}")
        if self.count is not None and self.count < 1:
            raise ParameterError(f"expected --count of at least 1, got {self.count}")
        if self.seconds is not None and not self.seconds > 0:
            raise ParameterError(f"expected --seconds above 0, got {self.seconds:g}")
        if not 0.1 <= self.timeout <= 3600:
            raise ParameterError(f"expected --timeout in [0.1, 3600] seconds, got {self.timeout:g}")


def run(camera: str, options: Options) -> int:
    """Assess a camera's frames until it is stopped; returns the exit code.

    The model runs in a child process, as for `edge-mdda watch`: a crash or a hang of the runtime costs one frame, and
    a busy interpreter there does not keep the thread that grabs frames here waiting.

    Raises:
        EdgeMddaError: what ends it all: the model, the runtime, no camera to begin with, or the output.
    """
    # Read when OpenCV is imported, here: it would tell standard error each time that a lost camera is still not back.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    from edge_mdda.camera.live import Live
    from edge_mdda.camera.newest import Newest
    from edge_mdda.camera.source import find
    from edge_mdda.service.frames import FrameReporting
    from edge_mdda.service.supervisor import Supervisor

    stop = _Stop()
    with ExitStack() as stack:
        write = stack.enter_context(_Lines(options.jsonl)).write
        supervisor = Supervisor(
            FrameReporting(options.settings, options.frames, options.gate), deadline=options.timeout
        )
        stack.callback(supervisor.close)
        supervisor.start()
        newest = Newest(find(camera, options.size, options.loop))
        stack.callback(newest.close)
        view = _view(options)
        stack.callback(view.close)
        live = Live(
            camera,
            newest,
            _asking(supervisor.ask),
            view,
            on_answer=write,
            complain=terminal.complain,
            gate=options.gate,
            stopped=stop.asked,
        )
        live.run(count=options.count, seconds=options.seconds)
    counts = live.counts
    terminal.complain(f"{counts.answered} answered, {counts.refused} refused, {counts.failed} failed")
    if stop.signal == signal.SIGINT:
        terminal.complain("interrupted")
        return INTERRUPTED
    return 0


def _asking(ask: Callable[[bytes], Any]) -> Ask:
    from edge_mdda.camera.live import Found
    from edge_mdda.service.frames import pack

    def assess(pixels: Any, average: bool) -> Found:
        answer = ask(pack(pixels, average))
        for message in answer.warnings:
            terminal.complain(f"warning: {message}")
        report, sentences = (json.loads(part) for part in answer.parts)
        return Found(report, tuple(map(str, sentences)))

    return assess


def _view(options: Options) -> View:
    from edge_mdda.camera import view

    if options.window:
        from edge_mdda.camera import window

        missing = window.missing()
        if missing is None:
            return window.WindowView()
        terminal.complain(f"warning: {missing}")
    return view.NoView() if options.jsonl == STANDARD_OUTPUT else view.for_terminal(terminal.say)


class _Lines:
    """Reports as lines of a file or of standard output, each there as soon as it is; a class because it stays open."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = None
        if path is not None and path != STANDARD_OUTPUT:
            try:
                self._file = path.open("a", encoding="ascii")
            except OSError as error:
                raise OutputError(f"expected to write {path}, got: {error.strerror}") from None

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, report: Mapping[str, Any]) -> None:
        line = json.dumps(report, allow_nan=False)
        if self._path == STANDARD_OUTPUT:
            terminal.say(line)
        elif self._file is not None:
            try:
                print(line, file=self._file, flush=True)
            except OSError as error:
                raise OutputError(f"expected to write {self._path}, got: {error.strerror}") from None


class _Stop:
    """Whether SIGTERM or SIGINT came; a class because the signals' handler has to leave a mark."""

    def __init__(self) -> None:
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def asked(self) -> bool:
        return self.signal is not None

    def _handle(self, number: int, _: object) -> None:
        if self.signal is not None:  # asked twice: do not wait for the frame at hand
            sys.exit(128 + number)
        self.signal = number
