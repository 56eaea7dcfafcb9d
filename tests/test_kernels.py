"""Every kernel equals its slow twin in `reference`, bit for bit, whatever the rows it is given."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mdda import coefficients, reference
from edge_mdda.kernels import bregman, joint, mdda
from edge_mdda.parameters import Parameters
from edge_mdda.workspace import Workspace
from tests.conftest import draw

SHAPES = [(32, 32), (33, 57), (64, 40), (101, 35)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize(("sigma", "iterations"), [(0.0, 0), (0.125, 0), (0.0, 7), (0.125, 1), (0.125, 2), (0.125, 10)])
@pytest.mark.parametrize("mixture", ["build", "aggregate"])
@pytest.mark.parametrize("threads", [1, 5])
def test_diffuse_denoise_equals_its_twin(shape, isotropic, sigma, iterations, mixture, threads):
    workspace, source = prepare(shape, Parameters(iterations=iterations), threads)
    jobs = getattr(workspace, mixture)
    keys = workspace.noise_keys(1, 1)[0]
    workspace.rows[:] = np.nan  # nothing may be read that was not written
    fast, slow = np.zeros_like(source), np.zeros_like(source)
    for part, segments in enumerate(jobs.segments):
        tables = source, jobs.sources, jobs.taps, jobs.weights
        numbers = keys, np.float32(sigma), workspace.steps, isotropic, segments, workspace.rows[part]
        mdda.diffuse_denoise(*tables, *numbers, fast)
        reference.diffuse_denoise(*tables, *numbers, slow)
    np.testing.assert_array_equal(fast, slow)
    assert slow.any()


def test_shrinking_brings_any_vector_onto_the_unit_disc():
    lengths = np.concatenate([[0], np.geomspace(1e-18, 1e18, 100_001)]).astype(np.float32)
    squared = lengths * lengths
    np.testing.assert_array_equal([mdda._shrink(value) for value in squared], reference._shrink(squared))
    shrunk = lengths * reference._shrink(squared)
    np.testing.assert_allclose(shrunk, np.minimum(1, lengths), rtol=9e-4)
    assert (shrunk <= lengths).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_equals_its_twin(shape):
    fast, slow = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    mdda.normal(np.uint32(2**31 + 5), np.uint32(7), fast)
    reference.normal(np.uint32(2**31 + 5), np.uint32(7), slow)
    np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scales", [(-2, -1, 0, 1), (-1, 0), (0, 1, 2), (-4, -3, -2, -1, 0)])
@pytest.mark.parametrize("mixture", ["build", "aggregate", "fuse"])
@pytest.mark.parametrize("threads", [1, 3])
def test_combine_equals_its_twin(shape, scales, mixture, threads):
    workspace, source = prepare(shape, Parameters(scales=scales), threads)
    jobs = getattr(workspace, mixture)
    fast, slow = np.zeros_like(source), np.zeros_like(source)
    for part, segments in enumerate(jobs.segments):
        arguments = jobs.sources, jobs.taps, jobs.weights, True, segments, workspace.rows[part, 5]
        mdda.combine(source, *arguments, fast)
        reference.combine(source, *arguments, slow)
    np.testing.assert_array_equal(fast, slow)
    assert slow.any()


def prepare(shape: tuple[int, int], parameters: Parameters, threads: int) -> tuple[Workspace, np.ndarray]:
    """A workspace, and random values for all its planes."""
    workspace = Workspace(*shape, parameters, threads)
    return workspace, np.random.default_rng(0).random(workspace.buffers[0].size, dtype=np.float32)


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
