"""Cells and their numbers as they stand in tables and sentences: order, units, per cent with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools import dataset
from tools.robustness import attacks, corruptions, defences, results
from tools.robustness.plan import CLEAN, UNIVERSAL
from tools.robustness.results import Cell

#: Images of a class from which on a bootstrap within it says something.
FEWEST = 5


def order(cell: Cell) -> tuple[Any, ...]:
    """By victim, attack and defence in the order of their tables."""
    known = [CLEAN, *attacks.ATTACKS, UNIVERSAL, *corruptions.CORRUPTIONS]
    attack = known.index(cell.attack), cell.strength or 0, cell.steps
    return cell.split, cell.victim, cell.source or "", *attack, _place(cell.defence)


def _place(defence: str) -> tuple[int, str, float]:
    """Those that have a name, then those of a changed setting by its number."""
    setting, _, value = defence.partition("=")
    if defence in defences.ALL or not value.replace(".", "", 1).isdecimal():
        return (defences.ALL.index(defence) if defence in defences.ALL else len(defences.ALL), defence, 0)
    return len(defences.ALL), setting, float(value)


def most_common(cells: Sequence[Cell], images: Sequence[str]) -> str:
    """What part of these images is of their commonest class: the accuracy of who answers it whatever comes."""
    known = results.labels_of(cells)
    counts = np.bincount([known[image] for image in images], minlength=len(dataset.CLASSES))
    return f"{100 * counts.max() / len(images):.1f} % are {dataset.CLASSES[int(counts.argmax())]}"


def estimate(found: dict[str, Any] | None, name: str = "accuracy") -> str:
    """A metric with its interval in per cent, without the sign."""
    if found is None:
        return "–"
    low, high = found[f"{name}_95"]
    return f"{100 * found[name]:.1f} ({100 * low:.0f}–{100 * high:.0f})"


def balanced(found: dict[str, Any]) -> str:
    """Balanced accuracy in per cent; its interval only where each class has images enough to resample."""
    fewest = min(each["images"] for each in found["classes"].values() if each["images"])
    text = estimate(found, "balanced_accuracy")
    return text if fewest >= FEWEST else text.partition(" ")[0]


def split_cells(cells: Sequence[Cell], split: str) -> list[Cell]:
    return sorted(results.pick(cells, split=split), key=order)


def milliseconds(cells: Sequence[Cell]) -> float:
    """The median time a defence took for an image."""
    return float(np.median(np.concatenate([cell.seconds for cell in cells])) * 1000)


def strength(cell: Cell) -> str:
    return "–" if cell.strength is None else quantity(cell.strength, cell.unit)


def quantity(number: int, unit: str) -> str:
    """A strength with its unit: 4/255, 10 °, severity 3."""
    if unit == "1/255":
        return f"{number}/255"
    return f"{unit} {number}" if unit == "severity" else f"{number} {unit}".strip()
