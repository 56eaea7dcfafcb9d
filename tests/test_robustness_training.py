"""The stand-in networks learn what they are for, and their attack needs no labels."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("foolbox", "lightning", "torch"):
    pytest.importorskip(library, reason="needs the robustness extra")

import torch  # noqa: E402
import typer  # noqa: E402

from tests.conftest import draw  # noqa: E402
from tests.networks import images, trained_like  # noqa: E402
from tools.robustness import networks, training  # noqa: E402

PIXELS = np.stack([np.rint(draw(112, 112, seed) * 255).astype(np.uint8) for seed in range(2)])


def crops(count: int) -> torch.Tensor:
    return torch.stack([training.Crops(PIXELS, count, seed=5)[index] for index in range(count)])


def test_super_resolution_learns_to_enlarge():
    held_out = crops(4)
    losses = {}
    for steps in (1, 25):
        model = training.train("super-resolution", PIXELS, steps=steps, batch=2, backbone=None)
        with torch.no_grad():
            losses[steps] = float(training.Trained(model, None, 1).loss(held_out))
    assert losses[25] < losses[1]


def test_features_are_driven_away_without_labels():
    features, clean = training.Features(trained_like()).eval(), images(2)
    torch.manual_seed(0)
    attacked = training.self_supervised(features, clean, radius=8)
    assert (attacked - clean).abs().max() <= 8 / 255 + 1e-6
    noise = (clean + torch.empty_like(clean).uniform_(-8 / 255, 8 / 255)).clamp(0, 1)

    def distance(moved: torch.Tensor) -> float:
        return float((features(moved) - features(clean)).abs().mean())

    assert distance(attacked) > distance(noise)


def test_a_purifier_is_trained_on_them():
    model = training.train("nrp", PIXELS, steps=2, batch=2, backbone=trained_like())
    fresh = networks.Representation()
    assert any((one != other).any() for one, other in zip(model.parameters(), fresh.parameters(), strict=True))
    assert model(images(1)).shape == (1, 3, 48, 48)


def test_crops_repeat_themselves_and_cover_turned_parts():
    assert torch.equal(crops(3), crops(3))
    assert crops(1).shape == (1, 3, training.CROP, training.CROP)


@pytest.mark.parametrize(
    ("name", "message"), [("edsr", "expected one of super-resolution, nrp"), ("nrp", "expected --weights with nrp")]
)
def test_what_cannot_be_trained_is_refused(name, message, tmp_path):
    with pytest.raises(typer.BadParameter, match=message):
        training.main(name, tmp_path)
