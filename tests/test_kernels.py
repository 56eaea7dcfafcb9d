"""Every kernel equals its slow twin in `reference`, bit for bit, whatever the rows it is given."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mdda import coefficients, reference
from edge_mdda.kernels import bregman, dda, joint
from edge_mdda.parameters import Parameters
from edge_mdda.workspace import Workspace
from tests.conftest import draw

SHAPES = [(32, 32), (33, 57), (64, 40), (101, 35)]


def flat_planes(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two planes one after the other, their keys, and segments: the first cut in three, the second whole."""
    height, width = shape
    planes = np.ascontiguousarray(draw(height, width).transpose(2, 0, 1)[:2]).ravel()
    size = height * width
    cuts = [(0, 0, 5), (0, 5, 20), (0, 20, height), (size, 0, height)]
    segments = np.array([(offset, height, width, first, last) for offset, first, last in cuts])
    keys = np.array([coefficients.noise_key(1, 0, 0, channel) for channel in (0, 0, 0, 1)], np.uint32)
    return planes, keys, segments


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize(("sigma", "iterations"), [(0.0, 0), (0.125, 0), (0.0, 7), (0.125, 1), (0.125, 10)])
def test_diffuse_denoise_equals_its_twin(shape, isotropic, sigma, iterations):
    source, keys, segments = flat_planes(shape)
    steps = coefficients.steps(0.06, iterations)
    scratch = np.full((6, iterations + 3, shape[1] + 2), np.nan, np.float32)
    fast, slow = np.zeros_like(source), np.zeros_like(source)
    dda.diffuse_denoise(source, keys, np.float32(sigma), steps, isotropic, segments, scratch, fast)
    reference.diffuse_denoise(source, keys, np.float32(sigma), steps, isotropic, segments, scratch, slow)
    np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_equals_its_twin(shape):
    source, keys, segments = flat_planes(shape)
    fast, slow = np.zeros_like(source), np.zeros_like(source)
    dda.normal(keys, segments, fast)
    reference.normal(keys, segments, slow)
    np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scales", [(-2, -1, 0, 1), (-1, 0), (0, 1, 2), (-4, -3, -2, -1, 0)])
@pytest.mark.parametrize("mixture", ["build", "aggregate", "fuse"])
@pytest.mark.parametrize("threads", [1, 3])
def test_combine_equals_its_twin(shape, scales, mixture, threads):
    from edge_mdda.kernels import pyramid

    workspace = Workspace(*shape, Parameters(scales=scales), threads)
    source = np.random.default_rng(0).random(workspace.current.size, dtype=np.float32)
    jobs = getattr(workspace, mixture)
    fast, slow = np.zeros_like(source), np.zeros_like(source)
    for part in range(threads):
        arguments = (jobs.sources, jobs.taps, jobs.weights, True, jobs.segments[part], workspace.mixing_rows[part])
        pyramid.combine(source, *arguments, fast)
        reference.combine(source, *arguments, slow)
    np.testing.assert_array_equal(fast, slow)
    assert slow.any()


@pytest.mark.parametrize("isotropic", [True, False])
def test_joint_denoising_equals_its_twin(isotropic):
    data = np.ascontiguousarray(draw(33, 40).transpose(2, 0, 1))
    fast, slow = np.empty_like(data), np.empty_like(data)
    scratch = [np.empty_like(data) for _ in range(3)]
    steps = coefficients.steps(0.06, 8)
    joint.denoise(data, steps, isotropic, *scratch, fast)
    reference.joint_denoise(data, steps, isotropic, *scratch, slow)
    np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("isotropic", [True, False])
def test_split_bregman_equals_its_twin(isotropic):
    data = np.ascontiguousarray(draw(33, 40)[..., 0])
    fast, slow = np.empty_like(data), np.empty_like(data)
    scratch = [np.empty_like(data) for _ in range(4)]
    bregman.denoise(data, *coefficients.bregman(0.06), 4, isotropic, *scratch, fast)
    reference.bregman_denoise(data, *coefficients.bregman(0.06), 4, isotropic, *scratch, slow)
    np.testing.assert_array_equal(fast, slow)
