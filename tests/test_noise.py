"""The noise is Gaussian, and its samples know nothing of each other."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from edge_mdda.coefficients import noise_key
from edge_mdda.kernels import dda

SIDE = 1024
COUNT = SIDE * SIDE


def samples(seed: int, block: int = 0, scale: int = 0, channel: int = 0) -> np.ndarray:
    out = np.empty(COUNT, np.float32)
    keys = np.array([noise_key(seed, block, scale, channel)], np.uint32)
    dda.normal(keys, np.array([(0, SIDE, SIDE, 0, SIDE)]), out)
    return out.reshape(SIDE, SIDE).astype(np.float64)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return samples(seed=2**63 + 12345)


def cumulative(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])


def test_moments_are_those_of_a_standard_normal(noise):
    # Five standard errors of mean, variance, skewness and excess kurtosis.
    bound = 5 / math.sqrt(COUNT)
    assert abs(noise.mean()) < bound
    assert abs(noise.var() - 1) < bound * math.sqrt(2)
    assert abs((noise**3).mean()) < bound * math.sqrt(15)
    assert abs((noise**4).mean() - 3) < bound * math.sqrt(96)


@pytest.mark.parametrize("half", [slice(0, SIDE // 2), slice(SIDE // 2, SIDE)])
def test_kolmogorov_smirnov_against_the_normal_distribution(noise, half):
    # Sines and cosines of Box and Muller lie in different halves of a row: each must pass alone.
    x = np.sort(noise[:, half].ravel())
    distance = np.abs(cumulative(x) - (np.arange(len(x)) + 0.5) / len(x)).max()
    assert distance < 1.95 / math.sqrt(len(x))  # a true sample exceeds this once in a thousand


@pytest.mark.parametrize("threshold", [2.0, 3.0, 3.5, 4.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_tails_hold_as_many_samples_as_they_should(noise, threshold, sign):
    expected = COUNT * 0.5 * math.erfc(threshold / math.sqrt(2))
    assert abs((sign * noise > threshold).sum() - expected) < 4 * math.sqrt(expected)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1])


# Radius and angle are shared by two samples, so uncorrelated values are not enough: their squares are tested too.
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (0, SIDE // 2), (0, 8), (7, 0)])
def test_neighbours_are_uncorrelated(noise, step, power):
    down, right = step
    a = noise[: SIDE - down, : SIDE - right] ** power
    b = noise[down:, right:] ** power
    assert correlation(a, b) < 5 / math.sqrt(a.size)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("coordinate", ["seed", "block", "scale", "channel"])
def test_planes_next_to_each_other_are_uncorrelated(coordinate, power):
    first = {"seed": 41, "block": 0, "scale": -2, "channel": 0}
    planes = [samples(**{**first, coordinate: first[coordinate] + k}) ** power for k in range(4)]
    for a, b in pairwise(planes):
        assert correlation(a, b) < 5 / math.sqrt(COUNT)


def test_no_plane_is_a_shifted_copy_of_another():
    a, b = samples(1), samples(2)
    spectrum = np.fft.rfft2(a) * np.conj(np.fft.rfft2(b))
    correlations = np.abs(np.fft.irfft2(spectrum, a.shape)) / COUNT
    assert correlations.max() < 7 / math.sqrt(COUNT)  # a million shifts: 5 to 6 deviations occur, a copy gives 1
