"""Total-variation denoising with one gradient norm over all channels: TV(u) = Σ √(Σ_c |∇u_c|²).

An option, off by default (the paper is silent, `MDDA` denoises channels apart): the same algorithm as `dda`, on whole
planes and without its wavefront.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ZERO, ONE = np.float32(0), np.float32(1)


@njit(cache=True, nogil=True)
def denoise(data: Floats, steps: Floats, isotropic: bool, px: Floats, py: Floats, bar: Floats, u: Floats) -> None:
    """Minimise joint TV + 1 / (2 w) |u - data|²: all arrays float32 (channels, height, width), u the result.

    steps: float32 (iterations, 5) as in `dda`. px, py, bar: scratch. Not projected to [0, 1].
    """
    channels, height, width = data.shape
    u[:], bar[:] = data, data
    px[:], py[:] = ZERO, ZERO
    for t in range(steps.shape[0]):
        step, keep, push, pull, momentum = steps[t, 0], steps[t, 1], steps[t, 2], steps[t, 3], steps[t, 4]
        for i in range(height):
            for j in range(width):
                squares_x, squares_y = ZERO, ZERO
                for c in range(channels):
                    if i < height - 1:
                        px[c, i, j] += step * (bar[c, i + 1, j] - bar[c, i, j])
                    if j < width - 1:
                        py[c, i, j] += step * (bar[c, i, j + 1] - bar[c, i, j])
                    squares_x += px[c, i, j] * px[c, i, j]
                    squares_y += py[c, i, j] * py[c, i, j]
                if isotropic:
                    scale_x = ONE / max(ONE, math.sqrt(squares_x + squares_y))
                    scale_y = scale_x
                else:
                    scale_x = ONE / max(ONE, math.sqrt(squares_x))
                    scale_y = ONE / max(ONE, math.sqrt(squares_y))
                for c in range(channels):
                    px[c, i, j] *= scale_x
                    py[c, i, j] *= scale_y
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    above = px[c, i - 1, j] if i > 0 else ZERO
                    left = py[c, i, j - 1] if j > 0 else ZERO
                    before = u[c, i, j]
                    divergence = (px[c, i, j] - above) + (py[c, i, j] - left)
                    after = keep * before + push * divergence + pull * data[c, i, j]
                    u[c, i, j] = after
                    bar[c, i, j] = after + momentum * (after - before)
