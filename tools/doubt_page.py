"""What `tools.doubt` measured, as tables of a card and as a figure: every number in them is one of its record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tools.card_page import estimate, percent, table

Record = dict[str, Any]
CALIBRATION, RECORD, FIGURE = "calibration.json", "doubt.json", "doubt.png"
COVERAGE = "0.9"
#: The way of answering that is the default of a calibrated bundle.
DEFAULT = "edge, auto"


def attach(folder: Path, card: dict[str, Any]) -> None:
    """Name the bundle's calibration in its card, with its hash, if it is of the card's model and temperature."""
    card["sha256"].pop(CALIBRATION, None)
    if not (folder / CALIBRATION).is_file():
        return
    content = (folder / CALIBRATION).read_bytes()
    found = json.loads(content)
    if (found["model"], found["temperature"]) == (card["sha256"]["model.tflite"], card["output"]["temperature"]):
        card["sha256"][CALIBRATION] = hashlib.sha256(content).hexdigest()


QUALITY = """### How well an image was taken

The quality gate warns of images to be taken again. What it finds in spoilt copies, at thresholds chosen on `val`:
[QUALITY.md](../QUALITY.md).

![ROC of the quality gate, a panel for each measure](../quality.png)"""


def section(folder: Path, card: dict[str, Any]) -> str:
    """The last section of a bundle's README; empty where no calibration is attached to its card."""
    if CALIBRATION not in card["sha256"]:
        return ""
    text = f"\n## Knowing when not to answer\n\n{markdown(json.loads((folder / RECORD).read_text()))}\n"
    # The gate is the package's and not of one model: its page stands beside the bundles that are shipped.
    return f"{text}\n{QUALITY}\n" if (folder.parent / "QUALITY.md").is_file() else text


def markdown(record: Record) -> str:
    """All the tables, with what they mean."""
    targets = record["targets"]
    alarmed = {name.split(",")[0]: found for name, found in record["compared"].items() if name.endswith("alarm")}
    rates = ", ".join(f"{preset} {percent(found['chosen_rate'])}" for preset, found in alarmed.items())
    modes = (
        "Which image gives the answer: never the purified one, always it, or, the default, only where the attack "
        "alarm rings (`--purify auto`). Accuracy / balanced accuracy on `test`, under each attack of "
        f"{record['attacked']} images of it, by an attacker who does not know of the purification.\n\n"
        + answers(record, "test")
    )
    parts = {
        "Answers": f"{modes}\n\nThe same on `val`, where the alarm's threshold was chosen:\n\n{answers(record, 'val')}",
        "The attack alarm": (
            "How often it rings: at the threshold of 5 % false alarms on `val`, and at the shipped one "
            f"({rates}), whose answers were best there; without attack these are false alarms.\n\n{alarms(record)}\n\n"
            f"AUROC on `val` of the divergences compared there, mean of the attacks:\n\n{divergences(record)}"
        ),
        "Prediction sets": (
            f"Asked for {percent(float(COVERAGE))} of each class (class-conditional conformal sets, calibrated on "
            "`val`, so coverage there is no evidence).\n\n"
            f"{sets(record)}\n\nCoverage of each class, {DEFAULT}:\n\n{classes(record)}\n\n"
            f"Kinds of sets compared on `val`, by cross-validation, {DEFAULT}:\n\n{methods(record)}"
        ),
        "No answer": (
            "An image gets no answer where the mean probability of the answer's class over both verdicts, where the "
            "alarm rings in the purified one, is too small. Risk is the wrong part of the answers given; the threshold "
            f"gives the most answers whose risk on `val` is at most {percent(targets['risk'])} by its 95 % bound."
            f"\n\n{selective(record)}\n\nUnder attack, on `test`:\n\n{selective_attacked(record)}\n\n"
            f"Risk when only the surest part is answered:\n\n{curve(record)}\n\n"
            "Mean risk over all parts on `val`, by what confidence is:\n\n"
            f"{confidences(record)}"
        ),
        "Not a dermoscopic image": (
            "AUROC of each score against unspoilt images of the same split, and the part that the shipped one, the "
            "distance of an image's appearance, catches at a threshold with "
            f"{percent(targets['not_dermoscopic'])} false alarms on `val`. The kinds against `val` are those a choice "
            f"was made on.\n\n{mistakes(record)}\n\nDermoscopic images it takes for something else: "
            f"{false_alarms(record)}."
        ),
    }
    figure = "![Risk against answered part, the alarm under attack, mistakes caught](doubt.png)"
    origin = f"Calibrated on `val` and measured by `{record['command']}`, which wrote doubt.json."
    return f"{origin}\n\n{figure}" + "".join(f"\n\n### {name}\n\n{text}" for name, text in parts.items())


def summary(record: Record) -> str:
    """For the project's page: the answers under attack, and what the default's doubts are worth on each split."""
    way = _default(record)
    rows = []
    for split in record["sets"][way]:
        covered, chosen = record["sets"][way][split][COVERAGE], record["selective"][way][split]
        strange = record["mistakes"]["false_alarms"][split]["above"]
        cells = [covered["coverage"], chosen["risk_of_all"], chosen["answered"], chosen["risk"], strange]
        rows.append([split, f"{covered['size']:.2f}", *map(percent, cells)])
    kinds = [found["appearance"] for found in record["mistakes"]["measured_on"].values()]
    images = sum(found["images"] for found in kinds)
    caught = sum(found["caught"] * found["images"] for found in kinds) / images
    preset = way.split(",")[0]
    rings = {name: percent(row["alarm"]["rings"]) for name, row in record["attacks"]["test"][preset].items()}
    *rest, last = [f"{value} under {name}" for name, value in rings.items() if name != "none"]
    header = ("Split", "Set: classes", "Set: coverage", "Wrong", "Answered", "Wrong of these", "Not dermoscopic")
    return (
        "Which image gives the answer, on `test` (accuracy / balanced accuracy; "
        f"{record['attacked']} images under each attack, the attacker unaware of the defence):\n\n"
        f"{answers(record, 'test')}\n\n"
        f"The attack alarm (`{preset}`) rings for {rings['none']} of unattacked images, {', '.join(rest)} and {last}. "
        f"Knowing when not to answer, {way}, sets for {percent(float(COVERAGE))} coverage of each class:\n\n"
        f"{table(header, rows)}\n\n"
        f"Of {images} pictures that are no usable dermoscopic image {percent(caught)} are refused as such."
    )


def answers(record: Record, split: str) -> str:
    """Accuracy and balanced accuracy of never, always and auto, unattacked and under each attack."""
    rows = []
    attacks = list(next(iter(record["attacks"][split].values())))
    for preset, found in record["attacks"][split].items():
        for mode in ("never", "always", "auto"):
            if mode == "never" and rows:
                continue  # the same whatever the preset
            cells = [found[name][mode] for name in attacks]
            rows.append(
                [
                    mode if mode == "never" else f"{preset}, {mode}",
                    *map(_accuracies, cells),
                ]
            )
    return table(("%", *(name if name != "none" else "not attacked" for name in attacks)), rows)


def _accuracies(cell: dict[str, Any]) -> str:
    low, high = cell["accuracy_95"]
    accuracy, balanced = cell["accuracy"], cell["balanced_accuracy"]
    return f"{100 * accuracy:.1f} ({100 * low:.0f}–{100 * high:.0f}) / {100 * balanced:.1f}"


def alarms(record: Record) -> str:
    """AUROC and rates of the alarm on `test`."""
    rows = []
    for preset, found in record["attacks"]["test"].items():
        for name, row in found.items():
            seen = row["alarm"]
            auroc = "" if name == "none" else f"{seen['auroc']:.3f}"
            rows.append([preset, name, seen["images"], auroc, estimate(seen, "at_5_percent"), estimate(seen, "rings")])
    return table(("Preset", "Attack", "Images", "AUROC", "Rings, 5 % threshold", "Rings, as shipped"), rows)


def divergences(record: Record) -> str:
    """The divergences that were compared on `val`."""
    compared = {name: found["auroc"] for name, found in record["compared"].items() if "auroc" in found}
    names = list(next(iter(compared.values())))
    rows = [
        [preset.split(",")[0], *(f"{sum(found[name].values()) / len(found[name]):.3f}" for name in names)]
        for preset, found in compared.items()
    ]
    return table(("Preset", *names), rows)


def sets(record: Record) -> str:
    """Coverage and size of the sets of every way of answering."""
    rows = []
    for way, splits in record["sets"].items():
        for split, coverages in splits.items():
            found = coverages[COVERAGE]
            low, high = found["size_95"]
            worst = min(
                (each["coverage"], code) for code, each in found["classes"].items() if each["coverage"] is not None
            )
            rows.append(
                [
                    way,
                    split,
                    estimate(found, "coverage"),
                    f"{found['size']:.2f} ({low:.2f}–{high:.2f})",
                    percent(found["single"]),
                    f"{worst[1]} {percent(worst[0])}",
                ]
            )
    return table(("Answer", "Split", "Coverage", "Mean size", "Of one class", "Least covered"), rows)


def classes(record: Record) -> str:
    """Coverage of each class on every split."""
    splits = {split: found[COVERAGE]["classes"] for split, found in record["sets"][_default(record)].items()}
    rows = [
        [code, *(f"{estimate(found[code], 'coverage')} of {found[code]['images']}" for found in splits.values())]
        for code in next(iter(splits.values()))
    ]
    return table(("Class", *splits), rows)


def methods(record: Record) -> str:
    """The kinds of sets that were compared on `val`."""
    compared = record["compared"][_default(record)]["sets"]
    rows = [
        [name, percent(found["coverage"]), percent(found["worst_class"]), f"{found['size']:.2f}"]
        for name, found in compared.items()
    ]
    return table(("Score and threshold", "Coverage", "Least covered class", "Mean size"), rows)


def selective(record: Record) -> str:
    """Answers given and their risk, at the shipped threshold."""
    rows = [
        [way, split, *_selected(found)]
        for way, splits in record["selective"].items()
        for split, found in splits.items()
    ]
    return table(("Answer", "Split", "Risk if all are answered", "Answered", "Risk"), rows)


def _selected(found: dict[str, Any]) -> list[str]:
    return [percent(found["risk_of_all"]), estimate(found, "answered"), estimate(found, "risk")]


def selective_attacked(record: Record) -> str:
    """Answers given and their risk on attacked images, with `--purify auto`."""
    rows = [
        [f"{preset}, auto", name, *_selected(row["auto"])]
        for preset, found in record["attacks"]["test"].items()
        for name, row in found.items()
        if name != "none"
    ]
    return table(("Answer", "Attack", "Risk if all are answered", "Answered", "Risk"), rows)


def curve(record: Record) -> str:
    """The risk–coverage curve in numbers."""
    shown = (4, 8, 12, 14, 16, 18, 20)
    splits = record["selective"][_default(record)]
    rows = [[split, *(percent(found["curve"][step - 1]) for step in shown)] for split, found in splits.items()]
    return table((_default(record), *(f"{5 * step} %" for step in shown)), rows)


def confidences(record: Record) -> str:
    """The confidences that were compared on `val`."""
    compared = {way: found["mean_risk"] for way, found in record["compared"].items() if "mean_risk" in found}
    names = list(next(iter(compared.values())))
    return table(
        ("Answer", *names), [[way, *(percent(found[name]) for name in names)] for way, found in compared.items()]
    )


def mistakes(record: Record) -> str:
    """AUROC of every score by kind of mistake, and what the shipped one catches."""
    rows = []
    for part, split in (("chosen_on", "val"), ("measured_on", "test")):
        for kind, scores in record["mistakes"][part].items():
            caught = scores["appearance"]
            aurocs = [f"{found['auroc']:.3f}" for found in scores.values()]
            rows.append([kind, split, caught["images"], *aurocs, estimate(caught, "caught")])
    names = list(next(iter(record["mistakes"]["measured_on"].values())))
    return table(("Kind", "Against", "Images", *names, "Caught"), rows)


def false_alarms(record: Record) -> str:
    """The part of each split that is taken for something else."""
    return ", ".join(
        f"{estimate(found, 'above')} of {found['images']} on `{split}`"
        for split, found in record["mistakes"]["false_alarms"].items()
    )


def draw(record: Record, file: Path) -> None:
    """Draw the risk–coverage curves, the alarm under attack, and the mistakes caught, as PNG."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    way = _default(record)
    for colour, (split, found) in zip(("C0", "C1", "C2"), record["selective"][way].items(), strict=True):
        risk = [100 * value for value in found["curve"]]
        panels[0].plot([5 * (step + 1) for step in range(len(risk))], risk, color=colour, label=split)
        if found["risk"] is not None:
            panels[0].plot(100 * found["answered"], 100 * found["risk"], "o", color=colour)
    panels[0].set(xlabel="answered, %", ylabel="wrong among the answered, %", title=f"{way}: ● as shipped")
    panels[0].set_ylim(bottom=0)
    panels[0].legend()
    for preset, found in record["attacks"]["test"].items():
        names = list(found)
        panels[1].plot(names, [100 * found[name]["alarm"]["rings"] for name in names], "o-", label=preset)
    panels[1].set(ylabel="alarm rings, % of images", title="The attack alarm on test", ylim=(0, 102))
    panels[1].tick_params(axis="x", rotation=20)
    panels[1].legend()
    kinds = record["mistakes"]["measured_on"]
    panels[2].barh(list(kinds), [100 * kinds[kind]["appearance"]["caught"] for kind in kinds])
    panels[2].set(xlabel="caught, %", title="Taken for no dermoscopic image", xlim=(0, 100))
    panels[2].invert_yaxis()
    figure.savefig(file, dpi=80)
    pyplot.close(figure)


def _default(record: Record) -> str:
    """The default's way of answering, or the nearest there is, where the preset was not calibrated."""
    return DEFAULT if DEFAULT in record["sets"] else next(reversed(record["sets"]))
