"""MDDA in PyTorch, differentiable from end to end: for attackers who know it, and for those who train through it.

The same noise as `edge_mdda.Purifier` for the same seed, the same resampling and the same iterations, in the words of
`edge_mdda.reference`; only the projection's inverse square root is exact here. What a gradient sees of it is that of
the unrolled primal-dual iterations.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch.nn import functional

from edge_mdda import Parameters, coefficients
from edge_mdda.coefficients import level_size
from edge_mdda.kernels import mdda

Planes = dict[int, torch.Tensor]


def purify(images: torch.Tensor, parameters: Parameters, seeds: list[int]) -> torch.Tensor:
    """MDDA of a batch: float32 (N, 3, H, W) in [0, 1] to the same, each image with a seed of its own (eq. 8 to 15).

    Raises:
        ValueError: the parameters ask for split Bregman or for channels denoised together, which have no surrogate.
    """
    if parameters.solver != "chambolle-pock" or parameters.channels != "apart":
        raise ValueError(f"expected chambolle-pock on channels apart, got {parameters.solver}, {parameters.channels}")
    height, width = images.shape[-2:]
    sizes = {s: (level_size(height, s), level_size(width, s)) for s in parameters.scales}
    levels = {s: resize(images, *size) for s, size in sizes.items()}
    for block in range(parameters.blocks):
        denoised: Planes = {}
        for scale, planes in levels.items():
            noisy = planes + parameters.standard_deviation * noise(planes.shape, seeds, block, scale)
            denoised[scale] = denoise(noisy, parameters).clamp(0, 1)
        for scale in parameters.scales:
            near = (scale, scale - 1, scale + 1) if parameters.own_scale else (scale - 1, scale + 1)
            levels[scale] = _mean([resize(denoised[n], *sizes[scale]) for n in near if n in sizes])
    return _mean([resize(levels[s], height, width) for s in parameters.scales]).clamp(0, 1)


def noise(shape: torch.Size, seeds: list[int], block: int, scale: int) -> torch.Tensor:
    """The standard normal samples that the purifier adds to a level: float32 (N, 3, height, width)."""
    samples = np.empty(tuple(shape), np.float32)
    channels = np.arange(shape[1])
    for image, seed in zip(samples, seeds, strict=True):
        keys = coefficients.noise_keys(seed, np.array([block]), np.full(len(channels), scale), channels)[0]
        for plane, key in zip(image, keys, strict=True):
            mdda.normal(*key, plane)
    return torch.from_numpy(samples)


def denoise(data: torch.Tensor, parameters: Parameters) -> torch.Tensor:
    """The unrolled iterations of `edge_mdda.reference.primal_dual`, each plane apart."""
    u, bar = data, data
    px, py = torch.zeros_like(data), torch.zeros_like(data)
    rows = coefficients.steps(parameters.weight, parameters.iterations, parameters.step_sizes).tolist()
    for step, keep, push, pull, momentum in rows:
        down = functional.pad(bar[..., 1:, :] - bar[..., :-1, :], (0, 0, 0, 1))
        right = functional.pad(bar[..., :, 1:] - bar[..., :, :-1], (0, 1))
        px, py = px + step * down, py + step * right
        if parameters.total_variation == "isotropic":
            # Where nothing is cut the root is not taken, whose slope at 0 has no bound.
            scale = (px * px + py * py).clamp(min=1).rsqrt()
            px, py = px * scale, py * scale
        else:
            px, py = px.clamp(-1, 1), py.clamp(-1, 1)
        divergence = px - functional.pad(px[..., :-1, :], (0, 0, 1, 0)) + py - functional.pad(py[..., :, :-1], (1, 0))
        after = keep * u + push * divergence + pull * data
        u, bar = after, after + momentum * (after - u)
    return u


def resize(planes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Nearest pixel going down, bicubic going up, (N, 3, h, w) to (N, 3, height, width)."""
    source = planes.shape[-2:]
    if tuple(source) == (height, width):
        return planes
    if height <= source[0]:
        rows = torch.from_numpy(coefficients.nearest_taps(source[0], height))
        columns = torch.from_numpy(coefficients.nearest_taps(source[1], width))
        return planes[..., rows[:, None], columns]
    return _bicubic(source[0], height) @ planes @ _bicubic(source[1], width).T


@functools.cache
def _bicubic(source: int, target: int) -> torch.Tensor:
    """The bicubic weights as a matrix, (target, source)."""
    taps, weights = coefficients.bicubic_taps(source, target)
    matrix = np.zeros((target, source), np.float32)
    np.add.at(matrix, (np.arange(target)[:, None], taps), weights)
    return torch.from_numpy(matrix)


def _mean(planes: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(planes).mean(0)
