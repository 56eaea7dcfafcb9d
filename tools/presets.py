"""Choose the preset EDGE on the validation split: the cheapest purification that is about as good as the best.

    python -m tools.presets --checkpoint runs/plain/best.ckpt --out models/presets.json

Each candidate purifies clean images and adversarial ones (foolbox's PGD on the float network, rounded to 8 bits, the
attacker unaware of the defence), and the shipped int8 model classifies them. A candidate's score is the mean of its
accuracy and balanced accuracy on both. Of those within `TOLERANCE` of the best score the fastest is chosen.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import foolbox
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import nn

from edge_mdda import Classifier, Parameters, Purifier
from tools import atomic, checkpoint, dataset, metrics

SCALES = ((-2, -1, 0, 1), (-2, -1, 0), (-1, 0))
SIGMAS = (0.05, 0.075, 0.1, 0.125)
BLOCKS = (1, 2)
# Weight per sigma: a stronger noise needs a stronger denoising.
RELATIVE_WEIGHTS = (0.4, 0.6)
ITERATIONS = (6,)
TOLERANCE = 0.01


def candidates() -> Iterator[Parameters]:
    for scales, sigma, blocks, relative, iterations in itertools.product(
        SCALES, SIGMAS, BLOCKS, RELATIVE_WEIGHTS, ITERATIONS
    ):
        weight = round(relative * sigma, 4)
        yield Parameters(sigma=sigma, blocks=blocks, weight=weight, iterations=iterations, scales=scales)


def attack(
    network: nn.Module, pixels: NDArray[np.uint8], labels: NDArray[np.int64], levels: int, steps: int, batch: int = 16
) -> NDArray[np.uint8]:
    """PGD in the L∞ ball of `levels` of 255 on uint8 RGB (N, H, W, 3), rounded to 8 bits."""
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    descent = foolbox.attacks.LinfPGD(rel_stepsize=2.5 / steps, steps=steps)
    torch.manual_seed(0)
    moved = []
    for start in range(0, len(pixels), batch):
        images = torch.from_numpy(pixels[start : start + batch]).permute(0, 3, 1, 2).float() / 255
        result = descent.run(model, images, torch.from_numpy(labels[start : start + batch]), epsilon=levels / 255)
        moved.append(result.permute(0, 2, 3, 1).numpy())
    return np.rint(np.concatenate(moved) * np.float32(255)).astype(np.uint8)


def predict(
    classifier: Classifier, pixels: NDArray[np.uint8], purifier: Purifier | None
) -> tuple[NDArray[np.int64], float]:
    """Predicted classes, and the median milliseconds of a purification; the seed is the image's position."""
    classes, times = [], [0.0]
    for seed, image in enumerate(pixels):
        start = time.perf_counter()
        cleaned = image if purifier is None else purifier.purify(image, seed)
        times.append((time.perf_counter() - start) * 1000)
        classes.append(int(classifier.logits(cleaned).argmax()))
    return np.array(classes), float(np.median(times[1:]))


def choose(rows: list[dict[str, Any]], tolerance: float = TOLERANCE) -> dict[str, Any]:
    """The fastest row whose score is within `tolerance` of the best."""
    best = max(row["score"] for row in rows)
    return min((row for row in rows if row["score"] >= best - tolerance), key=lambda row: row["milliseconds"])


def main(
    source: Annotated[Path, typer.Option("--checkpoint", help="The checkpoint the shipped model was converted from.")],
    out: Annotated[Path, typer.Option(help="Report in JSON.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    clean: Annotated[int, typer.Option(help="Clean images of the val split.", min=8)] = 300,
    attacked: Annotated[int, typer.Option(help="Of these, how many are attacked.", min=8)] = 96,
    levels: Annotated[int, typer.Option(help="Radius of the attack, in 1/255.", min=1)] = 4,
    steps: Annotated[int, typer.Option(help="Steps of the attack.", min=1)] = 10,
) -> None:
    """Measure the candidates for EDGE on val and name the one to take."""
    network = checkpoint.read(source).requires_grad_(False).to(memory_format=torch.channels_last)
    samples = dataset.select(dataset.read(data), "val")
    order = np.random.default_rng(0).permutation(len(samples))[:clean]
    classifier = Classifier()
    pixels, labels = dataset.load([samples[k] for k in order], classifier.bundle.height)
    adversarial = attack(network, pixels[:attacked], labels[:attacked], levels, steps)

    def measure(purifier: Purifier | None) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        for name, images, truth in (("adversarial", adversarial, labels[:attacked]), ("clean", pixels, labels)):
            predicted, figures["milliseconds"] = predict(classifier, images, purifier)
            matrix = metrics.confusion(truth, predicted, len(classifier.labels))
            figures[name] = {"accuracy": metrics.accuracy(matrix), "balanced": metrics.balanced_accuracy(matrix)}
        score = np.mean([value for name in ("clean", "adversarial") for value in figures[name].values()])
        return {**figures, "score": float(score)}

    report: dict[str, Any] = {"undefended": measure(None), "candidates": []}
    for parameters in candidates():
        row = {"parameters": asdict(parameters), **measure(Purifier(parameters))}
        report["candidates"].append(row)
        typer.echo(json.dumps(row))
    report["chosen"] = choose(report["candidates"])
    report["attack"] = {"levels": levels, "steps": steps, "images": attacked, "clean_images": clean}
    atomic.write(out, json.dumps(report, indent=2) + "\n")
    typer.echo(f"chosen {json.dumps(report['chosen'])}")


if __name__ == "__main__":
    typer.run(main)
