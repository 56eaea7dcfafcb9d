"""Random views of a lesion for training: flip, rotate, crop, and change the light.

A view depends only on the generator passed in, so a resumed training sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601, as JPEG


def view(pixels: NDArray[np.uint8], side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """One random view: uint8 RGB (H, W, 3) to uint8 RGB (side, side, 3), geometry and colour in one pass each."""
    return _recolour(_warp(pixels, side, random), random)


def _warp(pixels: NDArray[np.uint8], side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Crop 45 to 100 % of the area with a small change of aspect, at any angle, mirrored half of the time."""
    height, width = pixels.shape[:2]
    zoom = side / np.sqrt(random.uniform(0.45, 1.0))
    aspect = np.exp(random.uniform(-0.15, 0.15))
    scale = np.array([zoom / width * aspect, zoom / height / aspect])
    angle = random.uniform(0, 2 * np.pi)
    mirror = random.choice([-1.0, 1.0])
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]]) * scale
    # The crop's centre wanders as far as the crop leaves room.
    room = 0.5 * (1 - side / zoom)
    centre = (0.5 + random.uniform(-room, room, 2)) * (width - 1, height - 1)
    shift = (side - 1) / 2 - linear @ centre
    matrix = np.column_stack([linear, shift])
    return cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _recolour(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and white balance as one 3×4 colour matrix."""
    gain = random.uniform(0.8, 1.2) * random.uniform(0.94, 1.06, 3)
    saturation = random.uniform(0.75, 1.25)
    contrast = random.uniform(0.8, 1.2)
    offset = random.uniform(-12, 12)
    mix = saturation * np.eye(3) + (1 - saturation) * LUMA
    linear = contrast * gain[:, None] * mix
    mean = pixels.mean()
    constant = np.full((3, 1), mean * (1 - contrast) + offset)
    return cv2.transform(pixels, np.hstack([linear, constant]))
