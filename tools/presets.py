"""Choose the presets on the validation split: the cheapest purification that is about as good as the best.

    python -m tools.presets --checkpoint models/checkpoints/purified.ckpt --out models/presets.json

For the paper's presets only what its text lost is open, the weight and the number of iterations, and these must bring
the energy within `MOST_EXCESS` of its minimum: what they do is then total-variation denoising with that weight. For
EDGE everything is open, and accuracy alone counts.
Each candidate purifies clean images and adversarial ones (PGD on the float network, the attacker unaware of the
defence), and the shipped int8 model classifies them. A candidate's score is the mean of its accuracy and balanced
accuracy on both. Where there are more than `FINALISTS` candidates, a part of the images says which are the most
promising. Of those within `TOLERANCE` of the best score on all images the cheapest is chosen.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_mdda import Parameters, reference
from edge_mdda.model import Bundle
from tools import atomic, attack, checkpoint, drawing, evaluate, metrics

SHIPPED = Path("models/mobilenet_v2/model.tflite")
ALL_SCALES = (-2, -1, 0, 1)
# About the standard error of a difference of scores on so many images: a smaller one is no reason to work longer.
TOLERANCE = 0.01
# Candidates measured on all images, and the part of the images on which more of them are compared before.
FINALISTS = 12
SCREENED = 0.3
# Of the ROF energy over its minimum, relative, after one denoising.
MOST_EXCESS = 0.009
# What a block costs beside its iterations, in iterations: noise, resampling and averaging.
BLOCK_OVERHEAD = 2


def grid(
    scales: Sequence[tuple[int, ...]],
    sigmas: Sequence[float],
    blocks: Sequence[int],
    relative_weights: Sequence[float],
    iterations: Sequence[int],
) -> list[Parameters]:
    """Every combination; weights are given relative to sigma: a stronger noise needs a stronger denoising."""
    return [
        Parameters(sigma=sigma, blocks=count, weight=round(relative * sigma, 4), iterations=number, scales=levels)
        for levels, sigma, count, relative, number in itertools.product(
            scales, sigmas, blocks, relative_weights, iterations
        )
    ]


CANDIDATES = {
    "paper-small": grid([ALL_SCALES], [0.125], [5], [0.36, 0.44, 0.48, 0.64], [3, 4, 5, 10]),
    "paper-large": grid([ALL_SCALES], [0.125], [3], [0.36, 0.44, 0.48, 0.64], [3, 4, 5, 10]),
    "edge": grid([ALL_SCALES, (-2, -1, 0)], [0.05, 0.075, 0.1, 0.125], [1, 2], [0.4, 0.6], [2, 4]),
}

# Of each chosen preset, measured for comparison: what the learned steps, and the square root of isotropic TV, bring.
VARIANTS: dict[str, dict[str, Any]] = {
    "classical steps, 10 iterations": {"step_sizes": "accelerated", "iterations": 10},
    "anisotropic": {"total_variation": "anisotropic"},
}


def excess(parameters: Parameters) -> float:
    """Relative ROF energy over its minimum after denoising a drawn lesion with the preset's noise once."""
    plane = drawing.draw(0, 224)[..., 1] / np.float32(255)
    noisy = plane + np.float32(parameters.standard_deviation) * reference.gaussian(plane.shape, 0, 0, 0, 1)
    minimal = replace(parameters, step_sizes="accelerated", iterations=500)
    reached, least = (
        reference.energy(reference.denoise([noisy], which)[0], noisy, parameters.weight)
        for which in (parameters, minimal)
    )
    return float(reached / least - 1)


def cost(parameters: Parameters) -> float:
    """About proportional to the time of a purification: pixels of the pyramid × blocks × iterations."""
    pixels = sum(4.0**scale for scale in parameters.scales)
    return pixels * parameters.blocks * (parameters.iterations + BLOCK_OVERHEAD)


def choose(rows: list[dict[str, Any]], tolerance: float = TOLERANCE) -> dict[str, Any]:
    """The cheapest row whose score is within `tolerance` of the best; of equally cheap ones the better."""
    best = max(row["score"] for row in rows)
    good = [row for row in rows if row["score"] >= best - tolerance]
    return min(good, key=lambda row: (row["cost"], -row["score"]))


# Pixels, uint8 (N, H, W, 3), and classes, (N,), by the kind of images.
Images = dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]


def screen(candidates: list[Parameters], bundle: Bundle, images: Images) -> list[Parameters]:
    """The `FINALISTS` candidates of the highest score on the first `SCREENED` of each set of images."""
    if len(candidates) <= FINALISTS:
        return candidates
    few: Images = {}
    for name, (pixels, labels) in images.items():
        part = round(SCREENED * len(pixels))
        few[name] = pixels[:part], labels[:part]
    return sorted(candidates, key=lambda parameters: -measure(parameters, bundle, few)["score"])[:FINALISTS]


def measure(parameters: Parameters | None, bundle: Bundle, images: Images) -> dict[str, Any]:
    """Accuracy and balanced accuracy of the int8 model on each set of images, and the score."""
    figures: dict[str, Any] = {}
    for name, (pixels, labels) in images.items():
        predicted = evaluate.classify(bundle, pixels, parameters)[0].argmax(axis=1)
        matrix = metrics.confusion(labels, predicted, len(bundle.labels))
        figures[name] = {"accuracy": metrics.accuracy(matrix), "balanced": metrics.balanced_accuracy(matrix)}
    figures["score"] = float(np.mean([value for figure in figures.values() for value in figure.values()]))
    return figures


def main(
    source: Annotated[Path, typer.Option("--checkpoint", help="The checkpoint the shipped model was converted from.")],
    out: Annotated[Path, typer.Option(help="Report in JSON.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    shipped: Annotated[Path, typer.Option("--model", help="The int8 model.")] = SHIPPED,
    clean: Annotated[int | None, typer.Option(help="Clean images of the val split, all by default.", min=8)] = None,
    attacked: Annotated[int, typer.Option(help="Of these, how many are attacked.", min=8)] = 300,
    levels: Annotated[int, typer.Option(help="Radius of the attack, in 1/255.", min=1)] = 4,
    steps: Annotated[int, typer.Option(help="Steps of the attack.", min=1)] = 10,
) -> None:
    """Measure the candidates of every preset on val and name those to take."""
    network = checkpoint.read(source).requires_grad_(False)
    bundle = evaluate.read_model(shipped)
    images, how = attack.val_images(
        data, network, bundle.height, clean=clean, attacked=attacked, levels=levels, steps=steps
    )
    report: dict[str, Any] = {
        "sha256": bundle.sha256,
        "attack": how,
        "undefended": measure(None, bundle, images),
        "presets": {},
    }
    for preset, candidates in CANDIDATES.items():
        if preset != "edge":
            candidates = [parameters for parameters in candidates if excess(parameters) <= MOST_EXCESS]
        if not candidates:
            raise typer.BadParameter(
                f"expected a candidate for {preset} within {MOST_EXCESS:.1%} of the minimum, got none"
            )
        rows = []
        for parameters in screen(candidates, bundle, images):
            figures = measure(parameters, bundle, images)
            rows.append({"parameters": asdict(parameters), "cost": cost(parameters), **figures})
            typer.echo(f"{preset} {json.dumps(rows[-1])}")
        chosen = choose(rows)
        variants = {
            name: measure(Parameters(**{**chosen["parameters"], **changes}), bundle, images)
            for name, changes in VARIANTS.items()
        }
        report["presets"][preset] = {
            "chosen": chosen,
            "variants": variants,
            "candidates": rows,
            "screened": len(candidates),
        }
        atomic.write(out, json.dumps(report, indent=1) + "\n")
        typer.echo(f"{preset}: chosen {json.dumps(chosen)}")


if __name__ == "__main__":
    typer.run(main)
