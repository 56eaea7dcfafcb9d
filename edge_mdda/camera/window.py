"""What a person sees in a window: the camera's picture with the answer on it.

The package depends on opencv-python-headless, which cannot open one; where opencv-python is installed in its place, and
there is a display, this can.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mdda.camera.live import Sight
from edge_mdda.camera.view import doubtful, ranking
from edge_mdda.report import DISCLAIMER

_TITLE = "edge-mdda"
_INK, _ALARM = (255, 255, 255), (255, 96, 96)
# Of the smallest picture that text is legible on, and the keys that close the window: q and Escape.
_LEAST_WIDTH = 640
_LEAVE = (ord("q"), 27)


def missing() -> str | None:
    """What a window lacks here, None if nothing."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "expected a display for a window, got none"
    if "GUI:                           NONE" in cv2.getBuildInformation():
        return "expected an OpenCV with windows, got a headless one: pip install opencv-python in its place"
    return None


def overlay(pixels: NDArray[np.uint8], lines: Sequence[str], alarm: bool = False) -> NDArray[np.uint8]:
    """The picture, uint8 RGB (H, W, 3), at least 640 wide, with lines of text on a darkened band at its foot."""
    height, width = pixels.shape[:2]
    if width < _LEAST_WIDTH:
        height, width = round(height * _LEAST_WIDTH / width), _LEAST_WIDTH
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    picture: NDArray[np.uint8] = pixels.copy()
    step = max(20, width // 32)
    top = max(0, height - step * len(lines) - step // 2)
    picture[top:] //= 3
    for number, line in enumerate(lines, 1):
        text = line.encode("ascii", "replace").decode()  # OpenCV's strokes know no other letters
        room, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1, 1)
        size = min(step / 36, (width - step) / max(1, room[0]))
        place = step // 2, top + step * number
        colour = _ALARM if alarm else _INK
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
    return picture


class WindowView:
    """A window, see `edge_mdda.camera.live.View`; q, Escape or its button close it."""

    def __init__(self) -> None:
        self._closed = False
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)

    def show(self, sight: Sight) -> None:
        lines = [*sight.sentences, sight.status, DISCLAIMER]
        if sight.found is not None:
            lines.insert(0, "  ".join(f"{code} {probability:.0%}" for code, probability in ranking(sight.found)[:4]))
        pixels = np.zeros((_LEAST_WIDTH * 3 // 4, _LEAST_WIDTH, 3), np.uint8)
        if sight.frame is not None:
            pixels = sight.frame.pixels
        alarm = sight.found is None or doubtful(sight.found)
        cv2.imshow(_TITLE, cv2.cvtColor(overlay(pixels, lines, alarm), cv2.COLOR_RGB2BGR))

    def closed(self) -> bool:
        key = cv2.waitKey(1)
        gone = cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1
        self._closed = self._closed or gone or (key & 0xFF) in _LEAVE
        return self._closed

    def close(self) -> None:
        cv2.destroyAllWindows()
