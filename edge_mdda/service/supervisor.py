"""Keeps a child process that answers requests: a crash or a hang in it costs one request, and the next one goes on."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from edge_mdda import errors
from edge_mdda.errors import EdgeMddaError, InferenceError, ModelError, TooLateError
from edge_mdda.service import worker
from edge_mdda.service.worker import Answer, Prepare

#: Seconds an answer may take. A Raspberry Pi Zero 2 W is far below it, even with the largest image that is accepted.
DEADLINE = 20.0
#: Seconds that loading the model may take; the kernels are loaded already.
START_DEADLINE = 30.0
# Somebody else may kill a child, as the kernel does when memory is short: while it loads, this often, it is replaced.
_STARTS = 3
# Seconds that a killed child has to be gone; one that hangs in the kernel, in a driver, is left there.
_PARTING = 1.0
# The child ends itself this much later than it is ended, in seconds, if nobody is there to do it.
_GRACE = 1.0
#: An answer's part is a report or a figure, in bytes.
_MAX_PART = 64 * 2**20
_KILLED = "a crash (SIGKILL)"

PRELOAD = "edge_mdda.service.preload"


class Supervisor:
    """A child process and the way to it; a class because the process outlives a request. Not safe across threads.

    The child is forked from a third process, which has loaded the kernels and started no thread (`multiprocessing`'s
    fork server), so the next one is there as soon as its model is loaded, and this one stays small.

    Args:
        prepare: what the child calls to load what it needs; it must be importable by name.
        deadline: seconds that an answer may take.
        start_deadline: seconds that loading may take.
        preload: module that the fork server imports; the first supervisor of a process decides.
    """

    def __init__(
        self,
        prepare: Prepare,
        *,
        deadline: float = DEADLINE,
        start_deadline: float = START_DEADLINE,
        preload: str = PRELOAD,
    ) -> None:
        self._prepare = prepare
        self._deadline = deadline
        self._start_deadline = start_deadline
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload])
        self._child: _Child | None = None
        self._loaded = False

    @property
    def ready(self) -> bool:
        """Whether there is a child that has loaded what it needs."""
        return self._child is not None and self._loaded

    @property
    def pid(self) -> int | None:
        """Process number of the child, None where there is none."""
        child = self._child
        return None if child is None else child.pid

    def start(self) -> None:
        """Start the child and wait until it has loaded what it needs; nothing happens if it is there already.

        Raises:
            EdgeMddaError: what the child raised while it loaded.
            ModelError: it crashed or hung.
        """
        if self._child is not None:
            return
        for _ in range(_STARTS):
            connection, other = self._context.Pipe()
            process = self._context.Process(
                target=worker.serve, args=(other, self._prepare, self._deadline + _GRACE), daemon=True
            )
            process.start()
            other.close()
            self._child = child = _Child(process, connection)
            try:
                child.exchange(None, self._start_deadline)
                self._loaded = True
                return
            except EdgeMddaError:
                self.close()
                raise
            except (EOFError, OSError):
                ending = child.ending(self._start_deadline)
                self.close()
                if ending != _KILLED:
                    break
        raise ModelError(f"expected a model that a process can load, got {ending}")

    def ask(self, request: bytes) -> Answer:
        """Send a request to the child and wait for its answer.

        A child that somebody else ended, as the kernel does when memory is short, is asked once more.

        Raises:
            TooLateError: the child did not answer in time. The next request gets a new one.
            InferenceError: it crashed; so does that.
            ModelError: no child could be started.
            EdgeMddaError: what the child raised, an ImageError as a rule.
        """
        for _ in range(2):
            self.start()
            child = self._child
            assert child is not None
            try:
                return child.exchange(request, self._deadline)
            except (EOFError, OSError):
                ending, late = child.ending(self._deadline), child.timed_out
                self.close()
                if ending != _KILLED:
                    break
        raise (TooLateError if late else InferenceError)(f"expected an answer, got {ending}")

    def close(self) -> None:
        """End the child, at once; a later request starts another."""
        if self._child is not None:
            self._child.end()
        self._child = None
        self._loaded = False


class _Child:
    """One child process and the pipe to it; a class because they come and go together."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.process = process
        self.pid = process.pid
        self._connection = connection
        self.timed_out = False

    def exchange(self, request: bytes | None, deadline: float) -> Answer:
        """A request and its answer. At the deadline the child is killed, which ends what this waits for.

        Raises:
            EOFError, OSError: the child ended, or answered nonsense.
            EdgeMddaError: what it raised.
        """
        end = time.monotonic() + deadline
        timer = threading.Timer(deadline, self._give_up)
        timer.daemon = True
        timer.start()

        def receive() -> bytes:
            # A child that hangs in the kernel outlives its killing for a while, and so does its end of the pipe.
            if not self._connection.poll(max(0.0, end - time.monotonic())):
                self._give_up()
                raise EOFError
            return self._connection.recv_bytes(_MAX_PART)

        try:
            if request is not None:
                self._connection.send_bytes(request)
            parts, warnings = _parse(receive())
            return Answer([receive() for _ in range(parts)], warnings)
        finally:
            timer.cancel()
            timer.join()

    def ending(self, deadline: float) -> str:
        """How the child ended."""
        if self.timed_out:
            return f"none within {deadline:g} s"
        self.process.join(_PARTING)  # its end of the pipe closes a little before it is gone
        code = self.process.exitcode
        if code is None:
            return "no valid one"
        if code < 0:
            with suppress(ValueError):
                return f"a crash ({signal.Signals(-code).name})"
        return f"an end with code {code}"

    def end(self) -> None:
        """Kill the child, if it is still there."""
        self._connection.close()
        self.process.kill()
        self.process.join(_PARTING)
        if self.process.exitcode is not None:
            self.process.close()

    def _give_up(self) -> None:
        self.timed_out = True
        self.process.kill()


def _parse(header: bytes) -> tuple[int, list[str]]:
    """How many parts follow, and the warnings.

    Raises:
        EdgeMddaError: the error it carries.
        OSError: it is none.
    """
    try:
        content = json.loads(header)
        if "error" in content:
            kind = getattr(errors, str(content["error"]), None)
            message = str(content["message"])
        else:
            parts, warnings = int(content["parts"]), [str(line) for line in content["warnings"]]
            if 0 <= parts <= 8:
                return parts, warnings
            raise ValueError(parts)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OSError("not a header") from None
    if isinstance(kind, type) and issubclass(kind, EdgeMddaError):
        raise kind(message)
    raise OSError("not an error of ours")
