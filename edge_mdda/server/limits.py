"""What a client may ask of the service at most; beyond it the service says so, and which limit it was."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mdda.errors import ParameterError
from edge_mdda.limits import MAX_BYTES, MAX_PIXELS, MIN_SIDE

#: Whoever listens to events, at most; one more is answered with 503.
MAX_LISTENERS = 16
#: Seconds between two signs of life to systemd, far below any watchdog.
SIGN_OF_LIFE = 5


@dataclass(frozen=True)
class Limits:
    """The limits of the service, each with the status it is answered with.

    Attributes:
        body: bytes of a request's body: 413. All bodies in memory together may be `queue` + 1 times that: 503.
        pixels: of an image: 413.
        purified_pixels: of an image that is purified at its own size: 413. That takes 128 bytes a pixel or more.
        queue: requests that wait while one is worked on: 503 with Retry-After.
        timeout: seconds that the work on one image may take: 504.
        upload: seconds in which a body must be there: 408; in which the head of a request must be there, for which the
            connection is closed.
        connections: at once: 503.

    Raises:
        ParameterError: one is out of its range.
    """

    body: int = MAX_BYTES
    pixels: int = 24_000_000
    purified_pixels: int = 2_000_000
    queue: int = 8
    timeout: float = 20.0
    upload: float = 30.0
    connections: int = 256

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("--max-body", self.body, 1, MAX_BYTES),
            ("--max-pixels", self.pixels, MIN_SIDE**2, MAX_PIXELS),
            ("--max-purified-pixels", self.purified_pixels, MIN_SIDE**2, MAX_PIXELS),
            ("--queue", self.queue, 0, 1000),
            ("--timeout", self.timeout, 0.1, 3600),
            ("--upload-timeout", self.upload, 0.1, 3600),
            ("--max-connections", self.connections, 2, 10_000),
        ):
            if not low <= value <= high:
                raise ParameterError(f"expected {name} in [{low:g}, {high:g}], got {value:g}")
