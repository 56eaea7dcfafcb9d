"""Recordings made for the tests, and stand-ins for cameras that do what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mdda.errors import CameraError

#: What `edge_mdda.camera.picamera` uses of picamera2, with frames whose green says how many came before.
PICAMERA2 = """
import numpy as np

class Picamera2:
    cameras = [{"Model": "imx708"}]
    closed = []

    @staticmethod
    def global_camera_info():
        return Picamera2.cameras

    def __init__(self, number=0):
        if number >= len(self.cameras):
            raise IndexError("list index out of range")
        self.number, self.count, self.started = number, 0, False

    def create_video_configuration(self, main):
        return main

    def configure(self, configuration):
        # The format whose array is R, G, B is called BGR888 there.
        assert configuration["format"] == "BGR888"
        self.size = configuration["size"]

    def start(self):
        self.started = True

    def capture_array(self, name):
        assert self.started and name == "main"
        width, height = self.size
        frame = np.zeros((height, width, 3), np.uint8)
        frame[..., 0] = 200
        frame[..., 1] = self.count
        self.count += 1
        if self.count > 3:
            raise RuntimeError("the camera frontend has timed out")
        return frame

    def close(self):
        self.closed.append(self.number)
"""


def record(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: float = 30) -> Path:
    """Write pictures of one size, uint8 RGB, as frames of a video file."""
    writer = None
    for picture in pictures:
        if writer is None:
            height, width = picture.shape[:2]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
            assert writer.isOpened()
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    assert writer is not None
    writer.release()
    return path


def grey(level: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


class Scripted:
    """A camera that gives one frame for each time `next` is called, then what the script says it does at its end."""

    def __init__(self, frames: Iterable[NDArray[np.uint8]], end: CameraError | None = None) -> None:
        self._frames: Iterator[NDArray[np.uint8]] = iter(frames)
        self._end = end
        self._wanted = threading.Semaphore(0)
        self._given = threading.Semaphore(0)
        self.closed = False

    def next(self, count: int = 1) -> None:
        """Let so many frames come, one after the other, and return when the last is there."""
        for _ in range(count):
            self._wanted.release()
        for _ in range(count):
            assert self._given.acquire(timeout=10)

    def read(self) -> NDArray[np.uint8] | None:
        """The next frame, when the test lets it come; the caller has kept the one before by then."""
        self._given.release()
        assert self._wanted.acquire(timeout=10)
        for frame in self._frames:
            return frame
        if self._end is not None:
            raise self._end
        return None

    def close(self) -> None:
        self.closed = True
