"""What is remarked on one attack beside what it leaves: whether it was slowed, ran long enough, or misled itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tools.robustness import attacks, results
from tools.robustness.results import Cell

#: No attack: random changes of the same size.
NOISE = "noise"
#: A factor in queries or passes from which on an attack counts as slowed.
SLOWED = 1.5


def undefended(cells: Sequence[Cell], cell: Cell) -> Cell | None:
    """The same attack where nothing defends."""
    return results.alike(cells, cell, defence="none")


def slowed(cells: Sequence[Cell], cell: Cell) -> str | None:
    """By what factor the defence slows one who sends queries through it, or knows it; None where it cannot be said."""
    if cell.view in attacks.AWARE_VIEWS:
        other, unit = by(cells, cell, "pgd", defence="none"), "passes"
    else:
        other, unit = undefended(cells, cell), "queries"
    if cell.view == "network" or other is None:
        return None
    firsts = [results.firsts(each, results.behind(cells, each)) for each in (other, cell)]
    both = sorted(firsts[0].keys() & firsts[1].keys())
    if not both:
        return None
    before, after = (float(np.median([each[image] for image in both])) for each in firsts)
    if not np.isfinite(before):
        return None
    if not np.isfinite(after):
        spent = np.median([each["asked"] for each in cell.facts if not each["first"]])
        seen = f"slowed: the attacker did not see most images fall within {spent:.0f} {unit}"
        return f"{seen}, {before:.0f} without the defence"
    factor = after / before
    word = "slowed" if factor >= SLOWED else "not slowed"
    steps = f" ({after / cell.looks:.0f} steps)" if cell.looks > 1 and unit == "passes" else ""
    return (
        f"{word}: the median image fell after {after:.0f} {unit}{steps} and not {before:.0f}, a factor of {factor:.1f}"
    )


def by(cells: Sequence[Cell], cell: Cell, name: str, **changed: Any) -> Cell | None:
    """What another attack with its own steps and looks does where a cell's attack was run."""
    other = attacks.ATTACKS[name]
    return results.alike(cells, cell, attack=name, steps=other.steps, looks=other.looks, **changed)


def convergence(cells: Sequence[Cell], cell: Cell) -> str | None:
    """Whether twice the steps change anything, for who knows the defence; None for the last of a row of doublings."""
    if cell.view not in attacks.AWARE_VIEWS:
        return None
    more = results.alike(cells, cell, steps=2 * cell.steps)
    if more is None and results.alike(cells, cell, steps=cell.steps // 2):
        return None
    change = None if more is None else results.lead([more], [cell])
    if change is None:
        return "twice the steps were not run, so it is not shown that these are enough"
    images = results.common([more, cell])
    if (results.right_of(more, images) == results.right_of(cell, images)).all():
        return f"twice the steps change none of {len(images)} images"
    low, high = (100 * each for each in change[1])
    points = f"{100 * change[0]:+.1f} points ({low:+.0f} to {high:+.0f})"
    return f"twice the steps change the accuracy by {points} on {len(images)} images"


def misled(cells: Sequence[Cell], cell: Cell) -> str | None:
    """A warning of misleading gradients: who knows the defence does worse than who does not, who only asks, or who
    knows no more but differentiates through the defence."""
    if cell.view not in attacks.AWARE_VIEWS:
        return None
    unaware, asks = by(cells, cell, "pgd"), by(cells, cell, "square", source=cell.victim, known=cell.known)
    through = None if cell.view in ("surrogate", "seed") else by(cells, cell, "surrogate-pgd")
    others = (("does not know the defence", unaware), ("only asks", asks), ("differentiates through it", through))
    for who, other in others:
        worse = results.lead([cell], [other]) if other else None
        if other and worse and worse[1][0] > 0:
            points = f"by {100 * worse[0]:.1f} points"
            return f"who {who} does better with {other.attack}, {points}: these gradients mislead"
    return None


def overshot(cells: Sequence[Cell], cell: Cell) -> str | None:
    """A remark where half the radius does better, as it may for examples made without what they are shown to."""
    smaller = (
        results.alike(cells, cell, strength=cell.strength // 2) if cell.strength and cell.unit == "1/255" else None
    )
    change = results.lead([cell], [smaller]) if smaller and cell.attack != NOISE else None
    if change is None or change[1][0] <= 0:
        return None
    return f"half the radius does better, by {100 * change[0]:.1f} points"


#: In the order in which they are told.
ALL: tuple[Callable[[Sequence[Cell], Cell], str | None], ...] = (slowed, convergence, misled, overshot)
