"""Total-variation denoising by split Bregman, the paper's reference [34] (Getreuer, IPOL 2, 2012; Goldstein and Osher,
SIAM J. Imaging Sci. 2, 2009), with the exact isotropic shrinkage.

Each iteration is one Gauss-Seidel sweep over u, then shrinkage and Bregman update. The sweep is sequential by nature:
this solver is here to be faithful, `dda` to be fast. Both reach the minimiser of the same ROF energy.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ZERO, ONE = np.float32(0), np.float32(1)


@njit(cache=True, nogil=True)
def denoise(
    data: Floats,
    fidelity: np.float32,
    penalty: np.float32,
    iterations: int,
    isotropic: bool,
    dx: Floats,
    dy: Floats,
    bx: Floats,
    by: Floats,
    u: Floats,
) -> None:
    """Minimise TV(u) + fidelity / 2 |u - data|² on one plane: all arrays float32 (height, width), u the result.

    dx, dy, bx, by: scratch, the split gradient and the Bregman variables. Not projected to [0, 1].
    """
    height, width = data.shape
    threshold = ONE / penalty
    u[:] = data
    dx[:], dy[:], bx[:], by[:] = ZERO, ZERO, ZERO, ZERO
    for _ in range(iterations):
        for i in range(height):
            for j in range(width):
                total, neighbours = ZERO, ZERO
                if i > 0:
                    total += u[i - 1, j] + (dx[i - 1, j] - bx[i - 1, j])
                    neighbours += ONE
                if i < height - 1:
                    total += u[i + 1, j] - (dx[i, j] - bx[i, j])
                    neighbours += ONE
                if j > 0:
                    total += u[i, j - 1] + (dy[i, j - 1] - by[i, j - 1])
                    neighbours += ONE
                if j < width - 1:
                    total += u[i, j + 1] - (dy[i, j] - by[i, j])
                    neighbours += ONE
                u[i, j] = (fidelity * data[i, j] + penalty * total) / (fidelity + penalty * neighbours)
        for i in range(height):
            for j in range(width):
                a, b = bx[i, j], by[i, j]
                if i < height - 1:
                    a += u[i + 1, j] - u[i, j]
                if j < width - 1:
                    b += u[i, j + 1] - u[i, j]
                if isotropic:
                    norm = math.sqrt(a * a + b * b)
                    scale = max(ZERO, norm - threshold) / max(norm, threshold)
                    x, y = a * scale, b * scale
                else:
                    x = a - min(threshold, max(-threshold, a))
                    y = b - min(threshold, max(-threshold, b))
                dx[i, j], dy[i, j] = x, y
                bx[i, j], by[i, j] = a - x, b - y
