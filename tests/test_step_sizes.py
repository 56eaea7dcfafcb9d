"""Learning step sizes: the differentiable iteration is the shipped one, and fitting beats the classical schedule."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")

from edge_mdda import coefficients, reference  # noqa: E402
from tests.conftest import draw  # noqa: E402
from tools import step_sizes  # noqa: E402


def noisy(seed):
    planes = draw(40, 50, seed).transpose(2, 0, 1)
    return (planes + np.random.default_rng(seed).normal(0, 0.125, planes.shape)).astype(np.float32)


@pytest.mark.parametrize("weight", [0.02, 0.06])
def test_the_differentiable_iteration_is_that_of_the_reference(weight):
    planes = noisy(0)
    rows = step_sizes.scaled(coefficients.accelerated(1, 6), weight)
    theirs = [reference.primal_dual(p[None], coefficients.steps(weight, 6, "accelerated"), True)[0] for p in planes]
    # The reference projects within 0.09 %, this one exactly.
    np.testing.assert_allclose(step_sizes.solve(torch.from_numpy(planes), rows), np.stack(theirs), atol=2e-4)


def test_energies_are_those_of_the_reference():
    planes, smooth = noisy(1), draw(40, 50).transpose(2, 0, 1)
    ours = step_sizes.energies(torch.from_numpy(smooth.copy()), torch.from_numpy(planes), 0.06)
    expected = [reference.energy(u, f, 0.06) for u, f in zip(smooth, planes, strict=True)]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_learning_more_than_halves_the_gap_on_other_images(monkeypatch):
    monkeypatch.setattr(step_sizes, "DESCENTS", 60)
    seen, unseen = (step_sizes.Problem(torch.from_numpy(noisy(seed)), 0.06) for seed in (2, 3))
    start = torch.from_numpy(coefficients.accelerated(1, 4))
    learned = step_sizes.learn(4, start, [seen])
    torch.testing.assert_close(learned[:, 1] + learned[:, 3], torch.ones(4, dtype=learned.dtype))
    assert unseen.gap(learned) < 0.5 * unseen.gap(start)
