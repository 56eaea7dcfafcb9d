"""The optional solvers, plane by plane: split Bregman, and one gradient norm over all channels.

They allocate as they go: faithful options for a workstation, not the device's hot path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mdda import coefficients
from edge_mdda.kernels import bregman, dda, joint
from edge_mdda.parameters import Parameters
from edge_mdda.workspace import CHANNELS, Plane, Workspace


def draw(workspace: Workspace, part: int) -> None:
    """Fill one thread's share of `workspace.denoised` with standard normal samples."""
    dda.normal(workspace.keys[part], workspace.segments[part], workspace.denoised)


def denoise(workspace: Workspace, parameters: Parameters, part: int, threads: int) -> None:
    """Diffuse, denoise and project one thread's share of the levels, with the samples that `draw` left."""
    isotropic = parameters.total_variation == "isotropic"
    levels = [workspace.planes[i : i + CHANNELS] for i in range(0, len(workspace.planes), CHANNELS)]
    for level in levels[part::threads]:
        noisy = _diffuse(workspace, level, np.float32(parameters.standard_deviation))
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
            np.clip(values, 0, 1, out=plane.of(workspace.denoised))


def _diffuse(workspace: Workspace, level: list[Plane], sigma: np.float32) -> NDArray[np.float32]:
    noisy = np.stack([plane.of(workspace.denoised) for plane in level])
    noisy *= sigma
    for channel, plane in enumerate(level):
        noisy[channel] += plane.of(workspace.current)
    return noisy
