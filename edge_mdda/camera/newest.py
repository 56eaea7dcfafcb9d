"""The newest frame of a camera, whatever the pace of those who ask for it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mdda.camera.source import Camera, Open
from edge_mdda.errors import CameraError

#: Seconds until a camera that was lost is looked for again: at first, and at most; twice as long each time.
PAUSE, LONGEST_PAUSE = 0.5, 10.0
# A camera that gives no frame is waited for no longer than this where it should be closed: V4L2 gives up after 10 s.
_PATIENCE = 2.0


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        number: how many came before it, from 0 on, those that were dropped among them.
        pixels: uint8 RGB (H, W, 3).
        captured: when it came, in seconds since 1970.
        clock: the same by `time.monotonic`, to tell its age.
        dropped: frames so far that nobody took before the next one came.
        before: pixels of the frame that came right before, taken or not; None for the first.
    """

    number: int
    pixels: NDArray[np.uint8]
    captured: float
    clock: float
    dropped: int
    before: NDArray[np.uint8] | None = None


class Newest:
    """A camera whose frames are grabbed as they come, by a thread, and kept until the next; a class for that thread.

    A camera that is lost is opened again until it is back.

    Args:
        open: opens the camera; called here, for a wrong name to be an error at once, and by the thread.
        pause: seconds until a lost camera is looked for again, see `PAUSE`.
        longest_pause: the longest of them.

    Raises:
        CameraError: the camera is not there to begin with.
    """

    def __init__(self, open: Open, *, pause: float = PAUSE, longest_pause: float = LONGEST_PAUSE) -> None:
        self._open = open
        self._pauses = pause, longest_pause
        self._changed = threading.Condition()
        self._leave = threading.Event()
        self._frame: Frame | None = None
        self._last: NDArray[np.uint8] | None = None
        self._count = self._dropped = self._reconnects = 0
        self._ended = False
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._grab, args=(open(),), name="camera", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more: a recording was over, or reading it failed for good."""
        with self._changed:
            return self._ended and self._frame is None

    @property
    def trouble(self) -> str | None:
        """Why there is no camera at the moment, None if there is one."""
        with self._changed:
            return self._trouble

    @property
    def reconnects(self) -> int:
        """How often the camera was lost and found again."""
        with self._changed:
            return self._reconnects

    def take(self, timeout: float) -> Frame | None:
        """The newest frame that was not taken yet; None where none comes within so many seconds, or none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._ended, timeout)
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """Stop grabbing and let the camera go."""
        self._leave.set()
        self._thread.join(_PATIENCE)

    def _grab(self, camera: Camera) -> None:
        try:
            while not self._leave.is_set():
                try:
                    pixels = camera.read()
                except CameraError as error:
                    camera.close()
                    found = self._look_for(str(error))
                    if found is None:
                        return
                    camera = found
                    continue
                if pixels is None:
                    return
                self._keep(pixels)
        finally:
            camera.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _keep(self, pixels: NDArray[np.uint8]) -> None:
        with self._changed:
            self._dropped += self._frame is not None
            self._frame = Frame(self._count, pixels, time.time(), time.monotonic(), self._dropped, self._last)
            self._last = pixels
            self._count += 1
            self._changed.notify_all()

    def _look_for(self, trouble: str) -> Camera | None:
        """Open the camera again, however long it takes; None if that is not wanted any more."""
        pause, longest = self._pauses
        while True:
            with self._changed:
                self._trouble = trouble
            if self._leave.wait(pause):
                return None
            pause = min(2 * pause, longest)
            try:
                camera = self._open()
            except CameraError as error:
                trouble = str(error)
                continue
            with self._changed:
                self._trouble = self._last = None
                self._reconnects += 1
            return camera
