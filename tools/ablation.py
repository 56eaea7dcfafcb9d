"""What each training recipe brings: one table over models, as they are and behind each preset, clean and attacked.

    python -m tools.ablation plain=runs/plain/model.tflite:models/checkpoints/plain.ckpt \\
        purified=models/mobilenet_v2/model.tflite:models/checkpoints/purified.ckpt \\
        --out models/ablation.json --page models/ABLATION.md

Measured on `val`, where recipes are chosen. Every model is attacked through its own float parent, by an attacker who
does not know of the purification (`tools.attack`), and by one who knows it all but the seed of the noise
(`tools.adversary`), which costs so much that fewer images and steps must do. Run it again with the same `--out`, and
models that were measured in the same way are not measured again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from torch import nn

from edge_mdda import Parameters, Purifier
from edge_mdda.parameters import PRESETS
from tools import adversary, atomic, attack, card_page, checkpoint, evaluate, presets

DEFENCES = {"none": None, **PRESETS}
Images = tuple[NDArray[np.uint8], NDArray[np.int64]]  # pixels (N, H, W, 3) and class indices (N,)
KINDS = {"clean": "clean", "adversarial": "attacked", "aware": "attacked, aware"}


def parse(model: str) -> tuple[str, Path, Path]:
    """The name, the int8 model and the float parent of NAME=MODEL:CHECKPOINT; BadParameter if it is not that."""
    name, equals, files = model.partition("=")
    converted, colon, parent = files.partition(":")
    if not (equals and colon and Path(converted).is_file() and Path(parent).is_file()):
        raise typer.BadParameter(f"expected NAME=MODEL:CHECKPOINT with two files that exist, got {model!r}")
    return name, Path(converted), Path(parent)


def markdown(report: dict[str, Any]) -> str:
    """A row for each model and defence."""
    attacked, aware = report["attack"], report["aware"]
    kinds = {kind: title for kind, title in KINDS.items() if kind != "aware" or aware["images"]}
    rows = [
        (name, defence, *evaluate.cells(figures, list(kinds)))
        for name, measured in report["models"].items()
        for defence, figures in measured["defences"].items()
    ]
    text = (
        f"On `val`, int8, accuracy / balanced accuracy: {attacked['clean_images']} clean images, {attacked['images']} "
        f"attacked by PGD-{attacked['steps']} at {attacked['levels']}/255 through the float parent"
    )
    if "aware" in kinds:
        text += (
            f"; aware: {aware['images']} of them attacked by PGD-{aware['steps']} through the purification too, taken "
            f"for the identity on the way back (BPDA), the logits of {aware['looks']} looks averaged for each step"
        )
    # As they were then: the package's presets may have changed since.
    settings = " ".join(
        f"`{preset}`: σ {p['sigma']:g}, K {p['blocks']}, w {p['weight']:g}, {p['iterations']} iterations, scales "
        f"{', '.join(map(str, p['scales']))}."
        for preset, p in next(iter(report["models"].values()))["basis"]["presets"].items()
    )
    return f"{text}. {settings}\n\n{card_page.table(('trained', 'purified by', *kinds.values()), rows)}\n"


def describe(converted: Path, parent: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """All that a model's figures depend on beside the images: a report that says the same need not be made again."""
    digests = {"model": hashlib.sha256(converted.read_bytes()).hexdigest(), "parent": checkpoint.digest(parent)}
    parameters = {name: asdict(preset) for name, preset in PRESETS.items()}
    return json.loads(json.dumps({"sha256": digests, "presets": parameters, **asked}))


def attack_aware(
    network: nn.Module, parameters: Parameters, images: Images, *, levels: int, steps: int, looks: int
) -> Images:
    """Images attacked by one who knows the purification, but not the seed of its noise; with their labels."""
    pixels, labels = images
    purifier = Purifier(parameters, threads=1)
    defended = adversary.Defended(network, itertools.repeat(purifier), np.random.default_rng(0)).eval()
    return attack.descend(defended, pixels, labels, levels=levels, steps=steps, looks=looks), labels


def main(
    models: Annotated[list[str], typer.Argument(metavar="NAME=MODEL:CHECKPOINT...", help="Models and their parents.")],
    out: Annotated[Path, typer.Option(help="Report in JSON.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    page: Annotated[Path | None, typer.Option(help="The table, Markdown.")] = None,
    attacked: Annotated[int, typer.Option(help="How many images are attacked.", min=8)] = 200,
    levels: Annotated[int, typer.Option(help="Radius of the attack, in 1/255.", min=1)] = 4,
    steps: Annotated[int, typer.Option(help="Steps of the attack.", min=1)] = 20,
    aware: Annotated[int, typer.Option(help="Of the attacked images, how many by who knows all.", min=0)] = 0,
    aware_steps: Annotated[int, typer.Option(help="Steps of that attack.", min=1)] = 10,
    looks: Annotated[int, typer.Option(help="Noise draws averaged for each of these steps.", min=1)] = 2,
) -> None:
    """Measure every model behind every preset on val; print one table."""
    parsed = [parse(model) for model in models]
    if len({name for name, _, _ in parsed}) < len(parsed):
        raise typer.BadParameter(f"expected different names, got {', '.join(name for name, _, _ in parsed)}")
    if aware > attacked:
        raise typer.BadParameter(f"expected at most the {attacked} attacked images for --aware, got {aware}")
    how = {"levels": levels, "steps": aware_steps, "looks": looks}
    asked = {"attacked": attacked, "levels": levels, "steps": steps, "aware": aware, "aware_how": how}
    known = json.loads(out.read_text())["models"] if out.is_file() else {}
    report: dict[str, Any] = {"aware": {"images": aware, **how}, "models": {}}
    for name, converted, parent in parsed:
        basis = describe(converted, parent, asked)
        if known.get(name, {}).get("basis") == basis:
            report["models"][name] = known[name]
            continue
        bundle = evaluate.read_model(converted)
        network = checkpoint.read(parent).requires_grad_(False)
        images, attack_made = attack.val_images(
            data, network, bundle.height, clean=None, attacked=attacked, levels=levels, steps=steps
        )
        pixels, labels = images["clean"][0][:aware], images["clean"][1][:aware]
        defences = {}
        for defence, parameters in DEFENCES.items():
            shown = dict(images)
            if aware:  # who knows that there is no purification is who does not know of one
                unaware = images["adversarial"][0][:aware], labels
                shown["aware"] = attack_aware(network, parameters, (pixels, labels), **how) if parameters else unaware
            defences[defence] = presets.measure(parameters, bundle, shown)
            typer.echo(f"{name} {defence} {json.dumps(defences[defence])}", err=True)
        report["models"][name] = {"basis": basis, "attack": attack_made, "defences": defences}
        atomic.write(out, json.dumps(report, indent=1) + "\n")
    report["attack"] = report["models"][parsed[-1][0]]["attack"]
    atomic.write(out, json.dumps(report, indent=1) + "\n")
    text = markdown(report)
    if page is not None:
        atomic.write(page, f"# What each recipe brings\n\nWritten by `tools.ablation`: do not edit. {text}")
    typer.echo(text, nl=False)


if __name__ == "__main__":
    typer.run(main)
