"""How good a classifier's answers are, and how sure one can be of that: pure functions of labels and predictions.

Labels and predictions are integer arrays (N,) of class indices; logits are float arrays (N, classes); a confusion
matrix is integer (classes, classes), true classes in rows, predicted ones in columns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What the device's package counts with too, under one roof with the rest.
from edge_mdda.metrics import Z_95 as Z_95
from edge_mdda.metrics import Interval as Interval
from edge_mdda.metrics import accuracy as accuracy
from edge_mdda.metrics import balanced_accuracy as balanced_accuracy
from edge_mdda.metrics import confusion as confusion
from edge_mdda.metrics import sensitivity as sensitivity
from edge_mdda.metrics import specificity as specificity
from edge_mdda.metrics import wilson as wilson

CALIBRATION_BINS = 15
#: Temperatures searched: far wider than what a trained network needs (1 to 3, Guo et al. 2017).
TEMPERATURES = (0.05, 20.0)

_GOLDEN = (math.sqrt(5) - 1) / 2


def bootstrap(
    scores: NDArray[Any], labels: NDArray[np.int64], seed: int = 0, resamples: int = 10_000
) -> tuple[Interval, Interval]:
    """Percentile bootstrap 95 % intervals of two means of the images' scores: over all images, and of the class means.

    A score is what an image adds to a metric. With 1 for a right answer and 0 for a wrong one the means are accuracy
    and balanced accuracy; with the part of an image's noise seeds that were answered rightly they are the means over
    the seeds; with the difference of two models' scores the interval is a paired one, and much narrower than the two
    models' own. Images of each class are resampled among themselves, so a class of a dozen images never vanishes.

    Args:
        scores: (N,), any real numbers.
        labels: the images' classes, (N,).
    """
    random = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    means = np.empty((len(classes), resamples))
    for row, (index, count) in enumerate(zip(classes, counts, strict=True)):
        # Only how often each score was drawn matters: a draw of few numbers in place of one for every image.
        values, repeated = np.unique(scores[labels == index], return_counts=True)
        means[row] = random.multinomial(count, repeated / count, size=resamples) @ values / count
    total = counts @ means / counts.sum()
    intervals = [np.quantile(each, [0.025, 0.975]).tolist() for each in (total, means.mean(axis=0))]
    return (intervals[0][0], intervals[0][1]), (intervals[1][0], intervals[1][1])


def threshold_at_specificity(scores: NDArray[Any], positive: NDArray[np.bool_], specificity: float) -> float:
    """The smallest threshold at which at least so many of the negatives are not above it.

    Args:
        scores: (N,), larger for what looks more like a positive; an image is called positive above the threshold.
        positive: whether it is one, (N,).
        specificity: in (0, 1].

    Raises:
        ValueError: there is no negative.
    """
    negatives = np.sort(scores[~positive])
    if not len(negatives):
        raise ValueError(f"expected an image that is not of the class, got {len(scores)} that are")
    return float(negatives[math.ceil(specificity * len(negatives) - 1e-9) - 1])


def probabilities(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Softmax of logits / temperature, float64 (N, classes)."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_loss(logits: NDArray[Any], labels: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean negative logarithm of the probability given to the true class."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))


def calibration_error(logits: NDArray[Any], labels: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Expected calibration error with 15 bins of equal width (Guo et al., ICML 2017, eq. 3).

    The mean distance, over the images, between the confidence of a bin and the part of it that is right.
    """
    given = probabilities(logits, temperature)
    right = given.argmax(axis=1) == labels
    confidence = given.max(axis=1)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The temperature of least log loss (Guo et al. 2017, section 4.2), by golden-section search over its logarithm.

    The loss is convex in 1 / temperature, so it has one minimum and the search finds it, to one part in 10⁵.
    """
    low, high = map(math.log, TEMPERATURES)
    while high - low > 1e-5:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if log_loss(logits, labels, math.exp(left)) <= log_loss(logits, labels, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)
