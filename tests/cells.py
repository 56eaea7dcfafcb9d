"""Made-up results of the robustness laboratory, for the tests of its tables, figures and verdict."""

from __future__ import annotations

import numpy as np

from tools.robustness import attacks
from tools.robustness.plan import CLEAN
from tools.robustness.results import Cell

COUNT = 40
LABELS = np.arange(COUNT) % 8


def cell(attack, part, *, defence="none", victim="resnet50", source="resnet50", strength=4, first=None, **changes):
    """Of 40 images the given part is answered rightly, the first ones."""
    known = attacks.ATTACKS.get(attack)
    view = changes.get("view", known.view if known else "none")
    right = np.arange(COUNT) < round(part * COUNT)
    logits = np.eye(8, dtype=np.float32)[np.where(right, LABELS, (LABELS + 1) % 8)][None]
    given = {
        "attack": attack,
        "strength": None if attack in (CLEAN, "cw") else strength,
        "unit": known.unit if known else "",
        "steps": known.steps if known else 1,
        "looks": known.looks if known else 1,
        "view": view,
        "knows": known.knows if known else "nobody attacks",
        "source": None if attack == CLEAN else source,
        "known": None if view in ("network", "none", "corruption") else defence,
        "split": "test",
        "victim": victim,
        "defence": defence,
        "images": tuple(f"{number:02}" for number in range(COUNT)),
        "labels": LABELS,
        "logits": logits,
        "seconds": np.full(COUNT, {"none": 0.0, "edge": 0.004, "nrp": 0.05}.get(defence, 0.002)),
        "facts": tuple({"first": first, "asked": 100, "seconds": 1.0, "linf": 4.0, "l2": 3.0} for _ in range(COUNT)),
    }
    return Cell(**{**given, **changes})


def paper_cells(defence, part, victim="resnet50"):
    return [cell(name, part, defence=defence, victim=victim) for name in attacks.PAPER]


CELLS = [
    cell(CLEAN, 0.8),
    cell(CLEAN, 0.75, defence="edge"),
    cell(CLEAN, 0.7, defence="nrp"),
    *paper_cells("none", 0),
    *paper_cells("edge", 0.7),
    *paper_cells("nrp", 0.4),
]
