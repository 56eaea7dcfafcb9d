"""Calibrate when a bundle's answers are to be trusted, and measure what that is worth.

    python -m tools.doubt models/mobilenet_v2 --checkpoint models/checkpoints/purified.ckpt

Writes into the bundle calibration.json, which the device reads; doubt.json, the record of what was compared on `val`
and of what came out on `test` and `external`; doubt.png; and names the first in card.json and shows the others in
README.md. Run it after every `tools.card` of a new model or of new presets: what was calibrated for others is not used.

Choices see `val` alone (`tools.calibrate`). Attacks are PGD (`tools.attack`) on the float network, by an attacker who
does not know of the purification; the int8 model is what they must fool. Mistakes are those of `tools.mistakes`, which
pass through the JPEG compression that the data set's images have passed through (`edge_mdda.appearance`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from edge_mdda import Classifier, calibration, model
from edge_mdda.calibration import Answers, Appearance, Calibration
from edge_mdda.judgement import COVERAGE, COVERAGES, percent
from edge_mdda.model import Bundle
from edge_mdda.parameters import PRESETS
from tools import atomic, attack, calibrate, card, checkpoint, conformal, doubt_page, evaluate, metrics

SCHEMA = "edge-mdda/doubt/1"

#: Radius in 1/255 and steps; one step from a random start makes a weak attack.
ATTACKS = {
    "PGD-1, 4/255": (4, 1),
    "PGD-10, 2/255": (2, 10),
    "PGD-10, 4/255": (4, 10),
    "PGD-10, 8/255": (8, 10),
}
#: The other presets take as long again on `external`, and say the same.
EXTERNAL_PRESETS = ("edge",)
#: Answered parts of a risk–coverage curve.
PARTS = tuple(round(0.05 * step, 2) for step in range(1, 21))

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]
Images = tuple[NDArray[np.uint8], Labels]


def verdicts(
    bundle: Bundle, pixels: NDArray[np.uint8], presets: list[str], what: str
) -> dict[str, NDArray[np.float32]]:
    """Logits of images as they came ("raw") and purified by each preset, (N, classes)."""
    found = {}
    for name in ("raw", *presets):
        typer.echo(f"{what}, {name}", err=True)
        found[name] = evaluate.classify(bundle, pixels, PRESETS.get(name))[0]
    return found


def attacked(network: torch.nn.Module, images: Images, count: int, what: str) -> tuple[dict[str, Any], Labels]:
    """The first `count` images of a fixed random order under each attack, and their labels."""
    pixels, labels = images
    order = np.random.default_rng(0).permutation(len(pixels))[:count]
    found = {}
    for name, (levels, steps) in ATTACKS.items():
        typer.echo(f"{what}, {name}", err=True)
        found[name] = attack.descend(network, pixels[order], labels[order], levels=levels, steps=steps)
    return found, labels[order]


def ways(known: Calibration, verdicts: dict[str, Probabilities]) -> dict[str, tuple[Probabilities, Answers, list[Any]]]:
    """By way of answering: the answers' probabilities, their calibration, and the verdicts that count."""
    raw = verdicts["raw"]
    found = {"never": (raw, known.raw, [raw])}
    for preset in (name for name in verdicts if name != "raw"):
        of = known.of(PRESETS[preset])
        if of is None:
            raise ValueError(f"expected a calibration of {preset}, got none")
        rest = calibrate.trusted(raw, verdicts[preset], of.most_divergence)
        found[f"{preset}, always"] = (verdicts[preset], of.always, rest)
        found[f"{preset}, auto"] = (rest[0], of.auto, rest)
    return found


def selective(answer: Probabilities, of: Answers, verdicts: list[Any], labels: Labels) -> dict[str, Any]:
    """How many answers are given, how many of them are wrong, and the risk–coverage curve."""
    wrong = answer.argmax(axis=1) != labels
    confidence = next(iter(calibrate.confidences(answer, verdicts).values()))
    given = 1 - confidence <= of.most_uncertainty
    errors = int(wrong[given].sum())
    curve = calibrate.risks(confidence, wrong)
    return {
        "images": len(labels),
        "risk_of_all": float(wrong.mean()),
        "answered": float(given.mean()),
        "answered_95": metrics.wilson(int(given.sum()), len(given)),
        "risk": errors / int(given.sum()) if given.any() else None,
        "risk_95": metrics.wilson(errors, int(given.sum())),
        "curve": [float(curve[max(0, round(part * len(curve)) - 1)]) for part in PARTS],
    }


def sets(answer: Probabilities, of: Answers, labels: Labels, coverage: float) -> dict[str, Any]:
    """Coverage and size of the prediction sets of answers."""
    least = np.array([values[COVERAGES.index(percent(coverage))] for values in of.least_probabilities.values()])
    return conformal.summarise(conformal.members(1 - answer, 1 - least), labels, tuple(of.least_probabilities))


def detection(usual: NDArray[Any], unusual: NDArray[Any], thresholds: dict[str, float]) -> dict[str, Any]:
    """How well a score tells the unusual from the usual, and how much of it is above each threshold."""
    found: dict[str, Any] = {"images": len(unusual), "auroc": calibrate.auroc(usual, unusual)}
    for name, threshold in thresholds.items():
        count = int((unusual > threshold).sum())
        found[name] = count / len(unusual)
        found[f"{name}_95"] = metrics.wilson(count, len(unusual))
    return found


def measure_mistakes(bundle: Bundle, look: Appearance, images: dict[str, Images], logits: dict[str, Any]) -> Any:
    """AUROC by kind of mistake, of each candidate score; false alarms; kinds of `val` and of `test` apart."""
    from tools import mistakes

    usual = {split: calibrate.strangeness(look, images[split][0], logits[split]) for split in images}
    found: dict[str, Any] = {
        "false_alarms": {
            split: detection(usual["val"]["appearance"], scores["appearance"], {"above": look.most})
            for split, scores in usual.items()
        }
    }
    for part, make, split in (("chosen_on", mistakes.to_choose, "val"), ("measured_on", mistakes.to_measure, "test")):
        found[part] = {}
        for kind, pixels in make(images[split][0]).items():
            typer.echo(f"mistakes, {part}, {kind}", err=True)
            scores = calibrate.strangeness(look, pixels, evaluate.classify(bundle, pixels)[0])
            found[part][kind] = {
                name: detection(usual[split][name], values, {"caught": look.most} if name == "appearance" else {})
                for name, values in scores.items()
            }
    return found


def measure_attacks(
    known: Calibration,
    clean: dict[str, Probabilities],
    under: dict[str, dict[str, Probabilities]],
    labels: tuple[Labels, Labels],
    thresholds_at_5: dict[str, float],
) -> dict[str, Any]:
    """Of each preset: what the alarm finds, and how good the answers of never, always and auto are under attack."""
    found: dict[str, Any] = {}
    for preset in (name for name in clean if name != "raw"):
        of = known.of(PRESETS[preset])
        if of is None:
            raise ValueError(f"expected a calibration of {preset}, got none")
        thresholds = {"at_5_percent": thresholds_at_5[preset], "rings": of.most_divergence}
        usual = calibrate.divergence(clean["raw"], clean[preset])
        rows = {"none": (clean, labels[0]), **{name: (each, labels[1]) for name, each in under.items()}}
        found[preset] = {}
        for name, (each, true) in rows.items():
            both = {"raw": each["raw"], preset: each[preset]}
            row: dict[str, Any] = {"alarm": detection(usual, calibrate.divergence(*both.values()), thresholds)}
            for way, (answer, calibrated, rest) in ways(known, both).items():
                chosen = selective(answer, calibrated, rest, true)
                del chosen["curve"]
                chosen["accuracy_95"] = metrics.wilson(int((answer.argmax(axis=1) == true).sum()), len(true))
                row[way.removeprefix(f"{preset}, ")] = {**calibrate.quality(answer, true), **chosen}
            found[preset][name] = row
    return found


def main(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle with its card.")],
    source: Annotated[Path, typer.Option("--checkpoint", help="The checkpoint the model was converted from.")],
    data: Annotated[Path, typer.Option(envvar="EDGE_MDDA_DATA", help="Folder of labelled images.")],
    presets: Annotated[
        list[str] | None,
        typer.Option("--preset", help=f"Purification to calibrate, all by default: {', '.join(PRESETS)}."),
    ] = None,
    count: Annotated[int, typer.Option("--attacked", help="Images of each split under each attack.", min=1)] = 100,
) -> None:
    """Calibrate a bundle on val, measure on test and external, and write both into it."""
    presets = presets or list(PRESETS)
    unknown = [name for name in presets if name not in PRESETS]
    if unknown:
        raise typer.BadParameter(f"expected presets out of {', '.join(PRESETS)}, got {', '.join(unknown)}")
    bundle = model.load(folder)
    network = checkpoint.read(source).requires_grad_(False).to(memory_format=torch.channels_last)
    images = {split: evaluate.load(data, split, bundle) for split in ("val", "test", "external")}
    logits = {}
    for split, (pixels, _) in images.items():
        used = presets if split != "external" else [name for name in presets if name in EXTERNAL_PRESETS]
        logits[split] = verdicts(bundle, pixels, used, split)

    def probabilities(each: dict[str, NDArray[np.float32]]) -> dict[str, Probabilities]:
        return {name: metrics.probabilities(values, bundle.temperature) for name, values in each.items()}

    clean = {split: probabilities(each) for split, each in logits.items()}
    under, under_labels = {}, {}
    for split in ("val", "test"):
        adversarial, under_labels[split] = attacked(network, images[split], count, split)
        under[split] = {
            name: probabilities(verdicts(bundle, pixels, presets, f"{split}, {name}"))
            for name, pixels in adversarial.items()
        }

    look = calibrate.fit_appearance(calibrate.describe(images["val"][0]))
    content, compared = calibrate.calibration(
        bundle, clean["val"], images["val"][1], under["val"], under_labels["val"], look
    )
    encoded = (json.dumps(content) + "\n").encode()
    known = calibration.parse(encoded, bundle.labels, bundle.sha256, bundle.temperature)
    at_5 = {preset: compared[f"{preset}, alarm"]["threshold_at_5_percent"] for preset in presets}
    raw = {split: each["raw"] for split, each in logits.items()}
    options = "".join(f" --preset {name}" for name in presets) if presets != list(PRESETS) else ""
    record = {
        "schema": SCHEMA,
        "model": bundle.sha256,
        "temperature": bundle.temperature,
        "runtime": Classifier(bundle).runtime,
        "command": f"python -m tools.doubt models/{folder.resolve().name} --checkpoint "
        f"models/checkpoints/{source.name} --attacked {count}{options}",
        "attacked": len(under_labels["test"]),
        "targets": {"risk": calibrate.RISK, "not_dermoscopic": calibrate.NOT_DERMOSCOPIC_RATE},
        "compared": compared,
        "sets": {},
        "selective": {},
        "mistakes": measure_mistakes(bundle, look, images, raw),
        "attacks": {
            split: measure_attacks(known, clean[split], under[split], (images[split][1], under_labels[split]), at_5)
            for split in ("val", "test")
        },
    }
    for split, each in clean.items():
        labels = images[split][1]
        for way, (answer, of, rest) in ways(known, each).items():
            coverages = {f"{part:g}": sets(answer, of, labels, part) for part in (0.8, COVERAGE, 0.95)}
            record["sets"].setdefault(way, {})[split] = coverages
            record["selective"].setdefault(way, {})[split] = selective(answer, of, rest, labels)
    record = card.rounded(record)
    atomic.write(folder / doubt_page.CALIBRATION, encoded)
    atomic.write(folder / doubt_page.RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    doubt_page.draw(record, folder / doubt_page.FIGURE)
    card.publish(folder, json.loads((folder / "card.json").read_text()))
    typer.echo(doubt_page.markdown(record))


if __name__ == "__main__":
    typer.run(main)
