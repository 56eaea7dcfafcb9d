"""The optional solvers, plane by plane: split Bregman, and one gradient norm over all channels.

They allocate as they go: faithful options for a workstation, not the device's hot path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mdda import coefficients
from edge_mdda.kernels import bregman, joint, mdda
from edge_mdda.parameters import Parameters
from edge_mdda.workspace import CHANNELS, Plane, Workspace


def diffuse_denoise(
    workspace: Workspace,
    parameters: Parameters,
    keys: NDArray[np.uint32],
    part: int,
    threads: int,
    planes: NDArray[np.float32],
) -> None:
    """Diffuse, denoise and project one thread's share of the levels in `planes`, a buffer of the workspace."""
    isotropic = parameters.total_variation == "isotropic"
    levels = [workspace.planes[i : i + CHANNELS] for i in range(0, len(workspace.planes), CHANNELS)]
    for number in range(part, len(levels), threads):
        level = levels[number]
        noisy = _diffuse(
            level, keys[number * CHANNELS : (number + 1) * CHANNELS], np.float32(parameters.standard_deviation), planes
        )
        if len(workspace.steps) == 0:
            result = noisy
        elif parameters.channels == "joint":
            result, px, py, bar = (np.empty_like(noisy) for _ in range(4))
            joint.denoise(noisy, workspace.steps, isotropic, px, py, bar, result)
        else:
            result = np.empty_like(noisy)
            dx, dy, bx, by = (np.empty_like(noisy[0]) for _ in range(4))
            fidelity, penalty = coefficients.bregman(parameters.weight)
            for plane, target in zip(noisy, result, strict=True):
                bregman.denoise(plane, fidelity, penalty, parameters.iterations, isotropic, dx, dy, bx, by, target)
        for plane, values in zip(level, result, strict=True):
            np.clip(values, 0, 1, out=plane.of(planes))


def _diffuse(
    level: list[Plane], keys: NDArray[np.uint32], sigma: np.float32, planes: NDArray[np.float32]
) -> NDArray[np.float32]:
    noisy = np.empty((len(level), level[0].height, level[0].width), np.float32)
    for plane, (low, high), samples in zip(level, keys, noisy, strict=True):
        mdda.normal(low, high, samples)
        samples *= sigma
        samples += plane.of(planes)
    return noisy
