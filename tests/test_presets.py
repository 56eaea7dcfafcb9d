"""The choice of EDGE: the fastest candidate that is about as good as the best, against an attack that is one."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")
from tests.conftest import draw  # noqa: E402
from tools import presets  # noqa: E402


def row(score: float, milliseconds: float) -> dict[str, float]:
    return {"score": score, "milliseconds": milliseconds}


def test_the_fastest_within_the_tolerance_is_chosen():
    rows = [row(0.80, 20.0), row(0.795, 5.0), row(0.78, 1.0), row(0.792, 4.0)]
    assert presets.choose(rows, tolerance=0.01) == row(0.792, 4.0)
    assert presets.choose(rows, tolerance=0.0) == row(0.80, 20.0)


def test_every_candidate_is_different():
    found = list(presets.candidates())
    assert len(set(found)) == len(found) > 1


@pytest.mark.workstation
def test_the_attack_stays_in_its_ball_and_raises_the_loss():
    torch.manual_seed(0)
    small = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2))
    small = torch.nn.Sequential(small, torch.nn.Flatten(), torch.nn.Linear(32, 8)).requires_grad_(False)
    pixels = np.stack([np.rint(draw(64, 64, seed) * 255).astype(np.uint8) for seed in range(2)])
    labels = np.array([1, 3])
    moved = presets.attack(small, pixels, labels, levels=8, steps=5)

    def loss(images: np.ndarray) -> float:
        logits = small(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)))

    assert moved.dtype == np.uint8
    assert 1 <= np.abs(moved.astype(int) - pixels).max() <= 8
    assert loss(moved) > loss(pixels)
