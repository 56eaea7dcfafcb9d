"""Prediction sets that hold the true class for a chosen part of the images: thresholds, and which kind is best.

Split conformal prediction (Papadopoulos et al., ECML 2002; Angelopoulos and Bates, "A Gentle Introduction to Conformal
Prediction", 2021): a class belongs to the set where its score is at most a quantile of the true classes' scores on
calibration images. Probabilities are float64 (N, classes), labels integer (N,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools import metrics

FOLDS = 5


@dataclass(frozen=True)
class Method:
    """A kind of prediction set.

    Attributes:
        by_class: whether every class has a threshold of its own, so that the coverage holds in each, or all have one.
        cumulative: whether a class's score is the probability of all classes up to it, as in RAPS (Angelopoulos et al.,
            "Uncertainty Sets for Image Classifiers using Conformal Prediction", ICLR 2021), here without its random
            part – one image would have several sets – or 1 less its own probability (Sadinle et al. 2019).
        penalty: λ of RAPS, added to the score for each class past the first `free` ones; 0 makes it APS.
        free: k of RAPS.
    """

    by_class: bool
    cumulative: bool = False
    penalty: float = 0.0
    free: int = 0

    def scores(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """How badly each class fits each image, (N, classes)."""
        if not self.cumulative:
            return 1 - probabilities
        order = np.argsort(-probabilities, axis=1, kind="stable")
        ranks = np.argsort(order, axis=1)
        up_to = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
        return np.take_along_axis(up_to, ranks, axis=1) + self.penalty * np.maximum(0, ranks + 1 - self.free)

    def thresholds(
        self, probabilities: NDArray[np.float64], labels: NDArray[np.int64], coverage: float
    ) -> NDArray[np.float64]:
        """The largest score that belongs to the set, for each class; infinite where there are too few images."""
        classes = probabilities.shape[1]
        true = self.scores(probabilities)[np.arange(len(labels)), labels]
        if not self.by_class:
            return np.full(classes, _quantile(true, coverage))
        return np.array([_quantile(true[labels == index], coverage) for index in range(classes)])


METHODS = {
    "own probability": Method(by_class=False),
    "RAPS, λ 0.1, k 2": Method(by_class=False, cumulative=True, penalty=0.1, free=2),
    "RAPS, λ 0.01, k 2": Method(by_class=False, cumulative=True, penalty=0.01, free=2),
    "APS": Method(by_class=False, cumulative=True),
    "own probability, by class": Method(by_class=True),
    "RAPS, λ 0.1, k 2, by class": Method(by_class=True, cumulative=True, penalty=0.1, free=2),
    "RAPS, λ 0.01, k 2, by class": Method(by_class=True, cumulative=True, penalty=0.01, free=2),
}
#: What the device has (`edge_mdda.calibration.Answers`): of those that cover every class, the smallest sets.
CHOSEN = "own probability, by class"


def least_probabilities(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], coverage: float
) -> NDArray[np.float64]:
    """The probability from which on each class belongs to the set of the chosen method, (classes,), in [0, 1]."""
    return np.maximum(0, 1 - METHODS[CHOSEN].thresholds(probabilities, labels, coverage))


def members(scores: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which classes belong to the set of each image, (N, classes); the one that fits best always does."""
    inside = scores <= thresholds
    inside[np.arange(len(scores)), scores.argmin(axis=1)] = True
    return inside


def summarise(inside: NDArray[np.bool_], labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, Any]:
    """Coverage and size of sets, (N, classes): over all images and for each class, with intervals of 95 %."""
    hit = inside[np.arange(len(labels)), labels]
    sizes = inside.sum(axis=1)
    half = metrics.Z_95 * sizes.std() / math.sqrt(len(sizes))
    each = {}
    for index, code in enumerate(classes):
        own = hit[labels == index]
        each[code] = {
            "images": len(own),
            "coverage": float(own.mean()) if len(own) else None,
            "coverage_95": metrics.wilson(int(own.sum()), len(own)),
        }
    return {
        "images": len(labels),
        "coverage": float(hit.mean()),
        "coverage_95": metrics.wilson(int(hit.sum()), len(hit)),
        "size": float(sizes.mean()),
        "size_95": [float(sizes.mean() - half), float(sizes.mean() + half)],
        "single": float(np.mean(sizes == 1)),
        "classes": each,
    }


def compare(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], coverage: float
) -> dict[str, dict[str, float]]:
    """Of each method: coverage, that of the worst covered class, and mean size of the sets, by cross-validation.

    Every fold has its part of each class, and is judged by thresholds from the others.
    """
    fold = np.empty(len(labels), int)
    random = np.random.default_rng(0)
    for index in range(probabilities.shape[1]):
        own = random.permutation(np.flatnonzero(labels == index))
        fold[own] = np.arange(len(own)) % FOLDS
    found = {}
    for name, method in METHODS.items():
        scores = method.scores(probabilities)
        inside = np.empty(scores.shape, bool)
        for number in range(FOLDS):
            held, rest = fold == number, fold != number
            inside[held] = members(scores[held], method.thresholds(probabilities[rest], labels[rest], coverage))
        hit = inside[np.arange(len(labels)), labels]
        found[name] = {
            "coverage": float(hit.mean()),
            "worst_class": min(float(hit[labels == index].mean()) for index in np.unique(labels)),
            "size": float(inside.sum(axis=1).mean()),
        }
    return found


def _quantile(scores: NDArray[np.float64], coverage: float) -> float:
    """The ⌈(n + 1) · coverage⌉-th smallest score; a further one exceeds it in 1 − coverage of cases at most."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return math.inf if rank > len(scores) else float(np.sort(scores)[rank - 1])
