"""In place of a model in the child process: answers at once, or does what the request says. Loads nothing heavy."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time

from edge_mdda.errors import ImageError, ModelError
from edge_mdda.service.worker import Answer

#: What the supervisor preloads in place of the kernels.
NAME = __name__


def prepare():
    return answer


def answer(request: bytes) -> Answer:
    """What the request says, done; any other one is answered with a report of its length and itself as the figure."""
    if request == b"crash":
        ctypes.string_at(0)
    elif request == b"hang":
        ctypes.PyDLL(None).pause()  # as native code that keeps Python's lock
    elif request == b"killed once" and not os.path.exists(os.environ["STAND_IN_MARK"]):
        with open(os.environ["STAND_IN_MARK"], "w"):
            os.kill(os.getpid(), signal.SIGKILL)
    elif request == b"leave":
        os._exit(3)
    elif request == b"refuse":
        raise ImageError("expected an image, got this")
    elif request == b"exhaust":
        raise MemoryError
    report = {"length": len(request), "milliseconds": {"total": 1.0}, "schema": "edge-mdda/report/1"}
    return Answer([json.dumps(report).encode(), request], ["a warning"] if request == b"warn" else [])


def refuse_to_load():
    raise ModelError("expected a model, got none")


def crash_while_loading():
    ctypes.string_at(0)


def take_long_to_load():
    time.sleep(60)


def load_at_the_second_try():
    if not os.path.exists(os.environ["STAND_IN_MARK"]):
        with open(os.environ["STAND_IN_MARK"], "w"):
            os.kill(os.getpid(), signal.SIGKILL)
    return answer
