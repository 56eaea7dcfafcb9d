"""The twins are right: they minimise the ROF energy, and resample as the textbooks say."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import cv2
import numpy as np
import pytest

from edge_mdda import coefficients, reference
from edge_mdda.parameters import StepSizes
from tests.conftest import draw

WEIGHT = 0.06


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.125, (48, 60))
    return (draw(48, 60)[..., 1] + noise).astype(np.float32)


SCHEDULES = get_args(StepSizes)


def primal_dual(
    data: np.ndarray, iterations: int, isotropic: bool = True, step_sizes: StepSizes = "learned"
) -> np.ndarray:
    return reference.primal_dual(data[None], coefficients.steps(WEIGHT, iterations, step_sizes), isotropic)[0]


def exact(data: np.ndarray, iterations: int, step_sizes: StepSizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The iteration in float64 with an exact projection: u, and both parts of p."""
    steps = coefficients.steps(WEIGHT, iterations, step_sizes).astype(np.float64)
    data = data.astype(np.float64)
    u, bar, px, py = data, data, np.zeros_like(data), np.zeros_like(data)
    for step, keep, push, pull, momentum in steps:
        down, right = reference.gradient(bar)
        px, py = px + step * down, py + step * right
        norm = np.maximum(1, np.hypot(px, py))
        px, py = px / norm, py / norm
        after = keep * u + push * reference.divergence(px, py) + pull * data
        u, bar = after, after + momentum * (after - u)
    return u, px, py


def duality_gap(data: np.ndarray, iterations: int, step_sizes: StepSizes) -> float:
    """Energy of u less the dual energy of p, with u + w div p formed from the same p: 0 only at the minimiser."""
    u, px, py = exact(data, iterations, step_sizes)
    divergence = reference.divergence(px, py)
    dual = -(data * divergence).sum() - WEIGHT / 2 * (divergence**2).sum()
    return reference.energy(u, data, WEIGHT) - dual


@pytest.mark.parametrize("iterations", [5, 1000])
def test_the_quick_projection_costs_no_energy(noisy, iterations):
    least = reference.energy(exact(noisy, iterations, "accelerated")[0], noisy, WEIGHT)
    assert reference.energy(primal_dual(noisy, iterations, True, "accelerated"), noisy, WEIGHT) < least * (1 + 1e-5)


@pytest.mark.parametrize("step_sizes", SCHEDULES)
def test_the_duality_gap_falls_with_iterations(noisy, step_sizes):
    gaps = [duality_gap(noisy, iterations, step_sizes) for iterations in (1, 5, 20, 100, 400)]
    assert all(gap > 0 for gap in gaps)
    assert all(later < earlier / 2 for earlier, later in pairwise(gaps))
    assert gaps[-1] / reference.energy(noisy, noisy, WEIGHT) < 1e-5


@pytest.mark.parametrize("isotropic", [True, False])
def test_learned_steps_leave_a_smaller_gap_than_accelerated_ones(noisy, isotropic):
    """At every number of iterations they were learned for, and beyond; a gap of them falls with each iteration."""
    best = reference.energy(primal_dual(noisy, 1000, isotropic, "accelerated"), noisy, WEIGHT, isotropic)
    numbers = (*range(1, 18), 30, 60)
    accelerated, learned = (
        [
            reference.energy(primal_dual(noisy, iterations, isotropic, step_sizes), noisy, WEIGHT, isotropic) / best - 1
            for iterations in numbers
        ]
        for step_sizes in ("accelerated", "learned")
    )
    assert all(ours < theirs for ours, theirs in zip(learned, accelerated, strict=True))
    assert all(later < earlier for earlier, later in pairwise(learned))


def test_five_iterations_come_within_a_percent_of_the_minimum(noisy):
    best = reference.energy(primal_dual(noisy, 1000), noisy, WEIGHT)
    assert reference.energy(primal_dual(noisy, 5), noisy, WEIGHT) / best - 1 < 0.009


@pytest.mark.parametrize("step_sizes", SCHEDULES)
@pytest.mark.parametrize("iterations", [0, 1, 7, 40])
def test_steps_keep_constants(step_sizes, iterations):
    steps = coefficients.steps(WEIGHT, iterations, step_sizes)
    assert steps.shape == (iterations, 5)
    np.testing.assert_allclose(steps[:, 1] + steps[:, 3], 1, atol=1e-6)


@pytest.mark.parametrize("isotropic", [True, False])
def test_split_bregman_reaches_the_same_minimiser(noisy, isotropic):
    by_bregman = reference.split_bregman(noisy, *coefficients.bregman(WEIGHT), 150, isotropic)
    best = reference.energy(primal_dual(noisy, 1000, isotropic), noisy, WEIGHT, isotropic)
    assert abs(reference.energy(by_bregman, noisy, WEIGHT, isotropic) / best - 1) < 1e-3
    np.testing.assert_allclose(by_bregman, primal_dual(noisy, 1000, isotropic), atol=0.01)


def test_the_minimiser_is_that_of_scikit_image(noisy):
    restoration = pytest.importorskip("skimage.restoration", reason="needs scikit-image (the benchmark extra)")
    theirs = restoration.denoise_tv_chambolle(noisy.astype(np.float64), weight=WEIGHT, eps=1e-9, max_num_iter=3000)
    ours = primal_dual(noisy, 1000)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert reference.energy(ours, noisy, WEIGHT) <= reference.energy(theirs, noisy, WEIGHT) * (1 + 1e-6)


def test_denoising_preserves_the_mean(noisy):
    for result in (primal_dual(noisy, 50), reference.split_bregman(noisy, *coefficients.bregman(WEIGHT), 50, True)):
        assert abs(float(result.mean() - noisy.mean())) < 1e-4


def test_joint_and_separate_channels_agree_on_one_channel_and_differ_on_three():
    steps = coefficients.steps(WEIGHT, 20)
    planes = np.ascontiguousarray(draw(40, 40).transpose(2, 0, 1))
    together = reference.primal_dual(planes, steps, True)
    apart = np.stack([reference.primal_dual(plane[None], steps, True)[0] for plane in planes])
    assert np.abs(together - apart).max() > 0.01


@pytest.mark.parametrize("size", [(96, 80), (48, 40), (61, 100), (50, 41)])
def test_bicubic_is_that_of_opencv(size):
    plane = draw(48, 40)[..., 0]
    height, width = max(48, size[0]), max(40, size[1])
    theirs = cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(reference.resize(plane, height, width), theirs, atol=2e-5)


@pytest.mark.parametrize("size", [(24, 20), (12, 10), (17, 17)])
def test_nearest_is_the_exact_one_of_opencv(size):
    """Without ties at ratios as 48 to 31: there OpenCV's 16-bit fixed point falls just below the half."""
    plane = draw(48, 40)[..., 0]
    theirs = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(reference.resize(plane, *size), theirs)


def test_bicubic_reproduces_a_straight_line_away_from_the_border():
    line = np.tile(np.arange(40, dtype=np.float32) / 40, (40, 1))
    twice = reference.resize(line, 80, 80)
    expected = ((np.arange(80) + 0.5) / 2 - 0.5) / 40
    np.testing.assert_allclose(twice[40, 6:-6], expected[6:-6], atol=2e-3)
