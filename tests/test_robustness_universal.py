"""One perturbation for all images: it repeats itself, stays in its ball and does more than noise."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.workstation
for library in ("art", "distributed", "foolbox", "matplotlib", "skimage", "torch", "torchattacks"):
    pytest.importorskip(library, reason="needs the robustness extra")

from tests import laboratory  # noqa: E402
from tests.filling import crafts, fill  # noqa: E402
from tools.robustness import universal  # noqa: E402
from tools.robustness.store import Store  # noqa: E402


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    return laboratory.victim(tmp_path_factory.mktemp("victim"))


@pytest.fixture(scope="module")
def pictures(victim):
    return laboratory.pictures(victim, 4)


def test_one_perturbation_serves_all_images(victim, pictures, tmp_path):
    names, store = ("universal:steps=2",), Store(tmp_path)
    (craft,) = crafts([victim], names)
    pixels, labels = np.stack([each.pixels for each in pictures]), np.array([each.label for each in pictures])
    made, again = (universal.make(victim.network, pixels, labels, levels=8, steps=2) for _ in range(2))
    np.testing.assert_array_equal(made, again)
    assert made.any()
    assert np.abs(made).max() <= 8
    universal.write(store.folder, craft.key, made)
    assert fill(store, pictures, [victim], names) == len(pictures)
    for picture in pictures:
        expected = np.clip(picture.pixels + made, 0, 255)
        np.testing.assert_array_equal(store.read_example(craft.key, picture.digest), expected)
    store.close()


def test_one_perturbation_for_all_does_more_than_noise_of_its_size(victim, pictures):
    pixels, labels = np.stack([each.pixels for each in pictures]), np.array([each.label for each in pictures])
    made = universal.make(victim.network, pixels, labels, levels=4, steps=40)
    noise = np.random.default_rng(0).choice([-4, 4], made.shape)

    def loss(moved):
        examples = [np.clip(each.pixels + moved, 0, 255).astype(np.uint8) for each in pictures]
        pairs = zip(examples, pictures, strict=True)
        return np.mean([laboratory.loss(victim, example, picture.label) for example, picture in pairs])

    assert loss(made) - loss(0) > 2 * (loss(noise) - loss(0)) > 0
