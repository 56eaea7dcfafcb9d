"""The choice of a drawing is told as it was."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the workstation extra")
pytest.importorskip("foolbox", reason="needs the workstation extra")

from edge_mdda import EDGE, Purifier  # noqa: E402
from tools import samples  # noqa: E402

pytestmark = pytest.mark.workstation


def trial(seed, adversarial_class, restored):
    pixels = np.zeros((32, 32, 3), np.uint8)
    return samples.Trial(seed, pixels, pixels, "NV", adversarial_class, restored)


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


def test_trials_purify_only_what_was_fooled(monkeypatch):
    def brighten(network, pixels, labels, **options):
        return np.where(pixels < 252, pixels + 4, pixels).astype(np.uint8)

    def fail(network, pixels, labels, **options):
        return pixels

    for descend, expected in ((brighten, "bright"), (fail, "dark")):
        monkeypatch.setattr(samples.attack, "descend", descend)
        found = next(samples.trials(torch.nn.Identity(), Brightness(64), Purifier(EDGE), 1))
        assert (found.clean_class, found.adversarial_class) == ("dark", expected)
        assert found.fooled == (expected == "bright")
        assert 0 <= found.restored <= samples.PURIFICATIONS
        assert found.fooled or found.restored == 0
