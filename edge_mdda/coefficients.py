"""The numbers that kernels and their NumPy twins are given: step sizes, noise keys, sizes and weights of resampling."""

from __future__ import annotations

import functools
import importlib.resources
import json
import math

import numpy as np
from numpy.typing import NDArray

from edge_mdda.parameters import StepSizes

#: Keys' cubic with a = -0.75, as OpenCV and PyTorch have it.
BICUBIC_A = -0.75
#: Penalty of split Bregman over its fidelity.
PENALTY = 1.0
Integers = NDArray[np.int64]


def level_size(size: int, scale: int) -> int:
    """Side of pyramid level `scale`: round(size · 2^scale), at least 1 pixel."""
    return max(1, math.floor(size * 2.0**scale + 0.5))


def steps(weight: float, iterations: int, step_sizes: StepSizes = "learned") -> NDArray[np.float32]:
    """Step sizes of the primal-dual iteration for ROF with 1/λ = weight: float32 (iterations, 5).

    Columns: dual step; keep, push and pull of the primal step u = keep u + push div p + pull f; momentum. "learned" are
    those of `tools.step_sizes`, fitted for this very number of iterations to isotropic TV of single planes; where there
    are none for so many, the longest ones and then accelerated ones. "accelerated" is algorithm 2 of Chambolle and
    Pock, with its proof. Weight 0 leaves nothing to denoise: no iterations.
    """
    if weight == 0:
        return np.empty((0, 5), np.float32)
    rows = accelerated(1, iterations)
    if step_sizes == "learned" and iterations > 0:
        schedules = _learned()
        rows = schedules[min(iterations, len(schedules)) - 1]
        if iterations > len(rows):
            # λ times the primal step that the last `keep` stands for.
            last = (1 - rows[-1, 1]) / rows[-1, 1]
            rows = np.concatenate([rows, accelerated(1, iterations - len(rows), last)])
    return np.asarray(rows * (1 / weight, 1, weight, 1, 1), np.float32)


def accelerated(weight: float, iterations: int, first: float = 1.0) -> NDArray[np.float64]:
    """Step sizes of algorithm 2 of Chambolle and Pock (2011): as `steps`, float64.

    The first primal step is `first` times `weight` and the modulus λ/2: of six first steps and three moduli on four
    images these had the smallest energy gap after 5 to 12 iterations at w = 0.06 (0.67 % after 10) and, but for one, at
    w = 0.03.
    """
    fidelity = 1 / weight
    primal = first * weight
    dual = 1 / (8 * primal)  # their product times ‖∇‖² = 8 must not exceed 1
    rows = []
    for _ in range(iterations):
        momentum = 1 / math.sqrt(1 + fidelity * primal)
        shrink = 1 + fidelity * primal
        rows.append((dual, 1 / shrink, primal / shrink, fidelity * primal / shrink, momentum))
        primal, dual = primal * momentum, dual / momentum
    return np.array(rows, np.float64).reshape(iterations, 5)


@functools.cache
def _learned() -> list[NDArray[np.float64]]:
    """The schedules for 1, 2, … iterations, for weight 1: float64 (iterations, 5) each."""
    record = json.loads(importlib.resources.files("edge_mdda").joinpath("step_sizes.json").read_text())
    schedules = []
    for rows in record["schedules"]:
        dual, keep, push, momentum = np.array(rows, np.float64).T
        schedules.append(np.stack([dual, keep, push, 1 - keep, momentum], axis=1))
    return schedules


def noise_keys(seed: int, blocks: Integers, scales: Integers, channels: Integers) -> NDArray[np.uint32]:
    """Two 32-bit halves of the key of each plane's noise in each block: uint32 (blocks, planes, 2).

    splitmix64 chained over a plane's coordinates (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014). blocks: int64 (blocks,). scales, channels: int64 (planes,).
    """
    state = np.full((len(blocks), 1), seed, np.uint64)
    for coordinate in (blocks[:, None], scales + 64, channels):
        state = _splitmix64(state + coordinate.astype(np.uint64))
    return np.stack([state.astype(np.uint32), (state >> np.uint64(32)).astype(np.uint32)], axis=2)


def nearest_taps(source: int, target: int) -> NDArray[np.int64]:
    """Source position of each target position: int64 (target,), the pixel whose centre is nearest, ties going up."""
    positions = (np.arange(target, dtype=np.int64) * 2 + 1) * source // (2 * target)
    return np.minimum(positions, source - 1)


def bicubic_taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Four source positions (borders repeated) and weights of each target position: int64 and float32 (target, 4)."""
    centre = (np.arange(target) + 0.5) * source / target - 0.5
    base = np.floor(centre).astype(np.int64)
    distance = np.abs(centre[:, None] - (base[:, None] + np.arange(-1, 3)))
    near = ((BICUBIC_A + 2) * distance - (BICUBIC_A + 3)) * distance**2 + 1
    far = ((BICUBIC_A * distance - 5 * BICUBIC_A) * distance + 8 * BICUBIC_A) * distance - 4 * BICUBIC_A
    weights = np.where(distance <= 1, near, far).astype(np.float32)
    return np.clip(base[:, None] + np.arange(-1, 3), 0, source - 1), weights


def _splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)  # modulo 2^64, as all that follows
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


def bregman(weight: float) -> tuple[np.float32, np.float32]:
    """Fidelity 1/weight and the splitting's penalty for split Bregman."""
    return np.float32(1 / weight), np.float32(PENALTY / weight)
