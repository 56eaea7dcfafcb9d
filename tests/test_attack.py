"""The attack stays in its ball, repeats itself, and is one."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")

from tests.conftest import draw  # noqa: E402
from tools import attack  # noqa: E402


def untrained() -> torch.nn.Module:
    torch.manual_seed(0)
    features = [torch.nn.Conv2d(3, 8, 5, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()]
    return torch.nn.Sequential(*features, torch.nn.Linear(32, 8)).eval().requires_grad_(False)


@pytest.mark.parametrize("levels", [2, 8])
def test_the_attack_stays_in_its_ball_raises_the_loss_and_repeats_itself(levels):
    network, labels = untrained(), np.array([1, 3])
    pixels = np.stack([np.rint(draw(64, 64, seed) * 255).astype(np.uint8) for seed in range(2)])
    moved = attack.descend(network, pixels, labels, levels=levels, steps=8, seed=4)

    def loss(images: np.ndarray) -> float:
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)))

    assert moved.dtype == np.uint8
    assert moved.shape == pixels.shape
    assert np.abs(moved.astype(int) - pixels).max() == levels
    assert loss(moved) > loss(pixels)
    np.testing.assert_array_equal(moved, attack.descend(network, pixels, labels, levels=levels, steps=8, seed=4))


def test_black_and_white_stay_within_8_bits():
    pixels = np.stack([np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 255, np.uint8)])
    moved = attack.descend(untrained(), pixels, np.array([0, 5]), levels=4, steps=4)
    assert np.abs(moved.astype(int) - pixels).max() <= 4
