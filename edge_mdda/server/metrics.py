"""How the service does, for Prometheus: counts, latencies by stage, the line, the worker, the board, alarms.

Times are in seconds, as Prometheus wants them. What a board does not tell is not exposed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from edge_mdda.device.sensors import Reading, Sensors
from edge_mdda.device.system import System
from edge_mdda.server.events import Events
from edge_mdda.server.line import Line

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "edge_mdda"
EVENTS = "/v1/events"
#: Seconds that a reading of the sensors is good for: on a Raspberry Pi one costs three short processes.
FRESH = 2.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Different values of a label at most: the worker, which may be anybody's, names some of them.
_VALUES = 64
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """Everything that is counted; a class because the counts belong to one service, not to the process.

    Args:
        line: to the worker.
        events: and who listens to them.
        sensors: of the board.

    Attributes:
        answered: requests that are over.
    """

    def __init__(self, line: Line, events: Events, sensors: Sensors | None = None) -> None:
        self._line = line
        self._events = events
        self._sensors = Sensors(System()) if sensors is None else sensors
        self._reading: tuple[float, Reading] | None = None
        self._lock = threading.Lock()
        self.answered = 0
        self._values: dict[str, set[str]] = {}
        # They are a line for each count, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace=PREFIX, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, namespace=PREFIX, registry=registry, buckets=_BUCKETS)

        self._requests = counter("requests", "Requests that were answered, by path and status.", "path", "status")
        self._seconds = histogram("request_seconds", "From a request's head to the end of its answer.", "path")
        self._stages = histogram("stage_seconds", "Time of an image by stage; wait is that in the line.", "stage")
        self._answers = counter("answers", "Answers by class; abstained where none was given.", "answer")
        self._alarms = counter("alarms", "Images that rang the attack alarm.")
        self._warnings = counter("quality_warnings", "Warnings of the quality of images, by name.", "name")
        self._archived = counter("archived", "Images that were archived.")
        registry.register(self)  # a collector is whatever has `collect`

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that is over; status 0 where the client went away."""
        self.answered += 1
        self._requests.labels(path, str(status)).inc()
        if path != EVENTS:  # as long as its listener likes
            self._seconds.labels(path).observe(seconds)

    def waited(self, seconds: float) -> None:
        """Note the time somebody was in the line."""
        self._stages.labels("wait").observe(seconds)

    def stages(self, milliseconds: dict[str, Any]) -> None:
        """Note the time of the stages of an image."""
        for stage, value in milliseconds.items():
            if isinstance(value, (int, float)):
                self._stages.labels(self._known("stage", stage)).observe(value / 1000)

    def report(self, report: dict[str, Any]) -> None:
        """Count what a report says.

        Raises:
            KeyError, TypeError, AttributeError: it is none.
        """
        answer = report["answer"]
        self._answers.labels("abstained" if answer["abstained"] else self._known("answer", str(answer["class"]))).inc()
        if report["alarm"] is not None and report["alarm"]["flag"]:
            self._alarms.inc()
        for warning in (report.get("quality") or {}).get("warnings", ()):
            self._warnings.labels(self._known("name", str(warning["name"]))).inc()
        self.stages(report["milliseconds"])

    def archived(self) -> None:
        """Count an image that was archived."""
        self._archived.inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is looked up when it is asked for; called by the registry."""
        line, reading = self._line, self._read()
        yield _gauge("queue_length", "Requests that wait in the line.", line.waiting)
        yield _gauge("queue_places", "Places in the line.", line.places)
        yield _gauge("listeners", "Clients that listen to events.", self._events.listeners)
        yield _gauge("worker_ready", "Whether a worker has loaded the model.", int(line.ready))
        failures = CounterMetricFamily(f"{PREFIX}_worker_failures", "Workers that ended.", labels=["how"])
        for how, count in line.failures.items():
            failures.add_metric([how], count)
        yield failures
        resident = _resident_bytes(line.worker)
        if resident is not None:
            yield _gauge("worker_resident_memory_bytes", "Memory of the worker.", resident)
        if reading.temperature_c is not None:
            yield _gauge("temperature_celsius", "Temperature of the processor.", reading.temperature_c)
        if reading.clock_mhz is not None:
            yield _gauge("clock_hertz", "Clock of the fastest core.", reading.clock_mhz * 1e6)
        if reading.watts is not None:
            yield _gauge("power_watts", "Power drawn.", reading.watts)
        if reading.flags is not None:
            yield _gauge("throttled", "Whether something slows the board down.", int(bool(reading.flags)))
            reasons = GaugeMetricFamily(f"{PREFIX}_throttling_reason", "What slows it down.", labels=["reason"])
            for flag in reading.flags:
                reasons.add_metric([flag], 1)
            yield reasons

    def _read(self) -> Reading:
        with self._lock:
            now = time.monotonic()
            if self._reading is None or now - self._reading[0] > FRESH:
                self._reading = (now, self._sensors.read())
            return self._reading[1]

    def _known(self, label: str, value: str) -> str:
        """The value of a label, or "other" where there are too many."""
        values = self._values.setdefault(label, set())
        if len(value) <= _VALUES and (value in values or len(values) < _VALUES):
            values.add(value)
            return value
        return "other"


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _resident_bytes(pid: int | None) -> int | None:
    """Resident memory of a process, from /proc/PID/statm (proc(5)): pages, the second field."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * _PAGE_SIZE
    except (OSError, ValueError, IndexError):
        return None
