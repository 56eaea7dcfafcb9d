"""The sensors, read in the background while the board works."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from edge_mdda.device.sensors import Reading, Sensors

#: Seconds between two readings; on a Raspberry Pi one costs three short processes.
INTERVAL = 1.0


class Watch:
    """Readings with their times, from entering the context to leaving it; a class because a thread takes them.

    Power must be read while the work goes on, not between images, so this cannot be done by the thread that works.
    """

    def __init__(self, sensors: Sensors, interval: float = INTERVAL) -> None:
        self.readings: list[tuple[float, Reading]] = []
        self._sensors = sensors
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="edge-mdda-sensors", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def mean_watts(self) -> float | None:
        """Mean power of all readings; None where none has one."""
        known = [reading.watts for _, reading in self.readings if reading.watts is not None]
        return sum(known) / len(known) if known else None

    def _watch(self) -> None:
        while True:
            now = time.perf_counter()
            self.readings.append((now, self._sensors.read()))
            if self._ended.wait(max(0.0, self._interval - (time.perf_counter() - now))):
                return
