"""The line in front of the one worker: bounded, first come first served, and left by whoever goes away."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from edge_mdda.errors import InferenceError, TooLateError
from edge_mdda.server.problems import Problem
from edge_mdda.service.supervisor import Supervisor
from edge_mdda.service.worker import Answer

# How much the newest request counts in the mean time of one.
_MEMORY = 0.2


@dataclass(frozen=True)
class Served:
    """An answer of the worker, and the seconds in the line and with the worker it took."""

    answer: Answer
    waited: float
    worked: float


class Line:
    """The worker and those who wait for it; a class because the counts and the worker belong together.

    Everything happens on the event loop, but for the wait on the worker's pipe: that is done by one thread, whose queue
    is the line.

    Args:
        supervisor: of the worker.
        places: how many may wait while one is served.

    Attributes:
        failures: how often a worker crashed, or was ended because it was late.
    """

    def __init__(self, supervisor: Supervisor, places: int) -> None:
        self._supervisor = supervisor
        self._places = places
        self._thread = ThreadPoolExecutor(1, "edge-mdda-line")
        self._inside = 0
        self._seconds = 0.1
        self._closed = False
        self.failures = {"crashed": 0, "late": 0}

    @property
    def places(self) -> int:
        """How many may wait."""
        return self._places

    @property
    def worker(self) -> int | None:
        """Process number of the worker, None where there is none."""
        return self._supervisor.pid

    @property
    def waiting(self) -> int:
        """How many wait, without the one that is served."""
        return max(0, self._inside - 1)

    @property
    def ready(self) -> bool:
        """Whether there is a worker that has loaded its model."""
        return self._supervisor.ready and not self._closed

    @property
    def retry_after(self) -> int:
        """Seconds until the line, as it is, will have been served."""
        return max(1, math.ceil(self._inside * self._seconds))

    async def start(self) -> None:
        """Load the model, ahead of all that wait.

        Raises:
            EdgeMddaError: it cannot be loaded.
        """
        await asyncio.wrap_future(self._thread.submit(self._supervisor.start))

    async def ask(self, request: bytes, leaving: asyncio.Future[Any] | None = None) -> Served | None:
        """Wait in the line and be served; None where `leaving`, the caller's going away, was done before.

        Raises:
            Problem: the line is full, or closed.
            EdgeMddaError: what the worker answered.
        """
        if self._closed:
            raise Problem(503, "expected to be served, got the end of the service", retry_after=10)
        if self._inside > self._places:
            detail = f"expected at most {self._places} requests to wait, got one more: come again"
            raise Problem(503, detail, retry_after=self.retry_after)
        loop = asyncio.get_running_loop()
        arrived = time.perf_counter()
        self._inside += 1
        job = self._thread.submit(self._serve, request, arrived)
        # Counted when the thread is done with it, not when the caller leaves: the worker goes on until then.
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        answer = asyncio.wrap_future(job)
        try:
            await asyncio.wait({answer, leaving} if leaving else {answer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not answer.done():
                answer.cancel()  # which takes it out of the line, unless it is being served
        if not answer.cancelled():
            return answer.result()
        if self._closed:
            raise Problem(503, "expected to be served, got the end of the service", retry_after=10)
        return None

    def stop(self) -> None:
        """Send all away that wait; the one that is served goes on."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """Stop, wait for the one that is served, and end the worker."""
        self.stop()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self._supervisor.close()

    def _serve(self, request: bytes, arrived: float) -> Served:
        start = time.perf_counter()
        try:
            answer = self._supervisor.ask(request)
        except InferenceError as error:
            self.failures["late" if isinstance(error, TooLateError) else "crashed"] += 1
            if not self._closed:
                self._thread.submit(self._supervisor.start)  # for the next one not to wait for the model
            raise
        finally:
            end = time.perf_counter()
            self._seconds += _MEMORY * (end - start - self._seconds)
        return Served(answer, start - arrived, end - start)

    def _leave(self) -> None:
        self._inside -= 1
