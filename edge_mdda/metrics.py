"""How good a classifier's answers are: pure functions of labels and predictions.

Labels and predictions are integer arrays (N,) of class indices; a confusion matrix is integer (classes, classes), true
classes in rows, predicted ones in columns.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Standard normal quantile of two-sided 95 %.
Z_95 = 1.959963984540054

Interval = tuple[float, float]


def confusion(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count the pairs of true and predicted class.

    Raises:
        ValueError: the arrays are empty or differ in length, or an index is outside [0, classes).
    """
    if labels.shape != predictions.shape or labels.ndim != 1 or not len(labels):
        shapes = f"{predictions.shape} and {labels.shape}"
        raise ValueError(f"expected as many predictions as labels, at least one, got {shapes}")
    both = np.concatenate([labels, predictions])
    if both.min() < 0 or both.max() >= classes:
        raise ValueError(f"expected class indices in [0, {classes}), got {both.min()} to {both.max()}")
    return np.bincount(labels * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def accuracy(matrix: NDArray[np.int64]) -> float:
    """Part of the images whose predicted class is the true one."""
    return float(np.trace(matrix) / matrix.sum())


def balanced_accuracy(matrix: NDArray[np.int64]) -> float:
    """Mean sensitivity over the classes that have images."""
    totals = matrix.sum(axis=1)
    present = totals > 0
    return float(np.mean(np.diag(matrix)[present] / totals[present]))


def sensitivity(matrix: NDArray[np.int64], index: int) -> tuple[int, int]:
    """Images of a class that are recognised, and all images of it."""
    return int(matrix[index, index]), int(matrix[index].sum())


def specificity(matrix: NDArray[np.int64], index: int) -> tuple[int, int]:
    """Images of other classes that are not taken for this one, and all images of other classes."""
    others = int(matrix.sum() - matrix[index].sum())
    return others - int(matrix[:, index].sum() - matrix[index, index]), others


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's 95 % score interval of a proportion (Wilson 1927); (0, 1) when nothing was tried.

    Unlike p ± 1.96 s it stays inside [0, 1] and keeps its coverage with a dozen images and with none wrong.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"expected successes in [0, {trials}], got {successes}")
    if trials == 0:
        return 0.0, 1.0
    part, square = successes / trials, Z_95**2
    centre = (part + square / (2 * trials)) / (1 + square / trials)
    half = Z_95 / (1 + square / trials) * math.sqrt(part * (1 - part) / trials + square / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)
