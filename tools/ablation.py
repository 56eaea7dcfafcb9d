"""What each training recipe brings: one table over models, as they are and behind each preset, clean and attacked.

    python -m tools.ablation plain=runs/plain/model.tflite:models/checkpoints/plain.ckpt \\
        purified=models/mobilenet_v2/model.tflite:models/checkpoints/purified.ckpt --out models/ablation.json

Measured on `val`, where recipes are chosen. Every model is attacked through its own float parent by an attacker who
does not know of the purification (`tools.attack`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_mdda.parameters import PRESETS
from tools import atomic, attack, card_page, checkpoint, evaluate, presets

DEFENCES = {"none": None, **PRESETS}


def parse(model: str) -> tuple[str, Path, Path]:
    """The name, the int8 model and the float parent of NAME=MODEL:CHECKPOINT; BadParameter if it is not that."""
    name, equals, files = model.partition("=")
    converted, colon, parent = files.partition(":")
    if not (equals and colon and Path(converted).is_file() and Path(parent).is_file()):
        raise typer.BadParameter(f"expected NAME=MODEL:CHECKPOINT with two files that exist, got {model!r}")
    return name, Path(converted), Path(parent)


def markdown(report: dict[str, Any]) -> str:
    """A row for each model and defence."""
    attacked = report["attack"]
    rows = [
        (name, defence, *evaluate.cells(figures))
        for name, defences in report["models"].items()
        for defence, figures in defences.items()
    ]
    return (
        f"On `val`, int8, accuracy / balanced accuracy: {attacked['clean_images']} clean images, {attacked['images']} "
        f"attacked by PGD-{attacked['steps']} at {attacked['levels']}/255 through the float parent.\n\n"
        f"{card_page.table(('trained', 'purified by', 'clean', 'attacked'), rows)}\n"
    )


def main(
    models: Annotated[list[str], typer.Argument(metavar="NAME=MODEL:CHECKPOINT...", help="Models and their parents.")],
    out: Annotated[Path, typer.Option(help="Report in JSON.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    attacked: Annotated[int, typer.Option(help="How many images are attacked.", min=8)] = 200,
    levels: Annotated[int, typer.Option(help="Radius of the attack, in 1/255.", min=1)] = 4,
    steps: Annotated[int, typer.Option(help="Steps of the attack.", min=1)] = 20,
) -> None:
    """Measure every model behind every preset on val; print one table."""
    parsed = [parse(model) for model in models]
    if len({name for name, _, _ in parsed}) < len(parsed):
        raise typer.BadParameter(f"expected different names, got {', '.join(name for name, _, _ in parsed)}")
    report: dict[str, Any] = {"models": {}}
    for name, converted, parent in parsed:
        bundle = evaluate.read_model(converted)
        network = checkpoint.read(parent).requires_grad_(False)
        images, report["attack"] = attack.val_images(
            data, network, bundle.height, clean=None, attacked=attacked, levels=levels, steps=steps
        )
        report["models"][name] = {
            defence: presets.measure(parameters, bundle, images) for defence, parameters in DEFENCES.items()
        }
        atomic.write(out, json.dumps(report, indent=1) + "\n")
    typer.echo(markdown(report), nl=False)


if __name__ == "__main__":
    typer.run(main)
