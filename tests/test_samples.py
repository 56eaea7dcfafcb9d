"""The attack that makes the adversarial sample stays in its ball, and the choice of a drawing is told as it was."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")

from edge_mdda import EDGE, Purifier  # noqa: E402
from tools import dataset, drawing, network, samples  # noqa: E402

pytestmark = pytest.mark.workstation


@pytest.fixture(scope="module")
def untrained():
    """A small network with random weights, and batch norms that have seen images: else nothing reaches the logits."""
    torch.manual_seed(0)
    small = network.MobileNetV2(len(dataset.CLASSES), width=0.35, dropout=0.0)
    pixels = np.stack([drawing.draw(seed, 64) for seed in range(8)])
    with torch.no_grad():
        for _ in range(60):  # the momentum is 0.03
            small(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    return small.eval().requires_grad_(False)


def trial(seed, adversarial_class, restored):
    pixels = np.zeros((32, 32, 3), np.uint8)
    return samples.Trial(seed, pixels, pixels, "NV", adversarial_class, restored)


def loss(model, pixels, label):
    logits = model(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    return torch.nn.functional.cross_entropy(logits, torch.tensor([label])).item()


@pytest.mark.parametrize("brightness", ["drawn", "black", "white"])
def test_the_rounded_image_stays_in_the_ball(untrained, brightness):
    pixels = {
        "drawn": drawing.draw(1, 64),
        "black": np.zeros((64, 64, 3), np.uint8),
        "white": np.full((64, 64, 3), 255, np.uint8),
    }[brightness]
    attacked = samples.attack(untrained, pixels, 0, steps=5)
    assert attacked.dtype == np.uint8
    assert attacked.shape == pixels.shape
    assert np.abs(attacked.astype(int) - pixels).max() == samples.LEVELS


def test_the_attack_raises_the_loss_and_repeats_itself(untrained):
    pixels = drawing.draw(1, 64)
    attacked = samples.attack(untrained, pixels, 2, steps=10, seed=4)
    assert loss(untrained, attacked, 2) > loss(untrained, pixels, 2)
    np.testing.assert_array_equal(attacked, samples.attack(untrained, pixels, 2, steps=10, seed=4))


def test_only_a_changed_class_that_most_purifications_restore_shows_the_effect():
    assert trial(0, "MEL", samples.PURIFICATIONS // 2 + 1).shows
    assert not trial(0, "MEL", samples.PURIFICATIONS // 2).shows
    assert not trial(0, "NV", 0).shows


def test_the_readme_lists_every_drawing_tried():
    tried = [trial(0, "NV", 0), trial(1, "BKL", 3), trial(2, "MEL", 19)]
    text = samples.describe(tried, "0" * 64)
    assert "drawings tried 3, class changed by the attack 2" in text
    assert "| 0 | NV | NV | not fooled |" in text
    assert "| 1 | NV | BKL | 3 of 20 |" in text
    assert "| 2 | NV | MEL | 19 of 20 |" in text


class Brightness:
    """Stands for a classifier: its class is whether the image is brighter than the first one it was shown."""

    labels = ("dark", "bright")

    def __init__(self, side):
        self.bundle = type("Bundle", (), {"height": side})
        self.threshold = None

    def logits(self, pixels):
        mean = float(pixels.mean())
        self.threshold = mean if self.threshold is None else self.threshold
        return np.array([0, mean - self.threshold], np.float32)


def test_trials_purify_only_what_was_fooled(untrained, monkeypatch):
    brighter = lambda network, pixels, label, seed: np.where(pixels < 252, pixels + 4, pixels).astype(np.uint8)  # noqa: E731
    for attack, expected in ((brighter, "bright"), (lambda network, pixels, label, seed: pixels, "dark")):
        monkeypatch.setattr(samples, "attack", attack)
        found = next(samples.trials(untrained, Brightness(64), Purifier(EDGE), 1))
        assert (found.clean_class, found.adversarial_class) == ("dark", expected)
        assert found.fooled == (expected == "bright")
        assert 0 <= found.restored <= samples.PURIFICATIONS
        assert found.fooled or found.restored == 0
