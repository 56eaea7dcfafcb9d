"""The method in plain NumPy, to be read and to be the oracle of the tests.

First the operations on one plane and `purify`, written as the equations have them. Then the twins: the same signatures
as the kernels, the same bits in their results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mdda import coefficients
from edge_mdda.parameters import Parameters

Float = NDArray[np.float32]
_TWO_LN2 = np.float32(2 * np.log(2))
_LOG = (1.99980334, -0.99575072, 0.63529966, -0.38752338, 0.17114012, -0.03667754)
_SINE = (3.14158202, -5.16714279, 2.54189901, -0.55463616)
_COSINE = (0.9999933, -4.93393801, 4.04128382, -1.22212706)


def purify(image: Float, parameters: Parameters, seed: int) -> Float:
    """MDDA of an image: float32 (H, W, 3) in [0, 1] to the same; the whole method on one page (eq. 8 to 15)."""
    height, width, channels = image.shape
    sizes = {s: (coefficients.level_size(height, s), coefficients.level_size(width, s)) for s in parameters.scales}
    fused = np.empty_like(image)
    levels = {s: [resize(image[..., c], *sizes[s]) for c in range(channels)] for s in parameters.scales}
    for block in range(parameters.blocks):
        denoised = {}
        for scale, planes in levels.items():
            diffused = [
                plane + np.float32(parameters.standard_deviation) * gaussian(plane.shape, seed, block, scale, channel)
                for channel, plane in enumerate(planes)
            ]
            denoised[scale] = [np.clip(plane, 0, 1) for plane in denoise(diffused, parameters)]
        for scale in parameters.scales:
            near = (scale, scale - 1, scale + 1) if parameters.own_scale else (scale - 1, scale + 1)
            neighbours = [neighbour for neighbour in near if neighbour in sizes]
            levels[scale] = [mean([resize(denoised[n][c], *sizes[scale]) for n in neighbours]) for c in range(channels)]
    for c in range(channels):
        own_first = sorted(parameters.scales, key=lambda scale: scale != 0)  # the order of a sum decides its last bit
        fused[..., c] = mean([resize(levels[s][c], height, width) for s in own_first])
    return np.clip(fused, 0, 1)


def denoise(planes: list[Float], parameters: Parameters) -> list[Float]:
    """Minimise the ROF energy of noisy planes by the chosen solver (eq. 10 to 12)."""
    isotropic = parameters.total_variation == "isotropic"
    if parameters.weight == 0 or parameters.iterations == 0:
        return planes
    joint = parameters.channels == "joint"
    if parameters.solver == "split-bregman" and not joint:
        fidelity, penalty = coefficients.bregman(parameters.weight)
        return [split_bregman(plane, fidelity, penalty, parameters.iterations, isotropic) for plane in planes]
    steps = coefficients.steps(parameters.weight, parameters.iterations, parameters.step_sizes)
    if joint:
        return list(primal_dual(np.stack(planes), steps, isotropic))
    return [primal_dual(plane[None], steps, isotropic)[0] for plane in planes]


def gaussian(shape: tuple[int, int], seed: int, block: int, scale: int, channel: int) -> Float:
    """Standard normal samples of a plane: float32 (height, width)."""
    ((key,),) = coefficients.noise_keys(seed, *(np.array([number]) for number in (block, scale, channel)))
    return _normal(*shape, *key)


def mean(planes: list[Float]) -> Float:
    total = np.zeros_like(planes[0])
    for plane in planes:
        total += plane
    total *= np.float32(1) / np.float32(len(planes))
    return total


def resize(plane: Float, height: int, width: int) -> Float:
    """Nearest pixel going down, bicubic going up, the plane itself at its own size: T of the paper."""
    if plane.shape == (height, width):
        return plane
    if height <= plane.shape[0]:
        rows = coefficients.nearest_taps(plane.shape[0], height)
        columns = coefficients.nearest_taps(plane.shape[1], width)
        return plane[rows[:, None], columns]
    rows, row_weights = coefficients.bicubic_taps(plane.shape[0], height)
    columns, column_weights = coefficients.bicubic_taps(plane.shape[1], width)
    mixed = sum_in_order([row_weights[:, k, None] * plane[rows[:, k]] for k in range(4)])
    return sum_in_order([column_weights[:, k] * mixed[:, columns[:, k]] for k in range(4)])


def sum_in_order(terms: list[Float]) -> Float:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def gradient(u: Float) -> tuple[Float, Float]:
    """Forward differences down and right, 0 at the last row and column."""
    down, right = np.zeros_like(u), np.zeros_like(u)
    down[..., :-1, :] = u[..., 1:, :] - u[..., :-1, :]
    right[..., :, :-1] = u[..., :, 1:] - u[..., :, :-1]
    return down, right


def divergence(px: Float, py: Float) -> Float:
    """The negative adjoint of `gradient`, for fields that vanish on the last row and column."""
    above, left = np.zeros_like(px), np.zeros_like(py)
    above[..., 1:, :], left[..., :, 1:] = px[..., :-1, :], py[..., :, :-1]
    return (px - above) + (py - left)


def energy(u: NDArray[Any], data: NDArray[Any], weight: float, isotropic: bool = True) -> float:
    """ROF energy TV(u) + 1 / (2 weight) |u - data|², in float64 (eq. 10 and 11)."""
    down, right = gradient(u.astype(np.float64))
    variation = np.hypot(down, right) if isotropic else np.abs(down) + np.abs(right)
    return float(variation.sum() + ((u - data.astype(np.float64)) ** 2).sum() / (2 * weight))


def primal_dual(data: Float, steps: Float, isotropic: bool) -> Float:
    """ROF by algorithm 2 of Chambolle and Pock (2011), one gradient norm over the channels: (C, H, W) to (C, H, W)."""
    u, bar = data, data
    px, py = np.zeros_like(data), np.zeros_like(data)
    for step, keep, push, pull, momentum in steps:
        down, right = gradient(bar)
        px, py = px + step * down, py + step * right
        px, py = _project(px, py, isotropic)
        after = keep * u + push * divergence(px, py) + pull * data
        u, bar = after, after + momentum * (after - u)
    return u


def _project(px: Float, py: Float, isotropic: bool) -> tuple[Float, Float]:
    """Onto the unit disc of all channels and both directions; for anisotropic TV, of all channels of each direction."""
    one = np.float32(1)
    if len(px) == 1:
        if not isotropic:
            return np.clip(px, -one, one), np.clip(py, -one, one)
        scale = _shrink(px * px + py * py)
        return px * scale, py * scale
    norm_x, norm_y = (sum_in_order([c * c for c in p]) for p in (px, py))
    if isotropic:
        norm_x = norm_y = norm_x + norm_y
    return px * (one / np.maximum(one, np.sqrt(norm_x))), py * (one / np.maximum(one, np.sqrt(norm_y)))


def _shrink(squared: Float) -> Float:
    """Twin of `kernels.mdda._shrink`: min(1, 1 / √squared) within 0.09 %."""
    y: Float = (np.int32(0x5F0B3871) - (squared.view(np.int32) >> np.int32(1))).view(np.float32)
    shrunk: Float = np.minimum(np.float32(1), y * (np.float32(1.89099034) - (squared * y) * y))
    return shrunk


def split_bregman(data: Float, fidelity: np.float32, penalty: np.float32, iterations: int, isotropic: bool) -> Float:
    """ROF by split Bregman with one Gauss-Seidel sweep an iteration: (H, W) to (H, W)."""
    u = np.empty_like(data)
    dx, dy, bx, by = (np.empty_like(data) for _ in range(4))
    bregman_denoise(data, fidelity, penalty, iterations, isotropic, dx, dy, bx, by, u)
    return u


def _polynomial(x: Float, coefficients_: tuple[float, ...]) -> Float:
    total = np.full_like(x, coefficients_[-1])
    for coefficient in coefficients_[-2::-1]:
        total = np.float32(coefficient) + x * total
    return total


def _normal(height: int, width: int, low: np.uint32, high: np.uint32) -> Float:
    half = (width + 1) // 2
    h = np.arange(height * half, dtype=np.uint32).reshape(height, half) ^ low
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = ((h ^ (h >> np.uint32(15))) + high) * np.uint32(0x846CA68B)
    h = h ^ (h >> np.uint32(16))
    odd = (h >> np.uint32(16) << np.uint32(1) | np.uint32(1)).astype(np.float32)
    mantissa, exponent = np.frexp(odd)  # odd = mantissa 2^exponent, mantissa in [1/2, 1)
    t = mantissa * np.float32(2) - np.float32(1)
    radius = np.sqrt((18 - exponent).astype(np.float32) * _TWO_LN2 - t * _polynomial(t, _LOG))
    angle = (h & np.uint32(0x7FFF)).astype(np.int32)
    angle -= 2**15 * (angle >= 2**14)  # the upper of 15 bits is a sign
    x = (angle.astype(np.float32) + np.float32(0.5)) * np.float32(2**-15)
    sine = x * _polynomial(x * x, _SINE)
    cosine = _polynomial(x * x, _COSINE) * np.where(h & np.uint32(0x8000), np.float32(-1), np.float32(1))
    return np.concatenate([radius * sine, radius * cosine], axis=1)[:, :width]


# The twins: the kernels' signatures.


def diffuse_denoise(
    source: Float,
    sources: NDArray[np.int64],
    taps: NDArray[np.int64],
    weights: Float,
    keys: NDArray[np.uint32],
    sigma: np.float32,
    steps: Float,
    isotropic: bool,
    segments: NDArray[np.int64],
    scratch: Float,
    target: Float,
) -> None:
    """Twin of `kernels.mdda.diffuse_denoise`."""
    for number, offset, height, width, first, last, start, stop in segments:
        data = mean(_resampled(source, sources[start:stop], height, width))
        data = data + sigma * _normal(height, width, *keys[number])
        result = np.clip(primal_dual(data[None], steps, isotropic)[0], 0, 1)
        target[offset : offset + height * width].reshape(height, width)[first:last] = result[first:last]


def combine(
    source: Float,
    sources: NDArray[np.int64],
    taps: NDArray[np.int64],
    weights: Float,
    clip: bool,
    segments: NDArray[np.int64],
    scratch: Float,
    target: Float,
) -> None:
    """Twin of `kernels.mdda.combine`."""
    for _, offset, height, width, first, last, start, stop in segments:
        result = mean(_resampled(source, sources[start:stop], height, width))
        result = np.clip(result, 0, 1) if clip else result
        target[offset : offset + height * width].reshape(height, width)[first:last] = result[first:last]


def _resampled(source: Float, sources: NDArray[np.int64], height: int, width: int) -> list[Float]:
    return [resize(source[o : o + h * w].reshape(h, w), height, width) for _, o, h, w, _, _ in sources]


def normal(low: np.uint32, high: np.uint32, out: Float) -> None:
    """Twin of `kernels.mdda.normal`."""
    height, width = out.shape
    out[:] = _normal(height, width, low, high)


def joint_denoise(data: Float, steps: Float, isotropic: bool, px: Float, py: Float, bar: Float, u: Float) -> None:
    """Twin of `kernels.joint.denoise`."""
    u[:] = primal_dual(data, steps, isotropic)


def bregman_denoise(
    data: Float,
    fidelity: np.float32,
    penalty: np.float32,
    iterations: int,
    isotropic: bool,
    dx: Float,
    dy: Float,
    bx: Float,
    by: Float,
    u: Float,
) -> None:
    """Twin of `kernels.bregman.denoise`: the sweep pixel by pixel (each needs the one before), the rest whole."""
    threshold = np.float32(1) / penalty
    height, width = data.shape
    u[:] = data
    dx[:], dy[:], bx[:], by[:] = 0, 0, 0, 0
    for _ in range(iterations):
        qx, qy = dx - bx, dy - by
        for i in range(height):
            for j in range(width):
                terms = []
                if i > 0:
                    terms.append(u[i - 1, j] + qx[i - 1, j])
                if i < height - 1:
                    terms.append(u[i + 1, j] - qx[i, j])
                if j > 0:
                    terms.append(u[i, j - 1] + qy[i, j - 1])
                if j < width - 1:
                    terms.append(u[i, j + 1] - qy[i, j])
                total = np.float32(0)
                for term in terms:
                    total = total + term
                u[i, j] = (fidelity * data[i, j] + penalty * total) / (fidelity + penalty * np.float32(len(terms)))
        down, right = gradient(u)
        a, b = bx + down, by + right
        if isotropic:
            norm = np.sqrt(a * a + b * b)
            scale = np.maximum(np.float32(0), norm - threshold) / np.maximum(norm, threshold)
            dx[:], dy[:] = a * scale, b * scale
        else:
            dx[:] = a - np.clip(a, -threshold, threshold)
            dy[:] = b - np.clip(b, -threshold, threshold)
        bx[:], by[:] = a - dx, b - dy
