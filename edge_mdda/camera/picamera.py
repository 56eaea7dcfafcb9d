"""A Raspberry Pi's own camera, by picamera2, which its system brings along (python3-picamera2) and no wheel does.

Only imported where it is present: a virtual environment sees it with --system-site-packages.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda.errors import CameraError

#: As picamera2 calls the format whose array is red, green, blue (its manual, appendix A).
_RGB = "BGR888"


def present() -> bool:
    """Whether picamera2 is installed and sees a camera."""
    return importlib.util.find_spec("picamera2") is not None and bool(_library().global_camera_info())


class PiCamera:
    """One camera of picamera2, see `edge_mdda.camera.source.Camera`.

    Raises:
        CameraError: picamera2 is not installed, or has no such camera.
    """

    def __init__(self, number: int, size: tuple[int, int]) -> None:
        try:
            self._camera = _library()(number)
            self._camera.configure(self._camera.create_video_configuration(main={"size": size, "format": _RGB}))
            self._camera.start()
        except ImportError:
            raise CameraError("expected picamera2, got none: apt install python3-picamera2") from None
        except (IndexError, RuntimeError) as error:
            raise CameraError(f"expected a camera at picamera:{number}, got: {error}") from None

    def read(self) -> NDArray[np.uint8]:
        try:
            return np.asarray(self._camera.capture_array("main"), np.uint8)
        except RuntimeError as error:
            raise CameraError(f"expected a frame, got: {error}") from None

    def close(self) -> None:
        self._camera.close()


def _library() -> Any:
    from picamera2 import Picamera2

    return Picamera2
