"""Cameras and recordings by OpenCV's VideoCapture; the only file that captures with OpenCV."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mdda.errors import CameraError

# Frames a second of a recording that does not say.
_RATE = 25.0


class Device:
    """A USB or other V4L2 camera, see `edge_mdda.camera.source.Camera`.

    Args:
        name: its number, or its path as /dev/video0 or /dev/v4l/by-id/…, which stays the same after it was unplugged.
        size: width and height to ask for.

    Raises:
        CameraError: there is none.
    """

    def __init__(self, name: int | str, size: tuple[int, int]) -> None:
        self._name = f"camera {name}"
        self._capture = _open(name, cv2.CAP_V4L2, self._name)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        # What waits in the driver gets old: with four buffers of 30 frames a second it is a tenth of a second.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> NDArray[np.uint8]:
        frame = _read(self._capture)
        if frame is None:
            raise CameraError(f"expected a frame of {self._name}, got none: was it unplugged?")
        return frame

    def close(self) -> None:
        self._capture.release()


class Recording:
    """A video file played at its own rate, as if a camera saw it; see `edge_mdda.camera.source.Camera`.

    At its end a recording that loops is opened anew, so that another file of that name is played next.

    Raises:
        CameraError: there is no such file, or no video in it.
    """

    def __init__(self, path: Path, loop: bool) -> None:
        self._path = path
        self._loop = loop
        self._period = 1 / _RATE
        self._due = 0.0
        self._capture = self._open()

    def read(self) -> NDArray[np.uint8] | None:
        frame = _read(self._capture)
        if frame is None and self._loop:
            self.close()
            self._capture = self._open()
            frame = _read(self._capture)
            if frame is None:
                raise CameraError(f"expected frames in {self._path}, got none")
        if frame is not None:
            time.sleep(max(0.0, self._due - time.monotonic()))
            self._due = max(self._due, time.monotonic() - self._period) + self._period
        return frame

    def close(self) -> None:
        self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        if not self._path.is_file():
            raise CameraError(f"expected a camera or a recording, got no file {self._path}")
        capture = _open(str(self._path), cv2.CAP_ANY, f"recording {self._path}")
        rate = capture.get(cv2.CAP_PROP_FPS)
        self._period = 1 / (rate if 0 < rate < 1000 else _RATE)
        self._due = time.monotonic()
        return capture


def _open(name: int | str, backend: int, what: str) -> cv2.VideoCapture:
    try:
        capture = cv2.VideoCapture(name, backend)
    except cv2.error:
        capture = cv2.VideoCapture()
    if not capture.isOpened():
        raise CameraError(f"expected a {what} that can be opened, got none")
    return capture


def _read(capture: cv2.VideoCapture) -> NDArray[np.uint8] | None:
    """The next frame, uint8 RGB (H, W, 3), None where there is none."""
    try:
        done, frame = capture.read()
    except cv2.error:
        return None
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8) if done else None
