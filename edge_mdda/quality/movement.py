"""How far the picture moves from one frame of a camera to the next."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image

#: Movement between two frames above which a picture is smeared: five pixels of 224, see `tools.spoil`.
STILL = 5 / 224
_SIDE = 112


def movement(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """How far the picture moved from one frame to the next, as part of its side, in [0, 0.71].

    By phase correlation (Kuglin, Hines, "The phase correlation image alignment method", IEEE Conference on Cybernetics
    and Society, 1975). Above `STILL` the person should be asked to hold still.

    Args:
        before, after: frames, uint8 RGB (H, W, 3), of the same or of any size.
    """
    spectra = []
    for pixels in (before, after):
        small = image.fit(pixels, _SIDE, _SIDE).astype(np.float32) @ np.full(3, 1 / 3, np.float32)
        window = np.hanning(_SIDE)
        spectra.append(np.fft.rfft2((small - small.mean()) * window[:, None] * window))
    crossed = spectra[1] * spectra[0].conj()
    peaks = np.fft.irfft2(crossed / np.maximum(np.abs(crossed), 1e-9), (_SIDE, _SIDE))
    place = np.unravel_index(int(peaks.argmax()), peaks.shape)
    return math.hypot(*(min(int(step), _SIDE - int(step)) for step in place)) / _SIDE
