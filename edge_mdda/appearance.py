"""What an image looks like in fifteen numbers: enough to tell a dermoscopic image from most that are none.

Colours, their spread, and how much changes from pixel to pixel at several scales. How far these are from those of
dermoscopic images (`edge_mdda.calibration.Appearance`) is the score by which an image is taken for something else.
What the logits tell, energy (Liu et al., NeurIPS 2020) among it, was tried and is far worse: `tools.doubt` measures it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import image

#: Quality of the JPEG compression that every image is described through. The calibration images are kept so, at the
#: model's size, and their fine detail shows it: described as they come, all of 43 camera images were taken for
#: something else, which at the data set's size and compression look like any other (3 of 43).
JPEG_QUALITY = 75

# Scales are halvings of the image; at the finest two, colour has nothing but the compression's averaging.
_DETAIL_SCALES = 5
_COLOUR_SCALES = (2, 4)
# What keeps the logarithm of no spread and no detail, as in a blank frame, finite: a quarter of a grey level.
_LEAST = 1e-3


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe an image, uint8 RGB (H, W, 3) with sides ≥ 32, by float64 (15,).

    In this order: means of lightness, red–green and yellow–blue; logarithms of their standard deviations; logarithms of
    the mean difference between neighbouring pixels, of lightness at five scales, then of both colours at two.
    """
    compressed = image.decode(image.encode_jpeg(pixels, JPEG_QUALITY)).astype(np.float32) / np.float32(255)
    red, green, blue = np.moveaxis(compressed, 2, 0)
    planes = np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue])
    means = planes.mean(axis=(1, 2))
    spread = _logarithm(planes.std(axis=(1, 2)))
    details = []
    for _ in range(_DETAIL_SCALES):
        steps = [np.abs(np.diff(planes, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
        details.append(_logarithm((steps[0] + steps[1]) / 2))
        planes = _halve(planes)
    lightness = [detail[0] for detail in details]
    colour = [details[scale][1:] for scale in _COLOUR_SCALES]
    return np.concatenate([means, spread, lightness, *colour]).astype(np.float64)


def _logarithm(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.log(values + np.float32(_LEAST)))


def _halve(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average 2 × 2 pixels; an odd last row or column is left out."""
    height, width = (length // 2 * 2 for length in planes.shape[1:])
    rows = planes[:, 0:height:2] + planes[:, 1:height:2]
    return np.asarray((rows[..., 0:width:2] + rows[..., 1:width:2]) / np.float32(4))
