"""What a camera is to the rest, and which one is meant by a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mdda.camera import picamera, video

#: The name of a camera of picamera2, alone or with its number as in "picamera:1".
PICAMERA = "picamera"
AUTO = "auto"


class Camera(Protocol):
    """Something that gives frames until it is closed."""

    def read(self) -> NDArray[np.uint8] | None:
        """Wait for the next frame: uint8 RGB (H, W, 3); None at the end of a recording.

        Raises:
            CameraError: none comes any more, as from a camera that was unplugged.
        """

    def close(self) -> None:
        """Let the camera go; nothing is read afterwards."""


#: Opens a camera, again after it was lost; raises CameraError where it is not there.
Open = Callable[[], Camera]


def find(name: str, size: tuple[int, int], loop: bool) -> Open:
    """What opens the camera of a name.

    Args:
        name: "auto", for the first of picamera2's if there is one, otherwise number 0; a number or a path in /dev, a
            USB or V4L2 camera; "picamera" or "picamera:N"; anything else is the path of a recording.
        size: width and height to ask a camera for; it may give others.
        loop: whether a recording begins again at its end.
    """
    if name == AUTO:
        name = PICAMERA if picamera.present() else "0"
    kind, _, number = name.partition(":")
    if kind == PICAMERA and (number.isdecimal() or name == PICAMERA):
        return lambda: picamera.PiCamera(int(number or 0), size)
    if name.isascii() and name.isdecimal():
        return lambda: video.Device(int(name), size)
    if name.startswith("/dev/"):
        return lambda: video.Device(name, size)
    return lambda: video.Recording(Path(name), loop)
