"""Colour constancy: an image as it would look under another light than the one it was taken under.

Shades of grey (Finlayson, Trezzi, "Shades of gray and colour constancy", Color and Imaging Conference 2004) takes the
Minkowski mean of each channel, p = 6, for the light's colour; each channel is then scaled so that the light becomes the
one wanted (von Kries). On dermoscopic images: Barata, Celebi, Marques, "Improving dermoscopy image classification using
color constancy", IEEE Journal of Biomedical and Health Informatics 19, 2015.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Of the Minkowski mean: 1 would be grey world, ∞ the brightest value.
POWER = 6
#: Light without a colour.
WHITE = np.full(3, 3**-0.5)

_LEVELS = np.arange(256) / 255


def light(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The light's colour, a unit vector float64 (3,), of uint8 RGB (…, 3); white where all is black.

    Over histograms: 256 powers a channel in place of one for every pixel.
    """
    counts = np.stack([np.bincount(channel, minlength=256) for channel in pixels.reshape(-1, 3).T])
    norms = (counts @ _LEVELS**POWER / max(1, counts[0].sum())) ** (1 / POWER)
    length = float(np.linalg.norm(norms))
    return norms / length if length > 0 else WHITE


def angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Angle between two lights, unit vectors, in degrees: the angular error of colour constancy."""
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def relight(pixels: NDArray[np.uint8], wanted: NDArray[np.float64] = WHITE) -> NDArray[np.uint8]:
    """The image under the light wanted, a unit vector (3,), about as bright: uint8 RGB (H, W, 3).

    What becomes lighter than white is cut off; a channel that is black everywhere stays so.
    """
    gains = wanted / np.maximum(light(pixels), _LEVELS[1])
    tables = np.rint(np.minimum(gains[:, None] * _LEVELS, 1) * 255).astype(np.uint8)
    return np.stack([table[channel] for table, channel in zip(tables, np.moveaxis(pixels, 2, 0), strict=True)], axis=2)
