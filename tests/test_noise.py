"""The noise is Gaussian, and its samples know nothing of each other."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from edge_mdda import coefficients
from edge_mdda.kernels import mdda

SIDE = 1024
COUNT = SIDE * SIDE


def samples(seed: int, block: int = 0, scale: int = 0, channel: int = 0) -> np.ndarray:
    out = np.empty((SIDE, SIDE), np.float32)
    ((key,),) = coefficients.noise_keys(seed, *(np.array([number]) for number in (block, scale, channel)))
    mdda.normal(*key, out)
    return out.astype(np.float64)


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


def test_radii_and_angles_are_those_of_a_uniform_grid(noise):
    # Box and Muller turned back: u = exp(-r² / 2) and the angle in turns must be middles of 2^16 steps, all as likely.
    sine, cosine = noise[:, : SIDE // 2], noise[:, SIDE // 2 :]
    uniform = np.exp(-(sine**2 + cosine**2) / 2)
    turn = np.arctan2(sine, cosine) / (2 * np.pi) % 1
    for fraction in (uniform, turn):
        steps = fraction * 2**16 - 0.5
        assert np.abs(steps - np.rint(steps)).max() < 0.4  # what the polynomials' errors come to, at most
        counts = np.bincount(np.rint(steps).astype(int).ravel() // 64, minlength=1024)
        expected = steps.size / 1024
        chi_squared = ((counts - expected) ** 2 / expected).sum()
        assert abs(chi_squared - 1023) < 4 * math.sqrt(2 * 1023)


def test_splitmix64_is_the_published_one():
    # https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64: the first two outputs for this seed.
    seed, step = 1234567, 0x9E3779B97F4A7C15
    states = np.array([seed, (seed + step) % 2**64], np.uint64)
    assert [int(x) for x in coefficients._splitmix64(states)] == [6457827717110365317, 3203168211198807973]
