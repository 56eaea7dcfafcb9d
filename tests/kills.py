"""Work that is killed at a step on the disk that the test chooses, as a power cut would."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

#: What reaches the disk through `os`.
STEPS = ("open", "write", "fsync", "replace", "ftruncate", "unlink", "rmdir", "mkdir")


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a forked process that is killed at its n-th step; returns whether it came that far.

    Where the step is a write, every other kill comes after half of it.
    """
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def stepped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **keywords: Any) -> Any:
                if next(left, None) is None:
                    if name == "write" and step % 2:
                        real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **keywords)

            return call

        for name in STEPS:
            setattr(os, name, stepped(name, getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
