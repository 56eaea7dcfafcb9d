"""Draw the learning curves of training runs: losses, accuracy and balanced accuracy by epoch.

python -m tools.curves models/checkpoints/purified.csv --out models/checkpoints/purified.png
python -m tools.curves runs/a/curves/metrics.csv runs/b/curves/metrics.csv --out both.png
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import typer
from matplotlib import pyplot

from tools import atomic

PANELS = {
    "train_loss": "loss on the training views",
    "val_loss": "loss on val",
    "val_accuracy": "accuracy on val",
    "val_balanced_accuracy": "balanced accuracy on val",
}

Curves = dict[str, dict[int, float]]


def read(path: Path) -> Curves:
    """The value of each curve by epoch, from the metrics.csv of a run of `tools.train`.

    Raises:
        ValueError: a column is missing, or a curve has no values.
    """
    curves: Curves = {name: {} for name in PANELS}
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        missing = {"epoch", *PANELS} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"expected the learning curves of tools.train in {path}, got none of {sorted(missing)}")
        for row in rows:
            for name, curve in curves.items():
                if row[name]:
                    curve[int(row["epoch"])] = float(row[name])
    if not all(curves.values()):
        raise ValueError(f"expected a finished epoch in {path}, got {sum(map(bool, curves.values()))} curves of 4")
    return curves


def name(path: Path) -> str:
    """What a run is called in the legend: its file's name, or its folder's where all files have the same."""
    return path.resolve().parents[1].name if path.name == "metrics.csv" else path.stem


def draw(runs: dict[str, Curves]) -> bytes:
    """A PNG with a panel for each curve, a line for each run, and a ring around each run's best balanced accuracy."""
    figure, panels = pyplot.subplots(1, len(PANELS), figsize=(15, 3.6), layout="constrained")
    for panel, (curve, title) in zip(panels, PANELS.items(), strict=True):
        for run, curves in runs.items():
            points = curves[curve]
            scale = 100 if "accuracy" in curve else 1
            (line,) = panel.plot(
                sorted(points), [scale * points[epoch] for epoch in sorted(points)], marker=".", label=run
            )
            best = max(curves["val_balanced_accuracy"], key=curves["val_balanced_accuracy"].__getitem__)
            if best in points:
                panel.plot(best, points[best], "o", markersize=10, fillstyle="none", color=line.get_color())
        panel.set_title(title)
        panel.set_xlabel("epoch")
        panel.set_ylabel("%" if "accuracy" in curve else "cross-entropy")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    panels[0].legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    pyplot.close(figure)
    return picture.getvalue()


def main(
    files: Annotated[list[Path], typer.Argument(metavar="CURVES...", help="A run's curves/metrics.csv, or a copy.")],
    out: Annotated[Path, typer.Option(help="The picture, PNG.")],
) -> None:
    """Draw the learning curves of one run, or of several in the same panels."""
    runs: dict[str, Curves] = {}
    try:
        for path in sorted(files):
            together = runs.setdefault(name(path), {curve: {} for curve in PANELS})
            for curve, points in read(path).items():
                together[curve].update(points)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    atomic.write(out, draw(runs))


if __name__ == "__main__":
    typer.run(main)
