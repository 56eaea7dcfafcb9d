"""What a card says of a model: accuracy, calibration and melanoma, int8 and float32, as it is and behind each preset.

Most of the time goes into `test` behind each preset: an image and seed is purified once for both models.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_mdda import Classifier, Parameters, model
from edge_mdda.model import Bundle
from edge_mdda.parameters import PRESETS
from tools import atomic, evaluate, metrics

MELANOMA, SPECIFICITIES = "MEL", (0.8, 0.9)

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]


def logits_of(
    bundles: tuple[Bundle, Bundle],
    pixels: NDArray[np.uint8],
    parameters: Parameters | None,
    seeds: int,
    runtime: str,
    threads: int | None,
    cache: Path | None,
) -> NDArray[np.float32]:
    """As `evaluate.classify_each`, read from the cache's folder if the same was asked before.

    What is the same: the models, the pixels, the settings, and the package's code, which purifies.
    """
    asked = hashlib.sha256(repr((parameters, seeds, runtime, [bundle.sha256 for bundle in bundles])).encode())
    for file in sorted(Path(model.__file__).parent.rglob("*.py")):
        asked.update(file.read_bytes())
    asked.update(pixels)
    stored = None if cache is None else cache / f"{asked.hexdigest()}.npy"
    if stored is not None and stored.is_file():
        return np.asarray(np.load(stored))
    logits = evaluate.classify_each(bundles, pixels, parameters, seeds=seeds, runtime=runtime, threads=threads)
    if stored is not None:
        content = io.BytesIO()
        np.save(content, logits)
        atomic.write(stored, content.getvalue())
    return logits


def melanoma(
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    index: int,
    temperature: float,
    chosen: dict[str, float],
) -> dict[str, Any]:
    """Sensitivity for one class at given specificities, logits (seeds, N, classes); means over the seeds.

    Args:
        index: of the class.
        chosen: by specificity, the threshold on the probability of the class that gave it on `val`.

    Returns:
        By specificity: the sensitivity at the threshold of that specificity on these very images, its 95 % interval
        (that threshold taken as given), and what comes of the threshold of `val`.
    """
    scores = [metrics.probabilities(repetition, temperature)[:, index] for repetition in logits]
    ill = labels == index
    found: dict[str, Any] = {}
    for specificity, threshold in chosen.items():
        thresholds = [metrics.threshold_at_specificity(score, ill, float(specificity)) for score in scores]
        hits = np.mean([score[ill] > own for score, own in zip(scores, thresholds, strict=True)], axis=0)
        found[specificity] = {
            "sensitivity": float(hits.mean()),
            "sensitivity_95": metrics.bootstrap(hits, labels[ill])[0],
            "threshold_of_val": {
                "threshold": threshold,
                "sensitivity": float(np.mean([score[ill] > threshold for score in scores])),
                "specificity": float(np.mean([score[~ill] <= threshold for score in scores])),
            },
        }
    return found


def compare(
    logits: NDArray[np.float32], labels: NDArray[np.int64], plain: NDArray[np.float64] | None
) -> dict[str, dict[str, Any]]:
    """int8 against float32 and against the plain model, of logits (2, seeds, N, classes)."""
    integer, floating = (evaluate.right(each, labels) for each in logits)
    agreement = float(np.mean(logits[0].argmax(axis=2) == logits[1].argmax(axis=2)))
    compared: dict[str, dict[str, Any]] = {
        "int8_against_float32": {"agreement": agreement, **evaluate.difference(integer, floating, labels)}
    }
    if plain is not None:
        compared["against_plain"] = evaluate.difference(integer, plain, labels)
    return compared


def measure(
    bundles: tuple[Bundle, Bundle],
    splits: dict[str, Split],
    plain: NDArray[np.float64] | None,
    seeds: int,
    runtime: str,
    threads: int | None,
    cache: Path | None,
) -> tuple[float, dict[str, Any]]:
    """The temperature fitted on `val`, and all the measurements of a card, ready for JSON.

    Args:
        bundles: the int8 and the float32 model.
        plain: which images of `test` the best plainly trained model answers rightly, (N,).
    """
    classes = bundles[0].labels
    raw = {}
    for split, (pixels, _) in splits.items():
        typer.echo(split, err=True)
        raw[split] = logits_of(bundles, pixels, None, 1, runtime, threads, cache)
    temperature = metrics.fit_temperature(raw["val"][0, 0], splits["val"][1])
    index = classes.index(MELANOMA)
    probability = metrics.probabilities(raw["val"][0, 0], temperature)[:, index]
    chosen = {
        f"{specificity:g}": metrics.threshold_at_specificity(probability, splits["val"][1] == index, specificity)
        for specificity in SPECIFICITIES
    }

    def calibration(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
        return {
            name: float(np.mean([metrics.calibration_error(each, labels, divisor) for each in logits]))
            for name, divisor in (("before", 1.0), ("after", temperature))
        }

    measured: dict[str, Any] = {"runtime": Classifier(bundles[0], runtime=runtime).runtime, "raw": {}, "purified": {}}
    for split, (_, labels) in splits.items():
        measured["raw"][split] = {
            "int8": evaluate.summarise(raw[split][0, 0], labels, classes, temperature),
            "float32": evaluate.summarise(raw[split][1, 0], labels, classes, temperature),
            **compare(raw[split], labels, plain if split == "test" else None),
            "melanoma": melanoma(raw[split][0], labels, index, temperature, chosen),
            "calibration": calibration(raw[split][0], labels),
        }
    pixels, labels = splits["test"]
    for preset, parameters in PRESETS.items():
        typer.echo(f"test, purified by {preset}", err=True)
        logits = logits_of(bundles, pixels, parameters, seeds, runtime, threads, cache)
        measured["purified"][preset] = {
            "parameters": asdict(parameters),
            "int8": evaluate.summarise_seeds(logits[0], labels, classes, temperature),
            "float32": evaluate.summarise_seeds(logits[1], labels, classes, temperature),
            **compare(logits, labels, plain),
            "agreement_with_raw": float(np.mean(logits[0].argmax(axis=2) == raw["test"][0, 0].argmax(axis=1))),
            "melanoma": melanoma(logits[0], labels, index, temperature, chosen),
            "calibration": calibration(logits[0], labels),
        }
    return temperature, measured
