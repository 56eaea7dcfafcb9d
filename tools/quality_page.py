"""What `tools.quality` measured, as a page and a figure: every number in them is one of its record."""

from __future__ import annotations

import io
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from edge_mdda.quality import ADVICE
from tools.card_page import estimate, percent, table

Record = dict[str, Any]
RECORD, FIGURE, PAGE = "quality.json", "quality.png", "QUALITY.md"
PURIFICATIONS = {"raw": "as it came", "edge": "purified, `edge`"}


def markdown(record: Record) -> str:
    """The whole page."""
    images = {split: found["images"] for split, found in record["clean"].items()}
    severities = record["severities"]
    parts = [
        "# The quality gate, and colour constancy",
        f"Written by `{record['command']}`, which chose the thresholds on `val` and measured the rest. What the "
        "measures are, and where they come from: [`edge_mdda/quality`](../edge_mdda/quality/__init__.py).",
        "## How often it warns",
        "Part of the images as they are that get a warning. All measures have the same number of `val` images above "
        f"their threshold, as many as keep those with any warning within {percent(record['rate'])}. Nobody looked for "
        "faults in these images: some do have hair, reflections or a rim, so this bounds the false warnings from above."
        + (
            " `camera` are images as the camera wrote them, of other sizes and compressions."
            if "camera" in images
            else ""
        ),
        warnings(record),
        "## What it finds",
        f"In spoilt copies ([`tools/spoil.py`](../tools/spoil.py)) of {record['copies']} images of each split, by "
        f"severity {severities[0]} to {severities[-1]}: AUROC against the unspoilt images of the split / part that the "
        "fault's own measure warns of.",
        *(f"`{split}`:\n\n{found(record, split)}" for split in record["found"]),
        f"![ROC curves of each measure on test](quality.png)\n\nROC curves on `test`, severity {record['drawn']}; the "
        "ring is the threshold.",
        f"What else warns of the copies of `test`, severity {record['drawn']} (a row is a fault, a column a measure):",
        also(record),
        "## Colour constancy",
        "Shades of grey, p = 6 ([`edge_mdda/colour_constancy.py`](../edge_mdda/colour_constancy.py)): the image is "
        "brought to white light, or to the light that is usual in `val`, "
        f"{', '.join(f'{value:.3f}' for value in record['light'])}. The second is what `--colour-constancy` does. "
        "Accuracy / balanced accuracy, with the 95 % intervals of the paired differences from `off`. Of a "
        "hundred images the rare classes have one or two, so balanced accuracies of the copies say little.",
        *(f"{heading}:\n\n{colours(record, severity)}" for severity, heading in _lamps(record).items()),
    ]
    return "\n\n".join(parts) + "\n"


def warnings(record: Record) -> str:
    """How often each measure warns of unspoilt images, its threshold and its advice."""
    rows: list[list[object]] = [
        [
            name,
            f"{record['thresholds'][name]:.4g}",
            *(estimate(found[name], "part") for found in record["clean"].values()),
            ADVICE[name],
        ]
        for name in record["thresholds"]
    ]
    rows.append(["**any**", "", *(estimate(found["any"], "part") for found in record["clean"].values()), ""])
    heads = [f"`{split}`, {found['images']} images" for split, found in record["clean"].items()]
    return table(("Measure", "Threshold", *heads, "What it says"), rows)


def found(record: Record, split: str) -> str:
    """AUROC and the part found, by fault and severity."""
    rows = [
        [name, *(f"{each['auroc']:.3f} / {percent(each['part'])}" for each in severities)]
        for name, severities in record["found"][split].items()
    ]
    return table(("Fault", *map(str, record["severities"])), rows)


def also(record: Record) -> str:
    """The part of each fault's copies that each measure warns of."""
    rows = [[name, *(percent(others[other]) for other in others)] for name, others in record["also"].items()]
    return table(("Fault", *record["thresholds"]), rows)


def colours(record: Record, severity: str) -> str:
    """Accuracy of every way of colour constancy, on every split."""
    rows = []
    for split, lamps in record["colour_constancy"].items():
        for purification, ways in lamps[severity].items():
            for way, cell in ways.items():
                rows.append(
                    [
                        f"`{split}`, {cell['images']} images, {PURIFICATIONS[purification]}",
                        way,
                        f"{percent(cell['accuracy'])} / {percent(cell['balanced_accuracy'])}",
                        *(
                            "" if way == "off" else _difference(cell, name)
                            for name in ("accuracy", "balanced_accuracy")
                        ),
                    ]
                )
    return table(("Images", "Colour constancy", "Accuracy / balanced", "Difference", "Balanced difference"), rows)


def draw(record: Record) -> bytes:
    """ROC curves of all measures, as PNG."""
    figure, panels = pyplot.subplots(3, 3, figsize=(10, 9.5), layout="constrained", sharex=True, sharey=True)
    for panel, (name, curve) in zip(panels.flat, record["roc"].items(), strict=True):
        test = record["found"]["test"][name][record["severities"].index(record["drawn"])]
        panel.plot([100 * value for value in curve["false"]], [100 * value for value in curve["found"]])
        panel.plot(100 * record["clean"]["test"][name]["part"], 100 * test["part"], "o", markersize=9, fillstyle="none")
        panel.set_title(f"{name}: AUROC {test['auroc']:.3f}")
        panel.set(xlim=(-1, 101), ylim=(-1, 103))
        panel.grid(alpha=0.3)
    for panel in panels[-1]:
        panel.set_xlabel("unspoilt images warned of, %")
    for panel in panels[:, 0]:
        panel.set_ylabel("spoilt copies found, %")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=80, metadata={"Software": None})
    pyplot.close(figure)
    return picture.getvalue()


def _lamps(record: Record) -> dict[str, str]:
    """Headings by severity of the lamp's colour."""
    severities = next(iter(record["colour_constancy"].values()))
    return {
        severity: "Images as they are" if severity == "0" else f"Copies with a colour cast, severity {severity}"
        for severity in severities
    }


def _difference(cell: dict[str, Any], name: str) -> str:
    """The difference of one metric from "off" with its interval, in points."""
    low, high = (100 * value for value in cell[f"{name}_difference_95"])
    return f"{100 * cell[f'{name}_difference']:+.1f} ({low:+.1f} to {high:+.1f})"
