"""Calibrate on `val` when a model's answers are to be trusted: what goes into a bundle's calibration.json.

Nothing here sees another split: `tools.doubt` calls it, measures the outcome on `test` and `external`, and is the
program to run. What was compared before a choice is returned beside the choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import binary_auroc

from edge_mdda import appearance, doubt
from edge_mdda.calibration import SCHEMA, Appearance
from edge_mdda.judgement import COVERAGE, COVERAGES
from edge_mdda.model import Bundle
from edge_mdda.parameters import PRESETS
from tools import conformal, metrics

#: Part of the dermoscopic images that may be taken for something else: each one costs a patient an examination.
NOT_DERMOSCOPIC_RATE = 0.01
#: Parts of the unattacked images on which the alarm may ring, to choose from; less would rest on a handful of images.
ALARM_RATES = (0.005, 0.01, 0.02, 0.05)
#: The wrong part of the answers given: Wilson's upper 95 % bound of it on `val` is at most this.
RISK = 0.1
FOLDS = 5

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


def auroc(usual: NDArray[Any], unusual: NDArray[Any]) -> float:
    """Probability that one of the unusual has a larger score than one of the usual, ties counting half."""
    _, ranks = np.unique(np.concatenate([usual, unusual]), return_inverse=True)
    # Ranks, since torchmetrics passes scores outside [0, 1] through a sigmoid, where large ones become equal.
    positive = torch.arange(len(ranks)) >= len(usual)
    return float(binary_auroc(torch.from_numpy(ranks / len(ranks)), positive.long()))


# Prediction sets and abstention: of one way of answering


def confidences(answer: Probabilities, verdicts: Sequence[Probabilities]) -> dict[str, NDArray[np.float64]]:
    """Candidates for how sure an answer is, (N,) each, larger is surer; the first is the device's, `doubt.uncertainty`.

    Args:
        answer: probabilities of the verdict that is the answer, (N, classes).
        verdicts: of the verdicts that count on each image, one or two, see `trusted`.
    """
    images, top = np.arange(len(answer)), answer.argmax(axis=1)
    given = np.stack([verdict[images, top] for verdict in verdicts])
    ranked = np.sort(answer, axis=1)
    logarithms = np.log(np.maximum(answer, np.finfo(float).tiny))
    return {
        "mean of the verdicts": given.mean(axis=0),
        "smaller of the verdicts": given.min(axis=0),
        "probability of the answer": ranked[:, -1],
        "margin of the answer": ranked[:, -1] - ranked[:, -2],
        "entropy of the answer": (answer * logarithms).sum(axis=1),
    }


def risks(confidence: NDArray[np.float64], wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The wrong part of the answers when the n surest are given, for n = 1 … N: the risk–coverage curve, (N,)."""
    return np.cumsum(wrong[np.argsort(-confidence, kind="stable")]) / np.arange(1, len(wrong) + 1)


def most_uncertainty(uncertainty: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """The threshold that gives the most answers while Wilson's upper bound of their wrong part is at most `RISK`.

    Above it no answer is given; 0, so never one, if no threshold is good enough. The bound is that of one threshold,
    and the best of many is taken (Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS
    2017, correct for that): a choice on `val`, not a guarantee.
    """
    order = np.argsort(uncertainty, kind="stable")
    errors = np.cumsum(wrong[order])
    ordered = uncertainty[order]
    for count in range(len(order), 0, -1):
        last_of_equals = count == len(order) or ordered[count] > ordered[count - 1]
        if last_of_equals and metrics.wilson(int(errors[count - 1]), count)[1] <= RISK:
            return float(ordered[count - 1])
    return 0.0


def answers(
    bundle: Bundle, answer: Probabilities, verdicts: Sequence[Probabilities], labels: Labels
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One way of answering: its part of calibration.json, and what was compared on the way.

    Args:
        answer: probabilities of the verdict that is the answer, (N, classes).
        verdicts: of the verdicts that count on each image, one or two, see `trusted`.
    """
    wrong = answer.argmax(axis=1) != labels
    candidates = confidences(answer, verdicts)
    uncertainty = 1 - next(iter(candidates.values()))
    least = np.stack([conformal.least_probabilities(answer, labels, percent / 100) for percent in COVERAGES], axis=1)
    part = {
        "least_probabilities": {
            code: (np.floor(values * 1e6) / 1e6).tolist() for code, values in zip(bundle.labels, least, strict=True)
        },
        "most_uncertainty": most_uncertainty(uncertainty, wrong),
    }
    compared = {
        "sets": conformal.compare(answer, labels, COVERAGE),
        "mean_risk": {name: float(risks(candidate, wrong).mean()) for name, candidate in candidates.items()},
    }
    return part, compared


# The attack alarm: of one purification


def divergences(raw: Probabilities, purified: Probabilities) -> dict[str, NDArray[np.float64]]:
    """Candidates for how much purification changes a verdict, (N,) each; the first is the device's."""
    codes = range(raw.shape[1])
    pairs = [[dict(zip(codes, row, strict=True)) for row in verdict.tolist()] for verdict in (raw, purified)]
    middle = (raw + purified) / 2
    return {
        "KL, purified from raw": np.array([doubt.divergence(*pair) for pair in zip(*pairs, strict=True)]),
        "KL, raw from purified": np.array([doubt.divergence(*reversed(pair)) for pair in zip(*pairs, strict=True)]),
        "Jensen–Shannon": _entropy(middle) - (_entropy(raw) + _entropy(purified)) / 2,
        "Hellinger": 1 - np.sqrt(raw * purified).sum(axis=1),
        "total variation": np.abs(raw - purified).sum(axis=1) / 2,
    }


def _entropy(probabilities: Probabilities) -> NDArray[np.float64]:
    return -(probabilities * np.log(np.maximum(probabilities, np.finfo(float).tiny))).sum(axis=1)


def divergence(raw: Probabilities, purified: Probabilities) -> NDArray[np.float64]:
    """The device's divergence of each image, (N,)."""
    return divergences(raw, purified)["KL, purified from raw"]


def choose(raw: Probabilities, purified: Probabilities, most: float) -> Probabilities:
    """The answers of `--purify auto`: the purified verdict where the divergence is above `most`, elsewhere the raw."""
    return np.where(divergence(raw, purified)[:, None] > most, purified, raw)


def trusted(raw: Probabilities, purified: Probabilities, most: float) -> list[Probabilities]:
    """The two verdicts that count for the confidence: where the alarm rings, the purified one stands for both."""
    return [choose(raw, purified, most), purified]


def quality(answer: Probabilities, labels: Labels) -> dict[str, float]:
    """Accuracy and balanced accuracy of answers, (N, classes)."""
    matrix = metrics.confusion(labels, answer.argmax(axis=1), answer.shape[1])
    return {"accuracy": metrics.accuracy(matrix), "balanced_accuracy": metrics.balanced_accuracy(matrix)}


def alarm(
    clean: tuple[Probabilities, Probabilities],
    labels: Labels,
    attacked: dict[str, tuple[Probabilities, Probabilities]],
    attacked_labels: Labels,
) -> tuple[float, dict[str, Any]]:
    """The divergence above which the alarm rings, and what was compared for it.

    Of the thresholds that `ALARM_RATES` of the unattacked images exceed, the one whose answers are best: by the mean of
    accuracy and balanced accuracy, unattacked and attacked, as `tools.presets` has it.

    Args:
        clean: probabilities of the raw and of the purified verdicts.
        attacked: the same by attack.
        attacked_labels: the attacked images' classes.
    """
    usual = divergences(*clean)
    detection = {name: {} for name in usual}
    for attack, verdicts in attacked.items():
        for name, values in divergences(*verdicts).items():
            detection[name][attack] = auroc(usual[name], values)
    scores = {}
    for rate in ALARM_RATES:
        most = float(np.quantile(divergence(*clean), 1 - rate))
        without = quality(choose(*clean, most), labels).values()
        under = [
            value
            for verdicts in attacked.values()
            for value in quality(choose(*verdicts, most), attacked_labels).values()
        ]
        scores[rate] = {"threshold": most, "score": float(np.mean([np.mean(list(without)), np.mean(under)]))}
    best = max(ALARM_RATES, key=lambda rate: scores[rate]["score"])
    compared = {
        "auroc": detection,
        "rates": [{"rate": rate, **scores[rate]} for rate in ALARM_RATES],
        "chosen_rate": best,
        "threshold_at_5_percent": float(np.quantile(divergence(*clean), 0.95)),
    }
    return scores[best]["threshold"], compared


# What is no dermoscopic image


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The numbers of `edge_mdda.appearance.describe` of images, (N, 15)."""
    return np.stack([appearance.describe(picture) for picture in pixels])


def distances(look: Appearance, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far described images, (N, 15), are from dermoscopic ones, (N,)."""
    return np.array([look.distance(row) for row in numbers])


def fit_appearance(numbers: NDArray[np.float64]) -> Appearance:
    """How dermoscopic images look, from their descriptions, (N, 15).

    The threshold is a quantile of the distances of images that the fit had not seen, by cross-validation.
    """
    fold = np.random.default_rng(0).permutation(len(numbers)) % FOLDS
    unseen = np.empty(len(numbers))
    for number in range(FOLDS):
        unseen[fold == number] = distances(_fit(numbers[fold != number]), numbers[fold == number])
    whole = _fit(numbers)
    return Appearance(whole.means, whole.whitening, float(np.quantile(unseen, 1 - NOT_DERMOSCOPIC_RATE)))


def _fit(numbers: NDArray[np.float64]) -> Appearance:
    # The ridge only matters where there are fewer images than numbers, as in tests.
    covariance = np.cov(numbers, rowvar=False) + 1e-9 * np.eye(numbers.shape[1])
    return Appearance(numbers.mean(axis=0), np.linalg.cholesky(np.linalg.inv(covariance)), np.inf)


def strangeness(look: Appearance, pixels: NDArray[np.uint8], logits: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Candidates for how little an image is a dermoscopic one, (N,) each; the first is the device's."""
    largest = logits.max(axis=1)
    return {
        "appearance": distances(look, describe(pixels)),
        "energy": -largest - np.log(np.exp(logits - largest[:, None]).sum(axis=1)),
        "largest logit": -largest,
        "largest probability": -metrics.probabilities(logits).max(axis=1),
    }


# All of it


def calibration(
    bundle: Bundle,
    verdicts: dict[str, Probabilities],
    labels: Labels,
    attacked: dict[str, dict[str, Probabilities]],
    attacked_labels: Labels,
    look: Appearance,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of calibration.json, and what was compared for it.

    Args:
        verdicts: probabilities of the images of `val`, as they came ("raw") and by preset.
        attacked: the same of attacked images, by attack.
    """
    raw = verdicts["raw"]
    part, compared = answers(bundle, raw, [raw], labels)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "model": bundle.sha256,
        "temperature": bundle.temperature,
        "appearance": {"means": look.means.tolist(), "whitening": look.whitening.tolist(), "most": look.most},
        "raw": part,
        "purified": [],
    }
    found: dict[str, Any] = {"never": compared}
    for preset in (name for name in verdicts if name != "raw"):
        purified = verdicts[preset]
        pairs = {attack: (both["raw"], both[preset]) for attack, both in attacked.items()}
        most, found[f"{preset}, alarm"] = alarm((raw, purified), labels, pairs, attacked_labels)
        entry: dict[str, Any] = {"parameters": asdict(PRESETS[preset]), "most_divergence": most}
        for mode, answer in (("always", purified), ("auto", choose(raw, purified, most))):
            entry[mode], found[f"{preset}, {mode}"] = answers(bundle, answer, trusted(raw, purified, most), labels)
        content["purified"].append(entry)
    return content, found
