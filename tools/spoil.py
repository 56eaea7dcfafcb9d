"""Spoilt copies of dermoscopic images: one kind for each fault that `edge_mdda.quality` looks for, in five severities.

What `tools.robustness.corruptions` has of them is used as it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.robustness import corruptions
from tools.robustness.corruptions import COLOUR_GAIN, SEVERITIES

Pixels = NDArray[np.uint8]

# By severity; lengths are parts of the side, except where pixels of a side of 224 are meant.
MOVEMENT = (3, 5, 8, 12, 18)  # pixels
DARKER = (0.7, 0.55, 0.4, 0.28, 0.18)
BRIGHTER = (1.2, 1.4, 1.7, 2.1, 2.6)
REFLECTIONS = (1, 2, 4, 7, 11)
FIELD_RADIUS = (0.56, 0.5, 0.44, 0.38, 0.3)
TICKS = (3, 5, 7, 10, 14)  # pixels
#: What drawn shapes are enlarged by, then averaged down.
_FINENESS = 4


def smear(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Moved along a line while the shutter was open."""
    length, angle = MOVEMENT[severity - 1], random.uniform(0, np.pi)
    height, width = pixels.shape[:2]
    total = np.zeros(pixels.shape, np.float32)
    places = np.linspace(-length / 2, length / 2, 2 * length + 1)
    for place in places:
        shift = np.array([[1, 0, place * np.cos(angle)], [0, 1, place * np.sin(angle)]])
        total += cv2.warpAffine(pixels, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return _to_uint8(total / len(places))


def darken(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Too little light, or too short an exposure."""
    return _to_uint8(pixels * np.float32(DARKER[severity - 1]))


def brighten(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Too much light: cut off at white."""
    return _to_uint8(pixels * np.float32(BRIGHTER[severity - 1]))


def reflect(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """White reflections of the light, with soft edges."""
    side = len(pixels)
    cover = np.zeros(pixels.shape[:2], np.uint8)
    for _ in range(REFLECTIONS[severity - 1]):
        centre = tuple(int(place) for place in random.integers(0, side, 2))
        axes = tuple(int(length) for length in side * random.uniform(0.02, 0.055, 2))
        cv2.ellipse(cover, centre, axes, random.uniform(0, 180), 0, 360, 255, cv2.FILLED, cv2.LINE_AA)
    return _laid(pixels, cv2.GaussianBlur(cover, (0, 0), side / 150), (255, 255, 255), 1.0)


def cast(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Another lamp or white balance: gains as `corruptions.colour` has them, but never the same for all channels."""
    signs = random.permutation([-1, 1, random.choice([-1, 1])])
    return _to_uint8(pixels * (1 + COLOUR_GAIN[severity - 1] * signs))


def crop(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Seen through a round opening that is too small or too far away: black around it."""
    side = len(pixels)
    y, x = np.mgrid[:side, :side] / side - 0.5
    distance = np.hypot(x - random.uniform(-0.04, 0.04), y - random.uniform(-0.04, 0.04))
    outside = np.clip((distance - FIELD_RADIUS[severity - 1]) * side / 3 + 0.5, 0, 1)
    return _laid(pixels, _to_uint8(outside * 255), (8, 8, 8), 1.0)


def measure_with_ruler(pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """A ruler's ticks along one side, every fifth longer."""
    side = len(pixels)
    gap, border = random.uniform(7, 14), random.uniform(1, 12)
    cover = np.zeros((side * _FINENESS, side * _FINENESS), np.uint8)
    for number, place in enumerate(np.arange(random.uniform(0, gap), side, gap)):
        length = TICKS[severity - 1] * (1.7 if number % 5 == 0 else 1)
        ends = [(round(place * _FINENESS), round(row * _FINENESS)) for row in (border, border + length)]
        cv2.line(cover, ends[0], ends[1], 255, _FINENESS)
    cover = cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA)
    return _laid(pixels, np.rot90(cover, random.integers(4)), (25, 25, 25), 0.85)


#: By the name of the measure that is to find it.
FAULTS: Mapping[str, Callable[[Pixels, int, np.random.Generator], Pixels]] = {
    "focus": corruptions.blur,
    "motion": smear,
    "dark": darken,
    "bright": brighten,
    "glare": reflect,
    "colour": cast,
    "mask": crop,
    "hair": corruptions.hair,
    "ruler": measure_with_ruler,
}


def spoil(name: str, pixels: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """A copy of an image, uint8 RGB (side, side, 3), with one fault by name in a severity of 1…5."""
    if severity not in SEVERITIES:
        raise ValueError(f"expected a severity out of {SEVERITIES}, got {severity}")
    return np.ascontiguousarray(FAULTS[name](pixels, severity, random))


def _laid(pixels: Pixels, cover: Pixels, colour: tuple[int, int, int], opacity: float) -> Pixels:
    """A colour laid over an image where the cover, uint8 (H, W), is not 0."""
    part = opacity * cover[..., None] / np.float32(255)
    return _to_uint8(pixels * (1 - part) + part * np.array(colour, np.float32))


def _to_uint8(levels: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.rint(np.clip(levels, 0, 255)), np.uint8)
