"""Evaluate a model on a split of a data set, as it is or behind a purification.

    python -m tools.evaluate models/mobilenet_v2 --split val --out val.json
    python -m tools.evaluate runs/plain/model_float.tflite --split test --purify edge --seeds 3 --out test.json

Images take the way they take on the device: the package's own pixel gate, Purifier and Classifier. The seed of the
noise is image position · 1000 + repetition, so a run repeats bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from edge_mdda import Classifier, Parameters, Purifier, interpreter, model
from edge_mdda.model import Bundle
from edge_mdda.parameters import PRESETS
from tools import atomic, dataset, metrics

SCHEMA = "edge-mdda/evaluation/2"
SEED_STRIDE = 1000

SeedsOf = Callable[[int, int], Iterable[int]]


def _consecutive(first: int, count: int) -> Iterable[int]:
    return range(first, first + count)


def read_model(path: Path) -> Bundle:
    """Load a bundle's folder, or a lone .tflite as `tools.convert` makes it (RGB in [0, 1], `dataset.CLASSES`)."""
    if path.is_dir():
        return model.load(path)
    content = path.read_bytes()
    _, height, width, _ = interpreter.open(content).input.shape
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(path.parent, path.stem, dataset.CLASSES, height, width, 0.0, 1.0, 1.0, digest, content, {})


def load(
    folder: Path, split: str, bundle: Bundle, limit: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A split's images at the model's size, uint8 (N, H, W, 3), and their class indices in the model's order, (N,).

    Args:
        limit: take at most so many images, spread evenly over the split (`spread`).

    Raises:
        FileNotFoundError: the folder is no data set, or an image is missing.
        ValueError: the split has no images, a class is unknown to the model, or the model's input is not square.
    """
    if bundle.height != bundle.width:
        raise ValueError(f"expected a model with a square input, got {bundle.height}×{bundle.width}")
    samples = dataset.select(dataset.read(folder), split)
    samples = [samples[position] for position in spread(len(samples), limit)]
    unknown = {sample.label for sample in samples} - set(bundle.labels)
    if unknown:
        raise ValueError(f"expected classes out of {', '.join(bundle.labels)}, got {', '.join(sorted(unknown))}")
    pixels, _ = dataset.load(samples, bundle.height)
    return pixels, np.array([bundle.labels.index(sample.label) for sample in samples])


def spread(count: int, limit: int | None) -> NDArray[np.int64]:
    """Positions in [0, count) of all images, or of `limit` evenly spread ones when there are more."""
    return np.linspace(0, count - 1, count if limit is None else min(limit, count)).astype(np.int64)


def classify(
    bundle: Bundle,
    pixels: NDArray[np.uint8],
    parameters: Parameters | None = None,
    *,
    seeds: int = 1,
    seeds_of: SeedsOf = _consecutive,
    runtime: str = "auto",
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Logits of one model, float32 (seeds, N, classes): see `classify_each`."""
    options: dict[str, Any] = {"seeds": seeds, "seeds_of": seeds_of, "runtime": runtime, "threads": threads}
    return classify_each([bundle], pixels, parameters, **options)[0]


def classify_each(
    bundles: Sequence[Bundle],
    pixels: NDArray[np.uint8],
    parameters: Parameters | None = None,
    *,
    seeds: int = 1,
    seeds_of: SeedsOf = _consecutive,
    runtime: str = "auto",
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Logits, float32 (models, seeds, N, classes), of images of the models' size, uint8 (N, H, W, 3).

    An image is purified once for all models, which therefore see the same pixels.

    Args:
        bundles: models with as many classes and the same input size.
        parameters: of the purification that float32 images pass through; None for none, which makes one repetition.
        seeds: how often each image is purified, in [1, 1000].
        seeds_of: the seeds of an image by its first one and how many there are; by default those that follow.
        threads: images worked on at the same time; by default the processors allowed. The result does not depend on it.
    """
    if not 1 <= seeds <= SEED_STRIDE:
        raise ValueError(f"expected seeds in [1, {SEED_STRIDE}], got {seeds}")
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    seeds = 1 if parameters is None else seeds
    idle: SimpleQueue[tuple[list[Classifier], Purifier | None]] = SimpleQueue()
    for _ in range(threads):
        purifier = None if parameters is None else Purifier(parameters, threads=1)
        idle.put(([Classifier(bundle, runtime=runtime) for bundle in bundles], purifier))

    def repeat(position: int) -> NDArray[np.float32]:
        classifiers, purifier = idle.get()
        try:
            views: Iterable[NDArray[Any]] = [pixels[position]]
            if purifier is not None:
                unit = pixels[position] / np.float32(255)
                wanted = seeds_of(position * SEED_STRIDE, seeds)
                views = (purifier.purify(unit, seed=seed) for seed in wanted)
            logits = [[classifier.logits(view) for classifier in classifiers] for view in views]
            return np.swapaxes(np.asarray(logits), 0, 1)
        finally:
            idle.put((classifiers, purifier))

    with ThreadPoolExecutor(threads) as pool:
        results = [pool.submit(repeat, position) for position in range(len(pixels))]
        try:
            return np.stack([result.result() for result in _progress(results)], axis=2)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _progress(results: list[Future[NDArray[np.float32]]]) -> Iterable[Future[NDArray[np.float32]]]:
    """Go through results in order under a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    return track(results, "images", console=console, transient=True, disable=not console.is_terminal)


def summarise(
    logits: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """The metrics of one pass over a split, ready for JSON, intervals of 95 %: logits (N, classes), labels (N,)."""
    predictions = logits.argmax(axis=1)
    matrix = metrics.confusion(labels, predictions, len(classes))
    each = {}
    for index, code in enumerate(classes):
        each[code] = {"images": int(matrix[index].sum())}
        for name, count in (("sensitivity", metrics.sensitivity), ("specificity", metrics.specificity)):
            successes, trials = count(matrix, index)
            each[code][name] = successes / trials if trials else None
            each[code][f"{name}_95"] = metrics.wilson(successes, trials)
    return {
        "images": len(labels),
        "accuracy": metrics.accuracy(matrix),
        "accuracy_95": metrics.wilson(int(np.trace(matrix)), len(labels)),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "balanced_accuracy_95": metrics.bootstrap(predictions == labels, labels)[1],
        "log_loss": metrics.log_loss(logits, labels, temperature),
        "calibration_error": metrics.calibration_error(logits, labels, temperature),
        "classes": each,
        "confusion": matrix.tolist(),
    }


def right(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The part of its seeds for which each image is answered rightly, (N,), of logits (seeds, N, classes)."""
    return np.asarray((logits.argmax(axis=2) == labels).mean(axis=0))


def difference(
    scores: NDArray[np.float64], others: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, float | metrics.Interval]:
    """Accuracy and balanced accuracy of `right` minus those of others on the same images, with paired intervals."""
    gains = scores - others
    total, balanced = metrics.bootstrap(gains, labels)
    return {
        "accuracy_difference": float(gains.mean()),
        "accuracy_difference_95": total,
        "balanced_accuracy_difference": float(np.mean([gains[labels == index].mean() for index in np.unique(labels)])),
        "balanced_accuracy_difference_95": balanced,
    }


def summarise_seeds(
    logits: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """The metrics of repeated purifications, logits (seeds, N, classes): means over the seeds, and the range of them.

    The intervals are bootstraps over the images, each with the part of its seeds that were answered rightly.
    """
    passes = [summarise(repetition, labels, classes, temperature) for repetition in logits]
    summary: dict[str, Any] = {"images": len(labels), "seeds": len(passes)}
    for name in ("accuracy", "balanced_accuracy", "log_loss", "calibration_error"):
        values = [each[name] for each in passes]
        summary[name] = float(np.mean(values))
        summary[f"{name}_range"] = [min(values), max(values)]
    summary["accuracy_95"], summary["balanced_accuracy_95"] = metrics.bootstrap(right(logits, labels), labels)
    summary["confusion"] = np.mean([each["confusion"] for each in passes], axis=0).tolist()
    summary["classes"] = {}
    for code, found in passes[0]["classes"].items():
        summary["classes"][code] = {"images": found["images"]}
        for name in ("sensitivity", "specificity"):
            parts = [each["classes"][code][name] for each in passes]
            summary["classes"][code][name] = None if None in parts else float(np.mean(parts))
    return summary


def cells(figures: dict[str, Any], kinds: Sequence[str] = ("clean", "adversarial")) -> list[str]:
    """Cells of a table: accuracy and balanced accuracy on each kind of images, clean and attacked ones."""
    return [f"{figures[kind]['accuracy']:.1%} / {figures[kind]['balanced']:.1%}" for kind in kinds]


def main(
    source: Annotated[Path, typer.Argument(metavar="MODEL", help="A bundle's folder or a .tflite file.", exists=True)],
    out: Annotated[Path, typer.Option(help="JSON file for the results.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    split: Annotated[str, typer.Option(help=f"One of {', '.join(dataset.SPLITS)}.")] = "val",
    purify: Annotated[str | None, typer.Option(help=f"Preset to purify with: {', '.join(PRESETS)}.")] = None,
    seeds: Annotated[int, typer.Option(help="Purifications of each image.", min=1, max=SEED_STRIDE)] = 1,
    runtime: Annotated[str, typer.Option(help=f"auto, {', '.join(interpreter.RUNTIMES)}.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Only so many images, spread evenly: a trial.", min=1)] = None,
) -> None:
    """Evaluate a model on a split and write the metrics as JSON."""
    if purify is not None and purify not in PRESETS:
        raise typer.BadParameter(f"expected a preset out of {', '.join(PRESETS)}, got {purify!r}")
    bundle = read_model(source)
    pixels, labels = load(data, split, bundle, limit)
    parameters = None if purify is None else PRESETS[purify]
    logits = classify(bundle, pixels, parameters, seeds=seeds, runtime=runtime)
    if parameters is None:
        measured = summarise(logits[0], labels, bundle.labels, bundle.temperature)
    else:
        measured = summarise_seeds(logits, labels, bundle.labels, bundle.temperature)
    result = {
        "schema": SCHEMA,
        "model": bundle.name,
        "sha256": bundle.sha256,
        "temperature": bundle.temperature,
        "runtime": Classifier(bundle, runtime=runtime).runtime,
        "split": split,
        "purification": None if parameters is None else {"preset": purify, **asdict(parameters)},
        "measured": measured,
        # One row for each seed, as class indices: what a paired comparison with another model needs.
        "predictions": logits.argmax(axis=2).tolist(),
    }
    atomic.write(out, json.dumps(result) + "\n")
    typer.echo(f"accuracy {measured['accuracy']:.4f}, balanced accuracy {measured['balanced_accuracy']:.4f}")


if __name__ == "__main__":
    typer.run(main)
