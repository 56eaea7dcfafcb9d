"""The rounding of weights: what it keeps, what it minimises, and that it beats rounding to nearest."""

from __future__ import annotations

import copy
import itertools

import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")

from torch.nn import functional  # noqa: E402

from tests.networks import images, trained_like  # noqa: E402
from tools import rounding  # noqa: E402


def nearest(weights):
    step = weights.abs().flatten(1).amax(1).view(-1, *[1] * (weights.ndim - 1)) / rounding.LEVELS
    return (weights / step).round() * step


def random_problem(rows, inputs, seed):
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, inputs, generator=random)
    factors = torch.randn(rows, inputs, inputs, generator=random) + 3 * torch.randn(rows, inputs, 1, generator=random)
    return weights, factors @ factors.transpose(1, 2)


def costs(errors, covariance):
    return torch.einsum("ri,rij,rj->r", errors, covariance, errors)


def test_folding_batch_norms_changes_no_answer():
    small, pixels = trained_like(), images(4)
    folded = rounding.fold(small)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(pixels), small(pixels), rtol=1e-3, atol=1e-3)


def test_weights_land_on_steps_that_a_quantizer_finds_again():
    weights, covariance = random_problem(rows=16, inputs=9, seed=1)
    rounded = rounding.descend(weights, covariance)
    torch.testing.assert_close(rounded.abs().amax(1), weights.abs().amax(1))
    torch.testing.assert_close(nearest(rounded), rounded)


@pytest.mark.parametrize("seed", range(3))
def test_no_row_costs_more_than_rounded_to_nearest_and_most_cost_far_less(seed):
    weights, covariance = random_problem(rows=64, inputs=9, seed=seed)
    ours = costs(rounding.descend(weights, covariance) - weights, covariance)
    plain = costs(nearest(weights) - weights, covariance)
    assert (ours <= plain * 1.001).all()
    assert ours.median() < 0.5 * plain.median()


def test_no_single_step_of_a_weight_would_lower_a_rows_cost():
    weights, covariance = random_problem(rows=8, inputs=6, seed=4)
    rounded = rounding.descend(weights, covariance)
    step = weights.abs().amax(1) / rounding.LEVELS
    least = costs(rounded - weights, covariance)
    for position, move in itertools.product(range(6), (-1, 1)):
        moved = rounded.clone()
        moved[:, position] += move * step
        free = (rounded[:, position] / step).round().abs() < rounding.LEVELS
        assert (costs(moved - weights, covariance) >= least * (1 - 1e-3))[free].all()


def test_a_shared_covariance_is_that_of_every_row():
    weights, covariance = random_problem(rows=5, inputs=7, seed=2)
    shared = covariance[:1]
    expected = rounding.descend(weights, shared.expand(5, -1, -1).contiguous())
    torch.testing.assert_close(rounding.descend(weights, shared), expected)


def test_weights_of_a_silent_channel_stay_finite():
    rounded = rounding.descend(torch.zeros(2, 9), torch.zeros(2, 9, 9))
    assert not rounded.any()


def test_moments_are_mean_and_covariance_of_what_the_weights_see():
    layer = torch.nn.Conv2d(3, 3, 3, padding=1, groups=3)
    pixels = images(5, side=8)
    moments = rounding.Moments()
    for image in pixels.split(1):
        moments.add(layer, (image,))
    mean, covariance = moments.finish()
    padded = functional.pad(pixels, (1, 1, 1, 1))
    for channel in range(3):
        seen = [padded[:, channel, y : y + 3, x : x + 3].flatten(1) for y in range(8) for x in range(8)]
        seen = torch.cat(seen).T
        torch.testing.assert_close(mean[channel], seen.mean(1))
        torch.testing.assert_close(covariance[channel], seen.cov(correction=0), rtol=1e-3, atol=1e-5)


def test_a_rounded_network_answers_closer_than_one_rounded_to_nearest():
    small = trained_like()
    ours = rounding.fold(small)
    plain = copy.deepcopy(ours)
    with torch.inference_mode():
        for layer in plain.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                layer.weight.copy_(nearest(layer.weight))
        rounding.refine(ours, images(12))
        pixels = images(16)
        expected = small(pixels)
        assert (ours(pixels) - expected).abs().mean() < 0.5 * (plain(pixels) - expected).abs().mean()
