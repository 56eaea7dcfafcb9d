"""A report as a picture for a person: the image as it came, purified, their difference, and the probabilities.

Drawn with OpenCV alone: matplotlib has no place on the device.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mdda import image as gate
from edge_mdda.report import DISCLAIMER, Report, Verdict

#: How much the difference is amplified around grey; fixed, so that figures compare.
AMPLIFICATION = 4

# All lengths in pixels of the finished figure.
_PANEL = 320
_MARGIN = 28
_CAPTION = 34
_ROW = 40
_LINE = 24
_BAR = 14
_CODE_WIDTH = 76
_PERCENT_WIDTH = 60
# Drawn at twice the size and averaged down: OpenCV's strokes are ragged at small sizes.
_OVERSAMPLING = 2

_INK, _GREY, _PAPER, _TRACK = (34, 34, 34), (110, 110, 110), (255, 255, 255), (246, 246, 246)
# Okabe and Ito's orange and blue, told apart with any colour vision.
_BEFORE, _AFTER, _ALARM = (230, 159, 0), (0, 114, 178), (192, 32, 32)


def draw(report: Report) -> NDArray[np.uint8]:
    """Draw a report as RGB picture, uint8 (height, width, 3).

    Without a purified image it has one panel and one bar a class.
    """
    panels = _panels(report)
    width = 3 * _PANEL + 4 * _MARGIN
    advice = report.advice()
    top = _MARGIN + 62 + _LINE * len(advice)
    bars = top + _PANEL + _CAPTION + _MARGIN + 30
    height = bars + _ROW * len(report.raw.probabilities) + 2 * _MARGIN
    canvas = _Canvas(width, height)
    room = width - 2 * _MARGIN

    finding, origin = report.summary()
    canvas.text(_MARGIN, _MARGIN + 16, finding, 0.68, _ALARM if report.disagree else _INK, thick=True, room=room)
    for line, sentence in enumerate(advice):
        colour = _ALARM if report.doubtful else _INK
        canvas.text(_MARGIN, _MARGIN + 18 + _LINE * (line + 1), sentence, 0.52, colour, room=room)
    canvas.text(_MARGIN, top - 20, origin, 0.45, _GREY, room=room)
    for column, (caption, pixels) in enumerate(panels):
        left = _MARGIN + column * (_PANEL + _MARGIN)
        canvas.paste(left, top, pixels)
        canvas.text(left, top + _PANEL + 22, caption, 0.5, _INK)
    _draw_bars(canvas, report, bars)
    canvas.text(_MARGIN, height - _MARGIN, DISCLAIMER, 0.45, _GREY, room=room)
    return canvas.finish()


def to_png(report: Report) -> bytes:
    """Draw a report and encode it as PNG."""
    return gate.encode_png(draw(report))


class _Canvas:
    """White paper drawn on in pixels of the finished figure; a class because every stroke goes to the same array."""

    def __init__(self, width: int, height: int) -> None:
        self._pixels = np.full((height * _OVERSAMPLING, width * _OVERSAMPLING, 3), _PAPER, np.uint8)

    def text(
        self,
        x: int,
        baseline: int,
        text: str,
        size: float,
        colour: tuple[int, int, int],
        *,
        thick: bool = False,
        room: int | None = None,
        right: bool = False,
    ) -> None:
        """Write a line from x on, or up to x if `right`; smaller where it would need more than `room`."""
        plain = text.encode("ascii", "replace").decode()  # OpenCV's fonts know no more
        thickness = 3 if thick else 2
        size *= _OVERSAMPLING
        length = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)[0][0]
        if room is not None and length > room * _OVERSAMPLING:
            size *= room * _OVERSAMPLING / length
        place = (x * _OVERSAMPLING - (length if right else 0), baseline * _OVERSAMPLING)
        cv2.putText(self._pixels, plain, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)

    def fill(self, left: float, top: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        edges = [round(edge * _OVERSAMPLING) for edge in (left, top, left + width, top + height)]
        self._pixels[edges[1] : edges[3], edges[0] : edges[2]] = colour

    def paste(self, left: int, top: int, pixels: NDArray[np.uint8]) -> None:
        """Fit a picture into a panel, its aspect kept, centred."""
        side = _PANEL * _OVERSAMPLING
        scale = side / max(pixels.shape[:2])
        height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
        enlarged = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        y = top * _OVERSAMPLING + (side - height) // 2
        x = left * _OVERSAMPLING + (side - width) // 2
        self._pixels[y : y + height, x : x + width] = enlarged

    def finish(self) -> NDArray[np.uint8]:
        height, width = (length // _OVERSAMPLING for length in self._pixels.shape[:2])
        return np.asarray(cv2.resize(self._pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _panels(report: Report) -> list[tuple[str, NDArray[np.uint8]]]:
    panels = [("as it came", report.raw_pixels)]
    if report.purified_pixels is not None:
        difference = report.purified_pixels.astype(np.int16) - report.raw_pixels
        amplified = np.clip(128 + AMPLIFICATION * difference, 0, 255).astype(np.uint8)
        panels += [("purified", report.purified_pixels), (f"difference, x{AMPLIFICATION} around grey", amplified)]
    return panels


def _draw_bars(canvas: _Canvas, report: Report, top: int) -> None:
    """One row a class, most probable first; the bar before purification above the one after it."""
    verdicts: list[tuple[Verdict, tuple[int, int, int], str]] = [(report.raw, _BEFORE, "as it came")]
    if report.purified is not None:
        verdicts.append((report.purified, _AFTER, "purified"))
    left = _MARGIN + _CODE_WIDTH
    right = 3 * (_PANEL + _MARGIN)
    full = right - left - _PERCENT_WIDTH
    for index, (_, colour, name) in enumerate(verdicts):
        canvas.fill(left + 140 * index, top - 30, _BAR, _BAR, colour)
        canvas.text(left + 140 * index + _BAR + 8, top - 19, name, 0.45, _INK)
    height = len(verdicts) * _BAR
    for row, code in enumerate(report.ranking()):
        y = top + row * _ROW
        is_top = any(verdict.top == code for verdict, _, _ in verdicts)
        canvas.text(_MARGIN, y + height // 2 + 6, code, 0.55, _INK, thick=is_top, room=_CODE_WIDTH - 8)
        canvas.fill(left, y, full, height, _TRACK)
        for index, (verdict, colour, _) in enumerate(verdicts):
            probability = verdict.probabilities[code]
            canvas.fill(left, y + index * _BAR, max(1.0, probability * full), _BAR - 1, colour)
            canvas.text(
                right, y + index * _BAR + 11, f"{probability:.1%}", 0.4, _INK, thick=verdict.top == code, right=True
            )
