"""The child process that assesses images: the only one that decodes pixels and runs a model.

On a pipe it first says that it is ready, then answers each request, the bytes of an encoded image or of a frame
(`frames`), with a header in JSON and the parts it announces. The parent never unpickles what comes from here: a hostile
model may have taken over.

    {"parts": number of messages that follow, "warnings": [lines that native libraries wrote]}
    {"error": name of a class of `edge_mdda.errors`, "message": its text}
"""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from edge_mdda.assessor import Assessor, Settings
from edge_mdda.errors import EdgeMddaError, ImageError

# Above the parent's, so that the kernel, short of memory, ends this process and not the one that starts a new one.
_OOM_SCORE = "500"


@dataclass(frozen=True)
class Answer:
    """What one request is answered with."""

    parts: list[bytes]
    warnings: list[str] = field(default_factory=list)


#: Loads what is needed and returns the function that answers a request; it is sent to the child by its name.
Prepare = Callable[[], Callable[[bytes], Answer]]


@dataclass(frozen=True)
class Reporting:
    """Loads a model and answers an image with its report, a line of JSON, and the figure, a PNG image.

    A class because a closure cannot be sent to the child.
    """

    settings: Settings

    def __call__(self) -> Callable[[bytes], Answer]:
        from edge_mdda.figure import to_png

        assessor = Assessor(self.settings)

        def answer(content: bytes) -> Answer:
            report, messages = assessor.assess(content)
            return Answer([report.to_json().encode(), to_png(report)], messages)

        return answer


def serve(connection: Connection, prepare: Prepare, deadline: float) -> None:
    """Answer requests until the other end is closed.

    Args:
        connection: to the parent.
        prepare: loads what is needed.
        deadline: seconds after which the kernel ends this process over one request, parent or no parent: one that hangs
            in native code runs no Python that could.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent too, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the image
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):  # the parent is gone
        try:
            answer = prepare()
        except EdgeMddaError as error:
            _send_error(connection, error)
            return
        _send(connection, Answer([]))
        while True:
            request = connection.recv_bytes()
            signal.setitimer(signal.ITIMER_REAL, deadline)
            try:
                _send(connection, answer(request))
            except EdgeMddaError as error:
                _send_error(connection, error)
            except MemoryError:
                _send_error(connection, ImageError("expected enough memory for this image, got too little"))
            signal.setitimer(signal.ITIMER_REAL, 0)


def _send(connection: Connection, answer: Answer) -> None:
    connection.send_bytes(json.dumps({"parts": len(answer.parts), "warnings": answer.warnings}).encode())
    for part in answer.parts:
        connection.send_bytes(part)


def _send_error(connection: Connection, error: EdgeMddaError) -> None:
    connection.send_bytes(json.dumps({"error": type(error).__name__, "message": str(error)}).encode())
