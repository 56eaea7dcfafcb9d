"""Confusion matrices as a figure: a panel for the images as they came and one for each purification."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

# Evenly rising lightness, the same to colour-blind readers and in print (Nuñez, Anderton, Renslow 2018).
COLOURS = "cividis"


def draw(matrices: Mapping[str, ArrayLike], codes: Sequence[str], kind: str = "png") -> bytes:
    """A PNG, or an SVG, of confusion matrices by title, (classes, classes), true classes in rows; means may be.

    The colour of a cell is its part of the images of its true class, the number in it the images.
    """
    columns = min(2, len(matrices))
    rows = -(-len(matrices) // columns)
    figure, panels = pyplot.subplots(
        rows,
        columns,
        figsize=(5.4 * columns, 4.9 * rows),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for panel in panels.flat[len(matrices) :]:
        panel.set_axis_off()
    for panel, (title, matrix) in zip(panels.flat, matrices.items(), strict=False):
        counts = np.asarray(matrix, float)
        parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
        shown = panel.imshow(parts, cmap=COLOURS, vmin=0, vmax=1)
        panel.set_title(title)
        for (row, column), part in np.ndenumerate(parts):
            if counts[row, column]:
                colour = "black" if part > 0.5 else "white"
                panel.text(
                    column, row, f"{counts[row, column]:.3g}", ha="center", va="center", color=colour, fontsize=8
                )
    ticks = range(len(codes))
    for panel in panels.flat:
        panel.set_xticks(ticks, codes, fontsize=8)
        panel.set_yticks(ticks, codes, fontsize=8)
    figure.supxlabel("predicted")
    figure.supylabel("true")
    figure.colorbar(shown, ax=panels, label="part of the true class", shrink=0.6)
    encoded = encode(figure, kind)
    pyplot.close(figure)
    return encoded


def encode(figure: Figure, kind: str = "png", dpi: int = 80) -> bytes:
    """A figure as PNG or SVG without date and version of the library, so that the same numbers make the same bytes."""
    content = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "edge-mdda", "svg.fonttype": "none"}):
        figure.savefig(content, format=kind, dpi=dpi, metadata=metadata)
    return content.getvalue()
