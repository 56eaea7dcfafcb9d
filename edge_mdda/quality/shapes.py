"""Thin dark lines, repeated dark marks and white spots in a picture, by closings and openings."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from edge_mdda.quality.sharpness import DIRECTIONS

Levels = NDArray[np.uint8]

# Lengths in pixels of a side of 224, depths in levels of 255.
_HAIR_WIDTH, _HAIR_LENGTH, _HAIR_DEPTH = 7, 17, 31
_NEARLY_WHITE, _WHITER, _REFLECTION = 230, 26, 31
# Gaps from one tick of a ruler to the next; levels squared below which repetition is chance.
_TICK_WIDTH, _STRIP, _GAPS, _GRAIN = 7, 8, (6, 33), 10


def hairs(levels: Levels) -> NDArray[np.bool_]:
    """Where a closing across some line fills the image up, and one along some longer line does not."""
    filled = functools.reduce(np.maximum, closings(levels, _HAIR_WIDTH)) - levels
    along = functools.reduce(np.minimum, closings(levels, _HAIR_LENGTH)) - levels
    return np.asarray((filled > _HAIR_DEPTH) & (along < filled // 2))


def ticks(levels: Levels) -> float:
    """How like thin dark marks along a strip near a border are to those one and two gaps further on, in [0, 1]."""
    side, count = len(levels), len(levels) // _STRIP // 4
    strips = []
    for plane in (levels, np.ascontiguousarray(levels.T)):
        closed = np.pad(plane, ((0, 0), (_TICK_WIDTH - 1,) * 2), mode="edge")
        for larger in (np.maximum, np.minimum):
            closed = _extremes(closed, 0, 1, _TICK_WIDTH, larger)
        marks = (closed - plane).reshape(side // _STRIP, _STRIP, side).mean(axis=1, dtype=np.float32)
        strips += [marks[:count], marks[-count:]]
    profiles = np.concatenate(strips)
    spectra = np.fft.rfft(profiles - profiles.mean(axis=1, keepdims=True), 2 * side)
    reach = np.arange(2 * _GAPS[1])
    # Products of what lies so many pixels apart, over how many such pairs there are.
    likeness = np.fft.irfft(np.square(np.abs(spectra)))[:, reach] / (side - reach)
    gaps = np.arange(*_GAPS)
    repeated = np.minimum(likeness[:, gaps], likeness[:, 2 * gaps]).max(axis=1)
    return max(0.0, float((repeated / (likeness[:, 0] + _GRAIN)).max()))


def reflections(least: Levels) -> NDArray[np.bool_]:
    """Where the least colour is nearly white, and an opening by a square takes it away: white top-hat."""
    plane = np.pad(least, _REFLECTION - 1, mode="edge")
    for larger in (np.minimum, np.maximum):
        for down, right in ((0, 1), (1, 0)):
            plane = _extremes(plane, down, right, _REFLECTION, larger)
    return np.asarray((least > _NEARLY_WHITE) & (least - plane > _WHITER))


def closings(levels: Levels, length: int) -> list[Levels]:
    """Closings along lines of so many pixels, an odd number, in each of four directions; the border is repeated."""
    margin = length - 1
    padded = np.pad(levels, margin, mode="edge")
    closings = []
    for down, right in DIRECTIONS:
        plane = padded[:, ::-1] if right < 0 else padded
        plane = _extremes(_extremes(plane, down, abs(right), length, np.maximum), down, abs(right), length, np.minimum)
        top, left = (margin * (1 - abs(step)) for step in (down, right))
        plane = plane[top : top + len(levels), left : left + levels.shape[1]]
        closings.append(plane[:, ::-1] if right < 0 else plane)
    return closings


def _extremes(plane: Levels, down: int, right: int, length: int, larger: np.ufunc) -> Levels:
    """The extreme of each run of so many pixels in one direction, by runs twice as long each time."""
    done = 1
    while done < length:
        step = min(done, length - done)
        height, width = plane.shape
        plane = larger(plane[: height - step * down, : width - step * right], plane[step * down :, step * right :])
        done += step
    return plane
