"""Accuracy kept of the best undefended, plainly trained model: what the project's targets are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools import dataset
from tools.card_page import table as markdown
from tools.robustness import attacks, results
from tools.robustness.plan import CLEAN
from tools.robustness.results import Cell, of_paper
from tools.robustness.wording import estimate

#: The plainly trained models as `--model` names them: the float network, and the int8 one converted from it.
REFERENCES = ("plain", "plain-int8")
#: The radius that balanced accuracies are told at.
BALANCED_AT = 4
#: Radius, and the attacks averaged.
Columns = Sequence[tuple[int | None, Sequence[str]]]


def best_reference(cells: Sequence[Cell], names: Sequence[str], split: str) -> Cell | None:
    """The clean images of the best undefended model of those named; None where none of them was run."""
    known = [cell for name in names if (cell := results.clean(cells, name, "none", split))]
    return max(known, key=lambda cell: cell.right.mean(), default=None)


def write(cells: Sequence[Cell], references: Sequence[str], split: str) -> str:
    """The table, Markdown; empty where none of the references was run."""
    reference = best_reference(cells, references, split)
    if reference is None:
        return ""
    columns: Columns = [(2, attacks.PAPER), *((radius, attacks.PAPER_LINF) for radius in (2, 4, 8))]
    always = commonest(cells, reference, [(None, (CLEAN,)), *columns])
    shared = _shared(cells, reference, BALANCED_AT, attacks.PAPER_LINF)
    even = len(set(shared.labels.tolist()))
    lines = [[*always, *(2 * [f"{100 / even:.1f}" if even else "–"])]]
    pairs = [(cell.source, cell.victim) for cell in cells if of_paper(cell)]
    for source, victim in dict.fromkeys(pairs):
        both = [cell for cell in results.pick(cells, source=source, victim=victim) if of_paper(cell)]
        for defence in dict.fromkeys(cell.defence for cell in both):
            untouched = results.clean(cells, victim, defence, split)
            texts = [estimate(results.kept([untouched], reference), "kept") if untouched else "–"]
            texts += [estimate(under_attacks(both, defence, *column, reference), "kept") for column in columns]
            if any(text != "–" for text in texts[1:]):  # or not all of the paper's attacks were run at any radius
                attacked = _under(both, defence, BALANCED_AT, attacks.PAPER_LINF)
                both_kinds = _balanced(untouched, attacked) if untouched and attacked else ["–", "–"]
                lines.append([f"{victim}, through {source}, {defence}", *texts, *both_kinds])
    header = ("% kept", "clean", "six attacks, 2/255", *(f"five L∞, {radius}/255" for radius in (2, 4, 8)))
    header = (*header, "balanced accuracy, %: clean", f"five L∞, {BALANCED_AT}/255")
    return (
        f"{markdown(header, lines)}\n\nOf what {reference.victim} has without attack or defence on the images of each "
        f"number ({100 * reference.right.mean():.1f} % on all {len(reference.images)}). The balanced accuracies are on "
        f"the images that both columns have, of {_classes(shared)}."
    )


def _under(cells: Sequence[Cell], defence: str, radius: int | None, names: Sequence[str]) -> list[Cell]:
    """The cells of these attacks at a radius behind a defence; none where one of them was not run."""
    found = [cell for cell in cells if cell.defence == defence and cell.attack in names]
    found = [cell for cell in found if cell.strength in (radius, None) and (cell.attack == CLEAN or of_paper(cell))]
    return found if {cell.attack for cell in found} == set(names) else []


def under_attacks(
    cells: Sequence[Cell], defence: str, radius: int | None, names: Sequence[str], reference: Cell
) -> dict[str, Any] | None:
    """`results.kept` under these attacks, of one victim through one source; None where one of them was not run."""
    chosen = _under(cells, defence, radius, names)
    return results.kept(chosen, reference) if chosen else None


def _balanced(untouched: Cell, attacked: Sequence[Cell]) -> list[str]:
    """Balanced accuracy in per cent without attack, and the mean under attacks, on the images that all have."""
    images = results.common([untouched, *attacked])
    scores = [results.on(cell, images).measured["balanced_accuracy"] for cell in (untouched, *attacked)]
    return [f"{100 * scores[0]:.1f}", f"{100 * np.mean(scores[1:]):.1f}"]


def _shared(cells: Sequence[Cell], reference: Cell, radius: int | None, names: Sequence[str]) -> Cell:
    """The reference on the images that all cells of these attacks share with it; without attack on all its images."""
    chosen = [cell for cell in cells if of_paper(cell) and cell.attack in names and cell.strength in (radius, None)]
    return results.on(reference, results.common([reference, *chosen]))


def _classes(cell: Cell) -> str:
    """How many images of each class."""
    counts = np.bincount(cell.labels, minlength=len(dataset.CLASSES)).tolist()
    pairs = sorted(zip(counts, dataset.CLASSES, strict=True), reverse=True)
    return ", ".join(f"{count} {name}" for count, name in pairs)


def commonest_class(reference: Cell) -> int:
    """Which class most of its images have, `dataset.CLASSES`."""
    return int(np.bincount(reference.labels).argmax())


def commonest(cells: Sequence[Cell], reference: Cell, columns: Columns) -> list[str]:
    """Kept by who answers the commonest class whatever comes: what accuracy alone does not tell from a defence."""
    chosen = commonest_class(reference)
    texts = [f"always {dataset.CLASSES[chosen]}"]
    for radius, names in columns:
        found = {cell.attack for cell in cells if cell.strength in (radius, None)}
        shared = _shared(cells, reference, radius, names)
        whole = found >= set(names) and shared.images and shared.right.any()
        texts.append(f"{100 * np.mean(shared.labels == chosen) / shared.right.mean():.1f}" if whole else "–")
    return texts
