"""The metrics of the tools against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tools import metrics

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
PREDICTIONS = np.array([0, 0, 0, 1, 1, 0, 2, 2])
MATRIX = np.array([[3, 1, 0], [1, 1, 0], [0, 0, 2]])


def test_confusion_has_true_classes_in_rows():
    np.testing.assert_array_equal(metrics.confusion(LABELS, PREDICTIONS, 3), MATRIX)


def test_confusion_refuses_what_does_not_pair():
    with pytest.raises(ValueError, match="as many predictions as labels"):
        metrics.confusion(LABELS, PREDICTIONS[1:], 3)
    with pytest.raises(ValueError, match=r"expected class indices in \[0, 2\), got 0 to 2"):
        metrics.confusion(LABELS, PREDICTIONS, 2)


def test_accuracy_is_the_diagonal():
    assert metrics.accuracy(MATRIX) == 6 / 8


def test_balanced_accuracy_averages_the_classes_present():
    assert metrics.balanced_accuracy(MATRIX) == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    absent = np.pad(MATRIX, (0, 1))
    assert metrics.balanced_accuracy(absent) == metrics.balanced_accuracy(MATRIX)


def test_sensitivity_and_specificity_count_images():
    assert metrics.sensitivity(MATRIX, 0) == (3, 4)
    assert metrics.specificity(MATRIX, 0) == (3, 4)
    assert metrics.specificity(MATRIX, 1) == (5, 6)
    assert metrics.specificity(MATRIX, 2) == (6, 6)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # The first two as worked out by Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0, 1)],
)
def test_wilson_interval(successes, trials, low, high):
    assert metrics.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match=r"expected successes in \[0, 3\], got 4"):
        metrics.wilson(4, 3)


def test_bootstrap_of_one_class_is_the_binomial_interval():
    scores = np.repeat([1, 0], [80, 20])
    total, balanced = metrics.bootstrap(scores, np.zeros(100, int))
    # Binomial(100, 0.8) has standard deviation 4; its 2.5 % and 97.5 % quantiles are 72 and 87.
    assert total == pytest.approx((0.72, 0.87), abs=0.011)
    assert balanced == total


def test_bootstrap_weighs_images_or_classes_alike():
    scores, labels = np.repeat([1.0, 0.0], [90, 10]), np.repeat([0, 4], [90, 10])
    assert metrics.bootstrap(scores, labels) == ((0.9, 0.9), (0.5, 0.5))


def test_bootstrap_repeats_with_its_seed():
    scores = np.arange(20) % 3 / 2
    first = metrics.bootstrap(scores, LABELS.repeat(3)[:20], seed=3)
    assert first == metrics.bootstrap(scores, LABELS.repeat(3)[:20], seed=3)
    assert first != metrics.bootstrap(scores, LABELS.repeat(3)[:20], seed=4, resamples=500)
    assert first[0][0] < scores.mean() < first[0][1]


def test_bootstrap_of_any_scores_is_the_interval_of_their_mean():
    random = np.random.default_rng(1)
    scores = random.normal(0.3, 2, 400)
    low, high = metrics.bootstrap(scores, np.zeros(400, int))[0]
    half = 1.96 * scores.std() / 20
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.02)


@pytest.mark.parametrize(("specificity", "threshold"), [(0.5, 2), (0.75, 3), (0.8, 4), (1, 4)])
def test_threshold_keeps_the_specificity(specificity, threshold):
    scores, positive = np.array([4, 3, 9, 1, 2, 3.5]), np.array([0, 0, 1, 0, 0, 1], bool)
    assert metrics.threshold_at_specificity(scores, positive, specificity) == threshold
    assert np.mean(scores[~positive] <= threshold) >= specificity


def test_threshold_needs_negatives():
    with pytest.raises(ValueError, match="expected an image that is not of the class, got 2 that are"):
        metrics.threshold_at_specificity(np.ones(2), np.ones(2, bool), 0.9)


def test_probabilities_and_log_loss():
    logits = np.array([[math.log(3), 0.0], [0.0, 0.0]], np.float32)
    np.testing.assert_allclose(metrics.probabilities(logits), [[0.75, 0.25], [0.5, 0.5]], rtol=1e-6)
    expected = -(math.log(0.75) + math.log(0.5)) / 2
    assert metrics.log_loss(logits, np.array([0, 1])) == pytest.approx(expected)
    softened = -(math.log(math.sqrt(3) / (1 + math.sqrt(3))) + math.log(0.5)) / 2
    assert metrics.log_loss(logits, np.array([0, 1]), 2.0) == pytest.approx(softened)


def test_log_loss_survives_large_logits():
    assert metrics.log_loss(np.array([[1e4, 0.0]]), np.array([1])) == pytest.approx(1e4)


def test_calibration_error_by_hand():
    # Four images at confidence 0.75, two of them right: 0.25 off; four at 0.5, all right (first of a tie): 0.5 off.
    logits = np.array([[math.log(3), 0.0]] * 4 + [[0.0, 0.0]] * 4)
    labels = np.array([0, 0, 1, 1, 0, 0, 0, 0])
    assert metrics.calibration_error(logits, labels) == pytest.approx((4 * 0.25 + 4 * 0.5) / 8)


def test_full_confidence_falls_into_the_last_bin():
    assert metrics.calibration_error(np.array([[1000.0, 0.0]]), np.array([0])) == 0


def test_temperature_by_hand():
    # Three of four right at logits ±log(9): the best probability is 3/4, that is log(9) / T = log(3), T = 2.
    logits = np.array([[math.log(9), 0.0]] * 4)
    assert metrics.fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(2, rel=1e-3)


def test_temperature_undoes_scaled_logits():
    random = np.random.default_rng(5)
    logits = random.normal(0, 2, (4000, 5))
    drawn = random.random((4000, 1))
    labels = (metrics.probabilities(logits).cumsum(axis=1) < drawn).sum(axis=1).clip(max=4)
    assert metrics.fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.1)
