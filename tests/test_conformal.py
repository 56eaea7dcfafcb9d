"""Prediction sets cover what they promise on exchangeable images, and their scores are those of the papers."""

from __future__ import annotations

import numpy as np
import pytest

from tools import conformal


def simulated(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three unequal classes that are the true ones, and labels drawn by them."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([2.0, 0.7, 0.3], count)
    labels = (random.random(count)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, labels


def test_raps_by_hand():
    method = conformal.Method(by_class=False, cumulative=True, penalty=0.1, free=1)
    scores = method.scores(np.array([[0.2, 0.5, 0.3]]))
    np.testing.assert_allclose(scores, [[1.0 + 0.2, 0.5, 0.8 + 0.1]])


def test_the_quantile_is_that_of_one_more_image():
    assert conformal._quantile(np.arange(1.0, 10.0), 0.9) == 9  # ⌈10 · 0.9⌉-th of nine
    assert conformal._quantile(np.arange(1.0, 10.0), 0.91) == np.inf
    assert conformal._quantile(np.arange(1.0, 20.0), 0.9) == 18


@pytest.mark.parametrize("name", conformal.METHODS)
def test_coverage_holds_on_images_of_the_kind(name):
    method = conformal.METHODS[name]
    probabilities, labels = simulated(20_000, seed=0)
    thresholds = method.thresholds(probabilities, labels, 0.9)
    fresh, fresh_labels = simulated(20_000, seed=1)
    inside = conformal.members(method.scores(fresh), thresholds)
    hit = inside[np.arange(len(fresh)), fresh_labels]
    assert hit.mean() > 0.89
    if method.by_class:
        assert all(hit[fresh_labels == index].mean() > 0.88 for index in range(3))


def test_a_class_of_few_images_is_never_left_out():
    probabilities, labels = simulated(400, seed=2)
    kept = (labels != 2) | (np.cumsum(labels == 2) <= 5)
    least = conformal.least_probabilities(probabilities[kept], labels[kept], 0.9)
    assert least[2] == 0
    assert (least[:2] > 0).all()


def test_summary_by_hand():
    inside = np.array([[True, False], [True, True], [False, True]])
    found = conformal.summarise(inside, np.array([0, 1, 0]), ("MEL", "NV"))
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["size"] == pytest.approx(4 / 3)
    assert found["single"] == pytest.approx(2 / 3)
    assert (found["classes"]["MEL"]["coverage"], found["classes"]["NV"]["coverage"]) == (0.5, 1.0)


def test_of_a_class_without_images_nothing_is_said():
    found = conformal.summarise(np.ones((2, 2), bool), np.array([0, 0]), ("MEL", "NV"))
    assert found["classes"]["NV"]["coverage"] is None


def test_the_comparison_shows_what_a_common_threshold_does_to_a_rare_class():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [900, 100])
    # The rare class is confused more often than not.
    first = np.where(labels == 0, random.uniform(0.7, 1, 1000), random.uniform(0.3, 0.98, 1000))
    found = conformal.compare(np.stack([first, 1 - first], axis=1), labels, 0.9)
    assert found["own probability"]["worst_class"] < 0.6
    assert found["own probability, by class"]["worst_class"] > 0.8
    assert found["own probability, by class"]["size"] > found["own probability"]["size"]
