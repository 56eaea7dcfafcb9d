"""MDDA as one would build it from scikit-image, OpenCV and NumPy: what the kernels are measured against."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_tv_bregman, denoise_tv_chambolle

from edge_mdda import coefficients
from edge_mdda.parameters import Parameters

Image = NDArray[np.float32]
Denoiser = Callable[[Image, float], Image]


def chambolle(image: Image, weight: float) -> Image:
    """scikit-image's Chambolle (2004) at its default stop; float32 (H, W, 3)."""
    return denoise_tv_chambolle(image, weight=weight, channel_axis=-1)


def bregman(image: Image, weight: float) -> Image:
    """scikit-image's split Bregman at its default stop. Its `weight` acts as λ = 1 / w, not as λ / 2 as documented."""
    return denoise_tv_bregman(image, weight=1 / weight, channel_axis=-1)


def purify(image: Image, parameters: Parameters, denoise: Denoiser, random: np.random.Generator) -> Image:
    """The whole method with the default options of `Parameters`: float32 (H, W, 3) in [0, 1] to the same."""
    height, width = image.shape[:2]
    sizes = {s: (coefficients.level_size(height, s), coefficients.level_size(width, s)) for s in parameters.scales}
    levels = {s: _resize(image, size) for s, size in sizes.items()}
    sigma = np.float32(parameters.standard_deviation)
    for _ in range(parameters.blocks):
        denoised = {}
        for scale, level in levels.items():
            diffused = level + sigma * random.standard_normal(level.shape, np.float32)
            denoised[scale] = np.clip(denoise(diffused, parameters.weight), 0, 1)
        levels = {
            s: np.mean([_resize(denoised[n], size) for n in (s - 1, s, s + 1) if n in sizes], axis=0)
            for s, size in sizes.items()
        }
    return np.clip(np.mean([_resize(level, (height, width)) for level in levels.values()], axis=0), 0, 1)


def _resize(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[:2] == size:
        return image
    shrinks = size[0] < image.shape[0]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT if shrinks else cv2.INTER_CUBIC)
